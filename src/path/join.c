/* SPDX-License-Identifier: Apache-2.0 */
/* path/join.c - fan-out, the tally, and what becomes of stragglers.
 *
 * The happy path: pump starts children; child_answered or child_finished counts one and judges;
 * settle hands the parent over and lets the other children go. Every call may answer before it
 * returns, so the block is held (hold, release) by each unfinished child and by whoever walks in
 * it. */
#include "path/join.h"

#include <assert.h>

struct join_child {
    struct frame frame; /* first; on the child's op */
    struct join *join;
    struct op   *op; /* NULL: not started, no memory, or freed */
    uint32_t     dropped_bytes;
    uint8_t      outcome; /* enum outcome, once finished */
    bool         answered, finished, counted, well;
    bool         dropping; /* drop_body() is on the stack */
};

struct join {
    struct join_depot      *depot;
    const struct join_kind *kind;
    void                   *self;
    struct op              *parent;  /* NULL once it was handed over */
    struct request         *request; /* referenced: children outlive the parent */
    const char             *service;
    void                   *path;
    uint64_t                deadline_ns;
    struct join_tally       tally;
    struct join_child      *passing; /* whose answer goes to the parent; NULL: nobody's */
    uint32_t                refs_count;
    uint32_t                live_count; /* started and not finished */
    uint32_t                at_once_max;
    uint32_t                answer_room;
    bool                    settled;
    bool                    stopped;          /* none is started any more */
    bool                    starting, moving; /* on the stack already */
    struct join_child       at[];
};

/* --- life ------------------------------------------------------------------------------------- */

void join_depot_init(struct join_depot *depot, struct worker *worker, size_t children_max)
{
    *depot = (struct join_depot){.worker = worker, .children_max = children_max};
    slab_init(&depot->slab, "joins", sizeof(struct join) + children_max * sizeof(struct join_child),
              0);
}

void join_depot_fini(struct join_depot *depot)
{
    slab_fini(&depot->slab);
}

static void hold(struct join *join)
{
    join->refs_count++;
}

static void release(struct join *join)
{
    if (--join->refs_count > 0)
        return;
    struct join_depot *depot = join->depot;
    void (*const released)(void *) = join->kind->released;
    void *const self = join->self;
    request_unref(join->request);
    slab_give(&depot->slab, join);
    if (released != NULL)
        released(self);
}

void *join_self(const struct join *join)
{
    return join->self;
}

const struct join_tally *join_tally(const struct join *join)
{
    return &join->tally;
}

struct op *join_child(const struct join *join, size_t index)
{
    assert(index < join->tally.children_count);
    return join->at[index].op;
}

bool join_is_well(const struct join *join, size_t index)
{
    assert(index < join->tally.children_count);
    return join->at[index].well;
}

enum join_verdict join_quorum(const struct join_tally *tally)
{
    if (tally->well_count >= tally->needed_count)
        return JOIN_WELL;
    const uint32_t left = tally->children_count - tally->badly_count;
    return left < tally->needed_count ? JOIN_BADLY : JOIN_WAIT;
}

/* --- children nobody waits for --------------------------------------------------------------- */

static void let_go(struct join_child *child);

/* Taking and breaking may end the child, which then waits for this to be over. */
static void drop_body(void *self, struct pipe *pipe)
{
    struct join_child *child = self;
    struct join *join = child->join;
    if (child->dropping)
        return;
    hold(join);
    child->dropping = true;
    while (pipe->count > 0) {
        const struct slice slice = pipe_take(pipe);
        child->dropped_bytes += slice.bytes;
        buf_unref(slice.buf);
    }
    if (child->dropped_bytes > JOIN_DROPPED_BYTES_MAX)
        pipe_break(pipe);
    child->dropping = false;
    if (child->finished)
        let_go(child);
    release(join);
}

/* Its op is freed, or ends without anybody reading. Harmless when repeated. */
static void let_go(struct join_child *child)
{
    struct op *op = child->op;
    if (op == NULL || child->dropping)
        return;
    if (child->finished) {
        child->op = NULL;
        op_free(op);
        return;
    }
    op->parent = NULL;
    if (!child->answered)
        return;
    op->answer_body.readable = (struct pipe_side){drop_body, child};
    drop_body(child, &op->answer_body);
}

static void let_go_of_all(struct join *join, bool cancels)
{
    for (uint32_t i = 0; i < join->tally.started_count; i++) {
        struct join_child *child = &join->at[i];
        if (child == join->passing)
            continue;
        let_go(child);
        if (cancels && child->op != NULL)
            op_cancel(child->op);
    }
}

/* --- passing one answer on -------------------------------------------------------------------- */

