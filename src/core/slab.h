/* SPDX-License-Identifier: Apache-2.0 */
/* core/slab.h - objects of one size, cut from aligned chunks; empty chunks go back to the system.
 *
 * A chunk knows how many of its objects are out, so memory that a burst took is returned when it is
 * over
 * (an idle connection must not pay for the busy hour), but a few empty chunks are kept so that a
 * steady
 * load takes nothing from the system.
 *
 * Memory:  slab_take() gives memory with unspecified content; slab_give() takes it back.
 * Threads: a slab belongs to one thread.
 * Errors:  slab_take() gives NULL when the limit or the system's memory is reached. */
#ifndef PANDO_CORE_SLAB_H
#define PANDO_CORE_SLAB_H

#include "core/err.h"
#include "core/list.h"

#include <stddef.h>
#include <stdint.h>

enum {
    SLAB_CHUNK_BYTES =
        65536, /* 256 KiB would pin more for one straggler, 16 KiB would waste more on headers */
    SLAB_SPARE_CHUNKS_MAX = 16, /* 1 MiB a slab at most stays with the process */
};

struct slab {
    const char *name;         /* for metrics; borrowed */
    size_t      object_bytes; /* rounded up to 16 */
    size_t      per_chunk;
    size_t      taken_count; /* objects that are out */
    size_t      taken_max;   /* the limit; 0: none */
    size_t      chunks_count;
    size_t      spare_count; /* chunks of which nothing is out */
    struct list open;        /* chunks with room, fullest use first */
};

/* @object_bytes at most a quarter of a chunk. @taken_max 0: no limit. */
void slab_init(struct slab *slab, const char *name, size_t object_bytes, size_t taken_max);

/* Every object must have been given back. */
void slab_fini(struct slab *slab);

/* An object with unspecified content; NULL at the limit or without memory. */
void *slab_take(struct slab *slab) must_check;

/* Takes back @object, which came from this slab. */
void slab_give(struct slab *slab, void *object);

/* Bytes of all chunks. */
static inline size_t slab_bytes(const struct slab *slab)
{
    return slab->chunks_count * SLAB_CHUNK_BYTES;
}

#endif
