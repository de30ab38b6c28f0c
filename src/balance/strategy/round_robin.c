/* SPDX-License-Identifier: Apache-2.0 */
/* balance/strategy/round_robin.c - each in turn, smoothly, by weight: nginx's rule (2012).
 *
 *     each: current += weight;  the largest current is picked, and pays the sum of all weights
 *
 * so that weights 5, 1, 1 give a a b a c a a and not a a a a a b c. With equal weights, the usual
 * case, that is a cursor. Every worker goes its own round, from a place of its own. */
#include "balance/balance.h"

#include "core/random.h"

enum { LEAD_MAX = 32 }; /* picks that a round may begin ahead; each costs a walk along the set */

struct turns {
    bool     equal;
    uint32_t cursor;
    int32_t  current[]; /* within the sum of all weights, which is below 2^21 */
};

static size_t pick_smooth(struct turns *turns, const struct target_set *set, const struct ask *ask)
{
    size_t best = BALANCE_NONE;
    int32_t sum = 0;
    for (size_t i = 0; i < set->count; i++) {
        if (!balance_allows(ask, set->at[i]))
            continue;
        turns->current[i] += set->at[i]->weight;
        sum += set->at[i]->weight;
        if (best == BALANCE_NONE || turns->current[i] > turns->current[best])
            best = i;
    }
    if (best != BALANCE_NONE)
        turns->current[best] -= sum;
    return best;
}

static size_t pick_next(struct turns *turns, const struct target_set *set, const struct ask *ask)
{
    for (uint32_t i = 0; i < set->count; i++) {
        const uint32_t index = turns->cursor;
        turns->cursor = index + 1 < set->count ? index + 1 : 0;
        if (balance_allows(ask, set->at[index]))
            return index;
    }
    return BALANCE_NONE;
}

static void set_changed(void *state, const struct balance_setup *setup)
{
    struct turns *turns = state;
    const struct target_set *set = setup->set;
    const struct ask any = {0};
    if (set->count == 0)
        return;
    turns->equal = set->weight_sum == set->weight_max * set->count;
    turns->cursor = random_below(setup->draw, set->count);
    for (uint32_t lead = random_below(setup->draw, LEAD_MAX); lead > 0 && !turns->equal; lead--)
        (void)pick_smooth(turns, set, &any);
}

static size_t pick(void *state, const struct target_set *set, const struct ask *ask)
{
    struct turns *turns = state;
    return turns->equal ? pick_next(turns, set, ask) : pick_smooth(turns, set, ask);
}

const struct balance_strategy balance_round_robin = {
    .state_bytes = sizeof(struct turns),
    .target_bytes = sizeof(int32_t),
    .set_changed = set_changed,
    .pick = pick,
};
