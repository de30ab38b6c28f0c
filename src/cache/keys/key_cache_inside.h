/* SPDX-License-Identifier: Apache-2.0 */
/* cache/keys/key_cache_inside.h - what the files of the stage share.
 *
 * Threads: the stage's worker, where nothing else is said. */
#ifndef PANDO_CACHE_KEYS_KEY_CACHE_INSIDE_H
#define PANDO_CACHE_KEYS_KEY_CACHE_INSIDE_H

#include "cache/keys/key_cache_stage.h"

static inline void key_cache__count(struct key_cache_stage *stage, enum key_cache_figure figure)
{
    atomic_fetch_add_explicit(&stage->cell->figures[figure], 1, memory_order_relaxed);
}

/* ---- key_cache_child.c: an op of our own in another's place, to see its answer on the way ---- */

struct key_cache_child {
    struct key_op  op; /* first: what goes behind */
    struct key_op *asked;
    size_t         begun; /* bytes in op.out before the answer */
};

/* A copy of @asked that writes to the same `out`; @done is called instead of asked->done(). */
void key_cache__child_init(struct key_cache_child *child, struct key_op *asked,
                           void (*done)(struct key_op *op));

/* What was written for it. */
struct bytes key_cache__child_answer(const struct key_cache_child *child);

/* What the engine said of it becomes the asked one's, whose done() is due. */
void key_cache__child_over(const struct key_cache_child *child);

/* Answers @text, or EXECABORT with it, and ends the op. */
void key_cache__refuse(struct key_op *op, const char *text);

/* ---- key_cache_question.c: what is asked, as the store knows it ---- */

enum { KEY_CACHE_FIELD_BYTES = 10 + KEY_CACHE_COMMAND_BYTES };

struct key_cache_question {
    struct bytes key;
    uint64_t     generation;
    size_t       field_bytes;
    uint8_t      field[KEY_CACHE_FIELD_BYTES];
};

/* False: the answer to @op is never kept. */
bool key_cache__ask(const struct key_cache *cache, const struct key_op *op,
                    struct key_cache_question *question);

/* ---- key_cache_store.c: what is said to the store ---- */

/* Is the answer there, and right at this time? Then it is behind what is in op->out. */
bool key_cache__find(struct key_cache_stage *stage, struct key_op *op,
                     const struct key_cache_question *question);

/* An answer to be kept. */
struct key_cache_kept {
    struct bytes key, field, answer;
    uint64_t     begun_ns, begun_ms; /* when it was read: of the loop's clock, and Unix time */
    uint64_t     fresh_until_ms;     /* 0: for good */
};

/* Keeps it; what the store does not take is not kept. */
void key_cache__keep(struct key_cache_stage *stage, const struct key_cache_kept *kept);

/* Takes all answers about @key out. */
void key_cache__drop(struct key_cache_stage *stage, struct bytes key, uint64_t now_ms);

/* ---- key_cache_read.c ---- */

/* A command whose answer may be kept. */
void key_cache__read(struct key_cache_stage *stage, struct key_op *op,
                     const struct key_cache_question *question);

/* ---- key_cache_wait.c: ops that wait for a read of another ---- */

/* May one more wait? */
bool key_cache__may_wait(const struct key_cache_stage *stage);

/* @op, which is apart, waits in @waiters. */
void key_cache__wait(struct key_cache_stage *stage, struct key_op *op, struct list *waiters);

/* Sends @op, which waited, back to its worker: with an answer in op->out, or to read itself. Any
 * thread. */
void key_cache__give_back(struct key_op *op, bool is_answered);

/* Sets up and ends what they come back by. */
void key_cache__answers_init(struct key_cache_stage *stage);
/* Nothing waits. */
void key_cache__answers_fini(struct key_cache_stage *stage);

/* Must @op stay behind ops that wait here? */
static inline bool key_cache__must_hold(const struct key_cache_stage *stage,
                                        const struct key_op *op)
{
    return op->is_behind && (stage->waiting_count > 0 || !list_is_empty(&stage->held));
}

/* Holds it until they are answered. */
void key_cache__hold(struct key_cache_stage *stage, struct key_op *op);

/* ---- key_cache_write.c ---- */

/* Does @op change keys? */
bool key_cache__changes(const struct key_op *op);

/* Sends it behind as it has to be. */
void key_cache__write(struct key_cache_stage *stage, struct key_op *op);

/* ---- key_cache_stage.c ---- */

/* An op that nothing holds any more. */
void key_cache__go_on(struct key_cache_stage *stage, struct key_op *op);

#endif
