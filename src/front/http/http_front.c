/* SPDX-License-Identifier: Apache-2.0 */
/* front/http/http_front.c - the front's life: accepting, its settings, stopping, and what its
 * connections cost. */
#include "core/mem.h"
#include "core/units.h"
#include "front/http/http_conn.h"
#include "path/worker_row.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

enum {
    STOP_GRACE_MS = 1000,  /* for a request that left the client before it could know of the stop */
    ACCEPT_PAUSE_MS = 100, /* until accepting is tried again */
    EVICT_IDLE_MS = 1000,  /* a connection idle for less is not closed to make room */
    EVICT_SHARE = 16,
    EVICT_MAX = 64,
};

static void write_client(struct http_conn *hc)
{
    const struct sockaddr *peer = (struct sockaddr *)&hc->peer;
    const char *written = NULL;
    if (peer->sa_family == AF_INET) {
        written = inet_ntop(AF_INET, &((struct sockaddr_in *)&hc->peer)->sin_addr, hc->client,
                            sizeof hc->client);
    } else if (peer->sa_family == AF_INET6) {
        const struct in6_addr *address = &((struct sockaddr_in6 *)&hc->peer)->sin6_addr;
        written = IN6_IS_ADDR_V4MAPPED(address)
                      ? inet_ntop(AF_INET, &address->s6_addr[12], hc->client, sizeof hc->client)
                      : inet_ntop(AF_INET6, address, hc->client, sizeof hc->client);
    }
    if (written == NULL)
        strcpy(hc->client, "unix");
}

static bool has_been_idle(const struct http_conn *hc, uint64_t until_ns, uint64_t *since_ns)
{
    *since_ns = hc->conn.receive_deadline.deadline_ns - hc->front->settings.http->idle_timeout_ns;
    return hc->conn.receive_state == CONN_RECEIVE_IDLE && *since_ns <= until_ns;
}

/* Closes the idlest connections, a sixteenth of the range at once so that the walk pays. False: none
 * has been idle for long enough. */
static bool close_idlest(struct http_front *front)
{
    const uint64_t now_ns = *front->worker->now_ns;
    if (now_ns < front->room_again_ns)
        return false;
    const uint64_t latest_ns = now_ns - EVICT_IDLE_MS * NS_PER_MS;
    uint64_t since_ns, oldest_ns = UINT64_MAX;
    list_each(&front->conns, link, after)
    {
        if (has_been_idle(list_item(link, struct http_conn, link), latest_ns, &since_ns) &&
            since_ns < oldest_ns)
            oldest_ns = since_ns;
    }
    if (oldest_ns == UINT64_MAX) {
        front->room_again_ns = now_ns + ACCEPT_PAUSE_MS * NS_PER_MS;
        return false;
    }
    unsigned closed = 0;
    const uint64_t until_ns = oldest_ns + (latest_ns - oldest_ns) / EVICT_SHARE;
    list_each(&front->conns, link, after)
    {
        struct http_conn *hc = list_item(link, struct http_conn, link);
        if (!has_been_idle(hc, until_ns, &since_ns))
            continue;
        http__close(hc);
        http__leave(hc); /* its place is free from now on */
        if (++closed == EVICT_MAX)
            break;
    }
    row_add(&front->worker->row->connections_evicted, closed);
    return true;
}

/* Descriptors have run out, or nearly: a pause lets others finish, instead of a loop that fails
 * as fast as it can. */
static void pause_accepting(struct http_front *front)
{
    listener_pause(&front->listener);
    (void)close_idlest(front);
    front->admission->told(front->admission, true);
    row_add(&front->worker->row->accept_pauses, 1);
    timer_set(&front->worker->loop->timers, &front->accept_again,
              *front->worker->now_ns + ACCEPT_PAUSE_MS * NS_PER_MS);
}

static void exhausted(struct listener *listener, int error)
{
    (void)error;
    pause_accepting(list_item(listener, struct http_front, listener));
}

