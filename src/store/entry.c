/* SPDX-License-Identifier: Apache-2.0 */
/* store/entry.c - an entry's way: made, put, found, settled, removed; and the walk over all. */
#include "store/shard.h"
#include "store/store.h"

#include <assert.h>
#include <string.h>

enum { KEY_BYTES_MAX = 64 * 1024 };

struct store_entry *store_entry_new(struct store *store, const struct store_key *key,
                                    uint32_t front_bytes)
{
    assert(front_bytes <= STORE_FRONT_BYTES_MAX && key->bytes <= KEY_BYTES_MAX);
    struct store_shard *shard = store__shard_of(store, key->hash);
    const struct store_entry made = {.front_bytes = front_bytes,
                                     .key_bytes = key->bytes,
                                     .hash = key->hash,
                                     .shard = shard,
                                     .refs_count = 1};
    size_t bytes = store__entry_bytes(&made);
    struct store_entry *entry = store__shard_take(shard, &bytes, bytes);
    if (entry == NULL)
        return NULL;
    memcpy(entry, &made, sizeof made);
    link_init(&entry->link);
    memset(store_entry_front(entry), 0, front_bytes);
    memcpy(store_entry_front(entry) + front_bytes, key->at, key->bytes);
    return entry;
}

static struct store_key key_of(const struct store_entry *entry)
{
    return (struct store_key){
        .hash = entry->hash, .at = store_entry_key(entry), .bytes = entry->key_bytes};
}

/* The new one is found before the old one is not. */
void store_put(struct store *store, struct store_entry *entry)
{
    struct store_shard *shard = entry->shard;
    const struct store_key key = key_of(entry);
    assert(shard->store == store && !entry->in_index && !entry->settled);
    assert(entry->body == NULL || entry->body->shard == shard);
    pthread_mutex_lock(&shard->lock);
    struct store_entry *older = index_find(&shard->index, &key);
    store_entry_ref(entry);
    entry->in_index = true;
    index_add(&shard->index, entry);
    shard->counted.inserted++;
    if (older != NULL) {
        shard->counted.replaced++;
        store__shard_unlink_locked(shard, older);
    }
    store__shard_grow_locked(shard);
    pthread_mutex_unlock(&shard->lock);
}

static uint64_t charge_of(const struct store_entry *entry)
{
    return region_rounded(store__entry_bytes(entry)) +
           (entry->body != NULL ? entry->body->charged_bytes : 0);
}

static bool settle_locked(struct store_shard *shard, struct store_entry *entry, uint8_t queue)
{
    struct list victims;
    list_init(&victims);
    entry->settled = true;
    entry->charged_bytes = charge_of(entry);
    if (!entry->in_index)
        return false;
    const bool stays = entry->charged_bytes < store__shard_object_bytes_max(shard->limit_bytes) &&
                       shard->policy.kind->admit(&shard->policy, entry, &victims, queue);
    if (!stays) {
        shard->counted.rejected++;
        store__shard_unlink_locked(shard, entry);
    }
    store__shard_evict_locked(shard, &victims);
    return stays;
}

bool store__settle_in(struct store_entry *entry, uint8_t queue)
{
    struct store_shard *shard = entry->shard;
    assert(!entry->settled);
    assert(entry->body == NULL || entry->body->state != STORE_BODY_GROWS);
    pthread_mutex_lock(&shard->lock);
    const bool stays = settle_locked(shard, entry, queue);
    pthread_mutex_unlock(&shard->lock);
    return stays;
}

bool store_settle(struct store *store, struct store_entry *entry)
{
    assert(entry->shard->store == store);
    return store__settle_in(entry, 0);
}

bool store_remove(struct store *store, struct store_entry *entry)
{
    struct store_shard *shard = entry->shard;
    assert(shard->store == store);
    pthread_mutex_lock(&shard->lock);
    const bool was_there = entry->in_index;
    if (was_there) {
        shard->counted.removed++;
        store__shard_unlink_locked(shard, entry);
    }
    pthread_mutex_unlock(&shard->lock);
    return was_there;
}

static struct store_entry *find_hash_locked(struct store_shard *shard, uint64_t hash)
{
    struct store_entry *entry = index_first_of(&shard->index, hash);
    while (entry != NULL && entry->hash != hash)
        entry = atomic_load(&entry->next);
    return entry;
}

