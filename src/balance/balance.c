/* SPDX-License-Identifier: Apache-2.0 */
/* balance/balance.c - the list of strategies, and what they share. */
#include "balance/balance.h"

#include "core/random.h"

#include <string.h>

static const struct balance_strategy *const strategies[] = {
#define X(name) &balance_##name,
    BALANCE_STRATEGIES(X)
#undef X
};

const struct balance_strategy *balance_at(size_t index)
{
    return index < sizeof strategies / sizeof strategies[0] ? strategies[index] : NULL;
}

const struct balance_strategy *balance_find(const char *name)
{
    for (size_t i = 0; balance_at(i) != NULL; i++)
        if (strcmp(strategies[i]->name, name) == 0)
            return strategies[i];
    return NULL;
}

/* With equal weights, the usual case, one multiplication; else a walk along the weights. */
size_t balance_draw(const struct target_set *set, uint64_t draw)
{
    if (set->weight_sum == set->weight_max * set->count)
        return random_below(draw, set->count);
    uint32_t point = random_below(draw, set->weight_sum);
    for (size_t i = 0; i < set->count; i++) {
        if (point < set->at[i]->weight)
            return i;
        point -= set->at[i]->weight;
    }
    return 0;
}
