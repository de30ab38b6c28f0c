/* SPDX-License-Identifier: Apache-2.0 */
/* core/http_tables.h - the tables of HTTP's words: methods, statuses, fields. Included by
 * core/http.h. */
#ifndef PANDO_CORE_HTTP_TABLES_H
#define PANDO_CORE_HTTP_TABLES_H

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
 *   copied:     PASS copied to the next hop; HOP never (hop-by-hop); ANEW never copied, because
 *               what it
 *               says stands in the head (authority, content_length, ...) and is written anew from
 *               there.
 *   connection: STRIP may be named by Connection and is then not passed on; PINNED may not be named
 *               there,
 *               because losing it would change framing, routing, access or caching: the message is
 *               refused.
 *   trailer:    TRAILER_OK, or TRAILER_DROP: dropped from a trailer section (RFC 9110 6.5.1).
 * Names hold letters, digits and "-" only. After a change here the table of slots in http.c must
 * be made anew; the unit test of that table fails until it is, and prints it. */
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
    X(ENDPOINT_LOAD_METRICS,     "Endpoint-Load-Metrics",     PASS, STRIP,  TRAILER_DROP)          \
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

#endif
