/* SPDX-License-Identifier: Apache-2.0 */
/* engine/memory/memory_engine.h - a keyspace in memory, shared by all workers, and the door that
 * each worker has to it.
 *
 * Every shard is cut into stripes, each with its own lock on its own cache lines. Of a key's one
 * hash the first bits choose the stripe and the next ones the bucket, so the positions of a SCAN of
 * a shard run through its stripes in order. A command on one key takes one lock; others take all
 * locks that they need, in one order, so they see and change everything at once, over shards too.
 *
 *     engine:  memory_engine_new() ... memory_engine_unref(); one timer calls memory_engine_tick()
 *     worker:  memory_stage_init(&stage, ...), key_door_submit(&stage.door, op): answered when that
 *              returns
 *
 * Memory:  keys with all that holding them takes are never more than bytes_max together (stripes
 *          themselves, about 1 KiB each, are not counted).
 * Threads: the engine: any. A stage: its worker's; ops are answered on the thread that submits.
 * Errors:  what commands answer. */
#ifndef PANDO_ENGINE_MEMORY_MEMORY_ENGINE_H
#define PANDO_ENGINE_MEMORY_MEMORY_ENGINE_H

#include "core/random.h"
#include "engine/memory/memory_space.h"

#include <pthread.h>

struct memory_engine;

enum {
    MEMORY_STRIPES_MAX = 1024, /* of a shard */
    MEMORY_HINTS_MAX = 32,     /* keys of one command whose hashes are kept; more are made again */
};

struct memory_engine_options {
    uint32_t        shards_count;
    uint32_t        stripes_count; /* of each shard; a power of two; 1 where keys are ordered */
    bool            is_ordered;
    bool            evicts;    /* false: what does not fit is refused */
    uint64_t        bytes_max; /* 0: no limit */
    struct hash_key hash_key;
};

/* With one reference. NULL: no memory. */
struct memory_engine *memory_engine_new(const struct memory_engine_options *options) must_check;
struct memory_engine *memory_engine_ref(struct memory_engine *engine);

/* The last one frees it. Accepts NULL. Nothing is watched then. */
void memory_engine_unref(struct memory_engine *engine);

/* What it holds and did, added up over all stripes. */
void memory_engine_count(struct memory_engine *engine, struct memory_counts *counts);

/* The work of the background, a slice of it: what is expired at @now_ms goes, tables come nearer to
 * their size. Waits for no lock. True: there is more to do, and the next call may come at once. */
bool memory_engine_tick(struct memory_engine *engine, uint64_t now_ms);

/* Visits each key of @shard that is there at @now_ms, some at a time under their lock: one that is
 * there throughout is visited. False of @visit ends the walk. For a thread that may take its
 * time. */
void memory_engine_visit(struct memory_engine *engine, uint32_t shard, uint64_t now_ms,
                         space_visit *visit, void *self);

/* ---- a worker's door ---- */

struct memory_hint {
    struct bytes key; /* an argument of the op */
    uint64_t     hash;
    uint32_t     stripe;
};

struct memory_stage_options {
    struct memory_engine *engine;
    struct random        *random;          /* the worker's */
    uint64_t              value_bytes_max; /* of a string that a command makes */
    /* The shard of a key; asked only for ops of KEY_SHARD_SEVERAL. */
    uint32_t (*shard_of)(const void *layout, struct bytes key);
    const void *layout;
};

struct memory_stage {
    struct key_door             door; /* first */
    struct memory_stage_options options;
    uint64_t                   *needed; /* a bit for each stripe: those that an op holds */
    uint32_t                    hints_count, hint_next;
    struct memory_hint          hints[MEMORY_HINTS_MAX]; /* of the command that runs */
};

/* Takes a reference to the engine. False: no memory. */
bool memory_stage_init(struct memory_stage *stage, const struct memory_stage_options *options)
    must_check;

/* Accepts zero. */
void memory_stage_fini(struct memory_stage *stage);

/* ---- within the folder ---- */

/* One lock's worth, on cache lines of its own. */
struct memory_stripe {
    _Alignas(MEM_LINE_BYTES) pthread_mutex_t lock;
    _Atomic(void *)     holder; /* who holds it with others; only the holder itself can tell */
    struct memory_space space;
};

struct memory_engine {
    _Atomic uint32_t      refs_count;
    uint32_t              shards_count;
    uint32_t              stripes_count; /* of each shard */
    uint32_t              stripe_bits;
    struct hash_key       hash_key;
    struct memory_budget  budget;
    struct memory_stripe *stripes; /* of all shards, in their order */
    struct space        **spaces;  /* theirs */
};

static inline uint32_t memory_engine__stripes(const struct memory_engine *engine)
{
    return engine->shards_count * engine->stripes_count;
}

/* The stripe of a key in @shard, of all stripes. */
static inline uint32_t memory_engine__stripe(const struct memory_engine *engine, uint32_t shard,
                                             uint64_t hash)
{
    const uint32_t within =
        engine->stripe_bits == 0 ? 0 : (uint32_t)(hash >> (64 - engine->stripe_bits));
    return shard * engine->stripes_count + within;
}

#endif
