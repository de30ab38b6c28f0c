/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/http1_chunks_fuzz.c - laws of reading chunked bodies.
 *
 * 1. However the bytes arrive, the verdict, the refusal, the bytes consumed and the data are the
 *    same.
 * 2. Data lies inside the bytes that were given, and framing is never taken for data.
 * 3. The data of a complete body, chunked anew, is read again as the same data.
 *
 * The first byte of the input chooses the step. */
#include "codec/http1_testing.h"

#define CHECK(law)                                                                                 \
    do {                                                                                           \
        if (!(law))                                                                                \
            __builtin_trap();                                                                      \
    } while (0)

/* What came of a body; `data` has room for all of the input. */
struct outcome {
    enum http1_verdict verdict;
    enum http1_refusal refusal;
    size_t             consumed;
    size_t             bytes;
    uint8_t           *data;
};

static void give(struct http1_chunks *chunks, const uint8_t *bytes, size_t count,
                 struct outcome *out)
{
    uint8_t *copy = malloc(count);
    memcpy(copy, bytes, count);
    size_t at = 0;
    while (at < count && out->verdict == HTTP1_PARTIAL) {
        struct http1_piece piece;
        out->verdict = http1_chunks_read(chunks, copy + at, count - at, &piece);
        CHECK(piece.consumed <= count - at);
        CHECK(piece.consumed > 0 || out->verdict == HTTP1_BAD);
        CHECK(piece.bytes == 0 ||
              (piece.data >= copy + at && piece.data + piece.bytes <= copy + at + piece.consumed));
        CHECK(piece.bytes == 0 || out->verdict == HTTP1_PARTIAL);
        if (piece.bytes > 0)
            memcpy(out->data + out->bytes, piece.data, piece.bytes);
        out->bytes += piece.bytes;
        at += piece.consumed;
    }
    out->consumed += at;
    out->refusal = (enum http1_refusal)chunks->refusal;
    free(copy);
}

static struct outcome read_in_steps_of(size_t step, const uint8_t *bytes, size_t count)
{
    struct http1_chunks chunks = {0};
    struct outcome out = {.data = malloc(count + 1)};
    for (size_t at = 0; at < count && out.verdict == HTTP1_PARTIAL; at += step)
        give(&chunks, bytes + at, count - at < step ? count - at : step, &out);
    return out;
}

static void check_rechunked(const struct outcome *body, size_t step)
{
    const size_t room = body->bytes * 24 + 32;
    uint8_t *bytes = malloc(room);
    struct http1_writer w = {.at = bytes, .end = bytes + room};
    for (size_t at = 0; at < body->bytes; at += step) {
        const size_t count = body->bytes - at < step ? body->bytes - at : step;
        http1_put_chunk_head(&w, count);
        http1_put(&w, body->data + at, count);
        http1_put_text(&w, "\r\n");
    }
    http1_put_last_chunk(&w, NULL);
    CHECK(!w.full);
    struct outcome again = read_in_steps_of(room, bytes, (size_t)(w.at - bytes));
    CHECK(again.verdict == HTTP1_DONE && again.bytes == body->bytes);
    CHECK(again.bytes == 0 || memcmp(again.data, body->data, body->bytes) == 0);
    CHECK(again.consumed + 2 == w.wanted); /* the empty trailer section is left */
    free(again.data);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const size_t step = 1 + (data[0] & 15);
    data++;
    size--;
    struct outcome whole = read_in_steps_of(size, data, size);
    struct outcome pieces = read_in_steps_of(step, data, size);
    CHECK(whole.verdict == pieces.verdict && whole.refusal == pieces.refusal);
    CHECK(whole.consumed == pieces.consumed && whole.bytes == pieces.bytes);
    CHECK(whole.bytes == 0 || memcmp(whole.data, pieces.data, whole.bytes) == 0);
    CHECK((whole.verdict == HTTP1_BAD) == (whole.refusal != HTTP1_REFUSAL_NONE));
    if (whole.verdict == HTTP1_DONE)
        check_rechunked(&whole, step);
    free(whole.data);
    free(pieces.data);
    return 0;
}
