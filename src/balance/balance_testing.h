/* SPDX-License-Identifier: Apache-2.0 */
/* balance/balance_testing.h - for the room's tests: a set of targets, and a strategy that picks
 * from it. */
#ifndef PANDO_BALANCE_BALANCE_TESTING_H
#define PANDO_BALANCE_BALANCE_TESTING_H

#include "balance/balance.h"
#include "core/random.h"

#include <stdlib.h>
#include <string.h>

enum { TABLE_TARGETS_MAX = 300 };

/* A strategy at work. Zeroed targets are UP and idle. */
struct table {
    const struct balance_strategy *strategy;
    struct target                  targets[TABLE_TARGETS_MAX];
    struct target_set             *set;
    void                          *state;
    struct random                  random;
};

static inline void table_fini(struct table *table)
{
    free(table->state);
    free(table->set);
    table->state = table->set = NULL;
}

/* Lays the first @count targets with these weights; NULL: all 1. */
static inline void table_lay(struct table *table, const struct balance_strategy *strategy,
                             const uint16_t *weights, uint32_t count)
{
    table_fini(table);
    table->strategy = strategy;
    struct target_set *set = calloc(1, sizeof *set + count * sizeof set->at[0]);
    for (uint32_t i = 0; i < count; i++) {
        struct target *target = set->at[i] = &table->targets[i];
        target->weight = weights == NULL ? 1 : weights[i];
        set->weight_sum += target->weight;
        if (target->weight > set->weight_max)
            set->weight_max = target->weight;
    }
    set->count = count;
    table->set = set;
    const size_t bytes = strategy->state_bytes + count * strategy->target_bytes;
    table->state = bytes > 0 ? calloc(1, bytes) : NULL;
    if (strategy->set_changed != NULL)
        strategy->set_changed(table->state, set, random_next(&table->random));
}

static inline size_t table_pick_but(struct table *table, struct target *const *tried,
                                    unsigned tried_count, bool only_up)
{
    const struct ask ask = {
        .draw = {random_next(&table->random), random_next(&table->random)},
        .tried = tried,
        .tried_count = tried_count,
        .only_up = only_up,
    };
    return table->strategy->pick(table->state, table->set, &ask);
}

static inline size_t table_pick(struct table *table)
{
    return table_pick_but(table, NULL, 0, false);
}

#endif
