/* SPDX-License-Identifier: Apache-2.0 */
/* core/slab.c - objects of one size. */
#include "core/slab.h"

#include "core/mem.h"

#include <assert.h>
#include <string.h>

#ifdef __has_feature /* clang */
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes)   ((void)(at), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#endif

struct free_object {
    struct free_object *next;
};

/* Lies at the start of its chunk; an object finds it by masking its own address. */
struct chunk {
    struct list_link    link; /* in slab->open, or in no list while full */
    struct slab        *slab;
    struct free_object *free;
    uint32_t            taken;  /* objects that are out */
    uint32_t            carved; /* objects that were ever out; beyond lies untouched memory */
};

enum { CHUNK_HEAD_BYTES = 64 };
_Static_assert(sizeof(struct chunk) <= CHUNK_HEAD_BYTES, "objects begin after the head");

void slab_init(struct slab *slab, const char *name, size_t object_bytes, size_t taken_max)
{
    const size_t rounded = (object_bytes + 15) & ~(size_t)15;
    assert(rounded >= sizeof(struct free_object) && rounded <= SLAB_CHUNK_BYTES / 4);
    *slab = (struct slab){
        .name = name,
        .object_bytes = rounded,
        .per_chunk = (SLAB_CHUNK_BYTES - CHUNK_HEAD_BYTES) / rounded,
        .taken_max = taken_max,
    };
    list_init(&slab->open);
}

/* Under AddressSanitizer a touch of what was given back is found, as it is for the heap. */
static void forbid(const struct slab *slab, void *object)
{
    ASAN_POISON_MEMORY_REGION((uint8_t *)object + sizeof(struct free_object),
                              slab->object_bytes - sizeof(struct free_object));
}

static void allow(const struct slab *slab, void *object)
{
    ASAN_UNPOISON_MEMORY_REGION(object, slab->object_bytes);
}

static void release(struct slab *slab, struct chunk *chunk)
{
    ASAN_UNPOISON_MEMORY_REGION(chunk, SLAB_CHUNK_BYTES);
    list_remove(&chunk->link);
    slab->chunks_count--;
    mem_unmap(chunk, SLAB_CHUNK_BYTES);
}

void slab_fini(struct slab *slab)
{
    if (slab->object_bytes == 0)
        return;
    assert(slab->taken_count == 0);
    list_each(&slab->open, link, after) release(slab, list_item(link, struct chunk, link));
    assert(slab->chunks_count == 0);
}

static struct chunk *add_chunk(struct slab *slab)
{
    struct chunk *chunk = mem_map(SLAB_CHUNK_BYTES);
    if (chunk == NULL)
        return NULL;
    *chunk = (struct chunk){.slab = slab};
    list_add_first(&slab->open, &chunk->link);
    slab->chunks_count++;
    slab->spare_count++;
    return chunk;
}

void *slab_take(struct slab *slab)
{
    if (slab->taken_max != 0 && slab->taken_count >= slab->taken_max)
        return NULL;
    struct list_link *first = list_first(&slab->open);
    struct chunk *chunk = first != NULL ? list_item(first, struct chunk, link) : add_chunk(slab);
    if (chunk == NULL)
        return NULL;
    void *object;
    if (chunk->free != NULL) {
        object = chunk->free;
        chunk->free = chunk->free->next;
        allow(slab, object);
    } else {
        object = (uint8_t *)chunk + CHUNK_HEAD_BYTES + chunk->carved * slab->object_bytes;
        chunk->carved++;
    }
    if (chunk->taken++ == 0)
        slab->spare_count--;
    if (chunk->taken == slab->per_chunk)
        list_remove(&chunk->link);
    slab->taken_count++;
    return object;
}

void slab_give(struct slab *slab, void *object)
{
    struct chunk *chunk = (void *)((uintptr_t)object & ~(uintptr_t)(SLAB_CHUNK_BYTES - 1));
    assert(chunk->slab == slab && chunk->taken > 0);
    struct free_object *freed = object;
    freed->next = chunk->free;
    chunk->free = freed;
    forbid(slab, object);
    /* A chunk that was full goes first: filling the used ones lets the others become empty. */
    if (chunk->taken == slab->per_chunk)
        list_add_first(&slab->open, &chunk->link);
    slab->taken_count--;
    if (--chunk->taken > 0)
        return;
    if (slab->spare_count >= SLAB_SPARE_CHUNKS_MAX) {
        release(slab, chunk);
        return;
    }
    slab->spare_count++;
    list_move_last(&slab->open, &chunk->link);
}
