/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/sets/set_random.c - members by chance, which stay or go. */
#include "engine/keys/members.h"

static void write_name(struct run *run, const struct space_cursor *at)
{
    resp_bulk(run->out, members_name(at->key));
}

/* ---- SRANDMEMBER ---- */

static void answer_one(struct run *run, struct space *space, struct space_value *value)
{
    struct space_cursor at = space_cursor_of(space, value, 0);
    if (value->type == KEY_NONE) {
        resp_null(run->out);
        return;
    }
    members_draw(run, &at);
    if (at.is_there)
        write_name(run, &at);
    else
        resp_error(run->out, space_result_text(SPACE_DAMAGED));
}

/* @count of them, any of which may come again, or those at @ranks. */
static void answer_drawn(struct run *run, struct space_cursor *at, uint64_t count,
                         const uint64_t *ranks)
{
    const size_t begun = run->out->used;
    resp_array(run->out, count);
    for (uint64_t i = 0; i < count && !run->out->failed; i++) {
        if (ranks == NULL)
            members_draw(run, at);
        else
            at->space->kind->seek_rank(at, ranks[i]);
        if (!at->is_there) {
            members_refuse(run, begun, SPACE_DAMAGED);
            return;
        }
        write_name(run, at);
    }
}

static void answer_whole(struct run *run, struct space_cursor *at)
{
    const size_t begun = run->out->used;
    resp_array(run->out, at->value->count);
    at->space->kind->seek_rank(at, 0);
    members_write(run, at, at->value->count, begun, write_name);
}

static void answer_many(struct run *run, struct space *space, struct space_value *value,
                        int64_t count)
{
    struct space_cursor at = space_cursor_of(space, value, 0);
    if (value->type == KEY_NONE || count == 0) {
        resp_array(run->out, 0);
    } else if (count < 0) {
        answer_drawn(run, &at, (uint64_t)-count, NULL);
    } else if ((uint64_t)count >= value->count) {
        answer_whole(run, &at);
    } else {
        const uint64_t *ranks = members_choose(run, value->count, (uint64_t)count);
        if (ranks != NULL)
            answer_drawn(run, &at, (uint64_t)count, ranks);
    }
}

/* False: answered. */
static bool read_count(struct run *run, int64_t *count)
{
    if (run->args_count > 3) {
        resp_error(run->out, RUN_SYNTAX);
        return false;
    }
    if (!run_integer(run, 2, count))
        return false;
    if (*count != INT64_MIN)
        return true;
    resp_errorf(run->out, "ERR value is out of range, value must between %lld and %lld",
                -(long long)INT64_MAX, (long long)INT64_MAX);
    return false;
}

void run__SRANDMEMBER(struct run *run)
{
    struct space *space;
    struct space_value value;
    int64_t count = 0;
    const bool has_count = run->args_count > 2;
    if (has_count && !read_count(run, &count))
        return;
    if (!run_find(run, run->args[1], KEY_SET, &space, &value))
        return;
    if (has_count)
        answer_many(run, space, &value, count);
    else
        answer_one(run, space, &value);
}

/* ---- SPOP: all is answered before the first is removed, or an answer that does not fit would lose
 * them ---- */

/* Answers the members at @ranks and puts copies of their keys to @keys. False: answered. */
static bool answer_chosen(struct run *run, struct space_cursor *at, uint64_t count,
                          const uint64_t *ranks, struct bytes *keys)
{
    const size_t begun = run->out->used;
    if (run->args_count > 2)
        resp_set(run->out, count);
    for (uint64_t i = 0; i < count; i++) {
        at->space->kind->seek_rank(at, ranks[i]);
        if (!at->is_there) {
            members_refuse(run, begun, SPACE_DAMAGED);
            return false;
        }
        write_name(run, at);
        const size_t error = run->out->used;
        keys[i] = members_copy(run, at->key);
        if (keys[i].at == NULL)
            members_unsay(run, begun, error);
        if (keys[i].at == NULL || run->out->failed)
            return false;
    }
    return true;
}

static void pop_some(struct run *run, struct space *space, struct space_value *value,
                     uint64_t count)
{
    const size_t begun = run->out->used;
    struct space_cursor at = space_cursor_of(space, value, 0);
    const uint64_t *ranks = members_choose(run, value->count, count);
    struct bytes *keys = ranks == NULL ? NULL : run_scratch(run, count * sizeof *keys);
    if (keys == NULL || !answer_chosen(run, &at, count, ranks, keys))
        return;
    enum space_result removed = SPACE_OK;
    for (uint64_t i = 0; i < count && removed == SPACE_OK; i++) {
        bool was_there;
        removed = space->kind->tree_remove(value, 0, keys[i], &was_there);
    }
    const enum space_result settled = space->kind->settle(space, run->args[1], value);
    if (removed != SPACE_OK || settled != SPACE_OK)
        members_refuse(run, begun, removed != SPACE_OK ? removed : settled);
}

static void pop_whole(struct run *run, struct space *space, struct space_value *value)
{
    const size_t begun = run->out->used;
    struct space_cursor at = space_cursor_of(space, value, 0);
    resp_set(run->out, value->count);
    space->kind->seek_rank(&at, 0);
    if (members_write(run, &at, value->count, begun, write_name))
        (void)space->kind->remove(space, run->args[1]);
}

/* False: answered. */
static bool read_pop_count(struct run *run, int64_t *count)
{
    *count = 1;
    if (run->args_count > 3) {
        resp_error(run->out, RUN_SYNTAX);
        return false;
    }
    if (run->args_count == 2 || (bytes_read_int64(run->args[2], count) && *count >= 0))
        return true;
    resp_error(run->out, "ERR value is out of range, must be positive");
    return false;
}

void run__SPOP(struct run *run)
{
    struct space *space;
    struct space_value value;
    int64_t count;
    const bool has_count = run->args_count > 2;
    if (!read_pop_count(run, &count) || !run_find(run, run->args[1], KEY_SET, &space, &value))
        return;
    if (value.type == KEY_NONE && !has_count)
        resp_null(run->out);
    else if (value.type == KEY_NONE || count == 0)
        resp_set(run->out, 0);
    else if (has_count && (uint64_t)count >= value.count)
        pop_whole(run, space, &value);
    else
        pop_some(run, space, &value, (uint64_t)count);
}
