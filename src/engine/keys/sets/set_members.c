/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/sets/set_members.c - members of one set: asked for, added, removed, moved.
 *
 * A command that adds several and finds no room for one of them takes back those before it. */
#include "engine/keys/members.h"
#include "engine/keys/whole.h"

/* ---- reading ---- */

void run__SCARD(struct run *run)
{
    struct space *space;
    struct space_value value;
    if (run_find(run, run->args[1], KEY_SET, &space, &value))
        resp_integer(run->out, value.type == KEY_NONE ? 0 : (int64_t)value.count);
}

/* Is @member in the set? False: answered. */
static bool look_for(struct run *run, struct space_value *value, struct bytes member,
                     bool *is_there)
{
    struct bytes ignored;
    *is_there = false;
    return value->type == KEY_NONE || members_get(run, value, member, &ignored, is_there);
}

void run__SISMEMBER(struct run *run)
{
    struct space *space;
    struct space_value value;
    bool is_there;
    if (run_find(run, run->args[1], KEY_SET, &space, &value) &&
        look_for(run, &value, run->args[2], &is_there))
        resp_integer(run->out, is_there);
}

void run__SMISMEMBER(struct run *run)
{
    const size_t begun = run->out->used;
    struct space *space;
    struct space_value value;
    if (!run_find(run, run->args[1], KEY_SET, &space, &value))
        return;
    resp_array(run->out, run->args_count - 2);
    for (uint32_t i = 2; i < run->args_count; i++) {
        const size_t error = run->out->used;
        bool is_there;
        if (!look_for(run, &value, run->args[i], &is_there)) {
            members_unsay(run, begun, error);
            return;
        }
        resp_integer(run->out, is_there);
    }
}

static void write_name(struct run *run, const struct space_cursor *at)
{
    resp_bulk(run->out, members_name(at->key));
}

void run__SMEMBERS(struct run *run)
{
    const size_t begun = run->out->used;
    struct space *space;
    struct space_value value;
    if (!run_find(run, run->args[1], KEY_SET, &space, &value))
        return;
    if (value.type == KEY_NONE) {
        resp_set(run->out, 0);
        return;
    }
    struct space_cursor at = space_cursor_of(space, &value, 0);
    resp_set(run->out, value.count);
    space->kind->seek_rank(&at, 0);
    members_write(run, &at, value.count, begun, write_name);
}

static unsigned write_scanned(struct run *run, const struct space_cursor *at)
{
    write_name(run, at);
    return 1;
}

void run__SSCAN(struct run *run)
{
    members_scan(run, KEY_SET, write_scanned);
}

/* ---- changing ---- */

/* Adds args[2] and those that follow. False: answered, and nothing is changed. */
static bool add_members(struct run *run, struct space *space, struct space_value *value,
                        int64_t *new_count)
{
    struct trail trail = {.run = run, .space = space, .value = value};
    const struct bytes nothing = {0};
    *new_count = 0;
    for (uint32_t i = 2; i < run->args_count; i++) {
        const bool is_last = i + 1 == run->args_count; /* if it fails, it has changed nothing */
        bool is_new;
        if (!(is_last ? members_put(run, value, run->args[i], nothing, &is_new)
                      : trail_put(&trail, run->args[i], nothing, false, &is_new))) {
            trail_back(&trail);
            return false;
        }
        *new_count += is_new;
    }
    return true;
}

void run__SADD(struct run *run)
{
    struct space *space;
    struct space_value value;
    int64_t new_count;
    if (!run_find(run, run->args[1], KEY_SET, &space, &value))
        return;
    if (value.type == KEY_NONE &&
        !run_is_ok(run, space->kind->create(space, run->args[1], KEY_SET, &value)))
        return;
    const bool is_put = add_members(run, space, &value, &new_count);
    const enum space_result settled = space->kind->settle(space, run->args[1], &value);
    if (is_put && run_is_ok(run, settled))
        resp_integer(run->out, new_count);
}

void run__SREM(struct run *run)
{
    members_remove_listed(run, KEY_SET);
}

/* One of the two sets of SMOVE. */
struct end {
    struct space      *space;
    struct space_value value;
    struct bytes       key;
};

/* Puts @member into @to, made if it is not there. False: answered, and nothing is changed. */
static bool put_into(struct run *run, struct end *to, struct bytes member, bool *is_new)
{
    const struct space_kind *kind = to->space->kind;
    if (to->value.type == KEY_NONE &&
        !run_is_ok(run, kind->create(to->space, to->key, KEY_SET, &to->value)))
        return false;
    const bool is_put = members_put(run, &to->value, member, (struct bytes){0}, is_new);
    const enum space_result settled = kind->settle(to->space, to->key, &to->value);
    return is_put && run_is_ok(run, settled);
}

/* It is added there first, since only that may find no room. */
static void move_member(struct run *run, struct end *from, struct end *to, struct bytes member)
{
    bool is_new, was_there;
    if (!put_into(run, to, member, &is_new))
        return;
    const bool is_removed = members_remove(run, &from->value, member, &was_there);
    const enum space_result settled =
        from->space->kind->settle(from->space, from->key, &from->value);
    if (is_removed && run_is_ok(run, settled))
        resp_integer(run->out, 1);
}

void run__SMOVE(struct run *run)
{
    struct end from = {.key = run->args[1]}, to = {.key = run->args[2]};
    bool is_there;
    if (!run_find(run, from.key, KEY_SET, &from.space, &from.value))
        return;
    if (from.value.type == KEY_NONE) { /* whatever @to is, as Redis has it */
        resp_integer(run->out, 0);
        return;
    }
    if (!run_find(run, to.key, KEY_SET, &to.space, &to.value) ||
        !look_for(run, &from.value, run->args[3], &is_there))
        return;
    if (is_there && !bytes_equal(from.key, to.key))
        move_member(run, &from, &to, run->args[3]);
    else
        resp_integer(run->out, is_there);
}
