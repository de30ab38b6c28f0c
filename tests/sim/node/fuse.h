/* SPDX-License-Identifier: Apache-2.0 */
/* sim/node/fuse.h - the circuit breakers of a service's targets, on one node; or that of the
 * service, which then is the one target.
 *
 * The machine is the program's; here is what gate and control do around it: claims of trials,
 * tallies, a look every 100 ms. Targets whose circuit breaker is open are not in the set, those
 * that are half-open are, and their gate lets so many trials through.
 *
 * Time: passed in. Memory: allocated by init, freed by fini. Threads: one. */
#ifndef PANDO_SIM_NODE_FUSE_H
#define PANDO_SIM_NODE_FUSE_H

#include "breaker/circuit/circuit.h"
#include "breaker/circuit/circuit_settings.h"
#include "core/random.h"
#include "path/target.h"
#include "sim/model/end.h"

struct sim_fuse {
    const struct circuit_settings *settings; /* outlive it */
    struct circuit_rules           rules;
    struct target                 *targets; /* the node's; outlive it */
    uint32_t                       count;
    struct circuit                *circuits; /* by target; NULL: there are none */
    struct random                 *draws;
};

/* How an attempt was let through. */
struct sim_passage {
    uint32_t epoch; /* of the target's trials */
    bool     is_trial;
};

/* How it went. */
struct sim_verdict {
    struct sim_passage passage;
    enum sim_end       end;
    bool               says_when; /* a refusal came with Retry-After */
    uint64_t           latency_ns;
};

/* All are closed. */
void sim_fuse_init(struct sim_fuse *fuse, const struct circuit_settings *settings,
                   struct target *targets, uint32_t count, struct random *draws);

/* Accepts zero. */
void sim_fuse_fini(struct sim_fuse *fuse);

/* May an attempt go to @server? */
bool sim_fuse_pass(struct sim_fuse *fuse, uint32_t server, struct sim_passage *passage);

/* An attempt at @server is over. */
void sim_fuse_judge(struct sim_fuse *fuse, uint32_t server, const struct sim_verdict *verdict);

/* An attempt that was let through was not made. */
void sim_fuse_put_back(struct sim_fuse *fuse, uint32_t server, const struct sim_passage *passage);

/* Steps all; every 100 ms. True: the state of one has changed. */
bool sim_fuse_look(struct sim_fuse *fuse, uint64_t now_ns);

/* Is that of @server open? */
bool sim_fuse_is_open(const struct sim_fuse *fuse, uint32_t server);

#endif
