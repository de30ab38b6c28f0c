/* SPDX-License-Identifier: Apache-2.0 */
/* balance/strategy/least_connections_test.c - the fewest in flight. */
#include "balance/balance_testing.h"

#include <criterion/criterion.h>

static struct table table;

Test(least_connections, looks_at_every_target_of_a_small_set)
{
    random_init(&table.random, 1);
    table_lay(&table, &balance_least_connections, NULL, 64);
    for (uint32_t least = 0; least < 64; least++) {
        for (uint32_t i = 0; i < 64; i++)
            table.targets[i].inflight = i == least ? 2 : 3;
        for (int i = 0; i < 5; i++)
            cr_assert(table_pick(&table) == least);
    }
    table_fini(&table);
}

/* Nobody is starved and nobody herded on: among equals the first draw decides. */
Test(least_connections, equal_ones_take_turns)
{
    random_init(&table.random, 1);
    table_lay(&table, &balance_least_connections, NULL, 3);
    for (int i = 0; i < 3; i++)
        table.targets[i].inflight = 7;
    unsigned picks[3] = {0};
    for (int i = 0; i < 3000; i++)
        picks[table_pick(&table)]++;
    for (int i = 0; i < 3; i++)
        cr_expect(picks[i] > 850 && picks[i] < 1150);
    table_fini(&table);
}

/* Of 300, one is idle. Chance finds it in 8 of 300 picks; a look at all would find it in each. */
Test(least_connections, samples_a_large_set)
{
    random_init(&table.random, 1);
    table_lay(&table, &balance_least_connections, NULL, 300);
    for (int i = 0; i < 300; i++)
        table.targets[i].inflight = i == 100 ? 0 : 5;
    unsigned found = 0;
    for (int i = 0; i < 30000; i++)
        found += table_pick(&table) == 100;
    cr_expect(found > 650 && found < 950, "%u", found);
    table_fini(&table);
}
