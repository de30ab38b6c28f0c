/* SPDX-License-Identifier: Apache-2.0 */
/* core/mem_test.c - memory is zeroed, aligned, counted, and fails when it is told to. */
#include "core/mem.h"

#include <criterion/criterion.h>
#include <string.h>

Test(mem, comes_zeroed_and_is_counted)
{
    const uint64_t before = mem_count();
    uint8_t *memory = mem_alloc(100);
    cr_assert(memory != NULL);
    for (int i = 0; i < 100; i++)
        cr_assert(memory[i] == 0);
    memory[0] = 7;
    memory = mem_resize(memory, 100000);
    cr_assert(memory != NULL);
    cr_expect(memory[0] == 7);
    cr_expect(mem_count() == before + 2);
    mem_free(memory);
    mem_free(NULL);
}

/* Whoever keeps to a limit must know before what a block will hold, and after what it does. */
Test(mem, a_block_holds_what_was_asked_for_and_no_more_than_was_said)
{
    const uint64_t before = mem_count();
    uint64_t blocks = 0;
    for (size_t bytes = 1; bytes < 3000000; bytes += 1 + bytes / 16, blocks++) {
        uint8_t *memory = mem_take(bytes);
        cr_assert(memory != NULL);
        cr_expect(mem_usable_bytes(memory) >= bytes);
        cr_expect(mem_held_bytes(memory) > bytes);
        cr_expect(mem_held_bytes(memory) <= mem_held_bytes_max(bytes), "%zu for %zu",
                  mem_held_bytes(memory), bytes);
        memset(memory, 1, bytes);
        mem_free(memory);
    }
    cr_expect(mem_count() == before + blocks);
}

Test(mem, lines_are_zeroed_and_begin_on_one)
{
    for (size_t bytes = MEM_LINE_BYTES; bytes <= (size_t)64 * MEM_LINE_BYTES;
         bytes += MEM_LINE_BYTES) {
        uint8_t *memory = mem_alloc_lines(bytes);
        cr_assert(memory != NULL);
        cr_expect((uintptr_t)memory % MEM_LINE_BYTES == 0 && memory[0] == 0 &&
                  memory[bytes - 1] == 0);
        memset(memory, 1, bytes);
        mem_free(memory);
    }
}

Test(mem, copies_text_with_its_end)
{
    char *copy = mem_copy_text("pando");
    cr_assert(copy != NULL);
    cr_expect_str_eq(copy, "pando");
    mem_free(copy);
    copy = mem_copy_text("");
    cr_assert(copy != NULL);
    cr_expect_str_empty(copy);
    mem_free(copy);
}

Test(mem, maps_are_aligned_to_their_size)
{
    const uint64_t before = mem_mapped_bytes();
    for (size_t bytes = 4096; bytes <= 1024 * 1024; bytes *= 2) {
        uint8_t *memory = mem_map(bytes);
        cr_assert(memory != NULL);
        cr_expect(((uintptr_t)memory & (bytes - 1)) == 0, "%zu bytes", bytes);
        cr_expect(memory[0] == 0 && memory[bytes - 1] == 0);
        cr_expect(mem_mapped_bytes() == before + bytes);
        memory[0] = memory[bytes - 1] = 1;
        mem_unmap(memory, bytes);
    }
    mem_unmap(NULL, 4096);
    cr_expect(mem_mapped_bytes() == before);
}

Test(mem, reserved_pages_that_were_given_back_read_as_zero)
{
    const size_t bytes = (size_t)1 << 36;
    uint8_t *memory = mem_reserve(bytes);
    cr_assert(memory != NULL, "64 GiB of address space cost nothing");
    memory[0] = memory[4096] = memory[bytes - 1] = 7;
    mem_release_pages(memory + 4096, 4096);
    cr_expect(memory[0] == 7 && memory[4096] == 0 && memory[bytes - 1] == 7);
    memory[4096] = 8;
    cr_expect(memory[4096] == 8);
    mem_unreserve(memory, bytes);
    mem_unreserve(NULL, 1);
}

#ifdef PANDO_FAULTS
Test(mem, exactly_the_nth_allocation_fails)
{
    for (uint64_t nth = 1; nth <= 5; nth++) {
        fault_fail_nth(FAULT_ALLOCATION, nth);
        void *got[] = {mem_alloc(1), mem_alloc_lines(64), mem_resize(NULL, 1), mem_map(4096),
                       mem_copy_text("x")};
        for (uint64_t i = 0; i < 5; i++)
            cr_expect((got[i] == NULL) == (i + 1 == nth), "fault %d, call %d", (int)nth, (int)i);
        cr_expect(fault_seen(FAULT_ALLOCATION) == 5);
        mem_free(got[0]);
        mem_free(got[1]);
        mem_free(got[2]);
        mem_unmap(got[3], 4096);
        mem_free(got[4]);
    }
}

Test(mem, a_failed_resize_leaves_the_old_memory)
{
    char *text = mem_copy_text("old");
    cr_assert(text != NULL);
    fault_fail_nth(FAULT_ALLOCATION, 1);
    cr_expect(mem_resize(text, 1000) == NULL);
    cr_expect_str_eq(text, "old");
    mem_free(text);
}

Test(mem, the_kinds_of_faults_are_counted_apart)
{
    fault_fail_nth(FAULT_ALLOCATION, 0);
    fault_fail_nth(FAULT_COMPLETION, 2);
    cr_expect(!fault_strikes(FAULT_COMPLETION));
    void *memory = mem_alloc(1);
    cr_expect(memory != NULL);
    mem_free(memory);
    cr_expect(fault_strikes(FAULT_COMPLETION));
    cr_expect(!fault_strikes(FAULT_COMPLETION), "once");
}
#endif
