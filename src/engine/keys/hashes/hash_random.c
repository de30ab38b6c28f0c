/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/hashes/hash_random.c - fields by chance. */
#include "engine/keys/members.h"

struct wanted {
    int64_t count; /* negative: so many, and any of them may come again */
    bool    with_values;
    size_t  begun; /* where the answer begins */
};

static void write_one(struct run *run, const struct wanted *wanted, const struct space_cursor *at)
{
    if (wanted->with_values && run->out->version == 3)
        resp_array(run->out, 2);
    resp_bulk(run->out, members_name(at->key));
    if (wanted->with_values)
        resp_bulk(run->out, at->member_value);
}

static void write_head(struct run *run, const struct wanted *wanted, uint64_t count)
{
    const bool is_flat = wanted->with_values && run->out->version == 2;
    resp_array(run->out, is_flat ? 2 * count : count);
}

/* Every field once, or @count that may come again. */
static void write_many(struct run *run, const struct wanted *wanted, struct space_cursor *at,
                       uint64_t count)
{
    const struct space_kind *kind = at->space->kind;
    const bool may_repeat = wanted->count < 0;
    write_head(run, wanted, count);
    kind->seek_rank(at, 0);
    for (uint64_t i = 0; i < count && !run->out->failed; i++) {
        if (may_repeat)
            members_draw(run, at);
        if (!at->is_there) {
            members_refuse(run, wanted->begun, SPACE_DAMAGED);
            return;
        }
        write_one(run, wanted, at);
        if (!may_repeat)
            kind->next(at);
    }
}

static void write_chosen(struct run *run, const struct wanted *wanted, struct space_cursor *at)
{
    const uint64_t count = (uint64_t)wanted->count;
    const uint64_t *ranks = members_choose(run, at->value->count, count);
    if (ranks == NULL)
        return;
    write_head(run, wanted, count);
    for (uint64_t i = 0; i < count && !run->out->failed; i++) {
        at->space->kind->seek_rank(at, ranks[i]);
        if (!at->is_there) {
            members_refuse(run, wanted->begun, SPACE_DAMAGED);
            return;
        }
        write_one(run, wanted, at);
    }
}

/* Reads COUNT and WITHVALUES; false: answered. */
static bool read_wanted(struct run *run, struct wanted *wanted)
{
    if (!run_integer(run, 2, &wanted->count))
        return false;
    if (wanted->count == INT64_MIN) {
        resp_errorf(run->out, "ERR value is out of range, value must between %lld and %lld",
                    -(long long)INT64_MAX, (long long)INT64_MAX);
        return false;
    }
    if (run->args_count > 4 || (run->args_count == 4 && !run_arg_is(run, 3, "withvalues"))) {
        resp_error(run->out, RUN_SYNTAX);
        return false;
    }
    wanted->with_values = run->args_count == 4;
    if (wanted->with_values && (wanted->count < -INT64_MAX / 2 || wanted->count > INT64_MAX / 2)) {
        resp_error(run->out, "ERR value is out of range");
        return false;
    }
    return true;
}

/* One field, without COUNT. */
static void answer_one(struct run *run, struct space *space, struct space_value *value)
{
    struct space_cursor at = space_cursor_of(space, value, 0);
    if (value->type == KEY_NONE) {
        resp_null(run->out);
        return;
    }
    members_draw(run, &at);
    if (at.is_there)
        resp_bulk(run->out, members_name(at.key));
    else
        resp_error(run->out, space_result_text(SPACE_DAMAGED));
}

static void answer_many(struct run *run, const struct wanted *wanted, struct space *space,
                        struct space_value *value)
{
    struct space_cursor at = space_cursor_of(space, value, 0);
    if (value->type == KEY_NONE || wanted->count == 0)
        resp_array(run->out, 0);
    else if (wanted->count < 0)
        write_many(run, wanted, &at, (uint64_t)-wanted->count);
    else if ((uint64_t)wanted->count >= value->count)
        write_many(run, wanted, &at, value->count);
    else
        write_chosen(run, wanted, &at);
}

void run__HRANDFIELD(struct run *run)
{
    struct wanted wanted = {.begun = run->out->used};
    struct space *space;
    struct space_value value;
    const bool has_count = run->args_count > 2;
    if (has_count && !read_wanted(run, &wanted))
        return;
    if (!run_find(run, run->args[1], KEY_HASH, &space, &value))
        return;
    if (has_count)
        answer_many(run, &wanted, space, &value);
    else
        answer_one(run, space, &value);
}
