/* SPDX-License-Identifier: Apache-2.0 */
/* front/http/http_conn.c - requests on their way in: heads, bodies, trailers, tunnels, and the
 * connection's end.
 *
 * The happy path: bytes -> read_head -> start_exchange -> stage_submit; the body, if there is one,
 * into the op's pipe as long
 * as there is room. What goes wrong is refused with a reason, and the connection is closed after
 * it. */
#include "front/http/http_conn.h"

#include "core/mem.h"
#include "core/units.h"
#include "path/journal.h"
#include "path/reply.h"
#include "path/worker_row.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

enum {
    STREAM_FROM_BYTES = 16384, /* a body with so much still to come is received in large buffers */
    RATE_GRACE_S = 5,          /* the lowest rate is asked for over windows of this length */
};

static const struct http_settings *settings_of(const struct http_conn *hc)
{
    return hc->front->settings.http;
}

/* --- bodies
 * ---------------------------------------------------------------------------------------------- */

static void body_patience(struct http_conn *hc)
{
    const struct http_service_settings *settings = hc->incoming->settings;
    const uint64_t now_ns = *hc->front->worker->now_ns;
    hc->patience_ends_ns = now_ns + settings->body_timeout_ns;
    uint64_t patience_ns = settings->body_timeout_ns;
    /* The rate is looked at when its window ends, whatever comes in between. */
    const uint64_t window_ends_ns = hc->rate_since_ns + RATE_GRACE_S * NS_PER_S;
    if (settings->body_rate_min_bytes != 0 && now_ns + patience_ns > window_ends_ns)
        patience_ns = window_ends_ns > now_ns ? window_ends_ns - now_ns : 1;
    conn_receive_move(&hc->conn, CONN_RECEIVE_BODY, patience_ns);
}

static void receive_body(struct http_conn *hc)
{
    hc->rate_since_ns = *hc->front->worker->now_ns;
    hc->rate_bytes = 0;
    body_patience(hc);
    const bool large = hc->body_left >= STREAM_FROM_BYTES && !hc->incoming->tunnel;
    conn_receive(&hc->conn, large ? SOCK_RECEIVE_STREAM : SOCK_RECEIVE_WATCH);
}

/* The pipe is full: nothing more is read until the engine has taken some. */
static void pause_body(struct http_conn *hc)
{
    pipe_wait_for_room(hc->incoming->op->request_body);
    conn_receive_move(&hc->conn, CONN_RECEIVE_PAUSED, 0);
    conn_receive(&hc->conn, SOCK_RECEIVE_OFF);
}

/* Reading stops when there is no room, not when the next buffer has come and must be held. */
static void pause_if_full(struct http_conn *hc)
{
    const struct pipe *pipe = hc->incoming->op->request_body;
    if (!pipe->broken && pipe_room(pipe) == 0)
        pause_body(hc);
    else
        body_patience(hc);
}

static void tunnel_patience(struct http_exchange *exchange)
{
    conn_receive_move(&exchange->conn->conn, CONN_RECEIVE_BODY,
                      exchange->settings->tunnel_idle_timeout_ns);
}

void http__open_tunnel(struct http_exchange *exchange)
{
    struct http_conn *hc = exchange->conn;
    exchange->tunnel = true;
    tunnel_patience(exchange);
    conn_receive(&hc->conn, SOCK_RECEIVE_WATCH);
    conn_resume(&hc->conn);
}

static void on_room(void *self, struct pipe *pipe)
{
    struct http_exchange *exchange = self;
    struct http_conn *hc = exchange->conn;
    (void)pipe;
    if (hc == NULL || hc->conn.sock.closing || hc->incoming != exchange)
        return;
    if (exchange->tunnel) {
        tunnel_patience(exchange);
        conn_receive(&hc->conn, SOCK_RECEIVE_WATCH);
    } else if (hc->conn.receive_state == CONN_RECEIVE_PAUSED &&
               !exchange->op->request->head.upgrades) {
        receive_body(hc);
    }
    conn_resume(&hc->conn);
}

