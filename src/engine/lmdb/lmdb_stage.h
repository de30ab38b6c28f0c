/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/lmdb_stage.h - a worker's door to a shard on the disk.
 *
 * What only reads, and is not behind an earlier op of its client, is run at once on what is
 * committed, in one transaction a turn, or several where something is committed meanwhile. What
 * writes, and what is behind, goes to the writer at the turn's end, all of the turn together.
 *
 * Memory:  embedded, and does not move; an op that waits is apart (path/command/key_op.h).
 * Threads: its worker's.
 * Errors:  answered: BUSY when too many ops wait, FAILED once the disk takes no writes. */
#ifndef PANDO_ENGINE_LMDB_LMDB_STAGE_H
#define PANDO_ENGINE_LMDB_LMDB_STAGE_H

#include "engine/lmdb/lmdb_writer.h"

#define LMDB_BUSY "BUSY too many writes of the keyspace wait for the disk; try again"

struct lmdb_stage_options {
    struct lmdb_shard  *shard;
    struct lmdb_writer *writer;
    struct loop        *loop;
    uint64_t            waiting_max;     /* ops with the writer, of all workers */
    uint64_t            value_bytes_max; /* of a string that a command makes */
    uint64_t            seed;            /* of what commands draw by chance */
};

struct lmdb_stage {
    struct key_door     door; /* first */
    struct lmdb_shard  *shard;
    struct lmdb_writer *writer;
    struct lmdb_space   space;
    struct lmdb_run     run;
    struct lmdb_answers answers;
    struct loop_hook    hook;
    struct list         fresh; /* ops of this turn for the writer */
    uint64_t            fresh_count;
    uint64_t            waiting_max;
};

/* Ready for ops; what @options name is borrowed. */
void lmdb_stage_init(struct lmdb_stage *stage, const struct lmdb_stage_options *options);

/* No op is under way; before the writer's stop and the shard's close. Accepts zero. */
void lmdb_stage_fini(struct lmdb_stage *stage);

#endif
