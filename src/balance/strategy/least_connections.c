/* SPDX-License-Identifier: Apache-2.0 */
/* balance/strategy/least_connections.c - the fewest requests in flight for its weight.
 *
 * A request counts from its pick on, so those that wait for a connection or a permit count too.
 * Up to 64 targets all are looked at; of those that are as busy, the first in the round after the
 * last pick is taken, so they take turns (HAProxy's leastconn does the same). Where weights are
 * unequal the round begins with a target drawn by weight. Workers begin at places of their own, so
 * they do not herd. Above 64, the least busy of 8 different drawn ones. */
#include "balance/strategy/wheel.h"

enum {
    SCAN_MAX =
        64, /* as many cache lines are read for a pick; more would cost more than they gain */
    SAMPLES = 8,
};

struct least {
    uint32_t             cursor; /* where the round goes on */
    struct balance_wheel wheel;  /* last */
};

static void set_changed(void *state, const struct balance_setup *setup)
{
    struct least *least = state;
    balance__wheel_fill(&least->wheel, setup->set);
    if (setup->set->count > 0)
        least->cursor = random_below(setup->draw, setup->set->count);
}

static size_t better(const struct target_set *set, const struct ask *ask, size_t best, size_t index)
{
    if (!balance_allows(ask, set->at[index]))
        return best;
    if (best == BALANCE_NONE || balance_is_better(set->at[index], set->at[best]))
        return index;
    return best;
}

static size_t scan(const struct target_set *set, const struct ask *ask, size_t from)
{
    size_t best = BALANCE_NONE;
    for (size_t index = from; index < set->count; index++)
        best = better(set, ask, best, index);
    for (size_t index = 0; index < from; index++)
        best = better(set, ask, best, index);
    return best;
}

/* One in each eighth of the set: different ones without looking for doubles. The first is drawn by
 * weight, and its eighth is left out. */
static size_t sample(const struct target_set *set, const struct ask *ask, uint32_t first)
{
    uint64_t seed = ask->draw[1];
    size_t best = better(set, ask, BALANCE_NONE, first);
    for (uint32_t i = 0; i < SAMPLES; i++) {
        const uint32_t low = (uint32_t)((uint64_t)set->count * i / SAMPLES);
        const uint32_t high = (uint32_t)((uint64_t)set->count * (i + 1) / SAMPLES);
        if (first < low || first >= high)
            best = better(set, ask, best, low + random_below(random_mix(&seed), high - low));
    }
    return best;
}

static size_t pick(void *state, const struct target_set *set, const struct ask *ask)
{
    struct least *least = state;
    const bool is_equal = least->wheel.weight_sum == 0;
    const bool is_large = set->count > SCAN_MAX;
    const uint32_t first =
        is_equal && !is_large ? least->cursor : balance__wheel_draw(&least->wheel, ask->draw[0]);
    size_t best = is_large ? sample(set, ask, first) : BALANCE_NONE;
    if (best == BALANCE_NONE)
        best = scan(set, ask, first);
    if (best != BALANCE_NONE)
        least->cursor = best + 1 < set->count ? (uint32_t)best + 1 : 0;
    return best;
}

const struct balance_strategy balance_least_connections = {
    .state_bytes = sizeof(struct least),
    .target_bytes = sizeof(struct balance_place),
    .set_changed = set_changed,
    .pick = pick,
};
