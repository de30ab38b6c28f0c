/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/breaker_settings.h - what happens to a target that cannot be connected to, one row each.
 *
 * In the file: the section `breaker`, which is also the preset of `breaker` in a service.
 * Columns: config/config.h. Times are nanoseconds. */
#ifndef PANDO_BREAKER_BREAKER_SETTINGS_H
#define PANDO_BREAKER_BREAKER_SETTINGS_H

#include "breaker/circuit/circuit_settings.h"
#include "config/config.h"

#define BREAKER_SETTINGS(X)                                                                        \
    X(pause_first_ns, "pause-first", DURATION, CONFIG_MS(1), CONFIG_HOURS(1), CONFIG_MS(100),      \
      LIVE,                                                                                        \
      "how long a target is passed over after it could not be connected to; doubles with each "    \
      "failure")                                                                                   \
    X(pause_most_ns, "pause-most", DURATION, CONFIG_MS(1), CONFIG_HOURS(1),                        \
      CONFIG_SECONDS(30), LIVE,                                                                    \
      "the longest such pause")                                                                    \
    X(tries, "tries", COUNT, 1, 100, 3, LIVE,                                                      \
      "most targets that one request is offered to; the section retry says when")                  \
    X(retry_dead_connection, "retry-dead-connection", BOOLEAN, 0, 1, true, LIVE,                   \
      "repeat a request once whose kept connection to a target turned out to be dead, if nothing " \
      "was sent or its method is idempotent")

struct breaker_settings {
    BREAKER_SETTINGS(CONFIG_FIELD)
    struct circuit_settings  service;
    struct circuit_settings  target;
    struct fallback_settings fallback;
};

#endif
