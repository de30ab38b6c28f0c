/* SPDX-License-Identifier: Apache-2.0 */
/* cache/cache.h - a service's cache: its store, what is being fetched for it, and its figures.
 *
 * It is kept over reloads by the service's name. Each worker has a side of it: what belongs to
 * one thread, such as the buffers that lend its memory to connections.
 *
 * Time:    milliseconds since 1970 that never go back: the wall clock at the start and the
 *          monotonic clock from there.
 * Memory:  everything it keeps lies in its store, and on its disk if it has one. A side holds
 *          the cache as long as a stage, a connection or a fetch of its worker needs it.
 * Threads: as each function says. */
#ifndef PANDO_CACHE_CACHE_H
#define PANDO_CACHE_CACHE_H

#include "cache/cache_settings.h"
#include "cache/disk/disk.h"
#include "cache/fill.h"
#include "cache/purge.h"
#include "core/hash.h"
#include "core/slab.h"
#include "core/units.h"
#include "loop/timer.h"
#include "path/cache_row.h"
#include "path/keep.h"
#include "path/worker.h"

enum {
    CACHE_KEY_BYTES_MAX = 16384, /* a longer URL is not kept */
};

struct cache;
struct cache_coder;

/* Those of a worker's side that compress; one after the other has its turn. */
struct cache_turns {
    struct list         waiting;
    struct timer        next;
    struct cache_coder *called;       /* that has its turn now; NULL: none */
    uint64_t            now_ns;       /* the loop's turn that left_bytes is of */
    uint32_t            left_bytes;   /* that may still be compressed in it */
    size_t              memory_bytes; /* that they take together */
};

struct cache_side {
    struct cache      *cache;
    struct worker     *worker; /* NULL: not used yet */
    struct cache_row  *row;
    struct worker_end  end;        /* its fetches end with the worker */
    uint32_t           refs_count; /* stages, lent buffers, fetches and readers of this worker */
    struct slab        lends;
    struct cache_turns turns;
    uint8_t            key[CACHE_KEY_BYTES_MAX]; /* where keys are written to be looked up */
};

/* A walk over the disk for purges; the control thread's. */
struct cache_sweep {
    struct disk_walk walk;
    struct cache    *cache;
    pthread_t        thread;
    bool             is_running; /* the thread was started, and not joined */
    _Atomic bool     is_over;
};

struct cache {
    struct kept         kept; /* first */
    struct store       *store;
    struct cache_sweep  sweep;
    struct disk        *disk;       /* NULL: there is none */
    struct err          disk_error; /* why there is none though it is wanted; NONE else */
    struct hash_key     key;
    uint64_t            clock_ms; /* what is added to the monotonic clock */
    unsigned            workers_count;
    bool                is_warm; /* its snapshot was looked for */
    uint64_t            owner;   /* by which its snapshot's folder knows it; see snapshot.h */
    enum store_policy   policy;
    struct cache_fills  fills;
    struct cache_purges purges;
    _Atomic uint64_t    generations_count; /* names for sets of variants */
    struct cache_row   *rows;              /* workers_count of them, and the control thread's */
    struct cache_side **sides;             /* likewise; each made by its worker */
};

/* Which cache is wanted. */
struct cache_wish {
    const char                  *service;
    const struct cache_settings *settings;
    const char                  *data_path; /* the data directory, for the disk */
    unsigned                     workers_count;
};

/* The cache of the service of that name with a reference, made if there is none or its policy is
 * another (then the disk stays). One whose disk cannot be opened does without. NULL: no memory. */
struct cache *cache_get(struct keep *keep, const struct cache_wish *wish) must_check;

/* Gives a reference back. Accepts NULL. Any thread. */
void cache_give(struct cache *cache);

/* The worker's side, with a reference; on its thread. NULL: no memory. */
struct cache_side *cache_side_get(struct cache *cache, struct worker *worker) must_check;

static inline void cache_side_ref(struct cache_side *side)
{
    side->refs_count++;
}

/* On its thread. */
void cache_side_unref(struct cache_side *side);

static inline uint64_t cache_now_ms(const struct cache_side *side)
{
    return *side->worker->now_ns / NS_PER_MS + side->cache->clock_ms;
}

/* Before the first one compresses. */
void cache__turns_init(struct cache_turns *turns);

/* The hash of a tag. Servers choose tags, so it needs no key; it is the same after a restart. */
uint64_t cache_tag_hash(const uint8_t *at, size_t bytes);

/* The hash by which @bytes bytes are found in the store. */
uint64_t cache_hash(const struct cache *cache, const uint8_t *at, size_t bytes);

/* Writes the key of a URL that a person gave, as a request for it has it, to @out: scheme and
 * host in lower case, without fragment, with a path. NULL, or a sentence about what is wrong. */
const char *cache_url_write(const char *url, char *out, size_t room, size_t *bytes);

/* What the disk has under that hash, or is writing or reading now, is gone; before the same is
 * taken out of the store, so that nothing is missed. Any thread. True: something was there. */
bool cache_disk_forget(struct cache *cache, uint64_t hash);

/* Adds up the rows. Any thread. */
void cache_read_figures(const struct cache *cache, struct cache_figures *sum);

#endif
