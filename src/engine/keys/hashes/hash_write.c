/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/hashes/hash_write.c - changes of a hash's fields.
 *
 * A command of several fields that finds no room for one of them takes back those before it. */
#include "engine/keys/members.h"
#include "engine/keys/whole.h"

/* The hash at args[1], made if it is not there. False: answered. */
static bool find_or_make(struct run *run, struct space **space, struct space_value *value)
{
    if (!run_find(run, run->args[1], KEY_HASH, space, value))
        return false;
    return value->type != KEY_NONE ||
           run_is_ok(run, (*space)->kind->create(*space, run->args[1], KEY_HASH, value));
}

/* Puts the fields and values from args[2] on. False: answered, and nothing is changed. */
static bool put_fields(struct run *run, struct space *space, struct space_value *value,
                       int64_t *new_count)
{
    struct trail trail = {.run = run, .space = space, .value = value};
    *new_count = 0;
    for (uint32_t i = 2; i < run->args_count; i += 2) {
        const bool is_last = i + 2 == run->args_count; /* if it fails, it has changed nothing */
        bool is_new;
        const bool is_put = is_last
                                ? members_put(run, value, run->args[i], run->args[i + 1], &is_new)
                                : trail_put(&trail, run->args[i], run->args[i + 1], true, &is_new);
        if (!is_put) {
            trail_back(&trail);
            return false;
        }
        *new_count += is_new;
    }
    return true;
}

/* False: answered. */
static bool set_fields(struct run *run, int64_t *new_count)
{
    struct space *space;
    struct space_value value;
    if (run->args_count % 2 != 0) {
        resp_errorf(run->out, "ERR wrong number of arguments for '%s' command",
                    run->op->command->name);
        return false;
    }
    if (!find_or_make(run, &space, &value))
        return false;
    const bool is_put = put_fields(run, space, &value, new_count);
    const enum space_result settled = space->kind->settle(space, run->args[1], &value);
    return is_put && run_is_ok(run, settled);
}

void run__HSET(struct run *run)
{
    int64_t new_count;
    if (set_fields(run, &new_count))
        resp_integer(run->out, new_count);
}

void run__HMSET(struct run *run)
{
    int64_t new_count;
    if (set_fields(run, &new_count))
        resp_simple(run->out, "OK");
}

void run__HSETNX(struct run *run)
{
    struct space *space;
    struct space_value value;
    struct bytes found;
    bool is_there = false;
    int64_t new_count;
    if (!run_find(run, run->args[1], KEY_HASH, &space, &value))
        return;
    if (value.type != KEY_NONE && !members_get(run, &value, run->args[2], &found, &is_there))
        return;
    if (is_there)
        resp_integer(run->out, 0);
    else if (set_fields(run, &new_count))
        resp_integer(run->out, 1);
}

void run__HDEL(struct run *run)
{
    members_remove_listed(run, KEY_HASH);
}
