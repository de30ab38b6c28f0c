/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/concurrency/target_limit_stage.c - one look at the count that balance keeps. */
#include "breaker/concurrency/target_limit_stage.h"

static void submit(struct stage *self, struct op *op)
{
    const struct target_limit_stage *stage = (const struct target_limit_stage *)(const void *)self;
    if (atomic_load_explicit(&op->target->inflight, memory_order_relaxed) <= stage->most) {
        stage_submit(self->below, op);
        return;
    }
    row_add(&stage->service->rows[op->worker->index].target_full_count, 1);
    op->found_full = true;
    op_refuse(op, ERR_NO_TARGET, "the target has as many requests as concurrency.per-target says");
}

static const struct stage_kind kind = {.name = "target-limit", .submit = submit};

void target_limit_stage_init(struct target_limit_stage *stage, struct service *service,
                             uint32_t most, struct stage *below)
{
    *stage = (struct target_limit_stage){
        .stage = {.kind = &kind, .below = below}, .service = service, .most = most};
}
