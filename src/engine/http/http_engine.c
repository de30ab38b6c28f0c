/* SPDX-License-Identifier: Apache-2.0 */
/* engine/http/http_engine.c - answers on their way back, and the connections that are kept in
 * between.
 *
 * The happy path: submit -> take or open a connection -> http__send_request -> received: head,
 * op_answer, body into the op's
 * pipe -> complete: back to the pool, then op_finish. What goes wrong ends in http__fail. */
#include "engine/http/http_upstream.h"

#include "core/mem.h"
#include "core/units.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

enum {
    HTTP_UNSENT_BYTES_MAX =
        131072, /* that the kernel holds for a server that does not read; it would take megabytes */
    PATH_KNOWN_S =
        10, /* idle for longer, a connection may have been forgotten by a firewall on the way, which
               says nothing of the target */
};

static void count_connect_failure(const struct http_upstream *up)
{
    struct target *target = up->pool->target;
    if (target != NULL)
        row_add(&target->rows[up->pool->engine->worker->index].connect_failures_count, 1);
}

static void publish_counts(const struct http_pool *pool)
{
    if (pool->target == NULL)
        return;
    struct target_row *row = &pool->target->rows[pool->engine->worker->index];
    atomic_store_explicit(&row->idle_count, pool->idle_count, memory_order_relaxed);
    atomic_store_explicit(&row->open_count, pool->open_count, memory_order_relaxed);
}

/* --- pools
 * ---------------------------------------------------------------------------------------------- */

static struct http_pool *pool_of(struct http_engine_worker *engine, struct target *target)
{
    struct http_pool *pool = target->pools[engine->worker->index];
    if (pool != NULL)
        return pool;
    pool = slab_take(&engine->pools);
    if (pool == NULL)
        return NULL;
    *pool = (struct http_pool){.engine = engine, .target = target};
    list_init(&pool->idle);
    list_add_last(&engine->all_pools, &pool->link);
    target->pools[engine->worker->index] = pool;
    return pool;
}

static void free_pool_if_unused(struct http_pool *pool)
{
    if (pool->target != NULL || pool->open_count > 0)
        return;
    list_remove(&pool->link);
    slab_give(&pool->engine->pools, pool);
}

static void leave_idle(struct http_upstream *up)
{
    if (!link_is_in_list(&up->idle_link))
        return;
    list_remove(&up->idle_link);
    up->pool->idle_count--;
    up->pool->engine->idle_count--;
}

static void partial_free(struct http_upstream *up)
{
    mem_free(up->partial);
    up->partial = NULL;
}

/* Nothing more is expected of it. */
static void drop(struct http_upstream *up)
{
    leave_idle(up);
    up->phase = HTTP_UPSTREAM_OVER;
    conn_close(&up->conn);
    publish_counts(up->pool);
}

static void keep_idle(struct http_upstream *up)
{
    struct http_pool *pool = up->pool;
    if (!up->keep || pool->target == NULL || pool->idle_count >= up->connections_kept ||
        up->conn.sock.late_bytes > 0 || up->pool->engine->worker->stopping ||
        up->conn.sock.fd >= up->pool->engine->worker->descriptors_kept_most) {
        drop(up);
        return;
    }
    up->phase = HTTP_UPSTREAM_IDLE;
    up->idle_since_ns = *pool->engine->worker->now_ns;
    list_add_first(&pool->idle, &up->idle_link);
    pool->idle_count++;
    pool->engine->idle_count++;
    conn_receive_move(&up->conn, CONN_RECEIVE_IDLE, up->idle_timeout_ns);
    conn_receive(&up->conn, SOCK_RECEIVE_STREAM); /* stays armed: any byte or FIN closes it */
    publish_counts(pool);
}

/* --- the end of an op
 * ------------------------------------------------------------------------------------------- */

/* Takes the op off the connection; its pipes no longer call here. */
static struct op *detach(struct http_upstream *up)
{
    struct op *op = up->op;
    up->op = NULL;
    op->on_cancel = NULL;
    op->charged = NULL;
    op->answer_body.writable = (struct pipe_side){0};
    if (op->request_body != NULL)
        op->request_body->readable = (struct pipe_side){0};
    partial_free(up);
    return op;
}

