/* SPDX-License-Identifier: Apache-2.0 */
/* core/arena.c - memory that is freed all at once. */
#include "core/arena.h"

#include "core/mem.h"

struct arena_chunk {
    struct arena_chunk *next;
    uint64_t            bytes;
};

enum { CHUNK_BYTES = 4096 };

void arena_init(struct arena *arena, void *block, size_t bytes, uint32_t heap_bytes_max)
{
    *arena = (struct arena){
        .at = block,
        .end = bytes == 0 ? block : (uint8_t *)block + bytes,
        .heap_bytes_max = heap_bytes_max,
    };
}

void arena_fini(struct arena *arena)
{
    while (arena->chunks != NULL) {
        struct arena_chunk *next = arena->chunks->next;
        mem_free(arena->chunks);
        arena->chunks = next;
    }
    *arena = (struct arena){0};
}

void *arena__take_more(struct arena *arena, size_t bytes)
{
    const size_t want = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
    if (want > arena->heap_bytes_max - arena->heap_bytes)
        return NULL;
    struct arena_chunk *chunk = mem_alloc(sizeof *chunk + want);
    if (chunk == NULL)
        return NULL;
    *chunk = (struct arena_chunk){.next = arena->chunks, .bytes = want};
    arena->chunks = chunk;
    arena->heap_bytes += (uint32_t)want;
    arena->at = (uint8_t *)(chunk + 1) + bytes;
    arena->end = (uint8_t *)(chunk + 1) + want;
    return chunk + 1;
}
