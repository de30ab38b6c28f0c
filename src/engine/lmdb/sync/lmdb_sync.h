/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/sync/lmdb_sync.h - `sync: interval`: LMDB never asks the disk, a thread does every
 * interval, and after a power cut the state of the last time is whole.
 *
 * LMDB overwrites no page that a transaction under way may see. So a reading transaction is held at
 * the state that was synced last: what the kernel writes after that, in whatever order, destroys
 * nothing of it but the file's two heads. The synced head is therefore kept in a file of its own:
 *
 *     DIR/NNNN/sync.state   two slots of a page each, written in turns: sum, boot, file, head
 *
 *     step: hold a transaction at what is committed -> sync the data -> write the slot, sync it ->
 *           let go of the transaction of the step before
 *     open: the file is there, and the machine was started anew since: the head is put back
 *
 * Where only the process was killed, the kernel has all that was written, and nothing is put back.
 * A clean end syncs, and removes the file.
 *
 * Memory:  a struct lmdb_sync of the heap, the shard's.
 * Threads: a step at a time: the opener's, then its own, then the closer's.
 * Errors:  a sync that failed ends all writing (shard->failed), as with `always`. */
#ifndef PANDO_ENGINE_LMDB_SYNC_LMDB_SYNC_H
#define PANDO_ENGINE_LMDB_SYNC_LMDB_SYNC_H

#include "engine/lmdb/lmdb_shard.h"

struct lmdb_sync;

/* Before the environment at shard->path is opened: puts back the head of the last sync, if the
 * machine was started anew since. */
must_check enum err_kind lmdb_sync_recover(const struct lmdb_shard *shard, struct err *e);

/* Of one that is only looked at: is that still to be done? */
must_check enum err_kind lmdb_sync_look(const struct lmdb_shard *shard, struct err *e);

/* Before anything is written to the environment: the first step, where shard->sync is INTERVAL,
 * else the end of an earlier one's file. */
must_check enum err_kind lmdb_sync_begin(struct lmdb_shard *shard, struct err *e);

/* Syncs what is committed, if anything was since. False: it failed, and shard->failed is set. */
bool lmdb_sync_step(struct lmdb_sync *sync);

/* Starts the thread that steps every @interval_ns; without shard->syncing nothing. */
must_check enum err_kind lmdb_sync_start(struct lmdb_shard *shard, uint64_t interval_ns,
                                         struct err *e);

/* Ends the thread, if it runs. */
void lmdb_sync_stop(struct lmdb_shard *shard);

/* The last step, before the environment is closed. Accepts a shard without. */
void lmdb_sync_end(struct lmdb_shard *shard);

/* ---- for tests ---- */

/* Makes the file at @path look as if the machine had been started since, on another file if @inode
 * is not 0. */
must_check bool lmdb__sync_age(const char *path, uint64_t inode);

#endif
