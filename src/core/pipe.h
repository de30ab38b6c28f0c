/* SPDX-License-Identifier: Apache-2.0 */
/* core/pipe.h - a bounded queue of slices from one writer to one reader on the same thread: a body
 * on its way.
 *
 * The writer puts slices while pipe_room() is positive; when it is full the writer stops its source
 * and is called back (`writable`) once half of the room is free. The reader is called (`readable`)
 * when slices or the end arrive. Either side may leave first: pipe_break() by the reader tells the
 * writer that nobody reads; pipe_end() by the writer with an error tells the reader that the rest
 * never comes.
 *
 *     writer: pipe_put ... pipe_end          reader: pipe_take ... until pipe_is_drained
 *
 * Where one pipe's reader is another's writer (an answer that is passed on from op to op),
 * pipe_move() and pipe_follow() let both together hold what one may: the first has room only while
 * the second has.
 *
 * Memory:  holds one reference per slice in it. pipe_fini() lets go of all; zeroed is a valid empty
 *          pipe but for bytes_max. Callbacks may call back into the pipe.
 * Threads: one. */
#ifndef PANDO_CORE_PIPE_H
#define PANDO_CORE_PIPE_H

#include "core/buf.h"

#include <stdbool.h>

enum {
    PIPE_SLICES_MAX =
        16, /* more small pieces than this wait at their source; one send gathers as many */
    PIPE_LOG_SLICES_MAX = 64,
};

struct pipe;

/* What was taken from a pipe, so that it can be taken once more; the owner's, see
 * pipe_keep(). */
struct pipe_log {
    uint32_t     bytes;
    uint32_t     bytes_max; /* more than this, and it is lost */
    uint16_t     count;
    uint16_t     next;          /* the first that is not in the ring again */
    uint16_t     in_ring_count; /* of those in the ring, the first so many are in the log */
    bool         lost;          /* not all that was taken is here */
    struct slice at[PIPE_LOG_SLICES_MAX];
};

struct pipe_side {
    void (*call)(void *self, struct pipe *pipe);
    void *self;
};

struct pipe {
    struct slice     at[PIPE_SLICES_MAX]; /* a ring */
    uint8_t          first;
    uint8_t          count;
    bool             ended;       /* the writer will put no more */
    bool             broken;      /* the reader will take no more */
    bool             was_full;    /* the writer waits to be called */
    uint8_t          error;       /* enum err_kind: ended early; NONE at a whole end */
    uint32_t         bytes;       /* in the ring */
    uint32_t         ahead_bytes; /* that lie in the pipe it is moved to, see pipe_follow() */
    uint32_t         bytes_max;   /* room; a setting */
    uint64_t         bytes_total; /* ever put */
    struct pipe_side readable;    /* the reader's callback; call may be NULL */
    struct pipe_side writable;    /* the writer's callback; call may be NULL */
    struct pipe_log *log;         /* NULL: what is taken is gone */
};

/* Bytes that may be put now; 0 if full, ended or broken. A put of up to one received buffer more
 * than this is
 * taken, so that a buffer is never split by the limit alone. */
static inline uint32_t pipe_room(const struct pipe *pipe)
{
    const uint32_t held = pipe->bytes + pipe->ahead_bytes;
    if (pipe->ended || pipe->broken || pipe->count == PIPE_SLICES_MAX || held >= pipe->bytes_max)
        return 0;
    return pipe->bytes_max - held;
}

/* True once the end was put and everything was taken. */
static inline bool pipe_is_drained(const struct pipe *pipe)
{
    return pipe->ended && pipe->count == 0;
}

/* Takes over the reference in @slice. False: no place in the ring, or broken (the reference stays
 * with the
 * caller). bytes > 0. */
bool pipe_put(struct pipe *pipe, struct slice slice) must_check;

/* No more will come; @error NONE for a whole body. Once. */
void pipe_end(struct pipe *pipe, enum err_kind error);

/* The first slice, or NULL; stays in the pipe. */
static inline const struct slice *pipe_peek(const struct pipe *pipe)
{
    return pipe->count > 0 ? &pipe->at[pipe->first] : NULL;
}

/* Takes the first slice with its reference; the pipe must not be empty. */
struct slice pipe_take(struct pipe *pipe);

/* The first slice of @from, which must not be empty, goes on to @to; it is dropped if @to is
 * broken. Both may call back. */
void pipe_move(struct pipe *from, struct pipe *to);

/* What lies in @to counts as lying in @from, whose writer waits while there is no room for both;
 * the writer of @to must call this again when it is called for room. Calls the writer of @from if
 * it waited and may go on. */
void pipe_follow(struct pipe *from, struct pipe *to);

/* The reader leaves: what is in the pipe is dropped, the writer is told. Harmless when repeated. */
void pipe_break(struct pipe *pipe);

/* The writer stops for lack of room and wants to be called. */
static inline void pipe_wait_for_room(struct pipe *pipe)
{
    pipe->was_full = true;
}

/* From now on what is taken is also kept in @log, up to @bytes_max bytes; nothing was taken yet.
 * @log is the caller's until pipe_forget(). */
void pipe_keep(struct pipe *pipe, struct pipe_log *log, uint32_t bytes_max);

/* Nothing of the log is still to be taken again. */
static inline bool pipe_log_is_read(const struct pipe_log *log)
{
    return log->next == log->count;
}

/* Keeps nothing any more; the log's slices are dropped, and what was still to be taken again is
 * lost. Accepts a pipe without a log. */
void pipe_forget(struct pipe *pipe);

/* Can all that was ever put be taken from the beginning? Also true if nothing was taken. */
bool pipe_can_rewind(const struct pipe *pipe);

/* From the beginning once more; pipe_can_rewind() must be true. A reader that broke the pipe is
 * forgotten. */
void pipe_rewind(struct pipe *pipe);

/* Drops the slices and forgets the callbacks. */
void pipe_fini(struct pipe *pipe);

#endif
