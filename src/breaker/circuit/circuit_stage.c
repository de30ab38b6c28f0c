/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/circuit/circuit_stage.c - one load for those that pass, a claim for those that try. */
#include "breaker/circuit/circuit_stage.h"

#include "core/http.h"
#include "core/units.h"
#include "path/reply.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { DETAIL_BYTES = 160 };

struct passage {
    struct frame          frame; /* first */
    struct circuit_stage *stage;
    uint64_t              started_ns;
    uint32_t              epoch;
    bool                  is_trial;
    bool                  is_timed;
    bool                  is_well; /* so far */
};

/* --- what comes up --------------------------------------------------------------------------- */

/* Not if the state has changed since it came in: it says nothing about what is now. */
static void count(const struct passage *passage, const struct op *op,
                  const struct circuit_verdict *verdict)
{
    struct service_circuit *circuit = passage->stage->circuit;
    if (trials_epoch_of(trials_read(&circuit->trials)) == passage->epoch)
        circuit_tally_add(&circuit->rows[op->worker->index].tally, verdict->failed, verdict->slow);
}

static void end_trial(const struct passage *passage, const struct circuit_verdict *verdict)
{
    struct trials *trials = &passage->stage->circuit->trials;
    if (verdict->finding == CIRCUIT_NOTHING)
        trials_give_back(trials, passage->epoch);
    else
        trials_report(trials, passage->epoch, verdict->failed, verdict->slow);
}

static void answered(struct frame *self, struct op *op)
{
    struct passage *passage = (struct passage *)(void *)self;
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
    const struct circuit_verdict verdict = circuit_judge(&passage->stage->judge, &evidence);
    passage->is_well = verdict.finding == CIRCUIT_WELL;
    if (passage->is_trial)
        end_trial(passage, &verdict);
    else if (verdict.finding == CIRCUIT_WELL || verdict.finding == CIRCUIT_BAD)
        count(passage, op, &verdict);
    op_answer_above(self, op);
}

/* A trial has been reported on by then. */
static void finished(struct frame *self, struct op *op, enum outcome outcome)
{
    const struct passage *passage = (struct passage *)(void *)self;
    const struct circuit_verdict broke_off = {.finding = CIRCUIT_BAD, .failed = true};
    if (passage->is_well && !passage->is_trial && !op->cancelled &&
        circuit_is_failure((enum err_kind)op->answer_body.error))
        count(passage, op, &broke_off);
    op_finish(op, outcome);
}

/* --- instead --------------------------------------------------------------------------------- */

/* "the circuit breaker of shop is open: 62 % of 120 answers in 10 s were failures", in the op's
 * arena; NULL without memory. */
static const char *why(const struct circuit_stage *stage, struct op *op, bool is_open)
{
    const struct circuit_cause cause = service_circuit_cause(stage->circuit);
    char reason[80];
    char *detail = arena_take(&op->arena, DETAIL_BYTES + sizeof stage->service->name);
    if (detail == NULL)
        return NULL;
    circuit_write_cause(&cause, stage->window_ns, reason, sizeof reason);
    (void)snprintf(detail, DETAIL_BYTES + sizeof stage->service->name,
                   "the circuit breaker of %s is %s: %s", stage->service->name,
                   is_open ? "open" : "half-open and all its trials are under way", reason);
    return detail;
}

static uint32_t retry_after_s(const struct circuit_stage *stage, uint64_t now_ns)
{
    const uint64_t until_ns = atomic_load_explicit(&stage->circuit->until_ns, memory_order_relaxed);
    return until_ns <= now_ns ? 1 : (uint32_t)seconds_up(until_ns - now_ns);
}

static void answer_instead(const struct circuit_stage *stage, struct op *op, const char *detail)
{
    char line[DETAIL_BYTES + 128];
    struct reply reply;
    reply_start(&reply, op, stage->fallback->status);
    if (stage->body != NULL)
        reply_add(&reply, HTTP_FIELD_CONTENT_TYPE, stage->fallback->content_type);
    (void)snprintf(line, sizeof line, "pando; error=destination_unavailable; details=\"%s\"",
                   detail != NULL ? detail : "the circuit breaker is open");
    reply_add_name(&reply, "Proxy-Status", line);
    reply_send(&reply, stage->body != NULL ? buf_ref(stage->body) : NULL);
}

