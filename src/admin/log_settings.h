/* SPDX-License-Identifier: Apache-2.0 */
/* admin/log_settings.h - what is logged, where and how, one row each.
 *
 * In the file: the section `log`. Columns: config/config.h. Times are nanoseconds; 0 is `none`. */
#ifndef PANDO_ADMIN_LOG_SETTINGS_H
#define PANDO_ADMIN_LOG_SETTINGS_H

#include "config/config.h"

/* How a line of the access log is written. */
#define LOG_FORMATS(X)                                                                             \
    X(LOG_FORMAT_JSON, "json", "one JSON object a line, with trace id, target and timing")         \
    X(LOG_FORMAT_COMMON, "common", "the Common Log Format of old")                                 \
    X(LOG_FORMAT_COMBINED, "combined",                                                             \
      "common, with referrer and user agent; GoAccess reads it")

/* How much of Pando's own doings is told. */
#define LOG_LEVELS(X)                                                                              \
    X(LOG_LEVEL_ERROR, "error", "only what needs a person")                                        \
    X(LOG_LEVEL_WARNING, "warning", "also what was put right, but should not have been wrong")     \
    X(LOG_LEVEL_INFO, "info",                                                                      \
      "also every change of state: starts, reloads, targets up and down")                          \
    X(LOG_LEVEL_DEBUG, "debug", "also what helps to find a mistake in Pando")

/* `log_formats` and `log_levels` are the tables of these words, made in main/settings_keys.c. */
#define LOG_SETTINGS(X)                                                                            \
    X(path, "path", TEXT, 1, 4095, "-", LIVE,                                                      \
      "file that log lines are appended to; - is standard output")                                 \
    X(format, "format", CHOICE, log_formats, 0, LOG_FORMAT_JSON, LIVE,                             \
      "how a line of the access log is written")                                                   \
    X(access, "access", BOOLEAN, 0, 1, true, LIVE, "write a line for every request")               \
    X(slow_ns, "slow", DURATION_OR_NONE, CONFIG_MS(1), CONFIG_HOURS(24), CONFIG_NONE, LIVE,        \
      "write a line, marked slow, for every request that takes this long, also if access is "      \
      "false")                                                                                     \
    X(level, "level", CHOICE, log_levels, 0, LOG_LEVEL_INFO, LIVE,                                 \
      "how much Pando tells about itself")                                                         \
    X(lines_per_second, "lines-per-second", COUNT_OR_NONE, 1, 10000000, CONFIG_NONE, LIVE,         \
      "most access lines a second and worker; the others are counted, and the count is logged")    \
    X(buffer_bytes, "buffer-bytes", SIZE, CONFIG_KIB(64), CONFIG_GIB(1), CONFIG_MIB(1),            \
      START,                                                                                       \
      "lines of one worker that may wait to be written; when it is full, lines are dropped and "   \
      "counted")

enum log_format {
#define X(enumerator, name, gist) enumerator,
    LOG_FORMATS(X)
#undef X
};

enum log_level {
#define X(enumerator, name, gist) enumerator,
    LOG_LEVELS(X)
#undef X
};

struct log_settings {
    LOG_SETTINGS(CONFIG_FIELD)
};

#endif
