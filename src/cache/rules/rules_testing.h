/* SPDX-License-Identifier: Apache-2.0 */
/* cache/rules/rules_testing.h - for tests and fuzz targets only: heads from short texts.
 *
 * Time stands still at TESTING_NOW_S, Sun, 06 Nov 1994 08:49:37 GMT. */
#ifndef PANDO_CACHE_RULES_RULES_TESTING_H
#define PANDO_CACHE_RULES_RULES_TESTING_H

#include "cache/rules/rules.h"
#include "codec/http1_testing.h"

#include <stdio.h>

#define TESTING_NOW        "Sun, 06 Nov 1994 08:49:37 GMT"
#define TESTING_NOW_S      INT64_C(784111777)
#define TESTING_NOW_MS     ((uint64_t)TESTING_NOW_S * 1000)
#define TESTING_HOUR_AGO   "Sun, 06 Nov 1994 07:49:37 GMT"
#define TESTING_DAY_AGO    "Sat, 05 Nov 1994 08:49:37 GMT"
#define TESTING_HOUR_AHEAD "Sun, 06 Nov 1994 09:49:37 GMT"

enum { TESTING_TEXT_BYTES = 8192 };

/* @first, then @fields, which has a line for each and no newline after the last. */
static inline void testing_read(struct http1_testing_result *result, enum http1_testing_kind kind,
                                const char *first, const char *fields)
{
    char text[TESTING_TEXT_BYTES];
    size_t bytes = (size_t)snprintf(text, sizeof text, "%s\r\n", first);
    for (const char *at = fields; *at != '\0' && bytes + 8 < sizeof text; at++) {
        if (*at == '\n')
            text[bytes++] = '\r';
        text[bytes++] = *at;
    }
    bytes += (size_t)snprintf(text + bytes, sizeof text - bytes, "%s\r\n", *fields ? "\r\n" : "");
    const struct http1_testing_how how = {
        .kind = kind, .limits = &http1_testing_limits, .asked = HTTP_METHOD_GET};
    http1_testing_read(&how, (const uint8_t *)text, bytes, (struct http1_testing_pieces){bytes, 1},
                       result);
    assert(result->verdict == HTTP1_DONE);
}

/* "GET / HTTP/1.1", Host and @fields. */
static inline void testing_request(struct http1_testing_result *result, const char *fields)
{
    testing_read(result, HTTP1_TESTING_REQUEST, "GET / HTTP/1.1\r\nHost: shop", fields);
}

/* An answer with @status and @fields. */
static inline void testing_answer(struct http1_testing_result *result, unsigned status,
                                  const char *fields)
{
    char first[32];
    snprintf(first, sizeof first, "HTTP/1.1 %u OK", status);
    testing_read(result, HTTP1_TESTING_ANSWER, first, fields);
}

/* Settings as if the file said nothing. */
static const struct cache_settings testing_settings = {.cookies = CACHE_COOKIES_EXPLICIT};

#endif
