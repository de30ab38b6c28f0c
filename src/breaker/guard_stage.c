/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/guard_stage.c - attempts, one after the other, of one op.
 *
 * The happy path costs a frame. A failed attempt's answer is held back in `answered`; once that
 * attempt has finished below (and its place in the budget, and a pause, have come) the op is made
 * fresh and submitted again. */
#include "breaker/guard_stage.h"

#include "breaker/retry/budget.h"
#include "breaker/retry/retry.h"
#include "core/http.h"
#include "core/units.h"
#include "loop/loop.h"

#include <assert.h>

enum {
    /* Refusals of the gate cost next to nothing, but a set whose targets all fail at once must not
     * be walked for ever. */
    REFUSALS_MAX = OP_TRIED_MAX,
    RETRY_AFTER_S_MAX = 10, /* a pause may last longer, but another target may come back sooner */
    WAITING_MAX = 1024,     /* ops of one worker and service that wait for the budget */
    LOOK_MS = 5,            /* how often they look whether other workers have left a place */
    DROPPED_BYTES_MAX = 65536, /* of an answer that is swallowed; a new connection costs as much */
};

/* Where an op stands that has had a failed attempt. */
enum phase {
    PHASE_TRYING,  /* an attempt is under way, or its answer has gone up */
    PHASE_WAITING, /* the attempt's answer is held back until there is a place in the budget */
    PHASE_DROPPED, /* its answer is swallowed; it has not finished yet */
    PHASE_PAUSING, /* it has; the next one shall not begin at once */
};

struct watch {
    struct frame        frame; /* first */
    struct guard_stage *stage;
    struct op          *op;
    struct target *dead; /* a kept connection to it was dead; not NULL until it was gone back to */
    const char    *told_detail; /* of the most telling error so far */
    uint16_t       told_status;
    uint8_t        told;          /* enum err_kind */
    uint8_t        next;          /* enum retry_next */
    uint8_t        reason;        /* enum service_retry_reason */
    uint8_t        phase;         /* enum phase */
    uint8_t        offered_count; /* targets to which it was offered */
    uint8_t        refused_count; /* targets that were not to be had */
    uint8_t        charged_count; /* repetitions that the budget counted */
    uint8_t        outcome;       /* enum outcome of the attempt that has finished */
    bool           repeated;
    bool           is_charged; /* it has a place in the budget */
    bool           is_below;   /* the attempt has not finished */
    bool           is_dropping;
    uint32_t       dropped_bytes;
    uint64_t       wait_until_ns;
    uint64_t       submitted_ns;
    struct timer   timer; /* while WAITING and PAUSING */
    struct list_link waiting;
};

static void proceed(struct watch *watch);
static void serve_waiting(struct guard_stage *stage);

static bool is_over(const struct op *op)
{
    return op->cancelled || (op->deadline_ns != 0 && *op->worker->now_ns >= op->deadline_ns);
}

/* --- what the client is told ----------------------------------------------------------------- */

static int telling(enum err_kind kind)
{
    if (kind == ERR_NONE || kind == ERR_NO_TARGET)
        return 0;
    return err_row(kind)->sent == ERR_SENT_NO ? 1 : 2;
}

/* A bad status that is swallowed is an error whose status it is. */
static void remember(struct watch *watch, const struct op *op)
{
    const bool is_status = op->answer.error == ERR_NONE;
    const enum err_kind kind = is_status ? ERR_TARGET_ERROR : op->answer.error;
    if (telling(kind) < telling(watch->told))
        return;
    watch->told = (uint8_t)kind;
    watch->told_detail = op->answer.detail;
    watch->told_status = is_status ? op->answer.head.status : op->answer.status;
}

/* When the target that was seen last will be tried again, as far as that says something. */
static uint32_t retry_after_s(const struct op *op)
{
    const uint64_t now_ns = *op->worker->now_ns;
    const uint64_t at_ns =
        op->held == NULL ? 0 : atomic_load_explicit(&op->held->retry_at_ns, memory_order_relaxed);
    if (at_ns <= now_ns)
        return 1;
    const uint64_t left_s = seconds_up(at_ns - now_ns);
    return left_s < RETRY_AFTER_S_MAX ? (uint32_t)left_s : RETRY_AFTER_S_MAX;
}

