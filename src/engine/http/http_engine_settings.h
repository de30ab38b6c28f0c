/* SPDX-License-Identifier: Apache-2.0 */
/* engine/http/http_engine_settings.h - how HTTP servers are talked to, one row each.
 *
 * In the file: the section `upstream`, which is also the preset of `upstream` in a service.
 * Columns: config/config.h. Times are nanoseconds; 0 is `none`. */
#ifndef PANDO_ENGINE_HTTP_HTTP_ENGINE_SETTINGS_H
#define PANDO_ENGINE_HTTP_HTTP_ENGINE_SETTINGS_H

#include "config/config.h"

#define HTTP_ENGINE_SETTINGS(X)                                                                    \
    X(connect_timeout_ns, "connect-timeout", DURATION, CONFIG_MS(1), CONFIG_MINUTES(10),           \
      CONFIG_SECONDS(5), LIVE,                                                                     \
      "how long a target may take to accept a connection, and its host to acknowledge a request "  \
      "without a body")                                                                            \
    X(try_timeout_ns, "try-timeout", DURATION_OR_NONE, CONFIG_MS(1), CONFIG_HOURS(24),             \
      CONFIG_NONE, LIVE,                                                                           \
      "from the begin of one attempt, connecting included, or the end of the request's body, to "  \
      "the head of the answer; later the request goes to another target if it may (section "       \
      "retry), else it is answered with 504")                                                      \
    X(answer_timeout_ns, "answer-timeout", DURATION, CONFIG_MS(1), CONFIG_HOURS(24),               \
      CONFIG_SECONDS(60), LIVE,                                                                    \
      "from the last byte of a request sent to the head of its answer; later is answered with "    \
      "504")                                                                                       \
    X(answer_body_timeout_ns, "answer-body-timeout", DURATION, CONFIG_MS(1),                       \
      CONFIG_HOURS(24), CONFIG_SECONDS(60), LIVE,                                                  \
      "longest pause between two bytes of an answer's body while the client is ready to take "     \
      "them")                                                                                      \
    X(send_timeout_ns, "send-timeout", DURATION, CONFIG_MS(1), CONFIG_HOURS(24),                   \
      CONFIG_SECONDS(30), LIVE,                                                                    \
      "how long a target may take no byte of a request")                                           \
    X(idle_timeout_ns, "idle-timeout", DURATION, CONFIG_MS(1), CONFIG_HOURS(24),                   \
      CONFIG_SECONDS(60), LIVE,                                                                    \
      "how long an unused connection to a target is kept; keep it below the server's own limit")   \
    X(connections_kept, "connections-kept", COUNT, 0, 65536, 128, LIVE,                            \
      "most unused connections that each worker keeps to each target")                             \
    X(connections_per_target, "connections-per-target", COUNT_OR_NONE, 1, 1000000,                 \
      CONFIG_NONE, LIVE,                                                                           \
      "most connections of the whole node to one target that are in use; a request that would need one more "         \
      "goes to another target; each worker keeps its share of as many idle")                                                                    \
    X(receive_buffer_bytes, "receive-buffer", SIZE_OR_NONE, CONFIG_KIB(4), CONFIG_MIB(64),         \
      CONFIG_NONE, LIVE,                                                                           \
      "bytes that the kernel may take from a target before they are read (SO_RCVBUF), on new "     \
      "connections; none: it decides")                                                             \
    X(requests_per_connection, "requests-per-connection", COUNT_OR_NONE, 1, UINT32_MAX,            \
      CONFIG_NONE, LIVE,                                                                           \
      "requests sent on one connection to a target before it is closed")                           \
    X(answer_header_bytes, "answer-header-bytes", SIZE, CONFIG_KIB(1), CONFIG_MIB(1),              \
      CONFIG_KIB(64), LIVE,                                                                        \
      "most bytes in an answer's head; trailers have as many again; more is answered with 502")    \
    X(answer_header_count, "answer-header-count", COUNT, 8, 10000, 200, LIVE,                      \
      "most headers in an answer; trailers have as many again; more is answered with 502")         \
    X(answer_interim_count, "answer-interim-count", COUNT, 0, 1000, 32, LIVE,                      \
      "most interim (1xx) heads before an answer; more is answered with 502")

struct http_engine_settings {
    HTTP_ENGINE_SETTINGS(CONFIG_FIELD)
};

#endif
