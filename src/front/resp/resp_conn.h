/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/resp_conn.h - inside the Redis front: a client connection, and its line of answers.
 *
 * Reading (resp_conn.c): bytes -> commands, run where they lie (resp_run.c).
 * Messages (resp_push.c): what the client has subscribed, behind the answers that are due.
 * Answers (resp_line.c): one that comes at once is written into the batch's buffer, `out`, which
 * leaves when the received bytes are used up. From the first op on that is not done at once there
 * is a line: flights that are under way, and carriers, flights with answers that wait behind them.
 * What is in `out` stands before the line.
 *
 *     command -> op -> done at once: answer in the last carrier of the line, or in `out`
 *                   -> set_apart: the flight keeps arguments and answer, at the line's end
 *
 * A flight outlives its connection until its op is done. */
#ifndef PANDO_FRONT_RESP_RESP_CONN_H
#define PANDO_FRONT_RESP_RESP_CONN_H

#include "codec/resp/resp_request.h"
#include "core/slab.h"
#include "front/door/door.h"
#include "front/resp/resp_front.h"
#include "front/resp/resp_time.h"
#include "front/resp/session/resp_session.h"
#include "loop/conn.h"
#include "path/target.h"

enum {
    RESP_BATCH_BYTES = 16 * 1024 - 64, /* of a buffer for answers, all in all: four fill a chunk */
    RESP_FLUSH_BYTES = 12 * 1024,      /* answers leave the batch's buffer from here on */
    RESP_GATHER_BYTES = 16 * 1024,     /* a command over it is gathered by the connection */
    RESP_INLINE_BYTES_MAX = 64 * 1024, /* of a command on a line, as in Redis */
    RESP_FLIGHT_ROOM = 256,            /* for arguments of usual commands */
    RESP_ARGS_ON_STACK = 64,
};

struct resp_conn;
struct resp_exec;

struct resp_front {
    struct worker             *worker;
    struct resp_front_settings settings;
    struct resp_limits         limits, limits_of_nobody;
    struct resp_path          *path;
    struct resp_sessions       sessions;
    struct door                door;
    struct slab                conn_slab, flight_slab, batch_slab;
    struct buf                *batch_buf; /* kept for the next batch; NULL: none */
    struct resp_flight        *spare;     /* the same; NULL: none */
    uint64_t                   stop_ns;   /* when connections end; 0: not stopping */
    uint64_t                   clock_ns;  /* the worker's time at which now_ms was read */
    uint64_t                   now_ms;    /* Unix time */
    struct resp_member         member;    /* in the node's list; counts */
    struct resp_timing         timing;
    uint64_t                   refused, waiting;
};

/* A place in the line of answers. */
struct resp_flight {
    struct key_op       op;   /* first */
    struct list_link    link; /* in conn.exchanges */
    struct resp_front  *front;
    struct resp_conn   *conn;         /* NULL: gone */
    struct resp_path   *path;         /* referenced while under way */
    struct resp_out     out;          /* its own */
    struct resp_exec   *exec;         /* of EXEC */
    void               *block;        /* arguments that do not fit in `room` */
    void               *gathered;     /* arguments that the connection had gathered */
    size_t              begun;        /* bytes in op.out before its answer */
    size_t              held_bytes;   /* that count in conn->held_bytes */
    bool                is_under_way; /* its op is not done */
    bool                in_submit;    /* done() has nothing to do but to say so */
    bool                is_silent;    /* its answer is not sent */
    uint64_t            begun_ns;     /* when its command was read, or just before; 0: not timed */
    struct resp_watcher watcher;      /* of WATCH; from here on nothing is zeroed */
    uint8_t             room[RESP_FLIGHT_ROOM] __attribute__((aligned(8)));
};

/* A command that is too large for the loop's buffers. */
struct resp_gathered {
    uint8_t *at; /* NULL: nothing is gathered */
    size_t   used, room;
};