static void tell(const struct watch *watch, struct op *op)
{
    struct answer *answer = &op->answer;
    answer->error = (enum err_kind)watch->told;
    answer->detail = watch->told_detail;
    answer->status = watch->told_status;
    if (op->target == NULL)
        op->target = op->held; /* for the log: the one that was tried last */
    if (answer->error == ERR_NO_TARGET && answer->retry_after_s == 0)
        answer->retry_after_s = retry_after_s(op);
}

/* --- the budget ------------------------------------------------------------------------------- */

/* True if the op has a place now. */
static bool charge(struct watch *watch)
{
    if (!watch->is_charged)
        watch->is_charged = budget_take(watch->stage->service, watch->stage->settings.retry);
    return watch->is_charged;
}

/* Whoever has waited longest may take the place. */
static void discharge(struct watch *watch)
{
    if (!watch->is_charged)
        return;
    watch->is_charged = false;
    budget_give(watch->stage->service);
    if (!list_is_empty(&watch->stage->waiting))
        serve_waiting(watch->stage);
}

/* --- bodies ----------------------------------------------------------------------------------- */

static bool is_body_whole(const struct op *op)
{
    return op->request_body == NULL || pipe_can_rewind(op->request_body);
}

/* A server that answers before the body's end does not want the rest, which is then dropped. */
static bool is_body_there(const struct op *op)
{
    return op->request_body == NULL || op->request_body->ended;
}

static bool may_repeat(const struct guard_stage *stage, const struct op *op)
{
    return stage->settings.retry->any_method || http_method_is_idempotent(op->request->head.method);
}

/* Without memory for it the request is sent once. */
static void keep_body(struct guard_stage *stage, struct op *op)
{
    const uint64_t most = stage->settings.retry->replay_bytes;
    if (most == 0 || op->request->head.upgrades || !may_repeat(stage, op))
        return;
    struct pipe_log *log = slab_take(&stage->logs);
    if (log != NULL)
        pipe_keep(op->request_body, log, (uint32_t)most);
}

static void forget_body(struct guard_stage *stage, struct op *op)
{
    struct pipe_log *log = op->request_body == NULL ? NULL : op->request_body->log;
    if (log == NULL)
        return;
    pipe_forget(op->request_body);
    slab_give(&stage->logs, log);
}

/* --- the ends of an op ------------------------------------------------------------------------ */

/* No attempt will follow: the answer goes up as it is. */
static void pass_answer(struct watch *watch, struct op *op)
{
    const struct pipe *body = op->request_body;
    watch->next = RETRY_NONE;
    watch->phase = PHASE_TRYING;
    if (body != NULL && body->log != NULL && pipe_log_is_read(body->log))
        forget_body(watch->stage, op);
    discharge(watch);
    op_answer_above(&watch->frame, op);
}

static void give_up(struct watch *watch, struct op *op)
{
    if (op->answer.error != ERR_NONE || watch->phase == PHASE_DROPPED ||
        watch->phase == PHASE_PAUSING)
        tell(watch, op);
    pass_answer(watch, op);
}

static void end(struct watch *watch, struct op *op, enum outcome outcome)
{
    forget_body(watch->stage, op);
    discharge(watch);
    op_finish(op, op->cancelled ? OUTCOME_CANCELLED : outcome);
}

/* --- waiting ---------------------------------------------------------------------------------- */

static void stop_waiting(struct watch *watch)
{
    timer_clear(&watch->timer);
    if (link_is_in_list(&watch->waiting)) {
        list_remove(&watch->waiting);
        watch->stage->waiting_count--;
    }
    if (!watch->is_below) {
        watch->op->on_cancel = NULL;
        watch->op->holder = NULL;
    }
}

/* What was held back goes up after all. */
static void end_waiting(struct watch *watch)
{
    struct op *op = watch->op;
    const bool is_below = watch->is_below;
    stop_waiting(watch);
    give_up(watch, op);
    if (!is_below)
        end(watch, op, (enum outcome)watch->outcome);
}

static void on_cancel(struct op *op)
{
    end_waiting(op->holder);
}

/* Nobody below has the op: a cancel is this room's to hear. */
static void park(struct watch *watch)
{
    watch->op->holder = watch;
    watch->op->on_cancel = on_cancel;
}

