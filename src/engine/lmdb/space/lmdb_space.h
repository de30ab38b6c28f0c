/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/space/lmdb_space.h - a shard as the commands see it: struct space over a transaction.
 *
 * One that reads belongs to a worker: its transaction is begun at the first command of a turn, anew
 * once something was committed since, so that no read misses a write that was answered before it,
 * and reset at the turn's end, since pages that an old one may see cannot be used again. One that
 * writes belongs to the writer's thread.
 *
 * A change that fails (disk full, memory, damage met on the way) leaves the transaction failed:
 * every later call says the same, and its owner calls it off with all that was done in it. So a
 * command is done whole or not at all.
 *
 * Costs where this differs from memory: rank() and seek_rank() walk, since LMDB counts nothing; a
 * string over 64 KiB is put together from its chunks whenever it is found.
 *
 * Members and keys over about 490 bytes are cut in LMDB's keys (record.h). Members that long, with
 * the same beginning, stand in the order of a hash, not of their bytes.
 *
 * Memory:  scratch until lmdb_space_rest(); a buffer for the record being written.
 * Threads: one at a time.
 * Errors:  enum space_result. */
#ifndef PANDO_ENGINE_LMDB_SPACE_LMDB_SPACE_H
#define PANDO_ENGINE_LMDB_SPACE_LMDB_SPACE_H

#include "core/list.h"
#include "engine/keys/space.h"
#include "engine/lmdb/lmdb_shard.h"

struct MDB_cursor;

enum {
    LMDB_SLOTS = 16,            /* cursors in trees at once that need not be placed anew */
    LMDB_REMOVED_AT_ONCE = 512, /* members with their key; more go bit by bit */
};

/* One of LMDB's cursors, lent to a space_cursor. */
struct lmdb_slot {
    struct MDB_cursor *cursor;
    bool               is_stale; /* of an earlier transaction that read */
    uint64_t           serial;   /* of the loan */
    uint64_t           used;     /* when, in calls */
};

/* What was done on a space: kept here, so that a command writes to no line that others read. */
struct lmdb_counts {
    uint64_t commands, hits, misses;
};

struct lmdb_space {
    struct space       space; /* first */
    struct lmdb_shard *shard;
    struct MDB_txn    *txn;
    bool               is_writer;
    bool               is_open;      /* in a transaction */
    bool               met_damage;   /* by this command; what it answered is not to be believed */
    uint8_t            failure;      /* enum space_result: of this transaction */
    uint64_t           commits_seen; /* of a reader: before its transaction was begun */
    uint64_t           next_id;      /* 0: not known yet in this transaction */
    uint64_t           changes;      /* of this transaction */
    uint64_t           serial;
    bool               is_reading; /* the command counts hits and misses */
    struct lmdb_counts counts;     /* since lmdb_space_publish() */
    struct list        blocks;     /* scratch of this command */
    uint8_t           *buffer;
    size_t             buffer_room;
    struct lmdb_slot   slots[LMDB_SLOTS];
    /* Of this command: the first expiry among the keys that it found; 0: none. */
    uint64_t fresh_until_ms;
};

/* Holds nothing yet; @shard is borrowed. */
void lmdb_space_init(struct lmdb_space *space, struct lmdb_shard *shard, bool is_writer);

/* Calls a transaction under way off. Accepts zero. */
void lmdb_space_fini(struct lmdb_space *space);

/* Of a reader: a transaction on what is committed by now. */
enum space_result lmdb_space_read(struct lmdb_space *space) must_check;
/* The turn is over. */
void lmdb_space_read_end(struct lmdb_space *space);

/* Of the writer: begins. */
enum space_result lmdb_space_write(struct lmdb_space *space) must_check;
/* Ends it, once nothing in it has failed. What could not be committed did not happen; after FAILED
 * it is not known whether it did. */
enum space_result lmdb_space_commit(struct lmdb_space *space) must_check;
/* Calls off all that was done in it. Accepts one that is in none. */
void lmdb_space_abort(struct lmdb_space *space);

/* Adds what was counted to the shard's figures: once a turn, or a batch. */
void lmdb_space_publish(struct lmdb_space *space);

/* A command is over: its scratch is freed. */
void lmdb_space_rest(struct lmdb_space *space);

/* Would it be DISK_FULL if @bytes more came? */
bool lmdb_space_is_full(struct lmdb_space *space, uint64_t bytes);

/* Of the writer: removes keys whose time has come, at most @most. Returns how many were looked at;
 * as many as @most: there may be more. */
uint32_t lmdb_space_remove_expired(struct lmdb_space *space, uint64_t now_ms, uint32_t most);

/* Removes members of no key, at most @most. Returns how many. */
uint32_t lmdb_space_empty_trash(struct lmdb_space *space, uint32_t most);

/* Is @key there, but its time over at @now_ms? */
bool lmdb_space_is_expired(struct lmdb_space *space, struct bytes key, uint64_t now_ms);

#endif
