/* SPDX-License-Identifier: Apache-2.0 */
/* core/buf.c - buffers on the heap. */
#include "core/buf.h"

#include "core/mem.h"

#include <assert.h>
#include <string.h>

static void release_heap(struct buf *buf)
{
    mem_free(buf);
}

struct buf *buf_new(size_t capacity)
{
    assert(capacity > 0 && capacity <= UINT32_MAX);
    struct buf *buf = mem_alloc(sizeof *buf + capacity);
    if (buf == NULL)
        return NULL;
    *buf = (struct buf){
        .data = (uint8_t *)(buf + 1),
        .capacity = (uint32_t)capacity,
        .refs_count = 1,
        .released = release_heap,
    };
    return buf;
}

struct buf *buf_new_copy(const void *at, size_t bytes)
{
    struct buf *buf = buf_new(bytes);
    if (buf == NULL)
        return NULL;
    memcpy(buf->data, at, bytes);
    buf->used_bytes = (uint32_t)bytes;
    return buf;
}