void http__fail(struct http_upstream *up, enum err_kind kind, const char *detail)
{
    if (up->op == NULL)
        return;
    struct op *op = detach(up);
    drop(up);
    op_refuse(op, kind, detail);
}

static bool is_anything_sent(const struct http_upstream *up)
{
    return up->conn.sock.sent_bytes > up->sent_before || up->conn.out_sending > 0;
}

static bool has_no_way(int error)
{
    return error == ETIMEDOUT || error == EHOSTUNREACH || error == ENETUNREACH;
}

/* The connection ended before the answer did. @error: of the socket, 0 if the server closed it. */
static enum err_kind kind_of_end(const struct http_upstream *up, int error)
{
    if (up->heard)
        return ERR_TARGET_INCOMPLETE;
    if (!is_anything_sent(up))
        return ERR_TARGET_NOT_SENT;
    if (has_no_way(error))
        return http__kind_of_lost_path(up);
    return up->requests_count > 1 ? ERR_TARGET_STALE : ERR_TARGET_CLOSED;
}

/* The answer is whole. */
static void complete(struct http_upstream *up)
{
    const bool early = !up->request_ended;
    struct op *op = detach(up);
    if (early)
        up->keep = false;
    keep_idle(up);
    if (early && op->request_body != NULL)
        pipe_break(op->request_body); /* what is still to come of the request is not wanted */
    if (!op->answer_body.ended)
        pipe_end(&op->answer_body, ERR_NONE);
    op_finish(op, OUTCOME_DONE);
}

static size_t charged(const struct op *op)
{
    const struct http_upstream *up = op->holder;
    size_t bytes = conn_charged_bytes(&up->conn, sizeof *up);
    if (up->partial != NULL)
        bytes += sizeof *up->partial + up->partial->head.fields_max * sizeof up->partial->fields[0];
    return bytes;
}

static void on_cancel(struct op *op)
{
    http__fail(op->holder, ERR_CANCELLED, NULL);
}

/* --- answers' bodies
 * ------------------------------------------------------------------------------------------- */

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
static void receive_for(struct http_upstream *up)
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
    receive_for(up);
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
    complete(up);
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

/* --- answers' heads
 * --------------------------------------------------------------------------------------------- */

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
    complete(up);
    return bytes;
}

static void start_limits(struct http_upstream *up)
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
    partial_free(up); /* @head may lie in it: from here on the op's copy counts */
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
    up->phase = HTTP_UPSTREAM_BODY;
    op->answer_body.writable = (struct pipe_side){on_room, up};
    if (head->framing != HTTP_FRAMING_NONE)
        receive_body(up);
    op_answer(op);
    if (up->op != NULL && head->framing == HTTP_FRAMING_NONE)
        complete(up);
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
        partial_free(up);
        return consumed;
    }
    if (head->framing == HTTP_FRAMING_NONE && consumed < bytes)
        up->keep = false;
    on_head(up, head);
    return up->op == NULL && up->phase != HTTP_UPSTREAM_BODY ? bytes : consumed;
}

static uint32_t received(struct conn *conn, struct buf *buf, uint8_t *at, uint32_t bytes)
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
        drop(up);
        return bytes;
    case HTTP_UPSTREAM_CONNECTING:
    case HTTP_UPSTREAM_OVER: break;
    }
    return bytes;
}

/* --- ends
 * ---------------------------------------------------------------------------------------------- */

void http__end_tunnel_if_over(struct http_upstream *up)
{
    if (up->op != NULL && up->request_ended && up->op->answer_body.ended && up->conn.out_count == 0)
        complete(up);
}

/* The server sends no more: one direction is over. */
static void tunnel_ended(struct http_upstream *up)
{
    if (!up->op->answer_body.ended)
        pipe_end(&up->op->answer_body, ERR_NONE);
    http__end_tunnel_if_over(up);
}

