/* SPDX-License-Identifier: Apache-2.0 */
/* sim/node/node.h - one balancing node: Pando's strategy at work on this node's view of the
 * servers.
 *
 * A node has targets, a set and a strategy's state of its own, so it counts only the requests that
 * it gave itself, as nodes on different machines do. What the strategy sees is what the balance
 * room of the program shows it; the calls are those of balance/balance_stage.c.
 *
 * Memory: allocated by init, freed by fini. Threads: one. */
#ifndef PANDO_SIM_MODEL_NODE_H
#define PANDO_SIM_MODEL_NODE_H

#include "balance/balance.h"
#include "core/random.h"

enum { SIM_TRIED_MAX = 8 };

/* What a node is made of. */
struct sim_node_plan {
    const struct balance_settings *settings; /* outlive the node */
    const uint16_t                *weights;  /* one for each server; NULL: all 1 */
    const uint32_t                *zones;    /* likewise; NULL: nobody is in a zone */
    uint32_t                       zone;     /* its own */
    uint32_t                       servers_count;
    struct random                  draws;
};

struct sim_node {
    const struct balance_settings *settings;
    const struct balance_strategy *strategy;
    void                          *state;
    struct target                 *targets; /* one for each server, in their order */
    uint32_t                       targets_count;
    bool                          *is_out; /* by server: not in the set after the next renew */
    struct target_set             *set;
    char                           zone[16];
    struct random                  draws;
    uint64_t                       tick_at_ns;
    bool                           has_probes; /* the strategy asks for them, and they are sent */
};

/* What a pick is about. */
struct sim_node_ask {
    uint64_t        now_ns;
    uint64_t        key_hash;
    const uint32_t *tried; /* servers */
    unsigned        tried_count;
};

/* All servers are in the set. */
void sim_node_init(struct sim_node *node, const struct sim_node_plan *plan);

/* Frees what init took. */
void sim_node_fini(struct sim_node *node);

/* Makes the set anew, without those that are out; the state goes over as the program does it. */
void sim_node_renew(struct sim_node *node, uint64_t now_ns);

/* The server for a request, or SIZE_MAX: no one; and who ought to be probed (servers, not places
 * in the set). The request is in flight there from now on. */
size_t sim_node_pick(struct sim_node *node, const struct sim_node_ask *ask,
                     struct balance_probes *probes);

/* The gate would not let the picked request through: it is not in flight there. */
void sim_node_put_back(struct sim_node *node, uint32_t server);

/* An attempt at @server is over. */
void sim_node_finished(struct sim_node *node, uint32_t server, const struct sample *sample);

/* A probe of @server has come back. */
void sim_node_probed(struct sim_node *node, uint32_t server, const struct sample *sample);

#endif
