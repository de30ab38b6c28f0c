/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/gate_stage.c - one load for those that are well, one claim for those that are tried. */
#include "breaker/gate_stage.h"

struct passage {
    struct frame       frame; /* first */
    struct gate_stage *stage;
    struct target     *target;
    uint64_t           started_ns;
    uint32_t           epoch; /* of the trials' word */
    uint8_t            mode;  /* enum trials_mode: whether it is a trial, and of which sort */
    bool               is_timed;
    bool               is_well; /* so far */
};

static bool is_trial(const struct passage *passage)
{
    return passage->mode == TRIALS_BY_CONNECT || passage->mode == TRIALS_BY_ANSWER;
}

static void report(const struct passage *passage, bool ok, const char *reason)
{
    struct service *service = passage->stage->service;
    service->reported(service, passage->target, ok, reason);
}

/* Another connection would fare the same. */
static bool has_no_way(enum err_kind kind)
{
    return kind == ERR_CONNECT_REFUSED || kind == ERR_CONNECT_TIMEOUT ||
           kind == ERR_CONNECT_FAILED || kind == ERR_TARGET_UNREACHABLE;
}

/* The target was not asked at all: this node had no memory, descriptor or connection to spare, or a
 * connection was used that had been open before the pause, and it was dead. */
static bool is_nothing_learned(const struct op *op)
{
    const enum err_kind kind = op->answer.error;
    return kind == ERR_NO_TARGET || kind == ERR_LIMIT || kind == ERR_MEMORY ||
           (kind != ERR_NONE && kind != ERR_TARGET_UNREACHABLE && op->kept_connection);
}

/* The others may have it at once; the control thread hears of it and does the rest. */
static void pass_trial(const struct passage *passage)
{
    uint32_t tried = TARGET_TRIAL;
    const uint64_t word = trials_read(&passage->target->trials);
    if (trials_epoch_of(word) == passage->epoch)
        atomic_compare_exchange_strong(&passage->target->state, &tried, TARGET_UP);
    report(passage, true, NULL);
}

/* Whatever it answered, it could be connected to if something was sent. A client that leaves before
 * that counts against the target: else one that swallows connections would get a client after the
 * other and never a pause. */
static void end_connect_trial(const struct passage *passage, const struct op *op)
{
    const enum err_kind kind = op->answer.error;
    if (is_nothing_learned(op))
        trials_give_back(&passage->target->trials, passage->epoch);
    else if (kind == ERR_NONE || (op->sent_ns != 0 && !has_no_way(kind)))
        pass_trial(passage);
    else if (op->cancelled)
        report(passage, false, "the request that tried it was given up before it accepted");
    else
        report(passage, false, err_row(kind)->sentence);
}

/* --- for its circuit breaker ------------------------------------------------------------------ */

/* This node had no way there, or the connection that was tried had been dead for long. */
static bool is_not_asked(enum err_kind kind)
{
    return kind == ERR_NO_TARGET || kind == ERR_TARGET_STALE || kind == ERR_TARGET_NOT_SENT;
}

static struct circuit_verdict judge(const struct passage *passage, const struct op *op)
{
    const struct answer *answer = &op->answer;
    const struct circuit_evidence evidence = {
        .error = answer->error,
        .status = answer->head.status,
        .says_when =
            answer->error == ERR_NONE && http_head_has(&answer->head, HTTP_FIELD_RETRY_AFTER),
        .is_cancelled = op->cancelled,
        .is_timed = passage->is_timed,
        .elapsed_ns = *op->worker->now_ns - passage->started_ns,
    };
    if (is_not_asked(answer->error))
        return (struct circuit_verdict){.finding = CIRCUIT_NOTHING};
    return circuit_judge(&passage->stage->judge, &evidence);
}

/* Not if the state has changed since it came in. */
static void count(const struct passage *passage, const struct op *op,
                  const struct circuit_verdict *verdict)
{
    struct target *target = passage->target;
    if (trials_epoch_of(trials_read(&target->trials)) == passage->epoch)
        circuit_tally_add(&target->rows[op->worker->index].circuit, verdict->failed, verdict->slow);
}

/* A trial that could be connected to ends a pause as well, if there was one. */
static void end_answer_trial(const struct passage *passage, const struct op *op,
                             const struct circuit_verdict *verdict)
{
    struct trials *trials = &passage->target->trials;
    if (verdict->finding == CIRCUIT_NOTHING)
        trials_give_back(trials, passage->epoch);
    else
        trials_report(trials, passage->epoch, verdict->failed, verdict->slow);
    if (!is_nothing_learned(op) && !has_no_way(op->answer.error) &&
        (op->answer.error == ERR_NONE || op->sent_ns != 0))
        report(passage, true, NULL);
}

