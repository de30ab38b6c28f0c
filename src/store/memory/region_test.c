/* SPDX-License-Identifier: Apache-2.0 */
/* store/memory/region_test.c - runs against a model that only remembers what is out. */
#include "store/memory/region.h"

#include "core/random.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MANY = 4000 };
static const size_t mib = 1024 * 1024;
static struct region region;

/* One that is out: filled with its own number, so that an overlap is seen. */
struct run {
    uint8_t *at;
    size_t   bytes;
};
static struct run runs[MANY];

static void start(size_t limit_bytes)
{
    memset(runs, 0, sizeof runs);
    cr_assert(region_init(&region, 16 * limit_bytes, limit_bytes));
}

static bool take(size_t number, size_t bytes)
{
    runs[number] = (struct run){.at = region_take(&region, bytes), .bytes = bytes};
    if (runs[number].at == NULL)
        return false;
    cr_assert((uintptr_t)runs[number].at % REGION_UNIT_BYTES == 0);
    memset(runs[number].at, (int)(number % 251), bytes);
    return true;
}

static void give(size_t number)
{
    const struct run *run = &runs[number];
    for (size_t i = 0; i < run->bytes; i++)
        cr_assert(run->at[i] == number % 251, "byte %zu of %zu was overwritten", i, run->bytes);
    region_give(&region, run->at, run->bytes);
    runs[number].at = NULL;
}

static size_t random_bytes(struct random *random)
{
    const uint64_t draw = random_next(random);
    return 1 + (draw >> 8) % ((size_t)64 << (draw % 12));
}

static void take_trim_and_give_at_random(uint64_t seed)
{
    struct random random;
    random_init(&random, seed);
    for (int turn = 0; turn < 40000; turn++) {
        const size_t number = random_next(&random) % MANY;
        if (runs[number].at == NULL) {
            (void)!take(number, random_bytes(&random));
        } else if (random_next(&random) % 4 == 0) {
            const size_t kept = 1 + random_next(&random) % runs[number].bytes;
            region_trim(&region, runs[number].at, runs[number].bytes, kept);
            runs[number].bytes = kept;
        } else {
            give(number);
        }
        cr_assert(region_bytes(&region) <= region.limit_bytes);
        if (turn % 4000 == 0)
            cr_assert(region_is_sound(&region));
    }
}

Test(region, nothing_overlaps_and_nothing_is_lost)
{
    start(8 * mib);
    take_trim_and_give_at_random(1);
    size_t out_bytes = 0;
    for (size_t i = 0; i < MANY; i++)
        out_bytes += runs[i].at != NULL ? region_rounded(runs[i].bytes) : 0;
    cr_expect(out_bytes == region.taken_bytes);
    for (size_t i = 0; i < MANY; i++)
        if (runs[i].at != NULL)
            give(i);
    cr_expect(region.taken_bytes == 0);
    cr_expect(region_is_sound(&region));
    region_fini(&region);
}

Test(region, what_is_given_back_merges_whatever_the_order)
{
    struct random random;
    start(2 * mib);
    random_init(&random, 2);
    size_t count = 0;
    while (count < MANY && take(count, 1000))
        count++;
    cr_expect(count > 1900, "1000 bytes take 1024: %zu of them", count);
    for (size_t left = count; left > 0; left--) {
        const size_t drawn = random_next(&random) % left;
        const struct run last = runs[left - 1];
        region_give(&region, runs[drawn].at, runs[drawn].bytes);
        runs[drawn] = last;
    }
    cr_expect(region.taken_bytes == 0 && region_is_sound(&region));
    cr_expect(take(0, mib), "a whole chunk can be had again");
    region_fini(&region);
}

/* Buddies would take 16 units for 9. */
Test(region, no_length_wastes_more_than_the_rest_of_a_unit)
{
    for (size_t bytes = 128; bytes < 100000; bytes = bytes * 3 / 2 + 1) {
        size_t count = 0;
        start(2 * mib);
        while (count < MANY && take(count, bytes))
            count++;
        const size_t lost = 2 * mib - region_map_bytes(&region) - region.taken_bytes;
        cr_expect(count == MANY || lost < bytes + 8192, "%zu bytes: %zu lost", bytes, lost);
        region_fini(&region);
    }
}

