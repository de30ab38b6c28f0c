/* SPDX-License-Identifier: Apache-2.0 */
/* engine/memory/memory_engine.c - the stripes, what they may hold together, and the background. */
#include "engine/memory/memory_engine.h"

#include <assert.h>
#include <stdatomic.h>

enum {
    GRANT_BYTES_MAX = 64 * 1024,
    GRANT_BYTES_MIN = 256,
    TICK_BUCKETS = 128, /* of a stripe, at once; about 10 us if all of them expire */
    TICK_ROUNDS = 8,    /* of a stripe, if each finds much to do */
};

/* What stripes have been granted and do not need is at most a 64th of the limit. */
static uint32_t grant_bytes(uint64_t bytes_max, uint32_t stripes_count)
{
    const uint64_t share = bytes_max / stripes_count / 256;
    if (bytes_max == 0 || share > GRANT_BYTES_MAX)
        return GRANT_BYTES_MAX;
    return share < GRANT_BYTES_MIN ? GRANT_BYTES_MIN : (uint32_t)share;
}

static struct memory_stripe *stripe_of(struct memory_space *space)
{
    return (struct memory_stripe *)(void *)((uint8_t *)space -
                                            offsetof(struct memory_stripe, space));
}

/* Room from one stripe that is not @asking: one that nobody holds, or that the same op holds. */
static void have_yield(struct memory_stripe *stripe, struct memory_stripe *asking, uint64_t bytes)
{
    void *holder = atomic_load_explicit(&asking->holder, memory_order_relaxed);
    if (holder != NULL && atomic_load_explicit(&stripe->holder, memory_order_relaxed) == holder) {
        memory_space_yield(&stripe->space, bytes);
        return;
    }
    if (pthread_mutex_trylock(&stripe->lock) != 0)
        return;
    key_table_next_generation(&stripe->space.table); /* nobody uses anything in it */
    memory_space_yield(&stripe->space, bytes);
    pthread_mutex_unlock(&stripe->lock);
}

/* Asks the stripes in turn, the one behind the asking one first. */
static void make_room(void *self, struct memory_space *asking, uint64_t bytes)
{
    struct memory_engine *engine = self;
    struct memory_stripe *own = stripe_of(asking);
    const uint32_t count = memory_engine__stripes(engine);
    const uint32_t first = (uint32_t)(own - engine->stripes) + 1;
    for (uint32_t i = 0; i + 1 < count && !memory_budget_has(&engine->budget, bytes); i++)
        have_yield(&engine->stripes[(first + i) % count], own, bytes);
}

/* A holder of a lock does little and never waits, so it is worth spinning a moment. */
static void init_lock(pthread_mutex_t *lock)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ADAPTIVE_NP);
    pthread_mutex_init(lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
}

static void init_stripes(struct memory_engine *engine, bool is_ordered)
{
    for (uint32_t i = 0; i < memory_engine__stripes(engine); i++) {
        struct memory_stripe *stripe = &engine->stripes[i];
        init_lock(&stripe->lock);
        memory_space_init(&stripe->space, &(struct memory_space_options){
                                              .hash_key = &engine->hash_key,
                                              .budget = &engine->budget,
                                              .is_ordered = is_ordered,
                                              .prefix_bits = (uint8_t)engine->stripe_bits,
                                              .prefix = i % engine->stripes_count,
                                          });
        engine->spaces[i] = &stripe->space.space;
    }
}

struct memory_engine *memory_engine_new(const struct memory_engine_options *options)
{
    const uint32_t stripes_count = options->stripes_count;
    const uint64_t count = (uint64_t)options->shards_count * stripes_count;
    assert(count > 0 && count <= UINT32_MAX && stripes_count <= MEMORY_STRIPES_MAX &&
           (stripes_count & (stripes_count - 1)) == 0);
    assert(!options->is_ordered || stripes_count == 1);
    struct memory_engine *engine = mem_alloc(sizeof *engine);
    if (engine == NULL)
        return NULL;
    engine->stripes = mem_alloc_lines(count * sizeof *engine->stripes);
    engine->spaces = mem_alloc(count * sizeof(struct space *));
    if (engine->stripes == NULL || engine->spaces == NULL) {
        mem_free(engine->spaces);
        mem_free(engine->stripes);
        mem_free(engine);
        return NULL;
    }
    engine->refs_count = 1;
    engine->shards_count = options->shards_count;
    engine->stripes_count = stripes_count;
    engine->stripe_bits = (uint32_t)__builtin_ctz(stripes_count);
    engine->hash_key = options->hash_key;
    engine->budget = (struct memory_budget){
        .bytes_max = options->bytes_max,
        .grant_bytes = grant_bytes(options->bytes_max, (uint32_t)count),
        .evicts = options->evicts,
        .make_room = make_room,
        .self = engine,
    };
    init_stripes(engine, options->is_ordered);
    return engine;
}

struct memory_engine *memory_engine_ref(struct memory_engine *engine)
{
    atomic_fetch_add_explicit(&engine->refs_count, 1, memory_order_relaxed);
    return engine;
}

void memory_engine_unref(struct memory_engine *engine)
{
    if (engine == NULL || atomic_fetch_sub(&engine->refs_count, 1) != 1)
        return;
    for (uint32_t i = 0; i < memory_engine__stripes(engine); i++) {
        memory_space_fini(&engine->stripes[i].space);
        pthread_mutex_destroy(&engine->stripes[i].lock);
    }
    mem_free(engine->spaces);
    mem_free(engine->stripes);
    mem_free(engine);
}

void memory_engine_count(struct memory_engine *engine, struct memory_counts *counts)
{
    *counts = (struct memory_counts){0};
    for (uint32_t i = 0; i < memory_engine__stripes(engine); i++) {
        struct memory_stripe *stripe = &engine->stripes[i];
        pthread_mutex_lock(&stripe->lock);
        memory_space_count(&stripe->space, counts);
        pthread_mutex_unlock(&stripe->lock);
    }
}

bool memory_engine_tick(struct memory_engine *engine, uint64_t now_ms)
{
    bool has_more = false;
    for (uint32_t i = 0; i < memory_engine__stripes(engine); i++) {
        struct memory_stripe *stripe = &engine->stripes[i];
        bool goes_on = true;
        for (unsigned round = 0; round < TICK_ROUNDS && goes_on; round++) {
            if (pthread_mutex_trylock(&stripe->lock) != 0)
                break;
            goes_on = memory_space_tend(&stripe->space, now_ms, TICK_BUCKETS);
            pthread_mutex_unlock(&stripe->lock);
        }
        has_more |= goes_on;
    }
    return has_more;
}
