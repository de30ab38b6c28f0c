/* SPDX-License-Identifier: Apache-2.0 */
/* admin/events.h - what Pando tells about itself: a line on stderr, and the last ones kept.
 *
 * Memory:  fixed. Threads: any; a lock is held for the time of one copy and one write, so never
 *          call it per request.
 * Errors:  none: what cannot be written (a full pipe) is dropped, and the count is said later. */
#ifndef PANDO_ADMIN_EVENTS_H
#define PANDO_ADMIN_EVENTS_H

#include "admin/log_settings.h"
#include "core/err.h"

#include <stdint.h>

enum {
    EVENTS_KEPT = 64,
    EVENT_TEXT_BYTES = 320,
};

struct event {
    uint64_t       wall_ns;
    enum log_level level;
    char           text[EVENT_TEXT_BYTES]; /* printable: controls are written as \xHH */
};

struct events;

/* Writes to @fd (borrowed; -1: nowhere). NULL: no memory. */
must_check struct events *events_new(int fd, enum log_level level);

/* Accepts NULL. */
void events_free(struct events *events);

/* Tells; @events may be NULL: then nothing is told. */
void events_tell(struct events *events, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Less important ones are not written from now on. */
void events_change_level(struct events *events, enum log_level level);

/* Copies the newest (of importance INFO and above) to @out, newest first; returns how many. */
size_t events_copy(struct events *events, struct event out[], size_t most);

#endif
