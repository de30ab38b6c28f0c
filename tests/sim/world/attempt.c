/* SPDX-License-Identifier: Apache-2.0 */
/* sim/world/attempt.c - one try at one server: over the network, through the server, and back.
 *
 * A full server answers at once that it is, an ill one that it failed. When the timeout comes
 * first the node gives the attempt up, and the server works on unless the scene says that it
 * notices. */
#include "sim/world/world.h"

#include "sim/model/chance.h"

#include <assert.h>

static void follow(struct sim_world *world, unsigned lane, uint32_t what, uint32_t index)
{
    sim_agenda_follow(
        &world->agenda, lane,
        (struct sim_event){.what = what, .which = index, .mark = world->attempts[index].mark});
}

void sim_attempt_begin(struct sim_world *world, uint32_t request, uint32_t server,
                       const struct sim_passage *passage)
{
    const uint32_t index = sim_attempt_take(world);
    const uint32_t node = world->requests[request].node;
    world->attempts[index] = (struct sim_attempt){
        .mark = world->attempts[index].mark,
        .given_ns = world->agenda.now_ns,
        .work_ns = world->requests[request].work_ns,
        .request = request,
        .node = node,
        .server = server,
        .passage = *passage,
        .is_awaited = true,
        .is_under_way = true,
    };
    follow(world, sim_lane_between(world, node, server), SIM_EVENT_REACHED, index);
    if (world->scene->timeout_ms > 0)
        follow(world, world->timeout_lane, SIM_EVENT_TIMEOUT, index);
}

/* --- at the server ---------------------------------------------------------------------------- */

static void answer(struct sim_world *world, uint32_t index, enum sim_end end)
{
    struct sim_attempt *attempt = &world->attempts[index];
    const uint32_t server = attempt->server;
    attempt->end = end;
    if (world->gauges != NULL) {
        struct sim_gauge *gauge = &world->gauges[server];
        if (end == SIM_GOOD)
            sim_gauge_done(gauge, attempt->inflight, world->agenda.now_ns - attempt->reached_ns);
        else
            sim_gauge_failed(gauge);
        attempt->report = sim_gauge_report(gauge, sim_server_inflight(&world->servers[server]));
    }
    follow(world, sim_lane_between(world, attempt->node, server), SIM_EVENT_ANSWERED, index);
}

void sim_attempt_reached(struct sim_world *world, uint32_t index)
{
    struct sim_attempt *attempt = &world->attempts[index];
    const double ill = world->ill[attempt->server];
    const struct sim_job job = {.who = index, .work_ns = attempt->work_ns};
    attempt->reached_ns = world->agenda.now_ns;
    attempt->inflight = sim_server_inflight(&world->servers[attempt->server]);
    sim_server_note(world, attempt->server);
    if (ill > 0 && sim_uniform(&world->falling_ill) <= ill)
        answer(world, index, SIM_FAILED);
    else if (!sim_server_give(&world->servers[attempt->server], job))
        answer(world, index, SIM_REFUSED);
}

void sim_attempt_served(struct sim_world *world, uint32_t index)
{
    answer(world, index, SIM_GOOD);
}

/* --- back at the node ------------------------------------------------------------------------- */

static enum balance_outcome outcome_of(const struct sim_verdict *verdict)
{
    switch (verdict->end) {
    case SIM_GOOD: return BALANCE_ANSWERED;
    case SIM_EXPIRED: return BALANCE_FAILED;
    case SIM_REFUSED: return verdict->says_when ? BALANCE_BUSY : BALANCE_ERROR;
    default: return BALANCE_ERROR;
    }
}

/* The node hears how an attempt went, or gives it up. */
static void settle(struct sim_world *world, uint32_t index, enum sim_end end)
{
    struct sim_attempt *attempt = &world->attempts[index];
    const uint32_t request = attempt->request;
    const bool is_told = end != SIM_EXPIRED;
    const struct sim_verdict verdict = {
        .passage = attempt->passage,
        .end = end,
        .says_when = end == SIM_REFUSED && world->scene->says_when,
        .latency_ns = world->agenda.now_ns - attempt->given_ns,
    };
    const struct sample sample = {
        .now_ns = world->agenda.now_ns,
        .latency_ns = is_told ? verdict.latency_ns : 0,
        .outcome = outcome_of(&verdict),
        .report = is_told ? attempt->report : (struct balance_report){.has = 0},
    };
    attempt->is_awaited = false;
    sim_node_finished(&world->nodes[attempt->node], attempt->server, &sample);
    if (world->scene->protects)
        sim_shield_judge(&world->shields[attempt->node], attempt->server, &verdict);
    sim_attempt_let_go(world, index);
    sim_request_went(world, request, &verdict);
}

void sim_attempt_answered(struct sim_world *world, uint32_t index)
{
    struct sim_attempt *attempt = &world->attempts[index];
    attempt->is_under_way = false;
    if (attempt->is_awaited)
        settle(world, index, attempt->end);
    else
        sim_attempt_let_go(world, index);
}

void sim_attempt_timeout(struct sim_world *world, uint32_t index, uint32_t mark)
{
    struct sim_attempt *attempt = &world->attempts[index];
    if (attempt->mark != mark || !attempt->is_awaited)
        return;
    if (world->scene->notices && sim_server_withdraw(&world->servers[attempt->server], index))
        attempt->is_under_way = false;
    settle(world, index, SIM_EXPIRED);
}
