/* SPDX-License-Identifier: Apache-2.0 */
/* front/http/http_front.c - the front's life: its settings, stopping, and what its connections
 * cost. */
#include "core/mem.h"
#include "core/units.h"
#include "front/http/http_conn.h"
#include "path/worker_row.h"

#include <string.h>

static struct http_front *front_of(struct door *door)
{
    return list_item(door, struct http_front, door);
}

static struct http_conn *conn_of(struct list_link *link)
{
    return list_item(link, struct http_conn, guest.link);
}

static struct door_guest *enter(struct door *door, int fd, const struct sockaddr_storage *peer)
{
    struct http_front *front = front_of(door);
    struct http_conn *hc = slab_take(&front->conn_slab);
    if (hc == NULL)
        return NULL;
    memset((uint8_t *)hc + sizeof hc->conn, 0, sizeof *hc - sizeof hc->conn);
    hc->front = front;
    door_enter(door, &hc->guest, peer);
    hc->believed = config_networks_hold(front->settings.trust, (const struct sockaddr *)peer);
    conn_open(&hc->conn, front->worker->hub, &http__dialect, fd, true);
    conn_receive_move(&hc->conn, CONN_RECEIVE_HEAD,
                      door->stopping ? DOOR_STOP_GRACE_MS * NS_PER_MS
                                     : front->settings.http->header_timeout_ns);
    conn_receive(&hc->conn, SOCK_RECEIVE_WATCH);
    return &hc->guest;
}

static uint64_t idle_since_ns(const struct door_guest *guest)
{
    const struct http_conn *hc = list_item(guest, const struct http_conn, guest);
    if (hc->conn.receive_state != CONN_RECEIVE_IDLE)
        return UINT64_MAX;
    return hc->conn.receive_deadline.deadline_ns - hc->front->settings.http->idle_timeout_ns;
}

static void close_guest(struct door_guest *guest)
{
    http__close(list_item(guest, struct http_conn, guest));
}

static void let_go(struct http_router *router)
{
    if (--router->refs_count == 0)
        router->released(router);
}

static void emptied(struct door *door)
{
    struct http_front *front = front_of(door);
    slab_fini(&front->conn_slab);
    mem_free(front->fields);
    let_go(front->router);
    mem_free(front);
}

static const struct door_kind door_kind = {
    .busy = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n"
            "Content-Length: 0\r\n\r\n",
    .many = "HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nRetry-After: 1\r\n"
            "Content-Length: 0\r\n\r\n",
    .enter = enter,
    .idle_since_ns = idle_since_ns,
    .close = close_guest,
    .emptied = emptied,
};

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
    door_init(&front->door, &door_kind, worker, admission);
    if (!take_settings(front, settings)) {
        mem_free(front);
        return NULL;
    }
    router->refs_count++;
    slab_init(&front->conn_slab, "client connections", sizeof(struct http_conn), 0);
    door_open(&front->door, fd);
    return front;
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

void http_front_stop(struct http_front *front, void (*closed_call)(void *self), void *self)
{
    list_each(&front->door.guests, link, after)
    {
        struct http_conn *hc = conn_of(link);
        /* A request may be on its way already: it is answered, with Connection: close. */
        if (list_is_empty(&hc->conn.exchanges) && hc->partial == NULL &&
            hc->conn.receive_state < CONN_RECEIVE_DISCARD)
            conn_receive_patience(&hc->conn, DOOR_STOP_GRACE_MS * NS_PER_MS);
    }
    door_stop(&front->door, closed_call, self);
}

void http_front_abort(struct http_front *front)
{
    door_abort(&front->door);
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
    list_each(&front->door.guests, link, after)
    {
        const struct http_conn *hc = conn_of(link);
        const size_t bytes = charged(hc);
        census->connections++;
        census->charged_bytes += bytes;
        if (bytes > census->charged_bytes_max)
            census->charged_bytes_max = bytes;
        if (hc->incoming != NULL && hc->incoming->tunnel)
            census->tunnels++;
    }
}
