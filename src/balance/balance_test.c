/* SPDX-License-Identifier: Apache-2.0 */
/* balance/balance_test.c - laws that hold for every strategy. */
#include "balance/balance_testing.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>

enum { PICKS = 10000 };

static struct table table;

/* Sets of all sorts: equal, unequal, extreme, large. */
struct weights {
    uint32_t count;
    uint16_t at[8]; /* repeated if the set is larger */
};

static const struct weights all_weights[] = {
    {1, {1}},
    {2, {1, 1}},
    {2, {1, 2}},
    {3, {5, 1, 1}},
    {2, {10, 1}},
    {5, {1, 2, 3, 4, 5}},
    {4, {256, 256, 1, 1}},
    {8, {8, 7, 6, 5, 4, 3, 2, 1}},
    {64, {1, 1, 1, 1, 1, 1, 1, 1}},
    {60, {3, 1, 2, 1, 1, 1, 4, 1}},
    {300, {1, 2, 1, 2, 1, 2, 1, 2}},
};

enum { WEIGHTS_COUNT = sizeof all_weights / sizeof all_weights[0] };

static uint32_t lay(const struct balance_strategy *strategy, const struct weights *weights)
{
    uint16_t at[TABLE_TARGETS_MAX];
    for (uint32_t i = 0; i < weights->count; i++)
        at[i] = weights->at[i % 8];
    table_lay(&table, strategy, at, weights->count);
    return weights->count;
}

/* Every target got its share, give or take @tolerance of it and five times what chance allows. */
static void expect_shares(const uint32_t *picks, double tolerance, const char *when)
{
    for (uint32_t i = 0; i < table.set->count; i++) {
        const double share = (double)table.set->at[i]->weight / table.set->weight_sum;
        const double wanted = share * PICKS;
        const double off = 5 * sqrt(wanted * (1 - share)) + tolerance * wanted + 1;
        cr_expect(fabs(picks[i] - wanted) <= off,
                  "%s %s: target %u of %u, weight %u: %u picks, not %.0f",
                  balance_name(table.strategy), when, i, table.set->count, table.set->at[i]->weight,
                  picks[i], wanted);
    }
}

/* Settings under which the laws hold too. */
static const struct balance_settings variants[] = {
    {.proximity = {.capacity = 100, .spill_percent = 50}},
    {.two_choices.latency = true,
     .hash.load_percent = 125,
     .proximity = {.by = PROXIMITY_BY_TIME, .capacity = 5}},
    {.proximity = {.by = PROXIMITY_BY_LOCATION, .capacity = CONFIG_AUTO, .spill_percent = 50}},
};

