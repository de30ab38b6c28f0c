/* SPDX-License-Identifier: Apache-2.0 */
/* engine/http/http_send.c - requests on their way to a server: every head written anew, bodies
 * passed uncopied. */
#include "engine/http/http_upstream.h"

#include "core/units.h"

#include <assert.h>
#include <string.h>

enum {
    /* Via, Forwarded, X-Forwarded-*, traceparent, framing: literals, up to three times an address (48), via (64), and a target's
     * name (128) as Host. */
    HEAD_EXTRA_BYTES = 960, /* and the deadline's name (64) and digits */
    GRPC_MS_MAX = 99999999, /* 8 digits */
};

static void put_string(struct http1_writer *w, const char *text)
{
    http1_put(w, text, strlen(text));
}

static void put_hex_fixed(struct http1_writer *w, uint64_t value, unsigned digits)
{
    char text[16];
    for (unsigned i = digits; i > 0; i--, value >>= 4)
        text[i - 1] = "0123456789abcdef"[value & 15];
    http1_put(w, text, digits);
}

static void put_trace(struct http1_writer *w, const struct request *request)
{
    http1_put_text(w, "traceparent: 00-");
    put_hex_fixed(w, request->trace[0], 16);
    put_hex_fixed(w, request->trace[1], 16);
    http1_put_text(w, "-");
    put_hex_fixed(w, request->span, 16);
    http1_put_text(w, "-");
    put_hex_fixed(w, request->trace_flags, 2);
    http1_put_text(w, "\r\n");
}

/* RFC 7239: an IPv6 address stands in brackets and quotes, and so does a host that is more than
 * a token. */
static void put_forwarded(struct http1_writer *w, const struct request *request)
{
    const bool v6 = strchr(request->client, ':') != NULL;
    http1_put_text(w, "X-Forwarded-For: ");
    if (request->forwarded_for != NULL) {
        http1_put(w, request->forwarded_for, request->forwarded_for_bytes);
        http1_put_text(w, ", ");
    }
    put_string(w, request->client);
    http1_put_text(w, "\r\nX-Forwarded-Proto: ");
    put_string(w, request->scheme);
    http1_put_text(w, "\r\nX-Forwarded-Host: ");
    http1_put_span(w, &request->head, request->head.authority);
    http1_put_text(w, "\r\nForwarded: for=");
    put_string(w, v6 ? "\"[" : "");
    put_string(w, strcmp(request->client, "unix") == 0 ? "unknown" : request->client);
    put_string(w, v6 ? "]\"" : "");
    http1_put_text(w, ";host=\"");
    http1_put_span(w, &request->head, request->head.authority);
    http1_put_text(w, "\";proto=");
    put_string(w, request->scheme);
    http1_put_text(w, "\r\n");
}

/* An HTTP/1.0 client may name no host; HTTP/1.1 wants one, so it is the target itself. */
static void put_host(struct http1_writer *w, const struct http_upstream *up)
{
    const struct http_head *head = &up->op->request->head;
    const char *name = up->op->target->name;
    if (head->authority.bytes > 0)
        http1_put_host(w, head);
    else if (strncmp(name, "unix:", 5) == 0)
        http1_put_text(w, "Host: localhost\r\n");
    else
        http1_put_field(w, HTTP_FIELD_HOST, name, strlen(name));
}

static void put_framing(struct http1_writer *w, const struct http_head *head)
{
    if (head->framing == HTTP_FRAMING_CHUNKED)
        http1_put_chunked(w);
    else if (head->has_content_length)
        http1_put_content_length(w, head->content_length);
    if (head->upgrades) {
        const struct http_field *upgrade = &head->fields[head->upgrade_index];
        http1_put_text(w, "Connection: Upgrade\r\n");
        http1_put_field(w, HTTP_FIELD_UPGRADE, http_field_value(head, upgrade),
                        upgrade->value_bytes);
    } else if (head->te_trailers) {
        http1_put_text(w, "TE: trailers\r\nConnection: TE\r\n");
    }
}

static void put_via(struct http1_writer *w, const struct request *request)
{
    http1_put_text(w, "Via: 1.");
    http1_put(w, request->head.version_minor == 0 ? "0 " : "1 ", 2);
    put_string(w, request->via);
    http1_put_text(w, "\r\n");
}

/* What is left of the time that the client waits; at least a millisecond, since less is nothing. */
static void put_deadline(struct http1_writer *w, const struct op *op)
{
    const struct request *request = op->request;
    if (op->deadline_ns == 0 || request->deadline_name == NULL)
        return;
    const uint64_t now_ns = *op->worker->now_ns;
    const uint64_t left_ms =
        op->deadline_ns > now_ns + NS_PER_MS ? (op->deadline_ns - now_ns) / NS_PER_MS : 1;
    put_string(w, request->deadline_name);
    http1_put_text(w, ": ");
    http1_put_decimal(w, left_ms);
    if (request->is_grpc_deadline_told) {
        http1_put_text(w, "\r\ngrpc-timeout: ");
        http1_put_decimal(w, left_ms < GRPC_MS_MAX ? left_ms : GRPC_MS_MAX);
        http1_put_text(w, "m");
    }
    http1_put_text(w, "\r\n");
}