static void look_again_in(struct watch *watch, uint64_t ns)
{
    const struct worker *worker = watch->op->worker;
    timer_set(&worker->loop->timers, &watch->timer, *worker->now_ns + ns);
}

/* --- swallowing an answer --------------------------------------------------------------------- */

/* Taking and breaking may end the attempt, which then waits for this to be over. */
static void drop_body(void *self, struct pipe *pipe)
{
    struct watch *watch = self;
    if (watch->is_dropping)
        return;
    watch->is_dropping = true;
    while (pipe->count > 0) {
        const struct slice slice = pipe_take(pipe);
        watch->dropped_bytes += slice.bytes;
        buf_unref(slice.buf);
    }
    if (watch->dropped_bytes > DROPPED_BYTES_MAX)
        pipe_break(pipe);
    watch->is_dropping = false;
    if (!watch->is_below)
        proceed(watch);
}

static void drop_answer(struct watch *watch, struct op *op)
{
    watch->phase = PHASE_DROPPED;
    watch->dropped_bytes = 0;
    op->answer_body.readable = (struct pipe_side){drop_body, watch};
    drop_body(watch, &op->answer_body);
}

/* --- attempts -------------------------------------------------------------------------------- */

static void note_next(struct watch *watch, struct op *op)
{
    switch ((enum retry_next)watch->next) {
    case RETRY_BACK:
        op_forget_tried(op, watch->dead);
        watch->dead = NULL;
        op->fresh_connection = true;
        break;
    case RETRY_REPEAT:
        watch->dead = op->target;
        watch->repeated = true;
        watch->offered_count--; /* it was not the target's fault */
        op->fresh_connection = true;
        op_add_tried(op, op->target);
        break;
    case RETRY_ELSEWHERE:
    case RETRY_NONE: op_add_tried(op, op->target); break;
    }
}

static void try_again(struct watch *watch)
{
    struct guard_stage *stage = watch->stage;
    struct op *op = watch->op;
    struct service_row *row = &stage->service->rows[op->worker->index];
    note_next(watch, op);
    watch->next = RETRY_NONE;
    watch->phase = PHASE_TRYING;
    watch->is_below = true;
    row_add(&row->retries_count, 1);
    row_add(&row->retries_by_reason[watch->reason], 1);
    if (op->request_body != NULL)
        pipe_rewind(op->request_body);
    op_reset_for_retry(op);
    op->kept_connection = false;
    budget_begin(stage->service, op->worker->index);
    op_push(op, &watch->frame);
    stage_submit(stage->stage.below, op);
}

/* The attempt has finished, and nothing but a pause is between it and the next. */
static void proceed(struct watch *watch)
{
    struct op *op = watch->op;
    const struct retry_settings *settings = watch->stage->settings.retry;
    if (is_over(op) || !is_body_whole(op)) { /* since it was answered below */
        give_up(watch, op);
        end(watch, op, (enum outcome)watch->outcome);
        return;
    }
    const uint64_t pause_ns = watch->is_charged
                                  ? retry_pause_ns(settings->pause_ns, watch->charged_count,
                                                   random_next(&op->worker->random))
                                  : 0;
    if (pause_ns == 0) {
        try_again(watch);
        return;
    }
    watch->phase = PHASE_PAUSING;
    park(watch);
    look_again_in(watch, pause_ns);
}

/* There is a place in the budget. */
static void go_on(struct watch *watch)
{
    struct op *op = watch->op;
    watch->charged_count++;
    if (!watch->is_below) {
        watch->phase = PHASE_DROPPED;
        proceed(watch);
    } else if (op->answer.error == ERR_NONE) {
        drop_answer(watch, op);
    } else {
        watch->phase = PHASE_DROPPED;
    }
}

/* One that goes on may end, or wait again, before this returns. */
static void serve_waiting(struct guard_stage *stage)
{
    if (stage->is_serving)
        return;
    stage->is_serving = true;
    for (struct list_link *link; (link = list_first(&stage->waiting)) != NULL;) {
        struct watch *watch = list_item(link, struct watch, waiting);
        if (!charge(watch))
            break;
        stop_waiting(watch);
        go_on(watch);
    }
    stage->is_serving = false;
}