/* What cannot be connected to is paused, which is another matter. */
static void tell_circuit(struct passage *passage, const struct op *op)
{
    const struct circuit_verdict verdict = judge(passage, op);
    passage->is_well = verdict.finding == CIRCUIT_WELL;
    if (passage->mode == TRIALS_BY_ANSWER)
        end_answer_trial(passage, op, &verdict);
    else if ((verdict.finding == CIRCUIT_WELL || verdict.finding == CIRCUIT_BAD) &&
             !has_no_way(op->answer.error))
        count(passage, op, &verdict);
}

/* --- what comes up ---------------------------------------------------------------------------- */

static void answered(struct frame *self, struct op *op)
{
    struct passage *passage = (struct passage *)(void *)self;
    struct target *target = passage->target;
    if (passage->mode == TRIALS_BY_CONNECT)
        end_connect_trial(passage, op);
    else if (has_no_way(op->answer.error) &&
             atomic_load_explicit(&target->state, memory_order_relaxed) != TARGET_PAUSED)
        report(passage, false, err_row(op->answer.error)->sentence);
    if (passage->stage->has_circuit || passage->mode == TRIALS_BY_ANSWER)
        tell_circuit(passage, op);
    op_answer_above(self, op);
}

/* Only with a circuit breaker. A trial has been reported on by then. */
static void finished(struct frame *self, struct op *op, enum outcome outcome)
{
    const struct passage *passage = (struct passage *)(void *)self;
    const struct circuit_verdict broke_off = {.finding = CIRCUIT_BAD, .failed = true};
    if (passage->is_well && !is_trial(passage) && !op->cancelled &&
        circuit_is_failure((enum err_kind)op->answer_body.error))
        count(passage, op, &broke_off);
    op_finish(op, outcome);
}

/* --- what comes down -------------------------------------------------------------------------- */

/* What is claimed. */
struct claim {
    uint32_t         epoch;
    enum trials_mode mode;
};

/* True if this op may have the target. */
static bool claims(struct target *target, struct claim *claim)
{
    const uint32_t state = atomic_load_explicit(&target->state, memory_order_acquire);
    const uint64_t word = trials_read(&target->trials);
    *claim = (struct claim){.epoch = trials_epoch_of(word), .mode = TRIALS_FREE};
    /* One that has just been taken out of the settings serves those that still see it in their
     * set. */
    if (state == TARGET_UP || state == TARGET_GONE)
        return true;
    return state == TARGET_TRIAL && trials_claim(&target->trials, &claim->epoch, &claim->mode);
}

static void pass(struct gate_stage *stage, struct op *op, const struct claim *claim)
{
    struct passage *passage = arena_take(&op->arena, sizeof *passage);
    if (passage == NULL) {
        if (claim->mode != TRIALS_FREE)
            trials_give_back(&op->target->trials, claim->epoch);
        op_refuse(op, ERR_MEMORY, NULL);
        return;
    }
    *passage = (struct passage){
        .frame = {.answered = answered, .finished = stage->has_circuit ? finished : NULL},
        .stage = stage,
        .target = op->target,
        .started_ns = *op->worker->now_ns,
        .epoch = claim->epoch,
        .mode = (uint8_t)claim->mode,
        .is_timed = op->request_body == NULL,
    };
    op->sent_ns = 0; /* of this attempt nothing was sent yet */
    op_push(op, &passage->frame);
    stage_submit(stage->stage.below, op);
}

static const char *why(const struct target *target)
{
    switch ((enum target_state)atomic_load_explicit(&target->state, memory_order_relaxed)) {
    case TARGET_OPEN: return "the target is passed over: its circuit breaker is open";
    case TARGET_TRIAL: return "the target is passed over: its trials are under way";
    default: return "the target is passed over: it could not be connected to";
    }
}

/* Its agent says how many requests it may have at once; this one is counted already. */
static bool is_full(const struct target *target)
{
    const uint32_t most = atomic_load_explicit(&target->inflight_most, memory_order_relaxed);
    return most != 0 && atomic_load_explicit(&target->inflight, memory_order_relaxed) > most;
}

static void refuse(struct op *op, const char *detail)
{
    row_add(&op->target->rows[op->worker->index].refused_count, 1);
    op_refuse(op, ERR_NO_TARGET, detail);
}

static void submit(struct stage *self, struct op *op)
{
    struct claim claim;
    if (is_full(op->target)) {
        refuse(op, "the target has all the requests that its agent allows");
        return;
    }
    if (claims(op->target, &claim)) {
        pass((struct gate_stage *)(void *)self, op, &claim);
        return;
    }
    refuse(op, why(op->target));
}

static const struct stage_kind kind = {.name = "gate", .submit = submit};

void gate_stage_init(struct gate_stage *stage, struct service *service,
                     const struct circuit_judge *of, struct stage *below)
{
    *stage = (struct gate_stage){
        .stage = {.kind = &kind, .below = below},
        .service = service,
        .has_circuit = of != NULL,
    };
    if (of != NULL)
        stage->judge = *of;
}
