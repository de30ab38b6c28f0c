/* SPDX-License-Identifier: Apache-2.0 */
/* loop/conn.c - connections over sockets. */
#include "loop/conn.h"

#include "core/mem.h"
#include "core/units.h"

#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>

enum { SEND_LOOKS = 4 /* at what the other side has taken, within the patience */ };

enum { CARRY_BYTES_MIN = 1024 }; /* a usual head, and what it may still grow */

enum { COPIED_BYTES_MAX = 512 }; /* of a body, behind its head */

struct rule {
    const char *name;
    uint32_t    next;
};

static const struct rule receive_rules[] = {
#define TO(state) (1u << CONN_RECEIVE_##state)
#define X(name, next, gist) [CONN_RECEIVE_##name] = {#name, next},
    CONN_RECEIVE_STATES(X)
#undef X
#undef TO
};

static const struct rule send_rules[] = {
#define TO(state) (1u << CONN_SEND_##state)
#define X(name, next, gist) [CONN_SEND_##name] = {#name, next},
    CONN_SEND_STATES(X)
#undef X
#undef TO
};

const char *conn_receive_state_name(enum conn_receive_state state)
{
    return receive_rules[state].name;
}

const char *conn_send_state_name(enum conn_send_state state)
{
    return send_rules[state].name;
}

static struct conn *conn_of(struct sock *sock)
{
    return list_item(sock, struct conn, sock);
}

/* --- states
 * ---------------------------------------------------------------------------------------------- */

void conn_receive_patience(struct conn *conn, uint64_t patience_ns)
{
    struct loop *loop = conn->hub->loop;
    timer_set(&loop->timers, &conn->receive_deadline,
              patience_ns == 0 ? 0 : loop->now_ns + patience_ns);
}

void conn_receive_move(struct conn *conn, enum conn_receive_state to, uint64_t patience_ns)
{
    const enum conn_receive_state from = conn->receive_state;
    if (from != to) {
        assert(receive_rules[from].next & (1u << to));
        if (conn->counted) {
            conn->hub->receive_counts[from]--;
            conn->hub->receive_counts[to]++;
        }
        conn->receive_state = (uint8_t)to;
    }
    conn_receive_patience(conn, patience_ns);
}

static void send_move(struct conn *conn, enum conn_send_state to)
{
    assert(conn->send_state == to || (send_rules[conn->send_state].next & (1u << to)));
    conn->send_state = (uint8_t)to;
}

static void receive_expired(struct timer *timer)
{
    struct conn *conn = list_item(timer, struct conn, receive_deadline);
    if (conn->sock.closing)
        return;
    if (conn->receive_state == CONN_RECEIVE_DISCARD)
        conn_close(conn);
    else
        conn->dialect->receive_expired(conn);
}

static void set_send_deadline(struct conn *conn)
{
    struct loop *loop = conn->hub->loop;
    timer_set(&loop->timers, &conn->send_deadline,
              conn->send_patience_ns == 0 ? 0 : loop->now_ns + conn->send_patience_ns / SEND_LOOKS);
}

/* Bytes that the other side has acknowledged: what left, less what the kernel still holds. */
static uint64_t taken_bytes(const struct conn *conn)
{
    int held_bytes = 0;
    (void)ioctl(conn->sock.fd, SIOCOUTQ, &held_bytes);
    return conn->sock.sent_bytes - (uint64_t)held_bytes;
}

bool conn_acks(const struct conn *conn, struct conn_acks *acks)
{
    struct tcp_info info;
    socklen_t bytes = sizeof info;
    if (getsockopt(conn->sock.fd, IPPROTO_TCP, TCP_INFO, &info, &bytes) != 0)
        return false;
    *acks = (struct conn_acks){
        .taken_bytes = taken_bytes(conn),
        .silent_ns = (uint64_t)info.tcpi_last_ack_recv * NS_PER_MS,
        .in_flight_count = info.tcpi_unacked,
    };
    return true;
}

/* Slow is not dead: the kernel takes megabytes and then is silent for long, so what counts is what
 * the other side acknowledges. It is
 * looked at a few times within the patience. */
