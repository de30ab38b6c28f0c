/* SPDX-License-Identifier: Apache-2.0 */
/* store/memory/index.h - from a key to its entry; it grows by one bucket at a time.
 *
 * Chains in a table that is split bucket by bucket (linear hashing), so no insertion ever waits for
 * a rehash. The table's address space is reserved at once; its pages are touched in order, and
 * counted. It does not shrink.
 *
 * Threads: index_find() any, without a lock, within an epoch (memory/epoch.h); all else under the
 *          shard's lock. A find during a split may be looking where the entry no longer is: it
 *          notices and looks again, a few times.
 * Memory:  holds one reference to each entry; the caller counts it. */
#ifndef PANDO_STORE_MEMORY_INDEX_H
#define PANDO_STORE_MEMORY_INDEX_H

#include "store/store.h"

struct index {
    _Atomic(struct store_entry *) *buckets;
    uint64_t                       buckets_max;
    _Atomic uint64_t               buckets_count;
    _Atomic uint64_t               splits_count; /* odd during a split */
    uint64_t                       entries_count;
    size_t                         touched_bytes;
};

/* For at most @entries_max entries (it may hold more; chains are longer then). False: no memory. */
bool index_init(struct index *index, uint64_t entries_max) must_check;

/* Accepts zero. */
void index_fini(struct index *index);

/* The newest entry of that key, or NULL. */
struct store_entry *index_find(struct index *index, const struct store_key *key);

/* The first entry of the chain of @hash, whatever its own; under the lock. */
struct store_entry *index_first_of(struct index *index, uint64_t hash);

/* Before all others of its bucket. */
void index_add(struct index *index, struct store_entry *entry);

/* Takes @entry out, which is there. Who stands on it can still go on from it. */
void index_remove(struct index *index, struct store_entry *entry);

/* Bytes that the table must touch for its next split; 0: none, or none is due. */
size_t index_growth_bytes(const struct index *index);

/* Splits a bucket if there are more entries than buckets. */
void index_grow(struct index *index);

/* The first entry of a bucket below buckets_count. */
struct store_entry *index_bucket(struct index *index, uint64_t bucket);

#endif
