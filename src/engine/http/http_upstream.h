/* SPDX-License-Identifier: Apache-2.0 */
/* engine/http/http_upstream.h - inside the HTTP engine: one connection to a server, and the pool
 * it is kept in. */
#ifndef PANDO_ENGINE_HTTP_HTTP_UPSTREAM_H
#define PANDO_ENGINE_HTTP_HTTP_UPSTREAM_H

#include "codec/http1.h"
#include "engine/http/http_engine.h"

struct http_pool {
    struct list_link           link; /* in engine->all_pools */
    struct http_engine_worker *engine;
    struct target             *target; /* NULL once forgotten */
    struct list                idle;   /* used last is first */
    uint32_t                   idle_count;
    uint32_t                   open_count; /* the pool goes when it is forgotten and this is 0 */
};

/* A head that has come in part; see front/http. */
struct http_upstream_partial {
    struct http1_reader reader;
    struct http_head    head;
    struct http_field   fields[];
};

/* Where the answer on a connection stands. */
#define HTTP_UPSTREAM_PHASES(X)                                                                    \
    X(CONNECTING, "waits for the server to accept")                                                \
    X(IDLE, "kept for the next request")                                                           \
    X(HEAD, "waits for an answer's head")                                                          \
    X(BODY, "an answer's body is coming")                                                          \
    X(TRAILERS, "an answer's trailers are coming")                                                 \
    X(TUNNEL, "no longer HTTP")                                                                    \
    X(OVER, "nothing of it is used any more")

enum http_upstream_phase {
#define X(name, gist) HTTP_UPSTREAM_##name,
    HTTP_UPSTREAM_PHASES(X)
#undef X
};

struct http_upstream {
    struct conn                        conn;
    struct http_pool                  *pool;
    const struct http_engine_settings *settings; /* of the op's path; valid while there is an op */
    struct op                         *op;       /* NULL while idle and when over */
    struct list_link                   idle_link;
    struct http_upstream_partial      *partial;
    struct http1_limits                limits;
    struct http1_chunks                chunks;
    uint64_t                           body_left;
    uint64_t                           requests_count;
    uint64_t                           interims_count;
    uint64_t                           idle_timeout_ns;
    uint64_t                           try_until_ns;  /* of the op's attempt; 0: no limit */
    uint64_t                           connect_ns;    /* when connecting began */
    uint64_t                           idle_since_ns; /* when it last became idle; 0: never yet */
    uint32_t                           connections_kept;
    uint64_t                           head_until_ns; /* how long the head is waited for */
    uint64_t                           left_bytes; /* when the path was last looked at; await() */
    uint8_t                            phase;      /* enum http_upstream_phase */
    uint8_t                            framing;    /* of the answer */
    bool                               request_ended; /* all of the request is queued */
    bool                               keep; /* nothing odd so far, and both sides want to go on */
    bool                               sending_body, send_again; /* see http__send_body() */
    bool                               heard;                    /* a byte of the answer has come */
    bool                               was_idle_long; /* before the op; see PATH_KNOWN_S */
    uint64_t                           sent_before;   /* sock.sent_bytes when the request began */
};

static inline struct http_upstream *http_upstream_of(struct conn *conn)
{
    return list_item(conn, struct http_upstream, conn);
}

extern const struct conn_dialect http__upstream_dialect;

/* --- http_send.c ------------------------------------------------------------------------------ */

/* Queues the op's request head, and its body as it comes. False: no memory. */
bool http__send_request(struct http_upstream *up) must_check;

/* From now on what comes of the request's body is sent on. */
void http__watch_request_body(struct http_upstream *up);

/* Queues what has come of the request's body. */
void http__send_body(struct http_upstream *up);

/* --- http_pool.c ------------------------------------------------------------------------------ */

/* The pool of @target on this worker, made if there is none. NULL: no memory. */
struct http_pool *http__pool_of(struct http_engine_worker *engine, struct target *target);

/* Frees a pool whose target was forgotten and whose last connection is closed. */
void http__pool_free_if_unused(struct http_pool *pool);

/* What is open and idle, for everybody to see. */
void http__publish_counts(const struct http_pool *pool);

/* The connection is used, if it was idle. */
void http__leave_idle(struct http_upstream *up);

/* Back to the pool, or closed if the pool or the connection does not allow it. */
void http__keep_idle(struct http_upstream *up);

/* Closes it: nothing more is expected of it. */
void http__drop(struct http_upstream *up);

/* --- http_receive.c --------------------------------------------------------------------------- */

/* Conn's event: bytes of an answer. Returns how many were used. */
uint32_t http__answer_received(struct conn *conn, struct buf *buf, uint8_t *at, uint32_t bytes);

/* Asks for bytes as the phase wants them: heads and bodies come in buffers of different sizes. */
void http__receive_for(struct http_upstream *up);

/* What an answer's head may be, from the settings of the op's path. */
void http__start_limits(struct http_upstream *up);

/* A head that has come in part is not wanted any more. */
void http__partial_free(struct http_upstream *up);

/* --- http_wait.c ------------------------------------------------------------------------------ */

/* The time that an attempt may take begins now. */
void http__start_try(struct http_upstream *up);

/* @patience_ns, or what is left of the attempt's time if that is less. */
uint64_t http__patience_of_try(const struct http_upstream *up, uint64_t patience_ns);

/* The answer's time begins now. Meanwhile it is looked whether anything arrives there at all. */
void http__await_head(struct http_upstream *up);

/* The receiving half's deadline passed while the head was waited for. */
void http__head_expired(struct http_upstream *up);

/* What it is if nobody acknowledges. After a long idle time that may be a firewall's
 * forgetfulness, which says nothing of the target. */
enum err_kind http__kind_of_lost_path(const struct http_upstream *up);

/* --- http_engine.c ---------------------------------------------------------------------------- */

/* The answer is whole: the connection is given back, and the op is finished. */
void http__complete(struct http_upstream *up);

/* Ends the op of a tunnel both of whose directions are over, once the last bytes have left. */
void http__end_tunnel_if_over(struct http_upstream *up);

/* Ends the op with @kind: as its answer if none went up, else by ending the body early. The
 * connection is closed. */
void http__fail(struct http_upstream *up, enum err_kind kind, const char *detail);

#endif
