/* SPDX-License-Identifier: Apache-2.0 */
/* cache/disk/places.c - the table of where everything lies. */
#include "cache/disk/places.h"

#include "core/mem.h"

_Static_assert(sizeof(struct disk_slot) == 32, "as the README says");

static uint32_t *bucket_of(struct places *places, uint64_t hash)
{
    return &places->buckets[(hash ^ hash >> 32) & (places->buckets_count - 1)];
}

bool places_init(struct places *places, uint32_t slots_max)
{
    *places = (struct places){.slots_max = slots_max, .slots_touched = 1, .buckets_count = 1024};
    while (places->buckets_count < slots_max / 2)
        places->buckets_count *= 2;
    places->slots = mem_reserve(((size_t)slots_max + 1) * sizeof *places->slots);
    places->buckets = mem_reserve((size_t)places->buckets_count * sizeof *places->buckets);
    return places->slots != NULL && places->buckets != NULL;
}

void places_fini(struct places *places)
{
    mem_unreserve(places->slots, ((size_t)places->slots_max + 1) * sizeof *places->slots);
    mem_unreserve(places->buckets, (size_t)places->buckets_count * sizeof *places->buckets);
    *places = (struct places){0};
}

struct disk_slot *places_find(struct places *places, uint64_t hash)
{
    for (uint32_t at = *bucket_of(places, hash); at != 0; at = places->slots[at].next_in_bucket)
        if (places->slots[at].hash == hash)
            return &places->slots[at];
    return NULL;
}

uint32_t places_index(const struct places *places, const struct disk_slot *slot)
{
    return (uint32_t)(slot - places->slots);
}

static struct disk_slot *take(struct places *places)
{
    if (places->free != 0) {
        struct disk_slot *slot = &places->slots[places->free];
        places->free = slot->next_in_segment;
        return slot;
    }
    return places->slots_touched <= places->slots_max ? &places->slots[places->slots_touched++]
                                                      : NULL;
}

struct disk_slot *places_add(struct places *places, const struct disk_slot *like, uint32_t *first)
{
    struct disk_slot *slot = take(places);
    if (slot == NULL)
        return NULL;
    struct disk_slot *older = places_find(places, like->hash);
    if (older != NULL)
        places_kill(places, older);
    uint32_t *bucket = bucket_of(places, like->hash);
    *slot = *like;
    slot->is_live = true;
    slot->was_read = false;
    slot->next_in_bucket = *bucket;
    slot->next_in_segment = *first;
    *bucket = *first = places_index(places, slot);
    places->live_count++;
    places->live_units += slot->units;
    return slot;
}

void places_kill(struct places *places, struct disk_slot *slot)
{
    const uint32_t index = places_index(places, slot);
    if (!slot->is_live)
        return;
    uint32_t *at = bucket_of(places, slot->hash);
    while (*at != index)
        at = &places->slots[*at].next_in_bucket;
    *at = slot->next_in_bucket;
    slot->is_live = false;
    places->live_count--;
    places->live_units -= slot->units;
}

uint32_t places_drop(struct places *places, uint32_t *first, uint32_t most)
{
    uint32_t lived = 0;
    while (*first != 0 && most-- > 0) {
        struct disk_slot *slot = &places->slots[*first];
        const uint32_t index = *first;
        lived += slot->is_live;
        places_kill(places, slot);
        *first = slot->next_in_segment;
        slot->next_in_segment = places->free;
        places->free = index;
    }
    return lived;
}

uint64_t places_bytes(const struct places *places)
{
    return (uint64_t)places->slots_touched * sizeof *places->slots +
           (uint64_t)places->buckets_count * sizeof *places->buckets;
}
