/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/lmdb_visit.h - a walk over all keys of a shard by a thread of its own.
 *
 * Memory:  none is kept. Threads: any.
 * Errors:  of reading. */
#ifndef PANDO_ENGINE_LMDB_LMDB_VISIT_H
#define PANDO_ENGINE_LMDB_LMDB_VISIT_H

#include "engine/lmdb/space/lmdb_space.h"

/* Visits each key that is there at @now_ms, in several transactions: one that is there throughout
 * is visited, what is damaged too. False of @visit ends the walk. Not OK: it could not be read to
 * the end. */
enum space_result lmdb_shard_visit(struct lmdb_shard *shard, uint64_t now_ms, space_visit *visit,
                                   void *self) must_check;

#endif
