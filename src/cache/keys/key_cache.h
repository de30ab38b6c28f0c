/* SPDX-License-Identifier: Apache-2.0 */
/* cache/keys/key_cache.h - what all workers know together of a keyspace's cache: which keys are
 * being written, which are being read for the cache, and what it did.
 *
 * Answers themselves are in a store (key_cache_stage.h). A key belongs to one of KEY_CACHE_SLOTS
 * slots by a hash. A slot counts the writes that began on its keys, and those that are under way:
 *
 *     a write   marks its slots: version + 1, writers + 1; then takes its keys out of the store;
 *               then goes to the engine; when it is answered: writers - 1
 *     a read    that finds no answer notes the version, unless a writer is under way; reads behind;
 *               keeps what it read only if the version is still the same
 *
 * Both under the slot's lock, a fill as a whole. So an answer is in the store only if no write
 * began since it was read, and who asks after a write was answered never sees what was before it.
 * Keys of one slot disturb each other, which costs reads and no correctness.
 *
 * What changes every key (FLUSHALL) makes a new generation, which is a part of every answer's name.
 *
 * Memory:  KEY_CACHE_SLOTS cache lines, 1 MiB, beside what the store may take; a read under way
 *          takes a block. Owns nothing of ops.
 * Threads: any.
 * Errors:  none but no memory. */
#ifndef PANDO_CACHE_KEYS_KEY_CACHE_H
#define PANDO_CACHE_KEYS_KEY_CACHE_H

#include "core/bytes.h"
#include "core/hash.h"
#include "core/mem.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    KEY_CACHE_SLOTS = 16384,          /* so that 500 writes under way disturb 3 % of other keys */
    KEY_CACHE_CELLS = 64,             /* of figures; workers share one only beyond that */
    KEY_CACHE_WAITERS_MAX = 65536,    /* ops that wait for another's read; more read themselves */
    KEY_CACHE_COMMAND_BYTES = 1024,   /* of a command's arguments beside its key; of more nothing is
                                        kept, since they are a part of the answer's name */
    KEY_CACHE_ANSWERS_PER_CACHE = 10, /* the largest answer that is kept is a tenth of the memory */
};

/* Figures, each worker's on a cache line of its own. */
#define KEY_CACHE_FIGURES(X)                                                                       \
    X(hits, "answered from the store")                                                             \
    X(misses, "not there, and asked of the engine")                                                \
    X(joined, "not there, and answered by a read that was under way")                              \
    X(invalidated, "keys that a write took out of the store")

enum key_cache_figure {
#define X(name, gist) KEY_CACHE_##name,
    KEY_CACHE_FIGURES(X)
#undef X
    KEY_CACHE_FIGURES_COUNT
};

struct key_cache_cell {
    _Alignas(MEM_LINE_BYTES) _Atomic uint64_t figures[KEY_CACHE_FIGURES_COUNT];
};

struct key_cache_flight;

struct key_cache_slot {
    _Alignas(MEM_LINE_BYTES) pthread_mutex_t lock;
    uint64_t                 version; /* writes that began */
    struct key_cache_flight *flights; /* reads under way for the cache; NULL: none */
    uint32_t                 writers; /* writes under way */
};

struct key_cache_options {
    uint64_t        for_ns;           /* an answer's life since it was read */
    uint64_t        answer_bytes_max; /* larger ones are not kept */
    uint64_t        waiters_max;
    struct hash_key hash_key; /* clients choose the keys */
};

struct key_cache {
    struct key_cache_options options;
    struct key_cache_slot   *slots;
    _Atomic uint64_t         generation;
    _Atomic uint64_t         writers_of_all; /* writes under way that change every key */
    _Atomic uint64_t         waiters_count;
    _Atomic uint32_t         stages_count; /* ever: which cell is whose */
    struct key_cache_cell    cells[KEY_CACHE_CELLS];
};

struct key_cache_counts {
#define X(name, gist) uint64_t name;
    KEY_CACHE_FIGURES(X)
#undef X
};

/* NULL: no memory. */
struct key_cache *key_cache_new(const struct key_cache_options *options) must_check;

/* No stage is left. Accepts NULL. */
void key_cache_free(struct key_cache *cache);

/* What it did, added up. */
void key_cache_count(const struct key_cache *cache, struct key_cache_counts *counts);

/* ---- within the folder ---- */

/* The slot of @key. */
struct key_cache_slot *key_cache__slot(const struct key_cache *cache, struct bytes key);

/* A write of @key begins: from here on nothing is kept that was read before key_cache__end(). */
void key_cache__begin(struct key_cache *cache, struct bytes key);
/* It is over, however it went. */
void key_cache__end(struct key_cache *cache, struct bytes key);

/* The same for a write of every key. */
void key_cache__begin_all(struct key_cache *cache);
/* Likewise. */
void key_cache__end_all(struct key_cache *cache);

/* The generation of answers: before key_cache__may_fill() is asked. */
static inline uint64_t key_cache__generation(const struct key_cache *cache)
{
    return atomic_load(&cache->generation);
}

/* May a read that begins now be kept? Under the slot's lock. */
static inline bool key_cache__may_fill(const struct key_cache *cache,
                                       const struct key_cache_slot *slot)
{
    return slot->writers == 0 && atomic_load(&cache->writers_of_all) == 0;
}

#endif
