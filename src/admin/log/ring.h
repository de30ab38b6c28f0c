/* SPDX-License-Identifier: Apache-2.0 */
/* admin/log/ring.h - a bounded ring of bytes from one writer to one reader on another thread.
 *
 * Memory:  pages are the system's until they are written, so a ring that is not used costs nothing.
 * Threads: ring_put() on the writer's, the rest on the reader's; without locks. */
#ifndef PANDO_ADMIN_LOG_RING_H
#define PANDO_ADMIN_LOG_RING_H

#include "core/mem.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/uio.h>

struct ring {
    uint8_t         *bytes;
    uint64_t         mask;
    size_t           memory_bytes;                         /* a power of two */
    size_t           bytes_max;                            /* that may wait */
    _Atomic uint64_t written __attribute__((aligned(64))); /* ever; the writer's */
    uint64_t         read_seen;                            /* by the writer */
    _Atomic uint64_t read __attribute__((aligned(64)));    /* ever; the reader's */
};

/* False: no memory. @bytes_max up to 1 GiB. */
static inline must_check bool ring_init(struct ring *ring, size_t bytes_max)
{
    size_t bytes = 4096;
    while (bytes < bytes_max)
        bytes *= 2;
    ring->bytes = mem_map(bytes);
    ring->memory_bytes = bytes;
    ring->mask = bytes - 1;
    ring->bytes_max = bytes_max;
    return ring->bytes != NULL;
}

/* Accepts zero. */
static inline void ring_fini(struct ring *ring)
{
    if (ring->bytes != NULL)
        mem_unmap(ring->bytes, ring->memory_bytes);
    ring->bytes = NULL;
}

/* Bytes that wait, as the writer knows; after a put that is at least what there really are. */
static inline uint64_t ring_used(const struct ring *ring)
{
    return atomic_load_explicit(&ring->written, memory_order_relaxed) - ring->read_seen;
}

static inline void ring__copy_in(struct ring *ring, uint64_t at, const void *from, size_t count)
{
    const size_t start = (size_t)(at & ring->mask);
    const size_t first = ring->memory_bytes - start < count ? ring->memory_bytes - start : count;
    memcpy(ring->bytes + start, from, first);
    memcpy(ring->bytes, (const uint8_t *)from + first, count - first);
}

/* Puts all of @parts, or nothing: false if there is no room. */
static inline bool ring_put(struct ring *ring, const struct iovec *parts, size_t parts_count)
{
    uint64_t at = atomic_load_explicit(&ring->written, memory_order_relaxed);
    size_t count = 0;
    for (size_t i = 0; i < parts_count; i++)
        count += parts[i].iov_len;
    if (at - ring->read_seen + count > ring->bytes_max) {
        ring->read_seen = atomic_load_explicit(&ring->read, memory_order_acquire);
        if (at - ring->read_seen + count > ring->bytes_max)
            return false;
    }
    for (size_t i = 0; i < parts_count; i++) {
        if (parts[i].iov_len == 0)
            continue; /* its base may be NULL */
        ring__copy_in(ring, at, parts[i].iov_base, parts[i].iov_len);
        at += parts[i].iov_len;
    }
    atomic_store_explicit(&ring->written, at, memory_order_release);
    return true;
}

/* What waits, as one or two pieces of the ring's own memory; returns how many. */
static inline int ring_peek(struct ring *ring, struct iovec parts[2])
{
    const uint64_t from = atomic_load_explicit(&ring->read, memory_order_relaxed);
    const uint64_t to = atomic_load_explicit(&ring->written, memory_order_acquire);
    const size_t count = (size_t)(to - from);
    const size_t start = (size_t)(from & ring->mask);
    const size_t first = ring->memory_bytes - start < count ? ring->memory_bytes - start : count;
    parts[0] = (struct iovec){ring->bytes + start, first};
    parts[1] = (struct iovec){ring->bytes, count - first};
    return count == 0 ? 0 : first == count ? 1 : 2;
}

/* The first @count bytes of what waits, copied; they stay. */
static inline void ring_copy_out(const struct ring *ring, void *to, size_t offset, size_t count)
{
    const uint64_t from = atomic_load_explicit(&ring->read, memory_order_relaxed) + offset;
    const size_t start = (size_t)(from & ring->mask);
    const size_t first = ring->memory_bytes - start < count ? ring->memory_bytes - start : count;
    memcpy(to, ring->bytes + start, first);
    memcpy((uint8_t *)to + first, ring->bytes, count - first);
}

/* Bytes that wait, as the reader knows. */
static inline uint64_t ring_waiting(const struct ring *ring)
{
    return atomic_load_explicit(&ring->written, memory_order_acquire) -
           atomic_load_explicit(&ring->read, memory_order_relaxed);
}

/* The first @count bytes are done with. */
static inline void ring_drop(struct ring *ring, size_t count)
{
    atomic_fetch_add_explicit(&ring->read, count, memory_order_release);
}

#endif
