/* SPDX-License-Identifier: Apache-2.0 */
/* balance/round_robin.c - each in turn, smoothly, by weight: nginx's rule (2012).
 *
 *     each: current += weight;  the largest current is picked, and pays the sum of all weights
 *
 * so that weights 5, 1, 1 give a a b a c a a and not a a a a a b c. The currents live in the worker's state, one per
 * place in the set; a new set starts at zero. */
#include "balance/balance.h"

#include "core/random.h"

#include <string.h>

enum { PLACES_MAX = 256 }; /* larger sets go round by a cursor, weights by repetition of the draw */

struct turns {
    uint64_t version;
    uint32_t cursor;
    int32_t  current[PLACES_MAX];
};

static void set_changed(void *state, const struct target_set *set)
{
    struct turns *turns = state;
    memset(turns, 0, sizeof *turns);
    turns->version = set->version;
}

static size_t pick_smooth(struct turns *turns, const struct target_set *set, const struct ask *ask)
{
    size_t  best = BALANCE_NONE;
    int32_t sum = 0;
    for (size_t i = 0; i < set->count; i++) {
        if (balance_is_tried(ask, set->at[i]))
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

/* A large set: in turn, and a target of less than the largest weight is passed over in proportion. */
static size_t pick_large(struct turns *turns, const struct target_set *set, const struct ask *ask)
{
    uint64_t seed = ask->draw[0];
    size_t   last = BALANCE_NONE;
    for (uint32_t i = 0; i < 2 * set->count; i++) {
        const uint32_t       index = turns->cursor++ % set->count;
        const struct target *target = set->at[index];
        if (balance_is_tried(ask, target))
            continue;
        last = index;
        if (random_below(random_mix(&seed), set->weight_max) < target->weight)
            return index;
    }
    return last;
}

static size_t pick(void *state, const struct target_set *set, const struct ask *ask)
{
    if (set->count == 0)
        return BALANCE_NONE;
    return set->count <= PLACES_MAX ? pick_smooth(state, set, ask) : pick_large(state, set, ask);
}

const struct balance_strategy balance_round_robin = {
    .name = "round-robin",
    .gist = "each in turn, smoothly, by weight",
    .state_bytes = sizeof(struct turns),
    .set_changed = set_changed,
    .pick = pick,
};
