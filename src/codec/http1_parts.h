/* SPDX-License-Identifier: Apache-2.0 */
/* codec/http1_parts.h - what the files of the HTTP/1 codec share with one another, and with nobody
 * else.
 *
 * http1_read.c walks over the lines of a head; http1_target.c understands targets and hosts;
 * http1_meaning.c understands the fields that frame and route a message. Each check returns a
 * refusal and sets `refused_at`. */
#ifndef PANDO_CODEC_HTTP1_PARTS_H
#define PANDO_CODEC_HTTP1_PARTS_H

#include "codec/http1.h"

/* Classes of bytes, as bits in http1__classes. */
enum {
    HTTP1__TOKEN = 1, /* tchar of RFC 9110 5.6.2 */
    HTTP1__HOST = 2,  /* unreserved of RFC 3986: see http1_target.c */
    HTTP1__HEX = 4,
    HTTP1__DIGIT = 8,
};

extern const uint8_t http1__classes[256];

static inline bool http1__is(uint8_t byte, unsigned classes)
{
    return (http1__classes[byte] & classes) != 0;
}

/* What the Connection fields of a head have said, as bits in http1_reader.connection. */
enum {
    HTTP1__SAID_CLOSE = 1,
    HTTP1__SAID_KEEP_ALIVE = 2,
    HTTP1__SAID_UPGRADE = 4,
    HTTP1__SAID_TE = 8,
    HTTP1__SAID_NAMES = 16, /* any other option: fields of that name must go */
};

/* Sixteen bytes at once; the compiler makes SSE2, NEON or plain code of it. */
typedef uint8_t http1__bytes16 __attribute__((vector_size(16)));

static inline http1__bytes16 http1__load_16(const uint8_t *from)
{
    http1__bytes16 bytes;
    memcpy(&bytes, from, sizeof bytes);
    return bytes;
}

/* The index of the first byte that is not zero, or 16. @marks holds 0 and 255 only. */
static inline unsigned http1__first_of_16(http1__bytes16 marks)
{
    uint64_t halves[2];
    memcpy(halves, &marks, sizeof halves);
    if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__) {
        halves[0] = __builtin_bswap64(halves[0]);
        halves[1] = __builtin_bswap64(halves[1]);
    }
    if (halves[0] != 0)
        return (unsigned)__builtin_ctzll(halves[0]) / 8;
    if (halves[1] != 0)
        return 8 + (unsigned)__builtin_ctzll(halves[1]) / 8;
    return 16;
}

/* The first byte in [at, end) that may not stand in a field value (a control other than HTAB),
 * or @end. */
static inline const uint8_t *http1__value_end(const uint8_t *at, const uint8_t *end)
{
    while (end - at >= 16) {
        const http1__bytes16 bytes = http1__load_16(at);
        const unsigned first = http1__first_of_16(
            (http1__bytes16)(((bytes < 0x20) & (bytes != '\t')) | (bytes == 0x7f)));
        at += first;
        if (first < 16)
            return at;
    }
    while (at < end && (*at >= 0x20 || *at == '\t') && *at != 0x7f)
        at++;
    return at;
}

static inline bool http1__is_space(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

/* A comma-separated list (RFC 9110 5.6.1), walked member by member. */
struct http1__list {
    const uint8_t *at;
    const uint8_t *end;
};

/* The next member without the white space around it, which may be empty; false if there is none
 * left. */
bool http1__list_next(struct http1__list *list, const uint8_t **member, size_t *count);

/* All bytes are of one of the classes, and there is at least one. */
bool http1__all(const uint8_t *bytes, size_t count, unsigned classes);

/* Sets where a message is refused, and returns @refusal. */
static inline enum http1_refusal http1__refuse(struct http1_reader *reader,
                                               enum http1_refusal refusal, uint32_t at)
{
    reader->refused_at = at;
    return refusal;
}

/* Checks head->target by the method, and sets scheme, authority, host, port, path and asterisk. */
enum http1_refusal http1__target_check(struct http1_reader *reader, struct http_head *head);

/* Checks the Host field that was just read, against the target if that has an authority too. */
enum http1_refusal http1__host_check(struct http1_reader *reader, struct http_head *head,
                                     const struct http_field *field);

/* Has http1__field_check() something to say about a field with this id? Spares the call for
 * most. */
static inline bool http1__needs_check(uint8_t id)
{
    const uint64_t checked = UINT64_C(1) << HTTP_FIELD_HOST | UINT64_C(1) << HTTP_FIELD_CONNECTION |
                             UINT64_C(1) << HTTP_FIELD_CONTENT_LENGTH |
                             UINT64_C(1) << HTTP_FIELD_TRANSFER_ENCODING |
                             UINT64_C(1) << HTTP_FIELD_EXPECT | UINT64_C(1) << HTTP_FIELD_UPGRADE;
    return id < 64 && (checked >> id & 1) != 0;
}

/* Checks one field that was just read; `present` tells of those before it. */
enum http1_refusal http1__field_check(struct http1_reader *reader, struct http_head *head,
                                      const struct http_field *field);

/* The checks of the whole head, after its last line. */
enum http1_refusal http1__request_check(struct http1_reader *reader, struct http_head *head);
enum http1_refusal http1__answer_check(struct http1_reader *reader, struct http_head *head);

#endif
