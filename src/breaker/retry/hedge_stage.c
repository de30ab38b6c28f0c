/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/retry/hedge_stage.c - one child at once, another when the timer fires.
 *
 * Until it is known how long answers take, a request only leaves a frame that measures it. */
#include "breaker/retry/hedge_stage.h"

#include "breaker/retry/budget.h"
#include "core/http.h"
#include "core/units.h"
#include "loop/loop.h"

enum { CHILDREN = 2, FIRST = 0, SECOND = 1 };

/* On a request that is only measured. */
struct measured {
    struct frame        frame; /* first */
    struct hedge_stage *stage;
    uint64_t            submitted_ns;
};

/* On the parent, in its arena. */
struct hedged {
    struct frame        frame; /* first */
    struct hedge_stage *stage;
    struct join        *join;
    struct op          *parent;
    struct timer        timer;
    uint64_t            submitted_ns;
    bool                has_second;
};

/* On the second child, in its arena. */
struct second {
    struct frame    frame; /* first */
    struct service *service;
};

static void measure(struct hedge_stage *stage, const struct op *op, uint64_t submitted_ns)
{
    const uint64_t now_ns = *op->worker->now_ns;
    recent_add(&stage->recent, (now_ns - submitted_ns) / NS_PER_US, now_ns);
}

/* --- the second child ------------------------------------------------------------------------- */

static void second_finished(struct frame *self, struct op *op, enum outcome outcome)
{
    budget_give(((struct second *)(void *)self)->service);
    op_finish(op, outcome);
}

/* Not to the target of the first, which in turn shall not go to this one's. */
static void start_second(struct hedged *hedged, struct join *join, struct op *child)
{
    struct hedge_stage *stage = hedged->stage;
    struct second *second = arena_take(&child->arena, sizeof *second);
    struct op *first = join_child(join, FIRST);
    if (second == NULL) {
        op_refuse(child, ERR_MEMORY, NULL);
        return;
    }
    *second = (struct second){.frame = {.finished = second_finished}, .service = stage->service};
    hedged->has_second = true;
    child->is_single = true;
    if (first != NULL && first->target != NULL)
        op_add_tried(child, first->target);
    op_push(child, &second->frame);
    row_add(&stage->service->rows[child->worker->index].hedges_count, 1);
    stage_submit(stage->stage.below, child);
    first = join_child(join, FIRST);
    const struct op *begun = join_child(join, SECOND);
    if (first != NULL && begun != NULL && begun->target != NULL)
        op_add_tried(first, begun->target);
}

static bool has_other(const struct hedge_stage *stage, const struct op *first)
{
    const struct target_set *set = stage->service->views[first->worker->index].set;
    for (uint32_t i = 0; set != NULL && i < set->count; i++)
        if (set->at[i] != first->target &&
            atomic_load_explicit(&set->at[i]->state, memory_order_relaxed) == TARGET_UP)
            return true;
    return false;
}

/* The join may be settled, and the parent gone, when this returns. */
static void on_timer(struct timer *timer)
{
    struct hedged *hedged = list_item(timer, struct hedged, timer);
    struct hedge_stage *stage = hedged->stage;
    const unsigned index = hedged->parent->worker->index;
    const struct op *first = join_child(hedged->join, FIRST);
    if (first == NULL || first->target == NULL || !has_other(stage, first))
        return;
    if (!budget_take(stage->service, stage->settings)) {
        row_add(&stage->service->rows[index].hedges_denied_count, 1);
        return;
    }
    const uint64_t before = stage->service->rows[index].hedges_count;
    join_allow(hedged->join, CHILDREN);
    if (stage->service->rows[index].hedges_count == before) /* there was no memory for it */
        budget_give(stage->service);
}

/* --- the join --------------------------------------------------------------------------------- */

static struct hedged *hedged_of(struct op *parent)
{
    return (struct hedged *)(void *)parent->top; /* nobody below leaves frames on the parent */
}

static uint64_t delay_ns(const struct hedge_stage *stage, uint64_t now_ns)
{
    const struct retry_settings *settings = stage->settings;
    if (settings->hedge == RETRY_HEDGE_AFTER)
        return settings->hedge_after_ns;
    return recent_p95_ns(&stage->recent, now_ns);
}

static void start(struct join *join, size_t index, struct op *child)
{
    struct hedge_stage *stage = join_self(join);
    struct hedged *hedged = hedged_of(child->parent);
    const struct worker *worker = child->worker;
    if (index == SECOND) {
        start_second(hedged, join, child);
        return;
    }
    hedged->join = join;
    timer_set(&worker->loop->timers, &hedged->timer,
              *worker->now_ns + delay_ns(stage, *worker->now_ns));
    stage_submit(stage->stage.below, child);
}

/* Both may be bad; until the second has begun the first decides. */
static enum join_verdict rule(const struct join_tally *tally)
{
    if (tally->well_count > 0)
        return JOIN_WELL;
    return tally->badly_count >= tally->started_count ? JOIN_BADLY : JOIN_WAIT;
}

