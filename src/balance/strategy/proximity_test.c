/* SPDX-License-Identifier: Apache-2.0 */
/* balance/strategy/proximity_test.c - near first, and outwards without a cliff. */
#include "balance/balance_testing.h"

#include <criterion/criterion.h>
#include <math.h>

enum { PICKS = 4000 };

static struct table table;
static unsigned picks[TABLE_TARGETS_MAX];

/* Targets with these zones, seen from eu/a. */
static void lay_zones(const char *const *zones, uint32_t count)
{
    random_init(&table.random, 1);
    table.zone = "eu/a";
    table.settings.proximity.capacity = 10;
    table.settings.proximity.spill_percent = 50;
    for (uint32_t i = 0; i < count; i++)
        (void)snprintf(table.targets[i].zone, sizeof table.targets[i].zone, "%s", zones[i]);
    table_lay(&table, &balance_proximity, NULL, count);
}

static void count_picks(void)
{
    memset(picks, 0, sizeof picks);
    for (int i = 0; i < PICKS; i++)
        picks[table_pick(&table)]++;
}

static const char *const zones[] = {"us/a", "eu/b", "eu/a", "eu/a", "europe/a", "eu/b"};

Test(proximity, the_own_zone_comes_first_then_the_region)
{
    lay_zones(zones, 6);
    count_picks();
    cr_expect(picks[2] + picks[3] == PICKS && picks[2] > PICKS / 3 && picks[3] > PICKS / 3);
    struct target *tried[] = {&table.targets[2], &table.targets[3]};
    for (int i = 0; i < 100; i++) {
        const size_t index = table_pick_but(&table, tried, 2, false);
        cr_expect(index == 1 || index == 5, "the region next, not %zu", index);
    }
    table_fini(&table);
}

Test(proximity, a_region_is_a_whole_word)
{
    static const char *const two[] = {"eu-west/a", "eu/b"};
    lay_zones(two, 2);
    count_picks();
    cr_expect(picks[1] == PICKS);
    table_fini(&table);
}

/* Whoever says no zone is as near as can be: nothing is known against it. */
Test(proximity, without_zones_all_are_near)
{
    static const char *const three[] = {"", "", "us/a"};
    lay_zones(three, 3);
    count_picks();
    cr_expect(picks[2] == 0);
    table.zone = "";
    table_change(&table, table_set(&table, NULL, 3));
    count_picks();
    for (int i = 0; i < 3; i++)
        cr_expect(picks[i] > PICKS / 4);
    table_fini(&table);
}

/* The share that stays in the own zone is 1 up to half of its capacity, and then falls in step with
 * the load: at no load is there a jump. */
Test(proximity, spills_in_proportion)
{
    static const char *const two[] = {"eu/a", "us/a"};
    lay_zones(two, 2);
    for (uint32_t inflight = 0; inflight <= 14; inflight++) {
        const double load = inflight / 10.0;
        const double wanted = load <= 0.5 ? 1 : load < 1 ? (1 - load) / 0.5 : 0;
        table.targets[0].inflight = inflight;
        count_picks();
        const double off = 5 * sqrt(PICKS * wanted * (1 - wanted)) + 1;
        cr_expect(fabs(picks[0] - wanted * PICKS) <= off, "%u in flight: %u stay, not %.0f",
                  inflight, picks[0], wanted * PICKS);
    }
    table_fini(&table);
}

/* If all are full, the least so takes it, wherever it is. */
Test(proximity, of_full_rings_the_least_full_takes_it)
{
    static const char *const three[] = {"eu/a", "eu/b", "us/a"};
    lay_zones(three, 3);
    table.targets[0].inflight = 30;
    table.targets[1].inflight = 20;
    table.targets[2].inflight = 25;
    count_picks();
    cr_expect(picks[1] == PICKS);
    table_fini(&table);
}

/* Two of the own zone's four went ill: the others are full with half as much, and spill. */
Test(proximity, a_smaller_ring_spills_sooner)
{
    static const char *const five[] = {"eu/a", "eu/a", "us/a", "eu/a", "eu/a"};
    lay_zones(five, 5);
    table.targets[0].inflight = table.targets[1].inflight = 8;
    count_picks();
    cr_expect(picks[2] == 0);
    table_change(&table, table_set(&table, NULL, 3));
    count_picks();
    cr_expect(picks[2] > PICKS / 2 - 250 && picks[2] < PICKS * 7 / 10, "%u", picks[2]);
    table_fini(&table);
}

/* Weights hold in a ring, and say how much it holds. */
Test(proximity, weights_hold_in_a_ring)
{
    static const char *const three[] = {"eu/a", "eu/a", "us/a"};
    lay_zones(three, 3);
    table_change(&table, table_set(&table, (const uint16_t[]){3, 1, 1}, 3));
    count_picks();
    cr_expect(fabs(picks[0] - 0.75 * PICKS) < 5 * sqrt(PICKS * 0.75 * 0.25) && picks[2] == 0);
    table.targets[0].inflight = 18;
    table.targets[1].inflight = 2; /* 20 of 40 */
    count_picks();
    cr_expect(picks[2] == 0);
    table_fini(&table);
}

/* Opening times: up to 256 us is one ring, and then each is twice as wide. They are looked at again
 * at every tick. */
Test(proximity, by_the_time_that_a_connection_takes)
{
    lay_zones(zones, 3);
    table.settings.proximity.by = PROXIMITY_BY_TIME;
    table.targets[0].connect_us = 90;
    table.targets[1].connect_us = 250;
    table.targets[2].connect_us = 40000;
    table_change(&table, table_set(&table, NULL, 3));
    count_picks();
    cr_expect(picks[2] == 0 && picks[0] > PICKS / 3 && picks[1] > PICKS / 3);
    table.targets[0].connect_us = table.targets[1].connect_us = 90000;
    const struct ask ask = {.now_ns = 1};
    balance_proximity.tick(table.state, table.set, &ask);
    count_picks();
    cr_expect(picks[2] == PICKS);
    table.targets[1].connect_us = 0; /* it was never connected to */
    balance_proximity.tick(table.state, table.set, &ask);
    count_picks();
    cr_expect(picks[1] == PICKS, "so that it is measured");
    table_fini(&table);
}
