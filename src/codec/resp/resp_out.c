/* SPDX-License-Identifier: Apache-2.0 */
/* codec/resp/resp_out.c - answers in the Redis protocol. */
#include "codec/resp/resp_out.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

enum {
    FIRST_BYTES = 512,   /* of a buffer that a first write makes */
    HEAD_BYTES_MAX = 24, /* a type's byte, 20 digits, CRLF */
    ERROR_BYTES_MAX = 512,
};

void resp_out_init(struct resp_out *out, unsigned version, size_t bytes_max, struct buf *buf)
{
    assert(version == 2 || version == 3);
    *out = (struct resp_out){
        .buf = buf,
        .bytes_max = bytes_max == 0 || bytes_max > UINT32_MAX ? UINT32_MAX : bytes_max,
        .version = (uint8_t)version,
    };
}

void resp_out_fini(struct resp_out *out)
{
    buf_unref(out->buf);
    out->buf = NULL;
    out->used = 0;
}

struct slice resp_out_take(struct resp_out *out)
{
    if (out->used == 0) {
        resp_out_fini(out);
        return (struct slice){0};
    }
    const struct slice taken = {out->buf, out->buf->data, (uint32_t)out->used};
    out->buf = NULL;
    out->used = 0;
    return taken;
}

/* ---- room ---- */

static size_t bytes_max_of(const struct resp_out *out)
{
    return out->bytes_max == 0 || out->bytes_max > UINT32_MAX ? UINT32_MAX : out->bytes_max;
}

/* Doubles, so that a long answer is copied as often as it has binary digits. */
static bool grow(struct resp_out *out, size_t wanted)
{
    size_t capacity = out->buf == NULL ? FIRST_BYTES : (size_t)out->buf->capacity * 2;
    if (capacity < wanted)
        capacity = wanted;
    if (capacity > bytes_max_of(out))
        capacity = bytes_max_of(out);
    struct buf *larger = buf_new(capacity);
    if (larger == NULL)
        return false;
    if (out->used > 0)
        memcpy(larger->data, out->buf->data, out->used);
    buf_unref(out->buf);
    out->buf = larger;
    return true;
}

static uint8_t *make_room(struct resp_out *out, size_t bytes)
{
    if (out->failed)
        return NULL;
    const size_t most = bytes_max_of(out);
    if (out->used > most || bytes > most - out->used || !grow(out, out->used + bytes)) {
        out->failed = true;
        return NULL;
    }
    return out->buf->data + out->used;
}

static inline uint8_t *room(struct resp_out *out, size_t bytes)
{
    const size_t wanted = out->used + bytes;
    if (out->failed || out->buf == NULL || wanted > out->buf->capacity || wanted < bytes ||
        wanted - 1 >= out->bytes_max - 1) /* that last one leaves bytes_max 0 to the slow way */
        return make_room(out, bytes);
    return out->buf->data + out->used;
}

uint8_t *resp_out_room(struct resp_out *out, size_t bytes)
{
    return room(out, bytes);
}

/* ---- pieces ---- */

static inline uint8_t *put_line_end(uint8_t *at)
{
    at[0] = '\r';
    at[1] = '\n';
    return at + 2;
}

/* A type's byte, a number, CRLF. */
static inline uint8_t *put_head(uint8_t *at, char type, int64_t number)
{
    *at++ = (uint8_t)type;
    if (number >= 0 && number < 10)
        *at++ = (uint8_t)('0' + number);
    else
        at += bytes_write_int64(at, number);
    return put_line_end(at);
}

static void write_head(struct resp_out *out, char type, int64_t number)
{
    uint8_t *const at = room(out, HEAD_BYTES_MAX);
    if (at != NULL)
        resp_out_wrote(out, (size_t)(put_head(at, type, number) - at));
}

static void write_text(struct resp_out *out, const char *text)
{
    resp_raw(out, bytes_of(text));
}

void resp_raw(struct resp_out *out, struct bytes bytes)
{
    if (bytes.count == 0)
        return;
    uint8_t *at = room(out, bytes.count);
    if (at == NULL)
        return;
    memcpy(at, bytes.at, bytes.count);
    resp_out_wrote(out, bytes.count);
}

/* ---- values ---- */

