/* SPDX-License-Identifier: Apache-2.0 */
/* path/op.h - one request on its way, and the answer that comes back.
 *
 * The request is immutable and counted: retries, copies and the log line share it. The op belongs
 * to one thread at a time;
 * posting it moves it. Bodies travel in pipes: the front writes `request_body` and reads
 * `answer_body`, the engine does
 * the opposite. Whoever stops early breaks or ends its pipe.
 *
 *     op_new -> stage_submit(top) -> op_interim* -> op_answer -> op_finish -> op_free by whoever
 *     made it
 *
 * Memory:  op_new() takes the op and its request from the worker's slabs; op_free() gives them
 * back. The arena lives
 *          until op_free(); an answer's head lies in it.
 * Threads: one at a time. */
#ifndef PANDO_PATH_OP_H
#define PANDO_PATH_OP_H

#include "core/arena.h"
#include "core/err.h"
#include "core/http.h"
#include "core/pipe.h"
#include "path/stage.h"
#include "path/worker.h"

struct target;

enum {
    OP_ARENA_BYTES = 1536,      /* frames, and an answer's head of the usual size */
    REQUEST_ARENA_BYTES = 1536, /* a request's head of the usual size */
    OP_HEAP_BYTES_MAX =
        256 * 1024, /* the largest heads that settings allow, and room to write them anew */
    OP_TRIED_MAX = 8,
};

/* What the client asked. Immutable once submitted, but for fields that the session room takes
 * out. */
struct request {
    uint32_t         refs_count;
    struct worker   *worker;
    struct http_head head;  /* bytes and fields lie in the arena */
    char        client[48]; /* the peer's address as text, without port; "unix" for a unix socket */
    const char *origin;     /* the client that a believed proxy names; else the same as `client` */
    const char *scheme; /* as the client used it, or as a believed proxy says: "http", "https" */
    const uint8_t *
        forwarded_for; /* believed X-Forwarded-For so far, to which `client` is added; may be NULL */
    uint32_t     forwarded_for_bytes;
    bool         client_believed;   /* the peer is a proxy that is believed */
    bool         is_forwarded_told; /* the engine tells the server about the client */
    const char  *via;               /* this proxy's name in Via */
    const char  *deadline_name; /* the header in which the server is told what is left; or NULL */
    bool         is_grpc_deadline_told; /* in grpc-timeout too, in which it was said */
    uint64_t     trace[2];              /* trace id of W3C traceparent */
    uint64_t     span;                  /* our span, the parent of what the target does */
    uint8_t      trace_flags;
    bool         trace_passed; /* the id came with the request */
    struct arena arena;
    uint64_t     block[REQUEST_ARENA_BYTES / 8];
};

struct answer {
    struct http_head head;  /* an answer's head if error is NONE; for an interim the 1xx head */
    enum err_kind    error; /* what Pando itself has to say instead */
    const char *
        detail; /* static text: why, more exactly than the kind's sentence; NULL if there is no more */
    uint16_t status;        /* with an error: overrides the kind's status; 0: does not */
    uint32_t retry_after_s; /* with an error: 0: not said */
    bool     close;         /* the connection to the client must end after this answer */
    bool     tunnel;        /* from here on both bodies are the bytes of a tunnel */
};

