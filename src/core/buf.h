/* SPDX-License-Identifier: Apache-2.0 */
/* core/buf.h - counted buffers and slices of them; payload moves through Pando without being
 * copied.
 *
 * A buffer comes from a ring of the kernel, a slab, or the heap; whoever holds a reference may read
 * it, nobody
 * writes to bytes that were handed on. The last buf_unref() gives it back where it came from.
 *
 * Memory:  a slice of a buffer owns one reference. A slice with buf NULL points at memory that
 * outlives it.
 * Threads: a buffer belongs to one thread at a time, as its connection does. */
#ifndef PANDO_CORE_BUF_H
#define PANDO_CORE_BUF_H

#include "core/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    uint8_t *data;
    uint32_t capacity; /* bytes at data */
    uint32_t refs_count;
    void (*released)(struct buf *buf); /* gives the memory back */
    void       *owner;                 /* for released() */
    struct buf *next;                  /* for whoever keeps it in a queue */
    uint32_t    used_bytes; /* filled from data on; the owner's word, not changed once handed on */
    uint32_t    index;      /* in a kernel's ring */
};

struct slice {
    struct buf    *buf;
    const uint8_t *at;
    uint32_t       bytes;
};

static inline struct buf *buf_ref(struct buf *buf)
{
    buf->refs_count++;
    return buf;
}

/* Accepts NULL. */
static inline void buf_unref(struct buf *buf)
{
    if (buf != NULL && --buf->refs_count == 0)
        buf->released(buf);
}

/* A buffer on the heap with room for @capacity bytes and one reference; NULL if there is no
 * memory. */
struct buf *buf_new(size_t capacity) must_check;

/* A heap buffer that holds a copy of @bytes bytes. */
struct buf *buf_new_copy(const void *at, size_t bytes) must_check;

/* A slice of [at, at + bytes) of @buf, to be queued: holds a reference, or, if the slice is so
 * small a part of the buffer that it would
 * pin much more than it counts for, a copy of its own. @waits: others are queued before it, so it
 * may stay for long.
 * buf is NULL if there is no memory. */
static inline struct slice buf_slice(struct buf *buf, const uint8_t *at, uint32_t bytes, bool waits)
{
    if (waits && bytes < buf->capacity / 8) {
        struct buf *copy = buf_new_copy(at, bytes);
        return (struct slice){copy, copy == NULL ? NULL : copy->data, bytes};
    }
    return (struct slice){buf_ref(buf), at, bytes};
}

#endif
