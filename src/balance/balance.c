/* SPDX-License-Identifier: Apache-2.0 */
/* balance/balance.c - the list of strategies, and what they share. */
#include "balance/balance.h"

#include <assert.h>

const struct config_choice balance_words[] = {BALANCE_STRATEGIES(CONFIG_WORD){.name = NULL}};

static const struct balance_strategy *const strategies[] = {
#define X(name, word, gist) &balance_##name,
    BALANCE_STRATEGIES(X)
#undef X
};

const struct balance_strategy *balance_at(size_t index)
{
    return index < BALANCE_SORTS_COUNT ? strategies[index] : NULL;
}

const char *balance_name(const struct balance_strategy *strategy)
{
    size_t index = 0;
    while (balance_at(index) != strategy)
        index++;
    assert(index < BALANCE_SORTS_COUNT);
    return balance_words[index].name;
}

size_t balance_state_bytes(const struct balance_strategy *strategy, uint32_t targets_count)
{
    const size_t more = strategy->more_bytes != NULL ? strategy->more_bytes(targets_count) : 0;
    return strategy->state_bytes + strategy->target_bytes * targets_count + more;
}

bool balance_wants_places(const struct balance_settings *settings)
{
    return settings->strategy == BALANCE_proximity &&
           settings->proximity.by == PROXIMITY_BY_LOCATION;
}

size_t balance_index_of(const struct target_set *set, const struct target *target, size_t hint)
{
    if (hint < set->count && set->at[hint] == target)
        return hint;
    for (size_t i = 0; i < set->count; i++)
        if (set->at[i] == target)
            return i;
    return BALANCE_NONE;
}

size_t balance_first_allowed(const struct target_set *set, const struct ask *ask, size_t from)
{
    for (size_t i = from; i < set->count; i++)
        if (balance_allows(ask, set->at[i]))
            return i;
    for (size_t i = 0; i < from; i++)
        if (balance_allows(ask, set->at[i]))
            return i;
    return BALANCE_NONE;
}

bool balance__allows_again(const struct ask *ask, const struct target *target)
{
    for (unsigned i = 0; i < ask->tried_count; i++)
        if (ask->tried[i] == target)
            return false;
    return !ask->only_up || atomic_load_explicit(&target->state, memory_order_relaxed) == TARGET_UP;
}