static void on_timer(struct timer *timer)
{
    struct watch *watch = list_item(timer, struct watch, timer);
    struct service_row *row = &watch->stage->service->rows[watch->op->worker->index];
    if (watch->phase == PHASE_PAUSING) {
        stop_waiting(watch);
        try_again(watch);
    } else if (charge(watch)) {
        stop_waiting(watch);
        go_on(watch);
    } else if (*watch->op->worker->now_ns >= watch->wait_until_ns) {
        row_add(&row->retries_denied_count, 1);
        end_waiting(watch);
    } else {
        look_again_in(watch, LOOK_MS * NS_PER_MS);
    }
}

static void wait_for_place(struct watch *watch, struct op *op)
{
    struct guard_stage *stage = watch->stage;
    struct service_row *row = &stage->service->rows[op->worker->index];
    const uint64_t wait_ns = stage->settings.retry->budget_wait_ns;
    if (wait_ns == 0 || stage->waiting_count >= WAITING_MAX) {
        row_add(&row->retries_denied_count, 1);
        give_up(watch, op);
        return;
    }
    row_add(&row->retries_delayed_count, 1);
    watch->phase = PHASE_WAITING;
    watch->wait_until_ns = *op->worker->now_ns + wait_ns;
    list_add_last(&stage->waiting, &watch->waiting);
    stage->waiting_count++;
    look_again_in(watch, LOOK_MS * NS_PER_MS);
}

/* --- judging an attempt ----------------------------------------------------------------------- */

static bool is_bad_status(const struct guard_stage *stage, const struct op *op)
{
    const struct answer *answer = &op->answer;
    return answer->head.status >= 400 && !answer->tunnel &&
           config_statuses_fit(&stage->statuses, answer->head.status);
}

static bool is_shedding(const struct op *op)
{
    const struct http_head *head = &op->answer.head;
    return op->answer.error == ERR_NONE &&
           (head->status == 429 ||
            (head->status == 503 && http_head_has(head, HTTP_FIELD_RETRY_AFTER)));
}

/* Is there another target that is well? An answer is not thrown away for less. */
static bool has_other(const struct guard_stage *stage, const struct op *op)
{
    const struct target_set *set = stage->service->views[op->worker->index].set;
    for (uint32_t i = 0; set != NULL && i < set->count; i++) {
        struct target *target = set->at[i];
        bool is_tried = target == op->target;
        for (unsigned t = 0; t < op->tried_count; t++)
            is_tried |= op->tried[t] == target;
        if (!is_tried && atomic_load_explicit(&target->state, memory_order_relaxed) == TARGET_UP)
            return true;
    }
    return false;
}

static enum service_retry_reason reason_of(const struct op *op)
{
    switch (op->answer.error) {
    case ERR_NONE: return SERVICE_RETRY_STATUS;
    case ERR_NO_TARGET: return SERVICE_RETRY_REFUSED;
    case ERR_TARGET_STALE:
    case ERR_TARGET_NOT_SENT: return SERVICE_RETRY_STALE;
    case ERR_TARGET_UNREACHABLE:
    case ERR_TARGET_TIMEOUT: return SERVICE_RETRY_TIMEOUT;
    case ERR_TARGET_CLOSED:
    case ERR_TARGET_NONSENSE:
    case ERR_TARGET_INCOMPLETE: return SERVICE_RETRY_RESET;
    default: return SERVICE_RETRY_CONNECT;
    }
}

static struct retry_verdict judge(const struct watch *watch, const struct op *op)
{
    const struct guard_stage *stage = watch->stage;
    const struct breaker_settings *breaker = stage->settings.breaker;
    const bool is_status = op->answer.error == ERR_NONE;
    const struct retry_case now = {
        .error = op->answer.error,
        .is_kept = op->kept_connection,
        .has_target = op->target != NULL,
        .is_shedding = is_shedding(op),
        .is_over = is_over(op),
        .may_repeat = may_repeat(stage, op),
        .is_body_whole = is_body_whole(op) && (!is_status || is_body_there(op)),
        .repeats_dead = breaker->retry_dead_connection,
        .was_repeated = watch->repeated,
        .has_dead = watch->dead != NULL,
        .offered_count = watch->offered_count,
        .refused_count = watch->refused_count,
        .tries = op->is_single ? 1 : (unsigned)breaker->tries,
        .refusals_max = REFUSALS_MAX,
    };
    const struct retry_verdict verdict = retry_after(&now);
    if (verdict.is_charged && !has_other(stage, op))
        return (struct retry_verdict){RETRY_NONE, false};
    return verdict;
}