static void send_expired(struct timer *timer)
{
    struct conn *conn = list_item(timer, struct conn, send_deadline);
    if (conn->sock.closing || conn->out_sending == 0)
        return;
    const uint64_t taken = taken_bytes(conn);
    conn->send_looks = taken == conn->send_taken_bytes ? (uint8_t)(conn->send_looks + 1) : 1;
    conn->send_taken_bytes = taken;
    if (conn->send_looks <= SEND_LOOKS) {
        set_send_deadline(conn);
        return;
    }
    conn->dialect->send_expired(conn);
    conn_close(conn);
}

/* --- receiving
 * ---------------------------------------------------------------------------------------------- */

static void drop_carry(struct conn *conn)
{
    buf_unref(conn->carry);
    conn->carry = NULL;
    conn->carry_at = conn->carry_bytes = 0;
}

static bool takes_bytes(const struct conn *conn)
{
    return !conn->sock.closing && conn->receive_state != CONN_RECEIVE_CLOSED;
}

/* Keeps [at, at + bytes) of @buf to be offered again. A small rest of a large buffer is copied, so
 * that ten thousand half heads
 * do not hold ten thousand large buffers. */
static void keep(struct conn *conn, struct buf *buf, uint8_t *at, uint32_t bytes)
{
    /* The smallest carry is not copied to an even smaller one, or a head in crumbs would be
     * copied at each. */
    const struct slice rest = buf_slice(buf, at, bytes, buf->capacity > CARRY_BYTES_MIN);
    drop_carry(conn);
    if (rest.buf == NULL) {
        conn->dialect->ended(conn, ENOMEM);
        return;
    }
    conn->carry = rest.buf;
    conn->carry_at = (uint32_t)(rest.at - rest.buf->data);
    conn->carry_bytes = bytes;
}

/* Offers [at, at + bytes) of @buf to the dialect and keeps the rest. @buf's reference stays with
 * the caller. */
static void offer(struct conn *conn, struct buf *buf, uint8_t *at, uint32_t bytes)
{
    conn->offering = true;
    uint32_t consumed = 0;
    while (consumed < bytes && takes_bytes(conn) && conn->receive_state != CONN_RECEIVE_DISCARD) {
        conn->again = false;
        const uint32_t more = conn->dialect->received(conn, buf, at + consumed, bytes - consumed);
        if (more == 0 && !conn->again)
            break;
        consumed += more;
    }
    conn->offering = false;
    assert(consumed <= bytes);
    if (consumed < bytes && takes_bytes(conn) && conn->receive_state != CONN_RECEIVE_DISCARD)
        keep(conn, buf, at + consumed, bytes - consumed);
    else
        drop_carry(conn);
}

/* Bytes that follow others that wait: both go into one buffer of the connection's own, twice as
 * large as needed so that a head
 * that comes in crumbs is copied a logarithmic number of times. */
static bool add_to_carry(struct conn *conn, const uint8_t *at, uint32_t bytes)
{
    struct buf *carry = conn->carry;
    const uint32_t needed = conn->carry_bytes + bytes;
    /* Written to only if nobody else reads it and the bytes after are its own. */
    const bool own = carry->refs_count == 1 && carry->owner == NULL;
    if (!own || carry->capacity - conn->carry_at < needed) {
        struct buf *larger =
            buf_new(needed < CARRY_BYTES_MIN / 2 ? CARRY_BYTES_MIN : (size_t)needed * 2);
        if (larger == NULL)
            return false;
        memcpy(larger->data, carry->data + conn->carry_at, conn->carry_bytes);
        buf_unref(carry);
        conn->carry = carry = larger;
        conn->carry_at = 0;
    }
    memcpy(carry->data + conn->carry_at + conn->carry_bytes, at, bytes);
    conn->carry_bytes = needed;
    return true;
}

static void offer_carry(struct conn *conn)
{
    struct buf *buf = buf_ref(conn->carry);
    /* The connection's own reference goes while the dialect reads, so that slices it keeps are
     * not written over. */
    offer(conn, buf, buf->data + conn->carry_at, conn->carry_bytes);
    buf_unref(buf);
}

static void discard(struct conn *conn, uint32_t bytes)
{
    conn->lingered_bytes += bytes;
    if (conn->lingered_bytes > CONN_LINGER_BYTES_MAX)
        conn_close(conn);
}

static void plain_received(struct conn *conn, struct buf *buf, uint8_t *at, uint32_t bytes)
{
    if (!takes_bytes(conn))
        return;
    if (conn->receive_state == CONN_RECEIVE_DISCARD) {
        discard(conn, bytes);
    } else if (conn->carry == NULL) {
        offer(conn, buf, at, bytes);
    } else if (add_to_carry(conn, at, bytes)) {
        offer_carry(conn);
    } else {
        conn->dialect->ended(conn, ENOMEM);
    }
}

