/* SPDX-License-Identifier: Apache-2.0 */
/* codec/compress/compress_test.c - what goes in comes out of the libraries' own decoders, however
 * it was cut, and the memory is as promised. */
#include "codec/compress/compress.h"
#include "core/mem.h"
#include "core/random.h"

#include <brotli/decode.h>
#include <criterion/criterion.h>
#include <zlib.h>
#include <zstd.h>

#include <stdlib.h>
#include <string.h>

enum { KIB = 1024, MIB = 1024 * 1024 };

/* --- decoding ------------------------------------------------------------------------------- */

/* As much of @to_bytes bytes as can be read from what may be half a stream. */
typedef size_t decode(const uint8_t *from, size_t from_bytes, uint8_t *to, size_t to_bytes,
                      bool *is_whole);

static size_t decode_gzip(const uint8_t *from, size_t from_bytes, uint8_t *to, size_t to_bytes,
                          bool *is_whole)
{
    z_stream stream = {0};
    cr_assert(inflateInit2(&stream, 16 + 15) == Z_OK);
    stream.next_in = (Bytef *)(uintptr_t)from;
    stream.avail_in = (uInt)from_bytes;
    stream.next_out = to;
    stream.avail_out = (uInt)to_bytes;
    *is_whole = inflate(&stream, Z_SYNC_FLUSH) == Z_STREAM_END && stream.avail_in == 0;
    const size_t bytes = to_bytes - stream.avail_out;
    inflateEnd(&stream);
    return bytes;
}

static size_t decode_br(const uint8_t *from, size_t from_bytes, uint8_t *to, size_t to_bytes,
                        bool *is_whole)
{
    BrotliDecoderState *state = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    size_t left = to_bytes;
    *is_whole = BrotliDecoderDecompressStream(state, &from_bytes, &from, &left, &to, NULL) ==
                    BROTLI_DECODER_RESULT_SUCCESS &&
                from_bytes == 0;
    BrotliDecoderDestroyInstance(state);
    return to_bytes - left;
}

static size_t decode_zstd(const uint8_t *from, size_t from_bytes, uint8_t *to, size_t to_bytes,
                          bool *is_whole)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();
    /* RFC 9659: no decoder need accept more. */
    cr_assert(!ZSTD_isError(ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, 23)));
    ZSTD_inBuffer in = {from, from_bytes, 0};
    ZSTD_outBuffer out = {to, to_bytes, 0};
    size_t left = 1;
    while (in.pos < in.size && left > 0 && !ZSTD_isError(left))
        left = ZSTD_decompressStream(context, &out, &in);
    *is_whole = left == 0 && in.pos == in.size;
    ZSTD_freeDCtx(context);
    return out.pos;
}

static decode *const decoders[] = {
    [COMPRESS_BR] = decode_br,
    [COMPRESS_ZSTD] = decode_zstd,
    [COMPRESS_GZIP] = decode_gzip,
};

/* --- encoding ------------------------------------------------------------------------------- */

static struct random random_seeded(uint64_t seed)
{
    struct random random;
    random_init(&random, seed);
    return random;
}

/* How a body is given. */
struct way {
    size_t   in_most, out_most; /* of a piece; drawn from 1 on if `random` is set */
    unsigned flush_one_in;      /* after a piece; 0: never */
    bool     is_told;           /* how long it will be */
};

struct coded {
    uint8_t *at;
    size_t   bytes;
    size_t   used_bytes_most;
};

static size_t draw(struct random *random, size_t most)
{
    return 1 + (size_t)(random_next(random) % most);
}

static size_t draw_room(struct random *random, size_t most)
{
    const size_t room = draw(random, most);
    return room < COMPRESS_ROOM_BYTES_MIN ? COMPRESS_ROOM_BYTES_MIN : room;
}

/* Steps until the mode is satisfied. */
static void run(struct compressor *compressor, struct compress_io *io, enum compress_mode mode,
                struct coded *coded, size_t out_most)
{
    enum compress_verdict verdict;
    do {
        coded->at = realloc(coded->at, coded->bytes + out_most);
        io->out = coded->at + coded->bytes;
        io->out_bytes = out_most;
        verdict = compressor_step(compressor, io, mode);
        cr_assert(verdict != COMPRESS_BROKEN);
        coded->bytes = (size_t)(io->out - coded->at);
        if (compressor_used_bytes(compressor) > coded->used_bytes_most)
            coded->used_bytes_most = compressor_used_bytes(compressor);
    } while (verdict == COMPRESS_AGAIN);
    cr_expect(io->in_bytes == 0);
}

