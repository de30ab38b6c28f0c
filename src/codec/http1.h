/* SPDX-License-Identifier: Apache-2.0 */
/* codec/http1.h - HTTP/1.0 and HTTP/1.1 messages: bytes to structs and back (RFC 9110, RFC 9112).
 *
 * Strict: what two parsers could read in two ways is refused, never repaired. Nothing here opens a
 * socket, allocates or reads a clock. The verdict, the refusal and the parsed head do not depend on
 * how the bytes were split, a wrong byte is refused as soon as it is there (never waiting for an
 * empty line), and the work over all calls is linear in the bytes.
 *
 * Reading a head:
 *     struct http_field fields[100];
 *     struct http_head head = {.fields = fields, .fields_max = 100};
 *     struct http1_reader reader;
 *     http1_reader_init(&reader, &limits);
 *     switch (http1_request_read(&reader, bytes, count, &head)) {
 *     case HTTP1_PARTIAL: get more, keep all the bytes contiguous (they may move), call again with
 *     all of them
 *     case HTTP1_DONE:    head is complete; the body begins at bytes + head.head_bytes
 *     case HTTP1_BAD:     answer http1_refusal_row(reader.refusal)->status, and close
 *     }
 *
 * Memory:  heads point into the caller's bytes. Threads: no shared state. */
#ifndef PANDO_CODEC_HTTP1_H
#define PANDO_CODEC_HTTP1_H

#include "codec/http1_refusals.h"
#include "core/err.h"
#include "core/http.h"

#include <assert.h>
#include <string.h>

enum http1_verdict {
    HTTP1_PARTIAL, /* no verdict yet: all is well so far, more bytes are needed */
    HTTP1_DONE,
    HTTP1_BAD,
};

struct http1_limits {
    uint32_t head_bytes_max;   /* of a head with its empty line, and of a trailer section */
    uint32_t target_bytes_max; /* of a request target */
    uint16_t fields_max;       /* field lines; http_head.fields_max counts too, the smaller wins */
};

/* What a listener has if the file says nothing. */
#define HTTP1_LIMITS_PRESET {.head_bytes_max = 32768, .target_bytes_max = 8192, .fields_max = 100}

/* Bounds that are not settings. */
enum {
    HTTP1_METHOD_BYTES_MAX = 32,           /* longest registered: UPDATEREDIRECTREF, 17 */
    HTTP1_NAME_BYTES_MAX = 256,            /* a field name; longest registered: 49 */
    HTTP1_REASON_BYTES_MAX = 1024,         /* a reason phrase, which is dropped */
    HTTP1_CONNECTION_OPTIONS_MAX = 32,     /* tokens in all Connection fields of a head */
    HTTP1_CHUNK_EXTENSION_BYTES_MAX = 256, /* in a whole message (CVE-2023-39326) */
    HTTP1_CHUNK_HEAD_BYTES_MAX = 18, /* 16 hex digits and CRLF, as http1_put_chunk_head() writes */
};

/* Where the reading of one head stands. Fields after `limits` are the codec's own, but for
 * refusal and refused_at. */
struct http1_reader {
    const struct http1_limits *limits;  /* borrowed; outlives the reading */
    uint32_t                   scanned; /* bytes that need not be looked at again */
    uint32_t                   mark;    /* where the element that is being read began */
    uint32_t refused_at; /* after BAD: the byte that was refused, from the first byte of the head */
    uint8_t  refusal;    /* after BAD: enum http1_refusal */
    uint8_t  phase;
    uint8_t  asked;         /* answers: enum http_method of the request */
    bool     upgrade_asked; /* answers: the request that was sent asked to upgrade */
    uint8_t  connection;    /* what Connection fields said so far, as bits */
    uint8_t  options_count; /* members of all Connection fields so far */
};

/* Before the first byte of every request. @limits is borrowed. */
void http1_reader_init(struct http1_reader *reader, const struct http1_limits *limits);

/* Before the first byte of every answer, and again after every 1xx. @asked is the method of the
 * request; HEAD and CONNECT change where the answer ends. @upgrade_asked: the request was sent
 * on with Upgrade, so 101 may come. */
void http1_reader_init_answer(struct http1_reader *reader, const struct http1_limits *limits,
                              enum http_method asked, bool upgrade_asked);

/* Reads a request head. @bytes are all bytes of it that have come so far, from its first byte;
 * @count may reach beyond the head. @head->fields and fields_max are the caller's, all else is
 * written here; @head stays with the reader until the verdict. One empty line (CRLF) before the
 * request line is skipped (RFC 9112 2.2) and counted in head_bytes. After DONE or BAD the reader
 * must be initialised anew. */
enum http1_verdict http1_request_read(struct http1_reader *reader, const uint8_t *bytes,
                                      size_t count, struct http_head *head) must_check;

