/* SPDX-License-Identifier: Apache-2.0 */
/* store/policy/sketch.c - counters of four bits. */
#include "store/policy/sketch.h"

#include "core/mem.h"

enum { DEPTH = 4, WORDS_MIN = 512, COUNT_MAX = 15, BLOCK_WORDS = 8, PERIOD = 10 };

/* Where the counter of that row is. */
struct place {
    uint64_t word;
    unsigned shift;
};

/* The block by the low bits, so that doubling finds old counts; the places in it by the high. Each
 * row has two words of the block. */
static struct place place_of(uint64_t mixed, uint64_t words_count, uint64_t row)
{
    const uint64_t block = mixed & (words_count / BLOCK_WORDS - 1);
    const unsigned draw = (unsigned)(mixed >> (32 + row * 8)) & 0xff;
    return (struct place){.word = block * BLOCK_WORDS + row * 2 + (draw & 1),
                          .shift = (draw >> 1 & 15) * 4};
}

/* Shards and buckets have used the hash's bits as they are. */
static uint64_t mix(uint64_t hash)
{
    hash = (hash ^ (hash >> 32)) * 0x9e3779b97f4a7c15u;
    return hash ^ (hash >> 29);
}

bool sketch_init(struct sketch *sketch, uint64_t entries_max)
{
    const uint64_t wanted = entries_max > WORDS_MIN ? entries_max : WORDS_MIN;
    *sketch = (struct sketch){.words_max = (uint64_t)1 << (64 - __builtin_clzll(wanted - 1))};
    atomic_init(&sketch->words_count, WORDS_MIN);
    sketch->words = mem_reserve(sketch->words_max * sizeof sketch->words[0]);
    return sketch->words != NULL;
}

void sketch_fini(struct sketch *sketch)
{
    mem_unreserve(sketch->words, sketch->words_max * sizeof sketch->words[0]);
    sketch->words = NULL;
}

static uint64_t words_count_of(const struct sketch *sketch)
{
    return atomic_load_explicit(&sketch->words_count, memory_order_acquire);
}

size_t sketch_bytes(const struct sketch *sketch)
{
    return sketch->words == NULL ? 0 : words_count_of(sketch) * sizeof sketch->words[0];
}

bool sketch_is_small(const struct sketch *sketch, uint64_t entries)
{
    return sketch->words != NULL && words_count_of(sketch) < entries &&
           words_count_of(sketch) < sketch->words_max;
}

unsigned sketch_count(const struct sketch *sketch, uint64_t hash)
{
    if (sketch->words == NULL)
        return 0;
    const uint64_t mixed = mix(hash), count = words_count_of(sketch);
    unsigned least = COUNT_MAX;
    for (unsigned row = 0; row < DEPTH; row++) {
        const struct place at = place_of(mixed, count, row);
        const uint64_t word = atomic_load_explicit(&sketch->words[at.word], memory_order_relaxed);
        const unsigned counted = (unsigned)(word >> at.shift) & COUNT_MAX;
        least = counted < least ? counted : least;
    }
    return least;
}

static bool increment(struct sketch *sketch, struct place at)
{
    const uint64_t word = atomic_load_explicit(&sketch->words[at.word], memory_order_relaxed);
    if ((word >> at.shift & COUNT_MAX) == COUNT_MAX)
        return false;
    atomic_store_explicit(&sketch->words[at.word], word + ((uint64_t)1 << at.shift),
                          memory_order_relaxed);
    return true;
}

static void halve(struct sketch *sketch)
{
    uint64_t odd = 0;
    const uint64_t count = words_count_of(sketch);
    for (uint64_t i = 0; i < count; i++) {
        const uint64_t word = atomic_load_explicit(&sketch->words[i], memory_order_relaxed);
        odd += (uint64_t)__builtin_popcountll(word & 0x1111111111111111u);
        atomic_store_explicit(&sketch->words[i], word >> 1 & 0x7777777777777777u,
                              memory_order_relaxed);
    }
    const uint64_t added = atomic_load_explicit(&sketch->added_count, memory_order_relaxed);
    atomic_store_explicit(&sketch->added_count, (added - odd / DEPTH) / 2, memory_order_relaxed);
}

void sketch_add(struct sketch *sketch, uint64_t hash)
{
    if (sketch->words == NULL)
        return;
    const uint64_t mixed = mix(hash), count = words_count_of(sketch);
    bool added = false;
    for (unsigned row = 0; row < DEPTH; row++)
        added |= increment(sketch, place_of(mixed, count, row));
    if (added && atomic_fetch_add_explicit(&sketch->added_count, 1, memory_order_relaxed) + 1 ==
                     PERIOD * count)
        halve(sketch);
}

void sketch_grow(struct sketch *sketch)
{
    const uint64_t count = words_count_of(sketch);
    for (uint64_t i = 0; i < count; i++)
        atomic_store_explicit(&sketch->words[count + i],
                              atomic_load_explicit(&sketch->words[i], memory_order_relaxed),
                              memory_order_relaxed);
    atomic_store_explicit(&sketch->words_count, 2 * count, memory_order_release);
}
