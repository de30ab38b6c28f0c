/* SPDX-License-Identifier: Apache-2.0 */
/* path/reply.c - answers that a stage makes by itself. */
#include "path/reply.h"

#include <assert.h>
#include <string.h>

static bool is_value(const char *value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        const unsigned char byte = (unsigned char)value[i];
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
            return false;
    }
    return true;
}

void reply_start(struct reply *reply, struct op *op, unsigned status)
{
    const size_t fields_bytes = REPLY_FIELDS_MAX * sizeof(struct http_field);
    struct http_head *head = &op->answer.head;
    *head = (struct http_head){
        .version_minor = 1,
        .status = (uint16_t)status,
        .keep_alive = true,
    };
    reply->op = op;
    reply->at = arena_take(&op->arena, fields_bytes + REPLY_HEAD_BYTES_MAX);
    if (reply->at == NULL)
        return;
    head->fields = (struct http_field *)(void *)reply->at;
    head->fields_max = REPLY_FIELDS_MAX;
    head->base = reply->at += fields_bytes;
}

static void put(struct reply *reply, const void *bytes, size_t count)
{
    memcpy(reply->at, bytes, count);
    reply->at += count;
    reply->op->answer.head.head_bytes += (uint32_t)count;
}

/* Lays down "Name: value\r\n": the form in which the codec copies fields, many at once. */
static void add(struct reply *reply, enum http_field_id id, const char *name, const char *value)
{
    struct http_head *head = &reply->op->answer.head;
    const size_t name_bytes = strlen(name);
    const size_t value_bytes = strlen(value);
    assert(is_value(value, value_bytes));
    assert(id == HTTP_FIELD_OTHER || http_field_row(id)->copied == HTTP_COPIED_PASS);
    if (reply->at == NULL || head->fields_count == REPLY_FIELDS_MAX ||
        head->head_bytes + name_bytes + value_bytes + 4 > REPLY_HEAD_BYTES_MAX) {
        reply->at = NULL;
        return;
    }
    head->fields[head->fields_count++] = (struct http_field){
        .name_at = head->head_bytes,
        .name_bytes = (uint16_t)name_bytes,
        .value_at = head->head_bytes + (uint32_t)name_bytes + 2,
        .value_bytes = (uint32_t)value_bytes,
        .id = (uint8_t)id,
    };
    head->present[(unsigned)id >> 6] |= 1ull << ((unsigned)id & 63);
    put(reply, name, name_bytes);
    put(reply, ": ", 2);
    put(reply, value, value_bytes);
    put(reply, "\r\n", 2);
}

void reply_add(struct reply *reply, enum http_field_id id, const char *value)
{
    assert(id != HTTP_FIELD_OTHER);
    add(reply, id, http_field_row(id)->name, value);
}

void reply_add_name(struct reply *reply, const char *name, const char *value)
{
    add(reply, http_field_find((const uint8_t *)name, strlen(name)), name, value);
}

static enum outcome outcome_of(const struct op *op)
{
    return op->cancelled ? OUTCOME_CANCELLED : OUTCOME_DONE;
}

/* True if the head fitted; else the op is gone. */
static bool settle(struct reply *reply)
{
    struct op *op = reply->op;
    if (op->request_body != NULL)
        pipe_break(op->request_body);
    if (reply->at != NULL)
        return true;
    op_refuse(op, ERR_MEMORY, NULL);
    return false;
}

/* The head, which says @bytes of content, goes up. */
static void answer(struct op *op, uint64_t bytes, bool with_body)
{
    struct http_head *head = &op->answer.head;
    head->has_content_length = head->status >= 200 && head->status != 204;
    head->content_length = bytes;
    head->framing = with_body ? HTTP_FRAMING_LENGTH : HTTP_FRAMING_NONE;
    op_answer(op);
}

static void end(struct op *op)
{
    pipe_end(&op->answer_body, ERR_NONE);
    op_finish(op, outcome_of(op));
}

void reply_send_slice(struct reply *reply, struct slice body)
{
    struct op *op = reply->op;
    const bool with_body = body.bytes > 0 && op->request->head.method != HTTP_METHOD_HEAD;
    if (!settle(reply)) {
        buf_unref(body.buf);
        return;
    }
    answer(op, body.bytes, with_body);
    if (!with_body || !pipe_put(&op->answer_body, body))
        buf_unref(body.buf);
    end(op);
}

void reply_send(struct reply *reply, struct buf *body)
{
    const struct slice slice = {.buf = body,
                                .at = body == NULL ? NULL : body->data,
                                .bytes = body == NULL ? 0 : body->used_bytes};
    reply_send_slice(reply, slice);
}

void reply_send_head(struct reply *reply, uint64_t bytes)
{
    if (!settle(reply))
        return;
    answer(reply->op, bytes, false);
    end(reply->op);
}

void reply_send_copy(struct reply *reply, const void *body, size_t bytes)
{
    struct buf *copy = bytes == 0 ? NULL : buf_new_copy(body, bytes);
    if (bytes > 0 && copy == NULL)
        reply->at = NULL;
    reply_send(reply, copy);
}

bool reply_open(struct reply *reply)
{
    struct op *op = reply->op;
    if (!settle(reply))
        return false;
    if (op->request->head.method == HTTP_METHOD_HEAD) {
        op_answer(op);
        pipe_end(&op->answer_body, ERR_NONE);
        op_finish(op, outcome_of(op));
        return false;
    }
    op->answer.head.framing = HTTP_FRAMING_CHUNKED;
    op_answer(op);
    return true;
}
