/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/zsets/pop.c - ZPOPMIN, ZPOPMAX and ZMPOP: members with the lowest or highest scores
 * are taken out and answered. */
#include "engine/keys/zsets/zset.h"

struct taking {
    uint64_t        count_max;
    bool            is_max;
    bool            names_key; /* the answer says which key it was */
    enum zsets_form form;
};

/* Answers members and removes them. What does not fit into the answer stays. */
static void pop(struct zset *zset, const struct taking *taking)
{
    struct resp_out *out = zset->run->out;
    const size_t begun = out->used;
    const uint64_t count = zset->value.count;
    const uint64_t taken = taking->count_max < count ? taking->count_max : count;
    const struct zsets_span span =
        taking->is_max ? (struct zsets_span){count - taken, count} : (struct zsets_span){0, taken};
    if (!zsets__reserve_span(zset, span))
        return;
    if (taking->names_key) {
        resp_array(out, 2);
        resp_bulk(out, zset->key);
    }
    enum space_result result = zsets__write_span(zset, span, taking->is_max, taking->form);
    if (result == SPACE_OK && !out->failed)
        result = zsets__remove_span(zset, span);
    if (result != SPACE_OK)
        members_refuse(zset->run, begun, result);
}

static void pop_one(struct run *run, bool is_max)
{
    int64_t count = 1;
    const bool has_count = run->args_count == 3;
    if (run->args_count > 3) {
        resp_error(run->out, RUN_SYNTAX);
        return;
    }
    if (has_count && (!bytes_read_int64(run->args[2], &count) || count < 0)) {
        resp_error(run->out, "ERR value is out of range, must be positive");
        return;
    }
    const struct taking taking = {.count_max = (uint64_t)count,
                                  .is_max = is_max,
                                  .form = has_count ? zsets__form(run, true) : ZSETS_FLAT};
    struct zset zset;
    if (zsets__open(&zset, run, run->args[1]))
        pop(&zset, &taking);
}

void run__ZPOPMIN(struct run *run)
{
    pop_one(run, false);
}

void run__ZPOPMAX(struct run *run)
{
    pop_one(run, true);
}

/* A number above 0, or @error is answered. */
static bool read_positive(struct run *run, uint32_t index, const char *error, int64_t *number)
{
    if (bytes_read_int64(run->args[index], number) && *number > 0)
        return true;
    resp_error(run->out, error);
    return false;
}

/* ZMPOP numkeys key ... MIN|MAX [COUNT n] */
static bool read_many(struct run *run, uint32_t *keys_count, struct taking *taking)
{
    int64_t keys, count = 1;
    if (!read_positive(run, 1, "ERR numkeys should be greater than 0", &keys))
        return false;
    const uint64_t where = (uint64_t)keys + 2;
    if (where >= run->args_count) {
        resp_error(run->out, RUN_SYNTAX);
        return false;
    }
    const uint32_t at = (uint32_t)where;
    *keys_count = (uint32_t)keys;
    taking->is_max = run_arg_is(run, at, "max");
    const bool has_count = at + 3 <= run->args_count && run_arg_is(run, at + 1, "count");
    const bool is_word_known = taking->is_max || run_arg_is(run, at, "min");
    if (is_word_known && has_count &&
        !read_positive(run, at + 2, "ERR count should be greater than 0", &count))
        return false;
    if (!is_word_known || run->args_count != at + (has_count ? 3 : 1)) {
        resp_error(run->out, RUN_SYNTAX);
        return false;
    }
    taking->count_max = (uint64_t)count;
    return true;
}

void run__ZMPOP(struct run *run)
{
    struct taking taking = {.names_key = true, .form = ZSETS_PAIRS};
    uint32_t keys_count;
    if (!read_many(run, &keys_count, &taking))
        return;
    for (uint32_t i = 0; i < keys_count; i++) {
        struct zset zset;
        if (!zsets__open(&zset, run, run->args[2 + i]))
            return;
        if (zset.value.count > 0) {
            pop(&zset, &taking);
            return;
        }
    }
    resp_null_array(run->out);
}
