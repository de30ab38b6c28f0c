/* SPDX-License-Identifier: Apache-2.0 */
/* sim/model/request.c - a request's way: node, network, server, network, node.
 *
 * The happy path: comes, give, reached, served, answered, settle. A full server answers at once
 * that it is; an ill one that it failed. When the timeout comes first, the node gives the attempt
 * up, and the server, which does not hear of it, works on. */
#include "sim/model/world.h"

#include "core/units.h"
#include "sim/model/chance.h"
#include "sim/model/memory.h"

#include <assert.h>

enum { ROOM_FIRST = 1024, KEYS = 10000 };

/* --- places ----------------------------------------------------------------------------------- */

static uint32_t take_request(struct sim_world *world)
{
    uint32_t index = world->requests_free;
    if (index != SIM_NOBODY) {
        world->requests_free = world->requests[index].next_free;
    } else {
        if (world->requests_count == world->requests_room) {
            world->requests_room =
                world->requests_room == 0 ? ROOM_FIRST : world->requests_room * 2;
            world->requests =
                sim_grow(world->requests, world->requests_room * sizeof *world->requests);
        }
        index = world->requests_count++;
    }
    world->requests[index] = (struct sim_request){0};
    return index;
}

static void free_request(struct sim_world *world, uint32_t index)
{
    world->requests[index].next_free = world->requests_free;
    world->requests_free = index;
}

static uint32_t take_attempt(struct sim_world *world)
{
    uint32_t index = world->attempts_free;
    uint32_t mark = 0;
    if (index != SIM_NOBODY) {
        world->attempts_free = world->attempts[index].next_free;
        mark = world->attempts[index].mark + 1;
    } else {
        if (world->attempts_count == world->attempts_room) {
            world->attempts_room =
                world->attempts_room == 0 ? ROOM_FIRST : world->attempts_room * 2;
            world->attempts =
                sim_grow(world->attempts, world->attempts_room * sizeof *world->attempts);
        }
        index = world->attempts_count++;
    }
    world->attempts[index] = (struct sim_attempt){.mark = mark};
    return index;
}

static void let_go(struct sim_world *world, uint32_t index)
{
    struct sim_attempt *attempt = &world->attempts[index];
    if (attempt->is_awaited || attempt->is_under_way)
        return;
    attempt->next_free = world->attempts_free;
    world->attempts_free = index;
}

/* --- the request ------------------------------------------------------------------------------ */

static struct sim_second *second_of(struct sim_world *world, const struct sim_request *request)
{
    const uint64_t second = request->came_ns / NS_PER_S;
    return &world->outcome->seconds[second < SIM_SECONDS_MAX ? second : SIM_SECONDS_MAX - 1];
}

static void end_request(struct sim_world *world, uint32_t index, enum sim_end end)
{
    const struct sim_request *request = &world->requests[index];
    if (end == SIM_GOOD)
        second_of(world, request)->good++;
    if (request->is_counted) {
        world->outcome->ends[end]++;
        if (end == SIM_GOOD)
            sim_tally_add(&world->outcome->good, world->agenda.now_ns - request->came_ns);
    }
    free_request(world, index);
}

static void follow(struct sim_world *world, unsigned lane, uint32_t what, uint32_t attempt)
{
    sim_agenda_follow(&world->agenda, lane,
                      (struct sim_event){
                          .what = what,
                          .which = attempt,
                          .mark = world->attempts[attempt].mark,
                      });
}

/* Gives the request to one more server; false: there is none for it. */
static bool give(struct sim_world *world, uint32_t index)
{
    struct sim_request *request = &world->requests[index];
    const struct sim_node_ask ask = {
        .now_ns = world->agenda.now_ns,
        .key_hash = request->key_hash,
        .tried = request->tried,
        .tried_count = request->tried_count,
    };
    struct balance_probes probes;
    const size_t server = sim_node_pick(&world->nodes[request->node], &ask, &probes);
    sim_probes_send(world, request->node, &probes);
    if (server == BALANCE_NONE)
        return false;
    request->tried[request->tried_count++] = (uint32_t)server;
    world->outcome->attempts += request->is_counted;
    second_of(world, request)->attempts++;
    const uint32_t attempt = take_attempt(world);
    world->attempts[attempt] = (struct sim_attempt){
        .mark = world->attempts[attempt].mark,
        .given_ns = world->agenda.now_ns,
        .work_ns = request->work_ns,
        .request = index,
        .node = request->node,
        .server = (uint32_t)server,
        .is_awaited = true,
        .is_under_way = true,
    };
    follow(world, sim_lane_between(world, request->node, (uint32_t)server), SIM_EVENT_REACHED,
           attempt);
    if (world->scene->timeout_ms > 0)
        follow(world, world->timeout_lane, SIM_EVENT_TIMEOUT, attempt);
    return true;
}

/* One of 10,000 keys, of which the first comes with one request in a hundred, the last with one in
 * 20,000. */
static uint64_t draw_key(struct random *random)
{
    const double draw = sim_uniform(random);
    uint64_t key = (uint64_t)(draw * draw * KEYS);
    return random_mix(&key);
}

void sim_request_comes(struct sim_world *world)
{
    const uint64_t now_ns = world->agenda.now_ns;
    const uint32_t index = take_request(world);
    struct sim_request *request = &world->requests[index];
    request->came_ns = now_ns;
    request->work_ns =
        sim_exponential(&world->working, world->scene->service_ms * (double)NS_PER_MS);
    request->key_hash = draw_key(&world->choosing);
    request->node = random_below(random_next(&world->choosing), world->scene->nodes_count);
    request->is_counted = now_ns >= world->warm_ns;
    world->outcome->requests += request->is_counted;
    second_of(world, request)->requests++;
    if (!give(world, index))
        end_request(world, index, SIM_SHED);
}

/* --- the attempt ------------------------------------------------------------------------------ */

/* The node hears how an attempt went, or gives it up. */
static void settle(struct sim_world *world, uint32_t index, enum sim_end end)
{
    struct sim_attempt *attempt = &world->attempts[index];
    const uint32_t request = attempt->request;
    const struct sample sample = {
        .now_ns = world->agenda.now_ns,
        .latency_ns = end == SIM_EXPIRED ? 0 : world->agenda.now_ns - attempt->given_ns,
        .outcome = end == SIM_GOOD      ? BALANCE_ANSWERED
                   : end == SIM_EXPIRED ? BALANCE_FAILED
                                        : BALANCE_ERROR,
        .report = end == SIM_EXPIRED ? (struct balance_report){.has = 0} : attempt->report,
    };
    sim_node_finished(&world->nodes[attempt->node], attempt->server, &sample);
    attempt->is_awaited = false;
    let_go(world, index);
    end_request(world, request, end);
}

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

void sim_attempt_answered(struct sim_world *world, uint32_t index)
{
    struct sim_attempt *attempt = &world->attempts[index];
    attempt->is_under_way = false;
    if (attempt->is_awaited)
        settle(world, index, attempt->end);
    else
        let_go(world, index);
}

void sim_attempt_timeout(struct sim_world *world, uint32_t index, uint32_t mark)
{
    struct sim_attempt *attempt = &world->attempts[index];
    if (attempt->mark == mark && attempt->is_awaited)
        settle(world, index, SIM_EXPIRED);
}
