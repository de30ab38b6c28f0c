/* SPDX-License-Identifier: Apache-2.0 */
/* store/shard.c - memory under the limit: who is evicted for whom, and when it is free. */
#include "store/shard.h"

#include <assert.h>
#include <sched.h>

enum {
    RESERVE_SHARE = 32,    /* of the limit, for what grows, is held, or lies scattered */
    ROUNDS_MAX = 256,      /* of evicting for one allocation */
    YIELDS_MAX = 16,       /* to a finder that was interrupted while it stood on what is retired */
    ENTRY_BYTES_MIN = 256, /* for the reserves of index and sketch; smaller ones share buckets */
    BATCH_MIN = 16384,     /* bytes evicted at once */
    SHRINK_SHARE = 8,      /* of what is over the limit, evicted before looking again */
};

bool store__shard_init(struct store_shard *shard, struct store *store, uint64_t limit_bytes)
{
    const struct policy_kind *kind = policy_kind_of(store->options.policy);
    const uint64_t space = limit_bytes * STORE_GROWTH_MAX;
    shard->store = store;
    shard->limit_bytes = limit_bytes;
    shard->fixed_bytes = store->own_bytes / store->shards_count;
    pthread_mutex_init(&shard->lock, NULL);
    list_init(&shard->retired);
    policy_init(&shard->policy, kind);
    if (!region_init(&shard->region, space, 0) ||
        !index_init(&shard->index, space / ENTRY_BYTES_MIN) ||
        (kind->needs_sketch && !sketch_init(&shard->policy.sketch, space / ENTRY_BYTES_MIN)))
        return false;
    store__shard_weigh_locked(shard);
    return true;
}

/* --- How much there is ---------------------------------------------------------------------- */

static uint64_t own_bytes(const struct store_shard *shard)
{
    return shard->fixed_bytes + shard->index.touched_bytes + sketch_bytes(&shard->policy.sketch);
}

uint64_t store__shard_overhead_locked(const struct store_shard *shard)
{
    return own_bytes(shard) + region_map_bytes(&shard->region);
}

void store__shard_weigh_locked(struct store_shard *shard)
{
    const uint64_t own = own_bytes(shard);
    const uint64_t overhead = own + region_map_bytes(&shard->region);
    const uint64_t left = shard->limit_bytes > overhead ? shard->limit_bytes - overhead : 0;
    shard->region.limit_bytes = shard->limit_bytes > own ? shard->limit_bytes - own : 0;
    shard->policy.capacity_bytes = left - left / RESERVE_SHARE;
}

/* Room for so much more that is not the region's. */
static bool has_room(struct store_shard *shard, size_t bytes)
{
    const size_t most = shard->region.limit_bytes;
    return bytes > 0 && most > bytes && region_shrink(&shard->region, most - bytes);
}

void store__shard_grow_locked(struct store_shard *shard)
{
    const size_t growth = index_growth_bytes(&shard->index);
    struct sketch *sketch = &shard->policy.sketch;
    if (growth == 0 || has_room(shard, growth))
        index_grow(&shard->index);
    store__shard_weigh_locked(shard);
    if (sketch_is_small(sketch, shard->index.entries_count) &&
        has_room(shard, sketch_bytes(sketch)))
        sketch_grow(sketch);
    store__shard_weigh_locked(shard);
}

/* --- Giving back ---------------------------------------------------------------------------- */

static void give(struct store_shard *shard, void *at, size_t bytes)
{
    region_give(&shard->region, at, bytes);
    if (region_bytes(&shard->region) > shard->region.limit_bytes)
        (void)region_shrink(&shard->region, shard->region.limit_bytes);
}

void store__shard_collect_locked(struct store_shard *shard)
{
    if (list_is_empty(&shard->retired))
        return;
    struct store *store = shard->store;
    const uint64_t oldest = epoch_oldest(&store->epochs, store->options.threads_count);
    list_each(&shard->retired, link, next)
    {
        struct store_entry *entry = list_item(link, struct store_entry, link);
        if (entry->epoch >= oldest)
            break;
        list_remove(link);
        const size_t bytes = store__entry_bytes(entry);
        shard->retired_bytes -= region_rounded(bytes);
        give(shard, entry, bytes);
    }
    if (!list_is_empty(&shard->retired))
        epoch_pass(&store->epochs,
                   list_item(shard->retired.head.previous, struct store_entry, link)->epoch);
}

