/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/backup/lmdb_backup.h - what is in shards at one instant, written as a backup.
 *
 * All writers pause between two batches until a reading transaction is begun in each shard, then go
 * on: no transaction is in it half, and no write is missing that was answered before. Reading then
 * takes as long as it takes. Meanwhile no page that it sees is used again, so the file of a shard
 * that is written to grows.
 *
 * Memory:  parts are the caller's; a transaction each, from lmdb_backup_begin() to
 *          lmdb_backup_end().
 * Threads: any one, beside the writers and the readers.
 * Errors:  ERR_LIMIT: the writers could not pause; ERR_INPUT: something is damaged, and named. */
#ifndef PANDO_ENGINE_LMDB_BACKUP_LMDB_BACKUP_H
#define PANDO_ENGINE_LMDB_BACKUP_LMDB_BACKUP_H

#include "codec/backup/backup_write.h"
#include "engine/lmdb/lmdb_writer.h"

enum { LMDB_BACKUP_PAUSE_MS = 5000 }; /* the longest that writers wait, where a disk hangs */

struct lmdb_backup_part {
    struct lmdb_shard  *shard;  /* open, or looked at and entered in @txn */
    struct lmdb_writer *writer; /* NULL: nobody writes */
    struct MDB_txn     *txn;
};

/* Begins to read all of them at one instant; those that have a transaction already keep it. */
must_check enum err_kind lmdb_backup_begin(struct lmdb_backup_part *parts, size_t count,
                                           struct err *e);

/* Ends their transactions. */
void lmdb_backup_end(struct lmdb_backup_part *parts, size_t count);

/* Writes all keys of the part. That the writer failed is no error here. */
must_check enum err_kind lmdb_backup_write(const struct lmdb_backup_part *part,
                                           struct backup_writer *writer, struct err *e);

#endif
