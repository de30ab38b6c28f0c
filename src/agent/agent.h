/* SPDX-License-Identifier: Apache-2.0 */
/* agent/agent.h - runs beside an application and says how busy it is: one line to whoever connects
 * (HAProxy's agent-check), and a probe over HTTP.
 *
 *     line     "up 75%\n" and the end of the connection; what the other side sends is not read
 *     HTTP     GET /probe: JSON, and the same as a field endpoint-load-metrics; kept connections
 *
 * SIGUSR1 says drain, SIGUSR2 ready, SIGTERM and SIGINT end it.
 *
 * Memory:  a connection is one block; at most AGENT_CONNECTIONS_MAX, the next are closed at once.
 * Threads: the caller's, until it ends. Errors: a story. */
#ifndef PANDO_AGENT_AGENT_H
#define PANDO_AGENT_AGENT_H

#include "agent/sampler.h"
#include "config/address.h"

enum {
    AGENT_CONNECTIONS_MAX = 1024,
    AGENT_IDLE_MS = 60000, /* a kept connection over HTTP */
    AGENT_LINE_MS = 5000,  /* how long the other side may take to end after its line */
};

struct agent_config {
    const char           *io;         /* the back end of the loop: "auto", "epoll", "io_uring" */
    struct config_address line, http; /* where it listens */
    struct sampler_config sampler;
    /* It answers now; @line and @http: the ports, which the kernel may have chosen. */
    void (*started)(void *self, uint16_t line, uint16_t http);
    void (*warned)(void *self, const char *text);
    void *self;
};

/* Serves until a signal ends it. Not NONE: it could not start. */
must_check enum err_kind agent_run(const struct agent_config *config, struct err *e);

#endif
