/* SPDX-License-Identifier: Apache-2.0 */
/* balance/strategy/round_robin_test.c - each in turn. */
#include "balance/balance_testing.h"

#include <criterion/criterion.h>

static struct table table;

static void expect_order(const char *wanted)
{
    char got[32] = "";
    for (size_t i = 0; i < strlen(wanted); i++)
        got[i] = (char)('a' + table_pick(&table));
    cr_expect_str_eq(got, wanted);
}

/* nginx's own example. */
Test(round_robin, turns_are_smooth)
{
    table_lay(&table, &balance_round_robin, (const uint16_t[]){5, 1, 1}, 3);
    expect_order("aabacaaaabacaa");
    table_fini(&table);
}

Test(round_robin, equal_ones_follow_one_another)
{
    table_lay(&table, &balance_round_robin, NULL, 3);
    expect_order("abcabc");
    table_fini(&table);
}

/* Workers that all begin with the first target would send it a burst after every change. */
Test(round_robin, workers_begin_at_places_of_their_own)
{
    const uint16_t weights[] = {2, 2, 2, 3};
    unsigned seen[2] = {0};
    random_init(&table.random, 1);
    for (int worker = 0; worker < 50; worker++) {
        table_lay(&table, &balance_round_robin, NULL, 4);
        seen[0] |= 1u << table_pick(&table);
        table_lay(&table, &balance_round_robin, weights, 4);
        seen[1] |= 1u << table_pick(&table);
    }
    cr_expect(seen[0] == 15 && seen[1] == 15);
    table_fini(&table);
}

Test(round_robin, who_was_tried_loses_no_turn_for_good)
{
    struct target *tried[] = {&table.targets[0]};
    table_lay(&table, &balance_round_robin, (const uint16_t[]){1, 1, 2}, 3);
    for (int i = 0; i < 30; i++)
        cr_expect(table_pick_but(&table, tried, 1, false) != 0);
    unsigned picks[3] = {0};
    for (int i = 0; i < 40; i++)
        picks[table_pick(&table)]++;
    cr_expect(picks[0] >= 9 && picks[0] <= 11 && picks[2] >= 19 && picks[2] <= 21);
    table_fini(&table);
}
