/* SPDX-License-Identifier: Apache-2.0 */
/* config/memory.c - a bump allocator over a list of chunks. */
#include "config/memory.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Large enough that a usual file takes one or two. */
#define CHUNK_BYTES 16384u

struct config_memory_chunk {
    struct config_memory_chunk *older;
    size_t                      used_bytes;
    size_t                      bytes;
    alignas(max_align_t) unsigned char at[];
};

static struct config_memory_chunk *chunk_new(struct config_memory *memory, size_t bytes)
{
    const size_t room = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
    struct config_memory_chunk *chunk = calloc(1, sizeof *chunk + room);
    if (chunk == NULL)
        return NULL;
    chunk->bytes = room;
    chunk->older = memory->newest;
    memory->newest = chunk;
    return chunk;
}

void *config_memory_take(struct config_memory *memory, size_t bytes)
{
    if (bytes > SIZE_MAX / 4)
        return NULL;
    const size_t rounded = (bytes + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    struct config_memory_chunk *chunk = memory->newest;
    if (chunk == NULL || chunk->bytes - chunk->used_bytes < rounded)
        chunk = chunk_new(memory, rounded);
    if (chunk == NULL)
        return NULL;
    void *taken = chunk->at + chunk->used_bytes;
    chunk->used_bytes += rounded;
    return taken;
}

char *config_memory_copy(struct config_memory *memory, const char *text, size_t bytes)
{
    char *copy = config_memory_take(memory, bytes + 1);
    if (copy != NULL && bytes > 0)
        memcpy(copy, text, bytes);
    return copy;
}

void config_memory_free(struct config_memory *memory)
{
    struct config_memory_chunk *chunk = memory->newest;
    while (chunk != NULL) {
        struct config_memory_chunk *older = chunk->older;
        free(chunk);
        chunk = older;
    }
    memory->newest = NULL;
}
