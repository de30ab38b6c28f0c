/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/lmdb_watches.h - which keys of a shard are watched (WATCH), and by whom.
 *
 * A watch begins in the writer, behind all changes that were made before, so what its client reads
 * afterwards is what it watches. It may end on any thread.
 *
 * Memory:  the struct key_watch is its client's; it is in here from lmdb_watches_add() to
 *          lmdb_watches_remove().
 * Threads: any, under the lock; touching costs nothing while nobody watches. */
#ifndef PANDO_ENGINE_LMDB_LMDB_WATCHES_H
#define PANDO_ENGINE_LMDB_LMDB_WATCHES_H

#include "core/bytes.h"
#include "core/hash.h"
#include "path/command/key_op.h"

#include <pthread.h>
#include <stdatomic.h>

enum { LMDB_WATCHES_BUCKETS = 256 };

struct lmdb_watches {
    pthread_mutex_t  lock;
    _Atomic uint64_t count;
    struct hash_key  hash_key; /* clients choose the keys */
    struct list      buckets[LMDB_WATCHES_BUCKETS];
};

/* Nothing is watched yet. */
void lmdb_watches_init(struct lmdb_watches *watches, struct hash_key hash_key);

/* Nothing is watched any more. */
void lmdb_watches_fini(struct lmdb_watches *watches);

/* @watch is told of changes of its key from now on. */
void lmdb_watches_add(struct lmdb_watches *watches, struct key_watch *watch);

/* Accepts one that is nowhere. */
void lmdb_watches_remove(struct lmdb_watches *watches, struct key_watch *watch);

/* @key was changed: whoever watches it is told. */
void lmdb_watches_touch(struct lmdb_watches *watches, struct bytes key);

/* All keys for which @is_there is true were changed at once. */
void lmdb_watches_touch_all(struct lmdb_watches *watches,
                            bool (*is_there)(void *self, struct bytes key), void *self);

/* Was any of @list (struct key_watch by `link`; NULL: none) touched? */
bool lmdb_watches_touched(struct lmdb_watches *watches, struct list *list);

#endif