/* Here a stale answer will be looked for when there is a cache. */
static void refuse(const struct circuit_stage *stage, struct op *op, enum trials_mode mode)
{
    struct service_row *row = &stage->service->rows[op->worker->index];
    const bool is_open = mode == TRIALS_SHUT;
    row_add(&row->breaker_refused_count, 1);
    if (stage->elsewhere != NULL || stage->fallback->status != 0)
        row_add(&row->breaker_fallback_count, 1);
    if (stage->elsewhere != NULL) {
        stage_submit(stage->elsewhere, op);
    } else if (stage->fallback->status != 0) {
        answer_instead(stage, op, why(stage, op, is_open));
    } else {
        op->answer.retry_after_s = retry_after_s(stage, *op->worker->now_ns);
        op_refuse(op, ERR_CIRCUIT_OPEN, why(stage, op, is_open));
    }
}

/* --- what comes down ------------------------------------------------------------------------- */

static void pass(struct circuit_stage *stage, struct op *op, uint32_t epoch, bool is_trial)
{
    struct passage *passage = arena_take(&op->arena, sizeof *passage);
    if (passage == NULL) {
        if (is_trial)
            trials_give_back(&stage->circuit->trials, epoch);
        op_refuse(op, ERR_MEMORY, NULL);
        return;
    }
    *passage = (struct passage){
        .frame = {.answered = answered, .finished = finished},
        .stage = stage,
        .started_ns = *op->worker->now_ns,
        .epoch = epoch,
        .is_trial = is_trial,
        .is_timed = op->request_body == NULL,
    };
    op_push(op, &passage->frame);
    stage_submit(stage->stage.below, op);
}

static void submit(struct stage *self, struct op *op)
{
    struct circuit_stage *stage = (struct circuit_stage *)(void *)self;
    const uint64_t word = trials_read(&stage->circuit->trials);
    enum trials_mode mode = trials_mode_of(word);
    uint32_t epoch = trials_epoch_of(word);
    if (mode == TRIALS_FREE)
        pass(stage, op, epoch, false);
    else if (trials_claim(&stage->circuit->trials, &epoch, &mode))
        pass(stage, op, epoch, true);
    else
        refuse(stage, op, mode);
}

static const struct stage_kind kind = {.name = "circuit", .submit = submit};

/* --- life ------------------------------------------------------------------------------------ */

void circuit_judge_init(struct circuit_judge *judge, const struct circuit_settings *settings)
{
    const bool is_list = config_statuses_read(&judge->statuses, settings->statuses);
    assert(is_list); /* settings were checked */
    judge->slow_ns = settings->slow_ns;
}

static bool make_body(struct circuit_stage *stage)
{
    const struct fallback_settings *fallback = stage->fallback;
    const bool is_file = fallback->file_at != NULL;
    const void *at = is_file ? fallback->file_at : fallback->body;
    const size_t bytes = is_file ? fallback->file_bytes : strlen(fallback->body);
    if (fallback->status == 0 || bytes == 0)
        return true;
    stage->body = buf_new_copy(at, bytes);
    return stage->body != NULL;
}

bool circuit_stage_init(struct circuit_stage *stage, const struct circuit_stage_parts *parts,
                        struct stage *below)
{
    *stage = (struct circuit_stage){
        .stage = {.kind = &kind, .below = below},
        .service = parts->service,
        .circuit = parts->circuit,
        .fallback = parts->fallback,
        .window_ns = parts->settings->window_ns,
    };
    circuit_judge_init(&stage->judge, parts->settings);
    return make_body(stage);
}

void circuit_stage_fini(struct circuit_stage *stage)
{
    buf_unref(stage->body);
    stage->body = NULL;
}
