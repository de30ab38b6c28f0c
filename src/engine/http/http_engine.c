/* SPDX-License-Identifier: Apache-2.0 */
/* engine/http/http_engine.c - a request's way over a connection: how it begins, and all its ends.
 *
 * The happy path: submit -> take or open a connection -> http__send_request (http_send.c) -> the
 * answer's head and body go up as they come (http_receive.c) -> http__complete: back to the pool
 * (http_pool.c), then op_finish. What goes wrong ends in http__fail. */
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

/* --- the end of an op ------------------------------------------------------------------------- */

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
    http__partial_free(up);
    return op;
}

void http__fail(struct http_upstream *up, enum err_kind kind, const char *detail)
{
    if (up->op == NULL)
        return;
    struct op *op = detach(up);
    http__drop(up);
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
void http__complete(struct http_upstream *up)
{
    const bool early = !up->request_ended;
    struct op *op = detach(up);
    if (early)
        up->keep = false;
    http__keep_idle(up);
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

/* --- ends ------------------------------------------------------------------------------------- */

void http__end_tunnel_if_over(struct http_upstream *up)
{
    if (up->op != NULL && up->request_ended && up->op->answer_body.ended && up->conn.out_count == 0)
        http__complete(up);
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
        http__drop(up);
        return;
    }
    if (error == 0 && up->phase == HTTP_UPSTREAM_TUNNEL) {
        tunnel_ended(up);
        return;
    }
    if (error == 0 && up->phase == HTTP_UPSTREAM_BODY && up->framing == HTTP_FRAMING_UNTIL_CLOSE &&
        conn->carry == NULL) {
        http__complete(up);
        return;
    }
    http__fail(up, kind_of_end(up, error), NULL);
}

/* The rest of it goes nowhere, unless all of it can still go to another server. */
static void leave_body(struct pipe *body)
{
    if (pipe_can_rewind(body))
        body->readable = (struct pipe_side){0};
    else
        pipe_break(body);
}

/* An early answer, and then a reset: the answer may lie in the socket already, so it is read
 * before the end is believed. */
static void send_failed(struct conn *conn, int error)
{
    struct http_upstream *up = http_upstream_of(conn);
    (void)error;
    if (up->op == NULL) {
        http__drop(up);
        return;
    }
    up->keep = false;
    struct pipe *body = up->op->request_body;
    if (up->phase == HTTP_UPSTREAM_TUNNEL)
        http__fail(up, ERR_TARGET_INCOMPLETE, NULL);
    else if (body != NULL && !body->broken)
        leave_body(body);
}

static void receive_expired(struct conn *conn)
{
    struct http_upstream *up = http_upstream_of(conn);
    switch ((enum http_upstream_phase)up->phase) {
    case HTTP_UPSTREAM_IDLE: http__drop(up); break;
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
    http__receive_for(up);
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
    http__partial_free(up);
    pool->open_count--;
    pool->engine->open_count--;
    http__publish_counts(pool);
    slab_give(&pool->engine->upstreams, up);
    http__pool_free_if_unused(pool);
}

const struct conn_dialect http__upstream_dialect = {
    .name = "http to a server",
    .received = http__answer_received,
    .ended = ended,
    .drained = drained,
    .send_failed = send_failed,
    .receive_expired = receive_expired,
    .send_expired = send_expired,
    .connected = connected,
    .closed = closed,
};

/* --- submit ----------------------------------------------------------------------------------- */

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
    http__start_limits(up);
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
    http__publish_counts(pool);
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
    struct http_pool *pool = http__pool_of(stage->engine, op->target);
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
    http__leave_idle(up);
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
