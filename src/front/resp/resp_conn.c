/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/resp_conn.c - commands on their way in, and the connection's end.
 *
 * The happy path: received bytes -> resp_request_read -> resp__run, command after command out of
 * one buffer. What has come in part stays with loop/conn, which gives it again with what follows;
 * a large command is gathered in a buffer of the connection's own. */
#include "front/resp/resp_conn.h"
#include "front/resp/session/user/resp_user.h"

#include "core/mem.h"
#include "core/units.h"
#include "path/target.h"
#include "path/worker_row.h"

#include <stdio.h>

enum {
    GATHERED_BYTES_MIN = 64 * 1024,
    STREAM_FROM_BYTES =
        16 * 1024, /* an argument with so much to come is received in large buffers */
};

#define TOO_SLOW "the command did not come in time"

static const struct resp_settings *settings_of(const struct resp_conn *rc)
{
    return rc->front->settings.resp;
}

static bool is_closed(const struct resp_conn *rc)
{
    return rc->conn.sock.closing || rc->conn.receive_state >= CONN_RECEIVE_DISCARD;
}

/* --- how much --- */

/* Once paused, it goes on when half has left. */
static bool is_full(const struct resp_conn *rc)
{
    const struct resp_settings *settings = settings_of(rc);
    const unsigned shift = rc->is_paused;
    return resp__held(rc) >= settings->unread_bytes >> shift ||
           rc->under_way_count > (settings->pipeline_depth - 1) >> shift ||
           pubsub_is_held(&rc->session.subscriber);
}

/* A front that stops gives no connection longer than that. */
static uint64_t patience_ns(const struct resp_conn *rc, uint64_t usual_ns)
{
    const struct resp_front *front = rc->front;
    if (front->stop_ns == 0)
        return usual_ns;
    const uint64_t now_ns = *front->worker->now_ns;
    return front->stop_ns > now_ns ? front->stop_ns - now_ns : 1;
}

static void set_state(struct resp_conn *rc)
{
    const uint64_t idle_ns = patience_ns(rc, settings_of(rc)->idle_timeout_ns);
    if (rc->is_paused)
        conn_receive_move(&rc->conn, CONN_RECEIVE_PAUSED, patience_ns(rc, 0));
    else if (rc->has_part)
        conn_receive_move(&rc->conn, CONN_RECEIVE_HEAD,
                          patience_ns(rc, settings_of(rc)->receive_timeout_ns));
    else if (rc->conn.receive_state != CONN_RECEIVE_IDLE || idle_ns != 0)
        conn_receive_move(&rc->conn, CONN_RECEIVE_IDLE, idle_ns);
}

/* --- the end --- */

static void finish(struct resp_conn *rc)
{
    rc->conn.peer_is_done = rc->session.is_over && !rc->has_more && rc->conn.carry == NULL;
    conn_finish(&rc->conn, settings_of(rc)->linger_timeout_ns);
}

static bool is_finished(const struct resp_conn *rc)
{
    if (!list_is_empty(&rc->conn.exchanges))
        return false;
    return rc->session.is_over || (rc->is_ending && !rc->has_more && !rc->is_paused);
}

static void pause_or_resume(struct resp_conn *rc)
{
    const bool full = is_full(rc);
    if (full == rc->is_paused)
        return;
    rc->is_paused = full;
    set_state(rc);
    if (full || !rc->is_ending)
        conn_receive(&rc->conn, full ? SOCK_RECEIVE_OFF : SOCK_RECEIVE_WATCH);
    if (!full)
        conn_resume(&rc->conn);
}

void resp__go_on(struct resp_conn *rc)
{
    if (is_closed(rc) || rc->in_batch)
        return;
    if (!rc->session.is_over)
        pause_or_resume(rc);
    if (is_closed(rc))
        return;
    if (rc->is_paused)
        rc->conn.wants_room = true; /* or `sent` may be told much later, see loop/conn.c */
    if (is_finished(rc))
        finish(rc);
}

