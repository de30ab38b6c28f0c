/* SPDX-License-Identifier: Apache-2.0 */
/* balance/balance.c - the list of strategies, and what they share. */
#include "balance/balance.h"

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

bool balance__allows_again(const struct ask *ask, const struct target *target)
{
    for (unsigned i = 0; i < ask->tried_count; i++)
        if (ask->tried[i] == target)
            return false;
    return !ask->only_up || atomic_load_explicit(&target->state, memory_order_relaxed) == TARGET_UP;
}
