/* SPDX-License-Identifier: Apache-2.0 */
/* codec/compress/br.c - br by libbrotlienc.
 *
 * As it is built by default, the library ends the process where it is refused memory. So it never
 * learns of it: the allocator jumps out of it, and everything that it took is given back here. */
#include "codec/compress/compress.h"
#include "core/list.h"

#include <brotli/encode.h>
#include <setjmp.h>

enum {
    QUALITY = 5, /* docs/decisions/0016, also of the window */
    WINDOW_LOG_MIN = 16,
    WINDOW_LOG_MAX = 18,
    BLOCK_LOG = 16, /* what the library takes at this quality */
    KIB = 1024,
};

struct state {
    BrotliEncoderState *encoder;
    struct compressor  *compressor;
    struct list         blocks; /* all that the library took, `encoder` too */
    jmp_buf             no_memory;
};

struct block {
    _Alignas(16) struct list_link link;
};

static void *take(void *opaque, size_t bytes)
{
    struct state *s = opaque;
    struct block *block = compress__alloc(s->compressor, sizeof *block + bytes);
    if (block == NULL)
        longjmp(s->no_memory, 1);
    list_add_last(&s->blocks, &block->link);
    return block + 1;
}

static void give(void *opaque, void *memory)
{
    struct state *s = opaque;
    if (memory == NULL)
        return;
    struct block *block = (struct block *)memory - 1;
    list_remove(&block->link);
    compress__free(s->compressor, block);
}

/* Twice the window, 2^14 rows of 16 places to look for matches in, and commands, which are most
 * where hardly anything matches, and two copies of them while they grow. Measured with bodies made
 * to be bad, rounded up; the test beside this file watches that it holds. */
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
    s->compressor = compressor;
    list_init(&s->blocks);
    if (setjmp(s->no_memory) != 0)
        return false;
    s->encoder = BrotliEncoderCreateInstance(take, give, s);
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
    if (setjmp(s->no_memory) != 0)
        return COMPRESS_BROKEN;
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
    for (struct list_link *link; (link = list_first(&s->blocks)) != NULL;)
        give(s, list_item(link, struct block, link) + 1);
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