static void leave_line(struct resp_conn *rc)
{
    for (struct list_link *link; (link = list_first(&rc->conn.exchanges)) != NULL;) {
        struct resp_flight *flight = list_item(link, struct resp_flight, link);
        list_remove(link);
        if (flight->is_under_way)
            flight->conn = NULL;
        else
            resp__flight_free(flight);
    }
    rc->under_way_count = 0;
    rc->held_bytes = 0;
}

static void drop_gathered(struct resp_conn *rc)
{
    mem_free(rc->gathered.at);
    rc->gathered = (struct resp_gathered){0};
}

void resp__close(struct resp_conn *rc)
{
    if (!rc->conn.sock.closing)
        conn_close(&rc->conn);
    leave_line(rc);
    resp_session_fini(&rc->session);
}

/* An error of the protocol: what follows cannot be told from nonsense. */
static void refuse(struct resp_conn *rc, const char *error)
{
    struct resp_out *out = resp__sink(rc);
    rc->front->refused++;
    rc->session.is_over = true;
    if (out == NULL) {
        resp__close(rc);
        return;
    }
    const size_t begun = out->used;
    resp_errorf(out, "ERR %s", error);
    resp__sunk(rc, out, begun, false);
}

/* --- commands --- */

static void run_args(struct resp_conn *rc, const uint8_t *at, struct bytes *args)
{
    const uint32_t count = rc->request.args_count;
    for (uint32_t i = 0; i < count; i++)
        args[i] = resp_request_arg(&rc->request, at, i);
    resp__run(rc, args, count);
}

/* What may be sent now. */
static const struct resp_limits *limits_of(const struct resp_conn *rc)
{
    return rc->session.who.standing == RESP_NOBODY ? &rc->front->limits_of_nobody
                                                   : &rc->front->limits;
}

static void check_nobody(struct resp_conn *rc)
{
    if (rc->session.is_over || is_closed(rc) || resp__held(rc) <= RESP_NOBODY_HELD_BYTES_MAX)
        return;
    refuse(rc, "more than 1 KiB of answers wait for a client that has not said who it is");
}

/* The command that was read whole and begins at @at. */
static void run_command(struct resp_conn *rc, const uint8_t *at)
{
    struct bytes few[RESP_ARGS_ON_STACK];
    const uint32_t count = rc->request.args_count;
    row_add(&rc->front->member.bytes_in, rc->request.read_bytes);
    if (count == 0)
        return; /* an empty line, or an array of nothing */
    if (count <= RESP_ARGS_ON_STACK) {
        run_args(rc, at, few);
        if (rc->session.who.standing == RESP_NOBODY)
            check_nobody(rc);
        return;
    }
    struct bytes *many = mem_alloc(count * sizeof *many);
    if (many == NULL) {
        refuse(rc, "out of memory");
        return;
    }
    run_args(rc, at, many);
    mem_free(many);
}

static bool may_run(const struct resp_conn *rc)
{
    return !rc->session.is_over && !is_closed(rc) && !is_full(rc);
}

/* --- large ones --- */

/* Room for @bytes more: twice what has come, but no more than what is known to come, so that a
 * length alone takes nothing. */
static bool make_room(struct resp_gathered *gathered, size_t bytes, size_t value_left)
{
    const size_t needed = gathered->used + bytes;
    if (needed <= gathered->room)
        return true;
    size_t room = needed * 2 < GATHERED_BYTES_MIN ? GATHERED_BYTES_MIN : needed * 2;
    const size_t most = gathered->used + value_left + GATHERED_BYTES_MIN;
    if (room > most)
        room = most > needed ? most : needed;
    uint8_t *larger = mem_resize(gathered->at, room);
    if (larger == NULL)
        return false;
    gathered->at = larger;
    gathered->room = room;
    return true;
}

