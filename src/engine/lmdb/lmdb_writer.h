/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/lmdb_writer.h - the thread that writes to a shard: all ops that wait, in one
 * transaction, answered when the disk has it.
 *
 *     stage: lmdb_writer_submit(ops of a turn)
 *     writer: takes what waits, runs it, commits (LMDB syncs), gives each op back to the loop that
 *             it came from, where op->done() is called
 *
 * While the disk syncs, the next ops gather: so the more clients, the more ops a sync. Ops run in
 * the order in which they came, also those that only read but are behind another of their client.
 *
 * What goes wrong:
 *     the disk is full, or there is no memory    all is called off and run op by op, each in a
 *                                                transaction of its own, so that only what does not
 *                                                fit is refused
 *     damage is met                              the same: the command that met it changes nothing
 *     the disk fails                             what was in that transaction is answered
 *                                                UNCERTAIN, and nothing is written from then on (a
 *                                                second sync may succeed although data is gone)
 *
 * Between ops the thread removes what is over and members of no key, in slices. A backup lets all
 * writers pause for the moment in which it begins to read.
 *
 * Memory:  ops are their stage's; the writer's batch is of fixed size.
 * Threads: its own; submit and tick on any.
 * Errors:  answered to the ops. */
#ifndef PANDO_ENGINE_LMDB_LMDB_WRITER_H
#define PANDO_ENGINE_LMDB_LMDB_WRITER_H

#include "engine/lmdb/lmdb_run.h"
#include "loop/loop.h"

#include <pthread.h>

enum {
    LMDB_BATCH_OPS = 1024,               /* in one transaction */
    LMDB_BATCH_BYTES = 16 * 1024 * 1024, /* of arguments; a batch ends at the first op over it */
    LMDB_SLICE_KEYS = 256,               /* removed at once because their time is over */
    LMDB_SLICE_MEMBERS = 4096,
};

/* Where the answered ops of a worker come back; op->holder. Its owner's loop calls done(). */
struct lmdb_answers {
    struct post     post;
    struct loop    *loop;
    pthread_mutex_t lock;
    struct list     ops;
    bool            is_posted;
    uint64_t        outstanding; /* the worker's: with the writer */
};

/* Answers will be given on the thread of @loop. */
void lmdb_answers_init(struct lmdb_answers *answers, struct loop *loop);
/* None is outstanding. */
void lmdb_answers_fini(struct lmdb_answers *answers);

/* An op of a batch, and what its answer was before. */
struct lmdb_batched {
    struct key_op *op;
    size_t         used;
};

struct lmdb_writer {
    struct lmdb_shard  *shard;
    struct lmdb_space   space;
    struct lmdb_run     run;
    pthread_t           thread;
    pthread_mutex_t     lock;
    pthread_cond_t      wake, rested;
    struct list         queue;     /* struct key_op */
    uint64_t            upkeep_ms; /* what is over at it is to be removed; 0: nothing to do */
    uint64_t            taken_over, done; /* ops, ever */
    uint32_t            passed;           /* batches since the last slice */
    uint32_t            pauses;           /* that were asked for and are not over */
    bool                is_asleep, is_stopping, is_running, is_busy;
    struct lmdb_batched batch[LMDB_BATCH_OPS];
};

/* Ready; the thread does not run yet. @value_bytes_max and @seed: lmdb_run.h. */
void lmdb_writer_init(struct lmdb_writer *writer, struct lmdb_shard *shard,
                      uint64_t value_bytes_max, uint64_t seed);

/* Starts the thread. */
must_check enum err_kind lmdb_writer_start(struct lmdb_writer *writer, struct err *e);

/* Writes what waits, ends the thread, frees. Accepts zero. */
void lmdb_writer_stop(struct lmdb_writer *writer);

/* Takes over @count ops (by `link`; each with `holder` a struct lmdb_answers) of @ops, in their
 * order. */
void lmdb_writer_submit(struct lmdb_writer *writer, struct list *ops, uint64_t count);

/* Ops that it took over so far, and is it done with the first @mark of them? So a thread waits for
 * what was under way, however much comes after it. */
uint64_t lmdb_writer_mark(struct lmdb_writer *writer);
bool lmdb_writer_has_done(struct lmdb_writer *writer, uint64_t mark);

/* It is @now_ms: what is over may go. Several times a second. */
void lmdb_writer_tick(struct lmdb_writer *writer, uint64_t now_ms);

/* Nothing is begun from now on, until lmdb_writer_go_on(); what waits goes on waiting. */
void lmdb_writer_pause(struct lmdb_writer *writer);

/* Of one that pauses: waits until nothing is under way, at most until @until_ns of the monotonic
 * clock. False: something still is. */
bool lmdb_writer_rest(struct lmdb_writer *writer, uint64_t until_ns) must_check;

/* Ends one lmdb_writer_pause(). */
void lmdb_writer_go_on(struct lmdb_writer *writer);

/* Does one batch, or a slice, if there is anything to do; what the thread does again and again. For
 * tests, while the thread does not run. False: there was nothing. */
bool lmdb_writer_step(struct lmdb_writer *writer);

#endif
