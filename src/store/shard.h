/* SPDX-License-Identifier: Apache-2.0 */
/* store/shard.h - one part of a store: its lock, its memory, its entries. For this folder only.
 *
 * Functions whose name ends in _locked are called with the shard's lock. Those that evict may
 * let go of it meanwhile, to tell the owner; they say so.
 *
 * The way out of an entry: it is taken out of the index, which gives up its reference; the last
 * reference to be given back lets go of its body and puts it among the retired; there it waits
 * until no finder can stand on it (memory/epoch.h), and its memory is free. */
#ifndef PANDO_STORE_SHARD_H
#define PANDO_STORE_SHARD_H

#include "store/memory/epoch.h"
#include "store/memory/index.h"
#include "store/memory/region.h"
#include "store/policy/policy.h"
#include "store/store.h"

#include <pthread.h>

enum { STORE_SHARDS_MAX = 64, STORE_OBJECT_SHARE = 10 };

struct store_shard {
    _Alignas(64) pthread_mutex_t lock;
    struct store        *store;
    struct region        region;
    struct index         index;
    struct policy        policy;
    struct list          retired;       /* oldest first */
    uint64_t             retired_bytes; /* of it, without bodies */
    uint64_t             limit_bytes;
    uint64_t             fixed_bytes; /* its share of struct store */
    struct store_figures counted;     /* counters only */
};

struct store {
    struct epochs        epochs;
    struct store_options options;
    _Atomic uint64_t     limit_bytes;
    uint64_t             limit_max_bytes;
    size_t               own_bytes; /* of this struct, as it was reserved */
    uint32_t             shards_count;
    uint32_t             shards_bits;
    struct store_shard   shards[]; /* by the high bits of the hash */
};

static inline struct store_shard *store__shard_of(struct store *store, uint64_t hash)
{
    return &store->shards[store->shards_bits == 0 ? 0 : hash >> (64 - store->shards_bits)];
}

static inline uint64_t store__shard_object_bytes_max(uint64_t limit_bytes)
{
    return limit_bytes / STORE_OBJECT_SHARE;
}

/* False: no memory. */
bool store__shard_init(struct store_shard *shard, struct store *store, uint64_t limit_bytes)
    must_check;

/* Everything must have been given back but what the index holds. Accepts zero. */
void store__shard_fini(struct store_shard *shard);

/* Memory for @bytes bytes, for which others are evicted; or for fewer, at least @least, where there
 * is no such run; @bytes says how many. NULL: no room. Takes the lock. */
void *store__shard_take(struct store_shard *shard, size_t *bytes, size_t least) must_check;

/* Evicts what is over the limit, as far as it is not held. Takes the lock. */
void store__shard_set_limit(struct store_shard *shard, uint64_t limit_bytes);

/* How much of the limit what is settled may fill, after index, sketch or limit have changed. */
void store__shard_weigh_locked(struct store_shard *shard);

/* Index and sketch for one entry more, where there is room for that. */
void store__shard_grow_locked(struct store_shard *shard);

/* Entries that the policy let go of: out of the index; the owner is told (then without the lock);
 * the index's references are given up. */
void store__shard_evict_locked(struct store_shard *shard, struct list *victims);

/* Out of the index and of its queue; the index's reference is given up. */
void store__shard_unlink_locked(struct store_shard *shard, struct store_entry *entry);

/* Frees those of the retired on which nobody can stand any more. */
void store__shard_collect_locked(struct store_shard *shard);

/* Gives a reference back. */
void store__entry_unref_locked(struct store_shard *shard, struct store_entry *entry);

/* Gives a reference back, the last one with all pieces. Accepts NULL. */
void store__body_unref_locked(struct store_shard *shard, struct store_body *body);

/* Gives a reference back. */
void store__piece_unref_locked(struct store_shard *shard, struct store_piece *piece);

/* Bytes of an entry without its body. */
static inline size_t store__entry_bytes(const struct store_entry *entry)
{
    return (size_t)(store_entry_key(entry) - (const uint8_t *)entry) + entry->key_bytes;
}

/* As store_settle(), into a queue of the policy's; 0: where it likes. */
bool store__settle_in(struct store_entry *entry, uint8_t queue);

/* Index, queues, sketch, the allocator's maps. */
uint64_t store__shard_overhead_locked(const struct store_shard *shard);

#endif
