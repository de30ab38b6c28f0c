/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/zsets/single.c - members one by one: ZREM, ZSCORE, ZMSCORE, ZCARD, ZRANK, ZREVRANK,
 * ZSCAN. */
#include "engine/keys/zsets/zset.h"

void run__ZCARD(struct run *run)
{
    struct zset zset;
    if (zsets__open(&zset, run, run->args[1]))
        resp_integer(run->out, (int64_t)zset.value.count);
}

static void write_score(struct run *run, bool is_there, double score)
{
    if (is_there)
        resp_double(run->out, score);
    else
        resp_null(run->out);
}

void run__ZSCORE(struct run *run)
{
    struct zset zset;
    double score = 0;
    bool is_there;
    if (zsets__open(&zset, run, run->args[1]) &&
        zsets__score(&zset, run->args[2], &score, &is_there))
        write_score(run, is_there, score);
}

void run__ZMSCORE(struct run *run)
{
    struct zset zset;
    if (!zsets__open(&zset, run, run->args[1]) || !zsets__reserve_args(&zset, 2, 1))
        return;
    const size_t begun = run->out->used;
    enum space_result result = SPACE_OK;
    resp_array(run->out, run->args_count - 2);
    for (uint32_t i = 2; i < run->args_count && result == SPACE_OK; i++) {
        double score = 0;
        bool is_there;
        zsets__name(&zset, run->args[i]);
        result = zsets__get(&zset, &score, &is_there);
        write_score(run, is_there, score);
    }
    if (result != SPACE_OK)
        members_refuse(run, begun, result);
}

/* True: @member was one and is none any more. */
static bool remove_one(struct zset *zset, struct bytes member, enum space_result *result)
{
    double score;
    bool is_there;
    zsets__name(zset, member);
    *result = zsets__get(zset, &score, &is_there);
    if (*result == SPACE_OK && is_there)
        *result = zsets__remove(zset, score);
    return is_there;
}

void run__ZREM(struct run *run)
{
    struct zset zset;
    if (!zsets__open(&zset, run, run->args[1]) || !zsets__reserve_args(&zset, 2, 1))
        return;
    enum space_result result = SPACE_OK;
    int64_t removed = 0;
    for (uint32_t i = 2; i < run->args_count && result == SPACE_OK; i++)
        removed += remove_one(&zset, run->args[i], &result);
    if (removed > 0) {
        const enum space_result settled = zsets__settle(&zset);
        result = result != SPACE_OK ? result : settled;
    }
    if (run_is_ok(run, result))
        resp_integer(run->out, removed);
}

/* The rank of a member from the lowest, or from the highest. */
static void answer_rank(struct run *run, bool is_reverse)
{
    struct zset zset;
    double score;
    bool is_there;
    if (!zsets__open(&zset, run, run->args[1]) ||
        !zsets__score(&zset, run->args[2], &score, &is_there))
        return;
    if (!is_there) {
        resp_null(run->out);
        return;
    }
    const uint64_t rank = zsets__rank_of(&zset, zsets__score_key(&zset, score));
    resp_integer(run->out, (int64_t)(is_reverse ? zset.value.count - 1 - rank : rank));
}

void run__ZRANK(struct run *run)
{
    answer_rank(run, false);
}

void run__ZREVRANK(struct run *run)
{
    answer_rank(run, true);
}

static unsigned write_scanned(struct run *run, const struct space_cursor *cursor)
{
    uint8_t score[BYTES_DOUBLE_MAX];
    const unsigned bytes = bytes_write_double(score, zsets__read_score(cursor->member_value));
    resp_bulk(run->out, members_name(cursor->key));
    resp_bulk(run->out, (struct bytes){score, bytes});
    return 2;
}

void run__ZSCAN(struct run *run)
{
    members_scan(run, KEY_ZSET, write_scanned);
}
