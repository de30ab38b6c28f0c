/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/zsets/random.c - ZRANDMEMBER: one member by chance, several, or several that may
 * repeat. */
#include "engine/keys/zsets/zset.h"

/* False: nothing is there, so the tree is damaged; the answer from @begun is taken back. */
static bool write_at(struct run *run, const struct space_cursor *cursor, size_t begun,
                     enum zsets_form form)
{
    if (!cursor->is_there) {
        members_refuse(run, begun, SPACE_DAMAGED);
        return false;
    }
    zsets__write_member(run, members_name(cursor->key), zsets__read_score(cursor->member_value),
                        form);
    return true;
}

static struct space_cursor by_member(struct zset *zset)
{
    return space_cursor_of(zset->space, &zset->value, ZSETS_BY_MEMBER);
}

/* Each draw is of all members again. */
static void answer_repeating(struct zset *zset, uint64_t count, enum zsets_form form)
{
    struct run *run = zset->run;
    const size_t begun = run->out->used;
    struct space_cursor cursor = by_member(zset);
    zsets__write_head(run, count, form);
    for (uint64_t i = 0; i < count && !run->out->failed; i++) {
        members_draw(run, &cursor);
        if (!write_at(run, &cursor, begun, form))
            return;
    }
}

/* All of them, in the order of the tree. */
static void answer_all(struct zset *zset, enum zsets_form form)
{
    struct run *run = zset->run;
    const size_t begun = run->out->used;
    struct space_cursor cursor = by_member(zset);
    zset->space->kind->seek_rank(&cursor, 0);
    zsets__write_head(run, zset->value.count, form);
    for (uint64_t i = 0; i < zset->value.count && !run->out->failed; i++) {
        if (!write_at(run, &cursor, begun, form))
            return;
        zset->space->kind->next(&cursor);
    }
}

/* @count different ones, fewer than there are. */
static void answer_different(struct zset *zset, uint64_t count, enum zsets_form form)
{
    struct run *run = zset->run;
    const size_t begun = run->out->used;
    const uint64_t *ranks = members_choose(run, zset->value.count, count);
    if (ranks == NULL)
        return;
    struct space_cursor cursor = by_member(zset);
    zsets__write_head(run, count, form);
    for (uint64_t i = 0; i < count && !run->out->failed; i++) {
        zset->space->kind->seek_rank(&cursor, ranks[i]);
        if (!write_at(run, &cursor, begun, form))
            return;
    }
}

static void answer_some(struct zset *zset, int64_t count, enum zsets_form form)
{
    const uint64_t members = zset->value.count;
    if (count == 0 || members == 0)
        resp_array(zset->run->out, 0);
    else if (count < 0)
        answer_repeating(zset, (uint64_t)-count, form);
    else if ((uint64_t)count >= members)
        answer_all(zset, form);
    else
        answer_different(zset, (uint64_t)count, form);
}

static bool read_count(struct run *run, int64_t *count, bool *with_scores)
{
    if (!run_integer(run, 2, count))
        return false;
    if (*count < -INT64_MAX) {
        resp_errorf(run->out, "ERR value is out of range, value must between %lld and %lld",
                    -(long long)INT64_MAX, (long long)INT64_MAX);
        return false;
    }
    *with_scores = run->args_count == 4 && run_arg_is(run, 3, "withscores");
    if (run->args_count > 3 && !*with_scores) {
        resp_error(run->out, RUN_SYNTAX);
        return false;
    }
    if (*with_scores && (*count < -INT64_MAX / 2 || *count > INT64_MAX / 2)) {
        resp_error(run->out, "ERR value is out of range");
        return false;
    }
    return true;
}

static void answer_one(struct zset *zset)
{
    struct space_cursor cursor = by_member(zset);
    if (zset->value.count == 0) {
        resp_null(zset->run->out);
        return;
    }
    members_draw(zset->run, &cursor);
    (void)!write_at(zset->run, &cursor, zset->run->out->used, ZSETS_NAMES);
}

void run__ZRANDMEMBER(struct run *run)
{
    struct zset zset;
    int64_t count;
    bool with_scores;
    if (run->args_count == 2) {
        if (zsets__open(&zset, run, run->args[1]))
            answer_one(&zset);
    } else if (read_count(run, &count, &with_scores) && zsets__open(&zset, run, run->args[1])) {
        answer_some(&zset, count, zsets__form(run, with_scores));
    }
}
