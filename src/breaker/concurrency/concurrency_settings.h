/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/concurrency/concurrency_settings.h - how many requests of a service are in progress at
 * once, and what the others do meanwhile; one row each.
 *
 * In the file: `concurrency` in a service. Columns: config/config.h; 0 is `none`. */
#ifndef PANDO_BREAKER_CONCURRENCY_CONCURRENCY_SETTINGS_H
#define PANDO_BREAKER_CONCURRENCY_CONCURRENCY_SETTINGS_H

#include "breaker/concurrency/limit/limit.h"
#include "config/config.h"
#include "path/service.h"

#define CONCURRENCY_SETTINGS(X)                                                                    \
    X(limit, "limit", CHOICE, concurrency_limits, 0, LIMIT_NONE, LIVE,                             \
      "how it is found out how many requests may be in progress at once; more of them wait")       \
    X(start, "start", COUNT_OR_NONE, 1, 1000000, CONFIG_NONE, LIVE,                                \
      "the limit before anything was measured; none: 100 for fixed, 10 for aimd, 20 for gradient") \
    X(least, "least", COUNT_OR_NONE, 1, 1000000, CONFIG_NONE, LIVE,                                \
      "the limit never falls under it; none: 1 for aimd, 20 for gradient")                         \
    X(most, "most", COUNT_OR_NONE, 1, 1000000, CONFIG_NONE, LIVE,                                  \
      "nor rises over it; none: 1000 for aimd, 200 for gradient")                                  \
    X(slow_after_ns, "slow-after", DURATION, CONFIG_MS(1), CONFIG_HOURS(1), CONFIG_SECONDS(5),     \
      LIVE,                                                                                        \
      "an answer that takes longer than this says that the service is overloaded; for aimd")       \
    X(per_target, "per-target", COUNT_OR_NONE, 1, 1000000, CONFIG_NONE, LIVE,                      \
      "most requests that one target has at once; when all have as many, more of them wait")       \
    X(waiting, "waiting", COUNT, 0, 1000000, 1000, LIVE,                                           \
      "most requests that wait; for one more, one of the lowest priority is answered with 503")    \
    X(most_wait_ns, "most-wait", DURATION, CONFIG_MS(1), CONFIG_HOURS(1), CONFIG_SECONDS(5), LIVE, \
      "the longest that a request waits; one that would wait longer, or longer than its deadline " \
      "allows, is answered at once with 503 and Retry-After")                                      \
    X(client, "client", TEXT, 1, 255, "address", LIVE,                                             \
      "what tells clients apart, which take turns: address (IPv6: its /64), header:NAME or "       \
      "cookie:NAME")                                                                               \
    X(priority_header, "priority-header", TEXT, 0, 255, "", LIVE,                                  \
      "header that says a request's priority: critical, high, normal or low, or u=0 to u=7 as in " \
      "RFC 9218; whoever can set it can jump the line; not said: none")                            \
    X(priority, "priority", CHOICE, concurrency_priorities, 0, PRIORITY_NORMAL, LIVE,              \
      "priority of requests that say none")

struct concurrency_settings {
    CONCURRENCY_SETTINGS(CONFIG_FIELD)
};

/* Whether a service that says @settings has the room on its path. */
static inline bool concurrency_is_on(const struct concurrency_settings *settings)
{
    return settings->limit != LIMIT_NONE || settings->per_target != 0;
}

/* The bounds of its limit: what they say, and the machine's own for what they do not say. */
static inline struct limit_bounds concurrency_bounds(const struct concurrency_settings *settings)
{
    struct limit_bounds bounds = {.start = 1, .least = 1, .most = 1};
    if (settings->limit != LIMIT_NONE)
        bounds = limit_get((enum limit_choice)settings->limit)->preset;
    if (settings->start != 0)
        bounds.start = settings->start;
    if (settings->least != 0)
        bounds.least = settings->least;
    if (settings->most != 0)
        bounds.most = settings->most;
    return bounds;
}

#endif
