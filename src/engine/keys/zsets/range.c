/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/zsets/range.c - ZRANGE, its six older forms, ZRANGESTORE, and what counts and removes
 * ranges. */
#include "engine/keys/zsets/zset.h"

/* What a command's name says already; ZRANGE says it by options. */
struct form {
    bool          is_fixed; /* what is ranged by */
    enum zsets_by by;
    bool          is_direction_fixed, is_reverse;
    bool          is_stored;
};

struct range {
    enum zsets_by       by;
    bool                is_by_said, is_reverse, with_scores;
    uint32_t            key;               /* its place; the limits stand behind it */
    int64_t             offset, count_max; /* count_max below 0: all */
    struct zsets_limits limits;
};

/* Reads the option at @index; returns how many arguments it took, 0: answered. */
static uint32_t read_option(struct run *run, const struct form *form, struct range *range,
                            uint32_t index)
{
    if (!form->is_stored && run_arg_is(run, index, "withscores")) {
        range->with_scores = true;
        return 1;
    }
    if (run_arg_is(run, index, "limit") && index + 2 < run->args_count) {
        return run_integer(run, index + 1, &range->offset) &&
                       run_integer(run, index + 2, &range->count_max)
                   ? 3
                   : 0;
    }
    if (!form->is_direction_fixed && !range->is_reverse && run_arg_is(run, index, "rev")) {
        range->is_reverse = true;
        return 1;
    }
    if (!range->is_by_said) {
        range->is_by_said = true;
        range->by = ZSETS_RANGE_MEMBER;
        if (run_arg_is(run, index, "bylex"))
            return 1;
        range->by = ZSETS_RANGE_SCORE;
        if (run_arg_is(run, index, "byscore"))
            return 1;
    }
    resp_error(run->out, RUN_SYNTAX);
    return 0;
}

/* False: answered. */
static bool read_options(struct run *run, const struct form *form, struct range *range)
{
    uint32_t took;
    for (uint32_t i = range->key + 3; i < run->args_count; i += took) {
        took = read_option(run, form, range, i);
        if (took == 0)
            return false;
    }
    if (range->count_max != -1 && range->by == ZSETS_RANGE_RANK) {
        resp_error(run->out, "ERR syntax error, LIMIT is only supported in combination with either "
                             "BYSCORE or BYLEX");
        return false;
    }
    if (range->with_scores && range->by == ZSETS_RANGE_MEMBER) {
        resp_error(run->out,
                   "ERR syntax error, WITHSCORES not supported in combination with BYLEX");
        return false;
    }
    return true;
}

/* The higher limit is said first where the highest comes first, but for ranks. */
static bool read_limits(struct run *run, struct range *range)
{
    const bool is_swapped = range->is_reverse && range->by != ZSETS_RANGE_RANK;
    return zsets__read_limits(run, range->by, range->key + 1 + is_swapped,
                              range->key + 2 - is_swapped, &range->limits);
}

/* What LIMIT leaves of @span. */
static void limit(const struct range *range, struct zsets_span *span)
{
    const uint64_t count = span->to - span->from;
    const bool is_none = range->offset < 0 || (uint64_t)range->offset >= count;
    const uint64_t skipped = is_none ? count : (uint64_t)range->offset;
    uint64_t left = count - skipped;
    if (range->count_max >= 0 && (uint64_t)range->count_max < left)
        left = (uint64_t)range->count_max;
    if (range->is_reverse)
        *span = (struct zsets_span){span->to - skipped - left, span->to - skipped};
    else
        *span = (struct zsets_span){span->from + skipped, span->from + skipped + left};
}

static void store_span(struct zset *zset, struct zsets_span span, bool is_reverse,
                       struct bytes to_key)
{
    struct run *run = zset->run;
    struct zsets_result result = {.count = span.to - span.from};
    if (result.count != 0) {
        result.entries = run_scratch(run, result.count * sizeof *result.entries);
        if (result.entries == NULL)
            return;
    }
    struct space_cursor cursor = zsets__walk(zset, span, is_reverse);
    for (uint64_t i = 0; i < result.count; i++) {
        if (!run_is_ok(run, cursor.is_there ? SPACE_OK : SPACE_DAMAGED))
            return;
        result.entries[i] =
            (struct zsets_entry){zsets__read_score(cursor.key), zsets__name_at(&cursor)};
        zsets__step(&cursor, is_reverse);
    }
    zsets__store(run, to_key, &result);
}

