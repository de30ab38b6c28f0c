/* SPDX-License-Identifier: Apache-2.0 */
/* cache/purge.h - what an operator says is out of date: a URL, all that begin so, all with a tag.
 *
 * A purge is a rule with a number. Whatever was asked of a server before the rule was made, and is
 * meant by it, is gone (hard) or stale (soft): for a hit from that moment on, for an answer that is
 * still on its way when it has come, and for all the rest as a walk finds it. The rule goes when
 * the walk is over and no fetch from before it is under way.
 *
 *     URL          no walk: its entry and the variants that its sign knows are dealt with at once
 *     prefix, tag  a walk over all entries, in steps; and then over the disk, by a thread
 *
 * The table is bounded. A rule that only waits for a slow fetch gives its place up after
 * CACHE_PURGE_LINGER_MS, or where another needs it: then no fetch from before it is kept.
 *
 * Memory:  the table; the texts of URLs and prefixes.
 * Threads: purges and steps on the control thread; all else any. With no rule a hit pays for two
 *          loads; with rules each entry takes the table's lock once per purge, to read. */
#ifndef PANDO_CACHE_PURGE_H
#define PANDO_CACHE_PURGE_H

#include "core/err.h"
#include "core/list.h"
#include "store/store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct cache;
struct cache_row;
struct cache_side;

enum {
    CACHE_PURGES_MAX = 256, /* rules at once */
    CACHE_PURGE_TEXT_BYTES_MAX = 8192,
    CACHE_PURGE_LINGER_MS = 60000,
};

/* In cache_object.stale_ms: it was purged hard. */
#define CACHE_PURGED_HARD UINT64_MAX

#define CACHE_PURGES(X)                                                                            \
    X(URL, "url")                                                                                  \
    X(PREFIX, "prefix")                                                                            \
    X(TAG, "tag")

enum cache_purge_by {
#define X(name, word) CACHE_PURGE_##name,
    CACHE_PURGES(X)
#undef X
};

struct cache_purge_order {
    enum cache_purge_by by;
    bool                is_soft; /* stale: servers are asked whether it still holds */
    const char         *text;    /* as cache_url_write() makes it, or a tag */
    uint32_t            bytes;
};

/* What orders have purged so far; the control thread's. It must stay until nothing waits. */
struct cache_purge_sum {
    uint64_t purged_count;
    uint32_t waiting_count; /* orders whose walk is not over */
};

enum cache_purge_verdict { CACHE_PURGE_NOT, CACHE_PURGE_SOFT, CACHE_PURGE_HARD };

/* Something kept, as rules see it. */
struct cache_purge_facts {
    uint64_t        seen; /* the number of the last purge before it was asked for */
    const uint8_t  *url;  /* its key, without what a variant adds */
    uint32_t        url_bytes;
    const uint64_t *tags; /* cache_tag_hash() of each */
    uint32_t        tags_count;
};

struct cache_purge_rule {
    uint64_t                number;
    uint64_t                since_ms;
    enum cache_purge_by     by;
    bool                    is_soft, is_swept;
    char                   *text;
    uint32_t                bytes;
    uint64_t                hash; /* of a tag */
    struct cache_purge_sum *sum;  /* NULL: told already */
    _Atomic uint64_t        purged_count;
};

/* Fetches of one worker, in the order in which they began. */
struct cache_begun_list {
    struct list      begun;
    _Atomic uint64_t oldest; /* the `seen` of the first; UINT64_MAX: there is none */
} __attribute__((aligned(64)));

struct cache_begun {
    struct list_link link;
    uint64_t         seen;
};

struct cache_purges {
    _Atomic uint64_t         number; /* of the last purge; grows over restarts */
    _Atomic uint64_t         newest; /* of the rules in the table; 0: there is none */
    _Atomic uint64_t         floor;  /* fetches that began before that are not kept */
    pthread_rwlock_t         lock;   /* of the rules; none is taken while it is held */
    struct cache_purge_rule  rules[CACHE_PURGES_MAX];
    uint32_t                 rules_count;
    struct cache_begun_list *workers;
    unsigned                 workers_count;
    bool                     is_walking;  /* for all rules up to walk_number */
    bool                     is_sweeping; /* the disk, for the same; after the store */
    uint64_t                 walk_number;
    struct store_cursor      cursor;
};

/* False: no memory. */
bool cache_purges_init(struct cache_purges *purges, unsigned workers_count) must_check;
/* Accepts zero. */
void cache_purges_fini(struct cache_purges *purges);

/* Orders a purge; @sum grows now and as steps are made. ERR_LIMIT: too many are under way. */
enum err_kind cache_purge(struct cache *cache, const struct cache_purge_order *order,
                          uint64_t now_ns, struct cache_purge_sum *sum, struct err *e) must_check;

/* Goes on with the walk, and drops rules that are done. True: there is more to walk, so it is to
 * be called again soon; else now and then. @now_ns: monotonic. */
bool cache_purges_step(struct cache *cache, uint64_t now_ns);

/* What rules say of something that is kept elsewhere; it counts as purged by them. */
enum cache_purge_verdict cache_purges_apply(struct cache *cache,
                                            const struct cache_purge_facts *facts);

/* The same of an entry of the store, and notes it there; counts in @row. Who is told HARD ought to
 * remove it. */
enum cache_purge_verdict cache_purge_look(struct cache *cache, struct cache_row *row,
                                          struct store_entry *entry, uint64_t now_ms);

/* Do rules mean it? Nothing is noted. */
bool cache_purge_means(struct cache *cache, struct store_entry *entry);

/* A fetch begins, before it is sent; and is over, after what it brought was looked at. The worker's
 * thread. */
void cache_purge_begin(struct cache_side *side, struct cache_begun *begun);
void cache_purge_end(struct cache_side *side, struct cache_begun *begun);

/* A rule that may mean what it brings has gone already: it is not to be kept. */
bool cache_purge_forgot(const struct cache *cache, const struct cache_begun *begun);

#endif
