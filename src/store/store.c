/* SPDX-License-Identifier: Apache-2.0 */
/* store/store.c - the store as a whole: shards, limit, figures. */
#include "store/store.h"

#include "core/mem.h"
#include "store/shard.h"

#include <assert.h>

enum { SHARD_BYTES = 64 * 1024 * 1024, LIMIT_MIN = 1024 * 1024 };

static uint32_t shards_bits_for(uint64_t memory_bytes)
{
    uint32_t bits = 0;
    while ((uint64_t)SHARD_BYTES << (bits + 1) <= memory_bytes && 2u << bits <= STORE_SHARDS_MAX)
        bits++;
    return bits;
}

struct store *store_new(const struct store_options *options)
{
    assert(options->memory_bytes >= LIMIT_MIN && options->threads_count <= STORE_THREADS_MAX);
    const uint32_t bits = shards_bits_for(options->memory_bytes);
    const size_t own_bytes =
        sizeof(struct store) + sizeof(struct store_shard) * ((size_t)1 << bits);
    struct store *store = mem_reserve(own_bytes);
    if (store == NULL)
        return NULL;
    atomic_init(&store->epochs.current, 1);
    atomic_init(&store->limit_bytes, options->memory_bytes);
    store->options = *options;
    store->own_bytes = (own_bytes + REGION_PAGE_BYTES - 1) & ~(size_t)(REGION_PAGE_BYTES - 1);
    store->shards_bits = bits;
    store->shards_count = 1u << bits;
    store->limit_max_bytes = options->memory_bytes * STORE_GROWTH_MAX;
    for (uint32_t i = 0; i < store->shards_count; i++)
        if (!store__shard_init(&store->shards[i], store, options->memory_bytes >> bits)) {
            store_free(store);
            return NULL;
        }
    return store;
}

void store_free(struct store *store)
{
    if (store == NULL)
        return;
    for (uint32_t i = 0; i < store->shards_count; i++)
        store__shard_fini(&store->shards[i]);
    mem_unreserve(store, store->own_bytes);
}

void store_set_limit(struct store *store, uint64_t memory_bytes)
{
    uint64_t limit = memory_bytes > LIMIT_MIN ? memory_bytes : LIMIT_MIN;
    limit = limit < store->limit_max_bytes ? limit : store->limit_max_bytes;
    atomic_store(&store->limit_bytes, limit);
    for (uint32_t i = 0; i < store->shards_count; i++)
        store__shard_set_limit(&store->shards[i], limit >> store->shards_bits);
}

uint64_t store_object_bytes_max(const struct store *store)
{
    return store__shard_object_bytes_max(atomic_load(&store->limit_bytes) >> store->shards_bits);
}

static void read_gauges_locked(struct store_shard *shard, struct store_figures *figures)
{
    const uint64_t overhead = store__shard_overhead_locked(shard);
    figures->limit_bytes += shard->limit_bytes;
    figures->overhead_bytes += overhead;
    figures->used_bytes +=
        overhead - region_map_bytes(&shard->region) + region_bytes(&shard->region);
    figures->pinned_bytes += shard->region.taken_bytes - policy_bytes(&shard->policy);
    figures->entries += shard->index.entries_count;
}

static void add(struct store_figures *to, const struct store_figures *from)
{
#define X(name, sort, help) to->name += from->name;
    STORE_FIGURES(X)
#undef X
}

void store_read_figures(struct store *store, struct store_figures *figures)
{
    *figures = (struct store_figures){0};
    for (uint32_t i = 0; i < store->shards_count; i++) {
        struct store_shard *shard = &store->shards[i];
        pthread_mutex_lock(&shard->lock);
        store__shard_collect_locked(shard);
        read_gauges_locked(shard, figures);
        add(figures, &shard->counted);
        pthread_mutex_unlock(&shard->lock);
    }
}
