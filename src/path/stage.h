/* SPDX-License-Identifier: Apache-2.0 */
/* path/stage.h - the one door between the rooms that an op passes through.
 *
 * A room knows only what is below it, given to it by main/assemble.c. On the way up a stage sees
 * any number of
 * interims, exactly one answer, then exactly one finished(outcome), always last, also after a
 * cancel.
 *
 * Memory:  stages belong to a path, and a path to one worker; frames live in the op's arena.
 * Threads: one; nothing here locks. */
#ifndef PANDO_PATH_STAGE_H
#define PANDO_PATH_STAGE_H

#include "core/err.h"

struct op;
struct stage;

/* How an op ended. */
#define OUTCOMES(X)                                                                                \
    X(DONE, "answered whole")                                                                      \
    X(FAILED, "answered with an error of ours, or the answer broke off")                           \
    X(CANCELLED, "the client left before the end")

enum outcome {
#define X(name, gist) OUTCOME_##name,
    OUTCOMES(X)
#undef X
    OUTCOMES_COUNT
};

struct stage_kind {
    const char *name;
    /* Takes over @op. */
    void (*submit)(struct stage *self, struct op *op);
};

/* The head of every room's own stage struct. */
struct stage {
    const struct stage_kind *kind;
    struct stage            *below; /* NULL for an engine */
};

/* Left on the op by a stage that wants to see what comes up. */
struct frame {
    struct frame *above;
    /* Each may be NULL: passed on. One that is there passes on by op_interim_above() and so on,
     * or swallows. */
    void (*interim)(struct frame *self, struct op *op);
    void (*answered)(struct frame *self, struct op *op);
    /* The frame is off the op already. It passes on by op_finish(op, outcome), or submits the op
     * again below. */
    void (*finished)(struct frame *self, struct op *op, enum outcome outcome);
};

static inline void stage_submit(struct stage *stage, struct op *op)
{
    stage->kind->submit(stage, op);
}

#endif
