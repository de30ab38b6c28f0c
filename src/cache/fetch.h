/* SPDX-License-Identifier: Apache-2.0 */
/* cache/fetch.h - inside the cache room: a fetch, as its owner sees it; and the request it sends.
 *
 * Threads: the owner's. */
#ifndef PANDO_CACHE_FETCH_H
#define PANDO_CACHE_FETCH_H

#include "cache/cache_inside.h"
#include "loop/timer.h"

#define XXH_STATIC_LINKING_ONLY /* the state's size, so that it lies in the struct */
#include <xxhash.h>

enum {
    CACHE_WINDOW_BYTES = 4 * 1024 * 1024, /* of an answer that outgrew the store; the fastest reader
                                           * is at most half of it behind, the slowest all of it */
    CACHE_PIPE_BYTES = 16 * 1024,         /* of an answer for which the store has no memory */
    CACHE_ROOM_AGAIN_MS = 20,             /* until memory is looked for again */
    CACHE_ROOM_FOUND_MS = 100,    /* since it was found last, until all who found it are counted */
    CACHE_ROOM_PATIENCE_MS = 500, /* before readers that are behind the fastest lose what they have
                                   * not read: who has not caught up by then is slow */
};

/* Lives in its op's arena. */
struct cache_fetch {
    struct frame             frame; /* first */
    struct cache_stage      *stage;
    struct op               *op;
    struct cache_fill       *fill;  /* a reference; fill->fetch is this until it is over */
    struct cache_visit      *first; /* whose request it was made for; NULL: none, or it has left */
    struct cache_begun       begun;
    struct store_entry      *stale; /* a reference */
    struct store_entry      *entry; /* that is being filled; a reference */
    struct store_entry      *part;  /* that the new part may be put to; a reference; NULL: none */
    const struct cache_rule *rule;
    struct cache_ask         ask;
    struct store_entry      *source;   /* that is coded, in place of asking a server; a reference */
    struct cache_coder      *coder;    /* NULL: the body is kept as it comes */
    struct http_head        *own_head; /* of the answer, where that was written anew; or NULL */
    uint8_t                  coded;    /* CACHE_CODED_ bits of compress.h */
    enum cache_refusal       refusal;  /* why the answer is not kept; NONE while it is, or may be */
    uint64_t                 requested_ms;
    uint64_t                 filled_bytes;
    uint32_t                 taken_bytes; /* of the first slice that waits */
    struct timer             room_again;
    uint64_t                 outgrown_ns;   /* when is_window came to be */
    uint64_t                 room_since_ns; /* it waits for memory since then; 0: it does not */
    XXH64_state_t            hash;          /* of the body so far */
    bool                     is_put;        /* the entry can be found */
    bool                     is_part;       /* a range was asked for */
    bool                     wants_etag;
    bool                     is_relaying;
    bool                     is_window;
    bool                     is_settled; /* what was fetched has been dealt with */
    bool                     op_is_finished;
    bool                     is_pumping;
};

/* There may be something to do: the body goes on. The fetch may be gone afterwards. */
void cache__fetch_fill(struct cache_fetch *fetch);

/* Cancels all of the worker: nobody waits for them any more. */
void cache__fetches_cancel(struct cache_side *side);

/* An op whose request is that of @order, as a cache asks it: a whole GET, with the validators of
 * what is stale. NULL: no memory. */
struct op *cache__fetch_op(const struct cache_order *order) must_check;

/* Makes the entry of an answer that may be kept, under the key that it varies by; not put yet. Its
 * refusal, or NONE. */
enum cache_refusal cache__keep_answer(struct cache_fetch *fetch, const struct cache_meta *meta);

/* Makes the entry that a 304 has freshened. False: it may not be kept, or there is no memory. */
bool cache__keep_freshened(struct cache_fetch *fetch, const struct cache_exchange *exchange)
    must_check;

/* Remembers that answers to this URL are not kept. */
void cache__keep_passing(struct cache_fetch *fetch, enum cache_refusal refusal);

#endif