/* The request's body is whole. */
static void end_body(struct http_conn *hc)
{
    struct http_exchange *exchange = hc->incoming;
    struct pipe *pipe = exchange->op->request_body;
    hc->incoming = NULL;
    conn_receive_move(&hc->conn, CONN_RECEIVE_PAUSED, 0);
    conn_receive(&hc->conn, SOCK_RECEIVE_WATCH);
    if (!pipe->ended)
        pipe_end(pipe, ERR_NONE); /* the exchange may be over after this */
}

/* Puts body bytes into the pipe; what nobody reads any more is dropped. False: no room. */
static bool put_body(struct http_conn *hc, struct buf *buf, const uint8_t *at, uint32_t bytes)
{
    struct http_exchange *exchange = hc->incoming;
    struct pipe *pipe = exchange->op->request_body;
    if (!pipe->broken) {
        if (pipe_room(pipe) == 0)
            return false;
        const struct slice slice = buf_slice(buf, at, bytes, pipe->count > 0);
        if (slice.buf == NULL)
            return false; /* no memory: it waits with the other bytes, and the body's deadline watches */
        exchange->bytes_in += bytes;
        if (!pipe_put(pipe, slice)) {
            exchange->bytes_in -= bytes;
            buf_unref(slice.buf);
            return pipe->broken;
        }
    }
    hc->rate_bytes += bytes;
    return true;
}

static bool is_over_body_limit(const struct http_exchange *exchange, uint64_t more)
{
    const uint64_t most = exchange->settings->body_bytes;
    return most != 0 && exchange->bytes_in + more > most;
}

static uint32_t read_sized_body(struct http_conn *hc, struct buf *buf, uint8_t *at, uint32_t bytes)
{
    const uint32_t taken = bytes < hc->body_left ? bytes : (uint32_t)hc->body_left;
    struct http_exchange *exchange = hc->incoming;
    if (!put_body(hc, buf, at, taken)) {
        pause_body(hc);
        return 0;
    }
    if (hc->incoming != exchange) /* it was answered and ended from inside */
        return taken;
    hc->body_left -= taken;
    if (hc->body_left == 0)
        end_body(hc);
    else
        pause_if_full(hc);
    return taken;
}

static struct http_partial *partial_new(struct http_conn *hc)
{
    const struct http_front *front = hc->front;
    struct http_partial *partial =
        mem_alloc(sizeof *partial + front->fields_max * sizeof partial->fields[0]);
    if (partial == NULL)
        return NULL;
    partial->head =
        (struct http_head){.fields = partial->fields, .fields_max = (uint16_t)front->fields_max};
    return hc->partial = partial;
}

static void partial_free(struct http_conn *hc)
{
    mem_free(hc->partial);
    hc->partial = NULL;
}

static uint32_t fail_body(struct http_conn *hc, enum http1_refusal refusal)
{
    const struct http1_refusal_row *row = http1_refusal_row(refusal);
    http__exchange_fail(hc->incoming, ERR_INPUT, row->status, row->sentence);
    return 0;
}

static uint32_t read_trailers(struct http_conn *hc, uint8_t *at, uint32_t bytes)
{
    if (hc->partial == NULL) {
        if (partial_new(hc) == NULL) {
            http__exchange_fail(hc->incoming, ERR_MEMORY, 0, NULL);
            return 0;
        }
        http1_reader_init(&hc->partial->reader, &hc->front->limits);
    }
    struct http_partial *partial = hc->partial;
    switch (http1_trailers_read(&partial->reader, at, bytes, &partial->head)) {
    case HTTP1_PARTIAL: body_patience(hc); return 0;
    case HTTP1_BAD: return fail_body(hc, partial->reader.refusal);
    case HTTP1_DONE: break;
    }
    const uint32_t consumed = partial->head.head_bytes;
    struct op *op = hc->incoming->op;
    if (partial->head.fields_count > 0 && !op->request_body->ended) {
        struct http_head *kept = arena_take(&op->arena, sizeof *kept);
        if (kept != NULL && op_copy_head(&op->arena, kept, &partial->head))
            op->request_trailers = kept;
    }
    partial_free(hc);
    hc->in_trailers = false;
    end_body(hc);
    return consumed;
}