/* Reads an answer head, in the same way. A status of 1xx other than 101 is an interim: framing
 * NONE, and another head follows. */
enum http1_verdict http1_answer_read(struct http1_reader *reader, const uint8_t *bytes,
                                     size_t count, struct http_head *head) must_check;

/* Reads the trailer section after the last chunk (most often just CRLF), in the same way, with a
 * reader fresh from http1_reader_init(). Trailers that may not be passed on have hop = 1. Only
 * base, fields, fields_count, present and head_bytes are filled. */
enum http1_verdict http1_trailers_read(struct http1_reader *reader, const uint8_t *bytes,
                                       size_t count, struct http_head *head) must_check;

/* --- Chunked bodies: reading ----------------------------------------------------------- */

/* Where the reading of one chunked body stands; zero it before the first byte. All is the
 * codec's own but refusal. */
struct http1_chunks {
    uint64_t left; /* bytes of data until the end of the chunk; while its size is read: the size */
    uint16_t extension_bytes; /* so far, in the whole message */
    uint8_t  phase;
    uint8_t  digits;
    uint8_t  refusal; /* after BAD: enum http1_refusal */
};

/* What one call found. */
struct http1_piece {
    const uint8_t *data; /* body bytes, inside the caller's bytes; NULL if bytes is 0 */
    size_t         bytes;
    size_t
        consumed; /* of the caller's bytes, framing and data; on BAD: offset of the refused byte */
};

/* Reads framing up to and with at most one run of data. PARTIAL: deal with piece->data, go on at
 * bytes + consumed; if consumed == count more bytes are needed. DONE: the last chunk's line was
 * consumed; the trailer section follows, for http1_trailers_read(). */
enum http1_verdict http1_chunks_read(struct http1_chunks *chunks, const uint8_t *bytes,
                                     size_t count, struct http1_piece *piece) must_check;

/* --- Writing --------------------------------------------------------------------------- */

/* Writes into [at, end) and never beyond. What does not fit is counted only: run the same calls
 * over an empty room (at == end) to learn the size. Once full nothing more is written. */
struct http1_writer {
    uint8_t *at;     /* the next byte to write */
    uint8_t *end;    /* one past the room */
    size_t   wanted; /* bytes that were put, whether or not they fitted */
    bool     full;   /* something did not fit; what was written is not a message */
};

static inline void http1_put(struct http1_writer *w, const void *bytes, size_t count)
{
    w->wanted += count;
    if (__builtin_expect(count > (size_t)(w->end - w->at), 0)) {
        w->full = true;
        w->end = w->at;
        return;
    }
    if (count == 0) /* `at` and @bytes may be NULL */
        return;
    memcpy(w->at, bytes, count);
    w->at += count;
}

/* Puts a string literal. */
#define http1_put_text(w, literal) http1_put((w), "" literal, sizeof(literal) - 1)

static inline void http1_put_span(struct http1_writer *w, const struct http_head *head,
                                  struct http_span span)
{
    http1_put(w, head->base + span.at, span.bytes);
}

/* A number in decimal, or in hexadecimal without leading zeros. */
void http1_put_decimal(struct http1_writer *w, uint64_t number);
void http1_put_hex(struct http1_writer *w, uint64_t number);

/* "Name: value\r\n" with the name from the table. The value must be free of CR, LF and NUL: it
 * is asserted. */
void http1_put_field(struct http1_writer *w, enum http_field_id id, const void *value,
                     size_t count);

/* "METHOD target HTTP/1.1\r\n", the target in the form for an origin server ("*" if
 * head->asterisk; CONNECT: authority). */
void http1_put_request_line(struct http1_writer *w, const struct http_head *head);

/* "HTTP/1.1 200 OK\r\n"; a status without a row has an empty reason. @status: 100 to 999. */
void http1_put_status_line(struct http1_writer *w, unsigned status);

/* "Host: ...\r\n" from head->authority. */
void http1_put_host(struct http1_writer *w, const struct http_head *head);

/* All fields of @head with hop == 0, each as "Name: value\r\n", in their order; names as
 * received. */
void http1_put_fields(struct http1_writer *w, const struct http_head *head);

/* "Content-Length: n\r\n", "Transfer-Encoding: chunked\r\n". */
void http1_put_content_length(struct http1_writer *w, uint64_t count);
void http1_put_chunked(struct http1_writer *w);

/* The line before @count (at least 1) bytes of data; after the data comes CRLF. */
void http1_put_chunk_head(struct http1_writer *w, uint64_t count);

/* "0\r\n", the trailers with hop == 0 (@trailers may be NULL), "\r\n". */
void http1_put_last_chunk(struct http1_writer *w, const struct http_head *trailers);

#endif
