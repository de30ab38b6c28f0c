/* SPDX-License-Identifier: Apache-2.0 */
/* session/sticky_stage.c - a cookie in, perhaps a cookie out. */
#include "session/sticky_stage.h"

#include "path/op.h"
#include "path/target.h"

#include <string.h>

struct visit {
    struct frame         frame; /* first */
    struct sticky_stage *stage;
    struct sticky_ticket ticket;
};

static bool is_secure(const struct sticky_stage *stage, const struct request *request)
{
    switch ((enum sticky_secure)stage->sticky.settings->secure) {
    case STICKY_SECURE_ALWAYS: return true;
    case STICKY_SECURE_NEVER: return false;
    default: return request->scheme != NULL && strcmp(request->scheme, "https") == 0;
    }
}

/* Behind what other rooms have added. Without memory the answer goes without it. */
static void set_cookie(struct sticky_stage *stage, struct op *op)
{
    const size_t before = op->answer_fields_bytes;
    char *text = arena_take(&op->arena, before + STICKY_FIELD_BYTES_MAX);
    if (text == NULL)
        return;
    if (before > 0)
        memcpy(text, op->answer_fields, before);
    const size_t bytes = sticky_write(&stage->sticky, op->target->identity, op->worker->wall_s,
                                      is_secure(stage, op->request), text + before);
    op->answer_fields = text;
    op->answer_fields_bytes = (uint32_t)(before + bytes);
    row_add(&stage->service->rows[op->worker->index].sticky_set_count, 1);
}

static void answered(struct frame *self, struct op *op)
{
    struct visit *visit = (struct visit *)(void *)self;
    if (op->answer.error == ERR_NONE && op->target != NULL &&
        (visit->ticket.is_old || op->target->identity != visit->ticket.identity))
        set_cookie(visit->stage, op);
    op_answer_above(self, op);
}

static void submit(struct stage *self, struct op *op)
{
    struct sticky_stage *stage = (struct sticky_stage *)(void *)self;
    uint8_t value[STICKY_TEXT_BYTES];
    struct visit *visit = arena_take(&op->arena, sizeof *visit);
    if (visit == NULL) {
        op_refuse(op, ERR_MEMORY, NULL);
        return;
    }
    *visit = (struct visit){.frame = {.answered = answered}, .stage = stage};
    const size_t bytes = sticky_take(&stage->sticky, &op->request->head, value);
    if (bytes > 0)
        visit->ticket = sticky_read(&stage->sticky, value, bytes, op->worker->wall_s);
    if (bytes > 0 && visit->ticket.identity == 0)
        row_add(&stage->service->rows[op->worker->index].sticky_ignored_count, 1);
    op->sticky = visit->ticket.identity;
    op_push(op, &visit->frame);
    stage_submit(stage->stage.below, op);
}

static const struct stage_kind kind = {.name = "session", .submit = submit};

void sticky_stage_init(struct sticky_stage *stage, struct service *service,
                       const struct sticky_settings *settings, const struct session_keys *keys,
                       struct stage *below)
{
    *stage = (struct sticky_stage){.stage = {.kind = &kind, .below = below}, .service = service};
    sticky_init(&stage->sticky, keys, settings, service->name);
}