static uint32_t read_chunked_body(struct http_conn *hc, struct buf *buf, uint8_t *at,
                                  uint32_t bytes)
{
    if (hc->in_trailers)
        return read_trailers(hc, at, bytes);
    struct http_exchange *exchange = hc->incoming;
    struct pipe *pipe = exchange->op->request_body;
    if (!pipe->broken && pipe_room(pipe) == 0) {
        pause_body(hc);
        return 0;
    }
    struct http1_piece piece;
    const enum http1_verdict verdict = http1_chunks_read(&hc->chunks, at, bytes, &piece);
    if (verdict == HTTP1_BAD)
        return fail_body(hc, hc->chunks.refusal);
    if (piece.bytes > 0) {
        if (is_over_body_limit(exchange, piece.bytes)) {
            http__exchange_fail(exchange, ERR_BODY_LIMIT, 0, NULL);
            return 0;
        }
        (void)put_body(hc, buf, piece.data, (uint32_t)piece.bytes); /* there is room */
        if (hc->incoming != exchange)
            return (uint32_t)piece.consumed;
    }
    hc->in_trailers = verdict == HTTP1_DONE;
    pause_if_full(hc);
    return (uint32_t)piece.consumed;
}

static uint32_t read_tunnel(struct http_conn *hc, struct buf *buf, uint8_t *at, uint32_t bytes)
{
    if (!put_body(hc, buf, at, bytes)) {
        pause_body(hc);
        return 0;
    }
    if (hc->incoming != NULL && hc->incoming->answered)
        tunnel_patience(hc->incoming);
    return bytes;
}

static uint32_t read_body(struct http_conn *hc, struct buf *buf, uint8_t *at, uint32_t bytes)
{
    const struct http_head *head = &hc->incoming->op->request->head;
    if (head->upgrades)
        return hc->incoming->tunnel ? read_tunnel(hc, buf, at, bytes) : 0;
    if (head->framing == HTTP_FRAMING_CHUNKED)
        return read_chunked_body(hc, buf, at, bytes);
    return read_sized_body(hc, buf, at, bytes);
}

/* --- heads
 * ---------------------------------------------------------------------------------------------- */

static void deadline_passed(struct timer *timer)
{
    struct http_exchange *exchange = list_item(timer, struct http_exchange, deadline);
    if (exchange->conn == NULL)
        return;
    struct http_conn *hc = exchange->conn;
    row_add(&hc->front->worker->row->expired_request, 1);
    http__exchange_fail(exchange, ERR_DEADLINE, 0, NULL);
    if (!hc->conn.sock.closing)
        http__pump(hc);
}

/* An op for the head, with the exchange in its arena; NULL without memory. */
static struct http_exchange *new_exchange(struct http_conn *hc, const struct http_head *head,
                                          const struct http_route *route)
{
    struct http_front *front = hc->front;
    const struct http_service_settings *settings =
        route != NULL ? route->settings : front->settings.service;
    struct op *op = op_new(front->worker, (uint32_t)settings->buffer_bytes);
    if (op == NULL)
        return NULL;
    struct http_exchange *exchange = arena_take(&op->arena, sizeof *exchange);
    if (exchange == NULL || !op_copy_head(&op->request->arena, &op->request->head, head) ||
        !http__request_annotate(hc, op->request)) {
        op_free(op);
        return NULL;
    }
    *exchange = (struct http_exchange){
        .conn = hc,
        .front = front,
        .op = op,
        .route = route,
        .router = front->router,
        .settings = settings,
        .continue_owed = head->expects_continue,
    };
    op->request->is_forwarded_told = settings->forwarded;
    op->request->via = settings->via;
    exchange->said_timeout_ns = http__request_timeout_ns(op->request, settings->deadline_header);
    op->service = route != NULL && route->service != NULL ? route->service->name : NULL;
    op->path = front->router->path;
    front->router->refs_count++;
    timer_init(&exchange->deadline, deadline_passed);
    http__exchange_init(exchange);
    op_push(op, &exchange->frame);
    return exchange;
}

