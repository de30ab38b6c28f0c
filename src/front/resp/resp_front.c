/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/resp_front.c - the front's life: its settings, stopping, and what its connections say
 * and cost. */
#include "front/resp/resp_front.h"

#include "core/mem.h"
#include "core/units.h"
#include "front/resp/resp_conn.h"
#include "front/resp/session/user/resp_user.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct resp_front *front_of(struct door *door)
{
    return list_item(door, struct resp_front, door);
}

static struct resp_conn *guest_conn(struct list_link *link)
{
    return list_item(link, struct resp_conn, guest.link);
}

static void note_connections(struct resp_front *front)
{
    atomic_store_explicit(&front->member.connections, front->door.guests_count,
                          memory_order_relaxed);
}

/* --- the door --- */

static struct door_guest *enter(struct door *door, int fd, const struct sockaddr_storage *peer)
{
    struct resp_front *front = front_of(door);
    struct resp_conn *rc = slab_take(&front->conn_slab);
    if (rc == NULL)
        return NULL;
    memset((uint8_t *)rc + sizeof rc->conn, 0, sizeof *rc - sizeof rc->conn);
    rc->front = front;
    rc->opened_ns = rc->active_ns = *front->worker->now_ns;
    door_enter(door, &rc->guest, peer);
    resp_session_init(&rc->session, &front->sessions);
    resp_request_init(&rc->request);
    row_add(&front->member.connections_ever, 1);
    note_connections(front);
    conn_open(&rc->conn, front->worker->hub, &resp__dialect, fd, true);
    rc->conn.send_patience_ns = front->settings.resp->send_timeout_ns;
    conn_receive_move(&rc->conn, CONN_RECEIVE_IDLE,
                      front->stop_ns != 0 ? DOOR_STOP_GRACE_MS * NS_PER_MS
                                          : front->settings.resp->idle_timeout_ns);
    conn_receive(&rc->conn, SOCK_RECEIVE_WATCH);
    return &rc->guest;
}

static uint64_t idle_since_ns(const struct door_guest *guest)
{
    const struct resp_conn *rc = list_item(guest, const struct resp_conn, guest);
    if (rc->conn.receive_state != CONN_RECEIVE_IDLE || !list_is_empty(&rc->conn.exchanges) ||
        rc->session.queue.is_open || rc->conn.out_bytes > 0 ||
        pubsub_subscribes(&rc->session.subscriber))
        return UINT64_MAX;
    return rc->active_ns;
}

static void close_guest(struct door_guest *guest)
{
    resp__close(list_item(guest, struct resp_conn, guest));
}

static void emptied(struct door *door)
{
    struct resp_front *front = front_of(door);
    resp_node_leave(front->path->node, &front->member);
    buf_unref(front->batch_buf);
    if (front->spare != NULL)
        slab_give(&front->flight_slab, front->spare);
    slab_fini(&front->conn_slab);
    slab_fini(&front->flight_slab);
    slab_fini(&front->batch_slab);
    resp_path_let_go(front->path);
    mem_free(front);
}

static const struct door_kind door_kind = {
    .busy = "-ERR max number of clients reached\r\n",
    .many = "-ERR max number of clients reached for this address\r\n",
    .enter = enter,
    .idle_since_ns = idle_since_ns,
    .close = close_guest,
    .emptied = emptied,
};

/* --- what sessions ask --- */

static void write_address(char out[64], const struct sockaddr_storage *address)
{
    char host[INET6_ADDRSTRLEN] = "";
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)address;
        (void)inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        (void)snprintf(out, 64, "%s:%u", host, ntohs(in->sin_port));
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)address;
        (void)inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof host);
        (void)snprintf(out, 64, "[%s]:%u", host, ntohs(in->sin6_port));
    } else {
        (void)snprintf(out, 64, "unix:0");
    }
}

static size_t charged_bytes(const struct resp_conn *rc)
{
    return conn_charged_bytes(&rc->conn, sizeof *rc) + rc->gathered.room + rc->held_bytes +
           rc->session.queue.bytes + rc->session.watches.bytes + rc->session.subscriber.bytes +
           (rc->request.args_room > RESP_ARGS_INLINE
                ? rc->request.args_room * sizeof rc->request.args[0]
                : 0);
}

static void describe(const struct resp_session *session, struct resp_facts *facts)
{
    const struct resp_conn *rc = list_item(session, const struct resp_conn, session);
    const uint64_t now_ns = *rc->front->worker->now_ns;
    struct sockaddr_storage local = {0};
    socklen_t bytes = sizeof local;
    (void)getsockname(rc->conn.sock.fd, (struct sockaddr *)&local, &bytes);
    write_address(facts->address, &rc->guest.peer);
    write_address(facts->local_address, &local);
    facts->fd = rc->conn.sock.fd;
    facts->age_s = (now_ns - rc->opened_ns) / NS_PER_S;
    facts->idle_s = (now_ns - rc->active_ns) / NS_PER_S;
    facts->received_bytes = rc->gathered.used + rc->conn.carry_bytes;
    facts->queued_bytes = resp__held(rc);
    facts->queued_count = rc->conn.out_count;
    facts->bytes = charged_bytes(rc);
}

static void close_session(struct resp_session *session)
{
    resp__close(list_item(session, struct resp_conn, session));
}

