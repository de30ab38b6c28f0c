/* SPDX-License-Identifier: Apache-2.0 */
/* core/http.h - the words of HTTP: methods, statuses, field names, and the parsed head of a
 * message.
 *
 * No parsing here: codec/http1 (and later http2) fills a struct http_head, all rooms read it.
 *
 * Memory:  a head holds offsets from `base` and nothing else, so it may be moved: copy the bytes,
 *          copy the
 *          fields, set `base` and `fields`. It owns neither the bytes nor the fields array; needs
 *          no free.
 * Threads: a head belongs to whoever holds it; the tables are const.
 * Errors:  none. */
#ifndef PANDO_CORE_HTTP_H
#define PANDO_CORE_HTTP_H

#include "core/err.h"
#include "core/http_tables.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum http_method {
    HTTP_METHOD_NONE, /* not a request */
#define X(name, safe, idempotent) HTTP_METHOD_##name,
    HTTP_METHODS(X)
#undef X
    HTTP_METHOD_OTHER, /* any other token, see head.method_text; neither safe nor idempotent */
    HTTP_METHODS_COUNT
};

enum http_field_id {
    HTTP_FIELD_OTHER, /* no row: passed on, not looked at */
#define X(id, name, copied, connection, trailer) HTTP_FIELD_##id,
    HTTP_FIELDS(X)
#undef X
    HTTP_FIELDS_COUNT
};

enum http_copied {
    HTTP_COPIED_PASS,
    HTTP_COPIED_HOP,
    HTTP_COPIED_ANEW,
};

struct http_field_row {
    char    name[28]; /* as Pando writes it; "" for OTHER. Inside the row: a look-up is one load */
    uint8_t name_bytes;
    uint8_t copied;       /* enum http_copied */
    bool    pinned;       /* may not be named by Connection */
    bool    trailer_drop; /* dropped from a trailer section */
};

/* Bytes at `at` from head.base. */
struct http_span {
    uint32_t at;
    uint32_t bytes;
};

/* One field line of a head; the value without the white space around it (it may be empty). */
struct http_field {
    uint32_t name_at; /* from head.base, as are all offsets */
    uint32_t value_at;
    uint32_t value_bytes;
    uint16_t name_bytes;
    uint8_t  id; /* enum http_field_id */
    /* 1: must not be copied to the next hop. Its row is HOP or ANEW, or Connection named it, or it
     * is a trailer that is dropped. A room may set it to take a field out. */
    uint8_t hop;
};

/* How the end of the body is found. */
enum http_framing {
    HTTP_FRAMING_NONE,        /* there is no body */
    HTTP_FRAMING_LENGTH,      /* content_length bytes, at least one */
    HTTP_FRAMING_CHUNKED,     /* codec/http1.h http1_chunks_read(), then a trailer section */
    HTTP_FRAMING_UNTIL_CLOSE, /* answers only: all until the server closes */
    HTTP_FRAMING_TUNNEL,      /* answers only: 101, or 2xx to CONNECT; what follows is not HTTP */
};

/* A parsed head. Every span and field was checked by the codec, so rooms need not check again:
 * names are tokens, values hold no controls but HTAB, authority is a valid host[:port]. */
struct http_head {
    const uint8_t     *base;   /* the first byte of the message; borrowed */
    struct http_field *fields; /* set by the caller before reading; borrowed */
    uint16_t           fields_count;
    uint16_t           fields_max; /* room in `fields`, set by the caller */
    uint32_t head_bytes;     /* all of the head with its last empty line; the body begins here */
    uint64_t content_length; /* if has_content_length; for HEAD and 304 what GET would have sent */
    uint64_t present[2];     /* bit i: a field with id i is there; see http_head_has() */