static bool open_body(struct http_conn *hc, struct http_exchange *exchange)
{
    const struct http_head *head = &exchange->op->request->head;
    if (head->framing == HTTP_FRAMING_NONE && !head->upgrades)
        return true;
    struct pipe *pipe =
        op_open_request_body(exchange->op, (uint32_t)exchange->settings->buffer_bytes);
    if (pipe == NULL)
        return false;
    pipe->writable = (struct pipe_side){on_room, exchange};
    hc->conn.sock.receive_most = pipe->bytes_max;
    hc->incoming = exchange;
    hc->body_left = head->framing == HTTP_FRAMING_LENGTH ? head->content_length : UINT64_MAX;
    hc->chunks = (struct http1_chunks){0};
    hc->in_trailers = false;
    return true;
}

/* What is wrong with a well-formed request; NULL if nothing is. */
static const char *find_objection(const struct http_exchange *exchange, enum err_kind *kind,
                                  uint16_t *status)
{
    const struct http_head *head = &exchange->op->request->head;
    *status = 0;
    *kind = ERR_INPUT;
    if (head->method == HTTP_METHOD_CONNECT) {
        *status = 501;
        return "CONNECT is not offered: this is a reverse proxy";
    }
    if (head->method == HTTP_METHOD_TRACE) {
        *status = 405;
        return "TRACE is not offered: it would show a client what other parties added";
    }
    if (head->framing == HTTP_FRAMING_LENGTH &&
        is_over_body_limit(exchange, head->content_length)) {
        *kind = ERR_BODY_LIMIT;
        return err_row(ERR_BODY_LIMIT)->sentence;
    }
    if (exchange->route == NULL) {
        *kind = ERR_NO_ROUTE;
        return err_row(ERR_NO_ROUTE)->sentence;
    }
    return NULL;
}

static void set_deadline(struct http_exchange *exchange)
{
    const uint64_t most_ns = exchange->settings->request_timeout_ns;
    uint64_t timeout_ns = exchange->said_timeout_ns;
    if (most_ns != 0 && most_ns < timeout_ns)
        timeout_ns = most_ns;
    struct worker *worker = exchange->front->worker;
    if (timeout_ns > UINT64_MAX - *worker->now_ns)
        return;
    exchange->op->deadline_ns = *worker->now_ns + timeout_ns;
    timer_set(&worker->loop->timers, &exchange->deadline, exchange->op->deadline_ns);
}

/* What this node says for itself of what may be asked of it. */
static void answer_options(struct http_exchange *exchange)
{
    struct reply reply;
    exchange->close_after = exchange->op->request_body != NULL;
    reply_start(&reply, exchange->op, 200);
    reply_add(&reply, HTTP_FIELD_ALLOW, HTTP_ALLOWED_METHODS);
    reply_send(&reply, NULL);
}

static void submit(struct http_conn *hc, struct http_exchange *exchange)
{
    if (!http__count_forward(exchange->op->request)) {
        answer_options(exchange);
        return;
    }
    enum err_kind kind;
    uint16_t status;
    const char *objection = find_objection(exchange, &kind, &status);
    if (objection == NULL) {
        set_deadline(exchange);
        stage_submit(exchange->route->top, exchange->op);
        return;
    }
    row_add(&hc->front->worker->row->requests_refused, 1);
    /* A body that was not read makes the next request's place uncertain. */
    exchange->close_after = exchange->op->request_body != NULL;
    exchange->op->answer.status = status;
    op_refuse(exchange->op, kind, objection);
}