static void plain_send(struct conn *conn, struct iovec *iov, size_t count)
{
    sock_send(&conn->sock, iov, count);
}

const struct wire_kind wire_plain = {
    .name = "plain", .received = plain_received, .send = plain_send};

void conn_resume(struct conn *conn)
{
    conn->again = true; /* if bytes are being offered just now, they are offered once more */
    if (!conn->offering && conn->carry != NULL && takes_bytes(conn))
        offer_carry(conn);
}

static void on_received(struct sock *sock, struct buf *buf, uint8_t *at, uint32_t bytes)
{
    struct conn *conn = conn_of(sock);
    conn->wire->received(conn, buf, at, bytes);
}

static void on_ended(struct sock *sock, int error)
{
    struct conn *conn = conn_of(sock);
    conn->peer_ended = true;
    if (conn->receive_state == CONN_RECEIVE_DISCARD || conn->send_state == CONN_SEND_SHUT) {
        if (conn->receive_state == CONN_RECEIVE_DISCARD && conn->send_state != CONN_SEND_SHUT &&
            error == 0)
            return; /* what is queued still goes out */
        if (conn->receive_state == CONN_RECEIVE_DISCARD) {
            conn_close(conn);
            return;
        }
    }
    conn->dialect->ended(conn, error);
}

/* --- sending
 * ---------------------------------------------------------------------------------------------- */

static void flush(struct conn *conn)
{
    if (conn->sock.closing || conn->out_sending > 0 || conn->sock.connecting)
        return;
    if (conn->out_count == 0) {
        if (conn->send_state == CONN_SEND_LAST && conn->peer_is_done && conn->lingered_bytes == 0 &&
            conn->receive_state == CONN_RECEIVE_DISCARD) {
            conn_close(conn); /* the kernel still delivers what it has */
        } else if (conn->send_state == CONN_SEND_LAST) {
            shutdown(conn->sock.fd, SHUT_WR);
            send_move(conn, CONN_SEND_SHUT);
            if (conn->peer_ended && conn->receive_state == CONN_RECEIVE_DISCARD)
                conn_close(conn);
        }
        return;
    }
    for (unsigned i = 0; i < conn->out_count; i++)
        conn->iov[i] = (struct iovec){(void *)(uintptr_t)conn->out[i].at, conn->out[i].bytes};
    conn->out_sending = conn->out_count;
    conn->send_looks = 0;
    if (conn->send_state == CONN_SEND_IDLE)
        send_move(conn, CONN_SEND_BUSY);
    set_send_deadline(conn);
    conn->sock.sent_can_wait = !conn->wants_room && conn->out_count <= CONN_OUT_MAX / 2 &&
                               conn->send_state == CONN_SEND_BUSY;
    conn->wire->send(conn, conn->iov, conn->out_count);
}

static void flush_later(struct conn *conn)
{
    if (!link_is_in_list(&conn->unflushed))
        list_add_last(&conn->hub->unflushed, &conn->unflushed);
    conn->hub->loop->again = true;
}

static void flush_all(struct loop_hook *hook)
{
    struct conn_hub *hub = list_item(hook, struct conn_hub, hook);
    for (struct list_link *link; (link = list_first(&hub->unflushed)) != NULL;) {
        list_remove(link);
        flush(list_item(link, struct conn, unflushed));
    }
}

static void drop_head(struct conn *conn)
{
    buf_unref(conn->head);
    conn->head = NULL;
    conn->head_used = 0;
}

static void drop_out(struct conn *conn, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        conn->out_bytes -= conn->out[i].bytes;
        buf_unref(conn->out[i].buf);
    }
    conn->out_count = (uint8_t)(conn->out_count - count);
    if (conn->out_count > 0)
        memmove(conn->out, conn->out + count, conn->out_count * sizeof conn->out[0]);
    else
        drop_head(conn);
}

static void send_has_failed(struct conn *conn, int error)
{
    if (conn->dialect->send_failed == NULL) {
        conn->dialect->ended(conn, error);
        return;
    }
    drop_out(conn, conn->out_count);
    send_move(conn, CONN_SEND_CLOSED);
    conn->dialect->send_failed(conn, error);
}