/* A cache at its limit: each that comes takes the place of one that leaves, of another length. */
Test(region, stays_well_filled_when_lengths_change)
{
    struct random random;
    size_t failed = 0, oldest = 0;
    start(4 * mib);
    random_init(&random, 4);
    for (size_t number = 0; number < 100000; number++) {
        const size_t bytes = 200 + random_next(&random) % (number < 50000 ? 2000 : 20000);
        while (runs[number % MANY].at != NULL || region.taken_bytes > 4 * mib * 15 / 16 - bytes)
            if (runs[oldest++ % MANY].at != NULL)
                give((oldest - 1) % MANY);
        failed += !take(number % MANY, bytes);
    }
    cr_expect(failed < 1000, "%zu of 100000 found no run", failed);
    cr_expect(region_is_sound(&region));
    region_fini(&region);
}

Test(region, trimming_gives_back_all_but_the_last_unit)
{
    start(mib);
    cr_assert(take(0, 256 * 1024));
    region_trim(&region, runs[0].at, 256 * 1024, 1);
    cr_expect(region.taken_bytes == 128);
    region_trim(&region, runs[0].at, 1, 1);
    cr_expect(region.taken_bytes == 128 && region_is_sound(&region));
    region_give(&region, runs[0].at, 1);
    cr_expect(region.taken_bytes == 0 && region_is_sound(&region));
    region_fini(&region);
}

Test(region, scattered_pages_become_a_long_run)
{
    start(2 * mib);
    size_t count = 0;
    while (count < MANY && take(count, 4096))
        count++;
    for (size_t i = 0; i < count; i += 2)
        give(i);
    cr_expect(take(MANY - 1, 512 * 1024), "a quarter of the limit, with every second page taken");
    cr_expect(region_bytes(&region) <= region.limit_bytes && region_is_sound(&region));
    for (size_t i = 1; i < count; i += 2)
        give(i);
    give(MANY - 1);
    region_fini(&region);
}

Test(region, shrinks_by_what_is_free)
{
    start(4 * mib);
    size_t count = 0;
    while (count < MANY && take(count, 8192))
        count++;
    cr_expect_not(region_shrink(&region, mib), "all is taken");
    for (size_t i = 0; i < count; i++)
        if (i % 8 != 0)
            give(i);
    cr_expect(region_shrink(&region, mib));
    cr_expect(region_bytes(&region) <= mib && region_is_sound(&region));
    cr_expect(region_map_bytes(&region) < mib / 16);
    region_fini(&region);
}

Test(region, refuses_more_than_a_chunk_and_more_than_the_limit)
{
    start(4 * mib);
    cr_expect_not(take(0, mib + 1));
    cr_expect(take(0, mib));
    cr_expect(take(1, mib));
    cr_expect(take(2, mib));
    cr_expect_not(take(3, mib), "the maps take a little of the four");
    cr_expect(take(3, mib / 2));
    region_fini(&region);
}

/* Resident pages of this process, as the kernel counts them. */
static size_t resident_bytes(void)
{
    size_t all = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    cr_assert(file != NULL && fscanf(file, "%zu %zu", &all, &resident) == 2);
    fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

Test(region, what_it_counts_is_what_the_kernel_counts)
{
    if (PANDO_SANITIZED)
        return; /* shadow memory counts there too */
    start(16 * mib);
    const size_t before = resident_bytes();
    take_trim_and_give_at_random(3);
    for (size_t i = 0; i < MANY; i++)
        if (runs[i].at == NULL)
            (void)!take(i, 16000);
    const size_t grown = resident_bytes() - before;
    cr_expect(grown <= region_bytes(&region) + mib / 2, "%zu of %zu", grown, region_bytes(&region));
    cr_expect(grown + mib >= region_bytes(&region), "%zu of %zu", grown, region_bytes(&region));
    region_fini(&region);
}
