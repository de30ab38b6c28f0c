/* SPDX-License-Identifier: Apache-2.0 */
/* front/http/http_conn.h - inside the HTTP front: a client connection and the exchanges on it.
 *
 * Reading (http_conn.c): bytes -> head -> exchange -> body into the op's pipe.
 * Writing (http_answer.c): the op's answer -> head -> body from the op's pipe, in the order of the
 * requests.
 * An exchange is over when its answer is written and its op has finished; it may outlive its
 * connection. */
#ifndef PANDO_FRONT_HTTP_HTTP_CONN_H
#define PANDO_FRONT_HTTP_HTTP_CONN_H

#include "codec/http1.h"
#include "front/door/door.h"
#include "front/http/http_front.h"
#include "path/op.h"

struct http_conn;

#define HTTP_ALLOWED_METHODS "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"

struct http_front {
    struct worker             *worker;
    struct http_front_settings settings;
    struct http1_limits        limits;
    struct http_router        *router;
    struct door                door;
    struct slab                conn_slab;
    struct http_field         *fields; /* for heads that come in one piece */
    uint32_t                   fields_max;
};

/* A head that has come in part: what the reader needs to go on. */
struct http_partial {
    struct http1_reader reader;
    struct http_head    head;
    struct http_field   fields[];
};

struct http_exchange {
    struct frame                        frame; /* first: on the op */
    struct list_link                    link;  /* in conn.exchanges */
    struct http_conn                   *conn;  /* NULL once the connection is gone */
    struct http_front                  *front; /* valid as long as conn */
    struct op                          *op;
    const struct http_route            *route;  /* NULL: refused before a service was found */
    struct http_router                 *router; /* referenced */
    const struct http_service_settings *settings;
    struct timer                        deadline;
    uint64_t      said_timeout_ns; /* by a client that is believed; UINT64_MAX: nothing */
    uint64_t      bytes_in, bytes_out;
    enum err_kind refusal;        /* why the front itself ended the op; overrides its answer */
    const char   *refusal_detail; /* static text */
    uint16_t      refusal_status; /* 0: the kind's */
    uint16_t      status;         /* that was written */
    enum outcome  outcome;
    bool          answered, head_written, written, finished, over;
    bool          abandoning; /* its connection is just letting go of it */
    bool          chunked;    /* the answer's body is written in chunks */
    bool          bodyless;   /* the answer has a head only */
    bool          close_after;
    bool          continue_owed; /* 100 Continue, when it is this exchange's turn */
    bool          tunnel;
    bool cut; /* the answer broke off: the connection must be cut so that the client notices */
};

struct http_conn {
    struct conn           conn;
    struct http_front    *front;
    struct door_guest     guest;    /* in front->door */
    struct http_exchange *incoming; /* whose body is being read */
    struct http_partial
                       *partial; /* of a head or a trailer section; NULL while none is half there */
    struct http1_chunks chunks;
    uint64_t            body_left; /* of a body with a length */
    uint64_t            rate_since_ns;
    uint64_t            rate_bytes;
    uint64_t            patience_ends_ns; /* between two bytes of a body */
    uint64_t            requests_count;
    bool                in_trailers;
    bool                pumping, pump_again; /* see http__pump() */
    bool                last;     /* nothing is read after the request that was read last */
    bool                believed; /* the peer is one whose Forwarded is believed */
    uint16_t            exchanges_count;
    uint16_t
        refusal_status;    /* of what was read after the last exchange; said when its turn comes */
    enum err_kind refusal; /* NONE: nothing of the kind */
    const char   *refusal_detail;
};

extern const struct conn_dialect http__dialect;

static inline struct http_conn *http_conn_of(struct conn *conn)
{
    return list_item(conn, struct http_conn, conn);
}

/* --- http_answer.c
 * ---------------------------------------------------------------------------------------------- */

/* Sets the exchange's callbacks. */
void http__exchange_init(struct http_exchange *exchange);

/* Writes whatever can be written now. The connection may be closing afterwards. */
void http__pump(struct http_conn *hc);

/* Ends the exchange from the front's side: cancels its op, and answers with @kind if no head was
 * written yet, else cuts the
 * connection. */
void http__exchange_fail(struct http_exchange *exchange, enum err_kind kind, uint16_t status,
                         const char *detail);

/* Answers a request that never became an op, then finishes the connection. */
void http__refuse(struct http_conn *hc, unsigned status, enum err_kind kind, const char *detail);

/* --- http_conn.c
 * ---------------------------------------------------------------------------------------------- */

/* After an exchange is over: goes on reading, or waits, or ends. */
void http__read_on(struct http_conn *hc);

/* The answer is 101: from here on both sides send what they like. */
void http__open_tunnel(struct http_exchange *exchange);

/* Gone from its connection: reports and frees. */
void http__exchange_over(struct http_exchange *exchange);

/* At once: what is in progress is cancelled. */
void http__close(struct http_conn *hc);

/* --- http_request.c
 * --------------------------------------------------------------------------------------------- */

/* Fills in what a request says about its client and its trace; marks the fields that are written
 * anew. False: no memory. */
bool http__request_annotate(struct http_conn *hc, struct request *request) must_check;

/* How long the client still waits as it says, if it is believed; UINT64_MAX: it says nothing. Marks
 * the fields that are written anew, and sets how the server is told. */
uint64_t http__request_timeout_ns(struct request *request, const char *header);

/* RFC 9110 7.6.2, of OPTIONS: counts Max-Forwards down. False: it may not be passed on any more. */
bool http__count_forward(struct request *request);

#endif
