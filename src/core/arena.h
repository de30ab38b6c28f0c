/* SPDX-License-Identifier: Apache-2.0 */
/* core/arena.h - memory that is freed all at once: cut from a first block, then from the heap, up
 * to a limit.
 *
 * Memory:  the first block is borrowed; what lies beyond is owned. Nothing is freed one by one.
 * Threads: belongs to its operation.
 * Errors:  NULL at the limit or when there is no memory. */
#ifndef PANDO_CORE_ARENA_H
#define PANDO_CORE_ARENA_H

#include "core/err.h"

#include <stddef.h>
#include <stdint.h>

struct arena_chunk;

struct arena {
    uint8_t            *at;
    uint8_t            *end;
    struct arena_chunk *chunks;     /* from the heap */
    uint32_t            heap_bytes; /* in chunks */
    uint32_t            heap_bytes_max;
};

/* @block of @bytes bytes, which may be NULL and 0, is used first. @heap_bytes_max bounds what
 * may be taken beyond it. */
void arena_init(struct arena *arena, void *block, size_t bytes, uint32_t heap_bytes_max);

/* Frees everything; the block is forgotten. Accepts zero. */
void arena_fini(struct arena *arena);

/* For arena_take() when the block is used up. */
void *arena__take_more(struct arena *arena, size_t bytes);

/* @bytes bytes, aligned to 8, not zeroed; NULL at the limit. */
static inline must_check void *arena_take(struct arena *arena, size_t bytes)
{
    const size_t rounded = (bytes + 7) & ~(size_t)7;
    if (rounded <= (size_t)(arena->end - arena->at)) {
        void *taken = arena->at;
        arena->at += rounded;
        return taken;
    }
    return arena__take_more(arena, rounded);
}

#endif
