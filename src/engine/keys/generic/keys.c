/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/generic/keys.c - keys that are counted, deleted, renamed, or asked for their type. */
#include "engine/keys/run.h"

void run__DEL(struct run *run)
{
    int64_t count = 0;
    for (uint32_t i = 1; i < run->args_count; i++) {
        struct space *space = run->space_of(run, run->args[i]);
        count += space->kind->remove(space, run->args[i]);
    }
    resp_integer(run->out, count);
}

void run__UNLINK(struct run *run)
{
    run__DEL(run);
}

void run__EXISTS(struct run *run)
{
    int64_t count = 0;
    for (uint32_t i = 1; i < run->args_count; i++) {
        struct space *space;
        struct space_value value;
        if (!run_find_any(run, run->args[i], &space, &value))
            return;
        count += value.type != KEY_NONE;
    }
    resp_integer(run->out, count);
}

void run__TOUCH(struct run *run)
{
    run__EXISTS(run);
}

void run__TYPE(struct run *run)
{
    struct space *space;
    struct space_value value;
    if (run_find_any(run, run->args[1], &space, &value))
        resp_simple(run->out, key_type_name(value.type));
}

/* What is to be renamed; false: nothing is there, or it is damaged, answered. */
static bool find_source(struct run *run, struct space **space)
{
    struct space_value value;
    if (!run_find_any(run, run->args[1], space, &value))
        return false;
    if (value.type != KEY_NONE)
        return true;
    resp_error(run->out, RUN_NO_KEY);
    return false;
}

void run__RENAME(struct run *run)
{
    struct space *from;
    if (!find_source(run, &from))
        return;
    struct space *to = run->space_of(run, run->args[2]);
    if (bytes_equal(run->args[1], run->args[2]) ||
        run_is_ok(run, from->kind->rename(from, run->args[1], to, run->args[2])))
        resp_simple(run->out, "OK");
}

void run__RENAMENX(struct run *run)
{
    struct space *from, *to;
    struct space_value there;
    if (!find_source(run, &from) || !run_find_any(run, run->args[2], &to, &there))
        return;
    if (there.type != KEY_NONE)
        resp_integer(run->out, 0);
    else if (run_is_ok(run, from->kind->rename(from, run->args[1], to, run->args[2])))
        resp_integer(run->out, 1);
}
