/* SPDX-License-Identifier: Apache-2.0 */
/* core/arena_test.c - first the block, then the heap, never beyond the limit. */
#include "core/arena.h"

#include "core/mem.h"

#include <criterion/criterion.h>
#include <string.h>

static uint64_t block[32]; /* 256 bytes */

static bool is_in_block(const void *taken)
{
    return (const uint8_t *)taken >= (const uint8_t *)block &&
           (const uint8_t *)taken < (const uint8_t *)block + sizeof block;
}

Test(arena, the_block_is_used_up_first)
{
    struct arena arena;
    const uint64_t before = mem_count();
    arena_init(&arena, block, sizeof block, 10000);
    for (int i = 0; i < 32; i++)
        cr_expect(is_in_block(arena_take(&arena, 1)), "each takes 8 bytes");
    cr_expect(mem_count() == before);
    void *beyond = arena_take(&arena, 1);
    cr_expect(beyond != NULL && !is_in_block(beyond));
    cr_expect(mem_count() == before + 1);
    arena_fini(&arena);
}

Test(arena, everything_is_aligned_and_apart)
{
    struct arena arena;
    uint8_t *taken[200];
    arena_init(&arena, block, sizeof block, 1000000);
    for (int i = 0; i < 200; i++) {
        const size_t bytes = (size_t)(i * 37 % 300 + 1);
        cr_assert((taken[i] = arena_take(&arena, bytes)) != NULL);
        cr_assert(((uintptr_t)taken[i] & 7) == 0);
        memset(taken[i], i, bytes);
    }
    for (int i = 0; i < 200; i++)
        for (int at = 0; at < i * 37 % 300 + 1; at++)
            cr_assert(taken[i][at] == (uint8_t)i);
    arena_fini(&arena);
}

Test(arena, a_large_piece_gets_a_chunk_of_its_size)
{
    struct arena arena;
    arena_init(&arena, block, sizeof block, 100000);
    uint8_t *large = arena_take(&arena, 50000);
    cr_assert(large != NULL);
    memset(large, 1, 50000);
    cr_expect(arena.heap_bytes == 50000);
    arena_fini(&arena);
}

Test(arena, gives_null_at_the_limit_and_stays_usable)
{
    struct arena arena;
    arena_init(&arena, block, sizeof block, 8192);
    cr_expect(arena_take(&arena, 8193) == NULL);
    cr_expect(arena_take(&arena, 8192) != NULL);
    cr_expect(arena_take(&arena, 8) == NULL);
    arena_fini(&arena);
}

Test(arena, fini_may_be_repeated_and_accepts_zero)
{
    struct arena arena = {0};
    arena_fini(&arena);
    arena_init(&arena, block, sizeof block, 8192);
    cr_expect(arena_take(&arena, 1000) != NULL);
    arena_fini(&arena);
    arena_fini(&arena);
}

#ifdef PANDO_FAULTS
Test(arena, without_memory_gives_null_and_goes_on_later)
{
    struct arena arena;
    arena_init(&arena, block, sizeof block, 8192);
    fault_fail_nth(FAULT_ALLOCATION, 1);
    cr_expect(arena_take(&arena, 1000) == NULL);
    cr_expect(arena.heap_bytes == 0);
    cr_expect(arena_take(&arena, 1000) != NULL);
    arena_fini(&arena);
}
#endif
