/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/zsets/zset_range.c - limits as clients write them, the ranks between them, and what
 * is done with those. */
#include "engine/keys/zsets/zset.h"

#include <math.h>
#include <stdlib.h>

/* A score as strtod() reads it, also with space before it, too large, or empty: a limit is read
 * less strictly than a score, in Redis too. "(" before it leaves the limit itself out. */
static bool read_score(struct run *run, struct bytes text, struct zsets_limit *limit)
{
    char *copy = run_scratch(run, text.count + 1);
    if (copy == NULL)
        return false;
    if (text.count != 0)
        memcpy(copy, text.at, text.count);
    copy[text.count] = '\0';
    limit->is_open = copy[0] == '(';
    char *end;
    limit->score = strtod(copy + limit->is_open, &end);
    if (*end == '\0' && !isnan(limit->score))
        return true;
    resp_error(run->out, "ERR min or max is not a float");
    return false;
}

/* "[name" with the name itself, "(name" without it; "-" and "+" are below and above all. */
static bool read_member(struct run *run, struct bytes text, struct zsets_limit *limit)
{
    const char sign = text.count == 0 ? '\0' : (char)text.at[0];
    if (sign == '(' || sign == '[') {
        limit->is_open = sign == '(';
        limit->member = (struct bytes){text.at + 1, text.count - 1};
        return true;
    }
    if ((sign == '-' || sign == '+') && (text.count == 1 || text.at[1] == '\0')) {
        limit->infinity = sign == '-' ? -1 : 1;
        return true;
    }
    resp_error(run->out, "ERR min or max not valid string range item");
    return false;
}

static bool read_limit(struct run *run, enum zsets_by by, uint32_t index, struct zsets_limit *limit)
{
    *limit = (struct zsets_limit){0};
    switch (by) {
    case ZSETS_RANGE_SCORE: return read_score(run, run->args[index], limit);
    case ZSETS_RANGE_MEMBER: return read_member(run, run->args[index], limit);
    case ZSETS_RANGE_RANK: break;
    }
    return run_integer(run, index, &limit->rank);
}

bool zsets__read_limits(struct run *run, enum zsets_by by, uint32_t low, uint32_t high,
                        struct zsets_limits *limits)
{
    limits->by = by;
    return read_limit(run, by, low, &limits->low) && read_limit(run, by, high, &limits->high);
}

static struct zsets_span between_ranks(const struct zset *zset, const struct zsets_limits *limits)
{
    const int64_t count = (int64_t)zset->value.count;
    int64_t from = limits->low.rank, last = limits->high.rank;
    if (from < 0)
        from = from < -count ? 0 : from + count;
    if (last < 0)
        last += count;
    if (last >= count)
        last = count - 1;
    if (from > last)
        return (struct zsets_span){0};
    return (struct zsets_span){(uint64_t)from, (uint64_t)last + 1};
}

uint64_t zsets__rank_of(struct zset *zset, struct bytes key)
{
    struct space_cursor cursor = space_cursor_of(zset->space, &zset->value, ZSETS_BY_SCORE);
    zset->space->kind->seek(&cursor, key);
    return zset->space->kind->rank(&cursor);
}

/* The same of the lowest key with a score above @score, or with it; 8 bytes alone come before all
 * keys that begin with them. */
static uint64_t rank_of_score(struct zset *zset, double score, bool is_above)
{
    const uint64_t number = zsets__rank_of_score(score) + is_above;
    uint8_t key[ZSETS_SCORE_BYTES];
    for (unsigned i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)(number >> (8 * (sizeof key - 1 - i)));
    return zsets__rank_of(zset, (struct bytes){key, sizeof key});
}

/* The same of a member beside those with the lowest score. A name with one zero more is the next
 * name there can be, so that is what "above" looks for. */
