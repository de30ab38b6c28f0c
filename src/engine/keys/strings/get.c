/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/strings/get.c - a string, all or a part of it. */
#include "engine/keys/members.h"
#include "engine/keys/strings/strings.h"

void run__GET(struct run *run)
{
    struct space *space;
    struct space_value value;
    if (run_find(run, run->args[1], KEY_STRING, &space, &value))
        strings__answer(run, &value);
}

void run__GETDEL(struct run *run)
{
    struct space *space;
    struct space_value value;
    if (!run_find(run, run->args[1], KEY_STRING, &space, &value))
        return;
    strings__answer(run, &value);
    if (value.type != KEY_NONE && !run->out->failed)
        space->kind->remove(space, run->args[1]);
}

/* GETEX: what is to become of the expiry. */
struct life {
    bool             persists;
    enum expiry_form expiry;
    uint32_t         index; /* of its number */
};

static bool read_life(struct run *run, struct life *life)
{
    *life = (struct life){0};
    for (uint32_t i = 2; i < run->args_count; i++) {
        enum expiry_form form;
        if (run_arg_is(run, i, "persist") && life->expiry == EXPIRY_NONE) {
            life->persists = true;
        } else if (strings__is_expiry(run, i, &form) && !life->persists &&
                   (life->expiry == EXPIRY_NONE || life->expiry == form)) {
            life->expiry = form;
            life->index = ++i;
        } else {
            resp_error(run->out, RUN_SYNTAX);
            return false;
        }
    }
    return true;
}

/* Sets the expiry of what was found; a time that is over deletes it. */
static enum space_result expire(struct run *run, struct space *space, struct space_value *value,
                                uint64_t expires_ms)
{
    if (expires_ms == 0 || expires_ms > run->now_ms)
        return space->kind->expire(space, run->args[1], value, expires_ms);
    space->kind->remove(space, run->args[1]);
    return SPACE_OK;
}

void run__GETEX(struct run *run)
{
    struct life life;
    struct space *space;
    struct space_value value;
    uint64_t expires_ms = 0;
    if (!read_life(run, &life) || !run_find(run, run->args[1], KEY_STRING, &space, &value))
        return;
    if (value.type == KEY_NONE) {
        resp_null(run->out);
        return;
    }
    if (life.expiry != EXPIRY_NONE &&
        !strings__read_expiry(run, life.index, life.expiry, &expires_ms))
        return;
    const size_t begun = run->out->used;
    strings__answer(run, &value);
    const bool changes = life.expiry != EXPIRY_NONE || (life.persists && value.expires_ms != 0);
    if (!changes || run->out->failed)
        return;
    const enum space_result result = expire(run, space, &value, expires_ms);
    if (result != SPACE_OK)
        members_refuse(run, begun, result);
}

void run__STRLEN(struct run *run)
{
    struct space *space;
    struct space_value value;
    if (run_find(run, run->args[1], KEY_STRING, &space, &value))
        resp_integer(run->out, value.type == KEY_NONE ? 0 : (int64_t)value.string.count);
}

void run__GETRANGE(struct run *run)
{
    int64_t first, last;
    struct space *space;
    struct space_value value;
    if (!run_integer(run, 2, &first) || !run_integer(run, 3, &last) ||
        !run_find(run, run->args[1], KEY_STRING, &space, &value))
        return;
    struct bytes part = {0};
    if (value.type != KEY_NONE && !strings__are_backward(first, last) &&
        strings__clip(&first, &last, value.string.count))
        part = (struct bytes){value.string.at + first, (size_t)(last - first + 1)};
    resp_bulk(run->out, part);
}

void run__SUBSTR(struct run *run)
{
    run__GETRANGE(run);
}
