/* SPDX-License-Identifier: Apache-2.0 */
/* front/http/http_answer.c - answers on their way to the client: heads, bodies, refusals, in the
 * order of the requests. */
#include "front/http/http_conn.h"

#include "core/units.h"
#include "path/journal.h"
#include "path/worker_row.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum {
    HEAD_EXTRA_BYTES =
        320, /* status line, Via, Date, Connection, framing: bounded by their literals */
    PROBLEM_BYTES_MAX = 1024,
    PUT_ROOM_MIN = 4, /* chunk head, data, chunk end, and one for the last chunk */
};

static struct http_exchange *first_of(struct http_conn *hc)
{
    struct list_link *link = list_first(&hc->conn.exchanges);
    return link == NULL ? NULL : list_item(link, struct http_exchange, link);
}

static bool is_old_client(const struct http_exchange *exchange)
{
    return exchange->op->request->head.version_minor == 0;
}

/* May another request follow on this connection? */
static bool keeps_alive(const struct http_exchange *exchange)
{
    const struct http_conn *hc = exchange->conn;
    if (!exchange->op->request->head.keep_alive || exchange->close_after ||
        hc->incoming == exchange)
        return false;
    const bool more = exchange->link.next != &hc->conn.exchanges.head || hc->refusal != ERR_NONE;
    return more || (!hc->last && !hc->front->door.stopping && !hc->conn.peer_ended);
}

/* --- heads
 * ---------------------------------------------------------------------------------------------- */

static void put_common(struct http1_writer *w, const struct http_exchange *exchange,
                       const struct http_head *head)
{
    const struct worker *worker = exchange->conn->front->worker;
    if (head == NULL || !http_head_has(head, HTTP_FIELD_DATE)) {
        http1_put_text(w, "Date: ");
        http1_put(w, worker->date, HTTP_DATE_BYTES);
        http1_put_text(w, "\r\n");
    }
    if (!keeps_alive(exchange))
        http1_put_text(w, "Connection: close\r\n");
    else if (is_old_client(exchange))
        http1_put_text(w, "Connection: keep-alive\r\n");
}

/* What a room of the path adds to every answer. */
static void put_room_fields(struct http1_writer *w, const struct op *op)
{
    if (op->answer_fields != NULL)
        http1_put(w, op->answer_fields, op->answer_fields_bytes);
}

static void put_via(struct http1_writer *w, const struct http_exchange *exchange)
{
    const char *via = exchange->settings->via;
    http1_put_text(w, "Via: 1.1 ");
    http1_put(w, via, strlen(via));
    http1_put_text(w, "\r\n");
}

/* Decides how the client learns where the body ends. */
static void frame_body(struct http_exchange *exchange, const struct http_head *head)
{
    const enum http_method method = exchange->op->request->head.method;
    exchange->bodyless = head->framing == HTTP_FRAMING_NONE || method == HTTP_METHOD_HEAD;
    exchange->chunked = false;
    if (exchange->bodyless || head->framing == HTTP_FRAMING_LENGTH)
        return;
    if (is_old_client(exchange))
        exchange->close_after =
            true; /* HTTP/1.0 knows no chunks: the end is the end of the connection */
    else
        exchange->chunked = true;
}

static void put_framing(struct http1_writer *w, const struct http_exchange *exchange,
                        const struct http_head *head)
{
    if (exchange->chunked)
        http1_put_chunked(w);
    else if (head->has_content_length && head->status != 204)
        http1_put_content_length(w, head->content_length);
}

static void put_upgrade(struct http1_writer *w, const struct http_head *head)
{
    const struct http_field *upgrade = http_head_find(head, HTTP_FIELD_UPGRADE);
    http1_put_text(w, "Connection: Upgrade\r\n");
    if (upgrade != NULL)
        http1_put_field(w, HTTP_FIELD_UPGRADE, http_field_value(head, upgrade),
                        upgrade->value_bytes);
}

