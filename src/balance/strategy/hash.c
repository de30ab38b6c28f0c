/* SPDX-License-Identifier: Apache-2.0 */
/* balance/strategy/hash.c - the same key goes to the same target, as long as that is not overfull.
 *
 * A Maglev table (maglev.h) says whose key it is. Bounded loads (Mirrokni, Thorup, Zadimoghaddam
 * 2018; c = 1.25 as Vimeo had it): a target takes a request while it then has at most
 *
 *     ceil(c * (requests in flight of all + 1) * its weight / sum of weights)
 *
 * in flight. A key whose target is full is hashed again, up to 8 times, always to the same others.
 * After that a small set is walked from there, so that the bound holds; of a large one the least
 * busy of those takes it. The same happens to a key whose target was tried before. */
#include "balance/strategy/maglev.h"

#include "core/random.h"
#include "core/units.h"

enum {
    REHASHES_MAX = 8,
    SMALL_MAX = 64, /* as many cache lines are read for a pick that finds its target busy */
};

/* Of more targets the sum of requests in flight may be this old. */
#define SUM_OLD_NS NS_PER_MS

struct hashed {
    uint32_t              load_percent; /* c in hundredths; 0: no bound */
    uint32_t              weight_sum;
    uint64_t              inflight_sum; /* of a large set */
    uint64_t              summed_ns;
    struct balance_maglev maglev; /* last */
};

static size_t more_bytes(uint32_t targets_count)
{
    return sizeof(struct hashed) + balance__maglev_bytes(targets_count);
}

static void set_changed(void *state, const struct balance_setup *setup)
{
    struct hashed *hashed = state;
    hashed->load_percent = setup->settings->hash.load_percent;
    hashed->weight_sum = setup->set->weight_sum;
    (void)balance__maglev_fill(&hashed->maglev, setup->set);
}

static uint64_t inflight_of(const struct target *target)
{
    return atomic_load_explicit(&target->inflight, memory_order_relaxed);
}

static uint64_t sum_inflight(struct hashed *hashed, const struct target_set *set, uint64_t now_ns)
{
    if (set->count > SMALL_MAX && hashed->summed_ns != 0 && now_ns - hashed->summed_ns < SUM_OLD_NS)
        return hashed->inflight_sum;
    hashed->inflight_sum = 0;
    hashed->summed_ns = now_ns;
    for (uint32_t i = 0; i < set->count; i++)
        hashed->inflight_sum += inflight_of(set->at[i]);
    return hashed->inflight_sum;
}

/* An idle target is never full, so most picks of a quiet service sum nothing. */
static bool is_full(struct hashed *hashed, const struct target_set *set, size_t index,
                    uint64_t now_ns)
{
    const struct target *target = set->at[index];
    const uint64_t inflight = inflight_of(target);
    if (hashed->load_percent == 0 || inflight == 0)
        return false;
    const uint64_t all = sum_inflight(hashed, set, now_ns) + 1;
    const uint64_t whole = 100ull * hashed->weight_sum;
    const uint64_t share = hashed->load_percent * all * target->weight;
    return inflight + 1 > (share + whole - 1) / whole;
}

static bool takes(struct hashed *hashed, const struct target_set *set, const struct ask *ask,
                  size_t index)
{
    return balance_allows(ask, set->at[index]) && !is_full(hashed, set, index, ask->now_ns);
}

static size_t less_busy(const struct target_set *set, const struct ask *ask, size_t least,
                        size_t index)
{
    if (!balance_allows(ask, set->at[index]))
        return least;
    return least == BALANCE_NONE || balance_is_better(set->at[index], set->at[least]) ? index
                                                                                      : least;
}

static size_t pick(void *state, const struct target_set *set, const struct ask *ask)
{
    struct hashed *hashed = state;
    uint64_t seed = ask->key_hash;
    size_t index = balance__maglev_find(&hashed->maglev, ask->key_hash);
    size_t least = BALANCE_NONE;
    for (int i = 0; i <= REHASHES_MAX; i++) {
        if (takes(hashed, set, ask, index))
            return index;
        least = less_busy(set, ask, least, index);
        index = balance__maglev_find(&hashed->maglev, random_mix(&seed));
    }
    for (uint32_t i = 0; set->count <= SMALL_MAX && i < set->count; i++) {
        if (takes(hashed, set, ask, index))
            return index;
        index = index + 1 < set->count ? index + 1 : 0;
    }
    return least != BALANCE_NONE ? least : balance_first_allowed(set, ask, index);
}

const struct balance_strategy balance_hash = {
    .more_bytes = more_bytes,
    .by_key = true,
    .set_changed = set_changed,
    .pick = pick,
};
