/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/remote/client.h - asks the running server over its control socket.
 *
 * HTTP/1.1, one request, blocking.
 *
 * Memory:  the answer's body is handed on in pieces as it comes. Threads: none of its own.
 * Errors:  a story fit for a person: what was tried, and what to do. */
#ifndef PANDO_MAIN_COMMAND_REMOTE_CLIENT_H
#define PANDO_MAIN_COMMAND_REMOTE_CLIENT_H

#include "core/err.h"

#include <stdbool.h>
#include <stddef.h>

struct client_request {
    const char *socket; /* its path */
    const char *method; /* "GET" or "POST" */
    const char *target; /* "/api/status" */
    unsigned    wait_s; /* the longest silence; 0: none is too long */
    /* The answer's status, before the body; false ends the talk. */
    bool (*answered)(void *self, unsigned status);
    /* A piece of the body; false ends the talk. */
    bool (*received)(void *self, const char *at, size_t bytes);
    void *self;
};

/* Asks. ERR_NONE: the answer came whole, or one of the calls above ended the talk.
 * ERR_CONNECT_REFUSED: nobody listens there. */
must_check enum err_kind client_ask(const struct client_request *request, struct err *e);

#endif