struct op {
    struct worker  *worker;
    struct request *request;
    struct frame   *top;              /* of the frames left on it */
    void (*on_cancel)(struct op *op); /* of the stage that holds it; NULL: nobody can hurry it */
    /* Bytes of memory that this stage has for the op beside its pipes; NULL: none. */
    size_t (*charged)(const struct op *op);
    void         *holder;      /* that stage's, for on_cancel and charged */
    struct op    *parent;      /* of a child; NULL */
    uint64_t      started_ns;  /* the request's head was complete */
    uint64_t      sent_ns;     /* its last attempt began to leave; 0: never */
    uint64_t      answered_ns; /* an answer's head came; 0: not yet */
    uint64_t      deadline_ns; /* absolute; 0: none */
    uint64_t      waited_ns;   /* for a permit of its service, before the first attempt */
    struct answer answer;
    struct pipe  *request_body; /* in the arena; NULL if there is none */
    struct http_head
        *request_trailers; /* in the arena, set before request_body ends; NULL if there are none */
    struct http_head *answer_trailers; /* the same for the answer's */
    struct pipe       answer_body;
    struct target    *target; /* that was picked last; NULL if none */
    struct target
        *held; /* a reference, so that `target` may be named until op_free(); NULL if none */
    struct target *tried[OP_TRIED_MAX];
    const char    *service; /* the name of what it was routed to; NULL if nothing */
    void          *path;    /* the path that it walks; held by the front */
    uint64_t       sticky;  /* identity of the target that it ought to go to; 0: any */
    uint8_t        tried_count;
    uint8_t        retries_count;
    bool           cancelled;
    bool           found_full; /* a target had all the requests it may: later there may be room */
    bool           answered;
    /* Field lines of a room's own that every answer to the client gets, each ended by CRLF; they
     * lie in the arena. NULL: none. */
    const char *answer_fields;
    uint32_t    answer_fields_bytes;
    bool kept_connection;  /* the last attempt went over a connection that had been used before */
    bool fresh_connection; /* its next attempt shall not: such a one was dead */
    struct arena arena;
    uint64_t     block[OP_ARENA_BYTES / 8];
};

/* A new op with a new request, or NULL if there is no memory. @answer_room: bytes in flight of its
 * answer's body: half wait in the
 * pipe, half on the connection. */
struct op *op_new(struct worker *worker, uint32_t answer_room) must_check;

/* A new op for the same request, of which it holds a reference; NULL if there is no memory. It
 * lives
 * on its own: @request's first op may go before it. */
struct op *op_new_child(struct worker *worker, struct request *request, uint32_t answer_room)
    must_check;

/* After finished. Breaks the pipes, gives the memory back. */
void op_free(struct op *op);

/* A pipe for the request's body with @room bytes in flight, in the op's arena; NULL without
 * memory. */
struct pipe *op_open_request_body(struct op *op, uint32_t room) must_check;

/* One more holder; @request itself. */
struct request *request_ref(struct request *request);
/* The last one gives its memory back. */
void request_unref(struct request *request);

/* Copies @from, whose bytes and fields lie in some receive buffer, to @arena. False: no room. */
bool op_copy_head(struct arena *arena, struct http_head *to, const struct http_head *from)
    must_check;

/* Leaves @frame on the op; set its callbacks first. */
static inline void op_push(struct op *op, struct frame *frame)
{
    frame->above = op->top;
    op->top = frame;
}

/* Upwards, from whoever is lowest. */
void op_interim(struct op *op);
void op_answer(struct op *op);
void op_finish(struct op *op, enum outcome outcome);

/* Upwards from a frame's own callback. */
void op_interim_above(struct frame *self, struct op *op);
void op_answer_above(struct frame *self, struct op *op);

/* Answers with an error of ours and finishes: what a stage does that takes the op no further down.
 * Fails the op's
 * answer body if the answer has gone up already. @detail is static text or NULL. */
void op_refuse(struct op *op, enum err_kind kind, const char *detail);

/* Says which target was picked: sets op->target and holds it until another is picked or the op
 * is freed. */
void op_hold_target(struct op *op, struct target *target);

/* Notes a target that is not to be picked again. The oldest goes if there is no room; a pick also
 * looks at states, so it will hardly come back. */
void op_add_tried(struct op *op, struct target *target);

/* It may be picked again. */
void op_forget_tried(struct op *op, const struct target *target);

/* Asks that it end soon; idempotent. Answer and finished still come once. */
void op_cancel(struct op *op);

/* Makes an op that was answered and has finished below a fresh one, for another attempt; the
 * answer is lost. */
void op_reset_for_retry(struct op *op);

#endif
