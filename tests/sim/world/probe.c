/* SPDX-License-Identifier: Apache-2.0 */
/* sim/world/probe.c - a probe's way: node, network, server, network, node. It costs the server
 * nothing, and it is never lost. */
#include "sim/model/memory.h"
#include "sim/world/world.h"

enum { ROOM_FIRST = 1024 };

static uint32_t take_probe(struct sim_world *world)
{
    const uint32_t index = world->probes_free;
    if (index != SIM_NOBODY) {
        world->probes_free = world->probes[index].next_free;
        return index;
    }
    if (world->probes_count == world->probes_room) {
        world->probes_room = world->probes_room == 0 ? ROOM_FIRST : world->probes_room * 2;
        world->probes = sim_grow(world->probes, world->probes_room * sizeof *world->probes);
    }
    return world->probes_count++;
}

void sim_server_note(struct sim_world *world, uint32_t index)
{
    if (world->gauges == NULL)
        return;
    const struct sim_server *server = &world->servers[index];
    const double own = server->speed / server->base;
    const double used = (double)server->busy_count / server->slots_count;
    sim_gauge_pass(&world->gauges[index], world->agenda.now_ns, 1 - own + own * used);
}

void sim_probes_send(struct sim_world *world, uint32_t node, const struct balance_probes *probes)
{
    for (uint32_t i = 0; i < probes->count; i++) {
        const uint32_t server = probes->at[i];
        const uint32_t index = take_probe(world);
        world->probes[index] = (struct sim_probe){.node = node, .server = server};
        sim_agenda_follow(&world->agenda, sim_lane_between(world, node, server),
                          (struct sim_event){.what = SIM_EVENT_ASKED, .which = index});
        world->outcome->probes++;
    }
}

void sim_probe_asked(struct sim_world *world, uint32_t index)
{
    struct sim_probe *probe = &world->probes[index];
    sim_server_note(world, probe->server);
    probe->report = sim_gauge_report(&world->gauges[probe->server],
                                     sim_server_inflight(&world->servers[probe->server]));
    sim_agenda_follow(&world->agenda, sim_lane_between(world, probe->node, probe->server),
                      (struct sim_event){.what = SIM_EVENT_TOLD, .which = index});
}

void sim_probe_told(struct sim_world *world, uint32_t index)
{
    struct sim_probe *probe = &world->probes[index];
    const struct sample sample = {
        .now_ns = world->agenda.now_ns,
        .outcome = BALANCE_PROBED,
        .report = probe->report,
    };
    sim_node_probed(&world->nodes[probe->node], probe->server, &sample);
    probe->next_free = world->probes_free;
    world->probes_free = index;
}
