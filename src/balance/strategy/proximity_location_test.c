/* SPDX-License-Identifier: Apache-2.0 */
/* balance/strategy/proximity_location_test.c - each client has its own nearest site, and its own
 * way outwards. */
#include "balance/balance_testing.h"

#include <criterion/criterion.h>
#include <math.h>

enum { PICKS = 4000 };

static struct table table;
static unsigned picks[TABLE_TARGETS_MAX];

static struct geo_place at(const char *text)
{
    struct geo_place place = {0};
    cr_assert(geo_place_read(text, &place), "%s", text);
    return place;
}

/* Targets at these places. */
static void lay(const char *const *places, uint32_t count)
{
    random_init(&table.random, 1);
    table.settings.proximity.by = PROXIMITY_BY_LOCATION;
    table.settings.proximity.capacity = 10;
    table.settings.proximity.spill_percent = 50;
    for (uint32_t i = 0; i < count; i++)
        table.targets[i].place = at(places[i]);
    table_lay(&table, &balance_proximity, NULL, count);
}

/* Of a client there; NULL: nobody knows where it is. */
static void count_picks_from(const char *text)
{
    const struct geo_place place = text != NULL ? at(text) : (struct geo_place){0};
    table.place = text != NULL ? &place : NULL;
    memset(picks, 0, sizeof picks);
    for (int i = 0; i < PICKS; i++)
        picks[table_pick(&table)]++;
    table.place = NULL;
}

/* Two in Germany, one each in Virginia, Brazil, Japan and Australia. */
static const char *const world[] = {"DE", "38.9,-77.4", "DE", "BR", "JP", "AU"};

Test(proximity_location, each_client_has_its_nearest_site)
{
    static const struct {
        const char *from;
        uint32_t site;
    } clients[] = {
        {"US", 1}, {"CA", 1}, {"MX", 1}, {"AR", 3},     {"BR", 3},      {"KR", 4},
        {"JP", 4}, {"NZ", 5}, {"FJ", 5}, {"60,170", 4}, {"-64,-70", 3},
    };
    lay(world, 6);
    for (size_t i = 0; i < sizeof clients / sizeof clients[0]; i++) {
        count_picks_from(clients[i].from);
        cr_expect(picks[clients[i].site] == PICKS, "%s: %u of %u", clients[i].from,
                  picks[clients[i].site], PICKS);
    }
    count_picks_from("FR");
    cr_expect(picks[0] + picks[2] == PICKS && picks[0] > PICKS / 3 && picks[2] > PICKS / 3);
    table_fini(&table);
}

/* As sites fill, the next one on the client's way takes what is spilled; all ways differ. */
Test(proximity_location, spills_to_the_next_nearest_of_this_client)
{
    static const uint32_t of_france[] = {0, 1, 3, 4, 5}, of_chile[] = {3, 1, 5, 0, 4};
    const struct {
        const char *from;
        const uint32_t *way;
    } clients[] = {{"FR", of_france}, {"CL", of_chile}};
    for (size_t k = 0; k < 2; k++) {
        lay(world, 6);
        for (size_t i = 0; i < 5; i++) {
            const uint32_t site = clients[k].way[i];
            count_picks_from(clients[k].from);
            const unsigned here = picks[site] + (site == 0 ? picks[2] : 0);
            cr_expect(here == PICKS, "%s: step %zu", clients[k].from, i);
            table.targets[site].inflight = 10;
            if (site == 0)
                table.targets[2].inflight = 10;
        }
        for (uint32_t i = 0; i < 6; i++)
            table.targets[i].inflight = 0;
    }
    table_fini(&table);
}

/* No cliff: half full, all stay; from there on in step with the load. */
Test(proximity_location, spills_in_proportion)
{
    lay(world, 6);
    for (uint32_t inflight = 0; inflight <= 10; inflight++) {
        const double load = inflight / 10.0;
        const double wanted = load <= 0.5 ? 1 : (1 - load) / 0.5;
        table.targets[4].inflight = inflight;
        count_picks_from("KR");
        const double off = 5 * sqrt(PICKS * wanted * (1 - wanted)) + 1;
        cr_expect(fabs(picks[4] - wanted * PICKS) <= off, "%u in flight: %u stay", inflight,
                  picks[4]);
    }
    table_fini(&table);
}

/* After a failed attempt: the others of the site, then the next site. */
Test(proximity_location, what_was_tried_is_passed_over)
{
    lay(world, 6);
    const struct geo_place france = at("FR");
    struct target *tried[] = {&table.targets[0], &table.targets[2]};
    table.place = &france;
    for (int i = 0; i < 100; i++) {
        cr_expect(table_pick_but(&table, tried, 1, false) == 2);
        cr_expect(table_pick_but(&table, tried, 2, false) == 1);
    }
    table.place = NULL;
    table_fini(&table);
}

/* A client that nobody knows is where this node is. */
Test(proximity_location, an_unknown_client_is_at_the_node)
{
    table.home = at("JP");
    lay(world, 6);
    count_picks_from(NULL);
    cr_expect(picks[4] == PICKS);
    const struct geo_place nowhere = {0};
    table.place = &nowhere;
    for (int i = 0; i < 100; i++)
        cr_expect(table_pick(&table) == 4);
    count_picks_from("BR"); /* the others are not */
    cr_expect(picks[3] == PICKS);
    table_fini(&table);
}

/* And if that is not known either, all sites are as near: the less busy of two, by weight. */
Test(proximity_location, without_any_place_load_decides)
{
    lay(world, 6);
    table_change(&table, table_set(&table, (const uint16_t[]){1, 2, 1, 1, 1, 2}, 6));
    count_picks_from(NULL);
    for (uint32_t i = 0; i < 6; i++) {
        const double share = (i == 1 || i == 5 ? 2 : 1) / 8.0;
        cr_expect(fabs(picks[i] - share * PICKS) < 5 * sqrt(PICKS * share), "%u: %u", i, picks[i]);
    }
    for (uint32_t i = 0; i < 5; i++)
        table.targets[i].inflight = 9;
    count_picks_from(NULL);
    cr_expect(picks[5] > PICKS / 4 + PICKS / 10, "the idle one has more than its share: %u",
              picks[5]);
    table_fini(&table);
}

/* Weights hold in a site, wherever in the set its targets stand. */
Test(proximity_location, weights_hold_in_a_site)
{
    lay(world, 6);
    table_change(&table, table_set(&table, (const uint16_t[]){3, 200, 1, 7, 7, 7}, 6));
    count_picks_from("DE");
    cr_expect(fabs(picks[0] - 0.75 * PICKS) < 5 * sqrt(PICKS * 0.75 * 0.25), "%u", picks[0]);
    cr_expect(picks[0] + picks[2] == PICKS);
    table_fini(&table);
}

/* More sites than are gone through one by one: one is found all the same, the least full. */
Test(proximity_location, a_hundred_full_sites)
{
    lay(world, 1);
    for (uint32_t i = 0; i < 100; i++) {
        table.targets[i].place = geo_place_at(0, i);
        table.targets[i].inflight = i == 77 ? 11 : 12;
    }
    table_change(&table, table_set(&table, NULL, 100));
    count_picks_from("0,0");
    cr_expect(picks[77] == PICKS, "%u", picks[77]);
    for (uint32_t i = 0; i < 100; i++)
        table.targets[i].inflight = 0;
    table_fini(&table);
}
