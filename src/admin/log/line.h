/* SPDX-License-Identifier: Apache-2.0 */
/* admin/log/line.h - one request becomes one line: JSON, common or combined. Pure.
 *
 * Whatever a client sent is escaped so that a line stays one line, a JSON text stays valid, and
 * a terminal that shows it is not steered: controls, quotes, backslashes, broken UTF-8, C1
 * controls and marks that turn the direction of text.
 *
 * Memory:  the caller's room, LINE_BYTES_MAX; nothing is allocated. Threads: any.
 * Errors:  none: long texts are cut and end in "...". */
#ifndef PANDO_ADMIN_LOG_LINE_H
#define PANDO_ADMIN_LOG_LINE_H

#include "admin/log_settings.h"
#include "path/journal.h"

enum {
    LINE_PATH_BYTES_MAX = 2048, /* of each text, as the client sent it */
    LINE_FIELD_BYTES_MAX = 512, /* host, referrer, user agent */
    LINE_BYTES_MAX = 32 * 1024, /* six bytes for each of those, and the rest */
};

/* The wall clock's second as text, kept because it serves many lines. */
struct line_clock {
    int64_t second;     /* that the texts say; starts as 0 */
    char    iso[20];    /* "2026-11-24T13:17:56" */
    char    common[28]; /* "24/Nov/2026:13:17:56 +0000" */
};

/* Brings @clock to @second of the wall clock. */
void line_clock_set(struct line_clock *clock, int64_t second);

/* How a line is to be written. */
struct line_form {
    enum log_format format;
    uint64_t        wall_ns; /* when the request ended */
    bool            is_slow; /* marked so */
};

/* One line with its newline; returns its bytes. */
size_t line_write(char out[LINE_BYTES_MAX], const struct exchange_report *report,
                  const struct line_form *form, struct line_clock *clock);

/* Writes @bytes of text as the inside of a JSON string, at most @most of them; returns where it
 * ends. @out has room for six bytes for each, and three. */
char *line_put_json(char *out, const void *text, size_t bytes, size_t most);

/* The same as Apache does it: \xHH, \" and \\. */
char *line_put_plain(char *out, const void *text, size_t bytes, size_t most);

/* The same, but quotes and backslashes stay: for people to read. @out has room for four bytes
 * for each. */
char *line_put_controls(char *out, const void *text, size_t bytes);

#endif
