/* SPDX-License-Identifier: Apache-2.0 */
/* balance/strategy/two_choices_test.c - the less busy of two. */
#include "balance/balance_testing.h"

#include <criterion/criterion.h>

static struct table table;

/* Draws that fall on the targets at these places of three equal ones. */
static size_t pick_of(unsigned one, unsigned other)
{
    const struct ask ask = {.draw = {one * 0x5555555600000000u, other * 0x5555555600000000u}};
    return balance_two_choices.pick(table.state, table.set, &ask);
}

Test(two_choices, takes_the_less_busy)
{
    table_lay(&table, &balance_two_choices, NULL, 3);
    table.targets[0].inflight = 9;
    table.targets[1].inflight = 8;
    cr_expect(pick_of(0, 1) == 1);
    cr_expect(pick_of(1, 0) == 1);
    cr_expect(pick_of(0, 2) == 2);
    cr_expect(pick_of(2, 0) == 2);
    table_fini(&table);
}

Test(two_choices, takes_the_first_of_two_that_are_as_busy)
{
    table_lay(&table, &balance_two_choices, NULL, 3);
    table.targets[0].inflight = table.targets[1].inflight = 4;
    cr_expect(pick_of(0, 1) == 0);
    cr_expect(pick_of(1, 0) == 1);
    table_fini(&table);
}

/* Of two targets the busy one is never taken: the draws are two different ones. */
Test(two_choices, both_draws_do_not_fall_on_one)
{
    random_init(&table.random, 1);
    table_lay(&table, &balance_two_choices, NULL, 2);
    table.targets[0].inflight = 1;
    for (int i = 0; i < 1000; i++)
        cr_assert(table_pick(&table) == 1);
    table_fini(&table);
}

Test(two_choices, weighs_what_is_in_flight)
{
    table_lay(&table, &balance_two_choices, (const uint16_t[]){10, 1}, 2);
    table.targets[0].inflight = 9;
    random_init(&table.random, 1);
    for (int i = 0; i < 100; i++)
        cr_expect(table_pick(&table) == 0 || table.targets[1].inflight == 0);
    table.targets[0].inflight = 30;
    table.targets[1].inflight = 1;
    for (int i = 0; i < 100; i++)
        cr_expect(table_pick(&table) == 1, "30 of 10 is more than 2 of 1");
    table_fini(&table);
}
