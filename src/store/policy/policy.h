/* SPDX-License-Identifier: Apache-2.0 */
/* store/policy/policy.h - who stays and who leaves: one file and one row for each policy.
 *
 * A policy sees settled entries only, in queues whose bytes are counted. It decides, and frees
 * nothing: what it lets go of is handed to the shard. An entry that somebody besides the index has
 * a reference to is never let go of, since that would make no room: it goes round once more.
 *
 * Memory:  links in the entries; a sketch in the shard's reserve.
 * Threads: under the shard's lock, but for `touch`. Errors: none. */
#ifndef PANDO_STORE_POLICY_POLICY_H
#define PANDO_STORE_POLICY_POLICY_H

#include "store/policy/sketch.h"
#include "store/store.h"

enum {
    POLICY_USES_MAX = 3,
    POLICY_QUEUES = 3,      /* entry.queue is 1 + index; 0: in none */
    POLICY_HELD_MAX = 1024, /* held entries passed over before there is nothing to evict */
};

struct policy_queue {
    struct list list; /* the next to leave is last */
    uint64_t    bytes;
};

struct policy {
    const struct policy_kind *kind;
    struct policy_queue       queues[POLICY_QUEUES];
    uint64_t                  capacity_bytes; /* of all queues; may change at any time */
    struct list_link         *hand;           /* sieve's; NULL: at the end */
    struct sketch             sketch;         /* without memory for those that need none */
    bool                      has_evicted;    /* the warm-up is over */
};

struct policy_kind {
    bool needs_sketch;
    /* Takes @entry in, or does not (false); puts what must leave for it into @victims, and before
     * that what is over the capacity anyhow, since it was held or the capacity has fallen. @queue:
     * where it stood in a snapshot, and shall again, or 0. */
    bool (*admit)(struct policy *policy, struct store_entry *entry, struct list *victims,
                  uint8_t queue);
    /* The next to leave, out of its queue already; NULL: there is none, or all are held. */
    struct store_entry *(*evict)(struct policy *policy);
    /* @entry is about to leave its queue for another reason. NULL: nothing to do. */
    void (*forget)(struct policy *policy, struct store_entry *entry);
    /* It was found; without the lock. NULL: nothing to do, besides the count of uses. */
    void (*touch)(struct policy *policy, struct store_entry *entry);
    /* It was found, with the lock, where that could be had at once. NULL: nothing to do. */
    void (*promote)(struct policy *policy, struct store_entry *entry);
    /* What has more uses is wanted more, wherever it stands. */
    bool wants_by_uses;
    /* Queues in the order in which their members are wanted, least first; ended by 0. */
    uint8_t order[POLICY_QUEUES + 1];
};

/* One per row of STORE_POLICIES, each in a file of its own. */
extern const struct policy_kind policy_s3_fifo, policy_lru, policy_sieve, policy_tinylfu;

/* The one of that row; never NULL. */
const struct policy_kind *policy_kind_of(enum store_policy policy);

/* With no entries; the sketch is the caller's to begin. */
void policy_init(struct policy *policy, const struct policy_kind *kind);

/* Bytes in all queues. */
static inline uint64_t policy_bytes(const struct policy *policy)
{
    return policy->queues[0].bytes + policy->queues[1].bytes + policy->queues[2].bytes;
}

/* To the end that leaves last. */
void policy_push(struct policy *policy, uint8_t queue, struct store_entry *entry);

/* Out of its queue. */
void policy_pull(struct policy *policy, struct store_entry *entry);

/* As policy_pull(), for another reason than eviction; harmless if it is in none. */
void policy_leave(struct policy *policy, struct store_entry *entry);

/* The next to leave of a queue, or NULL. */
struct store_entry *policy_tail(const struct policy *policy, uint8_t queue);

/* Whether anybody besides the index has a reference. */
static inline bool policy_is_held(const struct store_entry *entry)
{
    return atomic_load_explicit(&entry->refs_count, memory_order_relaxed) > 1;
}

/* Evicts into @victims until @bytes more have room. False: that many could not be evicted. */
bool policy_make_room(struct policy *policy, uint64_t bytes, struct list *victims);

/* Hits since it came or was last passed over, up to POLICY_USES_MAX. */
static inline uint8_t policy_uses(const struct store_entry *entry)
{
    return atomic_load_explicit(&entry->uses, memory_order_relaxed);
}

static inline void policy_set_uses(struct store_entry *entry, uint8_t uses)
{
    atomic_store_explicit(&entry->uses, uses, memory_order_relaxed);
}

#endif
