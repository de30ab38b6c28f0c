/* SPDX-License-Identifier: Apache-2.0 */
/* balance/balance_testing.h - for the room's tests: a set of targets, and a strategy that picks
 * from it. */
#ifndef PANDO_BALANCE_BALANCE_TESTING_H
#define PANDO_BALANCE_BALANCE_TESTING_H

#include "balance/balance.h"
#include "core/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TABLE_TARGETS_MAX = 300 };

/* A strategy at work. Zeroed targets are UP and idle. Keys are drawn anew for every pick unless
 * key_hash says one. */
struct table {
    const struct balance_strategy *strategy;
    struct balance_settings        settings;
    const char                    *zone;
    struct geo_place               home;
    const struct geo_place        *place; /* of whoever asks; NULL: not known */
    struct target                  targets[TABLE_TARGETS_MAX];
    struct target_set             *set;
    void                          *state;
    struct random                  random;
    uint64_t                       now_ns;
    uint64_t                       key_hash;
    struct balance_probes          probes; /* that the last pick or tick asked for */
};

static inline void table_fini(struct table *table)
{
    free(table->state);
    free(table->set);
    table->state = table->set = NULL;
}

static inline struct target_set *table_set(struct table *table, const uint16_t *weights,
                                           uint32_t count)
{
    struct target_set *set = calloc(1, sizeof *set + count * sizeof set->at[0]);
    for (uint32_t i = 0; i < count; i++) {
        struct target *target = set->at[i] = &table->targets[i];
        target->weight = weights == NULL ? 1 : weights[i];
        if (target->name[0] == '\0')
            (void)snprintf(target->name, sizeof target->name, "10.0.%u.%u:80", i / 256, i % 256);
        set->weight_sum += target->weight;
        if (target->weight > set->weight_max)
            set->weight_max = target->weight;
    }
    set->count = count;
    return set;
}

/* Takes over @set: a new state for it, which may keep what the one before had learned. */
static inline void table_change(struct table *table, struct target_set *set)
{
    void *old_state = table->state;
    struct target_set *old_set = table->set;
    const size_t bytes = balance_state_bytes(table->strategy, set->count);
    table->set = set;
    table->state = bytes > 0 ? calloc(1, bytes) : NULL;
    if (table->strategy->set_changed != NULL)
        table->strategy->set_changed(table->state,
                                     &(struct balance_setup){
                                         .set = set,
                                         .settings = &table->settings,
                                         .zone = table->zone != NULL ? table->zone : "",
                                         .home = table->home,
                                         .now_ns = table->now_ns,
                                         .draw = random_next(&table->random),
                                         .old_state = old_state,
                                         .old_set = old_set,
                                     });
    free(old_state);
    free(old_set);
}

/* Lays the first @count targets with these weights; NULL: all 1. Nothing is known of them. */
static inline void table_lay(struct table *table, const struct balance_strategy *strategy,
                             const uint16_t *weights, uint32_t count)
{
    table_fini(table);
    table->strategy = strategy;
    table_change(table, table_set(table, weights, count));
}

static inline size_t table_pick_but(struct table *table, struct target *const *tried,
                                    unsigned tried_count, bool only_up)
{
    table->probes.count = 0;
    const struct ask ask = {
        .now_ns = table->now_ns,
        .draw = {random_next(&table->random), random_next(&table->random)},
        .key_hash = table->key_hash != 0 ? table->key_hash : random_next(&table->random),
        .place = table->place,
        .tried = tried,
        .tried_count = tried_count,
        .only_up = only_up,
        .probes = table->strategy->has_probes ? &table->probes : NULL,
    };
    return table->strategy->pick(table->state, table->set, &ask);
}

static inline size_t table_pick(struct table *table)
{
    return table_pick_but(table, NULL, 0, false);
}

/* The attempt that was given to @index is answered, after so long. */
static inline void table_finish(struct table *table, size_t index, uint64_t latency_ns)
{
    const struct sample sample = {
        .now_ns = table->now_ns, .latency_ns = latency_ns, .outcome = BALANCE_ANSWERED};
    if (table->strategy->finished != NULL)
        table->strategy->finished(table->state, index, &sample);
}

#endif
