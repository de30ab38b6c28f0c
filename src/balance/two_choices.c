/* SPDX-License-Identifier: Apache-2.0 */
/* balance/two_choices.c - the less busy of two targets drawn at random (Mitzenmacher 2001), by weight.
 *
 * Two draws keep many balancers from herding onto the one idle target, which looking at all of them would do. */
#include "balance/balance.h"

#include "core/random.h"

/* From @from on, the first that was not tried. */
static size_t first_untried(const struct target_set *set, const struct ask *ask, size_t from)
{
    for (size_t i = 0; i < set->count; i++) {
        const size_t index = (from + i) % set->count;
        if (!balance_is_tried(ask, set->at[index]))
            return index;
    }
    return BALANCE_NONE;
}

static size_t pick(void *state, const struct target_set *set, const struct ask *ask)
{
    (void)state;
    if (set->count == 0)
        return BALANCE_NONE;
    size_t one = balance_draw(set, ask->draw[0]);
    size_t other = balance_draw(set, ask->draw[1]);
    if (one == other && set->count > 1) /* two different ones: the second is drawn among the rest */
        other = (one + 1 + random_below(ask->draw[2], set->count - 1)) % set->count;
    if (ask->tried_count > 0) {
        one = first_untried(set, ask, one);
        if (one == BALANCE_NONE)
            return BALANCE_NONE;
        if (balance_is_tried(ask, set->at[other]))
            other = one;
    }
    return balance_is_less_busy(set->at[other], set->at[one]) ? other : one;
}

const struct balance_strategy balance_two_choices = {
    .name = "two-choices",
    .gist = "the less busy of two drawn at random, by weight",
    .pick = pick,
};
