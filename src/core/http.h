/* SPDX-License-Identifier: Apache-2.0 */
/* core/http.h - the words of HTTP: methods, statuses, field names, and the parsed head of a message.
 *
 * No parsing here: codec/http1 (and later http2) fills a struct http_head, all rooms read it.
 *
 * Memory:  a head holds offsets from `base` and nothing else, so it may be moved: copy the bytes, copy the
 *          fields, set `base` and `fields`. It owns neither the bytes nor the fields array; needs no free.
 * Threads: a head belongs to whoever holds it; the tables are const.
 * Errors:  none. */
#ifndef PANDO_CORE_HTTP_H
#define PANDO_CORE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Safe: asks for no change. Idempotent: sent twice, it does what sent once does (RFC 9110 9.2). */
#define HTTP_METHODS(X)                                                                            \
    /* name    safe  idempotent */                                                                 \
    X(GET,     1,    1)                                                                            \
    X(HEAD,    1,    1)                                                                            \
    X(POST,    0,    0)                                                                            \
    X(PUT,     0,    1)                                                                            \
    X(DELETE,  0,    1)                                                                            \
    X(CONNECT, 0,    0)                                                                            \
    X(OPTIONS, 1,    1)                                                                            \
    X(TRACE,   1,    1)                                                                            \
    X(PATCH,   0,    0)

enum http_method {
    HTTP_METHOD_NONE, /* not a request */
#define X(name, safe, idempotent) HTTP_METHOD_##name,
    HTTP_METHODS(X)
#undef X
    HTTP_METHOD_OTHER, /* any other token; its text is head.method_text; neither safe nor idempotent */
    HTTP_METHODS_COUNT
};

#define HTTP_STATUSES(X)                                                                           \
    X(100, "Continue")                                                                             \
    X(101, "Switching Protocols")                                                                  \
    X(102, "Processing")                                                                           \
    X(103, "Early Hints")                                                                          \
    X(200, "OK")                                                                                   \
    X(201, "Created")                                                                              \
    X(202, "Accepted")                                                                             \
    X(203, "Non-Authoritative Information")                                                        \
    X(204, "No Content")                                                                           \
    X(205, "Reset Content")                                                                        \
    X(206, "Partial Content")                                                                      \
    X(207, "Multi-Status")                                                                         \
    X(208, "Already Reported")                                                                     \
    X(226, "IM Used")                                                                              \
    X(300, "Multiple Choices")                                                                     \
    X(301, "Moved Permanently")                                                                    \
    X(302, "Found")                                                                                \
    X(303, "See Other")                                                                            \
    X(304, "Not Modified")                                                                         \
    X(305, "Use Proxy")                                                                            \
    X(307, "Temporary Redirect")                                                                   \
    X(308, "Permanent Redirect")                                                                   \
    X(400, "Bad Request")                                                                          \
    X(401, "Unauthorized")                                                                         \
    X(402, "Payment Required")                                                                     \
    X(403, "Forbidden")                                                                            \
    X(404, "Not Found")                                                                            \
    X(405, "Method Not Allowed")                                                                   \
    X(406, "Not Acceptable")                                                                       \
    X(407, "Proxy Authentication Required")                                                        \
    X(408, "Request Timeout")                                                                      \
    X(409, "Conflict")                                                                             \
    X(410, "Gone")                                                                                 \
    X(411, "Length Required")                                                                      \
    X(412, "Precondition Failed")                                                                  \
    X(413, "Content Too Large")                                                                    \
    X(414, "URI Too Long")                                                                         \
    X(415, "Unsupported Media Type")                                                               \
    X(416, "Range Not Satisfiable")                                                                \
    X(417, "Expectation Failed")                                                                   \
    X(418, "I'm a teapot")                                                                         \
    X(421, "Misdirected Request")                                                                  \
    X(422, "Unprocessable Content")                                                                \
    X(423, "Locked")                                                                               \
    X(424, "Failed Dependency")                                                                    \
    X(425, "Too Early")                                                                            \
    X(426, "Upgrade Required")                                                                     \
    X(428, "Precondition Required")                                                                \
    X(429, "Too Many Requests")                                                                    \
    X(431, "Request Header Fields Too Large")                                                      \
    X(451, "Unavailable For Legal Reasons")                                                        \
    X(499, "Client Closed Request")                                                                \
    X(500, "Internal Server Error")                                                                \
    X(501, "Not Implemented")                                                                      \
    X(502, "Bad Gateway")                                                                          \
    X(503, "Service Unavailable")                                                                  \
    X(504, "Gateway Timeout")                                                                      \
    X(505, "HTTP Version Not Supported")                                                           \
    X(506, "Variant Also Negotiates")                                                              \
    X(507, "Insufficient Storage")                                                                 \
    X(508, "Loop Detected")                                                                        \
    X(511, "Network Authentication Required")

