/* SPDX-License-Identifier: Apache-2.0 */
/* balance/strategy/wheel.h - draws a target in proportion to its weight, as fast for any set.
 *
 * Walker's alias method (1977) in whole numbers: every place keeps its own share of a turn and
 * gives the rest to one other place, so a draw is one multiplication, one comparison and one load.
 * Exact.
 *
 * Memory:  part of a strategy's state: the head once, a place for each target.
 * Threads: its worker's. */
#ifndef PANDO_BALANCE_WHEEL_H
#define PANDO_BALANCE_WHEEL_H

#include "balance/balance.h"
#include "core/random.h"

struct balance_place {
    uint32_t share; /* of weight_sum: below it the draw is this place */
    uint32_t other; /* else this one */
};

struct balance_wheel {
    uint32_t             count;
    uint32_t             weight_sum; /* 0: all weights are equal, and the places are not used */
    struct balance_place at[];
};

/* @wheel is zeroed and has a place for each target of @set. */
void balance__wheel_fill(struct balance_wheel *wheel, const struct target_set *set);

static inline uint32_t balance__wheel_draw(const struct balance_wheel *wheel, uint64_t draw)
{
    const uint32_t index = random_below(draw, wheel->count);
    if (wheel->weight_sum == 0)
        return index;
    const struct balance_place *place = &wheel->at[index];
    return random_below(draw << 32, wheel->weight_sum) < place->share ? index : place->other;
}

#endif
