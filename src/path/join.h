/* SPDX-License-Identifier: Apache-2.0 */
/* path/join.h - one op becomes many, and their answers become one: the only place that merges.
 *
 * A room that needs several targets (copies, shards) starts a join and is asked by its vtable: to
 * take each child further, and, once the rule has decided, to make the parent's answer.
 *
 *     join_start -> start(child) for each, at most `at_once` unfinished
 *                -> rule(tally) after each child, until it decides
 *                -> settled(parent, verdict), once: answers and finishes the parent, or join_pass()
 *                -> released(), last: nothing of the join is left
 *
 * The parent never waits for stragglers. What comes after the decision is swallowed: up to 64 KiB
 * of a late body is read and dropped so that its connection stays usable, then it is broken off.
 * Children may live longer than their parent, so they hold the request, and `released` is where the
 * room lets go of what they walk on (its path). A cancel of the parent ends it at once and cancels
 * its children.
 *
 * Memory:  one block per join from the depot's slab, one op per child. A child that has finished is
 *          freed when the parent is settled; one that is passed on, when it was passed whole.
 * Threads: the parent's worker's.
 * Errors:  without memory for the block the parent is refused; without memory for a child, that
 *          child counts as badly. */
#ifndef PANDO_PATH_JOIN_H
#define PANDO_PATH_JOIN_H

#include "path/op.h"

struct join;

enum {
    JOIN_DROPPED_BYTES_MAX = 65536, /* of a late body; a new connection costs about as much */
};

/* What the rule sees of the children. */
struct join_tally {
    uint32_t children_count;
    uint32_t needed_count; /* as ordered; the quorum */
    uint32_t started_count;
    uint32_t well_count;  /* that count for the quorum */
    uint32_t badly_count; /* that do not, and never will */
    uint32_t finished_count;
};

enum join_verdict {
    JOIN_WAIT,
    JOIN_WELL,
    JOIN_BADLY,
};

/* The rule of most joins. WELL: as many as needed are well; 1: any, count / 2 + 1: most, count:
 * all. BADLY: too few are left for that. */
enum join_verdict join_quorum(const struct join_tally *tally);

/* When a child is counted. */
enum join_counted {
    JOIN_COUNTED_ANSWERED, /* at its answer's head; its body waits in its pipe */
    JOIN_COUNTED_FINISHED, /* at its end; a body that outgrows its room counts badly */
};

/* What a room says about its joins; one const row. */
struct join_kind {
    const char       *name;
    enum join_counted counted;
    bool cancels_rest; /* after the decision; else they run on, and those not started start */
    /* Pure. WAIT with all children counted is taken for BADLY. */
    enum join_verdict (*rule)(const struct join_tally *tally);
    /* Prepares @child and submits it somewhere. Its deadline and request are set. */
    void (*start)(struct join *join, size_t index, struct op *child);
    /* Does this answer count for the quorum? NULL: every one that is no error. */
    bool (*is_well)(struct join *join, const struct op *child);
    /* Takes over @parent: answers and finishes it, or calls join_pass(). */
    void (*settled)(struct join *join, struct op *parent, enum join_verdict verdict);
    /* The last child has ended. May be NULL. */
    void (*released)(void *self);
};

/* Where the blocks come from; one per room and worker. */
struct join_depot {
    struct worker *worker;
    struct slab    slab;
    size_t         children_max;
};

struct join_order {
    const struct join_kind *kind;
    void                   *self;           /* the room's, for the calls above */
    size_t                  children_count; /* 1 to the depot's children_max */
    size_t                  at_once_max;    /* of them unfinished at a time; at least 1 */
    size_t                  needed_count;
    uint32_t                answer_room; /* bytes of each child's body in flight */
};

/* @children_max at most 200. */
void join_depot_init(struct join_depot *depot, struct worker *worker, size_t children_max);

/* No join is left. Accepts zero. */
void join_depot_fini(struct join_depot *depot);

/* Takes over @parent. It may be answered and finished before this returns. */
void join_start(struct join_depot *depot, struct op *parent, const struct join_order *order);

/* From now on so many may be unfinished at a time. It may be settled when this returns. */
void join_allow(struct join *join, size_t at_once_max);

/* What was ordered as `self`. */
void *join_self(const struct join *join);

/* The count so far. */
const struct join_tally *join_tally(const struct join *join);

/* The child at @index, or NULL if it has not started, had no memory, or is freed. While `settled`
 * runs those that were counted are there. */
struct op *join_child(const struct join *join, size_t index);

/* True if the child was counted, and well. */
bool join_is_well(const struct join *join, size_t index);

/* From `settled` only, for a join that counts at the answer: @parent gets the answer of the child
 * at @index, with its body as that comes and with backpressure, and finishes with it. */
void join_pass(struct join *join, struct op *parent, size_t index);

#endif