/* The fields that some part of Pando looks at, or that a proxy must not pass on. At most 127 rows.
 *   copied:     PASS copied to the next hop; HOP never (hop-by-hop); ANEW never copied, because what it
 *               says stands in the head (authority, content_length, ...) and is written anew from there.
 *   connection: STRIP may be named by Connection and is then not passed on; PINNED may not be named there,
 *               because losing it would change framing, routing, access or caching: the message is refused.
 *   trailer:    TRAILER_OK, or TRAILER_DROP: dropped from a trailer section (RFC 9110 6.5.1).
 * Names hold letters, digits and "-" only. After a change here the table of slots in http.c must be made anew; the
 * unit test of that table fails until it is, and prints it. */
#define HTTP_FIELDS(X)                                                                             \
    /* id                        name                        copied connection trailer */          \
    X(HOST,                      "Host",                      ANEW, PINNED, TRAILER_DROP)          \
    X(CONNECTION,                "Connection",                HOP,  STRIP,  TRAILER_DROP)          \
    X(CONTENT_LENGTH,            "Content-Length",            ANEW, PINNED, TRAILER_DROP)          \
    X(TRANSFER_ENCODING,         "Transfer-Encoding",         HOP,  PINNED, TRAILER_DROP)          \
    X(EXPECT,                    "Expect",                    ANEW, PINNED, TRAILER_DROP)          \
    X(UPGRADE,                   "Upgrade",                   HOP,  STRIP,  TRAILER_DROP)          \
    X(TE,                        "TE",                        HOP,  STRIP,  TRAILER_DROP)          \
    X(TRAILER,                   "Trailer",                   PASS, STRIP,  TRAILER_DROP)          \
    X(KEEP_ALIVE,                "Keep-Alive",                HOP,  STRIP,  TRAILER_DROP)          \
    X(PROXY_CONNECTION,          "Proxy-Connection",          HOP,  STRIP,  TRAILER_DROP)          \
    X(PROXY_AUTHENTICATE,        "Proxy-Authenticate",        HOP,  STRIP,  TRAILER_DROP)          \
    X(PROXY_AUTHORIZATION,       "Proxy-Authorization",       HOP,  STRIP,  TRAILER_DROP)          \
    X(PROXY_AUTHENTICATION_INFO, "Proxy-Authentication-Info", HOP,  STRIP,  TRAILER_DROP)          \
    X(HTTP2_SETTINGS,            "HTTP2-Settings",            HOP,  STRIP,  TRAILER_DROP)          \
    X(VIA,                       "Via",                       PASS, PINNED, TRAILER_DROP)          \
    X(FORWARDED,                 "Forwarded",                 PASS, PINNED, TRAILER_DROP)          \
    X(X_FORWARDED_FOR,           "X-Forwarded-For",           PASS, PINNED, TRAILER_DROP)          \
    X(X_FORWARDED_PROTO,         "X-Forwarded-Proto",         PASS, PINNED, TRAILER_DROP)          \
    X(X_FORWARDED_HOST,          "X-Forwarded-Host",          PASS, PINNED, TRAILER_DROP)          \
    X(X_FORWARDED_PORT,          "X-Forwarded-Port",          PASS, PINNED, TRAILER_DROP)          \
    X(X_REAL_IP,                 "X-Real-IP",                 PASS, PINNED, TRAILER_DROP)          \
    X(X_REQUEST_ID,              "X-Request-ID",              PASS, STRIP,  TRAILER_DROP)          \
    X(TRACEPARENT,               "traceparent",               PASS, STRIP,  TRAILER_DROP)          \
    X(TRACESTATE,                "tracestate",                PASS, STRIP,  TRAILER_DROP)          \
    X(BAGGAGE,                   "baggage",                   PASS, STRIP,  TRAILER_DROP)          \
    X(DATE,                      "Date",                      PASS, PINNED, TRAILER_DROP)          \
    X(SERVER,                    "Server",                    PASS, STRIP,  TRAILER_DROP)          \
    X(PROXY_STATUS,              "Proxy-Status",              PASS, STRIP,  TRAILER_OK)            \
    X(SERVER_TIMING,             "Server-Timing",             PASS, STRIP,  TRAILER_OK)            \
    X(RETRY_AFTER,               "Retry-After",               PASS, STRIP,  TRAILER_DROP)          \
    X(LOCATION,                  "Location",                  PASS, PINNED, TRAILER_DROP)          \
    X(ALLOW,                     "Allow",                     PASS, STRIP,  TRAILER_DROP)          \
    X(ALT_SVC,                   "Alt-Svc",                   PASS, STRIP,  TRAILER_DROP)          \
    X(LINK,                      "Link",                      PASS, STRIP,  TRAILER_DROP)          \
    X(MAX_FORWARDS,              "Max-Forwards",              PASS, PINNED, TRAILER_DROP)          \
    X(CONTENT_TYPE,              "Content-Type",              PASS, PINNED, TRAILER_DROP)          \
    X(CONTENT_ENCODING,          "Content-Encoding",          PASS, PINNED, TRAILER_DROP)          \
    X(CONTENT_LANGUAGE,          "Content-Language",          PASS, STRIP,  TRAILER_DROP)          \
    X(CONTENT_LOCATION,          "Content-Location",          PASS, STRIP,  TRAILER_DROP)          \
    X(CONTENT_RANGE,             "Content-Range",             PASS, PINNED, TRAILER_DROP)          \
    X(CONTENT_DISPOSITION,       "Content-Disposition",       PASS, STRIP,  TRAILER_DROP)          \
    X(CONTENT_SECURITY_POLICY,   "Content-Security-Policy",   PASS, PINNED, TRAILER_DROP)          \
    X(STRICT_TRANSPORT_SECURITY, "Strict-Transport-Security", PASS, PINNED, TRAILER_DROP)          \
    X(CACHE_CONTROL,             "Cache-Control",             PASS, PINNED, TRAILER_DROP)          \
    X(CDN_CACHE_CONTROL,         "CDN-Cache-Control",         PASS, PINNED, TRAILER_DROP)          \
    X(SURROGATE_CONTROL,         "Surrogate-Control",         PASS, PINNED, TRAILER_DROP)          \
    X(SURROGATE_KEY,             "Surrogate-Key",             PASS, PINNED, TRAILER_DROP)          \
    X(CACHE_TAG,                 "Cache-Tag",                 PASS, PINNED, TRAILER_DROP)          \
    X(CACHE_STATUS,              "Cache-Status",              PASS, STRIP,  TRAILER_DROP)          \
    X(PRAGMA,                    "Pragma",                    PASS, PINNED, TRAILER_DROP)          \
    X(VARY,                      "Vary",                      PASS, PINNED, TRAILER_DROP)          \
    X(AGE,                       "Age",                       PASS, PINNED, TRAILER_DROP)          \
    X(EXPIRES,                   "Expires",                   PASS, PINNED, TRAILER_DROP)          \
    X(ETAG,                      "ETag",                      PASS, PINNED, TRAILER_OK)            \
    X(LAST_MODIFIED,             "Last-Modified",             PASS, PINNED, TRAILER_DROP)          \
    X(IF_MATCH,                  "If-Match",                  PASS, PINNED, TRAILER_DROP)          \
    X(IF_NONE_MATCH,             "If-None-Match",             PASS, PINNED, TRAILER_DROP)          \
    X(IF_MODIFIED_SINCE,         "If-Modified-Since",         PASS, PINNED, TRAILER_DROP)          \
    X(IF_UNMODIFIED_SINCE,       "If-Unmodified-Since",       PASS, PINNED, TRAILER_DROP)          \
    X(IF_RANGE,                  "If-Range",                  PASS, PINNED, TRAILER_DROP)          \
    X(RANGE,                     "Range",                     PASS, PINNED, TRAILER_DROP)          \
    X(ACCEPT_RANGES,             "Accept-Ranges",             PASS, STRIP,  TRAILER_DROP)          \
    X(ACCEPT,                    "Accept",                    PASS, STRIP,  TRAILER_DROP)          \
    X(ACCEPT_ENCODING,           "Accept-Encoding",           PASS, STRIP,  TRAILER_DROP)          \
    X(ACCEPT_LANGUAGE,           "Accept-Language",           PASS, STRIP,  TRAILER_DROP)          \
    X(AUTHORIZATION,             "Authorization",             PASS, PINNED, TRAILER_DROP)          \
    X(WWW_AUTHENTICATE,          "WWW-Authenticate",          PASS, PINNED, TRAILER_DROP)          \
    X(COOKIE,                    "Cookie",                    PASS, PINNED, TRAILER_DROP)          \
    X(SET_COOKIE,                "Set-Cookie",                PASS, PINNED, TRAILER_DROP)          \
    X(ORIGIN,                    "Origin",                    PASS, PINNED, TRAILER_DROP)          \
    X(REFERER,                   "Referer",                   PASS, STRIP,  TRAILER_DROP)          \
    X(USER_AGENT,                "User-Agent",                PASS, STRIP,  TRAILER_DROP)          \
    X(IDEMPOTENCY_KEY,           "Idempotency-Key",           PASS, PINNED, TRAILER_DROP)          \
    X(PREFER,                    "Prefer",                    PASS, STRIP,  TRAILER_DROP)          \
    X(SEC_WEBSOCKET_KEY,         "Sec-WebSocket-Key",         PASS, PINNED, TRAILER_DROP)          \
    X(SEC_WEBSOCKET_ACCEPT,      "Sec-WebSocket-Accept",      PASS, PINNED, TRAILER_DROP)          \
    X(SEC_WEBSOCKET_VERSION,     "Sec-WebSocket-Version",     PASS, PINNED, TRAILER_DROP)          \
    X(SEC_WEBSOCKET_PROTOCOL,    "Sec-WebSocket-Protocol",    PASS, PINNED, TRAILER_DROP)          \
    X(SEC_WEBSOCKET_EXTENSIONS,  "Sec-WebSocket-Extensions",  PASS, PINNED, TRAILER_DROP)          \
    X(SEC_FETCH_SITE,            "Sec-Fetch-Site",            PASS, STRIP,  TRAILER_DROP)          \
    X(SEC_FETCH_MODE,            "Sec-Fetch-Mode",            PASS, STRIP,  TRAILER_DROP)          \
    X(SEC_FETCH_DEST,            "Sec-Fetch-Dest",            PASS, STRIP,  TRAILER_DROP)          \
    X(SEC_FETCH_USER,            "Sec-Fetch-User",            PASS, STRIP,  TRAILER_DROP)          \
    X(UPGRADE_INSECURE_REQUESTS, "Upgrade-Insecure-Requests", PASS, STRIP,  TRAILER_DROP)          \
    X(PANDO_SESSION,             "Pando-Session",             PASS, PINNED, TRAILER_DROP)

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
    char    name[28]; /* as Pando writes it; "" for OTHER. In the row itself, so that a look-up is one load */
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
    uint8_t  id;  /* enum http_field_id */
    uint8_t  hop; /* 1: must not be copied to the next hop: its row is HOP or ANEW, or Connection named it,
                   * or it is a trailer that is dropped. A room may set it to take a field out. */
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
    uint32_t           head_bytes; /* all of the head with its last empty line; the body begins here */
    uint64_t           content_length; /* if has_content_length; for HEAD and 304 what GET would have sent */
    uint64_t           present[2];     /* bit i: a field with id i is there; see http_head_has() */

    uint8_t  method;        /* enum http_method; NONE in an answer */
    uint8_t  version_minor; /* 0 or 1: HTTP/1.0 or HTTP/1.1 */
    uint16_t status;        /* of an answer, 100 to 599; 0 in a request */
    uint8_t  framing;       /* enum http_framing */
    bool     has_content_length;
    bool     keep_alive;       /* the sender will go on after this message (Connection and version say so) */
    bool     expects_continue; /* Expect: 100-continue on HTTP/1.1; answered by Pando, never passed on */
    bool     upgrades;         /* Connection: upgrade and an Upgrade field, on HTTP/1.1, without a body */
    bool     te_trailers;      /* TE: trailers, named by Connection as it must be; may be said to the next hop */
    bool     asterisk;         /* OPTIONS for the server as a whole: the target to send is "*" */
    uint8_t  trailer_section;  /* 1: this head is a trailer section, it has fields and nothing else */

    /* Requests only. */
    struct http_span method_text;
    struct http_span target;    /* as received */
    struct http_span scheme;    /* of an absolute-form target: "http" or "https" in any case; else empty */
    struct http_span authority; /* of the target if it has one, else the value of Host; empty if HTTP/1.0 gave none */
    struct http_span host;      /* authority without port; an IPv6 address keeps its brackets */
    struct http_span path;      /* path and query to route by and to send in origin-form. Begins with "/"
                                 * (http://host alone gives "/"), but is "*" for OPTIONS * and empty for CONNECT. */
    uint16_t port;              /* of authority; 0 if it names none */
    uint16_t upgrade_index;     /* of the Upgrade field if `upgrades` */
};