/* Of all fronts; the path knows the rest. */
static void fill_figures(struct resp_sessions *sessions, struct resp_figures *figures)
{
    struct resp_front *front = list_item(sessions, struct resp_front, sessions);
    struct resp_node_counts counts;
    resp_node_count(front->path->node, &counts);
    figures->process_id = (uint64_t)getpid();
    figures->uptime_s = (*front->worker->now_ns - front->path->node->begun_ns) / NS_PER_S;
    figures->uptime_days = figures->uptime_s / 86400;
    figures->connections = counts.connections;
    figures->connections_ever = counts.connections_ever;
    figures->commands_ever = counts.commands;
    figures->connections_refused = counts.refused;
    figures->bytes_in = counts.bytes_in;
    figures->bytes_out = counts.bytes_out;
}

/* --- life --- */

/* What a client may send before it has said who it is. */
static struct resp_limits limits_of_nobody(const struct resp_limits *limits)
{
    struct resp_limits most = {
        .args_max = RESP_NOBODY_ARGS_MAX,
        .bulk_bytes_max = RESP_NOBODY_BULK_BYTES_MAX,
        .bytes_max = RESP_NOBODY_BYTES_MAX,
        .inline_bytes_max = RESP_NOBODY_BULK_BYTES_MAX,
        .args_error = "Protocol error: unauthenticated multibulk length",
        .bulk_error = "Protocol error: unauthenticated bulk length",
    };
    if (limits->bulk_bytes_max < most.bulk_bytes_max)
        most.bulk_bytes_max = limits->bulk_bytes_max;
    if (limits->bytes_max < most.bytes_max)
        most.bytes_max = limits->bytes_max;
    if (limits->inline_bytes_max < most.inline_bytes_max)
        most.inline_bytes_max = limits->inline_bytes_max;
    return most;
}

static void take_settings(struct resp_front *front, const struct resp_front_settings *settings)
{
    const struct resp_settings *resp = settings->resp;
    front->settings = *settings;
    front->sessions.settings = resp;
    front->limits = (struct resp_limits){
        .args_max = resp->args_max,
        .bulk_bytes_max = resp->bulk_bytes,
        .bytes_max = resp->request_bytes,
        .inline_bytes_max = resp->inline_commands ? RESP_INLINE_BYTES_MAX : 0,
    };
    front->limits_of_nobody = limits_of_nobody(&front->limits);
    resp_users_change(&front->sessions, settings->users);
}

struct resp_front *resp_front_new(struct worker *worker, const struct resp_front_settings *settings,
                                  struct resp_path *path, struct admission *admission, int fd)
{
    struct resp_front *front = mem_alloc(sizeof *front);
    if (front == NULL)
        return NULL;
    front->worker = worker;
    front->path = path;
    path->refs_count++;
    front->sessions = (struct resp_sessions){
        .path = path,
        .door = &front->door,
        .reader = &resp__reader,
        .figures = fill_figures,
        .describe = describe,
        .close = close_session,
    };
    list_init(&front->sessions.all);
    take_settings(front, settings);
    slab_init(&front->conn_slab, "redis connections", sizeof(struct resp_conn), 0);
    slab_init(&front->flight_slab, "redis commands", sizeof(struct resp_flight), 0);
    slab_init(&front->batch_slab, "redis answers", RESP_BATCH_BYTES, 0);
    door_init(&front->door, &door_kind, worker, admission);
    front->member.sessions = &front->sessions;
    resp_node_enter(path->node, &front->member, worker);
    door_open(&front->door, fd);
    return front;
}

void resp_front_change(struct resp_front *front, const struct resp_front_settings *settings,
                       struct resp_path *path)
{
    struct resp_path *old = front->path;
    take_settings(front, settings);
    path->refs_count++;
    front->path = front->sessions.path = path;
    resp_path_let_go(old);
}

void resp_front_stop(struct resp_front *front, void (*closed)(void *self), void *self)
{
    if (front->stop_ns == 0)
        front->stop_ns = *front->worker->now_ns + DOOR_STOP_GRACE_MS * NS_PER_MS;
    list_each(&front->door.guests, link, after)
    {
        struct resp_conn *rc = guest_conn(link);
        if (!rc->conn.sock.closing && rc->conn.receive_state < CONN_RECEIVE_DISCARD)
            conn_receive_patience(&rc->conn, DOOR_STOP_GRACE_MS * NS_PER_MS);
    }
    door_stop(&front->door, closed, self);
}

void resp_front_abort(struct resp_front *front)
{
    door_abort(&front->door);
}

void resp_front_count(const struct resp_front *front, struct resp_front_census *census)
{
    census->connections += front->door.guests_count;
    census->connections_ever += atomic_load(&front->member.connections_ever);
    census->commands += atomic_load(&front->member.commands);
    census->bytes_in += atomic_load(&front->member.bytes_in);
    census->bytes_out += atomic_load(&front->member.bytes_out);
    census->refused += front->refused;
    census->waiting += front->waiting;
    list_each(&front->door.guests, link, after)
    {
        const size_t bytes = charged_bytes(guest_conn(link));
        census->charged_bytes += bytes;
        if (bytes > census->charged_bytes_max)
            census->charged_bytes_max = bytes;
    }
}