static struct coded encode(enum compress_coding coding, const uint8_t *body, size_t bytes,
                           const struct way *way, struct random *random)
{
    struct coded coded = {0};
    struct compressor *compressor =
        compressor_new(coding, way->is_told ? bytes : COMPRESS_BYTES_UNKNOWN);
    cr_assert(compressor != NULL);
    for (size_t at = 0; at < bytes;) {
        size_t piece = draw(random, way->in_most);
        if (piece > bytes - at)
            piece = bytes - at;
        struct compress_io io = {.in = body + at, .in_bytes = piece};
        const bool flushes = way->flush_one_in > 0 && random_next(random) % way->flush_one_in == 0;
        run(compressor, &io, flushes ? COMPRESS_FLUSH : COMPRESS_MORE, &coded,
            draw_room(random, way->out_most));
        at += piece;
    }
    struct compress_io end = {0};
    run(compressor, &end, COMPRESS_END, &coded, draw_room(random, way->out_most));
    compressor_free(compressor);
    return coded;
}

static void expect_same(enum compress_coding coding, const uint8_t *body, size_t bytes,
                        const struct coded *coded)
{
    const char *name = compress_kind(coding)->name;
    uint8_t *back = malloc(bytes + 1);
    bool is_whole;
    const size_t got = decoders[coding](coded->at, coded->bytes, back, bytes + 1, &is_whole);
    cr_expect(is_whole, "%s of %zu bytes has no end", name, bytes);
    cr_expect(got == bytes && memcmp(back, body, bytes) == 0, "%s of %zu bytes is other bytes",
              name, bytes);
    free(back);
}

/* Text-like: words of few letters. */
static uint8_t *make_body(size_t bytes, struct random *random)
{
    uint8_t *body = malloc(bytes + 1);
    for (size_t i = 0; i < bytes; i++)
        body[i] = random_next(random) % 6 == 0 ? ' ' : (uint8_t)('a' + random_next(random) % 7);
    return body;
}

#define EACH(coding)                                                                               \
    for (enum compress_coding coding = 0; coding < COMPRESS_CODINGS_COUNT; coding++)

/* --- tests ---------------------------------------------------------------------------------- */

Test(compress, all_codings_are_there)
{
    cr_expect(compress_set() == (1u << COMPRESS_CODINGS_COUNT) - 1);
    cr_expect_str_eq(compress_kind(COMPRESS_BR)->name, "br");
    cr_expect_str_eq(compress_kind(COMPRESS_ZSTD)->name, "zstd");
    cr_expect_str_eq(compress_kind(COMPRESS_GZIP)->name, "gzip");
}

Test(compress, comes_back_however_it_was_cut)
{
    static const struct way ways[] = {
        {.in_most = 1, .out_most = COMPRESS_ROOM_BYTES_MIN},
        {.in_most = 7, .out_most = 300, .flush_one_in = 3, .is_told = true},
        {.in_most = 5000, .out_most = 16 * KIB, .flush_one_in = 10},
        {.in_most = 64 * KIB, .out_most = 100, .is_told = true},
    };
    static const size_t sizes[] = {0, 1, 255, 4096, 70 * KIB, 300 * KIB};
    struct random random = random_seeded(1);
    EACH(coding)
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
            if (PANDO_SANITIZED && sizes[s] > 4096 && ways[w].in_most < 100)
                continue; /* minutes */
            uint8_t *body = make_body(sizes[s], &random);
            struct coded coded = encode(coding, body, sizes[s], &ways[w], &random);
            expect_same(coding, body, sizes[s], &coded);
            free(coded.at);
            free(body);
        }
}

/* Noise and what could not be foreseen. */
Test(compress, what_cannot_be_compressed_hardly_grows)
{
    const struct way way = {.in_most = 9000, .out_most = 9000, .is_told = true};
    struct random random = random_seeded(2);
    const size_t bytes = 200 * KIB;
    uint8_t *body = malloc(bytes);
    for (size_t i = 0; i < bytes; i++)
        body[i] = (uint8_t)random_next(&random);
    EACH(coding)
    {
        struct coded coded = encode(coding, body, bytes, &way, &random);
        expect_same(coding, body, bytes, &coded);
        cr_expect(coded.bytes < bytes + bytes / 256 + 64);
        free(coded.at);
    }
    free(body);
}

/* A length that was foreseen wrongly does no harm. */
Test(compress, a_wrong_length_is_no_error)
{
    struct random random = random_seeded(3);
    const size_t bytes = 100 * KIB;
    uint8_t *body = make_body(bytes, &random);
    EACH(coding)
    {
        struct compressor *compressor = compressor_new(coding, 10);
        struct coded coded = {0};
        struct compress_io io = {.in = body, .in_bytes = bytes};
        run(compressor, &io, COMPRESS_MORE, &coded, 4096);
        run(compressor, &io, COMPRESS_END, &coded, 4096);
        expect_same(coding, body, bytes, &coded);
        compressor_free(compressor);
        free(coded.at);
    }
    free(body);
}

