/* SPDX-License-Identifier: Apache-2.0 */
/* sim/scenes/storm.h - what becomes of a fleet when something goes wrong for a while: a burst that
 * retries keep alive, an overload that does not end, a server that falls ill.
 *
 * Each scene is run with several policies, written as in a configuration file. */
#ifndef PANDO_SIM_SCENES_STORM_H
#define PANDO_SIM_SCENES_STORM_H

#include "sim/world/scene.h"

/* One row of a table: a policy, and what the servers do of themselves. */
struct sim_defence {
    const char *name;
    const char *words;     /* for sim_policy_read() */
    bool        notices;   /* servers drop what nobody waits for any more */
    bool        says_when; /* full ones say Retry-After */
};

enum { SIM_BURST_FROM_S = 20, SIM_BURST_TO_S = 25, SIM_STORM_END_S = 65 };

struct sim_storm {
    struct sim_scene  scene;
    struct sim_change changes[2];
};

/* 100 servers; for five seconds the load is 2, before and after it is @load. */
void sim_storm_scene(struct sim_storm *storm, double load, uint64_t seed);

/* Row @index of the storm; NULL after the last. */
const struct sim_defence *sim_storm_at(size_t index);

/* The same servers, at this load for good. */
struct sim_scene sim_overload_scene(double load, uint64_t seed);

/* Row @index of the overload; NULL after the last. */
const struct sim_defence *sim_overload_at(size_t index);

/* How server 0 of 8 is ill, from second 10 on. */
enum sim_illness { SIM_ANSWERS_500, SIM_IS_SLOW, SIM_HALTS, SIM_ILLNESSES_COUNT };

/* 8 servers at load 0.5, one of them ill. */
struct sim_scene sim_ill_scene(enum sim_illness illness, uint64_t seed);

/* Row @index of the illnesses: what protects; NULL after the last. Its words lack the strategy. */
const struct sim_defence *sim_ill_at(size_t index);

#endif
