/* SPDX-License-Identifier: Apache-2.0 */
/* front/http/http_settings.h - the limits and habits of the HTTP front, one row each.
 *
 * In the file they are the section `http`. The second list may also stand in a service, where the
 * global section is its preset. Columns: config/config.h. Times are nanoseconds; 0 is `none`. */
#ifndef PANDO_FRONT_HTTP_HTTP_SETTINGS_H
#define PANDO_FRONT_HTTP_HTTP_SETTINGS_H

#include "config/config.h"

/* What holds before it is known which service is asked. */
#define HTTP_SETTINGS(X)                                                                           \
    X(header_bytes, "header-bytes", SIZE, CONFIG_KIB(1), CONFIG_MIB(1), CONFIG_KIB(32), LIVE,      \
      "most bytes in a request's head, first line and headers; trailers have as many again; "      \
      "more is answered with 431")                                                                 \
    X(header_count, "header-count", COUNT, 8, 10000, 100, LIVE,                                    \
      "most headers in a request; trailers have as many again; more is answered with 431")         \
    X(target_bytes, "target-bytes", SIZE, 256, CONFIG_KIB(256), CONFIG_KIB(8), LIVE,               \
      "most bytes in the address on a request's first line; more is answered with 414")            \
    X(requests_per_connection, "requests-per-connection", COUNT_OR_NONE, 1, UINT32_MAX,            \
      CONFIG_NONE, LIVE,                                                                           \
      "requests answered on one client connection before it is closed")                            \
    X(pipeline_depth, "pipeline-depth", COUNT, 1, 1024, 16, LIVE,                                  \
      "most requests of one connection in progress at once; reading pauses at that number")        \
    X(header_timeout_ns, "header-timeout", DURATION, CONFIG_MS(100), CONFIG_HOURS(1),              \
      CONFIG_SECONDS(10), LIVE,                                                                    \
      "from a request's first byte (or the connection's opening) to the end of its head; later "   \
      "is answered with 408")                                                                      \
    X(idle_timeout_ns, "idle-timeout", DURATION, CONFIG_MS(100), CONFIG_HOURS(24),                 \
      CONFIG_SECONDS(60), LIVE,                                                                    \
      "how long a client connection may wait for its next request")                                \
    X(linger_timeout_ns, "linger-timeout", DURATION, CONFIG_MS(1), CONFIG_MINUTES(1),              \
      CONFIG_SECONDS(2), LIVE,                                                                     \
      "how long a refused client's bytes are still read and dropped, so that it gets to see "      \
      "the answer")

/* What may differ from service to service. */
#define HTTP_SERVICE_SETTINGS(X)                                                                   \
    X(body_bytes, "body-bytes", SIZE_OR_NONE, 1, CONFIG_TIB(1024), CONFIG_NONE, LIVE,              \
      "largest request body; more is answered with 413")                                           \
    X(body_timeout_ns, "body-timeout", DURATION, CONFIG_MS(100), CONFIG_HOURS(24),                 \
      CONFIG_SECONDS(30), LIVE,                                                                    \
      "longest pause between two bytes of a request body; later is answered with 408")             \
    X(body_rate_min_bytes, "body-rate-min", SIZE_OR_NONE, 1, CONFIG_GIB(1), CONFIG_NONE,           \
      LIVE,                                                                                        \
      "fewest bytes a second of a request body, averaged while the server is ready to take "       \
      "them; slower is answered with 408")                                                         \
    X(send_timeout_ns, "send-timeout", DURATION, CONFIG_MS(100), CONFIG_HOURS(24),                 \
      CONFIG_SECONDS(30), LIVE,                                                                    \
      "how long a client may take no byte of an answer before its connection is closed")           \
    X(request_timeout_ns, "request-timeout", DURATION_OR_NONE, CONFIG_MS(1),                       \
      CONFIG_HOURS(24), CONFIG_NONE, LIVE,                                                         \
      "from a request's first byte to the last byte of its answer; later it is cancelled and "     \
      "answered with 504")                                                                         \
    X(deadline_header, "deadline-header", TEXT, 0, 64, "X-Request-Timeout-Ms", LIVE,               \
      "header in which a server is told how many milliseconds its client still waits, if there "   \
      "is a limit; clients in a listener's `trust` set one by it, or by grpc-timeout; \"\": none")  \
    X(tunnel_idle_timeout_ns, "tunnel-idle-timeout", DURATION, CONFIG_SECONDS(1),                  \
      CONFIG_HOURS(168), CONFIG_HOURS(1), LIVE,                                                    \
      "how long a WebSocket or other upgraded connection may be silent in both directions")        \
    X(buffer_bytes, "buffer-bytes", SIZE, CONFIG_KIB(16), CONFIG_KIB(512), CONFIG_KIB(128),         \
      LIVE,                                                                                        \
      "bytes of one exchange held in each direction between a fast and a slow side; reading "      \
      "pauses at that number")                                                                     \
    X(forwarded, "forwarded", BOOLEAN, 0, 1, true, LIVE,                                           \
      "tell the server about the client in Forwarded and X-Forwarded-For, -Host and -Proto")       \
    X(via, "via", TEXT, 1, 64, "pando", LIVE,                                                      \
      "this proxy's name in Via; a token as RFC 9110 defines it")

struct http_settings {
    HTTP_SETTINGS(CONFIG_FIELD)
};

struct http_service_settings {
    HTTP_SERVICE_SETTINGS(CONFIG_FIELD)
};

#endif
