/* SPDX-License-Identifier: Apache-2.0 */
/* codec/http1_testing.h - for tests and fuzz targets only: reads a message in pieces and compares
 * what came of it.
 *
 * Every call sees its bytes in a heap block of exactly their size, at a new address: a sanitizer
 * finds any read beyond the end, and any pointer kept from an earlier call. */
#ifndef PANDO_CODEC_HTTP1_TESTING_H
#define PANDO_CODEC_HTTP1_TESTING_H

#include "codec/http1.h"

#include <stdlib.h>

enum http1_testing_kind {
    HTTP1_TESTING_REQUEST,
    HTTP1_TESTING_ANSWER,
    HTTP1_TESTING_TRAILERS,
};

enum { HTTP1_TESTING_FIELDS = 128 };

/* How a head is to be read. */
struct http1_testing_how {
    enum http1_testing_kind    kind;
    const struct http1_limits *limits;
    enum http_method           asked;         /* answers */
    bool                       upgrade_asked; /* answers */
};

/* What came of it. `head.base` points to `bytes`. */
struct http1_testing_result {
    enum http1_verdict verdict;
    enum http1_refusal refusal;
    uint32_t           refused_at;
    size_t             seen; /* bytes there when the verdict fell */
    struct http_head   head;
    struct http_field  fields[HTTP1_TESTING_FIELDS];
    uint8_t           *bytes; /* free with http1_testing_free() */
};

static const struct http1_limits http1_testing_limits = HTTP1_LIMITS_PRESET;

static inline void http1_testing_free(struct http1_testing_result *result)
{
    free(result->bytes);
    result->bytes = NULL;
}

static inline enum http1_verdict http1_testing_call(struct http1_reader *reader,
                                                    enum http1_testing_kind kind,
                                                    const uint8_t *bytes, size_t count,
                                                    struct http_head *head)
{
    switch (kind) {
    case HTTP1_TESTING_REQUEST: return http1_request_read(reader, bytes, count, head);
    case HTTP1_TESTING_ANSWER: return http1_answer_read(reader, bytes, count, head);
    default: return http1_trailers_read(reader, bytes, count, head);
    }
}

/* A first piece of `first` bytes (may be 0), then pieces of `step`. */
struct http1_testing_pieces {
    size_t first;
    size_t step;
};

/* Reads @bytes piece by piece, until the verdict or to their end. */
static inline void http1_testing_read(const struct http1_testing_how *how, const uint8_t *bytes,
                                      size_t count, struct http1_testing_pieces pieces,
                                      struct http1_testing_result *out)
{
    struct http1_reader reader;
    if (how->kind == HTTP1_TESTING_ANSWER)
        http1_reader_init_answer(&reader, how->limits, how->asked, how->upgrade_asked);
    else
        http1_reader_init(&reader, how->limits);
    *out = (struct http1_testing_result){0};
    out->head.fields = out->fields;
    out->head.fields_max = HTTP1_TESTING_FIELDS;
    size_t seen = pieces.first < count ? pieces.first : count;
    for (;;) {
        free(out->bytes);
        out->bytes = malloc(seen > 0 ? seen : 1);
        assert(out->bytes != NULL);
        if (seen > 0)
            memcpy(out->bytes, bytes, seen);
        out->seen = seen;
        out->verdict = http1_testing_call(&reader, how->kind, out->bytes, seen, &out->head);
        if (out->verdict != HTTP1_PARTIAL || seen == count)
            break;
        seen = count - seen > pieces.step ? seen + pieces.step : count;
    }
    out->refusal = (enum http1_refusal)reader.refusal;
    out->refused_at = reader.refused_at;
}

static inline bool http1_testing_same_span(struct http_span a, struct http_span b)
{
    return a.at == b.at && a.bytes == b.bytes;
}

static inline bool http1_testing_same_field(const struct http_field *a, const struct http_field *b)
{
    return a->name_at == b->name_at && a->value_at == b->value_at &&
           a->value_bytes == b->value_bytes && a->name_bytes == b->name_bytes && a->id == b->id &&
           a->hop == b->hop;
}

static inline bool http1_testing_same_fields(const struct http_head *a, const struct http_head *b)
{
    if (a->fields_count != b->fields_count || a->present[0] != b->present[0] ||
        a->present[1] != b->present[1])
        return false;
    for (size_t i = 0; i < a->fields_count; i++)
        if (!http1_testing_same_field(&a->fields[i], &b->fields[i]))
            return false;
    return true;
}

static inline bool http1_testing_same_head(const struct http_head *a, const struct http_head *b)
{
    return http1_testing_same_fields(a, b) && a->head_bytes == b->head_bytes &&
           a->content_length == b->content_length && a->method == b->method &&
           a->version_minor == b->version_minor && a->status == b->status &&
           a->framing == b->framing && a->has_content_length == b->has_content_length &&
           a->keep_alive == b->keep_alive && a->expects_continue == b->expects_continue &&
           a->upgrades == b->upgrades && a->te_trailers == b->te_trailers &&
           a->asterisk == b->asterisk && a->port == b->port &&
           a->upgrade_index == b->upgrade_index &&
           http1_testing_same_span(a->method_text, b->method_text) &&
           http1_testing_same_span(a->target, b->target) &&
           http1_testing_same_span(a->scheme, b->scheme) &&
           http1_testing_same_span(a->authority, b->authority) &&
           http1_testing_same_span(a->host, b->host) && http1_testing_same_span(a->path, b->path);
}

/* The law of the reader: the same verdict, refusal, place and head, however the bytes came. */
static inline bool http1_testing_same(const struct http1_testing_result *a,
                                      const struct http1_testing_result *b)
{
    if (a->verdict != b->verdict || a->refusal != b->refusal || a->refused_at != b->refused_at)
        return false;
    return a->verdict != HTTP1_DONE || http1_testing_same_head(&a->head, &b->head);
}

#endif