static bool send_head(struct http_upstream *up)
{
    const struct request *request = up->op->request;
    const struct http_head *head = &request->head;
    const uint32_t room = head->head_bytes + 3 * head->authority.bytes +
                          request->forwarded_for_bytes + HEAD_EXTRA_BYTES;
    uint8_t *at = conn_head_room(&up->conn, room);
    if (at == NULL)
        return false;
    struct http1_writer w = {.at = at, .end = at + room};
    http1_put_request_line(&w, head);
    put_host(&w, up);
    http1_put_fields(&w, head);
    put_framing(&w, head);
    if (request->is_forwarded_told)
        put_forwarded(&w, request);
    put_via(&w, request);
    put_trace(&w, request);
    put_deadline(&w, up->op);
    http1_put_text(&w, "\r\n");
    assert(!w.full);
    conn_head_done(&up->conn, (uint32_t)(w.at - at));
    return true;
}

static bool put_bytes(struct http_upstream *up, const char *text, uint32_t bytes)
{
    uint8_t *at = conn_head_room(&up->conn, bytes);
    if (at == NULL)
        return false;
    memcpy(at, text, bytes);
    conn_head_done(&up->conn, bytes);
    return true;
}

static bool put_chunk(struct http_upstream *up, struct slice slice)
{
    uint8_t *at = conn_head_room(&up->conn, HTTP1_CHUNK_HEAD_BYTES_MAX);
    if (at == NULL) {
        buf_unref(slice.buf);
        return false;
    }
    struct http1_writer w = {.at = at, .end = at + HTTP1_CHUNK_HEAD_BYTES_MAX};
    http1_put_chunk_head(&w, slice.bytes);
    conn_head_done(&up->conn, (uint32_t)(w.at - at));
    conn_put(&up->conn, slice);
    return put_bytes(up, "\r\n", 2);
}

static bool put_last_chunk(struct http_upstream *up)
{
    const struct http_head *trailers = up->op->request_trailers;
    const uint32_t room =
        16 + (trailers != NULL ? trailers->head_bytes + 4u * trailers->fields_count : 0);
    uint8_t *at = conn_head_room(&up->conn, room);
    if (at == NULL)
        return false;
    struct http1_writer w = {.at = at, .end = at + room};
    http1_put_last_chunk(&w, trailers);
    assert(!w.full);
    conn_head_done(&up->conn, (uint32_t)(w.at - at));
    return true;
}

static void end_request(struct http_upstream *up, struct pipe *pipe)
{
    if (up->phase == HTTP_UPSTREAM_TUNNEL) {
        up->request_ended = true;
        conn_shut_after_send(&up->conn);
        http__end_tunnel_if_over(up);
        return;
    }
    if (pipe->error != ERR_NONE) { /* half a body can only be told by half a connection */
        http__fail(up, ERR_CANCELLED, NULL);
        return;
    }
    const bool chunked = up->op->request->head.framing == HTTP_FRAMING_CHUNKED;
    if (chunked && !put_last_chunk(up)) {
        http__fail(up, ERR_MEMORY, NULL);
        return;
    }
    up->request_ended = true;
    http__start_try(up); /* the time that the client took for it does not count */
}

static void send_body(struct http_upstream *up)
{
    struct op *op = up->op;
    struct pipe *pipe = op->request_body;
    const bool chunked =
        op->request->head.framing == HTTP_FRAMING_CHUNKED && up->phase != HTTP_UPSTREAM_TUNNEL;
    while (conn_out_takes(&up->conn, pipe, 2) > 0) {
        const struct slice slice = pipe_take(pipe);
        if (up->op != op) { /* the writer, told that there is room, ended it all */
            buf_unref(slice.buf);
            return;
        }
        if (!chunked) {
            conn_put(&up->conn, slice);
        } else if (!put_chunk(up, slice)) {
            http__fail(up, ERR_MEMORY, NULL);
            return;
        }
    }
    if (pipe_is_drained(pipe) && conn_out_room(&up->conn) > 0)
        end_request(up, pipe);
}

/* Taking from the pipe may make its writer put more, which calls here again: that is done after,
 * not inside. */
void http__send_body(struct http_upstream *up)
{
    up->send_again = true;
    if (up->sending_body)
        return;
    up->sending_body = true;
    while (up->send_again && up->op != NULL && !up->request_ended &&
           up->phase != HTTP_UPSTREAM_CONNECTING) {
        up->send_again = false;
        send_body(up);
    }
    up->sending_body = false;
}

static void on_readable(void *self, struct pipe *pipe)
{
    struct http_upstream *up = self;
    (void)pipe;
    if (up->op != NULL)
        http__send_body(up);
}

void http__watch_request_body(struct http_upstream *up)
{
    up->op->request_body->readable = (struct pipe_side){on_readable, up};
}

bool http__send_request(struct http_upstream *up)
{
    struct op *op = up->op;
    up->sent_before = up->conn.sock.sent_bytes;
    op->sent_ns = *op->worker->now_ns;
    if (!send_head(up))
        return false;
    /* What comes before a 101 is nobody's yet; a tunnel's bytes begin to flow with the answer. */
    const bool body = op->request_body != NULL && !op->request->head.upgrades;
    up->request_ended = !body;
    if (body) {
        http__watch_request_body(up);
        http__send_body(up);
    }
    return true;
}
