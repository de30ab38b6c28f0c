/* SPDX-License-Identifier: Apache-2.0 */
/* balance/strategy/wheel.c - filling the wheel: Vose's sweep (1991), without lists of its own. */
#include "balance/strategy/wheel.h"

/* From @from on, the first place whose share is short of a turn, or not; count if there is none. */
static uint32_t next_short(const struct balance_wheel *wheel, uint32_t from)
{
    while (from < wheel->count && wheel->at[from].share >= wheel->weight_sum)
        from++;
    return from;
}

static uint32_t next_long(const struct balance_wheel *wheel, uint32_t from)
{
    while (from < wheel->count && wheel->at[from].share < wheel->weight_sum)
        from++;
    return from;
}

/* Every short place is filled up from a long one. A long one that thereby becomes short lies either
 * ahead of the sweep, which will find it, or behind, and then it is the next to be filled. */
static void sweep(struct balance_wheel *wheel)
{
    uint32_t swept = next_short(wheel, 0);
    uint32_t rich = next_long(wheel, 0);
    uint32_t poor = swept;
    while (poor < wheel->count && rich < wheel->count) {
        const uint32_t giver = rich;
        wheel->at[poor].other = giver;
        wheel->at[giver].share -= wheel->weight_sum - wheel->at[poor].share;
        rich = next_long(wheel, rich);
        if (rich != giver && giver < swept)
            poor = giver;
        else
            poor = swept = next_short(wheel, swept + 1);
    }
}

void balance__wheel_fill(struct balance_wheel *wheel, const struct target_set *set)
{
    wheel->count = set->count;
    if (set->weight_sum == set->weight_max * set->count)
        return;
    wheel->weight_sum = 0; /* weights may move: what is swept must be the sum of what was read */
    for (uint32_t i = 0; i < set->count; i++) {
        const uint32_t weight = set->at[i]->weight;
        wheel->at[i] = (struct balance_place){.share = weight * set->count, .other = i};
        wheel->weight_sum += weight;
    }
    sweep(wheel);
}
