/* SPDX-License-Identifier: Apache-2.0 */
/* balance/strategy/hotcold.h - Prequal's pool of probes and its rule (Wydrowski et al., NSDI 2024).
 *
 * A probe says how many requests its target has, and how long one takes there. Those that have
 * more than nearly all others (over the quantile theta of the latest probe of each) are hot. Of the
 * cold the one with the least latency is picked; if all are hot, the one with the fewest requests.
 * A pick counts in every probe of its target; a probe that was used often enough, or is old, goes.
 *
 * Weights: requests are counted as those of a target with the largest weight would be. Latency is
 * not: it is what a target can do, so a weight that says the same would count twice.
 *
 * Memory:  a fixed struct. Threads: its worker's. Errors: none. */
#ifndef PANDO_BALANCE_HOTCOLD_H
#define PANDO_BALANCE_HOTCOLD_H

#include "balance/balance.h"

enum {
    HOTCOLD_ROOM = 16,
    HOTCOLD_LEAST = 2, /* with fewer probes nothing is picked */
};

struct hotcold_probe {
    uint32_t target; /* an index into the set */
    uint32_t rif;
    uint64_t latency_ns;
    uint64_t at_ns;
    uint32_t uses_left;
};

struct hotcold {
    uint32_t             count, room;
    uint32_t             theta;        /* in requests, of the last pick */
    uint64_t             wide_theta;   /* over all targets, if the caller knows; else UINT64_MAX */
    uint32_t             remove_count; /* probes to be removed at each pick, besides the used up */
    double               reuse;        /* how often a probe is used, on average */
    bool                 worst_is_next;
    struct hotcold_probe at[HOTCOLD_ROOM]; /* the oldest first */
};

/* For so many targets and probes per pick. */
void balance__hotcold_init(struct hotcold *pool, uint32_t targets_count, uint32_t probes_count,
                           uint32_t remove_count);

/* How often a probe may be used: max(1, 2 / ((1 - m/n) * r_probe - r_remove)), at most 16. */
double balance__hotcold_reuse(uint32_t room, uint32_t targets_count, uint32_t probes_count,
                              uint32_t remove_count);

/* A probe came; @draw decides about the fraction of its uses. The oldest makes room. */
void balance__hotcold_add(struct hotcold *pool, const struct hotcold_probe *probe, uint64_t draw);

/* Drops those that are older than @age_ns. */
void balance__hotcold_age(struct hotcold *pool, uint64_t now_ns, uint64_t age_ns);

/* Drops those of a target: it failed, or left. */
void balance__hotcold_forget(struct hotcold *pool, uint32_t target);

/* Requests of @probe as those of a target with the largest weight. */
uint64_t balance__hotcold_load(const struct target_set *set, uint32_t target, uint32_t rif);

/* Where the quantile lies in @count values in order. */
static inline uint32_t balance__hotcold_rank(uint32_t count, uint32_t quantile)
{
    const uint32_t rank = (uint32_t)(((uint64_t)count * quantile + 99) / 100);
    return rank > 0 ? rank - 1 : 0;
}

/* The target to take, which is counted; BALANCE_NONE: too few probes. @quantile: percent. */
size_t balance__hotcold_pick(struct hotcold *pool, const struct target_set *set, uint32_t quantile);

#endif