static void start_exchange(struct http_conn *hc, const struct http_head *head)
{
    struct http_front *front = hc->front;
    const struct http_route *route =
        http_router_find(front->router, http_span_bytes(head, head->host), head->host.bytes,
                         http_span_bytes(head, head->path), head->path.bytes);
    struct http_exchange *exchange = new_exchange(hc, head, route);
    if (exchange == NULL) {
        http__refuse(hc, 503, ERR_MEMORY, NULL);
        return;
    }
    row_add(&front->worker->row->requests, 1);
    hc->requests_count++;
    if (!head->keep_alive || head->upgrades ||
        (settings_of(hc)->requests_per_connection != 0 &&
         hc->requests_count >= settings_of(hc)->requests_per_connection))
        hc->last = true;
    hc->conn.send_patience_ns = exchange->settings->send_timeout_ns;
    if (!open_body(hc, exchange)) {
        exchange->op->top = NULL;
        exchange->finished = true;
        http__exchange_over(exchange);
        http__refuse(hc, 503, ERR_MEMORY, NULL);
        return;
    }
    list_add_last(&hc->conn.exchanges, &exchange->link);
    hc->exchanges_count++;
    if (hc->incoming != NULL && !head->upgrades)
        receive_body(hc);
    else
        conn_receive_move(&hc->conn, CONN_RECEIVE_PAUSED, 0);
    submit(hc, exchange);
    if (!hc->conn.sock.closing && !list_is_empty(&hc->conn.exchanges))
        http__pump(hc); /* 100 Continue, if it is owed */
}

/* Requests may be worked on side by side as long as none of them asks for a change (RFC 9112
 * 9.3.2). */
static bool may_read_head(const struct http_conn *hc)
{
    if (hc->last || hc->exchanges_count >= settings_of(hc)->pipeline_depth)
        return false;
    if (hc->exchanges_count == 0)
        return true;
    const struct list_link *link = hc->conn.exchanges.head.previous;
    const struct http_exchange *before = list_item(link, struct http_exchange, link);
    return http_method_is_safe(before->op->request->head.method);
}

static uint32_t head_is_partial(struct http_conn *hc, const struct http1_reader *reader,
                                const struct http_head *head)
{
    if (hc->partial == NULL) {
        if (partial_new(hc) == NULL) {
            http__refuse(hc, 503, ERR_MEMORY, NULL);
            return 0;
        }
        struct http_field *fields = hc->partial->head.fields;
        /* The field that is being read stands behind those that are whole. */
        const unsigned begun =
            head->fields_count < head->fields_max ? head->fields_count + 1u : head->fields_count;
        memcpy(fields, head->fields, begun * sizeof *fields);
        hc->partial->head = *head;
        hc->partial->head.fields = fields;
        hc->partial->reader = *reader;
    }
    /* The deadline of a head is absolute: it is set by the first byte. */
    if (hc->conn.receive_state != CONN_RECEIVE_HEAD && list_is_empty(&hc->conn.exchanges))
        conn_receive_move(&hc->conn, CONN_RECEIVE_HEAD, settings_of(hc)->header_timeout_ns);
    return 0;
}

static uint32_t read_head(struct http_conn *hc, uint8_t *at, uint32_t bytes)
{
    struct http_front *front = hc->front;
    struct http1_reader first;
    struct http_head whole = {.fields = front->fields, .fields_max = (uint16_t)front->fields_max};
    struct http1_reader *reader = &first;
    struct http_head *head = &whole;
    if (hc->partial != NULL) {
        reader = &hc->partial->reader;
        head = &hc->partial->head;
    } else {
        http1_reader_init(reader, &front->limits);
    }
    switch (http1_request_read(reader, at, bytes, head)) {
    case HTTP1_PARTIAL: return head_is_partial(hc, reader, head);
    case HTTP1_BAD: {
        const struct http1_refusal_row *row = http1_refusal_row(reader->refusal);
        partial_free(hc);
        http__refuse(hc, row->status, ERR_INPUT, row->sentence);
        return 0;
    }
    case HTTP1_DONE: break;
    }
    const uint32_t consumed = head->head_bytes;
    start_exchange(hc, head); /* which copies it */
    partial_free(hc);
    return consumed;
}