Test(compress, after_a_flush_all_can_be_read)
{
    struct random random = random_seeded(4);
    const size_t bytes = 20 * KIB;
    uint8_t *body = make_body(bytes, &random), *back = malloc(bytes + 1);
    EACH(coding)
    {
        struct compressor *compressor = compressor_new(coding, COMPRESS_BYTES_UNKNOWN);
        struct coded coded = {0};
        for (size_t at = 0; at < bytes; at += KIB) {
            struct compress_io io = {.in = body + at, .in_bytes = KIB};
            bool is_whole;
            run(compressor, &io, COMPRESS_FLUSH, &coded, 333);
            cr_expect(decoders[coding](coded.at, coded.bytes, back, bytes + 1, &is_whole) ==
                      at + KIB);
            cr_expect(memcmp(back, body, at + KIB) == 0);
        }
        compressor_free(compressor);
        free(coded.at);
    }
    free(body);
    free(back);
}

Test(compress, gzip_names_no_time)
{
    const struct way way = {.in_most = 100, .out_most = 100};
    struct random random = random_seeded(5);
    struct coded coded = encode(COMPRESS_GZIP, (const uint8_t *)"text", 4, &way, &random);
    static const uint8_t head[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0};
    cr_expect(coded.bytes > 18 && memcmp(coded.at, head, sizeof head) == 0);
    free(coded.at);
}

/* What zstd takes is not counted by mem.h, but told by the library. */
static size_t zstd_bytes(int window_log)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, 6);
    ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
    if (window_log < 19) {
        ZSTD_CCtx_setParameter(context, ZSTD_c_hashLog, window_log);
        ZSTD_CCtx_setParameter(context, ZSTD_c_chainLog, window_log - 1);
    }
    uint8_t in[100] = {0}, out[1000];
    ZSTD_inBuffer from = {in, sizeof in, 0};
    ZSTD_outBuffer to = {out, sizeof out, 0};
    cr_assert(!ZSTD_isError(ZSTD_compressStream2(context, &to, &from, ZSTD_e_continue)));
    const size_t bytes = ZSTD_sizeof_CCtx(context);
    ZSTD_freeCCtx(context);
    return bytes;
}

Test(compress, long_bodies_take_the_memory_that_is_said, .timeout = 60)
{
    const struct way way = {.in_most = 64 * KIB, .out_most = 64 * KIB};
    struct random random = random_seeded(6);
    const size_t bytes = (PANDO_SANITIZED ? 2 : 10) * MIB;
    uint8_t *body = make_body(bytes, &random);
    EACH(coding)
    {
        const size_t said = compress_memory_bytes(coding, COMPRESS_BYTES_UNKNOWN);
        struct coded coded = encode(coding, body, bytes, &way, &random);
        expect_same(coding, body, bytes, &coded);
        cr_expect(coded.used_bytes_most <= said, "%s: %zu of %zu", compress_kind(coding)->name,
                  coded.used_bytes_most, said);
        cr_expect(said <= 5 * MIB);
        free(coded.at);
    }
    free(body);
}

Test(compress, short_bodies_take_less)
{
    const struct way way = {.in_most = 64 * KIB, .out_most = 64 * KIB, .is_told = true};
    struct random random = random_seeded(7);
    for (int log = 8; log <= 20; log++) {
        const size_t bytes = (size_t)1 << log;
        uint8_t *body = make_body(bytes, &random);
        EACH(coding)
        {
            const size_t said = compress_memory_bytes(coding, bytes);
            struct coded coded = encode(coding, body, bytes, &way, &random);
            cr_expect(coded.used_bytes_most <= said, "%s, %zu bytes: %zu of %zu",
                      compress_kind(coding)->name, bytes, coded.used_bytes_most, said);
            free(coded.at);
        }
        const int window_log = compress__window_log(bytes, 14, 19);
        cr_expect(zstd_bytes(window_log) <= compress_memory_bytes(COMPRESS_ZSTD, bytes),
                  "zstd, window %d: %zu", window_log, zstd_bytes(window_log));
        free(body);
    }
}

/* zstd's own allocations do not pass mem.h; its first block does. */
Test(compress, without_memory_it_says_so)
{
    struct random random = random_seeded(8);
    uint8_t *body = make_body(70 * KIB, &random), out[4096];
    EACH(coding)
    for (uint64_t nth = 1; nth < 100; nth++) {
        fault_fail_nth(FAULT_ALLOCATION, nth);
        struct compressor *compressor = compressor_new(coding, COMPRESS_BYTES_UNKNOWN);
        enum compress_verdict verdict = COMPRESS_AGAIN;
        struct compress_io io = {.in = body, .in_bytes = 70 * KIB};
        while (compressor != NULL && verdict == COMPRESS_AGAIN) {
            io.out = out;
            io.out_bytes = sizeof out;
            verdict = compressor_step(compressor, &io, COMPRESS_END);
        }
        compressor_free(compressor);
        const bool struck = fault_seen(FAULT_ALLOCATION) >= nth;
        fault_fail_nth(FAULT_ALLOCATION, 0);
        cr_expect(struck == (compressor == NULL || verdict == COMPRESS_BROKEN), "%s, %lu",
                  compress_kind(coding)->name, nth);
        if (!struck)
            break;
    }
    free(body);
}