/* Nobody has a reference any more; a finder may still be reading its key. */
static void retire(struct store_shard *shard, struct store_entry *entry)
{
    store__body_unref_locked(shard, entry->body);
    entry->body = NULL;
    entry->epoch = atomic_load(&shard->store->epochs.current);
    shard->retired_bytes += region_rounded(store__entry_bytes(entry));
    list_add_last(&shard->retired, &entry->link);
    store__shard_collect_locked(shard);
}

static bool is_last(_Atomic uint32_t *refs_count)
{
    return atomic_fetch_sub_explicit(refs_count, 1, memory_order_acq_rel) == 1;
}

void store__entry_unref_locked(struct store_shard *shard, struct store_entry *entry)
{
    if (is_last(&entry->refs_count))
        retire(shard, entry);
}

void store__entry_drop(struct store_entry *entry)
{
    struct store_shard *shard = entry->shard;
    pthread_mutex_lock(&shard->lock);
    retire(shard, entry);
    pthread_mutex_unlock(&shard->lock);
}

void store__piece_unref_locked(struct store_shard *shard, struct store_piece *piece)
{
    if (is_last(&piece->refs_count))
        give(shard, piece, sizeof *piece + piece->capacity);
}

void store__body_unref_locked(struct store_shard *shard, struct store_body *body)
{
    if (body == NULL || !is_last(&body->refs_count))
        return;
    for (struct store_piece *piece = body->oldest; piece != NULL;) {
        struct store_piece *next = piece->next;
        store__piece_unref_locked(shard, piece);
        piece = next;
    }
    give(shard, body, sizeof *body);
}

void store_piece_unref(struct store_piece *piece)
{
    if (piece == NULL || !is_last(&piece->refs_count))
        return;
    struct store_shard *shard = piece->shard;
    pthread_mutex_lock(&shard->lock);
    give(shard, piece, sizeof *piece + piece->capacity);
    pthread_mutex_unlock(&shard->lock);
}

void store_body_unref(struct store_body *body)
{
    if (body == NULL)
        return;
    struct store_shard *shard = body->shard;
    pthread_mutex_lock(&shard->lock);
    store__body_unref_locked(shard, body);
    pthread_mutex_unlock(&shard->lock);
}

/* --- Leaving -------------------------------------------------------------------------------- */

static void leave_index(struct store_shard *shard, struct store_entry *entry)
{
    policy_leave(&shard->policy, entry);
    index_remove(&shard->index, entry);
    entry->in_index = false;
}

void store__shard_unlink_locked(struct store_shard *shard, struct store_entry *entry)
{
    leave_index(shard, entry);
    store__entry_unref_locked(shard, entry);
}

static void tell_owner(struct store_shard *shard, struct list *victims)
{
    const struct store_options *options = &shard->store->options;
    if (options->evicted == NULL)
        return;
    pthread_mutex_unlock(&shard->lock);
    list_each(victims, link, next)
        options->evicted(options->self, list_item(link, struct store_entry, link));
    pthread_mutex_lock(&shard->lock);
}

void store__shard_evict_locked(struct store_shard *shard, struct list *victims)
{
    if (list_is_empty(victims))
        return;
    list_each(victims, link, next)
    {
        struct store_entry *entry = list_item(link, struct store_entry, link);
        leave_index(shard, entry);
        shard->counted.evicted++;
        shard->counted.evicted_bytes += entry->charged_bytes;
    }
    tell_owner(shard, victims);
    list_each(victims, link, next)
    {
        list_remove(link);
        store__entry_unref_locked(shard, list_item(link, struct store_entry, link));
    }
}

/* --- Taking --------------------------------------------------------------------------------- */

