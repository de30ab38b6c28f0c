/* SPDX-License-Identifier: Apache-2.0 */
/* core/mem.h - the one door to the system's memory: counted, and made to fail in tests.
 *
 * After warm-up the request path takes nothing through this door; `mem_count` shows it.
 *
 * Memory:  what mem_alloc() and mem_map() give is the caller's until mem_free() or mem_unmap().
 * Threads: any. The counters are the one global of this house: memory is the process's, not a
 * worker's. */
#ifndef PANDO_CORE_MEM_H
#define PANDO_CORE_MEM_H

#include "core/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed memory, or NULL if there is none. @bytes > 0. */
void *mem_alloc(size_t bytes) must_check;

/* The same, not zeroed: for what is filled at once. */
void *mem_take(size_t bytes) must_check;

/* What a block of mem_alloc(), mem_take() or mem_resize() holds of the process's memory: its usable
 * bytes and the allocator's word before them. */
size_t mem_held_bytes(void *memory);

/* What the caller may use of it: at least what was asked for. */
size_t mem_usable_bytes(void *memory);

/* The most that mem_held_bytes() says of a block of @bytes: for those who must know before. */
static inline size_t mem_held_bytes_max(size_t bytes)
{
    /* Rounded to 16, at least 32, and a rest that is too small to be a block of its own; large
     * blocks are whole pages. */
    const size_t block = ((bytes + 8 + 15) & ~(size_t)15) + 16;
    return block < 48 ? 48 : block < 65536 ? block : block + (size_t)2 * 4096;
}

enum { MEM_LINE_BYTES = 64 };

/* The same on cache lines of its own: for rows that threads write side by side. A multiple of
 * MEM_LINE_BYTES, which the size of an aligned type is. */
void *mem_alloc_lines(size_t bytes) must_check;

/* Grows or shrinks to @bytes; what is new is not zeroed. NULL: @old is untouched. */
void *mem_resize(void *old, size_t bytes) must_check;

/* A copy of @text that ends in NUL, or NULL if there is no memory. */
char *mem_copy_text(const char *text) must_check;

/* Accepts NULL. */
void mem_free(void *memory);

/* Zeroed pages aligned to @bytes, a power of two of at least 4096; NULL if there are none. */
void *mem_map(size_t bytes) must_check;
void mem_unmap(void *memory, size_t bytes);

/* Address space of @bytes bytes, not aligned beyond a page. It reads as zero, and takes memory page
 * by page as it is written to, small pages only, so that its user can count them. NULL: none. */
void *mem_reserve(size_t bytes) must_check;

/* What mem_reserve() gave. Accepts NULL. */
void mem_unreserve(void *memory, size_t bytes);

/* Gives the memory of whole pages of a reserve back; they read as zero and may be used again. */
void mem_release_pages(void *at, size_t bytes);

/* Calls of the functions above that take memory, since the process began. */
uint64_t mem_count(void);

/* Bytes that mem_map() has handed out and not got back. */
uint64_t mem_mapped_bytes(void);

/* What can be made to fail. */
#define FAULT_KINDS(X)                                                                             \
    X(ALLOCATION, "mem_alloc, mem_take, mem_resize, mem_map and mem_reserve")                    \
    X(COMPLETION, "the result of a receive, send, connect or accept")

enum fault_kind {
#define X(kind, what) FAULT_##kind,
    FAULT_KINDS(X)
#undef X
    FAULT_KINDS_COUNT
};

#ifdef PANDO_FAULTS
/* From now on the @nth (1 is the next) event of @kind in this process fails, once. 0: none. */
void fault_fail_nth(enum fault_kind kind, uint64_t nth);

/* Events of @kind that were counted since the last fault_fail_nth(). */
uint64_t fault_seen(enum fault_kind kind);

/* Counts an event; true if it is the one to fail. */
bool fault_strikes(enum fault_kind kind);
#else
static inline bool fault_strikes(enum fault_kind kind)
{
    (void)kind;
    return false;
}
#endif

#endif
