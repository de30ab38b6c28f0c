/* SPDX-License-Identifier: Apache-2.0 */
/* engine/http/http_receive.c - answers back: heads, bodies, trailers, tunnels. */
#include "engine/http/http_upstream.h"

#include "core/mem.h"

#include <assert.h>
#include <string.h>

void http__partial_free(struct http_upstream *up)
{
    mem_free(up->partial);
    up->partial = NULL;
}

/* --- answers' bodies -------------------------------------------------------------------------- */

static void body_patience(struct http_upstream *up)
{
    conn_receive_move(&up->conn, CONN_RECEIVE_BODY, up->settings->answer_body_timeout_ns);
}

static void pause_body(struct http_upstream *up)
{
    pipe_wait_for_room(&up->op->answer_body);
    conn_receive_move(&up->conn, CONN_RECEIVE_PAUSED, 0);
    conn_receive(&up->conn, SOCK_RECEIVE_OFF);
}

/* Reading stops when there is no room, not when the next buffer has come and must be held. */
static void pause_if_full(struct http_upstream *up)
{
    if (pipe_room(&up->op->answer_body) == 0)
        pause_body(up);
    else
        body_patience(up);
}

/* No more at once than the pipe may hold. */
void http__receive_for(struct http_upstream *up)
{
    up->conn.sock.receive_most = up->op->answer_body.bytes_max;
    conn_receive(&up->conn, SOCK_RECEIVE_STREAM);
}

static void receive_body(struct http_upstream *up)
{
    if (up->phase == HTTP_UPSTREAM_TUNNEL)
        conn_receive_move(&up->conn, CONN_RECEIVE_BODY,
                          0); /* the client's side watches over idle tunnels */
    else
        body_patience(up);
    http__receive_for(up);
}

static void on_room(void *self, struct pipe *pipe)
{
    struct http_upstream *up = self;
    if (up->op == NULL)
        return;
    if (pipe->broken) { /* the client is gone, or wants no more */
        http__fail(up, ERR_CANCELLED, NULL);
        return;
    }
    if (up->conn.receive_state == CONN_RECEIVE_PAUSED)
        receive_body(up);
    conn_resume(&up->conn);
}

/* False: there is no room, or the op is over. */
static bool put_body(struct http_upstream *up, struct buf *buf, const uint8_t *at, uint32_t bytes)
{
    struct pipe *pipe = &up->op->answer_body;
    if (pipe_room(pipe) == 0) {
        pause_body(up);
        return false;
    }
    const struct slice slice = buf_slice(buf, at, bytes, pipe->count > 0);
    if (slice.buf == NULL) {
        http__fail(up, ERR_MEMORY, NULL);
        return false;
    }
    if (!pipe_put(pipe, slice)) {
        buf_unref(slice.buf);
        return false;
    }
    return true;
}

static uint32_t read_plain_body(struct http_upstream *up, struct buf *buf, uint8_t *at,
                                uint32_t bytes)
{
    const uint32_t taken = bytes < up->body_left ? bytes : (uint32_t)up->body_left;
    if (!put_body(up, buf, at, taken))
        return 0;
    if (up->op == NULL)
        return taken;
    if (up->phase == HTTP_UPSTREAM_TUNNEL)
        return taken;
    if (up->framing == HTTP_FRAMING_UNTIL_CLOSE) {
        pause_if_full(up);
        return taken;
    }
    up->body_left -= taken;
    if (up->body_left > 0) {
        pause_if_full(up);
        return taken;
    }
    if (taken < bytes)
        up->keep = false; /* bytes that nobody asked for */
    http__complete(up);
    return bytes;
}

