/* SPDX-License-Identifier: Apache-2.0 */
/* sim/node/shield.h - what protects a service, on one node: retries and their budget, ejection,
 * a limit of concurrency, circuit breakers of the service and of its targets.
 *
 * Here is only what the program's rooms do around the machines (guard and gate stages, control's
 * look every 100 ms); every decision is asked of the program's own code. Settings are those of the
 * scene's policy.
 *
 * Time: the world's. Memory: allocated by init, freed by fini. Threads: one. */
#ifndef PANDO_SIM_MODEL_SHIELD_H
#define PANDO_SIM_MODEL_SHIELD_H

#include "control/outlier/outlier.h"
#include "sim/model/end.h"
#include "sim/node/fuse.h"
#include "sim/node/node.h"
#include "sim/node/policy.h"
#include "sim/node/throttle.h"

#include <stdint.h>

/* Requests that wait, the oldest first; they are linked by their places in the world's table. */
struct sim_line {
    uint32_t first, last, count;
};

struct sim_shield {
    const struct settings_service *service;
    struct sim_node               *node;
    struct random                  draws;
    uint32_t                       attempts_count; /* under way, of all requests */
    uint32_t                       charged_count;  /* of them, those that the budget counts */
    struct sim_line                for_budget;
    struct sim_line                for_permit;
    struct sim_throttle            throttle;
    struct sim_fuse                fuse;
    struct target                  whole; /* the service, as its circuit breaker sees it */
    struct target_row              whole_row;
    struct sim_fuse                whole_fuse;
    /* By server. */
    struct outlier    *outliers;
    struct target_row *rows;
    struct outliers    outlier_list;
};

/* @node outlives it. */
void sim_shield_init(struct sim_shield *shield, const struct sim_policy *policy,
                     struct sim_node *node, struct random draws);

/* Accepts zero. */
void sim_shield_fini(struct sim_shield *shield);

/* Does the circuit breaker of the service let a request in? */
bool sim_shield_enter(struct sim_shield *shield, struct sim_passage *passage);

/* A request that it let in has ended. */
void sim_shield_leave(struct sim_shield *shield, const struct sim_verdict *verdict);

/* An attempt at @server is over. */
void sim_shield_judge(struct sim_shield *shield, uint32_t server,
                      const struct sim_verdict *verdict);

/* Is there a place in the budget? True takes it. */
bool sim_shield_charge(struct sim_shield *shield);

/* May a request be tried again that was given to @tried_count servers and now ended so; does it
 * need a place in the budget? */
bool sim_shield_again(const struct sim_shield *shield, const struct sim_verdict *verdict,
                      unsigned tried_count, bool *is_charged);

/* Control's look, every 100 ms. */
void sim_shield_look(struct sim_shield *shield, uint64_t now_ns);

#endif