/* So many bytes worth of entries leave. False: none could. */
static bool evict(struct store_shard *shard, size_t bytes)
{
    struct list victims;
    uint64_t evicted_bytes = 0;
    list_init(&victims);
    while (evicted_bytes < bytes) {
        struct store_entry *entry = shard->policy.kind->evict(&shard->policy);
        if (entry == NULL)
            break;
        evicted_bytes += entry->charged_bytes;
        list_add_last(&victims, &entry->link);
    }
    store__shard_evict_locked(shard, &victims);
    return evicted_bytes > 0;
}

/* What was evicted may be waiting for a finder that was interrupted: then evicting more makes no
 * room. Lets go of the lock. False: it has waited for long enough. */
static bool waits(struct store_shard *shard, size_t bytes, int *yields)
{
    store__shard_collect_locked(shard);
    if (shard->retired_bytes < bytes)
        return true;
    if ((*yields)++ == YIELDS_MAX)
        return false;
    pthread_mutex_unlock(&shard->lock);
    sched_yield();
    pthread_mutex_lock(&shard->lock);
    return true;
}

static void *take_less(struct store_shard *shard, size_t *bytes, size_t least)
{
    void *at = NULL;
    while (at == NULL && *bytes > least) {
        *bytes = *bytes / 2 > least ? *bytes / 2 : least;
        at = region_take(&shard->region, *bytes);
    }
    return at;
}

static void *take(struct store_shard *shard, size_t *bytes, size_t least)
{
    int yields = 0;
    for (int rounds = 0; rounds < ROUNDS_MAX; rounds++) {
        void *at = region_take(&shard->region, *bytes);
        /* Enough, but scattered: rather a smaller run than that others leave. */
        if (at == NULL && region_room_bytes(&shard->region) >= 2 * *bytes)
            at = take_less(shard, bytes, least);
        if (at != NULL)
            return at;
        if (!waits(shard, *bytes, &yields))
            break;
        if (shard->retired_bytes < *bytes && !evict(shard, *bytes > BATCH_MIN ? *bytes : BATCH_MIN))
            break;
    }
    void *at = take_less(shard, bytes, least);
    shard->counted.refused += at == NULL;
    return at;
}

void *store__shard_take(struct store_shard *shard, size_t *bytes, size_t least)
{
    pthread_mutex_lock(&shard->lock);
    void *at = take(shard, bytes, least);
    pthread_mutex_unlock(&shard->lock);
    return at;
}

static void shrink(struct store_shard *shard)
{
    int yields = 0;
    while (!region_shrink(&shard->region, shard->region.limit_bytes)) {
        const size_t over = region_bytes(&shard->region) - shard->region.limit_bytes;
        if (!waits(shard, over, &yields))
            return;
        if (shard->retired_bytes < over &&
            !evict(shard, over / SHRINK_SHARE > BATCH_MIN ? over / SHRINK_SHARE : BATCH_MIN))
            return;
    }
}

void store__shard_set_limit(struct store_shard *shard, uint64_t limit_bytes)
{
    pthread_mutex_lock(&shard->lock);
    shard->limit_bytes = limit_bytes;
    store__shard_weigh_locked(shard);
    shrink(shard);
    pthread_mutex_unlock(&shard->lock);
}

/* --- The end -------------------------------------------------------------------------------- */

void store__shard_fini(struct store_shard *shard)
{
    if (shard->store == NULL)
        return;
    const uint64_t buckets = shard->index.buckets == NULL ? 0 : shard->index.buckets_count;
    for (uint64_t bucket = 0; bucket < buckets; bucket++)
        while (index_bucket(&shard->index, bucket) != NULL)
            store__shard_unlink_locked(shard, index_bucket(&shard->index, bucket));
    store__shard_collect_locked(shard);
    assert(list_is_empty(&shard->retired) && shard->region.taken_bytes == 0);
    sketch_fini(&shard->policy.sketch);
    index_fini(&shard->index);
    region_fini(&shard->region);
    pthread_mutex_destroy(&shard->lock);
}
