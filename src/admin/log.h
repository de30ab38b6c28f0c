/* SPDX-License-Identifier: Apache-2.0 */
/* admin/log.h - the access log: workers format lines into rings of their own, one thread writes.
 *
 * A line costs its worker some formatting and one copy: no allocation, no lock, no system call
 * (but one wake-up when the ring is half full). The thread writes every 100 ms. Whatever a
 * client sent is escaped, so no request can forge a line. Taps get lines too, as JSON, if there
 * are any; if not, that costs one relaxed load.
 *
 * Memory:  one ring per worker of buffer_bytes, and one for taps; pages that are not used cost
 *          nothing.
 * Threads: log_journal()'s journals on their worker's thread; log_tap_*() on the control thread;
 *          the rest on any one at a time.
 * Errors:  a line that does not fit is dropped and counted; a file that cannot be written is told
 *          to events, once. */
#ifndef PANDO_ADMIN_LOG_H
#define PANDO_ADMIN_LOG_H

#include "admin/events.h"
#include "admin/log_settings.h"
#include "core/err.h"
#include "path/journal.h"
#include "path/worker_row.h"

#include <stddef.h>

struct log;

/* Opens the file and starts the thread. @events is borrowed. NULL: @e says why. */
must_check struct log *log_new(const struct log_settings *settings, unsigned workers_count,
                               struct events *events, struct err *e);

/* The journal of the worker @index (below workers_count), which counts in @row; or of any other
 * index, such as WORKER_CONTROL: one that drops everything, since nobody wants probes in an
 * access log. Lives as long as the log. */
struct journal *log_journal(struct log *log, unsigned index, struct worker_row *row);

/* New settings; the file is opened anew (also if its name is the same: after a rotation). Not
 * NONE: the old file and settings stay. buffer_bytes stays as it was. */
must_check enum err_kind log_change(struct log *log, const struct log_settings *settings,
                                    struct err *e);

/* Writes everything out, ends the thread (a reader that takes nothing is waited for 5 s at
 * most), closes the file. The workers have ended. Accepts NULL. */
void log_free(struct log *log);

/* --- taps ------------------------------------------------------------------------------------- */

/* A finished request, for a tap to choose by. The texts are as the client sent them, not
 * escaped, not ended. */
struct log_tapped {
    unsigned    status;
    const char *service;
    size_t      service_bytes;
    const char *path;
    size_t      path_bytes;
    const char *line; /* JSON, ends in a newline */
    size_t      line_bytes;
};

/* One more (+1) or one fewer (-1) listens; lines are made while somebody does. */
void log_tap_listen(struct log *log, int by);

/* Gives all lines that wait to @call, oldest first per worker. Returns how many were dropped
 * since the last time because the ring was full. */
uint64_t log_tap_drain(struct log *log, void (*call)(void *self, const struct log_tapped *tapped),
                       void *self);

#endif
