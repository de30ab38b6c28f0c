/* SPDX-License-Identifier: Apache-2.0 */
/* store/memory/index.c - linear hashing over chains that are read without a lock.
 *
 * All loads of readers and stores of writers are sequentially consistent: see memory/epoch.h. On
 * x86 such loads cost nothing. */
#include "store/memory/index.h"

#include "core/mem.h"

#include <assert.h>
#include <string.h>

enum { PAGE_BYTES = 4096, BUCKETS_MIN = PAGE_BYTES / sizeof(void *), LOOKS_MAX = 8 };

static uint64_t bucket_of(uint64_t hash, uint64_t buckets_count)
{
    const uint64_t all = ~(uint64_t)0 >> __builtin_clzll(buckets_count);
    const uint64_t bucket = hash & all;
    return bucket < buckets_count ? bucket : hash & (all >> 1);
}

bool index_init(struct index *index, uint64_t entries_max)
{
    const uint64_t wanted = entries_max > BUCKETS_MIN ? entries_max : BUCKETS_MIN;
    *index = (struct index){.buckets_max = (uint64_t)1 << (64 - __builtin_clzll(wanted - 1)),
                            .touched_bytes = PAGE_BYTES};
    atomic_init(&index->buckets_count, BUCKETS_MIN);
    index->buckets = mem_reserve(index->buckets_max * sizeof index->buckets[0]);
    return index->buckets != NULL;
}

void index_fini(struct index *index)
{
    mem_unreserve(index->buckets, index->buckets_max * sizeof index->buckets[0]);
    index->buckets = NULL;
}

static bool is_of(const struct store_entry *entry, const struct store_key *key)
{
    return entry->hash == key->hash && entry->key_bytes == key->bytes &&
           memcmp(store_entry_key(entry), key->at, key->bytes) == 0;
}

static struct store_entry *look(struct index *index, const struct store_key *key)
{
    const uint64_t count = atomic_load(&index->buckets_count);
    struct store_entry *entry = atomic_load(&index->buckets[bucket_of(key->hash, count)]);
    while (entry != NULL && !is_of(entry, key))
        entry = atomic_load(&entry->next);
    return entry;
}

struct store_entry *index_find(struct index *index, const struct store_key *key)
{
    for (int looks = 0; looks < LOOKS_MAX; looks++) {
        const uint64_t splits = atomic_load(&index->splits_count);
        struct store_entry *entry = look(index, key);
        if (entry != NULL)
            return entry;
        if (splits % 2 == 0 && splits == atomic_load(&index->splits_count))
            return NULL;
    }
    return NULL;
}

static _Atomic(struct store_entry *) *chain_of(struct index *index, uint64_t hash)
{
    return &index->buckets[bucket_of(hash, atomic_load(&index->buckets_count))];
}

struct store_entry *index_first_of(struct index *index, uint64_t hash)
{
    return atomic_load(chain_of(index, hash));
}

void index_add(struct index *index, struct store_entry *entry)
{
    _Atomic(struct store_entry *) *chain = chain_of(index, entry->hash);
    atomic_store(&entry->next, atomic_load(chain));
    atomic_store(chain, entry);
    index->entries_count++;
}

void index_remove(struct index *index, struct store_entry *entry)
{
    _Atomic(struct store_entry *) *at = chain_of(index, entry->hash);
    while (atomic_load(at) != entry) {
        assert(atomic_load(at) != NULL);
        at = &atomic_load(at)->next;
    }
    atomic_store(at, atomic_load(&entry->next));
    index->entries_count--;
}

static bool wants_split(const struct index *index)
{
    const uint64_t count = atomic_load(&index->buckets_count);
    return index->entries_count > count && count < index->buckets_max;
}

size_t index_growth_bytes(const struct index *index)
{
    const uint64_t count = atomic_load(&index->buckets_count);
    return wants_split(index) && count * sizeof index->buckets[0] == index->touched_bytes
               ? PAGE_BYTES
               : 0;
}

/* Deals a chain out to two, each in the old order. */
static void deal(struct store_entry *entry, uint64_t bit, _Atomic(struct store_entry *) *low,
                 _Atomic(struct store_entry *) *high)
{
    while (entry != NULL) {
        struct store_entry *next = atomic_load(&entry->next);
        _Atomic(struct store_entry *) **end = (entry->hash & bit) != 0 ? &high : &low;
        atomic_store(*end, entry);
        *end = &entry->next;
        entry = next;
    }
    atomic_store(low, NULL);
    atomic_store(high, NULL);
}

void index_grow(struct index *index)
{
    if (!wants_split(index))
        return;
    const uint64_t count = atomic_load(&index->buckets_count);
    const uint64_t bit = (uint64_t)1 << (63 - __builtin_clzll(count));
    index->touched_bytes += index_growth_bytes(index);
    atomic_fetch_add(&index->splits_count, 1);
    atomic_store(&index->buckets_count, count + 1);
    deal(atomic_load(&index->buckets[count - bit]), bit, &index->buckets[count - bit],
         &index->buckets[count]);
    atomic_fetch_add(&index->splits_count, 1);
}

struct store_entry *index_bucket(struct index *index, uint64_t bucket)
{
    return atomic_load(&index->buckets[bucket]);
}
