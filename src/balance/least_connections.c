/* SPDX-License-Identifier: Apache-2.0 */
/* balance/least_connections.c - the target with the fewest requests in flight for its weight.
 *
 * Requests are counted from the pick on, so those that wait for a connection count too. Up to 64 targets all are looked at,
 * from a random one on, so that equal ones take turns and workers do not herd; above, the least of 8 drawn ones. */
#include "balance/balance.h"

#include "core/random.h"

enum { SAMPLES = 8 };

static size_t better(const struct target_set *set, const struct ask *ask, size_t best, size_t index)
{
    if (balance_is_tried(ask, set->at[index]))
        return best;
    if (best == BALANCE_NONE || balance_is_less_busy(set->at[index], set->at[best]))
        return index;
    return best;
}

static size_t scan(const struct target_set *set, const struct ask *ask)
{
    const size_t from = random_below(ask->draw[0], set->count);
    size_t       best = BALANCE_NONE;
    for (size_t i = 0; i < set->count; i++)
        best = better(set, ask, best, (from + i) % set->count);
    return best;
}

static size_t pick(void *state, const struct target_set *set, const struct ask *ask)
{
    (void)state;
    if (set->count == 0)
        return BALANCE_NONE;
    if (set->count <= BALANCE_SCAN_MAX)
        return scan(set, ask);
    /* A stride without a common factor would need a gcd; distinct enough: one draw in each eighth of the set. */
    uint64_t seed = ask->draw[0];
    size_t   best = BALANCE_NONE;
    for (uint32_t i = 0; i < SAMPLES; i++) {
        const uint32_t low = (uint32_t)((uint64_t)set->count * i / SAMPLES);
        const uint32_t high = (uint32_t)((uint64_t)set->count * (i + 1) / SAMPLES);
        best = better(set, ask, best, low + random_below(random_mix(&seed), high - low));
    }
    return best != BALANCE_NONE ? best : scan(set, ask);
}

const struct balance_strategy balance_least_connections = {
    .name = "least-connections",
    .gist = "the one with the fewest requests in flight for its weight",
    .pick = pick,
};