/* Writes the answer's head. False: no memory, or no room yet (the socket is behind). */
static bool write_head(struct http_exchange *exchange)
{
    struct http_conn *hc = exchange->conn;
    const struct http_head *head = &exchange->op->answer.head;
    const uint32_t room = head->head_bytes + exchange->op->answer_fields_bytes + HEAD_EXTRA_BYTES;
    uint8_t *at = conn_head_room(&hc->conn, room);
    if (at == NULL) {
        conn_close(&hc->conn);
        return false;
    }
    struct http1_writer w = {.at = at, .end = at + room};
    exchange->status = head->status;
    exchange->close_after |= exchange->op->answer.close;
    http1_put_status_line(&w, head->status);
    http1_put_fields(&w, head);
    if (exchange->op->answer.tunnel) {
        put_upgrade(&w, head);
    } else {
        frame_body(exchange, head);
        put_framing(&w, exchange, head);
        put_common(&w, exchange, head);
    }
    put_room_fields(&w, exchange->op);
    put_via(&w, exchange);
    http1_put_text(&w, "\r\n");
    assert(!w.full);
    conn_head_done(&hc->conn, (uint32_t)(w.at - at));
    exchange->head_written = true;
    if (exchange->op->answer.tunnel)
        http__open_tunnel(exchange);
    return true;
}

/* --- what Pando itself has to say
 * --------------------------------------------------------------------------------- */

struct problem {
    unsigned         status;
    enum err_kind    kind;
    const char      *detail;
    uint32_t         retry_after_s;
    bool             close;
    bool             with_body; /* false for HEAD */
    const struct op *op;        /* whose rooms may add fields; NULL: no request was read */
};

/* RFC 9457 document. All texts are ours and free of quotes. */
static int write_problem_body(char *out, size_t room, const struct problem *problem)
{
    const struct err_row *row = err_row(problem->kind);
    return snprintf(
        out, room,
        "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%u,\"detail\":\"%s\",\"kind\":\"%s\"}\n",
        http_status_reason(problem->status), problem->status,
        problem->detail != NULL ? problem->detail : row->sentence, row->name);
}

static void put_proxy_status(struct http1_writer *w, const char *via, const struct problem *problem)
{
    const struct err_row *row = err_row(problem->kind);
    const char *detail = problem->detail != NULL ? problem->detail : row->sentence;
    http1_put_text(w, "Proxy-Status: ");
    http1_put(w, via, strlen(via));
    http1_put_text(w, "; error=");
    http1_put(w, row->proxy_status, strlen(row->proxy_status));
    http1_put_text(w, "; details=\"");
    http1_put(w, detail, strlen(detail));
    http1_put_text(w, "\"\r\n");
}

static bool write_problem(struct http_conn *hc, const struct http_service_settings *settings,
                          const struct problem *problem, uint64_t *body_bytes)
{
    char body[PROBLEM_BYTES_MAX];
    const int length = write_problem_body(body, sizeof body, problem);
    const uint32_t room =
        2 * PROBLEM_BYTES_MAX + (problem->op != NULL ? problem->op->answer_fields_bytes : 0);
    uint8_t *at = conn_out_room(&hc->conn) > 0 ? conn_head_room(&hc->conn, room) : NULL;
    if (at == NULL || length < 0 || (size_t)length >= sizeof body)
        return false;
    struct http1_writer w = {.at = at, .end = at + room};
    http1_put_status_line(&w, problem->status);
    http1_put_text(&w, "Content-Type: application/problem+json\r\nCache-Control: no-store\r\n");
    http1_put_content_length(&w, (uint64_t)length);
    put_proxy_status(&w, settings->via, problem);
    if (problem->retry_after_s > 0) {
        http1_put_text(&w, "Retry-After: ");
        http1_put_decimal(&w, problem->retry_after_s);
        http1_put_text(&w, "\r\n");
    }
    if (problem->op != NULL)
        put_room_fields(&w, problem->op);
    if (problem->status == 405)
        http1_put_text(&w, "Allow: " HTTP_ALLOWED_METHODS "\r\n");
    http1_put_text(&w, "Date: ");
    http1_put(&w, hc->front->worker->date, HTTP_DATE_BYTES);
    if (problem->close)
        http1_put_text(&w, "\r\nConnection: close\r\n\r\n");
    else
        http1_put_text(&w, "\r\n\r\n");
    *body_bytes = 0;
    if (problem->with_body) {
        http1_put(&w, body, (size_t)length);
        *body_bytes = (uint64_t)length;
    }
    assert(!w.full);
    conn_head_done(&hc->conn, (uint32_t)(w.at - at));
    return true;
}

