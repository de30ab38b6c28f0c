/* SPDX-License-Identifier: Apache-2.0 */
/* loop/conn.h - a connection: a socket, its wire, what it sends, and two tables of states with
 * their deadlines.
 *
 * A dialect (HTTP to clients, HTTP to servers, RESP, ...) embeds a struct conn and is called with
 * bytes. What it does
 * not consume is kept, made contiguous with what comes next, and offered again. What it sends is
 * queued and leaves at
 * the turn's end in one gathered send.
 *
 * Memory:  the dialect owns the struct; after `closed` it may go. Out slices own their buffer's
 * reference until they are
 *          sent. An idle connection holds no buffer.
 * Threads: one loop's.
 * Errors:  conn_put() and conn_room() say when there is no room or no memory; nothing else
 * fails. */
#ifndef PANDO_LOOP_CONN_H
#define PANDO_LOOP_CONN_H

#include "core/pipe.h"
#include "core/slab.h"
#include "loop/loop.h"

enum {
    CONN_OUT_MAX = LOOP_SEND_SLICES_MAX,
    CONN_HEAD_BYTES =
        2048 - 64, /* room for heads that are written; most answers' heads fit several times */
    CONN_LINGER_BYTES_MAX =
        4 * 1024 * 1024, /* dropped after our FIN so that a refused client can read why */
};

/* The receiving half. The deadline is the dialect's setting of that name, given at the move. */
#define CONN_RECEIVE_STATES(X)                                                                     \
    /* state    may go on to                                               gist              */    \
    X(IDLE,     TO(HEAD) | TO(BODY) | TO(PAUSED) | TO(DISCARD) | TO(CLOSED), "waits for a first byte") \
    X(HEAD,     TO(IDLE) | TO(BODY) | TO(PAUSED) | TO(DISCARD) | TO(CLOSED), "part of a head has come") \
    X(BODY,     TO(IDLE) | TO(HEAD) | TO(PAUSED) | TO(DISCARD) | TO(CLOSED), "a body is coming")   \
    X(PAUSED,   TO(IDLE) | TO(HEAD) | TO(BODY) | TO(DISCARD) | TO(CLOSED),   "is not read from, or only watched") \
    X(DISCARD,  TO(CLOSED),                                                "what comes is dropped") \
    X(CLOSED,   0,                                                         "nothing comes any more")

/* The sending half. */
#define CONN_SEND_STATES(X)                                                                        \
    X(IDLE,   TO(BUSY) | TO(LAST) | TO(SHUT) | TO(CLOSED), "nothing to send")                      \
    X(BUSY,   TO(IDLE) | TO(LAST) | TO(CLOSED),            "bytes are on their way to the kernel") \
    X(LAST,   TO(SHUT) | TO(CLOSED),                       "what is queued is the last")           \
    X(SHUT,   TO(CLOSED),                                  "our FIN is sent; the other side may still talk") \
    X(CLOSED, 0,                                           "nothing goes any more")

enum conn_receive_state {
#define X(name, next, gist) CONN_RECEIVE_##name,
    CONN_RECEIVE_STATES(X)
#undef X
    CONN_RECEIVE_STATES_COUNT
};

enum conn_send_state {
#define X(name, next, gist) CONN_SEND_##name,
    CONN_SEND_STATES(X)
#undef X
    CONN_SEND_STATES_COUNT
};

/* The names of the rows above, static. */
const char *conn_receive_state_name(enum conn_receive_state state);
/* The same for the sending half. */
const char *conn_send_state_name(enum conn_send_state state);

struct conn;

struct conn_dialect {
    const char *name;
    /* @bytes > 0 of @buf begin at @at, contiguous with everything not consumed before. Returns how
     * many are consumed;
     * the rest is offered again with the next bytes or at conn_resume(). Slices may be kept by
     * buf_ref(). */
    uint32_t (*received)(struct conn *conn, struct buf *buf, uint8_t *at, uint32_t bytes);
    /* The other side sends no more: 0 for FIN, else an errno. */
    void (*ended)(struct conn *conn, int error);
    /* Queued slices have left; there is room again. */
    void (*drained)(struct conn *conn);
    /* A send failed: nothing goes any more, but what the other side has said may still be read.
     * NULL: ended() is called. */
    void (*send_failed)(struct conn *conn, int error);
    /* The deadline of the receiving half passed; the sending half's closes the connection by
     * itself after this. */
    void (*receive_expired)(struct conn *conn);
    void (*send_expired)(struct conn *conn);
    void (*connected)(struct conn *conn, int error); /* NULL for accepted ones */
    /* Last: the memory may go. */
    void (*closed)(struct conn *conn);
};

/* What bytes pass through between socket and dialect: plain now, TLS later. */
struct wire_kind {
    const char *name;
    void (*received)(struct conn *conn, struct buf *buf, uint8_t *at, uint32_t bytes);
    void (*send)(struct conn *conn, struct iovec *iov, size_t count);
};

extern const struct wire_kind wire_plain;

/* One per worker: what its connections share. */
struct conn_hub {
    struct loop     *loop;
    struct loop_hook hook;
    struct list      unflushed;
    struct slab      heads; /* buffers for heads that are written */
    uint32_t         receive_counts
        [CONN_RECEIVE_STATES_COUNT]; /* of connections that count themselves, see conn_open() */
};

