/* SPDX-License-Identifier: Apache-2.0 */
/* cache/rules/coding_test.c - what is kept compressed, in which coding, by what tag. */
#include "cache/rules/rules_testing.h"

#include <criterion/criterion.h>

/* --- Answers --- */

static bool may_compress(unsigned status, const char *fields)
{
    static struct http1_testing_result answer;
    testing_answer(&answer, status, fields);
    const bool may = cache_may_compress(&answer.head);
    http1_testing_free(&answer);
    return may;
}

Test(coding, texts_are_worth_it)
{
    static const char *const types[] = {
        "text/html",
        "TEXT/CSS; charset=utf-8",
        "application/json",
        "image/svg+xml",
        "application/manifest+json",
        "application/wasm",
        "application/xml ;a=b",
        "font/ttf",
        "application/vnd.api+json;x",
    };
    char fields[200];
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        snprintf(fields, sizeof fields, "Content-Length: 256\nContent-Type: %s", types[i]);
        cr_expect(may_compress(200, fields), "%s", types[i]);
    }
}

Test(coding, the_rest_is_not)
{
    static const char *const rows[] = {
        "Content-Length: 1000",
        "Content-Length: 1000\nContent-Type: image/png",
        "Content-Length: 1000\nContent-Type: font/woff2",
        "Content-Length: 1000\nContent-Type: application/zip",
        "Content-Length: 1000\nContent-Type: text/event-stream",
        "Content-Length: 255\nContent-Type: text/html",
        "Content-Length: 0\nContent-Type: text/html",
        "Content-Length: 1000\nContent-Type: text/html\nContent-Type: text/css",
        "Content-Length: 1000\nContent-Type: text/html\nContent-Encoding: gzip",
        "Content-Length: 1000\nContent-Type: text/html\nContent-Range: bytes 0-999/2000",
        "Content-Length: 1000\nContent-Type: text/html\nCache-Control: a, No-Transform",
        "Content-Length: 1000\nContent-Type: text/html\nCache-Control: no-transform=1",
        "Content-Length: 1000\nContent-Type: text/html\nCDN-Cache-Control: no-transform",
        "Content-Length: 1000\nContent-Type: text/html\nCache-Control: a=\"b",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_expect(!may_compress(200, rows[i]), "%s", rows[i]);
    cr_expect(!may_compress(404, "Content-Length: 1000\nContent-Type: text/html"));
    cr_expect(may_compress(200, "Transfer-Encoding: chunked\nContent-Type: text/html"));
    cr_expect(may_compress(
        200, "Content-Length: 1000\nContent-Type: text/html\nCache-Control: x=\"no-transform\""));
}

/* --- Requests --- */

enum { ALL = (1u << CACHE_ENCODINGS_COUNT) - 1, ONLY_GZIP = 1u << CACHE_ENCODING_GZIP };

/* The reduced set of @accepted as it is written; and reducing that changes nothing. */
static void expect_reduced(const char *accepted, unsigned makes, const char *reduced)
{
    static struct http1_testing_result request;
    char fields[300], written[64], again[64];
    snprintf(fields, sizeof fields, "Accept-Encoding: %s", accepted);
    testing_request(&request, fields);
    const size_t bytes =
        cache_encodings_write(cache_encodings_reduce(&request.head, makes), written);
    http1_testing_free(&request);
    cr_expect(bytes == strlen(reduced) && memcmp(written, reduced, bytes) == 0, "%s: %.*s, not %s",
              accepted, (int)bytes, written, reduced);
    snprintf(fields, sizeof fields, "Accept-Encoding: %s\nAccept-Encoding: %.*s", accepted,
             (int)(bytes > 0 ? bytes : 8), bytes > 0 ? written : "identity");
    testing_request(&request, fields);
    const size_t again_bytes =
        cache_encodings_write(cache_encodings_reduce(&request.head, makes), again);
    http1_testing_free(&request);
    cr_expect(again_bytes == bytes && memcmp(again, written, bytes) == 0, "%s, twice: %.*s",
              accepted, (int)again_bytes, again);
}

Test(coding, one_is_chosen)
{
    expect_reduced("gzip, deflate, br, zstd", ALL, "br");
    expect_reduced("gzip, deflate, br, zstd", ONLY_GZIP, "gzip");
    expect_reduced("gzip, deflate, br, zstd", 0, "");
    expect_reduced("gzip;q=0.5, br;q=0.501", ALL, "br");
    expect_reduced("gzip;q=0.9, zstd;q=0.89", ALL, "gzip");
    expect_reduced("br;q=0, *;q=0.1", ALL, "zstd");
    expect_reduced("*", ALL, "br");
    expect_reduced("*;q=0", ALL, "identity;q=0");
    expect_reduced("gzip, *;q=0", ALL, "gzip, identity;q=0");
    expect_reduced("identity, gzip;q=0.5", ALL, "");
    expect_reduced("identity;q=0.5, gzip;q=0.5", ALL, "gzip");
    expect_reduced("gzip;q=2", ALL, "");
    expect_reduced("gzip;q=1.001", ALL, "");
    expect_reduced("gzip;q=0.001", ALL, "gzip");
    expect_reduced("", ALL, "");
}

/* --- Tags --- */

static void expect_tag(const char *etag, const char *coded)
{
    uint8_t there[CACHE_ETAG_BYTES_MAX], back[CACHE_ETAG_BYTES_MAX];
    const bool is_strong = etag[0] != 'W';
    const size_t bytes = cache_etag_code((const uint8_t *)etag, strlen(etag), "br", there);
    cr_expect(bytes == strlen(coded) && memcmp(there, coded, bytes) == 0, "%s", etag);
    const size_t back_bytes = cache_etag_decode(there, bytes, is_strong, back);
    cr_expect(back_bytes == strlen(etag) && memcmp(back, etag, back_bytes) == 0, "%s", coded);
}

Test(coding, tags_are_weak_and_of_one_coding)
{
    expect_tag("\"v1\"", "W/\"v1-br\"");
    expect_tag("W/\"v-1\"", "W/\"v-1-br\"");
    expect_tag("\"\"", "W/\"-br\"");
    expect_tag("\"a-br\"", "W/\"a-br-br\"");
}