static bool write_error(struct http_exchange *exchange)
{
    const struct answer *answer = &exchange->op->answer;
    const bool own = exchange->refusal != ERR_NONE;
    struct problem problem = {
        .kind = own ? exchange->refusal : answer->error,
        .detail = own ? exchange->refusal_detail : answer->detail,
        .status = own ? exchange->refusal_status : answer->status,
        .retry_after_s = answer->retry_after_s,
        .with_body = exchange->op->request->head.method != HTTP_METHOD_HEAD,
        .op = exchange->op,
    };
    if (problem.status == 0)
        problem.status = err_row(problem.kind)->status;
    exchange->close_after |= answer->close;
    problem.close = !keeps_alive(exchange);
    if (is_old_client(exchange))
        problem.close = exchange->close_after = true;
    exchange->status = (uint16_t)problem.status;
    exchange->bodyless = true;
    return exchange->head_written =
               write_problem(exchange->conn, exchange->settings, &problem, &exchange->bytes_out);
}

void http__refuse(struct http_conn *hc, unsigned status, enum err_kind kind, const char *detail)
{
    struct http_front *front = hc->front;
    const struct problem problem = {
        .status = status, .kind = kind, .detail = detail, .close = true, .with_body = true};
    uint64_t bytes_out = 0;
    hc->last = true;
    if (!list_is_empty(&hc->conn.exchanges)) { /* the answers before it come first */
        hc->refusal = kind;
        hc->refusal_status = (uint16_t)status;
        hc->refusal_detail = detail;
        conn_receive(&hc->conn, SOCK_RECEIVE_OFF);
        return;
    }
    hc->refusal = ERR_NONE;
    (void)write_problem(hc, front->settings.service, &problem, &bytes_out);
    row_add(&front->worker->row->requests_refused, 1);
    const struct exchange_report report = {
        .client = hc->guest.client,
        .listener = front->settings.name,
        .status = status,
        .error = kind,
        .detail = detail,
        .outcome = OUTCOME_FAILED,
        .bytes_out = bytes_out,
        .started_ns = *front->worker->now_ns,
        .ended_ns = *front->worker->now_ns,
    };
    front->worker->journal->exchange(front->worker->journal, &report);
    conn_finish(&hc->conn, front->settings.http->linger_timeout_ns);
}

/* --- bodies
 * ---------------------------------------------------------------------------------------------- */

static bool put_text(struct conn *conn, const char *text, uint32_t bytes)
{
    uint8_t *at = conn_head_room(conn, bytes);
    if (at == NULL)
        return false;
    memcpy(at, text, bytes);
    conn_head_done(conn, bytes);
    return true;
}

static bool put_chunk_head(struct conn *conn, uint64_t bytes)
{
    uint8_t *at = conn_head_room(conn, HTTP1_CHUNK_HEAD_BYTES_MAX);
    if (at == NULL)
        return false;
    struct http1_writer w = {.at = at, .end = at + HTTP1_CHUNK_HEAD_BYTES_MAX};
    http1_put_chunk_head(&w, bytes);
    conn_head_done(conn, (uint32_t)(w.at - at));
    return true;
}

/* One chunk of the first @count slices that wait. */
static bool put_chunk(struct http_exchange *exchange, struct pipe *pipe, unsigned count)
{
    struct conn *conn = &exchange->conn->conn;
    uint64_t bytes = 0;
    for (unsigned i = 0; i < count; i++)
        bytes += pipe->at[(pipe->first + i) % PIPE_SLICES_MAX].bytes;
    if (!put_chunk_head(conn, bytes))
        return false;
    for (unsigned i = 0; i < count; i++)
        conn_put(conn, pipe_take(pipe));
    exchange->bytes_out += bytes;
    return put_text(conn, "\r\n", 2);
}

