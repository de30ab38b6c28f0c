/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/gate_stage.c - one load for those that are well, one claim for those that are tried. */
#include "breaker/gate_stage.h"

struct passage {
    struct frame       frame; /* first */
    struct gate_stage *stage;
    struct target     *target;
    bool               trial;
};

static void report(const struct passage *passage, bool ok, const char *reason)
{
    struct service *service = passage->stage->service;
    service->reported(service, passage->target, ok, reason);
}

static bool is_connect_failure(enum err_kind kind)
{
    return kind == ERR_CONNECT_REFUSED || kind == ERR_CONNECT_TIMEOUT || kind == ERR_CONNECT_FAILED;
}

/* The target was not asked at all: this node had no memory, descriptor or connection to spare, or a
 * connection was used that had been open before the pause, and it was dead. */
static bool is_nothing_learned(const struct op *op)
{
    const enum err_kind kind = op->answer.error;
    return kind == ERR_NO_TARGET || kind == ERR_LIMIT || kind == ERR_MEMORY ||
           (kind != ERR_NONE && op->kept_connection);
}

static void give_claim_back(struct target *target)
{
    uint32_t claimed = TARGET_PAUSED;
    atomic_compare_exchange_strong(&target->state, &claimed, TARGET_TRIAL);
}

/* The others may have it at once; the control thread hears of it and does the rest. */
static void pass_trial(const struct passage *passage)
{
    uint32_t claimed = TARGET_PAUSED;
    atomic_compare_exchange_strong(&passage->target->state, &claimed, TARGET_UP);
    report(passage, true, NULL);
}

/* Whatever it answered, it could be connected to if something was sent. A client that leaves before
 * that counts against the target: else one that swallows connections would get a client after the
 * other and never a pause. */
static void end_trial(const struct passage *passage, const struct op *op)
{
    const enum err_kind kind = op->answer.error;
    if (is_nothing_learned(op))
        give_claim_back(passage->target);
    else if (kind == ERR_NONE || op->sent_ns != 0)
        pass_trial(passage);
    else if (op->cancelled)
        report(passage, false, "the request that tried it was given up before it accepted");
    else
        report(passage, false, err_row(kind)->sentence);
}

static void answered(struct frame *self, struct op *op)
{
    const struct passage *passage = (struct passage *)(void *)self;
    struct target *target = passage->target;
    if (passage->trial)
        end_trial(passage, op);
    else if (is_connect_failure(op->answer.error) &&
             atomic_load_explicit(&target->state, memory_order_relaxed) != TARGET_PAUSED)
        report(passage, false, err_row(op->answer.error)->sentence);
    op_answer_above(self, op);
}

/* True if this op may have the target; then @trial says whether as its one trial. */
static bool claims(struct target *target, bool *trial)
{
    uint32_t state = atomic_load_explicit(&target->state, memory_order_relaxed);
    *trial = false;
    /* One that has just been taken out of the settings serves those that still see it in their
     * set. */
    if (state == TARGET_UP || state == TARGET_GONE)
        return true;
    if (state != TARGET_TRIAL)
        return false;
    *trial = atomic_compare_exchange_strong(&target->state, &state, TARGET_PAUSED);
    return *trial;
}

static void pass(struct gate_stage *stage, struct op *op, bool trial)
{
    struct passage *passage = arena_take(&op->arena, sizeof *passage);
    if (passage == NULL) {
        if (trial)
            give_claim_back(op->target);
        op_refuse(op, ERR_MEMORY, NULL);
        return;
    }
    *passage = (struct passage){
        .frame = {.answered = answered},
        .stage = stage,
        .target = op->target,
        .trial = trial,
    };
    op->sent_ns = 0; /* of this attempt nothing was sent yet */
    op_push(op, &passage->frame);
    stage_submit(stage->stage.below, op);
}

/* Its agent says how many requests it may have at once; this one is counted already. */
static bool is_full(const struct target *target)
{
    const uint32_t most = atomic_load_explicit(&target->inflight_most, memory_order_relaxed);
    return most != 0 && atomic_load_explicit(&target->inflight, memory_order_relaxed) > most;
}

static void submit(struct stage *self, struct op *op)
{
    bool trial;
    if (is_full(op->target))
        op_refuse(op, ERR_NO_TARGET, "the target has all the requests that its agent allows");
    else if (claims(op->target, &trial))
        pass((struct gate_stage *)(void *)self, op, trial);
    else
        op_refuse(op, ERR_NO_TARGET, "the target is passed over: it could not be connected to");
}

static const struct stage_kind kind = {.name = "gate", .submit = submit};

void gate_stage_init(struct gate_stage *stage, struct service *service, struct stage *below)
{
    *stage = (struct gate_stage){.stage = {.kind = &kind, .below = below}, .service = service};
}
