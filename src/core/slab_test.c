/* SPDX-License-Identifier: Apache-2.0 */
/* core/slab_test.c - objects do not overlap, empty chunks go back, and the limits hold. */
#include "core/slab.h"

#include "core/mem.h"
#include "core/random.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static struct slab slab;

Test(slab, objects_are_aligned_and_rounded_up)
{
    slab_init(&slab, "odd", 33, 0);
    cr_expect(slab.object_bytes == 48);
    uint8_t *one = slab_take(&slab);
    uint8_t *other = slab_take(&slab);
    cr_assert(one != NULL && other != NULL);
    cr_expect(((uintptr_t)one & 15) == 0 && ((uintptr_t)other & 15) == 0);
    cr_expect(labs(one - other) >= 48);
    slab_give(&slab, one);
    slab_give(&slab, other);
    slab_fini(&slab);
}

Test(slab, the_limit_gives_null_until_one_comes_back)
{
    slab_init(&slab, "two", 64, 2);
    void *one = slab_take(&slab);
    void *other = slab_take(&slab);
    cr_expect(slab_take(&slab) == NULL);
    slab_give(&slab, one);
    one = slab_take(&slab);
    cr_expect(one != NULL);
    slab_give(&slab, one);
    slab_give(&slab, other);
    slab_fini(&slab);
}

/* A burst over 40 chunks leaves at most the spare ones behind. */
Test(slab, what_a_burst_took_goes_back)
{
    enum { CHUNKS = 40 };
    const uint64_t before = mem_mapped_bytes();
    slab_init(&slab, "burst", 1000, 0);
    const size_t count = CHUNKS * slab.per_chunk;
    void **objects = malloc(count * sizeof *objects);
    for (size_t i = 0; i < count; i++)
        cr_assert((objects[i] = slab_take(&slab)) != NULL);
    cr_expect(slab.chunks_count == CHUNKS && slab.spare_count == 0);
    cr_expect(slab_bytes(&slab) == CHUNKS * SLAB_CHUNK_BYTES);
    for (size_t i = 0; i < count; i++)
        slab_give(&slab, objects[i]);
    cr_expect(slab.taken_count == 0);
    cr_expect(slab.chunks_count == SLAB_SPARE_CHUNKS_MAX);
    cr_expect(slab.spare_count == SLAB_SPARE_CHUNKS_MAX);
    slab_fini(&slab);
    cr_expect(mem_mapped_bytes() == before);
    free(objects);
}

Test(slab, a_steady_load_takes_nothing_from_the_system)
{
    void *objects[100];
    slab_init(&slab, "steady", 4000, 0);
    for (int i = 0; i < 100; i++)
        objects[i] = slab_take(&slab);
    for (int i = 0; i < 100; i++)
        slab_give(&slab, objects[i]);
    const uint64_t before = mem_count();
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 100; i++)
            cr_assert((objects[i] = slab_take(&slab)) != NULL);
        for (int i = 0; i < 100; i++)
            slab_give(&slab, objects[i]);
    }
    cr_expect(mem_count() == before);
    slab_fini(&slab);
}

/* Random takes and gives: every object keeps what was written to it, so none overlaps another. */
Test(slab, objects_never_overlap)
{
    enum { OBJECTS = 3000, STEPS = 60000, BYTES = 160 };
    static uint8_t *objects[OBJECTS];
    struct random random;
    size_t taken = 0;
    random_init(&random, 7);
    slab_init(&slab, "model", BYTES, 0);
    for (int step = 0; step < STEPS; step++) {
        const uint32_t at = random_below(random_next(&random), OBJECTS);
        const uint8_t mark = (uint8_t)(at * 31 + 1);
        if (objects[at] == NULL) {
            cr_assert((objects[at] = slab_take(&slab)) != NULL);
            memset(objects[at], mark, BYTES);
            taken++;
        } else {
            for (int i = 0; i < BYTES; i++)
                cr_assert(objects[at][i] == mark);
            slab_give(&slab, objects[at]);
            objects[at] = NULL;
            taken--;
        }
        cr_assert(slab.taken_count == taken);
        cr_assert(slab.chunks_count * slab.per_chunk >= taken);
    }
    for (int i = 0; i < OBJECTS; i++)
        if (objects[i] != NULL)
            slab_give(&slab, objects[i]);
    cr_expect(slab.spare_count == slab.chunks_count);
    slab_fini(&slab);
}

Test(slab, fini_accepts_zero)
{
    struct slab zero = {0};
    slab_fini(&zero);
}

Test(slab, an_object_that_is_still_out_is_a_bug, .signal = SIGABRT)
{
    slab_init(&slab, "leak", 64, 0);
    (void)!slab_take(&slab);
    slab_fini(&slab);
}

#ifdef PANDO_FAULTS
Test(slab, without_memory_gives_null_and_goes_on_later)
{
    slab_init(&slab, "poor", 64, 0);
    fault_fail_nth(FAULT_ALLOCATION, 1);
    cr_expect(slab_take(&slab) == NULL);
    cr_expect(slab.taken_count == 0 && slab.chunks_count == 0);
    void *object = slab_take(&slab);
    cr_expect(object != NULL);
    slab_give(&slab, object);
    slab_fini(&slab);
}
#endif