static void ended(struct conn *conn, int error)
{
    struct http_upstream *up = http_upstream_of(conn);
    if (up->op == NULL) {
        drop(up);
        return;
    }
    if (error == 0 && up->phase == HTTP_UPSTREAM_TUNNEL) {
        tunnel_ended(up);
        return;
    }
    if (error == 0 && up->phase == HTTP_UPSTREAM_BODY && up->framing == HTTP_FRAMING_UNTIL_CLOSE &&
        conn->carry == NULL) {
        complete(up);
        return;
    }
    http__fail(up, kind_of_end(up, error), NULL);
}

/* An early answer, and then a reset: the answer may lie in the socket already, so it is read
 * before the end is believed. */
static void send_failed(struct conn *conn, int error)
{
    struct http_upstream *up = http_upstream_of(conn);
    (void)error;
    if (up->op == NULL) {
        drop(up);
        return;
    }
    up->keep = false;
    struct pipe *body = up->op->request_body;
    if (up->phase == HTTP_UPSTREAM_TUNNEL)
        http__fail(up, ERR_TARGET_INCOMPLETE, NULL);
    else if (body != NULL && !body->broken)
        pipe_break(body); /* the rest of it goes nowhere */
}

static void receive_expired(struct conn *conn)
{
    struct http_upstream *up = http_upstream_of(conn);
    switch ((enum http_upstream_phase)up->phase) {
    case HTTP_UPSTREAM_IDLE: drop(up); break;
    case HTTP_UPSTREAM_CONNECTING:
        count_connect_failure(up);
        http__fail(up, ERR_CONNECT_TIMEOUT, NULL);
        break;
    case HTTP_UPSTREAM_HEAD: http__head_expired(up); break;
    default:
        http__fail(up,
                   up->op != NULL && up->op->answered ? ERR_TARGET_INCOMPLETE : ERR_TARGET_TIMEOUT,
                   "the target's answer stalled");
        break;
    }
}

static void send_expired(struct conn *conn)
{
    http__fail(http_upstream_of(conn), ERR_TARGET_TIMEOUT, "the target did not take the request");
}

static void drained(struct conn *conn)
{
    struct http_upstream *up = http_upstream_of(conn);
    if (up->op == NULL)
        return;
    if (up->phase == HTTP_UPSTREAM_HEAD)
        http__await_head(up);
    if (up->op->request_body != NULL && !up->op->request_body->broken &&
        (up->phase == HTTP_UPSTREAM_TUNNEL || !up->op->request->head.upgrades))
        http__send_body(up);
    if (up->phase == HTTP_UPSTREAM_TUNNEL)
        http__end_tunnel_if_over(up);
}

static enum err_kind kind_of_connect_error(int error)
{
    switch (error) {
    case ECONNREFUSED:
    case ENOENT: /* a unix socket that is not there */ return ERR_CONNECT_REFUSED;
    case ETIMEDOUT: return ERR_CONNECT_TIMEOUT;
    default: return ERR_CONNECT_FAILED;
    }
}

static void wait_for_head(struct http_upstream *up)
{
    up->phase = HTTP_UPSTREAM_HEAD;
    http__await_head(up);
    receive_for(up);
}

/* A mean over the last eight or so. Workers that write it at once lose one of the samples. */
static void count_connect_time(const struct http_upstream *up)
{
    struct target *target = up->pool->target;
    if (target == NULL)
        return;
    const uint64_t took_us = (*up->pool->engine->worker->now_ns - up->connect_ns) / NS_PER_US;
    const uint64_t sample = took_us < 1 ? 1 : took_us > UINT32_MAX ? UINT32_MAX : took_us;
    const uint64_t mean = atomic_load_explicit(&target->connect_us, memory_order_relaxed);
    const uint64_t now = mean == 0 ? sample : (mean * 7 + sample + 4) / 8;
    atomic_store_explicit(&target->connect_us, (uint32_t)now, memory_order_relaxed);
}

static void connected(struct conn *conn, int error)
{
    struct http_upstream *up = http_upstream_of(conn);
    if (error != 0) {
        count_connect_failure(up);
        http__fail(up, kind_of_connect_error(error), NULL);
        return;
    }
    count_connect_time(up);
    if (up->op == NULL)
        return;
    wait_for_head(up);
    if (!http__send_request(up))
        http__fail(up, ERR_MEMORY, NULL);
}

