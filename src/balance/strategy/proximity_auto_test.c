/* SPDX-License-Identifier: Apache-2.0 */
/* balance/strategy/proximity_auto_test.c - rings learn what they hold, and keep it when the set
 * changes. How it does under load is the simulator's to show (tests/sim/sim_test.c). */
#include "balance/balance_testing.h"
#include "core/units.h"

#include <criterion/criterion.h>

enum { PICKS = 4000 };

static struct table table;
static unsigned picks[TABLE_TARGETS_MAX];

/* Two targets in eu/a, where we are, and one in us/a. */
static void lay(void)
{
    static const char *const zones[] = {"eu/a", "us/a", "eu/a"};
    random_init(&table.random, 1);
    table.zone = "eu/a";
    table.settings.proximity.capacity = CONFIG_AUTO;
    table.settings.proximity.spill_percent = 50;
    for (uint32_t i = 0; i < 3; i++)
        (void)snprintf(table.targets[i].zone, sizeof table.targets[i].zone, "%s", zones[i]);
    table_lay(&table, &balance_proximity, NULL, 3);
}

static void count_picks(void)
{
    memset(picks, 0, sizeof picks);
    for (int i = 0; i < PICKS; i++)
        picks[table_pick(&table)]++;
}

/* A second in which each of the two rings gives @count answers. */
static void pass(unsigned count, uint64_t near_ms, uint64_t far_ms)
{
    table.now_ns += NS_PER_S;
    for (unsigned i = 0; i < count; i++) {
        (void)table_pick(&table);
        table_finish(&table, i % 2 * 2, near_ms * NS_PER_MS);
        if (far_ms > 0)
            table_finish(&table, 1, far_ms * NS_PER_MS);
    }
    const struct ask ask = {.now_ns = table.now_ns};
    balance_proximity.tick(table.state, table.set, &ask);
}

static void load_near(uint32_t inflight)
{
    table.targets[0].inflight = table.targets[2].inflight = inflight;
}

Test(proximity_auto, however_many_are_in_flight_all_stay_while_answers_are_fast)
{
    lay();
    load_near(10000);
    pass(100, 40, 60);
    for (int i = 0; i < 20; i++)
        pass(100, 50, 60);
    count_picks();
    cr_expect(picks[1] == 0, "%u", picks[1]);
    table_fini(&table);
}

/* As slow as that it spills, more and more; and when it is fast again, less, until all is back. */
Test(proximity_auto, a_slow_ring_spills_and_is_given_back)
{
    unsigned before = 0;
    lay();
    pass(100, 40, 60);
    load_near(8);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 3; i++)
            pass(100, 100, 60);
        count_picks();
        cr_expect(picks[1] > before, "%u and %u", picks[1], before);
        before = picks[1];
    }
    cr_expect(before > PICKS / 2, "%u", before);
    for (int i = 0; i < 40; i++)
        pass(100, 45, 60);
    count_picks();
    cr_expect(picks[1] == 0, "%u", picks[1]);
    table_fini(&table);
}

/* However full: a few stay, so that it is seen when it is well again. */
Test(proximity_auto, two_in_a_hundred_stay)
{
    lay();
    pass(100, 40, 60);
    load_near(8);
    for (int i = 0; i < 60; i++)
        pass(100, 400, 60);
    load_near(100);
    count_picks();
    const unsigned near = picks[0] + picks[2];
    cr_expect(near > PICKS / 100 && near < PICKS * 3 / 100, "%u", near);
    table_fini(&table);
}

/* Half of the ring goes: it holds half as much, at once. */
Test(proximity_auto, what_was_learned_is_kept_for_each_of_weight)
{
    lay();
    pass(100, 40, 60);
    load_near(8);
    for (int i = 0; i < 4; i++)
        pass(100, 200, 60);
    count_picks();
    const unsigned before = picks[1];
    table_change(&table, table_set(&table, NULL, 2)); /* without targets[2] */
    count_picks();
    cr_expect(picks[1] > before - 300 && picks[1] < before + 300, "%u, not %u", picks[1], before);
    load_near(16); /* the one that is left has what both had */
    count_picks();
    cr_expect(picks[1] > PICKS * 9 / 10, "%u", picks[1]);
    table_fini(&table);
}

/* Sites are known by their targets, wherever they stand in the new set. */
Test(proximity_auto, a_site_is_known_again)
{
    lay();
    table.settings.proximity.by = PROXIMITY_BY_LOCATION;
    table.home = geo_place_at(52, 13);
    table.targets[0].place = table.targets[2].place = geo_place_at(52, 13);
    table.targets[1].place = geo_place_at(40, -75);
    table_change(&table, table_set(&table, NULL, 3));
    pass(100, 40, 60);
    load_near(8);
    for (int i = 0; i < 12; i++)
        pass(100, 200, 60);
    count_picks();
    const unsigned before = picks[1];
    cr_expect(before > PICKS / 2, "%u", before);
    table.targets[3].place = geo_place_at(-90, 0); /* a site that sorts before the others */
    table_change(&table, table_set(&table, NULL, 4));
    count_picks();
    cr_expect(picks[1] > before - 300 && picks[1] < before + 300, "%u, not %u", picks[1], before);
    table_fini(&table);
}
