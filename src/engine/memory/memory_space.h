/* SPDX-License-Identifier: Apache-2.0 */
/* engine/memory/memory_space.h - one stripe of a keyspace in memory: a table of keys as a space.
 *
 * What it holds is counted as the heap counts it, and is never more than the budget that it shares
 * with other spaces allows: a change that needs more evicts keys of this space first, then asks the
 * budget's owner for room in others, then is SPACE_FULL. Keys that were used since
 * memory_space_begin() are not evicted, so what a command found stays while it runs.
 *
 * Memory:  memory_space_init() to memory_space_fini(), or new to free.
 * Threads: whoever holds it; the budget is shared.
 * Errors:  SPACE_FULL for the limit and for the process's memory alike. */
#ifndef PANDO_ENGINE_MEMORY_MEMORY_SPACE_H
#define PANDO_ENGINE_MEMORY_MEMORY_SPACE_H

#include "core/hash.h"
#include "engine/keys/space.h"
#include "path/command/key_op.h"
#include "store/keys/key_table.h"

struct memory_space;

/* What several spaces may hold together. */
struct memory_budget {
    _Atomic uint64_t granted_bytes; /* to spaces, which hold at most that */
    uint64_t         bytes_max;     /* 0: no limit */
    uint32_t         grant_bytes; /* taken at once, so that the counter is not touched each time */
    bool             evicts;      /* false: what does not fit is refused */
    /* Has other spaces give back what they do not need, evicting if need be, until @bytes more can
     * be granted or nobody has any. May be NULL. */
    void (*make_room)(void *self, struct memory_space *asking, uint64_t bytes);
    void *self; /* make_room()'s */
};

/* Could @bytes be granted? */
bool memory_budget_has(const struct memory_budget *budget, uint64_t bytes);

enum { MEMORY_WATCH_LISTS = 32 };

struct memory_counts {
    uint64_t keys, bytes;
    uint64_t hits, misses; /* of commands that read */
    uint64_t evicted, expired, commands;
};

struct memory_space {
    struct space           space; /* first */
    struct key_table       table;
    struct key_tree        order; /* of the keys, where they are ordered */
    const struct hash_key *hash_key;
    struct memory_budget  *budget;
    uint64_t               entries_bytes; /* of entries with their trees, doomed ones too */
    struct key_entry      *doomed; /* large collections that are removed, and freed bit by bit */
    uint64_t               granted_bytes; /* of the budget */
    const uint8_t         *hint_at;       /* the key whose hash is known */
    size_t                 hint_bytes;
    uint64_t               hint_hash;
    bool                   is_reading; /* the command counts hits and misses */
    struct memory_counts   counts;     /* without keys and bytes */
    uint64_t               watches_count;
    struct list            watches[MEMORY_WATCH_LISTS]; /* of key_watch.watched, by hash */
    struct memory_budget   own_budget;                  /* where none is shared */
};

struct memory_space_options {
    const struct hash_key *hash_key; /* borrowed */
    struct memory_budget  *budget;   /* borrowed; NULL: one of its own, of what follows */
    uint64_t               bytes_max;
    bool                   evicts;
    bool                   is_ordered;
    uint8_t                prefix_bits; /* of the hash of all its keys */
    uint32_t               prefix;
};

/* An empty space. */
void memory_space_init(struct memory_space *space, const struct memory_space_options *options);

/* Nothing watches it any more. */
void memory_space_fini(struct memory_space *space);

/* A space by itself, for tests and tools; &it->space is what commands take. NULL: no memory. */
struct memory_space *memory_space_new(const struct memory_space_options *options) must_check;

/* Accepts NULL. */
void memory_space_free(struct memory_space *space);

/* A command at @now_ms begins; @is_reading: its finds are hits or misses. */
void memory_space_begin(struct memory_space *space, uint64_t now_ms, bool is_reading);

/* It is over: what is granted and not needed may be given back. */
void memory_space_end(struct memory_space *space);

/* The hash of @key, which does not change while the command runs, is @hash: it need not be made. */
static inline void memory_space_hint(struct memory_space *space, struct bytes key, uint64_t hash)
{
    space->hint_at = key.at;
    space->hint_bytes = key.count;
    space->hint_hash = hash;
}

/* Bytes that it holds. */
static inline uint64_t memory_space_bytes(const struct memory_space *space)
{
    return space->table.bytes + space->order.bytes + space->entries_bytes;
}

/* Adds to @sum. */
void memory_space_count(const struct memory_space *space, struct memory_counts *sum);

/* Removes keys that are expired at @now_ms, frees what was removed and brings the table nearer to
 * its size: @budget buckets, and some members for each, at most. True: there was more to do. */
bool memory_space_tend(struct memory_space *space, uint64_t now_ms, size_t budget);

/* Gives back what is granted and not needed; then, if @bytes are not free in the budget and it
 * evicts, evicts until they are or nobody is left. */
void memory_space_yield(struct memory_space *space, uint64_t bytes);

/* ---- watches ---- */

/* watch->touched is set from now on when its key changes. What is expired already is gone first. */
void memory_space_watch(struct memory_space *space, struct key_watch *watch);
/* Of the space that watch->place is. */
void memory_space_unwatch(struct key_watch *watch);
/* Was its key changed, or is it expired now? */
bool memory_space_is_touched(struct memory_space *space, const struct key_watch *watch);

#endif
