/* SPDX-License-Identifier: Apache-2.0 */
/* codec/compress/gzip.c - gzip by zlib; its header names no time and no file. */
#include "codec/compress/compress.h"

#include <limits.h>
#include <zlib.h>

enum {
    LEVEL = 6, /* docs/decisions/0016 */
    MEMORY_LEVEL = 8,
    WINDOW_LOG_MIN = 9,
    WINDOW_LOG_MAX = 15,
    GZIP_WRAPPER =
        16, /* added to the window: a gzip header, which deflateInit2() leaves without time */
    STATE_BYTES = 8 * 1024,
};

/* zconf.h: (1 << (windowBits + 2)) + (1 << (memLevel + 9)), and its small structures. */
static size_t memory_bytes(uint64_t body_bytes)
{
    const int window_log = compress__window_log(body_bytes, WINDOW_LOG_MIN, WINDOW_LOG_MAX);
    return ((size_t)1 << (window_log + 2)) + ((size_t)1 << (MEMORY_LEVEL + 9)) + STATE_BYTES;
}

static voidpf take(voidpf compressor, uInt count, uInt bytes)
{
    return compress__alloc(compressor, (size_t)count * bytes);
}

static bool init(struct compressor *compressor, void *state, uint64_t body_bytes)
{
    z_stream *stream = state;
    *stream = (z_stream){.zalloc = take, .zfree = compress__free, .opaque = compressor};
    return deflateInit2(stream, LEVEL, Z_DEFLATED,
                        GZIP_WRAPPER +
                            compress__window_log(body_bytes, WINDOW_LOG_MIN, WINDOW_LOG_MAX),
                        MEMORY_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK;
}

static uInt most(size_t bytes)
{
    return bytes < UINT_MAX ? (uInt)bytes : UINT_MAX;
}

/* Z_BUF_ERROR: there was nothing to do, which is no error. */
static enum compress_verdict step(void *state, struct compress_io *io, enum compress_mode mode)
{
    static const int flush_of[] = {
        [COMPRESS_MORE] = Z_NO_FLUSH, [COMPRESS_FLUSH] = Z_SYNC_FLUSH, [COMPRESS_END] = Z_FINISH};
    z_stream *stream = state;
    const uInt in = most(io->in_bytes), out = most(io->out_bytes);
    const bool is_all = in == io->in_bytes;
    stream->next_in = (Bytef *)(uintptr_t)io->in;
    stream->avail_in = in;
    stream->next_out = io->out;
    stream->avail_out = out;
    const int result = deflate(stream, is_all ? flush_of[mode] : Z_NO_FLUSH);
    io->in = stream->next_in;
    io->in_bytes -= in - stream->avail_in;
    io->out = stream->next_out;
    io->out_bytes -= out - stream->avail_out;
    if (result == Z_STREAM_END)
        return COMPRESS_DONE;
    if (result != Z_OK && result != Z_BUF_ERROR)
        return COMPRESS_BROKEN;
    if (mode == COMPRESS_END || io->in_bytes > 0)
        return COMPRESS_AGAIN;
    return stream->avail_out > 0 ? COMPRESS_DONE : COMPRESS_AGAIN;
}

/* zlib looks whether there is a state. */
static void fini(void *state)
{
    (void)deflateEnd(state);
}

const struct compress_kind compress_gzip = {
    .name = "gzip",
    .gist = "understood by every client",
    .is_there = true,
    .state_bytes = sizeof(z_stream),
    .memory_bytes = memory_bytes,
    .init = init,
    .step = step,
    .fini = fini,
};
