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

struct slice pipe_take(struct pipe *pipe)
{
    assert(pipe->count > 0);
    const struct slice slice = pipe->at[pipe->first];
    pipe->first = (uint8_t)((pipe->first + 1) % PIPE_SLICES_MAX);
    pipe->count--;
    pipe->bytes -= slice.bytes;
    if (pipe->was_full && pipe->bytes <= pipe->bytes_max / 2 &&
        pipe->count <= PIPE_SLICES_MAX / 2) {
        pipe->was_full = false;
        call(pipe->writable, pipe);
    }
    return slice;
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

void pipe_break(struct pipe *pipe)
{
    if (pipe->broken)
        return;
    pipe->broken = true;
    drop_all(pipe);
    call(pipe->writable, pipe);
}

void pipe_fini(struct pipe *pipe)
{
    pipe->readable = pipe->writable = (struct pipe_side){0};
    drop_all(pipe);
}
