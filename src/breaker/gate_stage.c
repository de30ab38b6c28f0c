/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/gate_stage.c - one load for the well, one claim for the tried. */
#include "breaker/gate_stage.h"

struct passage {
    struct frame       frame; /* first */
    struct gate_stage *stage;
    struct target     *target;
    bool               trial;
};

static bool is_connect_failure(enum err_kind kind)
{
    return kind == ERR_CONNECT_REFUSED || kind == ERR_CONNECT_TIMEOUT || kind == ERR_CONNECT_FAILED;
}

static void answered(struct frame *self, struct op *op)
{
    const struct passage *passage = (struct passage *)(void *)self;
    struct service       *service = passage->stage->service;
    const enum err_kind   kind = op->answer.error;
    if (is_connect_failure(kind))
        service->reported(service, passage->target, false, err_row(kind)->sentence);
    else if (passage->trial || atomic_load_explicit(&passage->target->state, memory_order_relaxed) != TARGET_UP)
        /* Whatever it answered, it could be connected to; but a claim that nothing was learned from is given back. */
        service->reported(service, passage->target, kind != ERR_CANCELLED && kind != ERR_MEMORY && kind != ERR_LIMIT,
                          kind == ERR_NONE ? NULL : err_row(kind)->sentence);
    op_answer_above(self, op);
}

/* True if this op may try the target. */
static bool claims(struct target *target, bool *trial)
{
    uint32_t state = atomic_load_explicit(&target->state, memory_order_relaxed);
    *trial = false;
    if (state == TARGET_UP)
        return true;
    if (state != TARGET_TRIAL)
        return false;
    /* PAUSED until the trial is over, so that nobody else goes there meanwhile. */
    *trial = atomic_compare_exchange_strong(&target->state, &state, TARGET_PAUSED);
    return *trial;
}

static void submit(struct stage *self, struct op *op)
{
    struct gate_stage *stage = (struct gate_stage *)(void *)self;
    bool               trial;
    if (!claims(op->target, &trial)) {
        op_refuse(op, ERR_NO_TARGET, "the target is passed over for now: it could not be connected to");
        return;
    }
    struct passage *passage = arena_take(&op->arena, sizeof *passage);
    if (passage == NULL) {
        if (trial)
            stage->service->reported(stage->service, op->target, false, err_row(ERR_MEMORY)->sentence);
        op_refuse(op, ERR_MEMORY, NULL);
        return;
    }
    *passage = (struct passage){
        .frame = {.answered = answered}, .stage = stage, .target = op->target, .trial = trial};
    op_push(op, &passage->frame);
    stage_submit(self->below, op);
}

static const struct stage_kind kind = {.name = "gate", .submit = submit};

void gate_stage_init(struct gate_stage *stage, struct service *service, struct stage *below)
{
    *stage = (struct gate_stage){.stage = {.kind = &kind, .below = below}, .service = service};
}