static bool is_well(struct join *join, const struct op *child)
{
    (void)join;
    return child->answer.head.status < 500;
}

/* Of two bad answers one of a target tells more than one of ours. */
static size_t winner_of(const struct join *join, enum join_verdict verdict)
{
    const struct op *second = join_tally(join)->started_count > 1 ? join_child(join, SECOND) : NULL;
    const struct op *first = join_child(join, FIRST);
    if (second == NULL)
        return FIRST;
    if (verdict == JOIN_WELL)
        return join_is_well(join, SECOND) ? SECOND : FIRST;
    return first == NULL || (first->answer.error != ERR_NONE && second->answer.error == ERR_NONE)
               ? SECOND
               : FIRST;
}

static void settled(struct join *join, struct op *parent, enum join_verdict verdict)
{
    struct hedged *hedged = hedged_of(parent);
    struct hedge_stage *stage = hedged->stage;
    const size_t winner = winner_of(join, verdict);
    const struct op *child = join_child(join, winner);
    timer_clear(&hedged->timer);
    if (verdict == JOIN_WELL)
        measure(stage, parent, hedged->submitted_ns);
    if (child == NULL || !child->answered) {
        op_refuse(parent, ERR_MEMORY, NULL);
        return;
    }
    parent->retries_count = child->retries_count;
    if (hedged->has_second)
        parent->hedge = winner == SECOND ? OP_HEDGE_WON : OP_HEDGE_LOST;
    if (winner == SECOND)
        row_add(&stage->service->rows[parent->worker->index].hedge_wins_count, 1);
    join_pass(join, parent, winner);
}

static void released(void *self)
{
    const struct hedge_stage *stage = self;
    stage->path.release(stage->path.path); /* the stage may go with it */
}

static const struct join_kind join_kind = {
    .name = "hedge",
    .counted = JOIN_COUNTED_ANSWERED,
    .cancels_rest = true,
    .rule = rule,
    .start = start,
    .is_well = is_well,
    .settled = settled,
    .released = released,
};

/* --- submit ----------------------------------------------------------------------------------- */

static void measured_answered(struct frame *self, struct op *op)
{
    const struct measured *measured = (struct measured *)(void *)self;
    if (op->answer.error == ERR_NONE)
        measure(measured->stage, op, measured->submitted_ns);
    op_answer_above(self, op);
}

static void only_measure(struct hedge_stage *stage, struct op *op)
{
    struct measured *measured = arena_take(&op->arena, sizeof *measured);
    if (measured != NULL) {
        *measured = (struct measured){.frame = {.answered = measured_answered},
                                      .stage = stage,
                                      .submitted_ns = *op->worker->now_ns};
        op_push(op, &measured->frame);
    }
    stage_submit(stage->stage.below, op);
}

/* The parent may end before its children, cancelled or answered. */
static void parent_finished(struct frame *self, struct op *op, enum outcome outcome)
{
    timer_clear(&((struct hedged *)(void *)self)->timer);
    op_finish(op, outcome);
}

static void hedge(struct hedge_stage *stage, struct op *op)
{
    struct hedged *hedged = arena_take(&op->arena, sizeof *hedged);
    if (hedged == NULL) {
        op_refuse(op, ERR_MEMORY, NULL);
        return;
    }
    *hedged = (struct hedged){.frame = {.finished = parent_finished},
                              .stage = stage,
                              .parent = op,
                              .submitted_ns = *op->worker->now_ns};
    timer_init(&hedged->timer, on_timer);
    op_push(op, &hedged->frame);
    stage->path.hold(stage->path.path);
    const struct join_order order = {
        .kind = &join_kind,
        .self = stage,
        .children_count = CHILDREN,
        .at_once_max = 1,
        .needed_count = 1,
        .answer_room = op->answer_body.bytes_max * 2,
    };
    join_start(&stage->depot, op, &order);
}

static bool may_hedge(const struct hedge_stage *stage, const struct op *op)
{
    const struct http_head *head = &op->request->head;
    const bool has_others = stage->service->views[op->worker->index].set->count > 1;
    return has_others && op->request_body == NULL && !head->upgrades &&
           http_method_is_idempotent(head->method);
}

static void submit(struct stage *self, struct op *op)
{
    struct hedge_stage *stage = (struct hedge_stage *)(void *)self;
    if (may_hedge(stage, op) && delay_ns(stage, *op->worker->now_ns) != 0)
        hedge(stage, op);
    else
        only_measure(stage, op);
}

static const struct stage_kind kind = {.name = "hedge", .submit = submit};

void hedge_stage_init(struct hedge_stage *stage, struct worker *worker, struct service *service,
                      const struct retry_settings *settings, struct stage *below)
{
    *stage = (struct hedge_stage){
        .stage = {.kind = &kind, .below = below}, .service = service, .settings = settings};
    join_depot_init(&stage->depot, worker, CHILDREN);
}

void hedge_stage_fini(struct hedge_stage *stage)
{
    if (stage->service != NULL)
        join_depot_fini(&stage->depot);
}
