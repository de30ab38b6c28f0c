/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/guard_stage.c - attempts, one after the other, of one op.
 *
 * The happy path costs a frame. A failed attempt's answer is swallowed in `answered`; when that
 * attempt has finished below, the op is made fresh and submitted again. */
#include "breaker/guard_stage.h"

#include "core/http.h"
#include "core/units.h"

enum {
    /* Refusals of the gate cost next to nothing, but a set whose targets all fail at once must not
     * be walked for ever. */
    REFUSALS_MAX = OP_TRIED_MAX,
    RETRY_AFTER_S_MAX = 10, /* a pause may last longer, but another target may come back sooner */
};

/* What follows on the attempt that is ending. */
enum next {
    NEXT_NONE,      /* its answer goes up */
    NEXT_ELSEWHERE, /* another target, this one not again */
    NEXT_REPEAT, /* the same, for a kept connection that was dead: another target if there is one */
    NEXT_BACK,   /* there is none: the target of the dead connection */
};

struct watch {
    struct frame        frame; /* first */
    struct guard_stage *stage;
    struct target *dead; /* a kept connection to it was dead; not NULL until it was gone back to */
    const char    *told_detail; /* of the most telling error so far */
    uint16_t       told_status;
    uint8_t        told;          /* enum err_kind */
    uint8_t        next;          /* enum next */
    uint8_t        offered_count; /* targets to which it was offered */
    uint8_t        refused_count; /* targets that were not to be had */
    bool           repeated;
};

static bool is_body_untouched(const struct op *op)
{
    const struct pipe *body = op->request_body;
    return body == NULL ||
           (body->bytes_total == body->bytes && !body->broken && body->error == ERR_NONE);
}

/* The target was picked and was not to be had, against: no target was left to pick. */
static bool is_refusal(const struct op *op)
{
    return op->answer.error == ERR_NO_TARGET && op->target != NULL;
}

static bool is_dead_connection(const struct op *op)
{
    switch (op->answer.error) {
    case ERR_TARGET_STALE:
    case ERR_TARGET_CLOSED: return http_method_is_idempotent(op->request->head.method);
    case ERR_TARGET_NOT_SENT: return op->kept_connection;
    default: return false;
    }
}

static bool is_over(const struct op *op)
{
    return op->cancelled || (op->deadline_ns != 0 && *op->worker->now_ns >= op->deadline_ns);
}

static enum next next_of(const struct watch *watch, const struct op *op)
{
    const struct breaker_settings *settings = watch->stage->settings;
    if (is_over(op) || !is_body_untouched(op))
        return NEXT_NONE;
    if (op->target == NULL)
        return op->answer.error == ERR_NO_TARGET && watch->dead != NULL ? NEXT_BACK : NEXT_NONE;
    if (is_dead_connection(op) && !watch->repeated && settings->retry_dead_connection)
        return NEXT_REPEAT;
    if (err_row(op->answer.error)->sent != ERR_SENT_NO)
        return NEXT_NONE;
    if (is_refusal(op))
        return watch->refused_count < REFUSALS_MAX ? NEXT_ELSEWHERE : NEXT_NONE;
    return watch->offered_count < settings->tries ? NEXT_ELSEWHERE : NEXT_NONE;
}

/* --- what the client is told ----------------------------------------------------------------- */

static int telling(enum err_kind kind)
{
    if (kind == ERR_NONE || kind == ERR_NO_TARGET)
        return 0;
    return err_row(kind)->sent == ERR_SENT_NO ? 1 : 2;
}

static void remember(struct watch *watch, const struct op *op)
{
    if (telling(op->answer.error) < telling(watch->told))
        return;
    watch->told = (uint8_t)op->answer.error;
    watch->told_detail = op->answer.detail;
    watch->told_status = op->answer.status;
}

/* When the target that was seen last will be tried again, as far as that says something. */
static uint32_t retry_after_s(const struct op *op)
{
    const uint64_t now_ns = *op->worker->now_ns;
    const uint64_t at_ns =
        op->held == NULL ? 0 : atomic_load_explicit(&op->held->retry_at_ns, memory_order_relaxed);
    if (at_ns <= now_ns)
        return 1;
    const uint64_t left_s = (at_ns - now_ns + NS_PER_S - 1) / NS_PER_S;
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

/* --- attempts -------------------------------------------------------------------------------- */

static void answered(struct frame *self, struct op *op)
{
    struct watch *watch = (struct watch *)(void *)self;
    if (op->answer.error == ERR_NONE) {
        op_answer_above(self, op);
        return;
    }
    remember(watch, op);
    if (is_refusal(op))
        watch->refused_count++;
    else if (op->target != NULL)
        watch->offered_count++;
    watch->next = (uint8_t)next_of(watch, op);
    if (watch->next != NEXT_NONE)
        return;
    tell(watch, op);
    op_answer_above(self, op);
}

/* The oldest goes if there is no room; a pick also looks at states, so it will hardly come back. */
static void add_tried(struct op *op, struct target *target)
{
    if (op->tried_count == OP_TRIED_MAX) {
        for (int i = 1; i < OP_TRIED_MAX; i++)
            op->tried[i - 1] = op->tried[i];
        op->tried_count--;
    }
    op->tried[op->tried_count++] = target;
}

static void forget_tried(struct op *op, const struct target *target)
{
    uint8_t kept = 0;
    for (uint8_t i = 0; i < op->tried_count; i++)
        if (op->tried[i] != target)
            op->tried[kept++] = op->tried[i];
    op->tried_count = kept;
}

static void try_again(struct watch *watch, struct op *op)
{
    struct guard_stage *stage = watch->stage;
    switch ((enum next)watch->next) {
    case NEXT_BACK:
        forget_tried(op, watch->dead);
        watch->dead = NULL;
        break;
    case NEXT_REPEAT:
        watch->dead = op->target;
        watch->repeated = true;
        watch->offered_count--; /* it was not the target's fault */
        add_tried(op, op->target);
        break;
    case NEXT_ELSEWHERE:
    case NEXT_NONE: add_tried(op, op->target); break;
    }
    watch->next = NEXT_NONE;
    row_add(&stage->service->rows[op->worker->index].retries_count, 1);
    op_reset_for_retry(op);
    op->kept_connection = false;
    op_push(op, &watch->frame);
    stage_submit(stage->stage.below, op);
}

static void finished(struct frame *self, struct op *op, enum outcome outcome)
{
    struct watch *watch = (struct watch *)(void *)self;
    if (watch->next == NEXT_NONE) {
        op_finish(op, outcome);
    } else if (is_over(op)) { /* since it was answered below */
        tell(watch, op);
        op_answer_above(self, op);
        op_finish(op, op->cancelled ? OUTCOME_CANCELLED : outcome);
    } else {
        try_again(watch, op);
    }
}

static void submit(struct stage *self, struct op *op)
{
    struct watch *watch = arena_take(&op->arena, sizeof *watch);
    if (watch == NULL) {
        op_refuse(op, ERR_MEMORY, NULL);
        return;
    }
    *watch = (struct watch){
        .frame = {.answered = answered, .finished = finished},
        .stage = (struct guard_stage *)(void *)self,
    };
    op_push(op, &watch->frame);
    stage_submit(self->below, op);
}

static const struct stage_kind kind = {.name = "guard", .submit = submit};

void guard_stage_init(struct guard_stage *stage, struct service *service,
                      const struct breaker_settings *settings, struct stage *below)
{
    *stage = (struct guard_stage){
        .stage = {.kind = &kind, .below = below},
        .service = service,
        .settings = settings,
    };
}
