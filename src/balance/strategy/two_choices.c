/* SPDX-License-Identifier: Apache-2.0 */
/* balance/strategy/two_choices.c - the less busy of two different targets drawn by weight.
 *
 * Two draws come close to looking at everybody (Mitzenmacher 2001), and keep many balancers from
 * herding onto the one idle target, which looking at everybody would do. */
#include "balance/strategy/wheel.h"

static void set_changed(void *state, const struct balance_setup *setup)
{
    balance__wheel_fill(state, setup->set);
}

/* After an attempt: the draws are only where the search for allowed targets begins. */
static size_t pick_again(const struct target_set *set, const struct ask *ask, size_t one,
                         size_t other)
{
    one = balance_first_allowed(set, ask, one);
    if (one == BALANCE_NONE)
        return BALANCE_NONE;
    other = balance_first_allowed(set, ask, other);
    return balance_is_better(set->at[other], set->at[one]) ? other : one;
}

static size_t pick(void *state, const struct target_set *set, const struct ask *ask)
{
    const size_t one = balance__wheel_draw(state, ask->draw[0]);
    size_t other = balance__wheel_draw(state, ask->draw[1]);
    if (one == other && set->count > 1) { /* the second is drawn among the rest */
        uint64_t seed = ask->draw[1];
        other = (one + 1 + random_below(random_mix(&seed), set->count - 1)) % set->count;
    }
    if (ask->tried_count > 0)
        return pick_again(set, ask, one, other);
    return balance_is_better(set->at[other], set->at[one]) ? other : one;
}

const struct balance_strategy balance_two_choices = {
    .state_bytes = sizeof(struct balance_wheel),
    .target_bytes = sizeof(struct balance_place),
    .set_changed = set_changed,
    .pick = pick,
};