static void count_attempt(struct watch *watch, const struct op *op)
{
    if (op->answer.error == ERR_NO_TARGET && op->target != NULL)
        watch->refused_count++;
    else if (op->target != NULL)
        watch->offered_count++;
}

static void answered(struct frame *self, struct op *op)
{
    struct watch *watch = (struct watch *)(void *)self;
    const bool is_status = op->answer.error == ERR_NONE;
    if (is_status && !is_bad_status(watch->stage, op)) {
        const uint64_t now_ns = *op->worker->now_ns;
        recent_add(&watch->stage->recent, (now_ns - watch->submitted_ns) / NS_PER_US, now_ns);
        pass_answer(watch, op);
        return;
    }
    count_attempt(watch, op);
    const struct retry_verdict verdict = judge(watch, op);
    if (!is_status || verdict.next != RETRY_NONE)
        remember(watch, op);
    if (verdict.next == RETRY_NONE) {
        give_up(watch, op);
        return;
    }
    watch->next = (uint8_t)verdict.next;
    watch->reason = (uint8_t)reason_of(op);
    if (!verdict.is_charged)
        watch->phase = PHASE_DROPPED;
    else if (charge(watch))
        go_on(watch);
    else
        wait_for_place(watch, op);
}

static void finished(struct frame *self, struct op *op, enum outcome outcome)
{
    struct watch *watch = (struct watch *)(void *)self;
    watch->is_below = false;
    watch->outcome = (uint8_t)outcome;
    budget_end(watch->stage->service, op->worker->index);
    if (watch->next == RETRY_NONE) {
        end(watch, op, outcome);
    } else if (watch->phase == PHASE_WAITING) {
        if (is_over(op))
            end_waiting(watch);
        else
            park(watch);
    } else if (!watch->is_dropping) {
        proceed(watch);
    }
}

/* It would hardly be answered in time, and cost the others theirs. */
static bool is_too_late(const struct guard_stage *stage, const struct op *op)
{
    const uint64_t now_ns = *op->worker->now_ns;
    return op->deadline_ns != 0 && op->deadline_ns < now_ns + recent_p50_ns(&stage->recent, now_ns);
}

static void submit(struct stage *self, struct op *op)
{
    struct guard_stage *stage = (struct guard_stage *)(void *)self;
    if (is_too_late(stage, op)) {
        row_add(&stage->service->rows[op->worker->index].deadline_refused_count, 1);
        op_refuse(op, ERR_DEADLINE, "less time is left than half of the answers take");
        return;
    }
    struct watch *watch = arena_take(&op->arena, sizeof *watch);
    if (watch == NULL) {
        op_refuse(op, ERR_MEMORY, NULL);
        return;
    }
    *watch = (struct watch){
        .frame = {.answered = answered, .finished = finished},
        .stage = stage,
        .op = op,
        .submitted_ns = *op->worker->now_ns,
        .is_below = true,
    };
    timer_init(&watch->timer, on_timer);
    link_init(&watch->waiting);
    if (op->request_body != NULL)
        keep_body(stage, op);
    budget_begin(stage->service, op->worker->index);
    op_push(op, &watch->frame);
    stage_submit(self->below, op);
}

static const struct stage_kind kind = {.name = "guard", .submit = submit};

void guard_stage_init(struct guard_stage *stage, struct service *service,
                      const struct guard_settings *settings, struct stage *below)
{
    *stage = (struct guard_stage){
        .stage = {.kind = &kind, .below = below},
        .service = service,
        .settings = *settings,
    };
    /* Settings were checked: what is no list is empty. */
    if (!config_statuses_read(&stage->statuses, settings->retry->statuses))
        stage->statuses = (struct config_statuses){0};
    slab_init(&stage->logs, "bodies that may be sent again", sizeof(struct pipe_log), 0);
    list_init(&stage->waiting);
}

void guard_stage_fini(struct guard_stage *stage)
{
    if (stage->service == NULL)
        return;
    assert(list_is_empty(&stage->waiting));
    slab_fini(&stage->logs);
}
