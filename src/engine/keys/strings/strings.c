/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/strings/strings.c - times to live, lengths, places. */
#include "engine/keys/strings/strings.h"

enum { MS_PER_SECOND = 1000 };

bool strings__read_expiry(struct run *run, uint32_t index, enum expiry_form form,
                          uint64_t *expires_ms)
{
    const bool is_in_seconds = form == EXPIRY_EX || form == EXPIRY_EXAT;
    const bool is_from_now = form == EXPIRY_EX || form == EXPIRY_PX;
    int64_t time = 0;
    if (!run_integer(run, index, &time))
        return false;
    const bool is_time =
        time > 0 && !(is_in_seconds && __builtin_mul_overflow(time, MS_PER_SECOND, &time)) &&
        !(is_from_now && __builtin_add_overflow(time, (int64_t)run->now_ms, &time));
    *expires_ms = (uint64_t)time;
    if (!is_time)
        resp_errorf(run->out, "ERR invalid expire time in '%s' command", run->op->command->name);
    return is_time;
}

bool strings__is_expiry(const struct run *run, uint32_t index, enum expiry_form *form)
{
    static const char *const words[] = {
        [EXPIRY_EX] = "ex", [EXPIRY_PX] = "px", [EXPIRY_EXAT] = "exat", [EXPIRY_PXAT] = "pxat"};
    if (index + 1 >= run->args_count)
        return false;
    for (unsigned i = EXPIRY_EX; i <= EXPIRY_PXAT; i++) {
        if (run_arg_is(run, index, words[i])) {
            *form = (enum expiry_form)i;
            return true;
        }
    }
    return false;
}

enum space_result strings__put(struct run *run, struct space *space, struct bytes key,
                               struct bytes string, uint64_t expires_ms)
{
    if (string.count > run->value_bytes_max)
        return SPACE_TOO_LARGE;
    if (expires_ms == 0 || expires_ms > run->now_ms)
        return space->kind->put(space, key, string, expires_ms);
    space->kind->remove(space, key);
    return SPACE_OK;
}

bool strings__may_be_long(struct run *run, uint64_t bytes)
{
    if (bytes > STRINGS_BYTES_MAX) {
        resp_error(run->out, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
        return false;
    }
    return run_is_ok(run, bytes > run->value_bytes_max ? SPACE_TOO_LARGE : SPACE_OK);
}

bool strings__edit(struct run *run, struct space *space, struct space_value *value, uint64_t bytes,
                   uint8_t **at)
{
    return strings__may_be_long(run, bytes) &&
           run_is_ok(run, space->kind->edit(space, run->args[1], value, bytes, at));
}

bool strings__edited(struct run *run, struct space *space, struct space_value *value)
{
    return run_is_ok(run, space->kind->edited(space, run->args[1], value));
}

void strings__answer(struct run *run, const struct space_value *value)
{
    if (value->type == KEY_STRING)
        resp_bulk(run->out, value->string);
    else
        resp_null(run->out);
}

bool strings__clip(int64_t *first, int64_t *last, uint64_t count)
{
    const int64_t end = (int64_t)count;
    if (*first < 0)
        *first = *first + end < 0 ? 0 : *first + end;
    if (*last < 0)
        *last = *last + end < 0 ? 0 : *last + end;
    if (*last >= end)
        *last = end - 1;
    return *first <= *last;
}

bool strings__read_bit_offset(struct run *run, uint32_t index, unsigned width, uint64_t *offset)
{
    struct bytes text = run->args[index];
    int64_t number = -1;
    const bool is_counted = width != 0 && text.count > 0 && text.at[0] == '#';
    if (is_counted)
        text = (struct bytes){text.at + 1, text.count - 1};
    if (!bytes_read_int64(text, &number) ||
        (is_counted && __builtin_mul_overflow(number, (int64_t)width, &number)) || number < 0 ||
        number / 8 >= (int64_t)STRINGS_BYTES_MAX) {
        resp_error(run->out, STRINGS_NO_BIT_OFFSET);
        return false;
    }
    *offset = (uint64_t)number;
    return true;
}