static void on_sent(struct sock *sock, int error)
{
    struct conn *conn = conn_of(sock);
    drop_out(conn, conn->out_sending);
    conn->out_sending = 0;
    conn->wants_room = false;
    if (sock->closing)
        return;
    if (error != 0) {
        send_has_failed(conn, error);
        return;
    }
    timer_set(&conn->hub->loop->timers, &conn->send_deadline, 0);
    if (conn->send_state == CONN_SEND_BUSY && conn->out_count == 0)
        send_move(conn, CONN_SEND_IDLE);
    conn->dialect->drained(conn);
    if (!sock->closing && (conn->out_count > 0 || conn->send_state == CONN_SEND_LAST))
        flush_later(conn);
}

unsigned conn_out_takes(struct conn *conn, const struct pipe *pipe, unsigned framing)
{
    const unsigned room = conn_out_room(conn);
    const unsigned free = room <= framing + 1 ? 0 : room - framing - 1; /* one is for the end */
    const unsigned most = free < pipe->count ? free : pipe->count;
    uint32_t bytes = conn->out_bytes;
    unsigned count = 0;
    for (; count < most; count++) {
        bytes += pipe->at[(pipe->first + count) % PIPE_SLICES_MAX].bytes;
        if (bytes > pipe->bytes_max && bytes != pipe->at[pipe->first].bytes)
            break;
    }
    conn->wants_room = count < pipe->count;
    return count;
}

/* The last slice is the end of the head's buffer and not with the kernel yet: it may grow. */
static bool is_head_open(const struct conn *conn)
{
    if (conn->head == NULL || conn->out_count == conn->out_sending)
        return false;
    const struct slice *last = &conn->out[conn->out_count - 1];
    return last->buf == conn->head && last->at + last->bytes == conn->head->data + conn->head_used;
}

static void grow_head(struct conn *conn, uint32_t bytes)
{
    conn->out[conn->out_count - 1].bytes += bytes;
    conn->out_bytes += bytes;
    conn->head_used += bytes;
}

static void queue_slice(struct conn *conn, struct slice slice)
{
    assert(conn->out_count < CONN_OUT_MAX && conn->send_state < CONN_SEND_LAST);
    conn->out[conn->out_count++] = slice;
    conn->out_bytes += slice.bytes;
    flush_later(conn);
}

/* To copy a small body behind its head costs less than a send of two pieces, and what it was
 * received in is free at once. */
void conn_put(struct conn *conn, struct slice slice)
{
    assert(slice.bytes > 0 && conn->send_state < CONN_SEND_LAST);
    if (slice.bytes > COPIED_BYTES_MAX || !is_head_open(conn) ||
        conn->head->capacity - conn->head_used < slice.bytes) {
        queue_slice(conn, slice);
        return;
    }
    memcpy(conn->head->data + conn->head_used, slice.at, slice.bytes);
    grow_head(conn, slice.bytes);
    buf_unref(slice.buf);
}

static void release_head(struct buf *buf)
{
    slab_give(buf->owner, buf);
}

static struct buf *new_head(struct conn_hub *hub, uint32_t bytes)
{
    if (bytes > CONN_HEAD_BYTES)
        return buf_new(bytes);
    struct buf *buf = slab_take(&hub->heads);
    if (buf != NULL)
        *buf = (struct buf){
            .data = (uint8_t *)(buf + 1),
            .capacity = CONN_HEAD_BYTES,
            .refs_count = 1,
            .released = release_head,
            .owner = &hub->heads,
        };
    return buf;
}

uint8_t *conn_head_room(struct conn *conn, uint32_t bytes)
{
    if (conn->head != NULL && conn->head->capacity - conn->head_used < bytes)
        drop_head(conn);
    if (conn->head == NULL) {
        conn->head = new_head(conn->hub, bytes);
        if (conn->head == NULL)
            return NULL;
    }
    return conn->head->data + conn->head_used;
}

void conn_head_done(struct conn *conn, uint32_t bytes)
{
    if (bytes == 0)
        return;
    if (is_head_open(conn)) {
        grow_head(conn, bytes);
        return;
    }
    const uint8_t *at = conn->head->data + conn->head_used;
    conn->head_used += bytes;
    queue_slice(conn, (struct slice){buf_ref(conn->head), at, bytes});
}

