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

/* Nobody is starved and nobody herded on, wherever the equals stand among the others. */
Test(least_connections, equally_busy_ones_take_turns)
{
    random_init(&table.random, 1);
    table_lay(&table, &balance_least_connections, NULL, 8);
    for (unsigned group = 1; group < 256; group++) {
        for (unsigned i = 0; i < 8; i++)
            table.targets[i].inflight = (group & 1u << i) != 0 ? 6 : 7;
        unsigned seen = 0;
        for (int i = 0; i < __builtin_popcount(group); i++)
            seen |= 1u << table_pick(&table);
        cr_expect(seen == group, "of %x, %x took a turn", group, seen);
    }
    table_fini(&table);
}

/* Of unequal ones each has its share of the turns. */
Test(least_connections, idle_unequal_ones_take_turns_by_weight)
{
    random_init(&table.random, 1);
    table_lay(&table, &balance_least_connections, (const uint16_t[]){3, 1}, 2);
    unsigned picks[2] = {0};
    for (int i = 0; i < 4000; i++)
        picks[table_pick(&table)]++;
    cr_expect(picks[1] > 850 && picks[1] < 1150);
    table_fini(&table);
}

/* They begin with different ones. */
Test(least_connections, workers_do_not_herd)
{
    unsigned seen = 0;
    random_init(&table.random, 1);
    for (int worker = 0; worker < 50; worker++) {
        table_lay(&table, &balance_least_connections, NULL, 4);
        seen |= 1u << table_pick(&table);
    }
    cr_expect(seen == 15);
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
