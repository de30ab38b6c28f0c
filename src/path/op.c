/* SPDX-License-Identifier: Apache-2.0 */
/* path/op.c - the op's life, and what travels up its frames. */
#include "path/op.h"

#include "path/target.h"

#include <assert.h>
#include <string.h>

static struct request *request_new(struct worker *worker)
{
    struct request *request = slab_take(&worker->requests);
    if (request == NULL)
        return NULL;
    memset(request, 0, offsetof(struct request, block));
    request->refs_count = 1;
    request->worker = worker;
    arena_init(&request->arena, request->block, sizeof request->block, OP_HEAP_BYTES_MAX);
    return request;
}

struct request *request_ref(struct request *request)
{
    request->refs_count++;
    return request;
}

void request_unref(struct request *request)
{
    if (--request->refs_count > 0)
        return;
    arena_fini(&request->arena);
    slab_give(&request->worker->requests, request);
}

/* Takes over the reference to @request, also if there is no memory. */
static struct op *op_of(struct worker *worker, struct request *request, uint32_t answer_room)
{
    struct op *op = slab_take(&worker->ops);
    if (op == NULL) {
        request_unref(request);
        return NULL;
    }
    memset(op, 0, offsetof(struct op, block));
    op->worker = worker;
    op->request = request;
    op->answer_body.bytes_max = answer_room / 2;
    op->started_ns = *worker->now_ns;
    arena_init(&op->arena, op->block, sizeof op->block, OP_HEAP_BYTES_MAX);
    return op;
}

struct op *op_new(struct worker *worker, uint32_t answer_room)
{
    struct request *request = request_new(worker);
    return request == NULL ? NULL : op_of(worker, request, answer_room);
}

struct op *op_new_child(struct worker *worker, struct request *request, uint32_t answer_room)
{
    return op_of(worker, request_ref(request), answer_room);
}

void op_free(struct op *op)
{
    struct worker *worker = op->worker;
    if (op->request_body != NULL)
        pipe_fini(op->request_body);
    pipe_fini(&op->answer_body);
    if (op->held != NULL)
        target_unref(op->held);
    request_unref(op->request);
    arena_fini(&op->arena);
    slab_give(&worker->ops, op);
}

struct pipe *op_open_request_body(struct op *op, uint32_t room)
{
    assert(op->request_body == NULL);
    struct pipe *pipe = arena_take(&op->arena, sizeof *pipe);
    if (pipe == NULL)
        return NULL;
    *pipe = (struct pipe){.bytes_max = room / 2};
    op->request_body = pipe;
    return pipe;
}

bool op_copy_head(struct arena *arena, struct http_head *to, const struct http_head *from)
{
    const size_t fields_bytes = from->fields_count * sizeof *from->fields;
    uint8_t *memory = arena_take(arena, fields_bytes + from->head_bytes);
    if (memory == NULL)
        return false;
    *to = *from;
    if (fields_bytes > 0)
        memcpy(memory, from->fields, fields_bytes);
    if (from->head_bytes > 0)
        memcpy(memory + fields_bytes, from->base, from->head_bytes);
    to->fields = (struct http_field *)(void *)memory;
    to->fields_max = to->fields_count;
    to->base = memory + fields_bytes;
    return true;
}

static void interim_from(struct frame *frame, struct op *op)
{
    for (; frame != NULL; frame = frame->above) {
        if (frame->interim != NULL) {
            frame->interim(frame, op);
            return;
        }
    }
}

static void answer_from(struct frame *frame, struct op *op)
{
    for (; frame != NULL; frame = frame->above) {
        if (frame->answered != NULL) {
            frame->answered(frame, op);
            return;
        }
    }
}

void op_interim(struct op *op)
{
    assert(!op->answered);
    interim_from(op->top, op);
}

void op_interim_above(struct frame *self, struct op *op)
{
    interim_from(self->above, op);
}

void op_answer(struct op *op)
{
    assert(!op->answered);
    op->answered = true;
    op->answered_ns = *op->worker->now_ns;
    answer_from(op->top, op);
}

void op_answer_above(struct frame *self, struct op *op)
{
    answer_from(self->above, op);
}

void op_finish(struct op *op, enum outcome outcome)
{
    op->on_cancel = NULL;
    op->holder = NULL;
    while (op->top != NULL) {
        struct frame *frame = op->top;
        op->top = frame->above;
        if (frame->finished != NULL) {
            frame->finished(frame, op, outcome);
            return;
        }
    }
}

void op_refuse(struct op *op, enum err_kind kind, const char *detail)
{
    const enum outcome outcome = op->cancelled ? OUTCOME_CANCELLED : OUTCOME_FAILED;
    if (op->answered) {
        if (!op->answer_body.ended)
            pipe_end(&op->answer_body, kind);
    } else {
        op->answer.error = kind;
        op->answer.detail = detail;
        op_answer(op);
    }
    op_finish(op, outcome);
}

void op_hold_target(struct op *op, struct target *target)
{
    target_ref(target);
    if (op->held != NULL)
        target_unref(op->held);
    op->target = op->held = target;
}

void op_add_tried(struct op *op, struct target *target)
{
    if (op->tried_count == OP_TRIED_MAX) {
        for (int i = 1; i < OP_TRIED_MAX; i++)
            op->tried[i - 1] = op->tried[i];
        op->tried_count--;
    }
    op->tried[op->tried_count++] = target;
}

void op_forget_tried(struct op *op, const struct target *target)
{
    uint8_t kept = 0;
    for (uint8_t i = 0; i < op->tried_count; i++)
        if (op->tried[i] != target)
            op->tried[kept++] = op->tried[i];
    op->tried_count = kept;
}

void op_cancel(struct op *op)
{
    if (op->cancelled)
        return;
    op->cancelled = true;
    if (op->on_cancel != NULL)
        op->on_cancel(op);
}

void op_reset_for_retry(struct op *op)
{
    const uint32_t bytes_max = op->answer_body.bytes_max;
    assert(op->answered);
    op->answered = false;
    op->answered_ns = 0;
    op->answer = (struct answer){0};
    op->answer_trailers = NULL;
    pipe_fini(&op->answer_body);
    op->answer_body = (struct pipe){.bytes_max = bytes_max};
    op->retries_count++;
}
