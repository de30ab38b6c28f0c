/* SPDX-License-Identifier: Apache-2.0 */
/* main/directory/passed.h - waits until whatever was under way with an earlier layout is over.
 *
 * First passed_turns(): every worker has ended a turn, so what it had begun was answered or is in
 * the queue of a writer, and what it begins from then on sees what was published before. Then
 * passed_writers(): those queues have come to their present end.
 *
 * Threads: one that may wait, not a worker's and not the control thread. */
#ifndef PANDO_MAIN_DIRECTORY_PASSED_H
#define PANDO_MAIN_DIRECTORY_PASSED_H

#include "main/kept_keyspace.h"
#include "main/worker_thread.h"

/* All loops turn, and go on to do so. */
void passed_turns(struct worker_thread *workers, unsigned count);

/* False: it was not over at @until_ns (monotonic), or was cancelled. */
bool passed_writers(struct kept_keyspace *keyspace, uint64_t until_ns,
                    const _Atomic bool *is_cancelled) must_check;

#endif