struct conn {
    struct sock                sock;
    const struct conn_dialect *dialect;
    const struct wire_kind    *wire;
    struct conn_hub           *hub;
    struct list                exchanges; /* the dialect's, in the order of their answers */
    struct list_link           unflushed;
    struct timer               receive_deadline;
    struct timer               send_deadline;
    uint64_t                   send_patience_ns; /* without a byte leaving; 0: no limit */
    uint64_t send_taken_bytes; /* that the other side had acknowledged when it was last looked at */
    uint8_t  send_looks;       /* without a byte taken in between */
    struct buf  *carry;        /* bytes not consumed yet */
    uint32_t     carry_at, carry_bytes;
    struct buf  *head; /* where heads are being written */
    uint32_t     head_used;
    uint32_t     out_bytes; /* queued and not sent */
    uint32_t     lingered_bytes;
    uint8_t      receive_state; /* enum conn_receive_state */
    uint8_t      send_state;    /* enum conn_send_state */
    uint8_t      out_count;
    uint8_t      out_sending; /* the first so many are with the kernel */
    bool         counted;     /* in hub->receive_counts */
    bool         offering;    /* inside dialect->received */
    bool         again;       /* conn_resume() was called meanwhile */
    bool         peer_ended;  /* a FIN came */
    bool         wants_room; /* a pipe had more than could be queued: its reader waits for `sent` */
    bool         peer_is_done; /* it said that it sends no more (Connection: close): no linger */
    struct slice out[CONN_OUT_MAX];
    struct iovec iov[CONN_OUT_MAX];
};

/* Hooks itself into @loop, which outlives it. */
void conn_hub_init(struct conn_hub *hub, struct loop *loop);
/* After the last connection was closed. Accepts one that was never initialised, all zero. */
void conn_hub_fini(struct conn_hub *hub);

/* Takes over @fd. @counted: it counts in the hub's figures by state (client connections do).
 * Nothing is received
 * before the first conn_receive_move(). */
void conn_open(struct conn *conn, struct conn_hub *hub, const struct conn_dialect *dialect, int fd,
               bool counted);

/* As conn_open(), then connects; @address is borrowed until connected(). */
void conn_connect(struct conn *conn, struct conn_hub *hub, const struct conn_dialect *dialect,
                  int fd, const struct sockaddr *address, socklen_t bytes);

/* The only place where the receiving half changes state: rule, count and deadline move together.
 * @patience_ns from now; 0: no
 * deadline. A move to the same state sets the deadline anew. */
void conn_receive_move(struct conn *conn, enum conn_receive_state to, uint64_t patience_ns);

/* Sets the deadline of the state it is in. */
void conn_receive_patience(struct conn *conn, uint64_t patience_ns);

/* What the socket is asked for. */
static inline void conn_receive(struct conn *conn, enum sock_receive want)
{
    if (!conn->sock.closing)
        sock_receive(&conn->sock, want);
}

/* Offers what was not consumed again; at once, or, from inside dialect->received, when that
 * returns. */
void conn_resume(struct conn *conn);

/* Slices that may still be queued. */
static inline unsigned conn_out_room(const struct conn *conn)
{
    return conn->send_state >= CONN_SEND_LAST ? 0u : (unsigned)(CONN_OUT_MAX - conn->out_count);
}

/* How many of the slices that wait in @pipe may be queued now, beside @framing slices around them.
 * Half of a body's bytes in flight may
 * be queued, the other half waits in the pipe (op_new() gives it half of the setting); one slice
 * always may. */
unsigned conn_out_takes(struct conn *conn, const struct pipe *pipe, unsigned framing);

/* Queues @slice and takes over its reference; a small one may be copied. There must be room. */
void conn_put(struct conn *conn, struct slice slice);

/* @bytes contiguous bytes to write a head into, or NULL without memory; conn_head_done() queues
 * what was written. Needs
 * room for one slice. */
uint8_t *conn_head_room(struct conn *conn, uint32_t bytes) must_check;
void conn_head_done(struct conn *conn, uint32_t bytes);

/* What is queued is the last: FIN after it, then what still comes is dropped for @linger_ns at
 * most, then closed. At once after the FIN if conn->peer_is_done was set and nothing came since. */
void conn_finish(struct conn *conn, uint64_t linger_ns);

/* FIN after what is queued; receiving goes on (the sending half of a tunnel ends first). */
void conn_shut_after_send(struct conn *conn);

/* At once. `closed` comes later. */
void conn_close(struct conn *conn);

/* As conn_close(), with a reset where there is TCP: what was sent is not all, and nothing else would
 * say so. */
void conn_reset(struct conn *conn);

/* What the kernel knows of the other side's acknowledgements. */
struct conn_acks {
    uint64_t taken_bytes;     /* acknowledged, of all that left */
    uint64_t silent_ns;       /* since the last acknowledgement, in ticks of 1 to 10 ms */
    uint32_t in_flight_count; /* segments that left and are not; none in front of a full window */
};

/* False: no TCP. Two system calls. */
bool conn_acks(const struct conn *conn, struct conn_acks *acks) must_check;

/* Bytes of memory that this connection causes: its struct of @struct_bytes, and the buffers it
 * holds. */
size_t conn_charged_bytes(const struct conn *conn, size_t struct_bytes);

#endif
