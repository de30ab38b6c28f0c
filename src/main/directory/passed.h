/* SPDX-License-Identifier: Apache-2.0 */
/* main/directory/passed.h - waits until whatever was under way with an earlier layout is over.
 *
 * First passed_turns() and passed_control_turn(): every thread that walks keys has ended a turn, so
 * what it had begun was answered or is in the queue of a writer, and what it begins from then on
 * sees what was published before. Where ops are held behind the read of another worker (cache/keys)
 * that is so only after a second time: the first has ended all reads, and posted what they held up.
 * Then passed_writers(): those queues have come to their present end.
 *
 * Threads: one that may wait, not a worker's and not the control thread. */
#ifndef PANDO_MAIN_DIRECTORY_PASSED_H
#define PANDO_MAIN_DIRECTORY_PASSED_H

#include "main/kept_keyspace.h"
#include "main/worker_thread.h"

/* The control thread's turn, which walks keys too where an admin listener has them. */
struct passed_control {
    struct post      post;
    struct loop_hook hook;
    struct loop     *loop;
    _Atomic bool     is_over;
};

/* All loops turn, and go on to do so. */
void passed_turns(struct worker_thread *workers, unsigned count);

/* The same of the loop of @control. It may end meanwhile, and @is_cancelled is set then; @passed
 * stays until the loop is over or has passed. */
void passed_control_turn(struct passed_control *passed, struct worker_thread *control,
                         const _Atomic bool *is_cancelled);

/* False: it was not over at @until_ns (monotonic), or was cancelled. */
bool passed_writers(struct kept_keyspace *keyspace, uint64_t until_ns,
                    const _Atomic bool *is_cancelled) must_check;

#endif
