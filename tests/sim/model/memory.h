/* SPDX-License-Identifier: Apache-2.0 */
/* sim/model/memory.h - memory of the simulator: there is some, or the program ends. */
#ifndef PANDO_SIM_MODEL_MEMORY_H
#define PANDO_SIM_MODEL_MEMORY_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

/* The block at @old with room for @bytes; what is new in it is not zeroed. */
static inline void *sim_grow(void *old, size_t bytes)
{
    void *block = realloc(old, bytes);
    if (block == NULL) {
        fprintf(stderr, "sim: no memory for %zu bytes\n", bytes);
        abort();
    }
    return block;
}

/* Zeroed memory, at multiples of 64 as the structs of targets want it; to be freed by free(). */
static inline void *sim_take(size_t bytes)
{
    const size_t whole = bytes == 0 ? 64 : (bytes + 63) / 64 * 64;
    unsigned char *block = aligned_alloc(64, whole);
    if (block == NULL) {
        fprintf(stderr, "sim: no memory for %zu bytes\n", bytes);
        abort();
    }
    for (size_t i = 0; i < whole; i++)
        block[i] = 0;
    return block;
}

#endif