static bool rank_of_member(struct zset *zset, const struct zsets_limit *limit, bool is_above,
                           uint64_t *rank)
{
    if (limit->infinity != 0) {
        *rank = limit->infinity < 0 ? 0 : zset->value.count;
        return true;
    }
    const size_t name_bytes = limit->member.count;
    uint8_t *key = run_scratch(zset->run, ZSETS_SCORE_BYTES + name_bytes + 1);
    if (key == NULL)
        return false;
    struct space_cursor cursor =
        zsets__walk(zset, (struct zsets_span){0, zset->value.count}, false);
    if (!run_is_ok(zset->run, cursor.is_there ? SPACE_OK : SPACE_DAMAGED))
        return false;
    memcpy(key, cursor.key.at, ZSETS_SCORE_BYTES);
    if (name_bytes != 0)
        memcpy(key + ZSETS_SCORE_BYTES, limit->member.at, name_bytes);
    key[ZSETS_SCORE_BYTES + name_bytes] = 0;
    *rank = zsets__rank_of(zset, (struct bytes){key, ZSETS_SCORE_BYTES + name_bytes + is_above});
    return true;
}

bool zsets__find_span(struct zset *zset, const struct zsets_limits *limits, struct zsets_span *span)
{
    *span = (struct zsets_span){0};
    if (zset->value.count == 0)
        return true;
    const struct zsets_limit *low = &limits->low, *high = &limits->high;
    switch (limits->by) {
    case ZSETS_RANGE_RANK: *span = between_ranks(zset, limits); break;
    case ZSETS_RANGE_SCORE:
        span->from = rank_of_score(zset, low->score, low->is_open);
        span->to = rank_of_score(zset, high->score, !high->is_open);
        break;
    case ZSETS_RANGE_MEMBER:
        if (!rank_of_member(zset, low, low->is_open, &span->from) ||
            !rank_of_member(zset, high, !high->is_open, &span->to))
            return false;
        break;
    }
    if (span->to < span->from)
        span->to = span->from;
    return true;
}

struct space_cursor zsets__walk(struct zset *zset, struct zsets_span span, bool is_reverse)
{
    struct space_cursor cursor = space_cursor_of(zset->space, &zset->value, ZSETS_BY_SCORE);
    if (span.from < span.to)
        zset->space->kind->seek_rank(&cursor, is_reverse ? span.to - 1 : span.from);
    return cursor;
}

enum space_result zsets__write_span(struct zset *zset, struct zsets_span span, bool is_reverse,
                                    enum zsets_form form)
{
    struct space_cursor cursor = zsets__walk(zset, span, is_reverse);
    zsets__write_head(zset->run, span.to - span.from, form);
    for (uint64_t i = span.from; i < span.to && !zset->run->out->failed; i++) {
        if (!cursor.is_there)
            return SPACE_DAMAGED;
        zsets__write_member(zset->run, zsets__name_at(&cursor), zsets__read_score(cursor.key),
                            form);
        zsets__step(&cursor, is_reverse);
    }
    return SPACE_OK;
}

bool zsets__reserve_span(struct zset *zset, struct zsets_span span)
{
    struct space_cursor cursor = zsets__walk(zset, span, false);
    size_t bytes_max = 0;
    for (uint64_t i = span.from; i < span.to && cursor.is_there; i++) {
        const size_t bytes = zsets__name_at(&cursor).count;
        bytes_max = bytes > bytes_max ? bytes : bytes_max;
        zsets__step(&cursor, false);
    }
    return zsets__reserve(zset, bytes_max);
}

enum space_result zsets__remove_span(struct zset *zset, struct zsets_span span)
{
    enum space_result result = SPACE_OK;
    if (span.from == span.to)
        return SPACE_OK;
    if (span.to - span.from == zset->value.count) {
        (void)zset->space->kind->remove(zset->space, zset->key);
        return SPACE_OK;
    }
    for (uint64_t i = span.from; i < span.to && result == SPACE_OK; i++) {
        const struct space_cursor cursor = zsets__walk(zset, span, false);
        if (!cursor.is_there) {
            result = SPACE_DAMAGED;
            break;
        }
        const double score = zsets__read_score(cursor.key);
        zsets__name(zset, zsets__name_at(&cursor));
        result = zsets__remove(zset, score);
    }
    const enum space_result settled = zsets__settle(zset);
    return result != SPACE_OK ? result : settled;
}
