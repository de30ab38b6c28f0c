/* SPDX-License-Identifier: Apache-2.0 */
/* cache/fill.h - an answer that is being fetched, and all who wait for it, on all workers.
 *
 * One worker owns it and fetches; the others only look at what it published: a state and an entry.
 * Whoever waits is in the list of his own worker's group; the owner wakes a group by a post that is
 * embedded in it, once until it has run.
 *
 *     ASKING -> OPEN (an entry may be read, perhaps while it grows) -> over
 *            -> ALONE (each has to ask for himself) | FAILED (all get the error) -> over
 *
 * Memory:  one block; a reference by the owner's fetch, each group's post and each who waits.
 * Threads: `state` is written by the owner; a group's list belongs to its worker; the table has a
 *          lock per stripe. */
#ifndef PANDO_CACHE_FILL_H
#define PANDO_CACHE_FILL_H

#include "core/err.h"
#include "core/list.h"
#include "loop/post.h"
#include "store/store.h"

#include <pthread.h>

enum { CACHE_FILL_STRIPES = 64 };

enum cache_fill_state {
    CACHE_FILL_ASKING,
    CACHE_FILL_OPEN,
    CACHE_FILL_ALONE,
    CACHE_FILL_FAILED,
};

struct cache_fill;
struct loop;

/* Who waits: in his worker's list until he is called. */
struct cache_waiter {
    struct list_link link;
    void (*call)(struct cache_waiter *waiter);
};

struct cache_group {
    struct post        post;
    struct cache_fill *fill;
    struct loop       *loop;      /* set by the worker before it waits */
    struct list        waiters;   /* the worker's */
    _Atomic bool       is_wanted; /* somebody waits */
    _Atomic bool       is_posted;
};

struct cache_fill_stripe {
    pthread_mutex_t lock;
    struct list     fills;
};

struct cache_fills {
    struct cache_fill_stripe stripes[CACHE_FILL_STRIPES];
    _Atomic uint32_t         waiters_count;
};

struct cache_fill {
    struct list_link          link; /* in its stripe; under its lock */
    struct cache_fill_stripe *stripe;
    struct cache_fills       *fills;
    uint64_t                  hash; /* of what it is found by; under the stripe's lock */
    uint8_t                  *key;
    uint32_t                  key_bytes;
    uint8_t                   classes;       /* who asks, as in object.h; only equals join */
    bool                      may_be_joined; /* under the stripe's lock */
    _Atomic bool              is_doomed;     /* what it fetches is out of date already */
    _Atomic uint8_t           state;         /* enum cache_fill_state */
    bool                      is_stale;      /* OPEN: the entry is an old one, as servers fail */
    bool                      is_recalled;   /* OPEN: of the disk; who waited looks again; entry may
                                              * be NULL: it was not there after all */
    bool                      is_part;       /* ALONE: what its first client asked is what came */
    uint16_t                  fetched_status; /* of the server's answer; 0: none */
    struct store_entry       *entry;          /* OPEN; a reference */
    enum err_kind             error;          /* FAILED, with the next three */
    const char               *detail;
    uint16_t                  error_status;
    uint32_t                  retry_after_s;
    _Atomic uint64_t          wanted_until; /* the fastest reader stands here */
    _Atomic uint32_t          readers_count;
    _Atomic bool              is_paused; /* the owner waits for the fastest reader */
    _Atomic uint32_t          refs_count;
    /* A reader has taken what the owner waited for; on the owner's thread. NULL: nobody waits. */
    void (*resumed)(struct cache_fill *fill);
    void              *fetch; /* the owner's */
    unsigned           owner; /* a worker */
    unsigned           groups_count;
    struct cache_group groups[]; /* one per worker */
};

/* An empty table. */
void cache_fills_init(struct cache_fills *fills);
/* Nothing is being fetched. */
void cache_fills_fini(struct cache_fills *fills);

/* A fill for @key, which is copied; with one reference, in no table. NULL: no memory. */
struct cache_fill *cache_fill_new(struct cache_fills *fills, const struct store_key *key,
                                  unsigned owner, unsigned workers_count) must_check;
struct cache_fill *cache_fill_ref(struct cache_fill *fill);
/* Any thread. Accepts NULL. */
void cache_fill_unref(struct cache_fill *fill);

/* From now on it is found by that key. False: no memory for the key. */
bool cache_fill_show(struct cache_fill *fill, const struct store_key *key, bool may_be_joined)
    must_check;
/* It is not found any more. Idempotent. */
void cache_fill_hide(struct cache_fill *fill);

/* What is found for a key that the store did not give. */
enum cache_fill_found {
    CACHE_FILL_IS_MINE,   /* @fill was shown; the caller has to fetch */
    CACHE_FILL_IS_OTHERS, /* *found is another's that may be joined, with a reference */
    CACHE_FILL_IS_OVER,   /* the store has it by now: *entry, with a reference */
};
/* @seen: what the caller found in the store under this key, and wants to replace; or NULL. */
enum cache_fill_found cache_fill_begin(struct cache_fill *fill, struct store *store,
                                       const struct store_entry *seen, struct cache_fill **found,
                                       struct store_entry **entry) must_check;

/* The fill that makes @entry grow, with a reference; NULL: it grows no more. */
struct cache_fill *cache_fill_of(struct cache_fills *fills, const struct store_entry *entry);

/* Marks what is being fetched for that key as out of date. */
void cache_fills_doom(struct cache_fills *fills, const struct store_key *key);

/* Nobody joins any more what is being fetched for the URL @url and its variants, or with
 * @is_prefix for all that begin so. Those who wait already look at what has come. */
void cache_fills_part(struct cache_fills *fills, const char *url, size_t bytes, bool is_prefix);

/* Waits in the group of worker @index. The caller then looks once more at what it waits for, and
 * leaves if that has come. */
void cache_fill_wait(struct cache_fill *fill, unsigned index, struct loop *loop,
                     struct cache_waiter *waiter);
/* No longer. Idempotent. */
void cache_fill_leave(struct cache_fill *fill, unsigned index, struct cache_waiter *waiter);

/* The owner, after it changed something: calls its own group at once, the others by post. */
void cache_fill_wake(struct cache_fill *fill);

/* A reader, after it took something: calls the owner if that waits for it. */
void cache_fill_wake_owner(struct cache_fill *fill);

#endif
