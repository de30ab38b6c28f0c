/* SPDX-License-Identifier: Apache-2.0 */
/* balance/balance_stage.c - picking and counting. */
#include "balance/balance_stage.h"

#include "core/mem.h"
#include "core/units.h"

#include <assert.h>

struct attempt {
    struct frame          frame; /* first */
    struct balance_stage *stage;
    struct target        *target;
    bool                  answered;
};

static void count_answer(struct attempt *attempt, const struct op *op)
{
    struct target_row *row = &attempt->target->rows[attempt->stage->worker->index];
    if (op->answer.error != ERR_NONE) {
        row_add(&row->failures_count, 1);
        row_add(&row->statuses_count[0], 1);
        return;
    }
    const unsigned class = op->answer.head.status / 100u;
    row_add(&row->statuses_count[class < 6 ? class : 0], 1);
    histogram_record(&row->latency_us, (op->answered_ns - op->sent_ns) / NS_PER_US);
}

static void answered(struct frame *self, struct op *op)
{
    struct attempt *attempt = (struct attempt *)(void *)self;
    attempt->answered = true;
    count_answer(attempt, op);
    op_answer_above(self, op);
}

static void finished(struct frame *self, struct op *op, enum outcome outcome)
{
    struct attempt                *attempt = (struct attempt *)(void *)self;
    const struct balance_strategy *strategy = attempt->stage->strategy;
    atomic_fetch_sub_explicit(&attempt->target->inflight, 1, memory_order_relaxed);
    if (strategy->finished != NULL) {
        const struct sample sample = {
            .latency_ns = op->answered_ns > op->sent_ns && op->sent_ns != 0 ? op->answered_ns - op->sent_ns : 0,
            .failed = outcome == OUTCOME_FAILED,
        };
        strategy->finished(attempt->stage->state, attempt->target, &sample);
    }
    op_finish(op, outcome);
}

static void draw(struct ask *ask, struct balance_stage *stage, struct op *op)
{
    ask->now_ns = *stage->worker->now_ns;
    for (int i = 0; i < BALANCE_DRAWS; i++)
        ask->draw[i] = random_next(&stage->worker->random);
    ask->tried = op->tried;
    ask->tried_count = op->tried_count;
}

static void submit(struct stage *self, struct op *op)
{
    struct balance_stage *stage = (struct balance_stage *)(void *)self;
    struct ask            ask;
    draw(&ask, stage, op);
    const size_t index = stage->strategy->pick(stage->state, stage->set, &ask);
    if (index == BALANCE_NONE) {
        op->target = NULL;
        op_refuse(op, ERR_NO_TARGET,
                  op->tried_count > 0   ? "none of the service's targets can be connected to"
                  : stage->set->count == 0 ? "every target of the service is passed over for now, or none is known"
                                           : NULL);
        return;
    }
    struct attempt *attempt = arena_take(&op->arena, sizeof *attempt);
    if (attempt == NULL) {
        op_refuse(op, ERR_MEMORY, NULL);
        return;
    }
    struct target *target = stage->set->at[index];
    *attempt = (struct attempt){
        .frame = {.answered = answered, .finished = finished}, .stage = stage, .target = target};
    op->target = target;
    atomic_fetch_add_explicit(&target->inflight, 1, memory_order_relaxed);
    row_add(&target->rows[stage->worker->index].requests_count, 1);
    op_push(op, &attempt->frame);
    stage_submit(self->below, op);
}

static void set_changed(struct service_listener *listener, const struct target_set *set)
{
    struct balance_stage *stage = list_item(listener, struct balance_stage, listener);
    stage->set = set;
    if (stage->strategy->set_changed != NULL)
        stage->strategy->set_changed(stage->state, set);
}

static const struct stage_kind kind = {.name = "balance", .submit = submit};

bool balance_stage_init(struct balance_stage *stage, struct worker *worker, struct service *service,
                        const char *strategy, struct stage *below)
{
    *stage = (struct balance_stage){
        .stage = {.kind = &kind, .below = below},
        .worker = worker,
        .service = service,
        .listener = {.changed = set_changed},
        .strategy = balance_find(strategy),
    };
    assert(stage->strategy != NULL); /* settings allow no other name */
    link_init(&stage->listener.link);
    if (stage->strategy->state_bytes > 0) {
        stage->state = mem_alloc(stage->strategy->state_bytes);
        if (stage->state == NULL)
            return false;
    }
    struct service_view *view = &service->views[worker->index];
    list_add_last(&view->listeners, &stage->listener.link);
    set_changed(&stage->listener, view->set);
    return true;
}

void balance_stage_fini(struct balance_stage *stage)
{
    if (stage->strategy == NULL)
        return;
    list_remove(&stage->listener.link);
    mem_free(stage->state);
}
