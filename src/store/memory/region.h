/* SPDX-License-Identifier: Apache-2.0 */
/* store/memory/region.h - address space in runs of 128 bytes, counted by pages.
 *
 * What is taken is one run, as long as was asked for, from the first free run of a fitting class
 * (two-level segregated fit: Masmano et al. 2004). The rest of it stays free; what is given back
 * merges with its neighbours. Where a run begins does not matter, so nothing is lost but the rest
 * of a unit; decision 0014 says why not buddies.
 *
 * Of the address space, which is several times the limit, only pages that were opened take memory;
 * they are counted, with the pages of the maps beside them. Whole pages of free runs can be closed
 * again. So where free pages lie scattered a long run is still found: they are closed, and as many
 * are opened elsewhere in a row.
 *
 * Memory:  never more than limit_bytes, maps and all, but for a lowered limit.
 * Threads: none of its own; a shard's lock.
 * Errors:  NULL where there is no room. */
#ifndef PANDO_STORE_MEMORY_REGION_H
#define PANDO_STORE_MEMORY_REGION_H

#include "core/err.h"
#include "core/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    REGION_UNIT_BYTES = 128,
    REGION_PAGE_BYTES = 4096,
    REGION_CHUNK_BYTES = 1024 * 1024, /* the most that can be taken */
    REGION_CLASSES = 256,             /* lengths of free runs: 8 for each power of two */
    REGION_ROWS = 9,                  /* powers of two of pages in a row, up to a chunk */
};

struct region {
    uint8_t    *base;
    uint64_t   *edges;   /* per unit a bit: the first or last of a free run */
    uint64_t   *present; /* per page a bit: open */
    size_t      pages_max;
    size_t      pages_count;            /* open */
    size_t      pages_high;             /* none from here on was ever open */
    size_t      pages_low[REGION_ROWS]; /* below [k] no 2^k closed pages in a row begin */
    size_t      limit_bytes;            /* for region_bytes(); may be changed at any time */
    size_t      taken_bytes;            /* in whole units */
    size_t      free_pages_count;       /* that lie whole in free runs */
    uint64_t    free_classes[REGION_CLASSES / 64]; /* a bit per list that is not empty */
    struct list free[REGION_CLASSES];
};

/* Reserves address space of @bytes, rounded up to chunks. False: there is none. */
bool region_init(struct region *region, size_t bytes, size_t limit_bytes) must_check;

/* Accepts zero. What is still taken is gone. */
void region_fini(struct region *region);

/* At least @bytes bytes (> 0), aligned to a unit, with unspecified content; NULL: no room, or
 * more than a chunk. */
void *region_take(struct region *region, size_t bytes) must_check;

/* Takes back what region_take() gave for @bytes bytes, or what region_trim() left of it. */
void region_give(struct region *region, void *at, size_t bytes);

/* Keeps the first @kept_bytes (> 0) of @bytes, and takes back the rest. */
void region_trim(struct region *region, void *at, size_t bytes, size_t kept_bytes);

/* Closes free pages until region_bytes() is at most @bytes. False: it is still more. */
bool region_shrink(struct region *region, size_t bytes);

/* Memory that it takes: open pages, and those of its maps. */
size_t region_bytes(const struct region *region);

/* Of it, the maps. */
size_t region_map_bytes(const struct region *region);

/* What could be taken, if it lay in a row. */
size_t region_room_bytes(const struct region *region);

/* As it is charged: in whole units. */
static inline size_t region_rounded(size_t bytes)
{
    return (bytes + REGION_UNIT_BYTES - 1) & ~(size_t)(REGION_UNIT_BYTES - 1);
}

/* Walks all there is and compares; for tests. */
bool region_is_sound(const struct region *region);

#endif
