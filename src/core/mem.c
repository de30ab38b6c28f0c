/* SPDX-License-Identifier: Apache-2.0 */
/* core/mem.c - counted memory. */
#include "core/mem.h"

#include <assert.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static _Atomic uint64_t allocations_count;
static _Atomic uint64_t mapped_bytes;

#ifdef PANDO_FAULTS
static _Atomic uint64_t fault_nth[FAULT_KINDS_COUNT];
static _Atomic uint64_t fault_count[FAULT_KINDS_COUNT];

void fault_fail_nth(enum fault_kind kind, uint64_t nth)
{
    atomic_store(&fault_count[kind], 0);
    atomic_store(&fault_nth[kind], nth);
}

uint64_t fault_seen(enum fault_kind kind)
{
    return atomic_load(&fault_count[kind]);
}

bool fault_strikes(enum fault_kind kind)
{
    return atomic_fetch_add(&fault_count[kind], 1) + 1 == atomic_load(&fault_nth[kind]);
}
#endif

static bool may_allocate(void)
{
    atomic_fetch_add_explicit(&allocations_count, 1, memory_order_relaxed);
    return !fault_strikes(FAULT_ALLOCATION);
}

void *mem_alloc(size_t bytes)
{
    assert(bytes > 0);
    return may_allocate() ? calloc(1, bytes) : NULL;
}

void *mem_take(size_t bytes)
{
    assert(bytes > 0);
    return may_allocate() ? malloc(bytes) : NULL;
}

size_t mem_held_bytes(void *memory)
{
    return malloc_usable_size(memory) + sizeof(size_t);
}

size_t mem_usable_bytes(void *memory)
{
    return malloc_usable_size(memory);
}

void *mem_alloc_lines(size_t bytes)
{
    assert(bytes > 0 && bytes % MEM_LINE_BYTES == 0);
    void *memory = may_allocate() ? aligned_alloc(MEM_LINE_BYTES, bytes) : NULL;
    return memory == NULL ? NULL : memset(memory, 0, bytes);
}

void *mem_resize(void *old, size_t bytes)
{
    assert(bytes > 0);
    return may_allocate() ? realloc(old, bytes) : NULL;
}

char *mem_copy_text(const char *text)
{
    const size_t bytes = strlen(text) + 1;
    char *copy = mem_alloc(bytes);
    if (copy != NULL)
        memcpy(copy, text, bytes);
    return copy;
}

void mem_free(void *memory)
{
    free(memory);
}

/* Maps twice the size and gives back what lies before and after the aligned part. */
void *mem_map(size_t bytes)
{
    assert(bytes >= 4096 && (bytes & (bytes - 1)) == 0);
    if (!may_allocate())
        return NULL;
    uint8_t *whole =
        mmap(NULL, 2 * bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (whole == MAP_FAILED)
        return NULL;
    const size_t before = (bytes - ((uintptr_t)whole & (bytes - 1))) & (bytes - 1);
    if (before > 0)
        munmap(whole, before);
    if (bytes - before > 0)
        munmap(whole + before + bytes, bytes - before);
    atomic_fetch_add_explicit(&mapped_bytes, bytes, memory_order_relaxed);
    return whole + before;
}

void mem_unmap(void *memory, size_t bytes)
{
    if (memory == NULL)
        return;
    munmap(memory, bytes);
    atomic_fetch_sub_explicit(&mapped_bytes, bytes, memory_order_relaxed);
}

/* Without MADV_NOHUGEPAGE one byte could take 2 MiB. Kernels without huge pages refuse it. */
void *mem_reserve(size_t bytes)
{
    assert(bytes > 0);
    if (!may_allocate())
        return NULL;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    (void)madvise(memory, bytes, MADV_NOHUGEPAGE);
    return memory;
}

void mem_unreserve(void *memory, size_t bytes)
{
    if (memory != NULL)
        munmap(memory, bytes);
}

void mem_release_pages(void *at, size_t bytes)
{
    const int failed = madvise(at, bytes, MADV_DONTNEED);
    assert(failed == 0);
    (void)failed;
}

uint64_t mem_count(void)
{
    return atomic_load_explicit(&allocations_count, memory_order_relaxed);
}

uint64_t mem_mapped_bytes(void)
{
    return atomic_load_explicit(&mapped_bytes, memory_order_relaxed);
}
