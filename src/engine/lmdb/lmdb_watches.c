/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/lmdb_watches.c - buckets of watches under one lock. */
#include "engine/lmdb/lmdb_watches.h"

#include <assert.h>

void lmdb_watches_init(struct lmdb_watches *watches, struct hash_key hash_key)
{
    const int error = pthread_mutex_init(&watches->lock, NULL);
    assert(error == 0);
    (void)error;
    atomic_init(&watches->count, 0);
    watches->hash_key = hash_key;
    for (unsigned i = 0; i < LMDB_WATCHES_BUCKETS; i++)
        list_init(&watches->buckets[i]);
}

void lmdb_watches_fini(struct lmdb_watches *watches)
{
    assert(atomic_load(&watches->count) == 0);
    pthread_mutex_destroy(&watches->lock);
}

static struct list *bucket_of(struct lmdb_watches *watches, struct bytes key)
{
    return &watches
                ->buckets[hash_sip13(&watches->hash_key, key.at, key.count) % LMDB_WATCHES_BUCKETS];
}

static struct bytes key_of(const struct key_watch *watch)
{
    return (struct bytes){watch->key, watch->key_bytes};
}

void lmdb_watches_add(struct lmdb_watches *watches, struct key_watch *watch)
{
    struct list *bucket = bucket_of(watches, key_of(watch));
    pthread_mutex_lock(&watches->lock);
    watch->place = bucket;
    list_add_last(bucket, &watch->watched);
    atomic_fetch_add(&watches->count, 1);
    pthread_mutex_unlock(&watches->lock);
}

void lmdb_watches_remove(struct lmdb_watches *watches, struct key_watch *watch)
{
    pthread_mutex_lock(&watches->lock);
    if (watch->place != NULL) {
        list_remove(&watch->watched);
        watch->place = NULL;
        atomic_fetch_sub(&watches->count, 1);
    }
    pthread_mutex_unlock(&watches->lock);
}

void lmdb_watches_touch(struct lmdb_watches *watches, struct bytes key)
{
    if (atomic_load(&watches->count) == 0)
        return;
    struct list *bucket = bucket_of(watches, key);
    pthread_mutex_lock(&watches->lock);
    list_each(bucket, link, after)
    {
        struct key_watch *watch = list_item(link, struct key_watch, watched);
        if (bytes_equal(key_of(watch), key))
            watch->touched = true;
    }
    pthread_mutex_unlock(&watches->lock);
}

void lmdb_watches_touch_all(struct lmdb_watches *watches,
                            bool (*is_there)(void *self, struct bytes key), void *self)
{
    if (atomic_load(&watches->count) == 0)
        return;
    pthread_mutex_lock(&watches->lock);
    for (unsigned i = 0; i < LMDB_WATCHES_BUCKETS; i++) {
        list_each(&watches->buckets[i], link, after)
        {
            struct key_watch *watch = list_item(link, struct key_watch, watched);
            if (!watch->touched && is_there(self, key_of(watch)))
                watch->touched = true;
        }
    }
    pthread_mutex_unlock(&watches->lock);
}

bool lmdb_watches_touched(struct lmdb_watches *watches, struct list *list)
{
    bool touched = false;
    if (list == NULL)
        return false;
    pthread_mutex_lock(&watches->lock);
    list_each(list, link, after)
    {
        touched |= list_item(link, struct key_watch, link)->touched;
    }
    pthread_mutex_unlock(&watches->lock);
    return touched;
}