static void closed(struct conn *conn)
{
    struct http_upstream *up = http_upstream_of(conn);
    struct http_pool *pool = up->pool;
    assert(up->op == NULL && !link_is_in_list(&up->idle_link));
    partial_free(up);
    pool->open_count--;
    pool->engine->open_count--;
    publish_counts(pool);
    slab_give(&pool->engine->upstreams, up);
    free_pool_if_unused(pool);
}

const struct conn_dialect http__upstream_dialect = {
    .name = "http to a server",
    .received = received,
    .ended = ended,
    .drained = drained,
    .send_failed = send_failed,
    .receive_expired = receive_expired,
    .send_expired = send_expired,
    .connected = connected,
    .closed = closed,
};

/* --- submit
 * ---------------------------------------------------------------------------------------------- */

static void attach(struct http_upstream *up, struct http_engine_stage *stage, struct op *op)
{
    up->op = op;
    up->settings = stage->settings;
    up->idle_timeout_ns = stage->settings->idle_timeout_ns;
    http__start_try(up);
    up->connections_kept = (uint32_t)stage->settings->connections_kept;
    const uint64_t most = stage->settings->connections_per_target;
    const uint64_t share = most / op->target->workers_count;
    if (most != 0 && share < up->connections_kept)
        up->connections_kept = (uint32_t)share;
    up->requests_count++;
    up->interims_count = 0;
    up->request_ended = false;
    up->heard = false;
    up->was_idle_long =
        up->idle_since_ns != 0 &&
        *stage->engine->worker->now_ns - up->idle_since_ns > PATH_KNOWN_S * NS_PER_S;
    up->keep = stage->settings->requests_per_connection == 0 ||
               up->requests_count < stage->settings->requests_per_connection;
    start_limits(up);
    op->holder = up;
    op->on_cancel = on_cancel;
    op->charged = charged;
}

static int open_socket(const struct target *target, const struct loop *loop, int most,
                       uint64_t receive_buffer_bytes)
{
    const int fd =
        socket(target->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | loop->kind->socket_flags, 0);
    if (fd >= most) { /* the last ones are the admin listener's: numbers are given from below */
        close(fd);
        return -1;
    }
    if (fd >= 0 && target->address.ss_family != AF_UNIX) {
        const int on = 1;
        const int unsent_bytes = HTTP_UNSENT_BYTES_MAX;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_bytes, sizeof unsent_bytes);
        sock_limit_receive_buffer(fd, receive_buffer_bytes);
    }
    return fd;
}

static bool is_target_full(const struct http_engine_stage *stage, const struct target *target)
{
    const uint64_t most = stage->settings->connections_per_target;
    if (most == 0)
        return false;
    uint64_t busy = 0; /* those that other workers keep idle are no reason to refuse */
    for (unsigned i = 0; i < target->workers_count; i++)
        busy += atomic_load_explicit(&target->rows[i].open_count, memory_order_relaxed) -
                atomic_load_explicit(&target->rows[i].idle_count, memory_order_relaxed);
    return busy >= most;
}

