/* SPDX-License-Identifier: Apache-2.0 */
/* cache/keys/key_cache_stage.h - a worker's door between partition and the door of one shard's
 * engine: answers of hot keys come from a store in memory.
 *
 *     partition > key_cache > engine        behind: the engine's door; it may answer later
 *                         \ store           a door of the memory engine; it answers at once
 *
 * A command that reads one key, and whose answer depends on nothing but what is under it (flag READ
 * without VARIES and WHOLE), is looked for in the store first. There each key has a hash: a field
 * is the protocol's version, the generation and the command without its key; its value is when that
 * was read, until when it is right, and the answer as it was written. So limit, eviction and
 * expiry are the store's. Errors are not kept, and nothing is an answer like any other.
 *
 * Of what finds nothing at the same time one reads and the others wait for it, on whatever worker
 * they are. What changes keys takes them out of the store (key_cache.h says why nothing older can
 * come back). All else goes behind as it is, and so does what is behind an op of its own client;
 * while ops of this stage wait for a read of another, it is held until they are answered, lest a
 * client's GET be answered by what it wrote afterwards.
 *
 * Memory:  embedded, and does not move; an op that waits is apart (path/command/key_op.h). A read
 *          that is kept and a write take a block until they are done.
 * Threads: its worker's; reads end on the worker that began them, and waiters come back on theirs.
 * Errors:  OOM where an op cannot be kept. What the engine answers, uncertain or refused, is passed
 *          on; a write takes its keys out all the same. */
#ifndef PANDO_CACHE_KEYS_KEY_CACHE_STAGE_H
#define PANDO_CACHE_KEYS_KEY_CACHE_STAGE_H

#include "cache/keys/key_cache.h"
#include "codec/resp/resp_out.h"
#include "loop/loop.h"
#include "path/command/key_op.h"

#define KEY_CACHE_NO_MEMORY "OOM out of memory"

struct key_cache_stage_options {
    struct key_cache *cache;
    struct key_door  *behind; /* the engine's, of one shard */
    struct key_door  *store;  /* one shard that answers within submit(), the worker's own door */
    struct loop      *loop;
};

/* Ops that waited for a read of another, on their way back. */
struct key_cache_answers {
    struct post     post;
    pthread_mutex_t lock;
    struct list     answered, unanswered; /* struct key_op; the latter must read themselves */
    bool            is_posted;
};

struct key_cache_stage {
    struct key_door                door; /* first */
    struct key_cache_stage_options options;
    struct key_cache_cell         *cell;
    struct key_cache_answers       answers;
    uint64_t                       waiting_count; /* ops of this stage that wait for a read */
    struct list     held;    /* struct key_op that must not overtake them, in their order */
    struct resp_out scratch; /* what is given to the store, and what it says to that */
};

/* Ready for ops; what @options names is borrowed. */
void key_cache_stage_init(struct key_cache_stage *stage,
                          const struct key_cache_stage_options *options);

/* No op is under way; before the doors' end. Accepts zero. */
void key_cache_stage_fini(struct key_cache_stage *stage);

#endif
