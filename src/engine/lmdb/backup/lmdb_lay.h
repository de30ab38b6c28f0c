/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/backup/lmdb_lay.h - lays the items of a backup into a new shard.
 *
 * In large transactions, without a sync before lmdb_lay_end(): until then nothing of it counts.
 *
 * Memory:  the name of the collection that is being laid. Embedded, and does not move.
 * Threads: one.
 * Errors:  ERR_INPUT: an item that cannot be laid here, named; ERR_LIMIT: there is no room. */
#ifndef PANDO_ENGINE_LMDB_BACKUP_LMDB_LAY_H
#define PANDO_ENGINE_LMDB_BACKUP_LMDB_LAY_H

#include "codec/backup/backup_format.h"
#include "engine/lmdb/space/lmdb_space.h"

enum { LMDB_LAY_BATCH_BYTES = 32 * 1024 * 1024 };

struct lmdb_lay {
    struct lmdb_shard  shard;
    struct lmdb_space  space;
    struct space_value value; /* type NONE: no collection is being laid */
    uint8_t           *name;  /* of that collection */
    size_t             name_bytes;
    uint64_t           bytes; /* since the last commit */
};

/* Makes the shard; @settings as of lmdb_shard_open(), but for `sync`. */
must_check enum err_kind lmdb_lay_open(struct lmdb_lay *lay, const struct lmdb_settings *settings,
                                       struct err *e);

/* A STRING, a COLLECTION, or a MEMBER of the collection before it. */
must_check enum err_kind lmdb_lay_item(struct lmdb_lay *lay, const struct backup_item *item,
                                       struct err *e);

/* All is laid, and on the disk. */
must_check enum err_kind lmdb_lay_end(struct lmdb_lay *lay, struct err *e);

/* Closes it. Accepts zero. */
void lmdb_lay_close(struct lmdb_lay *lay);

#endif