void conn_finish(struct conn *conn, uint64_t linger_ns)
{
    if (conn->sock.closing)
        return;
    drop_carry(conn);
    if (conn->send_state < CONN_SEND_LAST)
        send_move(conn, CONN_SEND_LAST);
    if (conn->send_state == CONN_SEND_SHUT && conn->peer_ended) {
        conn_close(conn);
        return;
    }
    if (conn->receive_state != CONN_RECEIVE_CLOSED) {
        conn_receive_move(conn, CONN_RECEIVE_DISCARD, linger_ns);
        if (!conn->peer_ended)
            conn_receive(conn, SOCK_RECEIVE_WATCH);
    }
    if (conn->send_state == CONN_SEND_LAST)
        flush_later(conn);
}

void conn_shut_after_send(struct conn *conn)
{
    if (conn->sock.closing || conn->send_state >= CONN_SEND_LAST)
        return;
    send_move(conn, CONN_SEND_LAST);
    flush_later(conn);
}

/* --- open and close
 * --------------------------------------------------------------------------------------------- */

static void on_connected(struct sock *sock, int error)
{
    struct conn *conn = conn_of(sock);
    if (error == 0 && conn->out_count > 0)
        flush_later(conn);
    conn->dialect->connected(conn, error);
}

static void on_closed(struct sock *sock)
{
    struct conn *conn = conn_of(sock);
    timer_clear(&conn->receive_deadline);
    timer_clear(&conn->send_deadline);
    list_remove(&conn->unflushed);
    conn->out_sending = 0;
    drop_out(conn, conn->out_count);
    drop_head(conn);
    drop_carry(conn);
    if (conn->counted)
        conn->hub->receive_counts[conn->receive_state]--;
    conn->dialect->closed(conn);
}

static const struct sock_events events = {
    .received = on_received,
    .ended = on_ended,
    .sent = on_sent,
    .connected = on_connected,
    .closed = on_closed,
};

void conn_open(struct conn *conn, struct conn_hub *hub, const struct conn_dialect *dialect, int fd,
               bool counted)
{
    memset(conn, 0, offsetof(struct conn, out));
    conn->dialect = dialect;
    conn->wire = &wire_plain;
    conn->hub = hub;
    conn->counted = counted;
    list_init(&conn->exchanges);
    link_init(&conn->unflushed);
    timer_init(&conn->receive_deadline, receive_expired);
    timer_init(&conn->send_deadline, send_expired);
    sock_open(&conn->sock, hub->loop, &events, fd);
    if (counted)
        hub->receive_counts[CONN_RECEIVE_IDLE]++;
}

void conn_connect(struct conn *conn, struct conn_hub *hub, const struct conn_dialect *dialect,
                  int fd, const struct sockaddr *address, socklen_t bytes)
{
    conn_open(conn, hub, dialect, fd, false);
    sock_connect(&conn->sock, address, bytes);
}

void conn_close(struct conn *conn)
{
    if (conn->sock.closing)
        return;
    timer_set(&conn->hub->loop->timers, &conn->receive_deadline, 0);
    timer_set(&conn->hub->loop->timers, &conn->send_deadline, 0);
    conn_receive_move(conn, CONN_RECEIVE_CLOSED, 0);
    send_move(conn, CONN_SEND_CLOSED);
    sock_close(&conn->sock);
}

void conn_reset(struct conn *conn)
{
    const struct linger linger = {.l_onoff = 1, .l_linger = 0};
    if (!conn->sock.closing)
        (void)setsockopt(conn->sock.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    conn_close(conn);
}

void conn_hub_init(struct conn_hub *hub, struct loop *loop)
{
    *hub = (struct conn_hub){.loop = loop, .hook = {.call = flush_all}};
    list_init(&hub->unflushed);
    slab_init(&hub->heads, "heads to send", sizeof(struct buf) + CONN_HEAD_BYTES, 0);
    list_add_last(&loop->turn_hooks, &hub->hook.link);
}

void conn_hub_fini(struct conn_hub *hub)
{
    if (hub->loop == NULL)
        return;
    list_remove(&hub->hook.link);
    slab_fini(&hub->heads);
}

size_t conn_charged_bytes(const struct conn *conn, size_t struct_bytes)
{
    size_t bytes = struct_bytes + conn->out_bytes + conn->sock.late_bytes;
    if (conn->carry != NULL)
        bytes += sizeof *conn->carry + conn->carry->capacity;
    if (conn->head != NULL)
        bytes += sizeof *conn->head + conn->head->capacity;
    return bytes;
}
