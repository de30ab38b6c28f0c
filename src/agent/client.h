/* SPDX-License-Identifier: Apache-2.0 */
/* agent/client.h - connections of those who ask the agent.
 *
 * Memory:  a client is one block, freed when its socket is closed. Threads: the loop's. */
#ifndef PANDO_AGENT_CLIENT_H
#define PANDO_AGENT_CLIENT_H

#include "agent/sampler.h"
#include "core/list.h"
#include "loop/loop.h"

struct agent_clients {
    struct loop    *loop;
    struct sampler *sampler;
    struct list     all;
    unsigned        count;
    void (*gone)(void *self); /* one has ended */
    void *self;
};

/* None yet. Both are borrowed. */
void agent_clients_init(struct agent_clients *clients, struct loop *loop, struct sampler *sampler);

/* Answers on @fd, which is taken over. False: there is no room, and @fd is still the caller's. */
must_check bool agent_client_new(struct agent_clients *clients, int fd, bool is_http);

/* Ends all; they are gone when `count` is 0. */
void agent_clients_close(struct agent_clients *clients);

#endif
