/* SPDX-License-Identifier: Apache-2.0 */
/* cache/disk/gate_test.c - what was forgotten on its way does not arrive. */
#include "cache/disk/gate.h"

#include "core/units.h"

#include <criterion/criterion.h>

static struct gate gate;

Test(gate, stops_what_was_on_its_way)
{
    const uint64_t before = gate.count;
    gate_close(&gate, 5, 100, 0);
    cr_expect_not(gate_admits(&gate, 5, before));
    cr_expect(gate_admits(&gate, 5, gate.count), "it set out later");
    cr_expect(gate_admits(&gate, 6, before) && gate_admits(&gate, 5 + GATE_SETS, before));
}

Test(gate, stops_what_was_made_before)
{
    gate_close(&gate, 5, 100, 0);
    cr_expect_not(gate_admits_new(&gate, 5, 100, 1));
    cr_expect(gate_admits_new(&gate, 5, 101, 1));
    cr_expect(gate_admits_new(&gate, 5 + GATE_SETS, 100, 1));
}

Test(gate, where_too_many_came_at_once_it_stops_all_for_a_while)
{
    const uint64_t before = gate.count;
    for (uint64_t i = 0; i <= GATE_WAYS; i++)
        gate_close(&gate, i * GATE_SETS, 100, 1);
    cr_expect_not(gate_admits(&gate, 0, before), "though it is not known by name");
    cr_expect_not(gate_admits(&gate, 99 * GATE_SETS, before));
    cr_expect(gate_admits(&gate, 99 * GATE_SETS, gate.count));
    cr_expect_not(gate_admits_new(&gate, 0, 100, 2));
    cr_expect(gate_admits_new(&gate, 0, 101, 2));
    cr_expect(gate_admits_new(&gate, 0, 100, 60 * NS_PER_S));
    cr_expect_not(gate_admits_new(&gate, GATE_SETS, 100, 2), "known by name");
    cr_expect(gate_admits_new(&gate, GATE_SETS, 100, 60 * NS_PER_S));
}

Test(gate, the_same_hash_again_takes_one_place)
{
    const uint64_t before = gate.count;
    gate_close(&gate, 5, 100, 0);
    for (int i = 0; i < 100; i++)
        gate_close(&gate, 5 + GATE_SETS, 100, 0);
    cr_expect_not(gate_admits(&gate, 5, before));
    cr_expect(gate_admits(&gate, 5 + 2 * GATE_SETS, before), "nothing was lost");
}
