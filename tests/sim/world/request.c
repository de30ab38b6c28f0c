/* SPDX-License-Identifier: Apache-2.0 */
/* sim/world/request.c - a request on its node: it comes, is let in, given to a server, perhaps to
 * others after that, and ends once.
 *
 * The happy path: comes, begin, give, (attempt.c), sim_request_went, end. */
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

static void leave(const struct sim_world *world, const struct sim_request *request,
                  enum sim_end how)
{
    const struct sim_verdict verdict = {
        .passage = request->passage,
        .end = how,
        .says_when = world->scene->says_when,
        .latency_ns = world->agenda.now_ns - request->came_ns,
    };
    sim_shield_leave(shield_of(world, request), &verdict);
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
    const uint32_t node = request->node;
    const bool is_inside = world->scene->protects && request->stay != SIM_OUTSIDE;
    const bool has_permit = is_inside && request->stay != SIM_FOR_PERMIT;
    if (is_inside)
        leave(world, request, how);
    if (has_permit)
        sim_throttle_leave(&shield_of(world, request)->throttle, request->begun_ns,
                           world->agenda.now_ns, how);
    sim_request_free(world, index);
    if (has_permit)
        sim_requests_admit(world, node);
}

/* --- to a server ------------------------------------------------------------------------------ */

/* The server for it, or SIM_NOBODY. A gate's refusal only makes it ask again. */
static uint32_t find_server(struct sim_world *world, struct sim_request *request,
                            struct sim_passage *passage)
{
    struct sim_node *node = &world->nodes[request->node];
    while (request->tried_count < SIM_TRIED_MAX) {
        const struct sim_node_ask ask = {
            .now_ns = world->agenda.now_ns,
            .key_hash = request->key_hash,
            .tried = request->tried,
            .tried_count = request->tried_count,
        };
        struct balance_probes probes;
        const size_t server = sim_node_pick(node, &ask, &probes);
        sim_probes_send(world, request->node, &probes);
        if (server == BALANCE_NONE)
            return SIM_NOBODY;
        request->tried[request->tried_count++] = (uint32_t)server;
        if (!world->scene->protects ||
            sim_fuse_pass(&shield_of(world, request)->fuse, (uint32_t)server, passage))
            return (uint32_t)server;
        sim_node_put_back(node, (uint32_t)server);
    }
    return SIM_NOBODY;
}

/* Gives the request to one more server; false: there is none for it. */
static bool give(struct sim_world *world, uint32_t index)
{
    struct sim_request *request = &world->requests[index];
    struct sim_passage passage = {.is_trial = false};
    const uint32_t server = find_server(world, request, &passage);
    if (server == SIM_NOBODY)
        return false;
    request->stay = SIM_AT_SERVER;
    request->offered_count++;
    shield_of(world, request)->attempts_count++;
    world->outcome->attempts += request->is_counted;
    world->outcome->to_first += request->is_counted && server == 0;
    world->outcome->to_far +=
        request->is_counted &&
        sim_lane_between(world, request->node, (uint32_t)server) == world->far_lane;
    second_of(world, request)->attempts++;
    sim_attempt_begin(world, index, server, &passage);
    return true;
}

/* It has a permit. */
static void begin(struct sim_world *world, uint32_t index)
{
    world->requests[index].begun_ns = world->agenda.now_ns;
    world->requests[index].stay = SIM_AT_SERVER;
    if (!give(world, index))
        end(world, index, SIM_SHED);
}

/* --- waiting ---------------------------------------------------------------------------------- */

static struct sim_line *line_of(struct sim_world *world, const struct sim_request *request)
{
    struct sim_shield *shield = shield_of(world, request);
    return request->stay == SIM_FOR_PERMIT ? &shield->for_permit : &shield->for_budget;
}

static void wait_in_line(struct sim_world *world, uint32_t index, enum sim_stay stay)
{
    struct sim_request *request = &world->requests[index];
    request->stay = stay;
    request->mark++;
    sim_line_add(world, line_of(world, request), index);
    sim_agenda_follow(
        &world->agenda, stay == SIM_FOR_PERMIT ? world->permit_lane : world->budget_lane,
        (struct sim_event){.what = SIM_EVENT_WAITED, .which = index, .mark = request->mark});
}

static void stop_waiting(struct sim_world *world, uint32_t index)
{
    struct sim_request *request = &world->requests[index];
    sim_line_remove(world, line_of(world, request), index);
    request->mark++;
}

void sim_request_waited(struct sim_world *world, uint32_t index, uint32_t mark)
{
    const struct sim_request *request = &world->requests[index];
    if (request->mark != mark)
        return;
    const enum sim_end how = request->stay == SIM_FOR_PERMIT ? SIM_SHED : request->end;
    stop_waiting(world, index);
    end(world, index, how);
}

void sim_requests_admit(struct sim_world *world, uint32_t node)
{
    struct sim_shield *shield = &world->shields[node];
    while (shield->for_permit.count > 0 && sim_throttle_enter(&shield->throttle)) {
        const uint32_t index = shield->for_permit.first;
        stop_waiting(world, index);
        begin(world, index);
    }
}

/* Its permit, its place in the line, or the end. */
static void let_in(struct sim_world *world, uint32_t index)
{
    struct sim_request *request = &world->requests[index];
    struct sim_shield *shield = shield_of(world, request);
    request->stay = SIM_OUTSIDE;
    if (world->scene->protects && !sim_shield_enter(shield, &request->passage)) {
        end(world, index, SIM_SHED);
        return;
    }
    request->stay = SIM_FOR_PERMIT;
    if (!world->scene->protects ||
        (shield->for_permit.count == 0 && sim_throttle_enter(&shield->throttle)))
        begin(world, index);
    else if (shield->for_permit.count < shield->throttle.settings->waiting)
        wait_in_line(world, index, SIM_FOR_PERMIT);
    else
        end(world, index, SIM_SHED);
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

/* With zones, the first has twice as many requests as each of the others. */
static uint32_t draw_node(struct random *random, const struct sim_scene *scene)
{
    const uint32_t zones = scene->zones_count;
    const uint32_t nodes = scene->nodes_count;
    const uint32_t more = zones > 0 ? nodes / zones : 0;
    const uint32_t draw = random_below(random_next(random), nodes + more);
    return draw < nodes ? draw : (draw - nodes) * zones;
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
    request->node = draw_node(&world->choosing, scene);
    request->is_counted = now_ns >= world->warm_ns;
    world->outcome->requests += request->is_counted;
    second_of(world, request)->requests++;
    let_in(world, index);
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
        wait_in_line(world, index, SIM_FOR_BUDGET);
    } else {
        end(world, index, request->end);
    }
}

void sim_request_went(struct sim_world *world, uint32_t index, const struct sim_verdict *verdict)
{
    struct sim_request *request = &world->requests[index];
    struct sim_shield *shield = shield_of(world, request);
    bool is_charged = false;
    request->end = verdict->end;
    shield->attempts_count--;
    discharge(world, request);
    if (verdict->end == SIM_GOOD || !world->scene->protects ||
        !sim_shield_again(shield, verdict, request->offered_count, &is_charged))
        end(world, index, verdict->end);
    else if (is_charged)
        ask_budget(world, index);
    else
        proceed(world, index);
    if (world->scene->protects)
        serve_budget(world, shield);
}