static bool gather(struct resp_conn *rc, const uint8_t *at, uint32_t bytes)
{
    struct resp_gathered *gathered = &rc->gathered;
    if (!make_room(gathered, bytes, rc->request.value_left)) {
        refuse(rc, "out of memory");
        return false;
    }
    memcpy(gathered->at + gathered->used, at, bytes);
    gathered->used += bytes;
    return true;
}

static bool is_large(const struct resp_conn *rc, uint32_t bytes)
{
    return bytes + rc->request.value_left > RESP_GATHER_BYTES;
}

static void receive_part(struct resp_conn *rc)
{
    const bool is_long = rc->request.value_left >= STREAM_FROM_BYTES;
    rc->has_part = true;
    conn_receive(&rc->conn, is_long ? SOCK_RECEIVE_STREAM : SOCK_RECEIVE_WATCH);
}

/* Adds to what is gathered, and runs the command if that completes it. Returns how many bytes were
 * its. */
static uint32_t read_gathered(struct resp_conn *rc, const uint8_t *at, uint32_t bytes)
{
    const size_t before = rc->gathered.used;
    if (!gather(rc, at, bytes))
        return bytes;
    switch (resp_request_read(&rc->request, rc->gathered.at, rc->gathered.used, limits_of(rc))) {
    case RESP_PARTIAL: receive_part(rc); return bytes;
    case RESP_BAD: refuse(rc, rc->request.error); return bytes;
    case RESP_DONE: break;
    }
    const uint32_t taken = (uint32_t)(rc->request.read_bytes - before);
    rc->gathered.used = rc->request.read_bytes;
    rc->front->timing.left = rc->front->timing.left_last;
    run_command(rc, rc->gathered.at);
    drop_gathered(rc);
    resp_request_next(&rc->request);
    conn_receive(&rc->conn, SOCK_RECEIVE_WATCH);
    return taken;
}

/* --- bytes --- */

/* A command that is not whole: if it is large, its bytes are taken. */
static uint32_t keep_part(struct resp_conn *rc, const uint8_t *at, uint32_t bytes)
{
    receive_part(rc);
    if (!is_large(rc, bytes))
        return 0;
    (void)gather(rc, at, bytes);
    return bytes;
}

/* Tells the path the keys of the commands of a pipeline before it gets them. Returns the bytes that
 * were looked at. */
static uint32_t look_ahead(struct resp_conn *rc, const uint8_t *at, uint32_t bytes)
{
    struct bytes keys[KEY_EXPECTED_MAX];
    uint32_t count = 0, seen = 0;
    for (size_t more; count < KEY_EXPECTED_MAX; seen += (uint32_t)more) {
        if (seen == bytes || (more = resp_request_peek(at + seen, bytes - seen, &keys[count])) == 0)
            break;
        count++;
    }
    if (count > 1)
        key_door_expect(rc->front->path->door, keys, count);
    return count > 1 ? seen : bytes;
}

/* Runs what is whole. Returns the bytes that were taken. */
static uint32_t read_commands(struct resp_conn *rc, const uint8_t *at, uint32_t bytes)
{
    uint32_t taken = 0, seen = 0;
    while (taken < bytes && may_run(rc)) {
        if (taken >= seen)
            seen = taken + look_ahead(rc, at + taken, bytes - taken);
        switch (resp_request_read(&rc->request, at + taken, bytes - taken, limits_of(rc))) {
        case RESP_PARTIAL: return taken + keep_part(rc, at + taken, bytes - taken);
        case RESP_BAD: refuse(rc, rc->request.error); return bytes;
        case RESP_DONE: break;
        }
        if (taken + rc->request.read_bytes == bytes)
            rc->front->timing.left = rc->front->timing.left_last;
        run_command(rc, at + taken);
        taken += (uint32_t)rc->request.read_bytes;
        resp_request_next(&rc->request);
    }
    return taken;
}

