/* SPDX-License-Identifier: Apache-2.0 */
/* store/policy/ratios_testing.h - streams of requests on the real store, and how many it answers.
 *
 * For the test of the policies and for bench/hit_ratios.c, which writes docs/cache-hit-ratios.md.
 * The same seed gives the same ratios on every machine. Threads: none. */
#ifndef PANDO_STORE_POLICY_RATIOS_TESTING_H
#define PANDO_STORE_POLICY_RATIOS_TESTING_H

#include "core/mem.h"
#include "core/random.h"
#include "store/store.h"

#include <assert.h>
#include <string.h>

/* Requests follow Zipf's law with exponent 1: the n-th object is asked for 1/n as often as the
 * first. */
#define RATIOS_STREAMS(X)                                                                          \
    X(RATIOS_ZIPF, "Zipf 1.0", "objects of one size")                                              \
    X(RATIOS_SCAN, "the same, and scans",                                                          \
      "after every 20,000 requests, objects that nobody asks for twice, as many as fit in the "    \
      "cache; they are not counted")                                                               \
    X(RATIOS_SIZES, "the same, many sizes", "sizes from 200 bytes to 20 KiB, at random")           \
    X(RATIOS_MOVES, "the same, and it moves",                                                      \
      "after every 20,000 requests a fifth of the ranks, at random, goes to other objects")

enum ratios_stream {
#define X(enumerator, name, gist) enumerator,
    RATIOS_STREAMS(X)
#undef X
    RATIOS_STREAMS_COUNT
};

enum { RATIOS_FRONT_BYTES = 936, RATIOS_ROUND = 20000, RATIOS_LIMIT_BYTES = 1 << 20 };

struct ratios {
    enum ratios_stream stream;
    struct store      *store;
    double            *sums; /* 1 + 1/2 + ... */
    uint64_t           objects_count;
    uint64_t           fits_count; /* objects of one size that fit in the cache */
    uint64_t           moved;      /* how often popularity has moved */
    uint64_t           scanned;    /* objects of scans so far */
    struct random      random;
};

static inline struct store_key ratios_key(const uint64_t *number)
{
    uint64_t seed = *number;
    return (struct store_key){
        .hash = random_mix(&seed), .at = (const uint8_t *)number, .bytes = sizeof *number};
}

static inline struct store *ratios_store(enum store_policy policy)
{
    const struct store_options options = {
        .memory_bytes = RATIOS_LIMIT_BYTES, .policy = policy, .threads_count = 1};
    struct store *store = store_new(&options);
    assert(store != NULL);
    return store;
}

static inline uint32_t ratios_bytes(const struct ratios *ratios, uint64_t number)
{
    uint64_t seed = number + 1000000007;
    const uint64_t draw = random_mix(&seed);
    if (ratios->stream != RATIOS_SIZES)
        return RATIOS_FRONT_BYTES;
    return (uint32_t)(200 + (draw >> 8) % (100u << draw % 9));
}

/* As a cache does: what is not there is fetched and put. True: it was there. */
static inline bool ratios_ask(struct ratios *ratios, uint64_t number)
{
    const struct store_key key = ratios_key(&number);
    struct store_entry *entry = store_find(ratios->store, 0, &key);
    const bool is_hit = entry != NULL;
    if (!is_hit) {
        entry = store_entry_new(ratios->store, &key, ratios_bytes(ratios, number));
        if (entry != NULL) {
            store_put(ratios->store, entry);
            (void)!store_settle(ratios->store, entry);
        }
    }
    store_entry_unref(entry);
    return is_hit;
}

/* Entries of one size that an lru holds. */
static inline uint64_t ratios_fits(void)
{
    struct store_figures figures;
    struct ratios all = {.store = ratios_store(STORE_LRU)};
    for (uint64_t number = 0; number < RATIOS_LIMIT_BYTES / RATIOS_FRONT_BYTES; number++)
        (void)!ratios_ask(&all, number);
    store_read_figures(all.store, &figures);
    store_free(all.store);
    return figures.entries;
}

static inline uint64_t ratios_draw(struct ratios *ratios)
{
    const double draw = (double)(random_next(&ratios->random) >> 11) * 0x1p-53 *
                        ratios->sums[ratios->objects_count - 1];
    uint64_t low = 0, high = ratios->objects_count - 1;
    while (low < high) {
        const uint64_t middle = (low + high) / 2;
        if (ratios->sums[middle] > draw)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Rank to object: a fifth of them has changed places once per move. */
static inline uint64_t ratios_object(const struct ratios *ratios, uint64_t rank)
{
    uint64_t seed = rank;
    const bool moves = random_mix(&seed) % 5 == 0;
    return ratios->stream == RATIOS_MOVES && moves
               ? (rank + ratios->moved * 7919) % ratios->objects_count + ratios->objects_count
               : rank;
}

static inline void ratios_between_rounds(struct ratios *ratios)
{
    ratios->moved++;
    if (ratios->stream != RATIOS_SCAN)
        return;
    for (uint64_t i = 0; i < ratios->fits_count; i++)
        (void)!ratios_ask(ratios, 10 * ratios->objects_count + ratios->scanned++);
}

/* The share of requests that found their object, after the first @rounds / 3 rounds of 20,000.
 * The cache holds @percent percent of all objects. */
static inline double ratios_run(enum store_policy policy, enum ratios_stream stream,
                                unsigned percent, unsigned rounds)
{
    struct ratios ratios = {
        .stream = stream, .store = ratios_store(policy), .fits_count = ratios_fits()};
    uint64_t hits = 0, asked = 0;
    ratios.objects_count = ratios.fits_count * 100 / percent;
    ratios.sums = mem_alloc(ratios.objects_count * sizeof ratios.sums[0]);
    assert(ratios.sums != NULL);
    for (uint64_t i = 0; i < ratios.objects_count; i++)
        ratios.sums[i] = (i > 0 ? ratios.sums[i - 1] : 0) + 1 / (double)(i + 1);
    random_init(&ratios.random, 1);
    for (unsigned round = 0; round < rounds; round++) {
        for (int i = 0; i < RATIOS_ROUND; i++) {
            const bool is_hit = ratios_ask(&ratios, ratios_object(&ratios, ratios_draw(&ratios)));
            hits += is_hit && round >= rounds / 3;
            asked += round >= rounds / 3;
        }
        ratios_between_rounds(&ratios);
    }
    mem_free(ratios.sums);
    store_free(ratios.store);
    return (double)hits / (double)asked;
}

#endif