/* Moves what is in the pipe to the socket's queue. False: no memory. */
static bool put_body(struct http_exchange *exchange, struct pipe *pipe)
{
    struct conn *conn = &exchange->conn->conn;
    for (unsigned count; (count = conn_out_takes(conn, pipe, 2)) > 0;) {
        if (exchange->chunked) {
            if (!put_chunk(exchange, pipe, count))
                return false;
            continue;
        }
        const struct slice slice = pipe_take(pipe);
        exchange->bytes_out += slice.bytes;
        conn_put(conn, slice);
    }
    return true;
}

static bool put_end(struct http_exchange *exchange)
{
    const struct http_head *trailers = exchange->op->answer_trailers;
    const uint32_t room =
        16 + (trailers != NULL ? trailers->head_bytes + 4u * trailers->fields_count : 0);
    uint8_t *at = conn_head_room(&exchange->conn->conn, room);
    if (at == NULL)
        return false;
    struct http1_writer w = {.at = at, .end = at + room};
    http1_put_last_chunk(&w, trailers);
    assert(!w.full);
    conn_head_done(&exchange->conn->conn, (uint32_t)(w.at - at));
    return true;
}

/* Pushes on the body of the first exchange. True once all of its answer is queued. */
static bool pump_body(struct http_exchange *exchange)
{
    struct http_conn *hc = exchange->conn;
    struct pipe *pipe = &exchange->op->answer_body;
    if (exchange->bodyless)
        return true;
    if (!put_body(exchange, pipe)) {
        conn_close(&hc->conn);
        return false;
    }
    if (!pipe_is_drained(pipe))
        return false;
    if (pipe->error != ERR_NONE) {
        exchange->cut = true;
        return true;
    }
    if (exchange->chunked && (conn_out_room(&hc->conn) == 0 || !put_end(exchange)))
        return false;
    return true;
}

/* --- exchanges
 * ---------------------------------------------------------------------------------------------- */

/* All of it is queued and the op is over: the next one may go. */
static void retire(struct http_exchange *exchange)
{
    struct http_conn *hc = exchange->conn;
    const bool keep = keeps_alive(exchange) && !exchange->tunnel;
    const bool cut = exchange->cut;
    /* All of its request is read, and it said that no other follows. */
    const bool said_close = !exchange->op->request->head.keep_alive && hc->incoming != exchange;
    /* What was sent before the cut still goes out if the client can tell that it is not all. */
    const bool is_delimited =
        exchange->chunked || exchange->op->answer.head.framing == HTTP_FRAMING_LENGTH;
    list_remove(&exchange->link);
    hc->exchanges_count--;
    if (hc->incoming == exchange)
        hc->incoming = NULL;
    http__exchange_over(exchange);
    if (cut && !is_delimited) {
        conn_reset(&hc->conn);
    } else if (!cut && list_is_empty(&hc->conn.exchanges) && hc->refusal != ERR_NONE) {
        http__refuse(hc, hc->refusal_status, hc->refusal, hc->refusal_detail);
    } else if (cut || !keep) {
        hc->last = true;
        hc->conn.peer_is_done = said_close && !cut && hc->conn.carry == NULL;
        conn_finish(&hc->conn, hc->front->settings.http->linger_timeout_ns);
    } else {
        http__read_on(hc);
    }
}

static void pay_continue(struct http_exchange *exchange)
{
    if (!exchange->continue_owed || exchange->answered)
        return;
    exchange->continue_owed = false;
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (conn_out_room(&exchange->conn->conn) > 0)
        (void)put_text(&exchange->conn->conn, text, sizeof text - 1);
}

