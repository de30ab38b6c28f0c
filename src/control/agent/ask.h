/* SPDX-License-Identifier: Apache-2.0 */
/* control/agent/ask.h - asks an agent once: a connection, perhaps a line to it, one line back.
 *
 * Memory:  one block, which holds copies of all that it was given; it frees itself when its socket
 *          is closed. Threads: the loop's. Errors: an answer that is none, with the reason. */
#ifndef PANDO_CONTROL_AGENT_ASK_H
#define PANDO_CONTROL_AGENT_ASK_H

#include "core/err.h"
#include "loop/loop.h"

enum {
    AGENT_LINE_BYTES_MAX = 512,
    AGENT_SEND_BYTES_MAX = 256,
    AGENT_WHY_BYTES = 96,
};

struct agent_ask;

struct agent_question {
    struct loop           *loop;
    const struct sockaddr *address;
    socklen_t              address_bytes;
    uint64_t               timeout_ns;
    const char            *send; /* "": nothing is sent */
    /* Once, and never from within agent_ask_start(): @text of @bytes is what came up to the end of
     * the line or of the connection; or NULL, and @why says why. */
    void (*answered)(void *self, const char *text, size_t bytes, const char *why);
    /* The socket is closed and the memory gone; also after agent_ask_cancel(). */
    void (*ended)(void *owner);
    void *self, *owner;
};

/* Asks. NULL: no memory or no descriptor; nothing follows. */
must_check struct agent_ask *agent_ask_start(const struct agent_question *question);

/* No answer is wanted any more; only `ended` follows. Accepts NULL. */
void agent_ask_cancel(struct agent_ask *ask);

#endif