static uint32_t read_chunked_body(struct http_upstream *up, struct buf *buf, uint8_t *at,
                                  uint32_t bytes)
{
    if (pipe_room(&up->op->answer_body) == 0) {
        pause_body(up);
        return 0;
    }
    struct http1_piece piece;
    const enum http1_verdict verdict = http1_chunks_read(&up->chunks, at, bytes, &piece);
    if (verdict == HTTP1_BAD) {
        http__fail(up, ERR_TARGET_NONSENSE, http1_refusal_row(up->chunks.refusal)->sentence);
        return 0;
    }
    if (piece.bytes > 0 && !put_body(up, buf, piece.data, (uint32_t)piece.bytes))
        return 0;
    if (up->op == NULL)
        return bytes;
    if (verdict == HTTP1_DONE) {
        body_patience(up);
        up->phase = HTTP_UPSTREAM_TRAILERS;
    } else {
        pause_if_full(up);
    }
    return (uint32_t)piece.consumed;
}

/* --- answers' heads --------------------------------------------------------------------------- */

static struct http_upstream_partial *partial_new(struct http_upstream *up)
{
    const uint32_t fields_max = (uint32_t)up->settings->answer_header_count;
    struct http_upstream_partial *partial =
        mem_alloc(sizeof *partial + fields_max * sizeof partial->fields[0]);
    if (partial == NULL)
        return NULL;
    partial->head =
        (struct http_head){.fields = partial->fields, .fields_max = (uint16_t)fields_max};
    return up->partial = partial;
}

static uint32_t read_trailers(struct http_upstream *up, uint8_t *at, uint32_t bytes)
{
    if (up->partial == NULL) {
        if (partial_new(up) == NULL) {
            http__fail(up, ERR_MEMORY, NULL);
            return 0;
        }
        http1_reader_init(&up->partial->reader, &up->limits);
    }
    struct http_upstream_partial *partial = up->partial;
    switch (http1_trailers_read(&partial->reader, at, bytes, &partial->head)) {
    case HTTP1_PARTIAL: return 0;
    case HTTP1_BAD:
        http__fail(up, ERR_TARGET_NONSENSE, http1_refusal_row(partial->reader.refusal)->sentence);
        return 0;
    case HTTP1_DONE: break;
    }
    struct op *op = up->op;
    if (partial->head.fields_count > 0) {
        struct http_head *kept = arena_take(&op->arena, sizeof *kept);
        if (kept != NULL && op_copy_head(&op->arena, kept, &partial->head))
            op->answer_trailers = kept;
    }
    if (partial->head.head_bytes < bytes)
        up->keep = false;
    http__complete(up);
    return bytes;
}

void http__start_limits(struct http_upstream *up)
{
    up->limits = (struct http1_limits){
        .head_bytes_max = (uint32_t)up->settings->answer_header_bytes,
        .target_bytes_max = UINT32_MAX,
        .fields_max = (uint16_t)up->settings->answer_header_count,
    };
}

static void on_interim(struct http_upstream *up, const struct http_head *head)
{
    if (++up->interims_count > up->settings->answer_interim_count) {
        http__fail(up, ERR_TARGET_NONSENSE, "too many interim answers");
        return;
    }
    if (head->status == 100) /* a client's expectation was answered here already */
        return;
    up->op->answer.head = *head;
    op_interim(up->op);
    if (up->op != NULL)
        up->op->answer.head = (struct http_head){0};
}

/* 101: what follows is no longer HTTP, in both directions. */
static void open_tunnel(struct http_upstream *up)
{
    struct op *op = up->op;
    up->phase = HTTP_UPSTREAM_TUNNEL;
    up->keep = false;
    up->request_ended = false;
    op->answer.tunnel = true;
    op->answer_body.writable = (struct pipe_side){on_room, up};
    http__watch_request_body(up);
    conn_receive_move(&up->conn, CONN_RECEIVE_BODY, 0);
    op_answer(op);
    if (up->op != NULL)
        http__send_body(up);
}

