/* SPDX-License-Identifier: Apache-2.0 */
/* control/check/probe.h - asks a target once whether it is well: a connection, perhaps one GET.
 *
 * Non-blocking, on the loop of whoever asks. It shares nothing with the engine's pools, so that it
 * says something about the target and not about a connection that was kept.
 *
 * Memory:  a probe is one block, which holds copies of all that it was given, and of the answer at
 *          most 96 KiB. It frees itself when its socket is closed.
 * Threads: the loop's.
 * Errors:  lack of memory or descriptors is no verdict: NULL. */
#ifndef PANDO_CONTROL_CHECK_PROBE_H
#define PANDO_CONTROL_CHECK_PROBE_H

#include "config/value/statuses.h"
#include "core/err.h"
#include "loop/loop.h"

enum { PROBE_REASON_BYTES = 128 };

struct probe;

struct probe_question {
    struct loop           *loop;
    const struct sockaddr *address;
    socklen_t              address_bytes;
    uint64_t               timeout_ns;
    bool                   is_http; /* else a connection is all that is asked for */
    const char            *path;
    const char            *host; /* "": none fits; sent as "localhost" */
    const char            *body; /* "": any */
    struct config_statuses statuses;
    /* The verdict, once and never from within probe_start(): NULL if it is well, else why not.
     * After it @self is not used any more. */
    void (*judged)(void *self, const char *why);
    /* The socket is closed and the memory gone; also after probe_cancel(). */
    void (*ended)(void *owner);
    void *self, *owner;
};

/* Asks. NULL: it could not be asked, for lack of memory or of a descriptor; nothing follows. */
must_check struct probe *probe_start(const struct probe_question *question);

/* No verdict is wanted any more; only `ended` follows. Accepts NULL. */
void probe_cancel(struct probe *probe);

#endif