static uint32_t read_bytes(struct resp_conn *rc, const uint8_t *at, uint32_t bytes)
{
    uint32_t taken = 0;
    rc->has_part = false;
    if (rc->gathered.at != NULL)
        taken = read_gathered(rc, at, bytes);
    if (taken < bytes)
        taken += read_commands(rc, at + taken, bytes - taken);
    if (rc->session.is_over)
        taken = bytes;
    rc->has_more = taken < bytes && !rc->has_part;
    return taken;
}

/* What was published before the client sent what has come now reaches it before the answer, also
 * from another worker. False: it did not read, and is closed. */
static bool take_messages(struct resp_conn *rc)
{
    if (pubsub_subscribes(&rc->session.subscriber))
        pubsub_hand_on(rc->front->path->pubsub);
    return !is_closed(rc);
}

static uint32_t received(struct conn *conn, struct buf *buf, uint8_t *at, uint32_t bytes)
{
    struct resp_conn *rc = resp_conn_of(conn);
    (void)buf;
    if (rc->session.is_over)
        return bytes;
    if (rc->is_paused) {
        rc->has_more = true;
        return 0;
    }
    rc->active_ns = *rc->front->worker->now_ns;
    if (!take_messages(rc))
        return bytes;
    resp__batch_begin(rc);
    const uint32_t taken = read_bytes(rc, at, bytes);
    resp__batch_end(rc);
    if (is_closed(rc))
        return bytes;
    if (!rc->is_paused)
        set_state(rc);
    if (rc->has_more && !rc->is_paused)
        conn_resume(conn); /* room was made meanwhile */
    return taken;
}

/* --- events --- */

static void ended(struct conn *conn, int error)
{
    struct resp_conn *rc = resp_conn_of(conn);
    if (error != 0) {
        resp__close(rc);
        return;
    }
    rc->is_ending = true; /* a half-close: what was asked is answered */
    resp__go_on(rc);
}

static void drained(struct conn *conn)
{
    resp__pump(resp_conn_of(conn));
}

static void refuse_slow(struct resp_conn *rc)
{
    row_add(&rc->front->worker->row->expired_head, 1);
    resp__batch_begin(rc);
    refuse(rc, TOO_SLOW);
    resp__batch_end(rc);
}

static void receive_expired(struct conn *conn)
{
    struct resp_conn *rc = resp_conn_of(conn);
    if (rc->front->stop_ns != 0) {
        rc->is_ending = true;
        conn_receive(conn, SOCK_RECEIVE_OFF);
        resp__go_on(rc);
    } else if (conn->receive_state == CONN_RECEIVE_HEAD) {
        refuse_slow(rc);
    } else if (conn->receive_state == CONN_RECEIVE_IDLE &&
               (!list_is_empty(&conn->exchanges) || pubsub_subscribes(&rc->session.subscriber))) {
        set_state(rc); /* it waits for us */
    } else if (conn->receive_state == CONN_RECEIVE_IDLE) {
        row_add(&rc->front->worker->row->expired_idle, 1);
        resp__close(rc);
    }
}

static void send_expired(struct conn *conn)
{
    struct resp_conn *rc = resp_conn_of(conn);
    row_add(&rc->front->worker->row->expired_send, 1);
    resp__close(rc);
}

static void closed(struct conn *conn)
{
    struct resp_conn *rc = resp_conn_of(conn);
    struct resp_front *front = rc->front;
    leave_line(rc);
    resp_session_fini(&rc->session);
    resp_request_fini(&rc->request);
    drop_gathered(rc);
    door_forget(&rc->guest);
    atomic_store_explicit(&front->member.connections, front->door.guests_count,
                          memory_order_relaxed);
    slab_give(&front->conn_slab, rc);
    door_end_if_empty(&front->door);
}

const struct conn_dialect resp__dialect = {
    .name = "redis",
    .received = received,
    .ended = ended,
    .drained = drained,
    .receive_expired = receive_expired,
    .send_expired = send_expired,
    .closed = closed,
};
