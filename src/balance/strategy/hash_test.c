/* SPDX-License-Identifier: Apache-2.0 */
/* balance/strategy/hash_test.c - keys stay where they are, and nobody is overfull. */
#include "balance/balance_testing.h"
#include "balance/strategy/maglev.h"
#include "core/units.h"

#include <criterion/criterion.h>
#include <math.h>

enum { KEYS = 20000 };

static struct table table;

static void lay(const uint16_t *weights, uint32_t count, uint32_t load_percent)
{
    table.settings.hash.load_percent = load_percent;
    table_lay(&table, &balance_hash, weights, count);
}

static size_t pick_key(uint64_t key)
{
    uint64_t seed = key;
    table.key_hash = random_mix(&seed);
    return table_pick(&table);
}

static struct balance_maglev *fill(const struct target_set *set)
{
    return balance__maglev_fill(calloc(1, balance__maglev_bytes(set->count)), set);
}

/* Envoy's figures: weights 1 and 2 have 21,846 and 43,691 of 65,537 places. */
Test(maglev, places_are_shared_by_weight)
{
    unsigned places[2] = {0};
    table_lay(&table, &balance_round_robin, (const uint16_t[]){1, 2}, 2);
    struct balance_maglev *maglev = fill(table.set);
    cr_assert(maglev->places_count == 65537);
    for (uint32_t i = 0; i < maglev->places_count; i++)
        places[maglev->at[i]]++;
    cr_expect(abs((int)places[0] - 21846) <= 1 && abs((int)places[1] - 43691) <= 1, "%u and %u",
              places[0], places[1]);
    free(maglev);
    table_fini(&table);
}

/* However many there are, each has a place, and of equal ones none has two more than another. */
Test(maglev, equal_targets_have_as_many_places)
{
    static unsigned places[4096];
    static struct target targets[4096];
    struct target_set *set = calloc(1, sizeof *set + 4096 * sizeof set->at[0]);
    for (unsigned i = 0; i < 4096; i++) {
        (void)snprintf(targets[i].name, sizeof targets[i].name, "app-%u:80", i);
        targets[i].weight = 3;
        set->at[i] = &targets[i];
    }
    const uint32_t counts[] = {1, 2, 7, 655, 656, 4096};
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        unsigned least = UINT32_MAX, most = 0;
        set->count = counts[c];
        struct balance_maglev *maglev = fill(set);
        cr_expect(maglev->places_count >= 100 * set->count);
        memset(places, 0, sizeof places);
        for (uint32_t i = 0; i < maglev->places_count; i++)
            places[maglev->at[i]]++;
        for (uint32_t i = 0; i < set->count; i++) {
            least = places[i] < least ? places[i] : least;
            most = places[i] > most ? places[i] : most;
        }
        cr_expect(most - least <= 1, "%u to %u places of %u targets", least, most, set->count);
        free(maglev);
    }
    free(set);
}

/* Of n targets one leaves: its own keys move, which is 1/n of them, and few others. */
Test(hash, one_that_leaves_moves_its_own_keys)
{
    static size_t before[KEYS];
    const uint32_t counts[] = {2, 5, 10, 50, 200};
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        const uint32_t count = counts[c];
        unsigned own = 0, others = 0;
        lay(NULL, count, 0);
        for (uint64_t key = 0; key < KEYS; key++)
            before[key] = pick_key(key);
        struct target_set *set = table_set(&table, NULL, count - 1); /* the last one is gone */
        table_change(&table, set);
        for (uint64_t key = 0; key < KEYS; key++) {
            const size_t now = pick_key(key);
            if (before[key] == count - 1)
                own++;
            else
                others += now != before[key];
        }
        const double wanted = (double)KEYS / count;
        cr_expect(fabs(own - wanted) < 5 * sqrt(wanted) + 0.02 * wanted, "%u of %u: %u", own, count,
                  own);
        cr_expect(others <= wanted * 1.5, "of %u targets %u others moved", count, others);
        printf("%u targets: %.2f %% moved, of them %.2f %% not its own\n", count,
               100.0 * (own + others) / KEYS, 100.0 * others / KEYS);
    }
    table_fini(&table);
}

/* Nodes and workers agree: nothing but names and weights counts, not even the order. */
Test(hash, everybody_finds_the_same_target)
{
    const struct target *before[1000];
    random_init(&table.random, 1);
    lay(NULL, 9, 125);
    for (uint64_t key = 0; key < 1000; key++)
        before[key] = table.set->at[pick_key(key)];
    random_init(&table.random, 2);
    lay(NULL, 9, 125);
    for (uint64_t key = 0; key < 1000; key++)
        cr_expect(before[key] == table.set->at[pick_key(key)]);
    table_fini(&table);
}

/* One key is all that is asked for: it may have no more than 1.25 of a fair share, rounded up. */
Test(hash, a_hot_key_is_bounded)
{
    const uint16_t weights[] = {1, 1, 2, 4};
    lay(weights, 4, 125);
    for (uint32_t all = 0; all < 400; all++) {
        const size_t index = pick_key(7);
        struct target *target = &table.targets[index];
        target->inflight++;
        const double bound = ceil(1.25 * (all + 1) * target->weight / 8);
        cr_assert(target->inflight <= bound, "%u of %u, at most %.0f", target->inflight, all + 1,
                  bound);
    }
    for (int i = 0; i < 4; i++)
        cr_expect(table.targets[i].inflight <= 63u * weights[i]);
    table_fini(&table);
}

Test(hash, without_a_bound_a_key_has_one_target)
{
    lay(NULL, 4, 0);
    const size_t index = pick_key(7);
    for (int i = 0; i < 400; i++) {
        cr_assert(pick_key(7) == index);
        table.targets[index].inflight++;
    }
    table_fini(&table);
}

/* Where a key goes after a refusal is as fixed as where it goes at first. */
Test(hash, the_second_choice_is_always_the_same)
{
    lay(NULL, 10, 125);
    for (uint64_t key = 0; key < 200; key++) {
        struct target *tried[] = {&table.targets[pick_key(key)]};
        const size_t second = table_pick_but(&table, tried, 1, true);
        cr_assert(second != BALANCE_NONE && &table.targets[second] != tried[0]);
        for (int i = 0; i < 3; i++)
            cr_expect(table_pick_but(&table, tried, 1, true) == second);
    }
    table_fini(&table);
}
