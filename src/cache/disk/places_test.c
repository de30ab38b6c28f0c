/* SPDX-License-Identifier: Apache-2.0 */
/* cache/disk/places_test.c - what is added is found until it is replaced, killed or dropped. */
#include "cache/disk/places.h"

#include "core/random.h"

#include <criterion/criterion.h>

enum { SLOTS = 1000 };

static struct places places;
static uint32_t firsts[4];

static struct disk_slot *add(uint64_t hash, uint16_t segment)
{
    const struct disk_slot like = {.hash = hash, .units = 3, .segment = segment};
    return places_add(&places, &like, &firsts[segment]);
}

Test(places, the_newer_one_of_a_hash_is_found)
{
    cr_assert(places_init(&places, SLOTS));
    cr_expect(places_find(&places, 7) == NULL);
    struct disk_slot *older = add(7, 0);
    struct disk_slot *newer = add(7, 1);
    cr_expect(places_find(&places, 7) == newer && !older->is_live);
    cr_expect(places.live_count == 1 && places.live_units == 3);
    places_kill(&places, older);
    cr_expect(places_find(&places, 7) == newer, "what is dead is not killed again");
    places_kill(&places, newer);
    cr_expect(places_find(&places, 7) == NULL && places.live_units == 0);
    places_fini(&places);
}

Test(places, slots_are_as_many_as_there_are_and_come_back_with_their_segment)
{
    cr_assert(places_init(&places, SLOTS));
    for (uint64_t i = 0; i < SLOTS; i++)
        cr_assert(add(i << 40 | i, i % 2) != NULL);
    cr_expect(add(1, 2) == NULL, "all are taken");
    cr_expect(places_drop(&places, &firsts[0], 10) == 10);
    cr_expect(add(1, 2) != NULL);
    cr_expect(places_drop(&places, &firsts[0], UINT32_MAX) == SLOTS / 2 - 10);
    cr_expect(firsts[0] == 0);
    for (uint64_t i = 0; i < SLOTS; i++)
        cr_expect((places_find(&places, i << 40 | i) != NULL) == (i % 2 == 1));
    cr_expect(places.live_count == SLOTS / 2 + 1);
    places_fini(&places);
}
