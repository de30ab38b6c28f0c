/* SPDX-License-Identifier: Apache-2.0 */
/* sim/world/request.c - a request on its node: it comes, is given to a server, perhaps to
 * others after that, and ends once.
 *
 * The happy path: comes, give, (attempt.c), sim_request_went, end. */
#include "sim/world/world.h"

#include "breaker/retry/retry.h"
#include "core/units.h"
#include "sim/model/chance.h"

enum { KEYS = 10000 };

static struct sim_shield *shield_of(const struct sim_world *world,
                                    const struct sim_request *request)
{
    return &world->shields[request->node];
}

/* --- the end ---------------------------------------------------------------------------------- */

static struct sim_second *second_of(struct sim_world *world, const struct sim_request *request)
{
    const uint64_t second = request->came_ns / NS_PER_S;
    return &world->outcome->seconds[second < SIM_SECONDS_MAX ? second : SIM_SECONDS_MAX - 1];
}

static void end(struct sim_world *world, uint32_t index, enum sim_end how)
{
    const struct sim_request *request = &world->requests[index];
    if (how == SIM_GOOD)
        second_of(world, request)->good++;
    if (request->is_counted) {
        world->outcome->ends[how]++;
        if (how == SIM_GOOD)
            sim_tally_add(&world->outcome->good, world->agenda.now_ns - request->came_ns);
    }
    sim_request_free(world, index);
}

/* --- to a server ------------------------------------------------------------------------------ */

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
    request->stay = SIM_AT_SERVER;
    shield_of(world, request)->attempts_count++;
    world->outcome->attempts += request->is_counted;
    world->outcome->to_first += request->is_counted && server == 0;
    second_of(world, request)->attempts++;
    sim_attempt_begin(world, index, (uint32_t)server);
    return true;
}

/* --- coming ----------------------------------------------------------------------------------- */

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
    const struct sim_scene *scene = world->scene;
    const uint64_t now_ns = world->agenda.now_ns;
    const uint32_t index = sim_request_take(world);
    struct sim_request *request = &world->requests[index];
    request->came_ns = now_ns;
    request->work_ns = sim_exponential(&world->working, scene->service_ms * (double)NS_PER_MS);
    request->key_hash = draw_key(&world->choosing);
    request->node = random_below(random_next(&world->choosing), scene->nodes_count);
    request->is_counted = now_ns >= world->warm_ns;
    world->outcome->requests += request->is_counted;
    second_of(world, request)->requests++;
    if (!give(world, index))
        end(world, index, SIM_SHED);
}

/* --- once more -------------------------------------------------------------------------------- */

static void discharge(struct sim_world *world, struct sim_request *request)
{
    if (request->is_charged)
        shield_of(world, request)->charged_count--;
    request->is_charged = false;
}

static void give_again(struct sim_world *world, uint32_t index)
{
    struct sim_request *request = &world->requests[index];
    if (give(world, index))
        return;
    discharge(world, request);
    end(world, index, request->end);
}

/* It may be given once more, perhaps after a pause. */
static void proceed(struct sim_world *world, uint32_t index)
{
    struct sim_request *request = &world->requests[index];
    struct sim_shield *shield = shield_of(world, request);
    const uint64_t pause_ns = retry_pause_ns(shield->service->retry.pause_ns, request->tried_count,
                                             random_next(&shield->draws));
    if (pause_ns == 0) {
        give_again(world, index);
        return;
    }
    request->stay = SIM_PAUSING;
    sim_agenda_enter(&world->agenda, (struct sim_event){
                                         .at_ns = world->agenda.now_ns + pause_ns,
                                         .what = SIM_EVENT_AGAIN,
                                         .which = index,
                                         .mark = request->mark,
                                     });
}

void sim_request_again(struct sim_world *world, uint32_t index, uint32_t mark)
{
    if (world->requests[index].mark == mark)
        give_again(world, index);
}

/* --- waiting for the budget ------------------------------------------------------------------- */

static void wait_for_budget(struct sim_world *world, uint32_t index)
{
    struct sim_request *request = &world->requests[index];
    request->stay = SIM_FOR_BUDGET;
    request->mark++;
    sim_line_add(world, &shield_of(world, request)->for_budget, index);
    sim_agenda_follow(
        &world->agenda, world->budget_lane,
        (struct sim_event){.what = SIM_EVENT_WAITED, .which = index, .mark = request->mark});
}

static void stop_waiting(struct sim_world *world, uint32_t index)
{
    struct sim_request *request = &world->requests[index];
    sim_line_remove(world, &shield_of(world, request)->for_budget, index);
    request->mark++;
}

void sim_request_waited(struct sim_world *world, uint32_t index, uint32_t mark)
{
    const struct sim_request *request = &world->requests[index];
    if (request->mark != mark)
        return;
    const enum sim_end how = request->end;
    stop_waiting(world, index);
    end(world, index, how);
}

/* A place in the budget is free: who has waited longest may take it. */
static void serve_budget(struct sim_world *world, struct sim_shield *shield)
{
    while (shield->for_budget.count > 0 && sim_shield_charge(shield)) {
        const uint32_t index = shield->for_budget.first;
        stop_waiting(world, index);
        world->requests[index].is_charged = true;
        proceed(world, index);
    }
}

/* It would be tried again, on the budget. */
static void ask_budget(struct sim_world *world, uint32_t index)
{
    struct sim_request *request = &world->requests[index];
    struct sim_shield *shield = shield_of(world, request);
    if (shield->for_budget.count == 0 && sim_shield_charge(shield)) {
        request->is_charged = true;
        proceed(world, index);
    } else if (shield->service->retry.budget_wait_ns > 0) {
        wait_for_budget(world, index);
    } else {
        end(world, index, request->end);
    }
}

void sim_request_went(struct sim_world *world, uint32_t index, const struct sim_finding *finding)
{
    struct sim_request *request = &world->requests[index];
    struct sim_shield *shield = shield_of(world, request);
    bool is_charged = false;
    request->end = finding->end;
    shield->attempts_count--;
    discharge(world, request);
    if (finding->end == SIM_GOOD || !world->scene->protects ||
        !sim_shield_again(shield, finding, request->tried_count, &is_charged))
        end(world, index, finding->end);
    else if (is_charged)
        ask_budget(world, index);
    else
        proceed(world, index);
    if (world->scene->protects)
        serve_budget(world, shield);
}