bool store_remove_hash(struct store *store, uint64_t hash)
{
    struct store_shard *shard = store__shard_of(store, hash);
    pthread_mutex_lock(&shard->lock);
    struct store_entry *entry = find_hash_locked(shard, hash);
    if (entry != NULL) {
        shard->counted.removed++;
        store__shard_unlink_locked(shard, entry);
    }
    pthread_mutex_unlock(&shard->lock);
    return entry != NULL;
}

/* --- Finding -------------------------------------------------------------------------------- */

/* False: the last one was given back already, so it has left the index since it was found there. */
static bool ref_unless_gone(struct store_entry *entry)
{
    uint32_t refs = atomic_load_explicit(&entry->refs_count, memory_order_relaxed);
    while (refs != 0)
        if (atomic_compare_exchange_weak_explicit(&entry->refs_count, &refs, refs + 1,
                                                  memory_order_acquire, memory_order_relaxed))
            return true;
    return false;
}

static void promote(struct store_shard *shard, struct store_entry *entry)
{
    if (pthread_mutex_trylock(&shard->lock) != 0)
        return;
    if (entry->queue != 0)
        shard->policy.kind->promote(&shard->policy, entry);
    pthread_mutex_unlock(&shard->lock);
}

/* Two that count at the same time may count one: it only matters that it is wanted. */
static void count_use(struct store_shard *shard, struct store_entry *entry)
{
    const struct policy_kind *kind = shard->policy.kind;
    const uint8_t uses = policy_uses(entry);
    if (uses < POLICY_USES_MAX)
        policy_set_uses(entry, uses + 1);
    if (kind->touch != NULL)
        kind->touch(&shard->policy, entry);
    if (kind->promote != NULL)
        promote(shard, entry);
}

struct store_entry *store_find(struct store *store, unsigned thread, const struct store_key *key)
{
    struct store_shard *shard = store__shard_of(store, key->hash);
    assert(thread < store->options.threads_count);
    epoch_enter(&store->epochs, thread);
    struct store_entry *entry = index_find(&shard->index, key);
    while (entry != NULL && !ref_unless_gone(entry))
        entry = index_find(&shard->index, key);
    epoch_leave(&store->epochs, thread);
    if (entry != NULL)
        count_use(shard, entry);
    return entry;
}

struct store_entry *store_find_surely(struct store *store, const struct store_key *key)
{
    struct store_shard *shard = store__shard_of(store, key->hash);
    pthread_mutex_lock(&shard->lock);
    struct store_entry *entry = index_find(&shard->index, key);
    if (entry != NULL)
        store_entry_ref(entry);
    pthread_mutex_unlock(&shard->lock);
    return entry;
}

struct store_entry *store_find_hash(struct store *store, uint64_t hash)
{
    struct store_shard *shard = store__shard_of(store, hash);
    pthread_mutex_lock(&shard->lock);
    struct store_entry *entry = find_hash_locked(shard, hash);
    if (entry != NULL)
        store_entry_ref(entry);
    pthread_mutex_unlock(&shard->lock);
    return entry;
}

/* --- All of them ---------------------------------------------------------------------------- */

static void walk_bucket(struct store_shard *shard, uint64_t bucket,
                        enum store_visit (*visit)(void *self, struct store_entry *entry),
                        void *self)
{
    struct store_entry *entry = index_bucket(&shard->index, bucket);
    while (entry != NULL) {
        struct store_entry *next = entry->next;
        if (entry->settled && visit(self, entry) == STORE_REMOVE) {
            shard->counted.removed++;
            store__shard_unlink_locked(shard, entry);
        }
        entry = next;
    }
}

/* A bucket is split into itself and one at the end, so nothing moves to where the walk has been. */
void store_walk(struct store *store, struct store_cursor *cursor, uint32_t buckets_max,
                enum store_visit (*visit)(void *self, struct store_entry *entry), void *self)
{
    if (cursor->done)
        return;
    struct store_shard *shard = &store->shards[cursor->shard];
    pthread_mutex_lock(&shard->lock);
    const uint64_t count = shard->index.buckets_count;
    for (uint32_t i = 0; i < buckets_max && cursor->bucket < count; i++)
        walk_bucket(shard, cursor->bucket++, visit, self);
    const bool is_over = cursor->bucket >= count;
    pthread_mutex_unlock(&shard->lock);
    if (is_over) {
        cursor->bucket = 0;
        cursor->done = ++cursor->shard == store->shards_count;
    }
}