static uint32_t received(struct conn *conn, struct buf *buf, uint8_t *at, uint32_t bytes)
{
    struct http_conn *hc = http_conn_of(conn);
    if (hc->incoming != NULL) {
        const uint32_t taken = read_body(hc, buf, at, bytes);
        if (taken > 0 || hc->incoming == NULL || !hc->incoming->op->request->head.upgrades)
            return taken;
    } else if (may_read_head(hc)) {
        return read_head(hc, at, bytes);
    }
    /* These bytes have to wait, and so do those behind them. */
    if (conn->receive_state != CONN_RECEIVE_DISCARD && conn->receive_state != CONN_RECEIVE_CLOSED)
        conn_receive(conn, SOCK_RECEIVE_OFF);
    return 0;
}

void http__read_on(struct http_conn *hc)
{
    if (hc->incoming != NULL)
        return;
    if (list_is_empty(&hc->conn.exchanges)) {
        if (hc->conn.peer_ended || hc->front->door.stopping) {
            conn_finish(&hc->conn, settings_of(hc)->linger_timeout_ns);
            return;
        }
        conn_receive_move(&hc->conn, CONN_RECEIVE_IDLE, settings_of(hc)->idle_timeout_ns);
    }
    conn_receive(&hc->conn, SOCK_RECEIVE_WATCH);
    conn_resume(&hc->conn);
}

/* --- ends
 * ---------------------------------------------------------------------------------------------- */

static void count_exchange(const struct http_exchange *exchange, uint64_t now_ns)
{
    const struct http_route *route = exchange->route;
    if (route == NULL || route->service == NULL)
        return;
    struct service_row *row = &route->service->rows[exchange->op->worker->index];
    const unsigned class = exchange->status / 100u;
    row_add(&row->requests_count, 1);
    row_add(&row->statuses_count[class < 6 ? class : 0], 1);
    row_add(&row->bytes_in, exchange->bytes_in);
    row_add(&row->bytes_out, exchange->bytes_out);
    const enum err_kind kind =
        exchange->refusal != ERR_NONE ? exchange->refusal : exchange->op->answer.error;
    if (kind != ERR_NONE)
        row_add(&row->errors_count[kind], 1);
    histogram_record(&row->latency_us, (now_ns - exchange->op->started_ns) / NS_PER_US);
}

void http__exchange_over(struct http_exchange *exchange)
{
    assert(!exchange->over);
    exchange->over = true;
    struct op *op = exchange->op;
    struct worker *worker = op->worker;
    struct http_router *router = exchange->router;
    const uint64_t now_ns = *worker->now_ns;
    timer_clear(&exchange->deadline);
    count_exchange(exchange, now_ns);
    const struct exchange_report report = {
        .op = op,
        .client = op->request->origin,
        .listener = exchange->front->settings.name,
        .status = exchange->status,
        .error = exchange->refusal != ERR_NONE ? exchange->refusal : op->answer.error,
        .detail = exchange->refusal != ERR_NONE ? exchange->refusal_detail : op->answer.detail,
        .outcome = exchange->outcome,
        .bytes_in = exchange->bytes_in,
        .bytes_out = exchange->bytes_out,
        .started_ns = op->started_ns,
        .ended_ns = now_ns,
    };
    worker->journal->exchange(worker->journal, &report);
    op_free(op);
    if (--router->refs_count == 0)
        router->released(router);
}

/* The client is gone: the op is cancelled and ends by itself, at once or later. */
static void abandon(struct http_exchange *exchange)
{
    struct op *op = exchange->op;
    exchange->conn = NULL;
    exchange->abandoning = true; /* finished() leaves the exchange to us */
    if (exchange->finished && !exchange->written)
        exchange->outcome = OUTCOME_CANCELLED;
    op->answer_body.readable = (struct pipe_side){0};
    if (op->request_body != NULL)
        op->request_body->writable = (struct pipe_side){0};
    if (!exchange->finished)
        op_cancel(op);
    if (!exchange->finished && op->request_body != NULL && !op->request_body->ended)
        pipe_end(op->request_body, ERR_CANCELLED);
    if (!exchange->finished && op->answered)
        pipe_break(&op->answer_body);
    exchange->abandoning = false;
    if (exchange->finished)
        http__exchange_over(exchange);
}

