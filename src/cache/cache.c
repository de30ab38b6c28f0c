/* SPDX-License-Identifier: Apache-2.0 */
/* cache/cache.c - the life of a service's cache and of its workers' sides. */
#include "cache/cache.h"

#include "cache/fetch.h"
#include "cache/lend.h"
#include "cache/tier.h"
#include "core/mem.h"
#include "core/units.h"

#include <assert.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

static uint64_t hash_of_key(const void *self, const uint8_t *at, size_t bytes)
{
    return cache_hash(self, at, bytes);
}

uint64_t cache_tag_hash(const uint8_t *at, size_t bytes)
{
    return XXH3_64bits(at, bytes);
}

uint64_t cache_hash(const struct cache *cache, const uint8_t *at, size_t bytes)
{
    return hash_sip13(&cache->key, at, bytes);
}

/* All references are gone, so nothing of it is being fetched or read. */
static void drop(struct kept *kept)
{
    struct cache *cache = (struct cache *)(void *)kept;
    for (unsigned i = 0; cache->sides != NULL && i < cache->workers_count; i++)
        mem_free(cache->sides[i]);
    cache_fills_fini(&cache->fills);
    cache_disk_close(cache);
    cache_purges_fini(&cache->purges);
    store_free(cache->store);
    mem_free(cache->sides);
    mem_free(cache->rows);
    mem_free(cache);
}

static uint64_t clock_offset_ms(void)
{
    return clock_wall_ns() / NS_PER_MS - clock_monotonic_ns() / NS_PER_MS;
}

/* With the disk of @before, if there is one of another policy; its references are the same. */
static struct cache *cache_new(const struct cache_wish *wish, struct cache *before)
{
    const struct cache_settings *settings = wish->settings;
    const unsigned workers_count = wish->workers_count;
    struct cache *cache = mem_alloc(sizeof *cache);
    if (cache == NULL)
        return NULL;
    cache->workers_count = workers_count;
    cache->policy = (enum store_policy)settings->policy;
    cache->clock_ms = clock_offset_ms();
    cache->rows = mem_alloc_lines((workers_count + 1) * sizeof *cache->rows);
    cache->sides = mem_alloc(workers_count * sizeof(struct cache_side *));
    cache_fills_init(&cache->fills);
    const bool has_purges = cache_purges_init(&cache->purges, workers_count);
    const struct store_options options = {
        .memory_bytes = settings->memory_bytes,
        .policy = cache->policy,
        .threads_count = workers_count,
        .hash = hash_of_key,
        .evicted = cache_disk_evicted,
        .self = cache,
    };
    if (getrandom(&cache->key, sizeof cache->key, 0) == (ssize_t)sizeof cache->key) {
        cache_disk_open(cache, wish, before);
        cache->store = store_new(&options);
    }
    if (!has_purges || cache->rows == NULL || cache->sides == NULL || cache->store == NULL) {
        drop(&cache->kept);
        return NULL;
    }
    /* Those of a snapshot come from a process before, which counted from an earlier time. */
    atomic_init(&cache->generations_count, (clock_wall_ns() / NS_PER_MS) << 20);
    return cache;
}

struct cache *cache_get(struct keep *keep, const struct cache_wish *wish)
{
    struct cache *before = (struct cache *)(void *)keep_find(keep, wish->service);
    if (before != NULL && before->policy == (enum store_policy)wish->settings->policy) {
        store_set_limit(before->store, wish->settings->memory_bytes);
        return before;
    }
    struct cache *cache = cache_new(wish, before);
    if (cache != NULL)
        keep_add(keep, &cache->kept, wish->service, drop);
    cache_give(before);
    return cache;
}

void cache_give(struct cache *cache)
{
    if (cache != NULL)
        kept_unref(&cache->kept);
}

static void worker_ends(struct worker_end *end)
{
    cache__fetches_cancel(list_item(end, struct cache_side, end));
}

struct cache_side *cache_side_get(struct cache *cache, struct worker *worker)
{
    struct cache_side *side = cache->sides[worker->index];
    if (side == NULL) {
        side = mem_alloc(sizeof *side);
        if (side == NULL)
            return NULL;
        cache__turns_init(&side->turns);
        side->cache = cache;
        side->worker = worker;
        side->row = &cache->rows[worker->index];
        side->end.call = worker_ends;
        cache->sides[worker->index] = side;
    }
    if (side->refs_count++ == 0) {
        kept_ref(&cache->kept);
        list_add_last(&worker->ends, &side->end.link);
        slab_init(&side->lends, "cache lends", sizeof(struct cache_lend), 0);
    }
    return side;
}

void cache_side_unref(struct cache_side *side)
{
    assert(side->refs_count > 0);
    if (--side->refs_count > 0)
        return;
    slab_fini(&side->lends);
    if (side->cache->disk != NULL)
        disk_wait_posted(side->cache->disk); /* the loop may end with this side */
    list_remove(&side->end.link);
    kept_unref(&side->cache->kept); /* the side may go with it */
}

void cache_read_figures(const struct cache *cache, struct cache_figures *sum)
{
    *sum = (struct cache_figures){0};
    for (unsigned i = 0; i <= cache->workers_count; i++) {
        const struct cache_row *row = &cache->rows[i];
#define X(name, help) sum->name += atomic_load_explicit(&row->name, memory_order_relaxed);
        CACHE_FIGURES(X)
#undef X
    }
}