    uint8_t  method;        /* enum http_method; NONE in an answer */
    uint8_t  version_minor; /* 0 or 1: HTTP/1.0 or HTTP/1.1 */
    uint16_t status;        /* of an answer, 100 to 599; 0 in a request */
    uint8_t  framing;       /* enum http_framing */
    bool     has_content_length;
    bool     keep_alive; /* the sender goes on after this message: Connection and version say so */
    bool expects_continue; /* Expect: 100-continue and a body; Pando answers it, passes it not on */
    bool upgrades;    /* Connection: upgrade and an Upgrade field, on HTTP/1.1, without a body */
    bool te_trailers; /* TE: trailers, named by Connection; may be said to the next hop */
    bool asterisk;    /* OPTIONS for the server as a whole: the target to send is "*" */
    bool trailer_section; /* not a head: fields and nothing else */

    /* Requests only. */
    struct http_span method_text;
    struct http_span target; /* as received */
    struct http_span scheme; /* "http" or "https" in any case if the target has one; else empty */
    /* Of the target if it has one, else the value of Host; empty if HTTP/1.0 gave neither. */
    struct http_span authority;
    struct http_span host; /* authority without port; an IPv6 address keeps its brackets */
    /* Path and query, to route by and to send in origin-form. Begins with "/" (http://host alone
     * gives "/"), but is "*" for OPTIONS * and empty for CONNECT. */
    struct http_span path;
    uint16_t         port;          /* of authority; 0 if it names none */
    uint16_t         upgrade_index; /* of the Upgrade field if `upgrades` */
};

/* The row of @id; never NULL. */
const struct http_field_row *http_field_row(enum http_field_id id);

/* The id of a field name in any case; OTHER if it has no row. Any bytes are allowed. */
enum http_field_id http_field_find(const uint8_t *name, size_t count);

/* The method of an exact, case-sensitive name: a row, or OTHER. Any bytes are allowed. */
enum http_method http_method_find(const uint8_t *name, size_t count);

/* "GET" ...; "" for NONE and OTHER. */
const char *http_method_name(enum http_method method);
bool http_method_is_safe(enum http_method method);
bool http_method_is_idempotent(enum http_method method);

/* The reason phrase of a status; "" if the table has no row for it. */
const char *http_status_reason(unsigned status);

/* The first field with @id, or NULL. Not for OTHER. */
const struct http_field *http_head_find(const struct http_head *head, enum http_field_id id);

/* The next field with the same id after @field, which lies in head->fields; or NULL. */
const struct http_field *http_head_find_next(const struct http_head *head,
                                             const struct http_field *field);

/* The first field with that name in any case, known or not; or NULL. */
const struct http_field *http_head_find_name(const struct http_head *head, const char *name,
                                             size_t count);

/* True if the two texts are equal but for the case of letters A to Z. */
bool http_same_text(const uint8_t *a, const char *b, size_t count);

enum { HTTP_DATE_BYTES = 29 };

/* Writes an IMF-fixdate, "Sun, 06 Nov 1994 08:49:37 GMT", without a NUL. @unix_s: 0 to
 * 253402300799. */
void http_date_write(char out[HTTP_DATE_BYTES], int64_t unix_s);

/* Reads a date in one of the three forms of RFC 9110 5.6.7, strictly but in any case of letters (as
 * RFC 9111 4.2 asks of caches); the zone is GMT. @unix_s may become negative (before 1970). @now_s
 * tells which century the two digits of the form of RFC 850 mean: never one that is more than 50
 * years ahead. False: not a date, @unix_s is left alone. */
bool http_date_read(int64_t *unix_s, const uint8_t *text, size_t bytes, int64_t now_s) must_check;

static inline bool http_head_has(const struct http_head *head, enum http_field_id id)
{
    return (head->present[(unsigned)id >> 6] >> ((unsigned)id & 63)) & 1;
}

static inline const uint8_t *http_span_bytes(const struct http_head *head, struct http_span span)
{
    return head->base + span.at;
}

static inline const uint8_t *http_field_value(const struct http_head *head,
                                              const struct http_field *field)
{
    return head->base + field->value_at;
}

static inline const uint8_t *http_field_name(const struct http_head *head,
                                             const struct http_field *field)
{
    return head->base + field->name_at;
}

_Static_assert(sizeof(struct http_field) == 16, "a head's memory is counted in 16-byte fields");
_Static_assert(HTTP_FIELDS_COUNT <= 128, "http_head.present has 128 bits");

#endif