static void abandon_exchanges(struct http_conn *hc)
{
    hc->incoming = NULL;
    for (struct list_link *link; (link = list_first(&hc->conn.exchanges)) != NULL;) {
        list_remove(link);
        hc->exchanges_count--;
        abandon(list_item(link, struct http_exchange, link));
    }
}

void http__close(struct http_conn *hc)
{
    if (!hc->conn.sock.closing)
        conn_close(&hc->conn);
    abandon_exchanges(hc);
}

static void ended(struct conn *conn, int error)
{
    struct http_conn *hc = http_conn_of(conn);
    if (error != 0) {
        http__close(hc);
        return;
    }
    if (hc->incoming != NULL && hc->incoming->tunnel) {
        struct pipe *pipe = hc->incoming->op->request_body;
        if (!pipe->ended)
            pipe_end(pipe, ERR_NONE);
        return;
    }
    const bool half_a_message = hc->incoming != NULL || hc->partial != NULL || conn->carry != NULL;
    if (list_is_empty(&conn->exchanges)) {
        /* A FIN where a request could begin, or in the middle of one that nobody will complete. */
        conn_close(conn);
    } else if (half_a_message && hc->incoming != NULL) {
        http__close(hc);
    } else {
        hc->last = true; /* a half-close: what was asked is answered */
    }
}

static void receive_expired(struct conn *conn)
{
    struct http_conn *hc = http_conn_of(conn);
    struct worker_row *row = hc->front->worker->row;
    if (hc->front->door.stopping && list_is_empty(&conn->exchanges) && hc->partial == NULL) {
        conn_finish(conn, settings_of(hc)->linger_timeout_ns);
        return;
    }
    switch ((enum conn_receive_state)conn->receive_state) {
    case CONN_RECEIVE_IDLE:
        row_add(&row->expired_idle, 1);
        http__close(hc);
        break;
    case CONN_RECEIVE_HEAD:
        row_add(&row->expired_head, 1);
        if (conn->carry == NULL && hc->requests_count == 0) {
            http__close(hc); /* not a byte came: nobody is waiting for an answer */
        } else {
            http__refuse(hc, 408, ERR_INPUT, "the request's head did not come in time");
        }
        break;
    case CONN_RECEIVE_BODY: {
        struct http_exchange *exchange = hc->incoming;
        const uint64_t now_ns = *hc->front->worker->now_ns;
        if (exchange == NULL)
            break;
        if (exchange->tunnel) {
            row_add(&row->expired_idle, 1);
            http__close(hc);
            break;
        }
        const uint64_t floor_bytes =
            exchange->settings->body_rate_min_bytes * ((now_ns - hc->rate_since_ns) / NS_PER_S);
        if (now_ns < hc->patience_ends_ns && hc->rate_bytes >= floor_bytes) {
            receive_body(hc);
            break;
        }
        row_add(&row->expired_body, 1);
        http__exchange_fail(exchange, ERR_INPUT, 408, "the request's body came too slowly");
        if (!conn->sock.closing)
            http__pump(hc);
        break;
    }
    default: break;
    }
}

static void send_expired(struct conn *conn)
{
    struct http_conn *hc = http_conn_of(conn);
    row_add(&hc->front->worker->row->expired_send, 1);
    http__close(hc);
}

static void drained(struct conn *conn)
{
    struct http_conn *hc = http_conn_of(conn);
    http__pump(hc);
}

static void closed(struct conn *conn)
{
    struct http_conn *hc = http_conn_of(conn);
    struct http_front *front = hc->front;
    abandon_exchanges(hc);
    partial_free(hc);
    door_forget(&hc->guest);
    slab_give(&front->conn_slab, hc);
    door_end_if_empty(&front->door);
}

const struct conn_dialect http__dialect = {
    .name = "http",
    .received = received,
    .ended = ended,
    .drained = drained,
    .receive_expired = receive_expired,
    .send_expired = send_expired,
    .closed = closed,
};
