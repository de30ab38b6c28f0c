/* SPDX-License-Identifier: Apache-2.0 */
/* balance/strategy/wheel_test.c - the alias table holds exactly the weights. */
#include "balance/balance_testing.h"
#include "balance/strategy/wheel.h"

#include <criterion/criterion.h>

static struct table table;

/* Adds up what all places give to each target: weight * count, to the unit. */
static void expect_exact(const uint16_t *weights, uint32_t count)
{
    uint64_t sums[TABLE_TARGETS_MAX] = {0};
    static uint64_t memory[2 + TABLE_TARGETS_MAX];
    struct balance_wheel *wheel = (struct balance_wheel *)(void *)memory;
    table_lay(&table, &balance_two_choices, weights, count);
    memset(memory, 0, sizeof memory);
    balance__wheel_fill(wheel, table.set);
    if (wheel->weight_sum == 0)
        return;
    for (uint32_t i = 0; i < count; i++) {
        cr_assert(wheel->at[i].share <= wheel->weight_sum && wheel->at[i].other < count);
        sums[i] += wheel->at[i].share;
        sums[wheel->at[i].other] += wheel->weight_sum - wheel->at[i].share;
    }
    for (uint32_t i = 0; i < count; i++)
        cr_assert(sums[i] == (uint64_t)weights[i] * count, "place %u of %u", i, count);
}

Test(wheel, holds_the_weights_to_the_unit)
{
    uint16_t weights[TABLE_TARGETS_MAX];
    random_init(&table.random, 1);
    for (int round = 0; round < 3000; round++) {
        const uint32_t count =
            1 + random_below(random_next(&table.random), round % 30 == 0 ? 300 : 12);
        const uint32_t most = round % 2 == 0 ? TARGET_WEIGHT_MAX : 3;
        for (uint32_t i = 0; i < count; i++)
            weights[i] = (uint16_t)(1 + random_below(random_next(&table.random), most));
        expect_exact(weights, count);
    }
    table_fini(&table);
}