static void on_head(struct http_upstream *up, const struct http_head *head)
{
    struct op *op = up->op;
    if (!op_copy_head(&op->arena, &op->answer.head, head)) {
        http__fail(up, ERR_TARGET_NONSENSE, "the answer's head is larger than this node can keep");
        return;
    }
    http__partial_free(up); /* @head may lie in it: from here on the op's copy counts */
    head = &op->answer.head;
    up->framing = head->framing;
    up->body_left = head->framing == HTTP_FRAMING_LENGTH ? head->content_length : UINT64_MAX;
    up->chunks = (struct http1_chunks){0};
    if (!head->keep_alive || head->framing == HTTP_FRAMING_UNTIL_CLOSE)
        up->keep = false;
    if (head->framing == HTTP_FRAMING_TUNNEL) {
        open_tunnel(up);
        return;
    }
    if (up->conn.send_state == CONN_SEND_CLOSED && op->request_body != NULL)
        pipe_break(op->request_body); /* answered without the rest of it, which nobody wants now */
    up->phase = HTTP_UPSTREAM_BODY;
    op->answer_body.writable = (struct pipe_side){on_room, up};
    if (head->framing != HTTP_FRAMING_NONE)
        receive_body(up);
    op_answer(op);
    if (up->op != NULL && head->framing == HTTP_FRAMING_NONE)
        http__complete(up);
}

static uint32_t head_is_partial(struct http_upstream *up, const struct http1_reader *reader,
                                const struct http_head *head)
{
    if (up->partial != NULL)
        return 0;
    if (partial_new(up) == NULL) {
        http__fail(up, ERR_MEMORY, NULL);
        return 0;
    }
    struct http_field *fields = up->partial->head.fields;
    /* The field that is being read stands behind those that are whole. */
    const unsigned begun =
        head->fields_count < head->fields_max ? head->fields_count + 1u : head->fields_count;
    memcpy(fields, head->fields, begun * sizeof *fields);
    up->partial->head = *head;
    up->partial->head.fields = fields;
    up->partial->head.fields_max = (uint16_t)up->settings->answer_header_count;
    up->partial->reader = *reader;
    return 0;
}

static uint32_t read_head(struct http_upstream *up, uint8_t *at, uint32_t bytes)
{
    struct http_engine_worker *engine = up->pool->engine;
    const struct http_head *asked = &up->op->request->head;
    struct http1_reader first;
    struct http_head whole = {.fields = engine->fields,
                              .fields_max = (uint16_t)up->settings->answer_header_count};
    struct http1_reader *reader = &first;
    struct http_head *head = &whole;
    up->heard = true;
    if (up->partial != NULL) {
        reader = &up->partial->reader;
        head = &up->partial->head;
    } else {
        http1_reader_init_answer(reader, &up->limits, asked->method, asked->upgrades);
    }
    switch (http1_answer_read(reader, at, bytes, head)) {
    case HTTP1_PARTIAL: return head_is_partial(up, reader, head);
    case HTTP1_BAD:
        http__fail(up, ERR_TARGET_NONSENSE, http1_refusal_row(reader->refusal)->sentence);
        return 0;
    case HTTP1_DONE: break;
    }
    const uint32_t consumed = head->head_bytes;
    if (head->status < 200 && head->framing != HTTP_FRAMING_TUNNEL) {
        on_interim(up, head);
        http__partial_free(up);
        return consumed;
    }
    if (head->framing == HTTP_FRAMING_NONE && consumed < bytes)
        up->keep = false;
    on_head(up, head);
    return up->op == NULL && up->phase != HTTP_UPSTREAM_BODY ? bytes : consumed;
}

uint32_t http__answer_received(struct conn *conn, struct buf *buf, uint8_t *at, uint32_t bytes)
{
    struct http_upstream *up = http_upstream_of(conn);
    switch ((enum http_upstream_phase)up->phase) {
    case HTTP_UPSTREAM_HEAD: return read_head(up, at, bytes);
    case HTTP_UPSTREAM_BODY:
        return up->framing == HTTP_FRAMING_CHUNKED ? read_chunked_body(up, buf, at, bytes)
                                                   : read_plain_body(up, buf, at, bytes);
    case HTTP_UPSTREAM_TRAILERS: return read_trailers(up, at, bytes);
    case HTTP_UPSTREAM_TUNNEL: return read_plain_body(up, buf, at, bytes);
    case HTTP_UPSTREAM_IDLE: /* an answer to nothing: whose it is nobody knows */
        http__drop(up);
        return bytes;
    case HTTP_UPSTREAM_CONNECTING:
    case HTTP_UPSTREAM_OVER: break;
    }
    return bytes;
}
