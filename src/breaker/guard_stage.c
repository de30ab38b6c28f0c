/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/guard_stage.c - attempts, one after the other, of one op.
 *
 * The happy path costs a frame. A failed attempt's answer is swallowed; when that attempt has finished below, the op is made
 * fresh and submitted again. */
#include "breaker/guard_stage.h"

#include "core/http.h"

enum { RETRY_AFTER_S = 1 };

struct watch {
    struct frame        frame; /* first */
    struct guard_stage *stage;
    enum err_kind       first_error;  /* of the first attempt that failed: it says more than "no target is left" */
    const char         *first_detail;
    uint8_t             attempts;     /* targets that were tried */
    bool                again;        /* the attempt that is ending will be followed by another */
    bool                repeated;     /* a dead connection was replaced once already */
};

static bool is_body_untouched(const struct op *op)
{
    const struct pipe *body = op->request_body;
    return body == NULL || (body->bytes_total == body->bytes && !body->broken && body->error == ERR_NONE);
}

static bool may_repeat_dead_connection(const struct watch *watch, const struct op *op)
{
    return op->answer.error == ERR_TARGET_STALE && !watch->repeated &&
           watch->stage->settings->retry_dead_connection &&
           http_method_is_idempotent(op->request->head.method);
}

/* Pure but for the op that it reads: is another attempt allowed, and useful? */
static bool wants_another(const struct watch *watch, const struct op *op, uint64_t now_ns)
{
    const enum err_kind kind = op->answer.error;
    if (kind == ERR_NONE || op->cancelled || op->target == NULL || !is_body_untouched(op))
        return false;
    if (op->deadline_ns != 0 && now_ns >= op->deadline_ns)
        return false;
    if (may_repeat_dead_connection(watch, op))
        return true;
    if (kind == ERR_MEMORY || kind == ERR_LIMIT || err_row(kind)->sent != ERR_SENT_NO)
        return false;
    return watch->attempts < watch->stage->settings->tries && op->tried_count < OP_TRIED_MAX;
}

static void answered(struct frame *self, struct op *op)
{
    struct watch *watch = (struct watch *)(void *)self;
    watch->again = wants_another(watch, op, *op->worker->now_ns);
    if (op->answer.error != ERR_NONE && watch->first_error == ERR_NONE) {
        watch->first_error = op->answer.error;
        watch->first_detail = op->answer.detail;
    }
    if (watch->again)
        return;
    if (op->answer.error == ERR_NO_TARGET) {
        op->answer.retry_after_s = RETRY_AFTER_S;
        if (watch->first_error != ERR_NO_TARGET) {
            op->answer.error = watch->first_error;
            op->answer.detail = watch->first_detail;
        }
    }
    op_answer_above(self, op);
}

static void finished(struct frame *self, struct op *op, enum outcome outcome)
{
    struct watch *watch = (struct watch *)(void *)self;
    if (!watch->again) {
        op_finish(op, outcome);
        return;
    }
    struct guard_stage *stage = watch->stage;
    watch->again = false;
    if (op->answer.error == ERR_TARGET_STALE) {
        watch->repeated = true; /* perhaps at the same target, over a new connection */
    } else {
        op->tried[op->tried_count++] = op->target;
        watch->attempts++;
    }
    row_add(&stage->service->rows[op->worker->index].retries_count, 1);
    op_reset_for_retry(op);
    op_push(op, self);
    if (op->cancelled)
        op_refuse(op, ERR_CANCELLED, NULL);
    else
        stage_submit(stage->stage.below, op);
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
        .attempts = 1,
    };
    op_push(op, &watch->frame);
    stage_submit(self->below, op);
}

static const struct stage_kind kind = {.name = "guard", .submit = submit};

void guard_stage_init(struct guard_stage *stage, struct service *service, const struct breaker_settings *settings,
                      struct stage *below)
{
    *stage = (struct guard_stage){
        .stage = {.kind = &kind, .below = below}, .service = service, .settings = settings};
}
