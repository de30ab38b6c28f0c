/* SPDX-License-Identifier: Apache-2.0 */
/* sim/scenes/worlds.h - the worlds in which all strategies are compared.
 *
 * In every world a server works on four requests at once, each of 40 ms on average at speed 1
 * (exponential), 16 more wait, the next is refused; the network takes 0.25 ms each way; a node
 * gives up after 1 s and does not try again. Load 1 is what all servers together can do. */
#ifndef PANDO_SIM_SCENES_WORLDS_H
#define PANDO_SIM_SCENES_WORLDS_H

#include "sim/world/scene.h"

/* name, speeds, others take parts of the machines, several nodes, zones, what it is */
#define SIM_WORLDS(X)                                                                              \
    X(equal, EQUAL, false, false, 0, "equal servers")                                              \
    X(told, TOLD, false, false, 0,                                                                 \
      "unequal servers: half of them three times as fast, and their weights say so")               \
    X(untold, UNTOLD, false, false, 0, "unequal servers: the same, but all have the same weight")  \
    X(antagonists, EQUAL, true, false, 0,                                                          \
      "antagonists: others take 0, 30, 60 or 85 % of each server, something else every 2 s")       \
    X(nodes, EQUAL, true, true, 0, "the same antagonists, and several nodes that balance at once") \
    X(zones, EQUAL, false, true, 4,                                                                \
      "four zones 10 ms apart, each with a quarter of servers and nodes; the first has two "       \
      "fifths of the requests")

struct sim_place {
    const char     *name;
    const char     *gist;
    enum sim_speeds speeds;
    bool            antagonists;
    bool            several_nodes;
    uint32_t        zones_count;
};

/* World @index, or NULL after the last. */
const struct sim_place *sim_place_at(size_t index);

/* How many servers fleet @index has; 0 after the last. */
uint32_t sim_fleet_at(size_t index);

/* Load @index, or 0 after the last. */
double sim_load_at(size_t index);

/* A row of the tables. */
struct sim_row {
    char name[48];   /* as shown */
    char words[160]; /* the policy's, for sim_policy_read() */
};

/* Row @index: first every strategy of the list with its presets, then the variants. False: there is
 * no such row. */
bool sim_row_at(size_t index, struct sim_row *row);

/* The scene of one figure, but its policy. */
struct sim_scene sim_place_scene(const struct sim_place *place, uint32_t servers, double load,
                                 uint64_t seed);

#endif
