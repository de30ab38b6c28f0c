/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/lmdb_run.h - one op on a shard's space: a command, or the parts of a transaction.
 *
 * Memory:  borrows the space.
 * Threads: whoever has the space.
 * Errors:  answered. Where a reading command met damage on its way, that is its answer, whatever it
 *          had written; where one that writes did, the transaction has failed (lmdb_space.h). */
#ifndef PANDO_ENGINE_LMDB_LMDB_RUN_H
#define PANDO_ENGINE_LMDB_LMDB_RUN_H

#include "engine/keys/run.h"
#include "engine/lmdb/space/lmdb_space.h"

struct lmdb_run {
    struct lmdb_space *space;
    struct space      *spaces[1];
    struct random      random;
    uint64_t           value_bytes_max;
};

/* @seed of what commands draw by chance. */
void lmdb_run_init(struct lmdb_run *run, struct lmdb_space *space, uint64_t value_bytes_max,
                   uint64_t seed);

/* Runs @op, whose space is in a transaction. What it answers is written to op->out behind what is
 * there. EXEC writes the array of its parts' answers, or null if something watched was touched, and
 * its watches are over; WATCH and UNWATCH write nothing. */
void lmdb_run_op(struct lmdb_run *run, struct key_op *op);

/* Answers @text instead of what was written since @used; op->out may be NULL. */
void lmdb_run_refuse(struct key_op *op, size_t used, const char *text);

#endif
