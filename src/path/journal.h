/* SPDX-License-Identifier: Apache-2.0 */
/* path/journal.h - where a worker reports each request that is over: the access log, the slow log
 * and `pando tap`.
 *
 * The front calls it once per request, after the last byte was handed to the kernel or the client
 * left; the admin room
 * implements it; main brings them together.
 *
 * Threads: the worker's. Never blocks, never allocates, never fails: what does not fit is
 * dropped and counted. */
#ifndef PANDO_PATH_JOURNAL_H
#define PANDO_PATH_JOURNAL_H

#include "path/op.h"

struct exchange_report {
    const struct op *op; /* NULL if the request was refused before there was one */
    const char      *client;
    const char      *listener;
    unsigned         status; /* that the client got; 0: none */
    enum err_kind    error;  /* NONE, or why Pando answered itself or broke off */
    const char      *detail; /* static text, or NULL */
    enum outcome     outcome;
    uint64_t         bytes_in;   /* of the request's body */
    uint64_t         bytes_out;  /* of the answer's body */
    uint64_t         started_ns; /* monotonic */
    uint64_t         ended_ns;
};

struct journal {
    void (*exchange)(struct journal *self, const struct exchange_report *report);
};

#endif
