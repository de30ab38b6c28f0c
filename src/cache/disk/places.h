/* SPDX-License-Identifier: Apache-2.0 */
/* cache/disk/places.h - where everything lies: a table in memory, by hash and by segment.
 *
 * A slot lives from when its record is written until its segment is overwritten, also when the
 * object was forgotten or replaced meanwhile: then nothing finds it any more.
 *
 * Memory:  address space for all slots is reserved at once and used from the beginning; freed slots
 *          are taken first.
 * Threads: one at a time; the disk's lock. */
#ifndef PANDO_CACHE_DISK_PLACES_H
#define PANDO_CACHE_DISK_PLACES_H

#include "core/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct disk_slot {
    uint64_t hash;
    uint32_t at_units; /* in its segment */
    uint32_t units;
    uint32_t version;
    uint32_t next_in_bucket;  /* indices of slots; 0: none */
    uint32_t next_in_segment; /* also of the free ones */
    uint16_t segment;
    bool     is_live;
    bool     was_read; /* since it was written */
};

struct places {
    struct disk_slot *slots; /* slots[0] is not used */
    uint32_t         *buckets;
    uint32_t          slots_max;
    uint32_t          slots_touched; /* never used behind here */
    uint32_t          buckets_count; /* a power of two */
    uint32_t          free;
    uint32_t          live_count;
    uint64_t          live_units;
};

/* False: no memory. */
bool places_init(struct places *places, uint32_t slots_max) must_check;

/* Accepts zero. */
void places_fini(struct places *places);

/* The live one of that hash, or NULL. */
struct disk_slot *places_find(struct places *places, uint64_t hash);

/* What is in the table after places_add(), until it is dropped. */
uint32_t places_index(const struct places *places, const struct disk_slot *slot);

/* A live slot with the first five fields of @like, in front of the list that begins at *@first; one
 * of the same hash lives no longer. NULL: all are taken. */
struct disk_slot *places_add(struct places *places, const struct disk_slot *like, uint32_t *first);

/* It is not found any more. Idempotent. */
void places_kill(struct places *places, struct disk_slot *slot);

/* Frees the first slots of that list, @most of them. Returns how many of them lived. */
uint32_t places_drop(struct places *places, uint32_t *first, uint32_t most);

/* Bytes that were ever used. */
uint64_t places_bytes(const struct places *places);

#endif