static void pump(struct http_conn *hc)
{
    for (struct http_exchange *exchange;
         !hc->conn.sock.closing && (exchange = first_of(hc)) != NULL;) {
        pay_continue(exchange);
        if (!exchange->answered || (!exchange->written && conn_out_room(&hc->conn) < PUT_ROOM_MIN))
            return;
        if (!exchange->head_written) {
            const bool error =
                exchange->op->answer.error != ERR_NONE || exchange->refusal != ERR_NONE;
            if (!(error ? write_error(exchange) : write_head(exchange)))
                return;
        }
        if (!exchange->written)
            exchange->written = pump_body(exchange);
        if (hc->conn.sock.closing || !exchange->written)
            return;
        if (!exchange->finished) {
            if (exchange->tunnel && !exchange->cut)
                conn_shut_after_send(&hc->conn); /* the other direction may go on */
            return;
        }
        retire(exchange);
    }
}

/* Taking from a pipe may make its writer put more, which calls here again: that is done after,
 * not inside. */
void http__pump(struct http_conn *hc)
{
    hc->pump_again = true;
    if (hc->pumping)
        return;
    hc->pumping = true;
    while (hc->pump_again) {
        hc->pump_again = false;
        pump(hc);
    }
    hc->pumping = false;
}

static void on_body(void *self, struct pipe *pipe)
{
    struct http_exchange *exchange = self;
    (void)pipe;
    if (exchange->conn == NULL || !exchange->answered || exchange->written)
        return;
    if (exchange->tunnel && exchange->conn->conn.receive_state == CONN_RECEIVE_BODY)
        conn_receive_patience(&exchange->conn->conn, exchange->settings->tunnel_idle_timeout_ns);
    http__pump(exchange->conn);
}

static void on_interim(struct frame *frame, struct op *op)
{
    struct http_exchange *exchange = list_item(frame, struct http_exchange, frame);
    struct http_conn *hc = exchange->conn;
    /* Interims may be dropped (RFC 9110 15.2): of a request that has to wait, or for a client
     * that knows none. */
    if (hc == NULL || first_of(hc) != exchange || is_old_client(exchange) ||
        conn_out_room(&hc->conn) == 0)
        return;
    const struct http_head *head = &op->answer.head;
    const uint32_t room = head->head_bytes + HEAD_EXTRA_BYTES;
    uint8_t *at = conn_head_room(&hc->conn, room);
    if (at == NULL)
        return;
    struct http1_writer w = {.at = at, .end = at + room};
    http1_put_status_line(&w, head->status);
    http1_put_fields(&w, head);
    http1_put_text(&w, "\r\n");
    conn_head_done(&hc->conn, (uint32_t)(w.at - at));
}

static void on_answered(struct frame *frame, struct op *op)
{
    struct http_exchange *exchange = list_item(frame, struct http_exchange, frame);
    exchange->answered = true;
    if (exchange->conn == NULL) {
        pipe_break(&op->answer_body);
        return;
    }
    op->answer_body.readable = (struct pipe_side){on_body, exchange};
    http__pump(exchange->conn);
}

static void on_finished(struct frame *frame, struct op *op, enum outcome outcome)
{
    struct http_exchange *exchange = list_item(frame, struct http_exchange, frame);
    (void)op;
    exchange->finished = true;
    exchange->outcome = outcome;
    if (exchange->conn != NULL)
        http__pump(exchange->conn);
    else if (!exchange->abandoning)
        http__exchange_over(exchange);
}

void http__exchange_init(struct http_exchange *exchange)
{
    exchange->frame =
        (struct frame){.interim = on_interim, .answered = on_answered, .finished = on_finished};
}

void http__exchange_fail(struct http_exchange *exchange, enum err_kind kind, uint16_t status,
                         const char *detail)
{
    struct http_conn *hc = exchange->conn;
    if (exchange->refusal == ERR_NONE) {
        exchange->refusal = kind;
        exchange->refusal_status = status;
        exchange->refusal_detail = detail;
    }
    exchange->close_after = true;
    hc->last = true;
    if (exchange->head_written && !exchange->written)
        exchange->cut = true;
    conn_receive(&hc->conn, SOCK_RECEIVE_OFF);
    op_cancel(exchange->op); /* answered and finished come from below, perhaps at once */
}
