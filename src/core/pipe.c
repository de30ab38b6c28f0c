/* SPDX-License-Identifier: Apache-2.0 */
/* core/pipe.c - a bounded queue of slices. */
#include "core/pipe.h"

#include <assert.h>

static void call(struct pipe_side side, struct pipe *pipe)
{
    if (side.call != NULL)
        side.call(side.self, pipe);
}

bool pipe_put(struct pipe *pipe, struct slice slice)
{
    assert(!pipe->ended && slice.bytes > 0);
    if (pipe->broken || pipe->count == PIPE_SLICES_MAX)
        return false;
    pipe->at[(pipe->first + pipe->count) % PIPE_SLICES_MAX] = slice;
    pipe->count++;
    pipe->bytes += slice.bytes;
    pipe->bytes_total += slice.bytes;
    call(pipe->readable, pipe);
    return true;
}

void pipe_end(struct pipe *pipe, enum err_kind error)
{
    assert(!pipe->ended);
    pipe->ended = true;
    pipe->error = (uint8_t)error;
    if (!pipe->broken)
        call(pipe->readable, pipe);
}

/* --- what was taken ---------------------------------------------------------------------------
 */

static void drop_log(struct pipe_log *log)
{
    for (uint16_t i = 0; i < log->count; i++)
        buf_unref(log->at[i].buf);
    log->count = log->next = log->in_ring_count = 0;
    log->bytes = 0;
}

/* Takes over the reference in @slice. */
static void log_add(struct pipe_log *log, struct slice slice)
{
    struct slice *last = log->count > 0 ? &log->at[log->count - 1] : NULL;
    log->bytes += slice.bytes;
    if (last != NULL && last->buf == slice.buf && last->at + last->bytes == slice.at) {
        last->bytes += slice.bytes;
        buf_unref(slice.buf);
    } else {
        log->at[log->count++] = slice;
    }
    log->next = log->count;
}

static void put_in_ring(struct pipe *pipe, struct slice slice)
{
    pipe->at[(pipe->first + pipe->count) % PIPE_SLICES_MAX] = slice;
    pipe->count++;
    pipe->bytes += slice.bytes;
}

static void refill(struct pipe *pipe, struct pipe_log *log)
{
    while (log->next < log->count && pipe->count < PIPE_SLICES_MAX) {
        struct slice slice = log->at[log->next++];
        if (slice.buf != NULL)
            (void)buf_ref(slice.buf);
        put_in_ring(pipe, slice);
        log->in_ring_count++;
    }
}

static void note_taken(struct pipe *pipe, struct slice slice)
{
    struct pipe_log *log = pipe->log;
    if (log->in_ring_count > 0) {
        log->in_ring_count--;
        refill(pipe, log);
    } else if (log->lost) {
        return;
    } else if (log->count == PIPE_LOG_SLICES_MAX || slice.bytes > log->bytes_max ||
               log->bytes > log->bytes_max - slice.bytes) {
        drop_log(log);
        log->lost = true;
    } else {
        if (slice.buf != NULL)
            (void)buf_ref(slice.buf);
        log_add(log, slice);
    }
}

/* What waits in the ring and is not in the log goes there. */
static void log_ring(struct pipe *pipe, struct pipe_log *log)
{
    for (; pipe->count > 0; pipe->count--) {
        const struct slice slice = pipe->at[pipe->first];
        pipe->first = (uint8_t)((pipe->first + 1) % PIPE_SLICES_MAX);
        if (log->in_ring_count > 0) {
            log->in_ring_count--;
            buf_unref(slice.buf);
        } else {
            log_add(log, slice);
        }
    }
    pipe->bytes = 0;
}

void pipe_keep(struct pipe *pipe, struct pipe_log *log, uint32_t bytes_max)
{
    assert(pipe->log == NULL && pipe->bytes_total == pipe->bytes);
    *log = (struct pipe_log){.bytes_max = bytes_max};
    pipe->log = log;
}

void pipe_forget(struct pipe *pipe)
{
    if (pipe->log == NULL)
        return;
    drop_log(pipe->log);
    pipe->log = NULL;
}

static bool is_log_whole(const struct pipe *pipe)
{
    const struct pipe_log *log = pipe->log;
    return log != NULL && !log->lost &&
           log->count + pipe->count - log->in_ring_count <= PIPE_LOG_SLICES_MAX;
}

bool pipe_can_rewind(const struct pipe *pipe)
{
    if (pipe->error != ERR_NONE)
        return false;
    return (pipe->bytes_total == pipe->bytes && !pipe->broken) || is_log_whole(pipe);
}

void pipe_rewind(struct pipe *pipe)
{
    assert(pipe_can_rewind(pipe));
    pipe->broken = false;
    if (pipe->log == NULL)
        return;
    log_ring(pipe, pipe->log);
    pipe->log->next = 0;
    refill(pipe, pipe->log);
}

/* --- taking ----------------------------------------------------------------------------------- */

static void call_if_half_is_free(struct pipe *pipe)
{
    if (!pipe->was_full || pipe->bytes + pipe->ahead_bytes > pipe->bytes_max / 2 ||
        pipe->count > PIPE_SLICES_MAX / 2)
        return;
    pipe->was_full = false;
    call(pipe->writable, pipe);
}

struct slice pipe_take(struct pipe *pipe)
{
    assert(pipe->count > 0);
    const struct slice slice = pipe->at[pipe->first];
    pipe->first = (uint8_t)((pipe->first + 1) % PIPE_SLICES_MAX);
    pipe->count--;
    pipe->bytes -= slice.bytes;
    if (pipe->log != NULL)
        note_taken(pipe, slice);
    call_if_half_is_free(pipe);
    return slice;
}

void pipe_move(struct pipe *from, struct pipe *to)
{
    from->ahead_bytes = to->bytes + from->at[from->first].bytes; /* taking it frees nothing */
    const struct slice slice = pipe_take(from);
    if (!pipe_put(to, slice))
        buf_unref(slice.buf);
}

void pipe_follow(struct pipe *from, struct pipe *to)
{
    from->ahead_bytes = to->bytes;
    if (from->count > 0 || from->was_full || pipe_room(from) == 0)
        pipe_wait_for_room(to);
    call_if_half_is_free(from);
}

static void drop_all(struct pipe *pipe)
{
    while (pipe->count > 0) {
        buf_unref(pipe->at[pipe->first].buf);
        pipe->first = (uint8_t)((pipe->first + 1) % PIPE_SLICES_MAX);
        pipe->count--;
    }
    pipe->bytes = 0;
}

/* Of a whole body nothing is lost; of one that still comes the writer drops what it has. */
static void keep_unread(struct pipe *pipe)
{
    struct pipe_log *log = pipe->log;
    if (pipe->ended && is_log_whole(pipe))
        log_ring(pipe, log);
    else
        log->lost = true;
}

void pipe_break(struct pipe *pipe)
{
    if (pipe->broken)
        return;
    pipe->broken = true;
    if (pipe->log != NULL)
        keep_unread(pipe);
    drop_all(pipe);
    call(pipe->writable, pipe);
}

void pipe_fini(struct pipe *pipe)
{
    pipe->readable = pipe->writable = (struct pipe_side){0};
    drop_all(pipe);
    if (pipe->log != NULL)
        drop_log(pipe->log);
    pipe->log = NULL;
}