struct resp_conn {
    struct conn          conn;
    struct door_guest    guest;
    struct resp_session  session;
    struct resp_front   *front;
    struct resp_request  request;
    struct resp_gathered gathered;
    struct resp_out      out;        /* of the batch */
    size_t               held_bytes; /* arguments and answers of the line */
    uint64_t             opened_ns, active_ns;
    uint32_t             under_way_count; /* ops that are not done */
    bool                 in_batch;  /* bytes are being read: the line moves when they are used up */
    bool                 is_paused; /* not read from until there is room, or fewer ops wait */
    bool                 is_ending; /* what has come is run, and that is all */
    bool                 has_part;  /* of a command */
    bool                 has_more;  /* commands came that were not run yet: there was no room */
};

extern const struct conn_dialect resp__dialect;

static inline struct resp_conn *resp_conn_of(struct conn *conn)
{
    return list_item(conn, struct resp_conn, conn);
}

/* --- resp_conn.c --- */

/* At once: what is under way ends by itself. */
void resp__close(struct resp_conn *rc);

/* After something has left or ended: pauses or goes on reading, or ends the connection. */
void resp__go_on(struct resp_conn *rc);

/* --- resp_run.c --- */

/* Runs one command, whose arguments stay until this returns. In a batch. */
void resp__run(struct resp_conn *rc, const struct bytes *args, uint32_t args_count);

/* --- resp_op.c --- */

/* A flight that is in no line, with `out` ready; NULL: no memory. */
struct resp_flight *resp__flight_new(struct resp_conn *rc) must_check;

/* Gives it back with all that it has. */
void resp__flight_free(struct resp_flight *flight);

/* Unix time of this turn. */
uint64_t resp__now_ms(struct resp_front *front);

/* Arguments of the op that it may keep. False: no memory. */
bool resp__keep_args(struct resp_flight *flight) must_check;

/* Submits the flight's op, whose command, args and what are set, and answers. */
void resp__submit(struct resp_conn *rc, struct resp_flight *flight);

/* Puts a flight under way at the line's end, with an answer of its own. */
void resp__join_line(struct resp_flight *flight);

/* The answer of a flight that was under way is whole, or its client is gone. */
void resp__land(struct resp_flight *flight);

/* --- resp_exec.c --- */

/* EXEC: all that is queued leaves as one op. @is_silent: its answer is left out. */
void resp__run_exec(struct resp_conn *rc, bool is_silent);
/* WATCH: one op for each key. */
void resp__run_watch(struct resp_conn *rc, const struct bytes *args, uint32_t args_count,
                     bool is_silent);

/* The op of an EXEC and its parts write to @out, or where it is woven. */
void resp__exec_aim(struct resp_flight *flight, struct resp_out *out);

/* The op is done: its answer becomes the client's, in @out. */
void resp__exec_over(struct resp_flight *flight, struct resp_out *out);

/* Accepts NULL. */
void resp__exec_free(struct resp_exec *exec);

/* --- resp_push.c --- */

/* What a session that has subscribed does with messages. */
extern const struct pubsub_reader resp__reader;

/* --- resp_line.c --- */

/* Begins a batch. */
void resp__batch_begin(struct resp_conn *rc);

/* Ends it: what can leave does so. */
void resp__batch_end(struct resp_conn *rc);

/* Where the next answer is written, with the bound of one answer; NULL: no memory. */
struct resp_out *resp__sink(struct resp_conn *rc) must_check;
/* The answer in @out from @begun on is whole: what was too large becomes an error. @is_silent: it
 * is forgotten. Then what is enough to leave does so. */
void resp__sunk(struct resp_conn *rc, struct resp_out *out, size_t begun, bool is_silent);

/* The same for an answer that stands alone. False: no memory even for the error. */
bool resp__settle(struct resp_out *out, size_t begun, bool is_silent) must_check;

/* Moves the answers at the line's beginning to the socket's queue as far as there is room. */
void resp__pump(struct resp_conn *rc);

/* The same, and nothing else that may follow from it. */
void resp__move_line(struct resp_conn *rc);
/* Does nothing wait before the socket's queue, and has that room for @bytes? */
bool resp__is_clear(const struct resp_conn *rc, size_t bytes);

/* The last of the line, if it takes more; else a new one behind it. NULL: no memory. */
struct resp_flight *resp__carrier(struct resp_conn *rc) must_check;
/* A new one at the line's end. NULL: no memory. */
struct resp_flight *resp__carrier_new(struct resp_conn *rc) must_check;

/* Bytes that the connection holds of answers and of commands under way. */
size_t resp__held(const struct resp_conn *rc);

#endif