/* Every strategy, under every variant of its settings. */
#define EACH_STRATEGY(strategy)                                                                    \
    for (size_t variant = 0; variant < sizeof variants / sizeof variants[0]; variant++)            \
        for (size_t strategy##_at = 0; strategy##_at < BALANCE_SORTS_COUNT; strategy##_at++)       \
            for (const struct balance_strategy *strategy =                                         \
                     (table.settings = variants[variant], balance_at(strategy##_at));              \
                 strategy != NULL; strategy = NULL)

Test(balance, idle_targets_are_picked_by_weight)
{
    random_init(&table.random, 1);
    EACH_STRATEGY(strategy)
    for (size_t w = 0; w < WEIGHTS_COUNT; w++) {
        uint32_t picks[TABLE_TARGETS_MAX] = {0};
        lay(strategy, &all_weights[w]);
        for (int i = 0; i < PICKS; i++)
            picks[table_pick(&table)]++;
        expect_shares(picks, 0, "idle");
    }
    table_fini(&table);
}

/* Under load, every request takes the same time: those that began first end first. */
static void run_busy(const struct balance_strategy *strategy, const struct weights *weights,
                     uint32_t outstanding_max)
{
    static size_t outstanding[PICKS * 2];
    uint32_t picks[TABLE_TARGETS_MAX] = {0};
    char when[32];
    /* A bound is there to depart from the shares where chance has given a target too much. */
    table.settings.hash.load_percent = 0;
    lay(strategy, weights);
    for (uint32_t i = 0; i < PICKS * 2; i++) {
        if (i >= outstanding_max)
            table.targets[outstanding[i - outstanding_max]].inflight--;
        const size_t index = outstanding[i] = table_pick(&table);
        table.targets[index].inflight++;
        picks[index] += i >= PICKS;
    }
    for (uint32_t i = 0; i < weights->count; i++)
        table.targets[i].inflight = 0;
    snprintf(when, sizeof when, "with %u in flight", outstanding_max);
    expect_shares(picks, 0.1, when);
}

Test(balance, busy_targets_are_picked_by_weight)
{
    random_init(&table.random, 2);
    EACH_STRATEGY(strategy)
    for (size_t w = 0; w < WEIGHTS_COUNT; w++) {
        run_busy(strategy, &all_weights[w], 1);
        run_busy(strategy, &all_weights[w], 16);
        run_busy(strategy, &all_weights[w], 1000);
    }
    table_fini(&table);
}

/* Any subset of them may have been tried. */
Test(balance, a_tried_target_is_never_picked)
{
    random_init(&table.random, 3);
    const struct weights weights = {5, {1, 9, 1, 3, 1}};
    EACH_STRATEGY(strategy)
    for (unsigned subset = 1; subset < 32; subset++) {
        struct target *tried[5];
        unsigned count = 0;
        lay(strategy, &weights);
        for (unsigned i = 0; i < 5; i++)
            if ((subset & 1u << i) != 0)
                tried[count++] = &table.targets[i];
        unsigned seen = 0;
        for (int i = 0; i < 200; i++) {
            const size_t index = table_pick_but(&table, tried, count, false);
            if (index == BALANCE_NONE)
                continue;
            cr_assert(index < 5 && (subset & 1u << index) == 0, "%s", balance_name(strategy));
            seen |= 1u << index;
        }
        cr_expect(seen == (31 & ~subset), "%s: of %x tried, only %x were picked",
                  balance_name(strategy), subset, seen);
    }
    table_fini(&table);
}

Test(balance, large_sets_find_the_only_one_left)
{
    random_init(&table.random, 4);
    EACH_STRATEGY(strategy)
    {
        table_lay(&table, strategy, NULL, 300);
        for (int i = 0; i < 300; i++)
            table.targets[i].state = i == 217 ? TARGET_UP : TARGET_PAUSED;
        struct target *tried[] = {&table.targets[3]};
        for (int i = 0; i < 50; i++)
            cr_expect(table_pick_but(&table, tried, 1, true) == 217, "%s", balance_name(strategy));
        table.targets[217].state = TARGET_GONE;
        cr_expect(table_pick_but(&table, tried, 1, true) == BALANCE_NONE, "%s",
                  balance_name(strategy));
        cr_expect(table_pick_but(&table, tried, 1, false) != BALANCE_NONE, "%s",
                  balance_name(strategy));
        memset(table.targets, 0, sizeof table.targets);
    }
    table_fini(&table);
}

/* The new state is as good as any: no index of the old set comes back. */
Test(balance, the_set_may_change)
{
    random_init(&table.random, 5);
    const uint32_t counts[] = {3, 300, 1, 64, 65, 2};
    EACH_STRATEGY(strategy)
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        table_lay(&table, strategy, NULL, counts[c]);
        for (uint32_t i = 0; i < 3 * counts[c]; i++)
            cr_assert(table_pick(&table) < counts[c], "%s", balance_name(strategy));
    }
    table_fini(&table);
}

/* A set of none has a state too: a service may lose all its targets. */
Test(balance, an_empty_set_is_no_harm)
{
    EACH_STRATEGY(strategy)
    table_lay(&table, strategy, NULL, 0);
    table_fini(&table);
}

/* The words of the setting and the vtables are of one list, in one order. */
Test(balance, every_strategy_has_its_words)
{
    size_t count = 0;
    for (; balance_at(count) != NULL; count++) {
        cr_expect_str_eq(balance_name(balance_at(count)), balance_words[count].name);
        cr_expect(balance_words[count].gist[0] != '\0');
    }
    cr_expect(count == BALANCE_SORTS_COUNT && balance_words[count].name == NULL);
    cr_expect(balance_at(0) == &balance_two_choices, "the preset is the first");
}

Test(balance, a_target_is_found_in_a_set)
{
    table_lay(&table, &balance_round_robin, NULL, 5);
    for (size_t hint = 0; hint < 7; hint++) {
        for (size_t i = 0; i < 5; i++)
            cr_expect(balance_index_of(table.set, &table.targets[i], hint) == i);
        cr_expect(balance_index_of(table.set, &table.targets[5], hint) == BALANCE_NONE);
    }
    table_fini(&table);
}