/* The row of @id; never NULL. */
const struct http_field_row *http_field_row(enum http_field_id id);

/* The id of a field name in any case; OTHER if it has no row. Any bytes are allowed. */
enum http_field_id http_field_find(const uint8_t *name, size_t count);

/* The method of an exact, case-sensitive name: a row, or OTHER. Any bytes are allowed. */
enum http_method http_method_find(const uint8_t *name, size_t count);

/* "GET" ...; "" for NONE and OTHER. */
const char *http_method_name(enum http_method method);
bool        http_method_is_safe(enum http_method method);
bool        http_method_is_idempotent(enum http_method method);

/* The reason phrase of a status; "" if the table has no row for it. */
const char *http_status_reason(unsigned status);

/* The first field with @id, or NULL. Not for OTHER. */
const struct http_field *http_head_find(const struct http_head *head, enum http_field_id id);

/* The next field with the same id after @field, which lies in head->fields; or NULL. */
const struct http_field *http_head_find_next(const struct http_head *head, const struct http_field *field);

/* The first field with that name in any case, known or not; or NULL. */
const struct http_field *http_head_find_name(const struct http_head *head, const char *name, size_t count);

/* True if the two texts are equal but for the case of letters A to Z. */
bool http_same_text(const uint8_t *a, const char *b, size_t count);

enum { HTTP_DATE_BYTES = 29 };

/* Writes an IMF-fixdate, "Sun, 06 Nov 1994 08:49:37 GMT", without a NUL. @unix_s: 0 to 253402300799. */
void http_date_write(char out[HTTP_DATE_BYTES], int64_t unix_s);

static inline bool http_head_has(const struct http_head *head, enum http_field_id id)
{
    return (head->present[(unsigned)id >> 6] >> ((unsigned)id & 63)) & 1;
}

static inline const uint8_t *http_span_bytes(const struct http_head *head, struct http_span span)
{
    return head->base + span.at;
}

static inline const uint8_t *http_field_value(const struct http_head *head, const struct http_field *field)
{
    return head->base + field->value_at;
}

static inline const uint8_t *http_field_name(const struct http_head *head, const struct http_field *field)
{
    return head->base + field->name_at;
}

_Static_assert(sizeof(struct http_field) == 16, "a head's memory is counted in 16-byte fields");
_Static_assert(HTTP_FIELDS_COUNT <= 128, "http_head.present has 128 bits");

#endif
