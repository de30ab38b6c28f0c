/* SPDX-License-Identifier: Apache-2.0 */
/* control/call.h - one connection for one question: connect, perhaps send, hear, close; at every
 * step the clock may win.
 *
 * What checks and agents have in common. Non-blocking, on the loop of whoever asks.
 *
 * Memory:  the caller's, first in its own struct, until `closed`; what is sent is borrowed as long.
 * Threads: the loop's.
 * Errors:  sentences, in `over`. */
#ifndef PANDO_CONTROL_CALL_H
#define PANDO_CONTROL_CALL_H

#include "core/err.h"
#include "loop/loop.h"

enum { CALL_WHY_BYTES = 128 };

struct call;

struct call_events {
    /* It is open; what was to be sent is on its way. May be NULL. */
    void (*connected)(struct call *call);
    void (*received)(struct call *call, const uint8_t *at, size_t bytes);
    /* The other side closed; call_end() is due. */
    void (*hung_up)(struct call *call);
    /* Once, and never from within call_start(): by call_end(), or an error, or time. NULL: well.
     * Nothing else follows but `closed`. */
    void (*over)(struct call *call, const char *why);
    /* The socket is gone, and the memory may go. */
    void (*closed)(struct call *call);
};

struct call {
    struct sock               sock; /* first */
    const struct call_events *events;
    struct sockaddr_storage   address;
    struct timer              patience;
    uint64_t                  timeout_ns;
    struct iovec              out;
    bool                      is_over;
};

struct call_options {
    struct loop           *loop;
    const struct sockaddr *address; /* copied */
    socklen_t              address_bytes;
    uint64_t               timeout_ns; /* for all of it */
    const void            *send;       /* borrowed */
    size_t                 send_bytes; /* 0: nothing is sent */
};

/* False: no descriptor; nothing follows. */
must_check bool call_start(struct call *call, const struct call_events *events,
                           const struct call_options *options);

/* It is over: `over` is called with @why, and the socket closed. Nothing, if it was over. */
void call_end(struct call *call, const char *why);

#endif
