/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/circuit/circuit_settings.h - when a circuit breaker opens, and what is answered then.
 *
 * In the file: the sections `service`, `target` and `fallback` in `breaker`. Columns:
 * config/table.h. Times are nanoseconds. */
#ifndef PANDO_BREAKER_CIRCUIT_CIRCUIT_SETTINGS_H
#define PANDO_BREAKER_CIRCUIT_CIRCUIT_SETTINGS_H

#include "config/config.h"

/* Of a service, and of each of its targets. */
#define CIRCUIT_SETTINGS(X)                                                                        \
    X(enabled, "enabled", BOOLEAN, 0, 1, false, LIVE, "whether there is such a circuit breaker")   \
    X(failed_percent, "failure-rate", COUNT_OR_NONE, 1, 100, 50, LIVE,                             \
      "percent of the answers in the window that failed, from which on it opens")                  \
    X(statuses, "failure-statuses", TEXT, 1, 255, "500, 502-504", LIVE,                            \
      "statuses that are failures, beside time-outs, resets and malformed answers; 429, and 503 "  \
      "with Retry-After, never are")                                                               \
    X(slow_percent, "slow-rate", COUNT_OR_NONE, 1, 100, 50, LIVE,                                  \
      "percent of the answers in the window that were slow, from which on it opens")               \
    X(slow_ns, "slow-after", DURATION_OR_NONE, CONFIG_MS(1), CONFIG_HOURS(1), CONFIG_NONE, LIVE,   \
      "an answer whose head comes later than this is slow; none is if it is not said, and none "   \
      "to a request with a body, which its client may send slowly")                                \
    X(window_ns, "window", DURATION, CONFIG_SECONDS(1), CONFIG_HOURS(1), CONFIG_SECONDS(10), LIVE, \
      "the time that the rates are taken over; it slides in ten steps")                            \
    X(volume, "volume", COUNT, 1, 1000000, 20, LIVE,                                               \
      "fewer answers in the window than this do not open it")                                      \
    X(open_first_ns, "open-first", DURATION, CONFIG_MS(100), CONFIG_HOURS(1), CONFIG_SECONDS(5),   \
      LIVE,                                                                                        \
      "how long it is open at first, give or take a fifth; doubles each time that its trials "     \
      "fail")                                                                                      \
    X(open_most_ns, "open-most", DURATION, CONFIG_MS(100), CONFIG_HOURS(24), CONFIG_SECONDS(60),   \
      LIVE, "the longest that it is open")                                                         \
    X(trials, "trials", COUNT, 1, 1000, 10, LIVE,                                                  \
      "requests that are then let through in all; how they go decides")

/* What is answered while the service's circuit breaker is open. */
#define FALLBACK_SETTINGS(X)                                                                       \
    X(status, "status", COUNT_OR_NONE, 200, 599, CONFIG_NONE, LIVE,                                \
      "answer with this status; not said: 503 with Retry-After and the reason")                    \
    X(body, "body", TEXT, 0, 65536, "", LIVE, "and with this text")                                \
    X(file, "file", TEXT, 0, 4095, "", LIVE,                                                       \
      "or with what is in this file, at most 1 MiB, as it is when the configuration is loaded")    \
    X(content_type, "content-type", TEXT, 1, 255, "text/plain; charset=utf-8", LIVE,               \
      "what kind of content that is")                                                              \
    X(service, "service", TEXT, 0, 64, "", LIVE,                                                   \
      "or let the service of this name answer")

struct circuit_settings {
    CIRCUIT_SETTINGS(CONFIG_FIELD)
};

struct fallback_settings {
    FALLBACK_SETTINGS(CONFIG_FIELD)
    const void *file_at; /* what was in `file`; NULL: none is said */
    size_t      file_bytes;
};

#endif
