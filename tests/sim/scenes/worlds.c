/* SPDX-License-Identifier: Apache-2.0 */
/* sim/scenes/worlds.c - the table of worlds, fleets and loads. */
#include "sim/scenes/worlds.h"

#include <math.h>

static const struct sim_place places[] = {
#define X(name, speeds, antagonists, several, zones, gist)                                         \
    {#name, gist, SIM_##speeds, antagonists, several, zones},
    SIM_WORLDS(X)
#undef X
};

static const struct {
    uint32_t servers;
    uint32_t nodes; /* in worlds with several */
} fleets[] = {{8, 4}, {100, 10}, {1000, 20}};

/* Rows beside the strategies' presets: name, policy. */
#define VARIANTS(X)                                                                                \
    X("two-choices, latency", "balance: two-choices, two-choices: {latency: true}")       \
    X("resource, probes", "balance: resource, resource: {probe-port: 9100}")

static const struct sim_row variants[] = {
#define X(name, words) {name, words},
    VARIANTS(X)
#undef X
    {"", ""},
};

static const double loads[] = {0.5, 0.7, 0.9, 1.0, 1.2, 1.4};

enum {
    SLOTS = 4,
    QUEUE_ROOM = 16,
    SERVICE_MS = 40,
    TIMEOUT_MS = 1000,
    WARM_MS = 2500,
    RUN_MS_LEAST = 2000,
    REQUESTS_LEAST = 200000, /* so that 200 lie above the p99.9 */
};

const struct sim_place *sim_place_at(size_t index)
{
    return index < sizeof places / sizeof places[0] ? &places[index] : NULL;
}

uint32_t sim_fleet_at(size_t index)
{
    return index < sizeof fleets / sizeof fleets[0] ? fleets[index].servers : 0;
}

double sim_load_at(size_t index)
{
    return index < sizeof loads / sizeof loads[0] ? loads[index] : 0;
}

bool sim_row_at(size_t index, struct sim_row *row)
{
    if (index >= BALANCE_SORTS_COUNT + sizeof variants / sizeof variants[0] - 1)
        return false;
    if (index >= BALANCE_SORTS_COUNT) {
        *row = variants[index - BALANCE_SORTS_COUNT];
        return true;
    }
    snprintf(row->name, sizeof row->name, "%s", balance_words[index].name);
    snprintf(row->words, sizeof row->words, "balance: %s", balance_words[index].name);
    return true;
}

static uint32_t nodes_of(uint32_t servers)
{
    for (size_t i = 0; sim_fleet_at(i) != 0; i++)
        if (fleets[i].servers == servers)
            return fleets[i].nodes;
    return 2;
}

struct sim_scene sim_place_scene(const struct sim_place *place, uint32_t servers, double load,
                                 uint64_t seed)
{
    const double rate = load * servers * SLOTS * 1000 / SERVICE_MS;
    const double run_s = fmax(REQUESTS_LEAST / rate, RUN_MS_LEAST / 1000.0);
    return (struct sim_scene){
        .seed = seed,
        .servers_count = servers,
        .nodes_count = place->several_nodes ? nodes_of(servers) : 1,
        .slots_count = SLOTS,
        .queue_room = QUEUE_ROOM,
        .service_ms = SERVICE_MS,
        .load = load,
        .speeds = place->speeds,
        .antagonists = place->antagonists,
        .network_ms = 0.25,
        .far_ms = 5,
        .zones_count = place->zones_count,
        .timeout_ms = TIMEOUT_MS,
        .warm_s = WARM_MS / 1000.0,
        .run_s = run_s,
    };
}
