/* SPDX-License-Identifier: Apache-2.0 */
/* codec/compress/zstd.c - zstd by libzstd.
 *
 * Its memory comes from the library's own malloc: a way to hand in another is not part of what the
 * library promises to keep. */
#include "codec/compress/compress.h"

#include <zstd.h>

enum {
    LEVEL = 6, /* docs/decisions/0016 */
    WINDOW_LOG_MIN = 14,
    WINDOW_LOG_MAX = 19, /* RFC 9659: at most 23 */
    KIB = 1024,
};

struct state {
    ZSTD_CCtx *context;
};

/* What ZSTD_sizeof_CCtx() says for each window, rounded up; the test beside this file watches that
 * it holds. */
static size_t memory_bytes(uint64_t body_bytes)
{
    static const uint16_t kib_of[] = {256, 512, 1024, 1792, 2688, 4480};
    return (size_t)kib_of[compress__window_log(body_bytes, WINDOW_LOG_MIN, WINDOW_LOG_MAX) -
                          WINDOW_LOG_MIN] *
           KIB;
}

static bool set(ZSTD_CCtx *context, ZSTD_cParameter parameter, int value)
{
    return !ZSTD_isError(ZSTD_CCtx_setParameter(context, parameter, value));
}

/* Tables as large as the window are enough; the library would make them for any length. */
static bool set_window(ZSTD_CCtx *context, int window_log)
{
    return set(context, ZSTD_c_windowLog, window_log) &&
           (window_log == WINDOW_LOG_MAX || (set(context, ZSTD_c_hashLog, window_log) &&
                                             set(context, ZSTD_c_chainLog, window_log - 1)));
}

/* TCP and the store guard the bytes: no checksum. */
static bool init(struct compressor *compressor, void *state, uint64_t body_bytes)
{
    struct state *s = state;
    (void)compressor;
    s->context = ZSTD_createCCtx();
    return s->context != NULL && set(s->context, ZSTD_c_compressionLevel, LEVEL) &&
           set_window(s->context, compress__window_log(body_bytes, WINDOW_LOG_MIN, WINDOW_LOG_MAX));
}

static enum compress_verdict step(void *state, struct compress_io *io, enum compress_mode mode)
{
    static const ZSTD_EndDirective directive_of[] = {
        [COMPRESS_MORE] = ZSTD_e_continue,
        [COMPRESS_FLUSH] = ZSTD_e_flush,
        [COMPRESS_END] = ZSTD_e_end,
    };
    struct state *s = state;
    ZSTD_inBuffer in = {.src = io->in, .size = io->in_bytes};
    ZSTD_outBuffer out = {.dst = io->out, .size = io->out_bytes};
    const size_t left = ZSTD_compressStream2(s->context, &out, &in, directive_of[mode]);
    if (in.pos > 0) /* (of NULL nothing is taken, and 0 must not be added to it) */
        io->in += in.pos;
    io->in_bytes -= in.pos;
    io->out += out.pos;
    io->out_bytes -= out.pos;
    if (ZSTD_isError(left))
        return COMPRESS_BROKEN;
    if (mode == COMPRESS_MORE)
        return io->in_bytes > 0 || io->out_bytes == 0 ? COMPRESS_AGAIN : COMPRESS_DONE;
    return left > 0 ? COMPRESS_AGAIN : COMPRESS_DONE;
}

static void fini(void *state)
{
    struct state *s = state;
    ZSTD_freeCCtx(s->context);
}

const struct compress_kind compress_zstd = {
    .name = "zstd",
    .gist = "nearly as dense as br, and faster to read",
    .is_there = true,
    .state_bytes = sizeof(struct state),
    .memory_bytes = memory_bytes,
    .init = init,
    .step = step,
    .fini = fini,
};
