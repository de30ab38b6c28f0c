/* SPDX-License-Identifier: Apache-2.0 */
/* main/supervisor/notify.h - tells the service manager how things are (sd_notify, without its
 * library): one datagram to the socket that $NOTIFY_SOCKET names, nothing if it names none.
 *
 * Memory and threads: none. Errors: none; a manager that does not listen is not told. */
#ifndef PANDO_MAIN_SUPERVISOR_NOTIFY_H
#define PANDO_MAIN_SUPERVISOR_NOTIFY_H

#include <stdint.h>

/* Serves now, also after a reload that is over. */
void notify_ready(void);

/* A reload begins, at @now_ns on the monotonic clock; notify_ready() must follow. */
void notify_reloading(uint64_t now_ns);

/* Ends soon. */
void notify_stopping(void);

#endif