static void open_upstream(struct http_engine_stage *stage, struct http_pool *pool, struct op *op)
{
    struct http_engine_worker *engine = stage->engine;
    struct target *target = pool->target;
    if (is_target_full(stage, target)) {
        op_refuse(op, ERR_NO_TARGET,
                  "the target has as many connections as connections-per-target allows");
        return;
    }
    struct http_upstream *up = slab_take(&engine->upstreams);
    const int fd = up == NULL
                       ? -1
                       : open_socket(target, engine->worker->loop, engine->worker->descriptors_most,
                                     stage->settings->receive_buffer_bytes);
    if (fd < 0) {
        if (up != NULL)
            slab_give(&engine->upstreams, up);
        op_refuse(op, up == NULL ? ERR_MEMORY : ERR_LIMIT,
                  up == NULL ? NULL : "no file descriptor is left");
        return;
    }
    memset((uint8_t *)up + sizeof up->conn, 0, sizeof *up - sizeof up->conn);
    up->pool = pool;
    link_init(&up->idle_link);
    pool->open_count++;
    engine->open_count++;
    publish_counts(pool);
    row_add(&target->rows[engine->worker->index].connects_count, 1);
    attach(up, stage, op);
    op->kept_connection = false;
    up->phase = HTTP_UPSTREAM_CONNECTING;
    up->connect_ns = *engine->worker->now_ns;
    conn_connect(&up->conn, engine->worker->hub, &http__upstream_dialect, fd,
                 (const struct sockaddr *)&target->address, target->address_bytes);
    conn_receive_move(&up->conn, CONN_RECEIVE_HEAD,
                      http__patience_of_try(up, stage->settings->connect_timeout_ns));
}

static void submit(struct stage *self, struct op *op)
{
    struct http_engine_stage *stage = list_item(self, struct http_engine_stage, stage);
    struct http_pool *pool = pool_of(stage->engine, op->target);
    if (pool == NULL) {
        op_refuse(op, ERR_MEMORY, NULL);
        return;
    }
    /* After a dead connection a new one: the next kept one is likely as dead as the last. */
    struct list_link *link = op->fresh_connection ? NULL : list_first(&pool->idle);
    if (link == NULL) {
        open_upstream(stage, pool, op);
        return;
    }
    struct http_upstream *up = list_item(link, struct http_upstream, idle_link);
    leave_idle(up);
    attach(up, stage, op);
    op->kept_connection = true;
    row_add(&op->target->rows[stage->engine->worker->index].reused_count, 1);
    wait_for_head(up);
    if (!http__send_request(up))
        http__fail(up, ERR_MEMORY, NULL);
}

static const struct stage_kind kind = {.name = "engine/http", .submit = submit};

bool http_engine_stage_init(struct http_engine_stage *stage, struct http_engine_worker *engine,
                            const struct http_engine_settings *settings)
{
    if (settings->answer_header_count > engine->fields_max) {
        struct http_field *fields = mem_alloc(settings->answer_header_count * sizeof *fields);
        if (fields == NULL)
            return false;
        mem_free(engine->fields);
        engine->fields = fields;
        engine->fields_max = (uint32_t)settings->answer_header_count;
    }
    *stage = (struct http_engine_stage){
        .stage = {.kind = &kind}, .engine = engine, .settings = settings};
    return true;
}

/* --- life
 * ---------------------------------------------------------------------------------------------- */

void http_engine_worker_init(struct http_engine_worker *engine, struct worker *worker)
{
    *engine = (struct http_engine_worker){.worker = worker};
    list_init(&engine->all_pools);
    slab_init(&engine->upstreams, "connections to targets", sizeof(struct http_upstream), 0);
    slab_init(&engine->pools, "pools", sizeof(struct http_pool), 0);
}

static void close_idle(struct http_pool *pool)
{
    for (struct list_link *link; (link = list_first(&pool->idle)) != NULL;)
        drop(list_item(link, struct http_upstream, idle_link));
}

void http_engine_forget(struct http_engine_worker *engine, struct target *target)
{
    struct http_pool *pool = target->pools[engine->worker->index];
    if (pool == NULL)
        return;
    target->pools[engine->worker->index] = NULL;
    close_idle(pool);
    pool->target = NULL;
    free_pool_if_unused(pool);
}

void http_engine_worker_stop(struct http_engine_worker *engine)
{
    list_each(&engine->all_pools, link, after) close_idle(list_item(link, struct http_pool, link));
}

void http_engine_worker_fini(struct http_engine_worker *engine)
{
    if (engine->worker == NULL)
        return;
    list_each(&engine->all_pools, link, after)
    {
        struct http_pool *pool = list_item(link, struct http_pool, link);
        if (pool->target != NULL)
            http_engine_forget(engine, pool->target);
    }
    slab_fini(&engine->upstreams);
    slab_fini(&engine->pools);
    mem_free(engine->fields);
}
