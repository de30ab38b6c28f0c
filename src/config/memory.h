/* SPDX-License-Identifier: Apache-2.0 */
/* config/memory.h - memory given back all at once: one per configuration or list of errors.
 *
 * Memory: chunks from malloc. A zeroed struct is empty and ready. Threads: belongs to its
 * caller. */
#ifndef PANDO_CONFIG_MEMORY_H
#define PANDO_CONFIG_MEMORY_H

#include <stddef.h>

struct config_memory_chunk;

struct config_memory {
    struct config_memory_chunk *newest;
};

/* @bytes of zeroed memory, aligned for everything; NULL if there is none (or @bytes is absurd). */
void *config_memory_take(struct config_memory *memory, size_t bytes);

/* A copy of @bytes at @text with a NUL behind it, or NULL. */
char *config_memory_copy(struct config_memory *memory, const char *text, size_t bytes);

/* Gives back everything; the struct is empty and ready again. */
void config_memory_free(struct config_memory *memory);

#endif