static void copy_trailers(struct op *parent, const struct op *child)
{
    const struct http_head *from = child->answer_trailers;
    struct http_head *to = from == NULL ? NULL : arena_take(&parent->arena, sizeof *to);
    if (to != NULL && op_copy_head(&parent->arena, to, from))
        parent->answer_trailers = to; /* without memory they are left out, as they may be */
}

static void end_passing(struct join *join)
{
    struct join_child *child = join->passing;
    struct op *parent = join->parent;
    join->passing = NULL;
    join->parent = NULL;
    parent->answer_body.writable = (struct pipe_side){0};
    if (!parent->answer_body.ended)
        pipe_end(&parent->answer_body, ERR_CANCELLED); /* the parent's reader had left */
    op_finish(parent, (enum outcome)child->outcome);
    let_go(child);
    release(join);
}

/* Any call may come back here, or end it all: then neither pipe may be looked at again. */
static void move_slices(struct join *join, struct pipe *from, struct pipe *to)
{
    const struct join_child *child = join->passing;
    do {
        while (join->passing == child && from->count > 0 && pipe_room(to) > 0)
            pipe_move(from, to);
        if (join->passing != child)
            return;
        if (to->broken)
            pipe_break(from);
        else
            pipe_follow(from, to);
    } while (join->passing == child && from->count > 0 && pipe_room(to) > 0);
}

static void end_body(struct join *join, const struct pipe *from, struct pipe *to)
{
    if (!pipe_is_drained(from) || to->ended)
        return;
    copy_trailers(join->parent, join->passing->op);
    pipe_end(to, (enum err_kind)from->error);
}

static void move(struct join *join)
{
    struct join_child *child = join->passing;
    if (join->moving || child == NULL)
        return;
    struct pipe *from = &child->op->answer_body;
    struct pipe *to = &join->parent->answer_body;
    hold(join);
    join->moving = true;
    move_slices(join, from, to);
    if (join->passing == child)
        end_body(join, from, to);
    join->moving = false;
    if (join->passing == child && child->finished && (from->broken || pipe_is_drained(from)))
        end_passing(join);
    release(join);
}

static void on_body(void *self, struct pipe *pipe)
{
    (void)pipe;
    move(((struct join_child *)self)->join);
}

static void on_room(void *self, struct pipe *pipe)
{
    (void)pipe;
    move(self);
}

static void copy_answer(struct op *parent, struct op *child)
{
    parent->sent_ns = child->sent_ns;
    parent->kept_connection = child->kept_connection;
    parent->answer.close = child->answer.close;
    if (child->held != NULL)
        op_hold_target(parent, child->held);
}

/* The parent ends at once; its children are told, and nobody waits for them. */
static void cancelled(struct op *parent)
{
    struct join *join = parent->holder;
    const bool was_passing = join->passing != NULL;
    hold(join);
    join->settled = join->stopped = true;
    join->parent = NULL;
    join->passing = NULL;
    parent->answer_body.writable = (struct pipe_side){0};
    let_go_of_all(join, true);
    op_refuse(parent, ERR_CANCELLED, NULL);
    if (was_passing)
        release(join);
    release(join);
}

void join_pass(struct join *join, struct op *parent, size_t index)
{
    struct join_child *child = &join->at[index];
    assert(join->kind->counted == JOIN_COUNTED_ANSWERED && child->answered && child->op != NULL);
    const struct answer *answer = &child->op->answer;
    assert(!answer->tunnel); /* a tunnel has two directions, and a request of its own */
    copy_answer(parent, child->op);
    if (answer->error != ERR_NONE) {
        parent->answer.status = answer->status;
        parent->answer.retry_after_s = answer->retry_after_s;
        op_refuse(parent, answer->error, answer->detail);
        return;
    }
    if (!op_copy_head(&parent->arena, &parent->answer.head, &answer->head)) {
        op_refuse(parent, ERR_MEMORY, NULL);
        return;
    }
    join->parent = parent;
    join->passing = child;
    hold(join); /* the child may have finished long before its body was passed on */
    parent->holder = join;
    parent->on_cancel = cancelled;
    parent->answer_body.writable = (struct pipe_side){on_room, join};
    child->op->answer_body.readable = (struct pipe_side){on_body, child};
    op_answer(parent);
    move(join);
}

/* --- the decision ----------------------------------------------------------------------------- */

static void settle(struct join *join, enum join_verdict verdict)
{
    struct op *parent = join->parent;
    hold(join); /* the child that was counted may end in here */
    join->settled = true;
    join->stopped = verdict == JOIN_BADLY || join->kind->cancels_rest;
    join->parent = NULL;
    parent->on_cancel = NULL; /* whoever answers it does so at once, or sets its own */
    parent->holder = NULL;
    join->kind->settled(join, parent, verdict);
    let_go_of_all(join, join->kind->cancels_rest);
    release(join);
}