static void write_span(struct zset *zset, struct zsets_span span, bool is_reverse,
                       enum zsets_form form)
{
    const size_t begun = zset->run->out->used;
    const enum space_result result = zsets__write_span(zset, span, is_reverse, form);
    if (result != SPACE_OK)
        members_refuse(zset->run, begun, result);
}

static void answer_range(struct run *run, const struct form *form)
{
    struct range range = {
        .by = form->by,
        .is_by_said = form->is_fixed,
        .is_reverse = form->is_reverse,
        .key = form->is_stored ? 2 : 1,
        .count_max = -1,
    };
    struct zset zset;
    struct zsets_span span;
    if (!read_options(run, form, &range) || !read_limits(run, &range) ||
        !zsets__open(&zset, run, run->args[range.key]) ||
        !zsets__find_span(&zset, &range.limits, &span))
        return;
    if (range.by != ZSETS_RANGE_RANK)
        limit(&range, &span);
    else if (range.is_reverse) /* ranks were counted from the highest */
        span = (struct zsets_span){zset.value.count - span.to, zset.value.count - span.from};
    if (form->is_stored)
        store_span(&zset, span, range.is_reverse, run->args[1]);
    else
        write_span(&zset, span, range.is_reverse, zsets__form(run, range.with_scores));
}

void run__ZRANGE(struct run *run)
{
    answer_range(run, &(struct form){0});
}

void run__ZRANGESTORE(struct run *run)
{
    answer_range(run, &(struct form){.is_stored = true});
}

/* An older form: what is ranged by and in which direction is said by its name. */
static void answer_old(struct run *run, enum zsets_by by, bool is_reverse)
{
    answer_range(
        run, &(struct form){
                 .is_fixed = true, .by = by, .is_direction_fixed = true, .is_reverse = is_reverse});
}

void run__ZREVRANGE(struct run *run)
{
    answer_old(run, ZSETS_RANGE_RANK, true);
}

void run__ZRANGEBYSCORE(struct run *run)
{
    answer_old(run, ZSETS_RANGE_SCORE, false);
}

void run__ZREVRANGEBYSCORE(struct run *run)
{
    answer_old(run, ZSETS_RANGE_SCORE, true);
}

void run__ZRANGEBYLEX(struct run *run)
{
    answer_old(run, ZSETS_RANGE_MEMBER, false);
}

void run__ZREVRANGEBYLEX(struct run *run)
{
    answer_old(run, ZSETS_RANGE_MEMBER, true);
}

/* Opens the key at 1 and finds what is between the limits behind it. */
static bool find_simple(struct run *run, enum zsets_by by, struct zset *zset,
                        struct zsets_span *span)
{
    struct zsets_limits limits;
    return zsets__read_limits(run, by, 2, 3, &limits) && zsets__open(zset, run, run->args[1]) &&
           zsets__find_span(zset, &limits, span);
}

static void answer_count(struct run *run, enum zsets_by by)
{
    struct zset zset;
    struct zsets_span span;
    if (find_simple(run, by, &zset, &span))
        resp_integer(run->out, (int64_t)(span.to - span.from));
}

void run__ZCOUNT(struct run *run)
{
    answer_count(run, ZSETS_RANGE_SCORE);
}

void run__ZLEXCOUNT(struct run *run)
{
    answer_count(run, ZSETS_RANGE_MEMBER);
}

static void remove_range(struct run *run, enum zsets_by by)
{
    struct zset zset;
    struct zsets_span span;
    if (find_simple(run, by, &zset, &span) && zsets__reserve_span(&zset, span) &&
        run_is_ok(run, zsets__remove_span(&zset, span)))
        resp_integer(run->out, (int64_t)(span.to - span.from));
}

void run__ZREMRANGEBYRANK(struct run *run)
{
    remove_range(run, ZSETS_RANGE_RANK);
}

void run__ZREMRANGEBYSCORE(struct run *run)
{
    remove_range(run, ZSETS_RANGE_SCORE);
}

void run__ZREMRANGEBYLEX(struct run *run)
{
    remove_range(run, ZSETS_RANGE_MEMBER);
}
