/* SPDX-License-Identifier: Apache-2.0 */
/* cache/keys/key_cache.c - slots, generations, figures. */
#include "cache/keys/key_cache.h"

#include <assert.h>

static_assert((KEY_CACHE_SLOTS & (KEY_CACHE_SLOTS - 1)) == 0, "a slot is some bits of a hash");
static_assert(sizeof(struct key_cache_slot) == MEM_LINE_BYTES, "slots share no cache line");

struct key_cache *key_cache_new(const struct key_cache_options *options)
{
    struct key_cache *cache = mem_alloc_lines(sizeof *cache);
    if (cache == NULL)
        return NULL;
    cache->options = *options;
    cache->slots = mem_alloc_lines(KEY_CACHE_SLOTS * sizeof *cache->slots);
    if (cache->slots == NULL) {
        mem_free(cache);
        return NULL;
    }
    for (uint32_t i = 0; i < KEY_CACHE_SLOTS; i++) {
        const int error = pthread_mutex_init(&cache->slots[i].lock, NULL);
        assert(error == 0);
        (void)error;
    }
    return cache;
}

void key_cache_free(struct key_cache *cache)
{
    if (cache == NULL)
        return;
    assert(atomic_load(&cache->waiters_count) == 0);
    for (uint32_t i = 0; i < KEY_CACHE_SLOTS; i++) {
        assert(cache->slots[i].writers == 0 && cache->slots[i].flights == NULL);
        pthread_mutex_destroy(&cache->slots[i].lock);
    }
    mem_free(cache->slots);
    mem_free(cache);
}

void key_cache_count(const struct key_cache *cache, struct key_cache_counts *counts)
{
    *counts = (struct key_cache_counts){0};
    for (uint32_t i = 0; i < KEY_CACHE_CELLS; i++) {
        const struct key_cache_cell *cell = &cache->cells[i];
#define X(name, gist)                                                                              \
    counts->name += atomic_load_explicit(&cell->figures[KEY_CACHE_##name], memory_order_relaxed);
        KEY_CACHE_FIGURES(X)
#undef X
    }
}

struct key_cache_slot *key_cache__slot(const struct key_cache *cache, struct bytes key)
{
    const uint64_t hash = hash_sip13(&cache->options.hash_key, key.at, key.count);
    return &cache->slots[hash & (KEY_CACHE_SLOTS - 1)];
}

void key_cache__begin(struct key_cache *cache, struct bytes key)
{
    struct key_cache_slot *slot = key_cache__slot(cache, key);
    pthread_mutex_lock(&slot->lock);
    slot->version++;
    slot->writers++;
    pthread_mutex_unlock(&slot->lock);
}

void key_cache__end(struct key_cache *cache, struct bytes key)
{
    struct key_cache_slot *slot = key_cache__slot(cache, key);
    pthread_mutex_lock(&slot->lock);
    assert(slot->writers > 0);
    slot->writers--;
    pthread_mutex_unlock(&slot->lock);
}

/* In this order: who reads the new generation then sees that its writer is under way, or over. */
void key_cache__begin_all(struct key_cache *cache)
{
    atomic_fetch_add(&cache->writers_of_all, 1);
    atomic_fetch_add(&cache->generation, 1);
}

void key_cache__end_all(struct key_cache *cache)
{
    atomic_fetch_sub(&cache->writers_of_all, 1);
}
