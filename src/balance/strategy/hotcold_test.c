/* SPDX-License-Identifier: Apache-2.0 */
/* balance/strategy/hotcold_test.c - Prequal's rule, told by single probes. */
#include "balance/balance_testing.h"
#include "balance/strategy/hotcold.h"

#include <criterion/criterion.h>
#include <math.h>

static struct table table;
static struct hotcold pool;

/* A set of equal weights, and an empty pool for it. */
static void begin(uint32_t count)
{
    table_fini(&table);
    table.set = table_set(&table, NULL, count);
    balance__hotcold_init(&pool, count, 3, 1);
    pool.remove_count = 0;
    pool.reuse = 8;
}

static void add(uint32_t target, uint32_t rif, uint64_t latency_ns)
{
    const struct hotcold_probe probe = {
        .target = target, .rif = rif, .latency_ns = latency_ns, .at_ns = pool.count};
    balance__hotcold_add(&pool, &probe, 0);
}

static size_t pick(uint32_t quantile)
{
    return balance__hotcold_pick(&pool, table.set, quantile);
}

Test(hotcold, of_the_cold_the_quickest_is_picked)
{
    begin(100);
    add(0, 1, 500);
    add(1, 5, 100);
    add(2, 9, 10); /* hot: over the quantile of 1, 5, 9 */
    cr_expect(pick(66) == 1 && pool.theta == 5);
    begin(100);
    add(0, 1, 500);
    add(1, 5, 100);
    add(2, 9, 10);
    cr_expect(pick(0) == 0, "requests in flight alone");
}

Test(hotcold, if_all_are_hot_the_least_busy_is_picked)
{
    begin(100);
    add(0, 7, 1);
    add(1, 3, 9);
    pool.at[0].rif = 7;
    cr_expect(pick(0) == 1);
}

Test(hotcold, too_few_probes_pick_nothing)
{
    begin(100);
    cr_expect(pick(84) == BALANCE_NONE);
    add(3, 0, 1);
    cr_expect(pick(84) == BALANCE_NONE && pool.count == 1, "and one is kept");
}

Test(hotcold, a_pick_counts_in_every_probe_of_its_target)
{
    begin(100);
    add(0, 0, 5);
    add(0, 0, 5);
    add(1, 1, 5);
    cr_expect(pick(0) == 0 && pool.at[0].rif == 1 && pool.at[1].rif == 1 && pool.at[2].rif == 1);
}

Test(hotcold, the_latest_probe_of_each_makes_the_threshold)
{
    begin(100);
    for (int i = 0; i < 6; i++)
        add(0, 90, 1); /* an overloaded one that was probed often */
    add(1, 1, 50);
    add(2, 2, 60);
    cr_expect(pick(66) == 1 && pool.theta == 2, "theta is %u", pool.theta);
}

Test(hotcold, probes_go_when_used_or_old_or_for_room)
{
    begin(100);
    pool.reuse = 1;
    add(0, 0, 5);
    add(1, 1, 5);
    add(2, 2, 5);
    cr_expect(pick(0) == 0 && pool.count == 2, "used up");
    balance__hotcold_age(&pool, 1001, 999);
    cr_expect(pool.count == 1 && pool.at[0].target == 2, "older than the age");
    balance__hotcold_forget(&pool, 2);
    cr_expect(pool.count == 0);
    for (uint32_t i = 0; i < 40; i++)
        add(i, 0, 5);
    cr_expect(pool.count == HOTCOLD_ROOM && pool.at[0].target == 40 - HOTCOLD_ROOM);
    pool.remove_count = 1;
    pool.at[3].rif = 50;
    (void)pick(84);
    (void)pick(84);
    bool has_worst = false;
    for (uint32_t i = 0; i < pool.count; i++)
        has_worst = has_worst || pool.at[i].rif == 50;
    cr_expect(!has_worst, "the oldest and the worst are removed in turn");
}

Test(hotcold, weights_scale_what_is_compared)
{
    static const uint16_t weights[] = {10, 100};
    table_fini(&table);
    table.set = table_set(&table, weights, 2);
    balance__hotcold_init(&pool, 2, 1, 0);
    add(0, 2, 5); /* as 20 */
    add(1, 9, 5);
    cr_expect(pick(0) == 1);
}

Test(hotcold, reuse_is_the_papers)
{
    cr_expect(fabs(balance__hotcold_reuse(16, 100, 3, 1) - 2 / (0.84 * 3 - 1)) < 1e-9); /* 1.32 */
    cr_expect(balance__hotcold_reuse(5, 10, 3, 1) == 4, "half of the targets");
    cr_expect(balance__hotcold_reuse(5, 10, 1, 0) == 4, "small fleets");
    cr_expect(balance__hotcold_reuse(16, 20, 1, 1) == 16, "bounded where the sum is not positive");
    cr_expect(balance__hotcold_reuse(1, 100, 8, 0) == 1);
}
