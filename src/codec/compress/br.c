/* SPDX-License-Identifier: Apache-2.0 */
/* codec/compress/br.c - br by libbrotlienc. */
#include "codec/compress/compress.h"

#include <brotli/encode.h>

enum {
    QUALITY = 5, /* docs/decisions/0016, also of the window */
    WINDOW_LOG_MIN = 16,
    WINDOW_LOG_MAX = 18,
    BLOCK_LOG = 16, /* what the library takes at this quality */
    KIB = 1024,
};

struct state {
    BrotliEncoderState *encoder;
};

/* Twice the window, 2^14 rows of 16 places to look for matches in, and commands, which are most where
 * hardly anything matches, and two copies of them while they grow. Measured with bodies made to be
 * bad, rounded up; the test beside this file watches that it holds. */
static size_t memory_bytes(uint64_t body_bytes)
{
    static const uint16_t kib_of[] = {2304, 3840, 5120};
    return (size_t)kib_of[compress__window_log(body_bytes, WINDOW_LOG_MIN, WINDOW_LOG_MAX) -
                          WINDOW_LOG_MIN] *
           KIB;
}

static bool init(struct compressor *compressor, void *state, uint64_t body_bytes)
{
    struct state *s = state;
    const int window_log = compress__window_log(body_bytes, WINDOW_LOG_MIN, WINDOW_LOG_MAX);
    s->encoder = BrotliEncoderCreateInstance(compress__alloc, compress__free, compressor);
    return s->encoder != NULL &&
           BrotliEncoderSetParameter(s->encoder, BROTLI_PARAM_QUALITY, QUALITY) &&
           BrotliEncoderSetParameter(s->encoder, BROTLI_PARAM_LGBLOCK, BLOCK_LOG) &&
           BrotliEncoderSetParameter(s->encoder, BROTLI_PARAM_LGWIN, (uint32_t)window_log);
}

static enum compress_verdict step(void *state, struct compress_io *io, enum compress_mode mode)
{
    static const BrotliEncoderOperation operation_of[] = {
        [COMPRESS_MORE] = BROTLI_OPERATION_PROCESS,
        [COMPRESS_FLUSH] = BROTLI_OPERATION_FLUSH,
        [COMPRESS_END] = BROTLI_OPERATION_FINISH,
    };
    struct state *s = state;
    if (!BrotliEncoderCompressStream(s->encoder, operation_of[mode], &io->in_bytes, &io->in,
                                     &io->out_bytes, &io->out, NULL))
        return COMPRESS_BROKEN;
    if (io->in_bytes > 0 || BrotliEncoderHasMoreOutput(s->encoder))
        return COMPRESS_AGAIN;
    return mode != COMPRESS_END || BrotliEncoderIsFinished(s->encoder) ? COMPRESS_DONE
                                                                       : COMPRESS_AGAIN;
}

static void fini(void *state)
{
    struct state *s = state;
    if (s->encoder != NULL)
        BrotliEncoderDestroyInstance(s->encoder);
}

const struct compress_kind compress_br = {
    .name = "br",
    .gist = "densest for texts; browsers accept it over TLS only",
    .is_there = true,
    .state_bytes = sizeof(struct state),
    .memory_bytes = memory_bytes,
    .init = init,
    .step = step,
    .fini = fini,
};
