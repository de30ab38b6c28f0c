/* SPDX-License-Identifier: Apache-2.0 */
/* control/outlier/outlier_settings.h - when a target is ejected for how it answers.
 *
 * In the file: the section `outlier`, which is also the preset of `outlier` in a service.
 * Columns: config/table.h. Times are nanoseconds. */
#ifndef PANDO_CONTROL_OUTLIER_OUTLIER_SETTINGS_H
#define PANDO_CONTROL_OUTLIER_OUTLIER_SETTINGS_H

#include "config/config.h"

#define OUTLIER_SETTINGS(X)                                                                        \
    X(errors, "errors-in-a-row", COUNT_OR_NONE, 1, 100000, 5, LIVE,                                \
      "answers with 5xx and failures in a row that eject a target; 503 with Retry-After and 429 "  \
      "are a server that defends itself, and do not count")                                        \
    X(gateway, "gateway-errors-in-a-row", COUNT_OR_NONE, 1, 100000, CONFIG_NONE, LIVE,             \
      "likewise, of 502, 503, 504 and failures alone")                                             \
    X(local, "failures-in-a-row", COUNT_OR_NONE, 1, 100000, CONFIG_NONE, LIVE,                     \
      "likewise, of failures alone: no answer in time, a broken or malformed one")                 \
    X(silent, "silences-in-a-row", COUNT_OR_NONE, 1, 100000, 2, LIVE,                              \
      "likewise, of requests that had no answer in time while the target gave none to any other "  \
      "request either")                                                                            \
    X(interval_ns, "interval", DURATION, CONFIG_MS(100), CONFIG_HOURS(1), CONFIG_SECONDS(10),      \
      LIVE, "how often error rates are compared; one without an ejection forgives one of before")  \
    X(deviations, "deviations", COUNT_OR_NONE, 1, 10000, 190, LIVE,                                \
      "hundredths of the standard deviation by which a target's share of good answers may lie "    \
      "below the mean of all")                                                                     \
    X(requests_min, "requests-min", COUNT, 1, 1000000, 100, LIVE,                                  \
      "answers in an interval without which a target's rate is not compared")                      \
    X(targets_min, "targets-min", COUNT, 2, 10000, 5, LIVE,                                        \
      "targets with so many answers without which rates are not compared")                         \
    X(error_percent, "error-percent", COUNT_OR_NONE, 1, 100, CONFIG_NONE, LIVE,                    \
      "percent of bad answers in an interval that eject a target, however the others do, unless "  \
      "half of what those answer is bad as well")                                                  \
    X(error_requests_min, "error-percent-requests-min", COUNT, 1, 1000000, 50, LIVE,               \
      "answers in an interval without which a target's percent is not looked at")                  \
    X(first_ns, "eject-first", DURATION, CONFIG_MS(1), CONFIG_HOURS(24), CONFIG_SECONDS(30), LIVE, \
      "how long the first ejection lasts; the second twice as long, the third three times")        \
    X(most_ns, "eject-most", DURATION, CONFIG_MS(1), CONFIG_HOURS(24), CONFIG_SECONDS(300), LIVE,  \
      "the longest ejection")                                                                      \
    X(jitter_ns, "eject-jitter", DURATION_OR_NONE, CONFIG_MS(1), CONFIG_HOURS(1), CONFIG_NONE,     \
      LIVE,                                                                                        \
      "up to so much is added to an ejection at random, so that nodes do not take a target back "  \
      "in step")                                                                                   \
    X(share, "share-max", COUNT, 0, 100, 10, LIVE,                                                 \
      "percent of the targets that may be ejected at once; one may always be, of several")         \
    X(check_returns, "check-returns", BOOLEAN, 0, 1, true, LIVE,                                   \
      "a health check that passes ends an ejection")

struct outlier_settings {
    OUTLIER_SETTINGS(CONFIG_FIELD)
};

#endif