void resp_simple(struct resp_out *out, const char *text)
{
    const size_t count = strlen(text);
    uint8_t *const at = room(out, count + 3);
    if (at == NULL)
        return;
    assert(memchr(text, '\r', count) == NULL && memchr(text, '\n', count) == NULL);
    at[0] = '+';
    memcpy(at + 1, text, count);
    put_line_end(at + 1 + count);
    resp_out_wrote(out, count + 3);
}

void resp_error(struct resp_out *out, const char *text)
{
    const size_t count = strlen(text);
    uint8_t *const at = room(out, count + 3);
    if (at == NULL)
        return;
    at[0] = '-';
    for (size_t i = 0; i < count; i++)
        at[1 + i] = text[i] == '\r' || text[i] == '\n' ? ' ' : (uint8_t)text[i];
    put_line_end(at + 1 + count);
    resp_out_wrote(out, count + 3);
}

void resp_errorf(struct resp_out *out, const char *format, ...)
{
    char text[ERROR_BYTES_MAX + 1];
    va_list rest;
    va_start(rest, format);
    (void)vsnprintf(text, sizeof text, format, rest);
    va_end(rest);
    resp_error(out, text);
}

void resp_integer(struct resp_out *out, int64_t number)
{
    write_head(out, ':', number);
}

void resp_bulk(struct resp_out *out, struct bytes bytes)
{
    uint8_t *const begin = room(out, bytes.count + HEAD_BYTES_MAX + 2);
    if (begin == NULL)
        return;
    uint8_t *at = put_head(begin, '$', (int64_t)bytes.count);
    if (bytes.count > 0)
        memcpy(at, bytes.at, bytes.count);
    at = put_line_end(at + bytes.count);
    resp_out_wrote(out, (size_t)(at - begin));
}

void resp_bulk_text(struct resp_out *out, const char *text)
{
    resp_bulk(out, bytes_of(text));
}

void resp_bulk_integer(struct resp_out *out, int64_t number)
{
    uint8_t text[BYTES_INT64_MAX];
    resp_bulk(out, (struct bytes){text, bytes_write_int64(text, number)});
}

void resp_null(struct resp_out *out)
{
    write_text(out, out->version == 3 ? "_\r\n" : "$-1\r\n");
}

void resp_null_array(struct resp_out *out)
{
    write_text(out, out->version == 3 ? "_\r\n" : "*-1\r\n");
}

void resp_double(struct resp_out *out, double number)
{
    uint8_t text[1 + BYTES_DOUBLE_MAX + 2];
    const unsigned count = bytes_write_double(text + 1, number);
    if (out->version == 2) {
        resp_bulk(out, (struct bytes){text + 1, count});
        return;
    }
    text[0] = ',';
    put_line_end(text + 1 + count);
    resp_raw(out, (struct bytes){text, count + 3});
}

void resp_boolean(struct resp_out *out, bool truth)
{
    if (out->version == 2)
        resp_integer(out, truth);
    else
        write_text(out, truth ? "#t\r\n" : "#f\r\n");
}

void resp_verbatim(struct resp_out *out, struct bytes text)
{
    if (out->version == 2) {
        resp_bulk(out, text);
        return;
    }
    write_head(out, '=', (int64_t)text.count + 4);
    write_text(out, "txt:");
    resp_raw(out, text);
    write_text(out, "\r\n");
}

/* ---- heads of what follows ---- */

void resp_array(struct resp_out *out, uint64_t count)
{
    write_head(out, '*', (int64_t)count);
}

void resp_map(struct resp_out *out, uint64_t pairs)
{
    if (out->version == 3)
        write_head(out, '%', (int64_t)pairs);
    else
        write_head(out, '*', (int64_t)pairs * 2);
}

void resp_set(struct resp_out *out, uint64_t count)
{
    write_head(out, out->version == 3 ? '~' : '*', (int64_t)count);
}

void resp_push(struct resp_out *out, uint64_t count)
{
    write_head(out, out->version == 3 ? '>' : '*', (int64_t)count);
}

size_t resp_begin_array(struct resp_out *out)
{
    return out->used;
}

void resp_end_array(struct resp_out *out, size_t begun, uint64_t count)
{
    uint8_t head[HEAD_BYTES_MAX];
    const size_t bytes = (size_t)(put_head(head, '*', (int64_t)count) - head);
    if (room(out, bytes) == NULL)
        return;
    assert(begun <= out->used);
    uint8_t *at = out->buf->data + begun;
    memmove(at + bytes, at, out->used - begun);
    memcpy(at, head, bytes);
    resp_out_wrote(out, bytes);
}
