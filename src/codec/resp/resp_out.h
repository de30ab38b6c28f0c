/* SPDX-License-Identifier: Apache-2.0 */
/* codec/resp/resp_out.h - answers in the Redis protocol, versions 2 and 3, written into one buffer
 * that grows.
 *
 * What differs between the versions (null, maps, doubles, ...) is decided here, so that a command
 * says what it means once. After a failure nothing more is written and `failed` stays set: whoever
 * owns the buffer looks once at the end.
 *
 * Memory:  owns one reference to `buf`; resp_out_fini() lets go of it, resp_out_take() hands it on.
 * Threads: one at a time.
 * Errors:  `failed`: more than bytes_max, or no memory. */
#ifndef PANDO_CODEC_RESP_RESP_OUT_H
#define PANDO_CODEC_RESP_RESP_OUT_H

#include "core/buf.h"
#include "core/bytes.h"

struct resp_out {
    struct buf *buf;       /* NULL: nothing was written yet */
    size_t      used;      /* bytes in buf */
    size_t      bytes_max; /* bytes that may be used; 0: 4 GiB - 1 */
    uint8_t     version;   /* 2 or 3 */
    bool        failed;
};

/* @version 2 or 3. Takes over @buf, which may be NULL: the first write then makes one. */
void resp_out_init(struct resp_out *out, unsigned version, size_t bytes_max, struct buf *buf);

/* Accepts zero. */
void resp_out_fini(struct resp_out *out);

/* Hands on what was written, as a slice with the buffer's reference; empty afterwards. buf is NULL
 * if nothing was written. */
struct slice resp_out_take(struct resp_out *out);

/* Room for @bytes more, contiguous, at the returned address; resp_out_wrote() says how many were
 * used. NULL: failed. */
uint8_t *resp_out_room(struct resp_out *out, size_t bytes) must_check;
static inline void resp_out_wrote(struct resp_out *out, size_t bytes)
{
    out->used += bytes;
}

/* Bytes as they are: an answer, or part of one, that was written elsewhere. */
void resp_raw(struct resp_out *out, struct bytes bytes);

/* +text; without CR and LF. */
void resp_simple(struct resp_out *out, const char *text);

/* -text, which begins with its code: "ERR no such thing". CR and LF in it become spaces. */
void resp_error(struct resp_out *out, const char *text);

/* The same from a format; what is over 512 bytes is cut off. */
void resp_errorf(struct resp_out *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* :number */
void resp_integer(struct resp_out *out, int64_t number);

/* The bulk string of @bytes. */
void resp_bulk(struct resp_out *out, struct bytes bytes);

/* The bulk string of a text that ends in NUL. */
void resp_bulk_text(struct resp_out *out, const char *text);

/* The bulk string of a whole number. */
void resp_bulk_integer(struct resp_out *out, int64_t number);

/* $-1, or _ . */
void resp_null(struct resp_out *out);

/* *-1, or _ . */
void resp_null_array(struct resp_out *out);

/* A double, or its bulk string. */
void resp_double(struct resp_out *out, double number);

/* #t and #f, or :1 and :0. */
void resp_boolean(struct resp_out *out, bool truth);

/* A text that people read (=txt:), or a bulk string. */
void resp_verbatim(struct resp_out *out, struct bytes text);

/* The head of an array of @count elements, which follow. */
void resp_array(struct resp_out *out, uint64_t count);

/* Of a map of @pairs keys and values; an array of twice as many in version 2. */
void resp_map(struct resp_out *out, uint64_t pairs);

/* Of a set; an array in version 2. */
void resp_set(struct resp_out *out, uint64_t count);

/* Of a message that nobody asked for; an array in version 2. */
void resp_push(struct resp_out *out, uint64_t count);

/* Where the head of an array goes whose count is known at its end only. */
size_t resp_begin_array(struct resp_out *out);
/* Writes the head, for @count elements that were written since; moves them. */
void resp_end_array(struct resp_out *out, size_t begun, uint64_t count);

/* Forgets all that was written after @used bytes, a value that `used` had. */
static inline void resp_out_rewind(struct resp_out *out, size_t used)
{
    out->used = used;
}

#endif
