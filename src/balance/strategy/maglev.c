/* SPDX-License-Identifier: Apache-2.0 */
/* balance/strategy/maglev.c - filling the table. */
#include "balance/strategy/maglev.h"

#include <assert.h>
#include <string.h>
#include <xxhash.h>

/* As many places as Envoy's table has, and the next primes above its doubles, eightfold. */
static const uint32_t primes[] = {65537, 131101, 262147, 524309};

enum {
    PLACES_A_TARGET = 100, /* fewer, and shares differ by more than 1 % */
    FREE = UINT16_MAX,
};

/* A target's order of the places, and how far it has come. */
struct walker {
    uint32_t place; /* the next to look at */
    uint32_t skip;
    uint32_t weight; /* may move in the target, so it is read once */
    uint32_t credit; /* a turn costs the largest weight */
};

static uint32_t count_places(uint32_t targets_count)
{
    size_t i = 0;
    while (i + 1 < sizeof primes / sizeof primes[0] && primes[i] / PLACES_A_TARGET < targets_count)
        i++;
    return primes[i];
}

/* Behind the places, where a walker may stand. */
static size_t walkers_offset(uint32_t places_count)
{
    return (sizeof(struct balance_maglev) + places_count * sizeof(uint16_t) + 3) / 4 * 4;
}

size_t balance__maglev_bytes(uint32_t targets_count)
{
    return walkers_offset(count_places(targets_count)) + targets_count * sizeof(struct walker);
}

static struct walker walker_of(const struct target *target, uint32_t places_count)
{
    const size_t bytes = strlen(target->name);
    return (struct walker){
        .place = (uint32_t)(XXH3_64bits_withSeed(target->name, bytes, 1) % places_count),
        .skip = (uint32_t)(XXH3_64bits_withSeed(target->name, bytes, 2) % (places_count - 1)) + 1,
        .weight = target->weight,
    };
}

static void take_next_free(struct balance_maglev *maglev, struct walker *walker, uint16_t index)
{
    uint32_t place = walker->place;
    while (maglev->at[place] != FREE) {
        place += walker->skip;
        place -= place >= maglev->places_count ? maglev->places_count : 0;
    }
    maglev->at[place] = index;
    walker->place = place;
}

static void fill(struct balance_maglev *maglev, struct walker *walkers, uint32_t count)
{
    uint32_t left = maglev->places_count, weight_max = 1;
    for (uint32_t i = 0; i < count; i++)
        weight_max = walkers[i].weight > weight_max ? walkers[i].weight : weight_max;
    while (left > 0)
        for (uint32_t i = 0; i < count && left > 0; i++) {
            walkers[i].credit += walkers[i].weight;
            if (walkers[i].credit < weight_max)
                continue;
            walkers[i].credit -= weight_max;
            take_next_free(maglev, &walkers[i], (uint16_t)i);
            left--;
        }
}

struct balance_maglev *balance__maglev_fill(void *memory, const struct target_set *set)
{
    struct balance_maglev *maglev = memory;
    assert(set->count < FREE);
    maglev->places_count = count_places(set->count);
    maglev->at = (uint16_t *)(void *)(maglev + 1);
    struct walker *walkers =
        (struct walker *)(void *)((char *)memory + walkers_offset(maglev->places_count));
    memset(maglev->at, 0xff, maglev->places_count * sizeof maglev->at[0]);
    for (uint32_t i = 0; i < set->count; i++)
        walkers[i] = walker_of(set->at[i], maglev->places_count);
    if (set->count > 0)
        fill(maglev, walkers, set->count);
    return maglev;
}