static void judge(struct join *join)
{
    const struct join_tally *tally = &join->tally;
    if (join->settled)
        return;
    enum join_verdict verdict = join->kind->rule(tally);
    if (verdict == JOIN_WAIT && tally->well_count + tally->badly_count == tally->children_count)
        verdict = JOIN_BADLY;
    if (verdict != JOIN_WAIT)
        settle(join, verdict);
}

static void count(struct join_child *child, bool well)
{
    struct join_tally *tally = &child->join->tally;
    if (child->counted)
        return;
    child->counted = true;
    child->well = well;
    if (well)
        tally->well_count++;
    else
        tally->badly_count++;
}

static bool is_well(struct join *join, const struct op *op)
{
    if (op->answer.error != ERR_NONE)
        return false;
    return join->kind->is_well == NULL || join->kind->is_well(join, op);
}

/* --- fan-out ---------------------------------------------------------------------------------- */

static void pump(struct join *join);

/* Nobody reads a body before its end: what does not fit in its pipe cannot come. */
static void check_room(void *self, struct pipe *pipe)
{
    (void)self;
    if (!pipe->ended && pipe_room(pipe) == 0)
        pipe_break(pipe);
}

static void child_answered(struct frame *self, struct op *op)
{
    struct join_child *child = (struct join_child *)(void *)self;
    struct join *join = child->join;
    child->answered = true;
    if (join->settled) {
        let_go(child);
    } else if (join->kind->counted == JOIN_COUNTED_FINISHED) {
        op->answer_body.readable = (struct pipe_side){check_room, child};
    } else {
        count(child, is_well(join, op));
        judge(join);
    }
}

static void child_finished(struct frame *self, struct op *op, enum outcome outcome)
{
    struct join_child *child = (struct join_child *)(void *)self;
    struct join *join = child->join;
    const bool whole =
        outcome == OUTCOME_DONE && op->answer_body.error == ERR_NONE && !op->answer_body.broken;
    if (!op->answer_body.ended)
        pipe_end(&op->answer_body, whole ? ERR_NONE : ERR_TARGET_INCOMPLETE);
    child->finished = true; /* from here on any call may free the op */
    child->outcome = (uint8_t)outcome;
    op->answer_body.readable = op->answer_body.writable = (struct pipe_side){0};
    join->live_count--;
    join->tally.finished_count++;
    count(child, whole && is_well(join, op));
    judge(join);
    if (join->passing == child)
        move(join);
    else if (join->settled)
        let_go(child);
    pump(join);
    release(join);
}

static void start(struct join *join, uint32_t index)
{
    struct join_child *child = &join->at[index];
    struct op *op = op_new_child(join->depot->worker, join->request, join->answer_room);
    if (op == NULL) {
        child->finished = true;
        join->tally.finished_count++;
        count(child, false);
        judge(join);
        return;
    }
    child->frame = (struct frame){.answered = child_answered, .finished = child_finished};
    child->op = op;
    op->parent = join->parent;
    op->deadline_ns = join->deadline_ns;
    op->service = join->service;
    op->path = join->path;
    op_push(op, &child->frame);
    join->live_count++;
    hold(join);
    join->kind->start(join, index, op);
}

static bool wants_more(const struct join *join)
{
    return !join->stopped && join->tally.started_count < join->tally.children_count &&
           join->live_count < join->at_once_max;
}

/* A child may end before start() returns; then the loop goes on, instead of a deeper one. */
static void pump(struct join *join)
{
    if (join->starting)
        return;
    join->starting = true;
    while (wants_more(join))
        start(join, join->tally.started_count++);
    join->starting = false;
}

void join_allow(struct join *join, size_t at_once_max)
{
    join->at_once_max = (uint32_t)at_once_max;
    hold(join);
    pump(join);
    release(join);
}

void join_start(struct join_depot *depot, struct op *parent, const struct join_order *order)
{
    assert(order->children_count > 0 && order->children_count <= depot->children_max);
    assert(order->at_once_max > 0);
    struct join *join = slab_take(&depot->slab);
    if (join == NULL) {
        void (*const released)(void *) = order->kind->released;
        op_refuse(parent, ERR_MEMORY, NULL);
        if (released != NULL)
            released(order->self);
        return;
    }
    *join = (struct join){
        .depot = depot,
        .kind = order->kind,
        .self = order->self,
        .parent = parent,
        .request = request_ref(parent->request),
        .service = parent->service,
        .path = parent->path,
        .deadline_ns = parent->deadline_ns,
        .tally = {.children_count = (uint32_t)order->children_count,
                  .needed_count = (uint32_t)order->needed_count},
        .refs_count = 1,
        .at_once_max = (uint32_t)order->at_once_max,
        .answer_room = order->answer_room,
    };
    for (size_t i = 0; i < order->children_count; i++)
        join->at[i] = (struct join_child){.join = join};
    parent->holder = join;
    parent->on_cancel = cancelled;
    pump(join);
    release(join);
}
