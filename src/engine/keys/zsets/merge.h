/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/zsets/merge.h - what is in any, in all, or only in the first of several sorted sets
 * and sets.
 *
 * Sets and sorted sets have the same order in tree 0, so a union is one pass over all of them side
 * by side. A set's members have score 1.
 *
 * Memory:  results in the run's scratch; their members lie in the spaces.
 * Threads: whoever holds the spaces.
 * Errors:  false: answered. */
#ifndef PANDO_ENGINE_KEYS_ZSETS_MERGE_H
#define PANDO_ENGINE_KEYS_ZSETS_MERGE_H

#include "engine/keys/zsets/zset.h"

enum zsets_aggregate { ZSETS_SUM, ZSETS_MIN, ZSETS_MAX };

struct zsets_source {
    struct space       *space;
    struct space_value  value; /* SET, ZSET or NONE */
    double              weight;
    uint32_t            index; /* as the command names them */
    struct space_cursor cursor;
};

struct zsets_sources {
    struct run          *run;
    struct zsets_source *at;
    uint32_t             count;
    enum zsets_aggregate aggregate;
};

/* The fewest members first, as named where there are as many: scores are added in this order, as
 * Redis does, and an intersection begins with the smallest. */
void zsets__sort_sources(struct zsets_sources *sources);

/* What is in any. */
bool zsets__unite(struct zsets_sources *sources, struct zsets_result *result) must_check;

/* What is in all, at most @count_max of it. */
bool zsets__intersect(struct zsets_sources *sources, uint64_t count_max,
                      struct zsets_result *result) must_check;

/* What is in the first and in no other, with the score there. */
bool zsets__subtract(struct zsets_sources *sources, struct zsets_result *result) must_check;

/* By score, then by name. */
void zsets__sort_result(struct zsets_result *result);

#endif
