/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/retry/retry_settings.h - what is sent a second time, and how much of it, one row each.
 *
 * In the file: the section `retry`, which is also the preset of `retry` in a service. How many
 * targets one request is offered to is breaker.tries.
 * Columns: config/config.h. Times are nanoseconds; 0 is `none`. */
#ifndef PANDO_BREAKER_RETRY_RETRY_SETTINGS_H
#define PANDO_BREAKER_RETRY_RETRY_SETTINGS_H

#include "config/config.h"

#define RETRY_HEDGES(X)                                                                            \
    X(RETRY_HEDGE_OFF, "off", "never")                                                             \
    X(RETRY_HEDGE_P95, "p95", "when it takes longer than 95 % of the answers of late")             \
    X(RETRY_HEDGE_AFTER, "after", "when it takes longer than `hedge-after`")

enum retry_hedge {
#define X(enumerator, name, gist) enumerator,
    RETRY_HEDGES(X)
#undef X
};

#define RETRY_SETTINGS(X)                                                                          \
    X(statuses, "statuses", TEXT, 0, 255, "500, 502-504", LIVE,                                    \
      "answers after which a request goes to another target: numbers and ranges with commas, "     \
      "\"\" for none; 429, and 503 with Retry-After, come from a server that defends itself and "  \
      "are never repeated")                                                                        \
    X(any_method, "any-method", BOOLEAN, 0, 1, false, LIVE,                                        \
      "also repeat what may have been carried out if its method is not idempotent (POST, PATCH)")  \
    X(replay_bytes, "replay-bytes", SIZE_OR_NONE, 1, CONFIG_MIB(64), CONFIG_KIB(64), LIVE,         \
      "bytes of a request's body that are kept so that it can be sent again; with a longer body "  \
      "a request is repeated only before a byte of it was used")                                   \
    X(budget_percent, "budget", COUNT, 0, 100, 20, LIVE,                                           \
      "most repeated attempts at a time, in percent of the service's requests in flight; those "   \
      "of which no byte had been sent are not counted")                                            \
    X(budget_min, "budget-min", COUNT, 0, 100000, 3, LIVE,                                         \
      "repeated attempts at a time that are allowed however few requests are in flight")           \
    X(budget_wait_ns, "budget-wait", DURATION_OR_NONE, CONFIG_MS(1), CONFIG_SECONDS(60),           \
      CONFIG_MS(100), LIVE,                                                                        \
      "how long an attempt waits for its place in the budget before the client gets the error")    \
    X(pause_ns, "pause", DURATION_OR_NONE, CONFIG_MS(1), CONFIG_SECONDS(60), CONFIG_MS(25), LIVE,  \
      "the second repetition waits a random time up to this, the third up to twice as long, and "  \
      "so on; the first does not wait")                                                            \
    X(hedge, "hedge", CHOICE, retry_hedges, 0, RETRY_HEDGE_OFF, LIVE,                              \
      "when an idempotent request without a body goes to a second target beside the first; the "   \
      "first good answer counts, the other attempt is cancelled")                                  \
    X(hedge_after_ns, "hedge-after", DURATION, CONFIG_MS(1), CONFIG_SECONDS(60), CONFIG_MS(50),    \
      LIVE, "the time without an answer after which `hedge: after` begins its second attempt")

struct retry_settings {
    RETRY_SETTINGS(CONFIG_FIELD)
};

#endif
