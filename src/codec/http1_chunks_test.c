/* SPDX-License-Identifier: Apache-2.0 */
/* codec/http1_chunks_test.c - chunked bodies, whole and cut at every byte. */
#include "codec/http1_testing.h"

#include <criterion/criterion.h>

/* What came of a chunked body. */
struct outcome {
    enum http1_verdict verdict;
    enum http1_refusal refusal;
    size_t             consumed; /* of all bytes */
    size_t             bytes;
    uint8_t            data[1024];
};

/* Gives one piece of exactly @count bytes to the decoder, as often as it takes. */
static void give(struct http1_chunks *chunks, const char *text, size_t count, struct outcome *out)
{
    uint8_t *copy = malloc(count > 0 ? count : 1);
    memcpy(copy, text, count);
    size_t at = 0;
    while (at < count && out->verdict == HTTP1_PARTIAL) {
        struct http1_piece piece;
        out->verdict = http1_chunks_read(chunks, copy + at, count - at, &piece);
        if (piece.bytes > 0)
            memcpy(out->data + out->bytes, piece.data, piece.bytes);
        out->bytes += piece.bytes;
        at += piece.consumed;
    }
    out->consumed += at;
    out->refusal = (enum http1_refusal)chunks->refusal;
    free(copy);
}

static struct outcome read_cut_at(const char *text, size_t count, size_t first, size_t step)
{
    struct outcome out = {0};
    struct http1_chunks chunks = {0};
    size_t from = 0, to = first;
    while (from < count && out.verdict == HTTP1_PARTIAL) {
        give(&chunks, text + from, to - from, &out);
        from = to;
        to = count - to > step ? to + step : count;
    }
    return out;
}

static void expect_same(const struct outcome *a, const struct outcome *b, const char *text)
{
    cr_expect(a->verdict == b->verdict && a->refusal == b->refusal && a->consumed == b->consumed &&
                  a->bytes == b->bytes && memcmp(a->data, b->data, a->bytes) == 0,
              "%.60s", text);
}

static struct outcome read_all_ways(const char *text, size_t count)
{
    const struct outcome whole = read_cut_at(text, count, count, 1);
    const struct outcome crumbs = read_cut_at(text, count, 1, 1);
    expect_same(&whole, &crumbs, text);
    for (size_t cut = 1; cut < count; cut++) {
        const struct outcome pieces = read_cut_at(text, count, cut, count);
        expect_same(&whole, &pieces, text);
    }
    return whole;
}

static void expect_body(const char *text, const char *body, size_t left)
{
    const struct outcome out = read_all_ways(text, strlen(text));
    cr_expect_eq(out.verdict, HTTP1_DONE, "%s: %s", text, http1_refusal_row(out.refusal)->name);
    cr_expect(out.bytes == strlen(body) && memcmp(out.data, body, out.bytes) == 0, "%s", text);
    cr_expect_eq(strlen(text) - out.consumed, left, "%s", text);
}

Test(http1_chunks, give_the_data_and_stop_before_the_trailers)
{
    expect_body("5\r\nhello\r\n0\r\n\r\n", "hello", 2);
    expect_body("5\r\nhello\r\nA\r\n, my world\r\n000\r\nX: y\r\n\r\n", "hello, my world", 8);
    expect_body("0000000000000001\r\nx\r\n0\r\n", "x", 0);
    expect_body("0\r\n", "", 0);
    expect_body("3;name=value;n=\"v;w\"\r\nabc\r\n0;last\r\n", "abc", 0);
}

Test(http1_chunks, wait_for_more)
{
    const struct outcome out = read_all_ways("ff\r\nabc", 7);
    cr_expect_eq(out.verdict, HTTP1_PARTIAL);
    cr_expect_eq(out.bytes, 3);
    cr_expect_eq(out.consumed, 7);
}

static void expect_refusal(enum http1_refusal refusal, const char *text, size_t count)
{
    const struct outcome out = read_all_ways(text, count);
    cr_expect(out.verdict == HTTP1_BAD && out.refusal == refusal, "%.40s: %s, not %s", text,
              http1_refusal_row(out.refusal)->name, http1_refusal_row(refusal)->name);
    cr_expect_eq(out.consumed, count - 1, "the last byte is the wrong one: %.40s", text);
}

#define REFUSED(name, text) expect_refusal(HTTP1_REFUSAL_##name, text, sizeof(text) - 1)

Test(http1_chunks, refuse_odd_sizes)
{
    REFUSED(CHUNK_SIZE, "\r");
    REFUSED(CHUNK_SIZE, ";");
    REFUSED(CHUNK_SIZE, " ");
    REFUSED(CHUNK_SIZE, "+");
    REFUSED(CHUNK_SIZE, "-");
    REFUSED(CHUNK_SIZE, "0x");
    REFUSED(CHUNK_SIZE, "5_");
    REFUSED(CHUNK_SIZE, "5 ");
    REFUSED(CHUNK_SIZE, "5\t");
    REFUSED(CHUNK_SIZE, "g");
    REFUSED(CHUNK_SIZE, "00000000000000001");
    REFUSED(CHUNK_SIZE_RANGE, "8000000000000000");
    REFUSED(CHUNK_SIZE_RANGE, "ffffffffffffffff");
}

Test(http1_chunks, refuse_line_ends_other_than_crlf)
{
    REFUSED(CHUNK_LINE_END, "5\n");
    REFUSED(CHUNK_LINE_END, "5\rh");
    REFUSED(CHUNK_LINE_END, "5\r\r");
    REFUSED(CHUNK_LINE_END, "5;a\n");
    REFUSED(CHUNK_LINE_END, "5;a\rb");
    REFUSED(CHUNK_LINE_END, "0\rX");
    REFUSED(CHUNK_DATA_END, "1\r\nab");
    REFUSED(CHUNK_DATA_END, "1\r\na\n");
    REFUSED(CHUNK_DATA_END, "1\r\na\rb");
    REFUSED(CHUNK_SIZE, "1\r\na\r\n\r");
}

Test(http1_chunks, refuse_bad_and_long_extensions)
{
    REFUSED(CHUNK_EXTENSION_BYTE, "5;a\0");
    REFUSED(CHUNK_EXTENSION_BYTE, "5;\x7f");
    char text[700] = "1;";
    memset(text + 2, 'e', 256);
    const struct outcome out = read_all_ways(text, 257);
    cr_expect_eq(out.verdict, HTTP1_PARTIAL);
    expect_refusal(HTTP1_REFUSAL_CHUNK_EXTENSIONS_LONG, text, 258);
}

Test(http1_chunks, count_the_extensions_of_all_chunks_together)
{
    static const char chunk[] = "1;abc\r\nx\r\n"; /* 4 of 256 bytes */
    char text[700];
    for (size_t i = 0; i < 65; i++)
        memcpy(text + i * 10, chunk, 10);
    expect_refusal(HTTP1_REFUSAL_CHUNK_EXTENSIONS_LONG, text, 64 * 10 + 2);
}
