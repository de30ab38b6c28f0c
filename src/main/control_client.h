/* SPDX-License-Identifier: Apache-2.0 */
/* main/control_client.h - asks the running server over its control socket: HTTP/1.1, one request, blocking.
 *
 * Memory:  the answer's body is handed on in pieces as it comes. Threads: none of its own.
 * Errors:  a story fit for a person: what was tried, and what to do. */
#ifndef PANDO_MAIN_CONTROL_CLIENT_H
#define PANDO_MAIN_CONTROL_CLIENT_H

#include "core/err.h"

#include <stdbool.h>
#include <stddef.h>

struct control_request {
    const char *socket;   /* its path */
    const char *method;   /* "GET", "POST" */
    const char *target;   /* "/api/status" */
    unsigned    wait_s;   /* the longest silence; 0: none is too long */
    /* A piece of the body; false ends the talk. */
    bool (*received)(void *self, const char *at, size_t bytes);
    void *self;
};

/* Asks; *@status is the answer's. */
must_check enum err_kind control_ask(const struct control_request *request, unsigned *status, struct err *e);

#endif