static void accept_again(struct timer *timer)
{
    struct http_front *front = list_item(timer, struct http_front, accept_again);
    if (front->stopping)
        return;
    if (front->admission->is_short_of_descriptors(front->admission, -1)) {
        (void)close_idlest(front);
        timer_set(&front->worker->loop->timers, timer,
                  *front->worker->now_ns + ACCEPT_PAUSE_MS * NS_PER_MS);
    } else {
        front->admission->told(front->admission, false);
        listener_start(&front->listener);
    }
}

/* A connection over a limit is told so, if that is possible without waiting. */
static void turn_away(struct http_front *front, int fd, enum err_kind kind)
{
    static const char busy[] =
        "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n"
        "Content-Length: 0\r\n\r\n";
    static const char many[] =
        "HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nRetry-After: 1\r\n"
        "Content-Length: 0\r\n\r\n";
    row_add(&front->worker->row->connections_refused, 1);
    if (kind == ERR_CLIENT_LIMIT)
        (void)send(fd, many, sizeof many - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    else
        (void)send(fd, busy, sizeof busy - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)shutdown(fd, SHUT_WR);
    close(fd);
}

static void accepted(struct listener *listener, int fd, const struct sockaddr *address,
                     socklen_t address_bytes)
{
    struct http_front *front = list_item(listener, struct http_front, listener);
    struct sockaddr_storage peer = {0};
    socklen_t bytes = sizeof peer;
    row_add(&front->worker->row->connections_accepted, 1);
    if (address != NULL) {
        memcpy(&peer, address, address_bytes < bytes ? address_bytes : bytes);
    } else if (getpeername(fd, (struct sockaddr *)&peer, &bytes) != 0) { /* it is gone already */
        close(fd);
        return;
    }
    const bool is_short = front->admission->is_short_of_descriptors(front->admission, fd);
    if (is_short &&
        !front->listener.wanted) { /* the kernel accepted it before it heard of the pause */
        turn_away(front, fd, ERR_LIMIT);
        return;
    }
    enum err_kind refused =
        front->admission->connection(front->admission, (struct sockaddr *)&peer);
    if (refused == ERR_LIMIT && close_idlest(front))
        refused = front->admission->connection(front->admission, (struct sockaddr *)&peer);
    if (refused != ERR_NONE) {
        turn_away(front, fd, refused);
        return;
    }
    struct http_conn *hc = slab_take(&front->conn_slab);
    if (hc == NULL) {
        front->admission->left(front->admission, (struct sockaddr *)&peer);
        turn_away(front, fd, ERR_MEMORY);
        return;
    }
    memset((uint8_t *)hc + sizeof hc->conn, 0, sizeof *hc - sizeof hc->conn);
    hc->peer = peer;
    hc->admitted = true;
    hc->front = front;
    write_client(hc);
    hc->believed = config_networks_hold(front->settings.trust, (struct sockaddr *)&hc->peer);
    list_add_last(&front->conns, &hc->link);
    front->conns_count++;
    conn_open(&hc->conn, front->worker->hub, &http__dialect, fd, true);
    conn_receive_move(&hc->conn, CONN_RECEIVE_HEAD,
                      front->stopping ? STOP_GRACE_MS * NS_PER_MS
                                      : hc->front->settings.http->header_timeout_ns);
    conn_receive(&hc->conn, SOCK_RECEIVE_WATCH);
    if (is_short)
        pause_accepting(front);
}

static const struct listener_events listener_events = {.accepted = accepted,
                                                       .exhausted = exhausted};

static bool take_settings(struct http_front *front, const struct http_front_settings *settings)
{
    if (settings->http->header_count != front->fields_max) {
        struct http_field *fields = mem_alloc(settings->http->header_count * sizeof *fields);
        if (fields == NULL)
            return false; /* the old ones stay in force */
        mem_free(front->fields);
        front->fields = fields;
        front->fields_max = (uint32_t)settings->http->header_count;
    }
    front->settings = *settings;
    front->limits = (struct http1_limits){
        .head_bytes_max = (uint32_t)settings->http->header_bytes,
        .target_bytes_max = (uint32_t)settings->http->target_bytes,
        .fields_max = (uint16_t)settings->http->header_count,
    };
    return true;
}

struct http_front *http_front_new(struct worker *worker, const struct http_front_settings *settings,
                                  struct http_router *router, struct admission *admission, int fd)
{
    struct http_front *front = mem_alloc(sizeof *front);
    if (front == NULL)
        return NULL;
    front->worker = worker;
    front->router = router;
    front->admission = admission;
    list_init(&front->conns);
    timer_init(&front->accept_again, accept_again);
    if (!take_settings(front, settings)) {
        mem_free(front);
        return NULL;
    }
    router->refs_count++;
    slab_init(&front->conn_slab, "client connections", sizeof(struct http_conn), 0);
    listener_open(&front->listener, worker->loop, &listener_events, fd);
    listener_start(&front->listener);
    return front;
}

static void let_go(struct http_router *router)
{
    if (--router->refs_count == 0)
        router->released(router);
}

void http_front_change(struct http_front *front, const struct http_front_settings *settings,
                       struct http_router *router)
{
    struct http_router *old = front->router;
    (void)take_settings(front, settings);
    front->router = router;
    router->refs_count++;
    let_go(old);
}

void http__free_if_empty(struct http_front *front)
{
    if (!front->stopping || !front->listener_closed || front->conns_count > 0)
        return;
    timer_clear(&front->accept_again);
    slab_fini(&front->conn_slab);
    mem_free(front->fields);
    let_go(front->router);
    void (*closed_call)(void *) = front->closed;
    void *self = front->closed_self;
    mem_free(front);
    closed_call(self);
}

static void listener_closed(struct listener *listener)
{
    struct http_front *front = list_item(listener, struct http_front, listener);
    front->listener_closed = true;
    http__free_if_empty(front);
}

void http_front_stop(struct http_front *front, void (*closed_call)(void *self), void *self)
{
    front->stopping = true;
    front->closed = closed_call;
    front->closed_self = self;
    timer_set(&front->worker->loop->timers, &front->accept_again, 0);
    list_each(&front->conns, link, after)
    {
        struct http_conn *hc = list_item(link, struct http_conn, link);
        /* A request may be on its way already: it is answered, with Connection: close. */
        if (list_is_empty(&hc->conn.exchanges) && hc->partial == NULL &&
            hc->conn.receive_state < CONN_RECEIVE_DISCARD)
            conn_receive_patience(&hc->conn, STOP_GRACE_MS * NS_PER_MS);
    }
    front->listener.closed = listener_closed;
    listener_stop(&front->listener);
}

void http_front_abort(struct http_front *front)
{
    list_each(&front->conns, link, after) http__close(list_item(link, struct http_conn, link));
}

static size_t body_bytes(const struct pipe *body)
{
    if (body == NULL)
        return 0;
    return body->bytes + (body->log != NULL ? sizeof *body->log + body->log->bytes : 0);
}

static size_t charged(const struct http_conn *hc)
{
    size_t bytes = conn_charged_bytes(&hc->conn, sizeof *hc);
    if (hc->partial != NULL)
        bytes += sizeof *hc->partial + hc->partial->head.fields_max * sizeof hc->partial->fields[0];
    list_each(&hc->conn.exchanges, link, after)
    {
        const struct op *op = list_item(link, struct http_exchange, link)->op;
        bytes += sizeof *op + sizeof *op->request + op->arena.heap_bytes +
                 op->request->arena.heap_bytes + op->answer_body.bytes +
                 body_bytes(op->request_body) + (op->charged != NULL ? op->charged(op) : 0);
    }
    return bytes;
}

void http_front_count(const struct http_front *front, struct http_front_census *census)
{
    for (const struct list_link *link = front->conns.head.next; link != &front->conns.head;
         link = link->next) {
        const struct http_conn *hc = list_item(link, struct http_conn, link);
        const size_t bytes = charged(hc);
        census->connections++;
        census->charged_bytes += bytes;
        if (bytes > census->charged_bytes_max)
            census->charged_bytes_max = bytes;
        if (hc->incoming != NULL && hc->incoming->tunnel)
            census->tunnels++;
    }
}
