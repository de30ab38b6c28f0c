/* SPDX-License-Identifier: Apache-2.0 */
/* sim/model/node.h - one balancing node: Pando's strategy at work on this node's view of the
 * servers.
 *
 * A node has targets, a set and a strategy's state of its own, so it counts only the requests that
 * it gave itself, as nodes on different machines do. What the strategy sees is what the balance
 * room of the program shows it.
 *
 * Memory: allocated by init, freed by fini. Threads: one. */
#ifndef PANDO_SIM_MODEL_NODE_H
#define PANDO_SIM_MODEL_NODE_H

#include "balance/balance.h"
#include "core/random.h"

enum { SIM_TRIED_MAX = 8 };

struct sim_node {
    const struct balance_strategy *strategy;
    void                          *state;
    struct target                 *targets; /* one for each server, in their order */
    struct target_set             *set;     /* all of them */
    struct random                  draws;
    uint64_t                       tick_at_ns;
};

/* @weights: one for each of @count targets. */
void sim_node_init(struct sim_node *node, const struct balance_strategy *strategy,
                   const uint16_t *weights, uint32_t count, struct random draws);

/* Frees what init took. */
void sim_node_fini(struct sim_node *node);

/* The index of the server for a request that was given to @tried before; BALANCE_NONE: no one. The
 * request is in flight there from now on. */
size_t sim_node_pick(struct sim_node *node, uint64_t now_ns, const uint32_t *tried,
                     unsigned tried_count);

/* An attempt at the server of that index is over. */
void sim_node_finished(struct sim_node *node, uint32_t server, const struct sample *sample);

#endif
