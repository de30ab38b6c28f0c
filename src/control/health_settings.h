/* SPDX-License-Identifier: Apache-2.0 */
/* control/health_settings.h - how control itself asks whether targets are well, one row each.
 *
 * In the file: the section `health`, which is also the preset of `health` in a service.
 * Columns: config/table.h. Times are nanoseconds. */
#ifndef PANDO_CONTROL_HEALTH_SETTINGS_H
#define PANDO_CONTROL_HEALTH_SETTINGS_H

#include "config/config.h"

/* How a target is asked. */
#define HEALTH_CHECKS(X)                                                                           \
    X(HEALTH_CHECK_NONE, "none", "targets are not asked; only requests tell")                      \
    X(HEALTH_CHECK_TCP, "tcp", "it accepts a connection")                                          \
    X(HEALTH_CHECK_HTTP, "http", "it answers GET with the expected status and body")

enum health_check {
#define X(enumerator, name, gist) enumerator,
    HEALTH_CHECKS(X)
#undef X
};

extern const struct config_choice health_checks[];

#define HEALTH_SETTINGS(X)                                                                         \
    X(check, "check", CHOICE, health_checks, 0, HEALTH_CHECK_NONE, LIVE,                           \
      "how each target is asked whether it is well, besides the requests that it gets")            \
    X(path, "path", TEXT, 1, 1024, "/", LIVE, "what an http check asks for")                       \
    X(host, "host", TEXT, 0, 255, "", LIVE,                                                        \
      "the Host that an http check sends; not said: the target's address")                         \
    X(status, "status", TEXT, 1, 255, "200-399", LIVE,                                             \
      "statuses that pass an http check: numbers and ranges with commas, such as \"200, 204, "     \
      "300-399\"")                                                                                 \
    X(body, "body", TEXT, 0, 255, "", LIVE,                                                        \
      "a text that must stand in the first 64 KiB of the answer's body")                           \
    X(interval_ns, "interval", DURATION, CONFIG_MS(10), CONFIG_HOURS(24), CONFIG_SECONDS(5), LIVE, \
      "from one check of a target to its next")                                                    \
    X(timeout_ns, "timeout", DURATION, CONFIG_MS(1), CONFIG_HOURS(1), CONFIG_SECONDS(2), LIVE,     \
      "how long a check may take, connecting included; then it has failed")                        \
    X(rise, "rise", COUNT, 1, 1000, 2, LIVE, "checks passed in a row that bring a target back")    \
    X(fall, "fall", COUNT, 1, 1000, 3, LIVE,                                                       \
      "checks failed in a row that take a target out; the first check of a new target decides "    \
      "alone")                                                                                     \
    X(jitter, "jitter", COUNT, 0, 100, 20, LIVE,                                                   \
      "percent by which an interval is shortened or lengthened at random, so that nodes do not "   \
      "ask in step")                                                                               \
    X(slow_start_ns, "slow-start", DURATION_OR_NONE, CONFIG_MS(100), CONFIG_HOURS(1), CONFIG_NONE, \
      LIVE,                                                                                        \
      "how long the weight of a target grows after it came, or came back; not if all are new")     \
    X(slow_start_least, "slow-start-least", COUNT, 1, 100, 10, LIVE,                               \
      "percent of its weight with which it begins")                                                \
    X(slow_start_aggression, "slow-start-aggression", COUNT, 10, 1000, 100, LIVE,                  \
      "hundredths of the exponent's inverse by which it grows: 100 in a straight line, 200 faster "\
      "at first, 50 slower")                                                                       \
    X(panic, "panic-below", COUNT, 0, 100, 50, LIVE,                                               \
      "if fewer percent of the targets than this are well, checks and ejections are ignored, but " \
      "none is used that could not be connected to; 0 is never")

struct health_settings {
    HEALTH_SETTINGS(CONFIG_FIELD)
};

#endif
