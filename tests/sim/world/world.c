/* SPDX-License-Identifier: Apache-2.0 */
/* sim/world/world.c - lays a world out as its scene says, and lets it run. */
#include "sim/world/world.h"

#include "core/units.h"
#include "sim/model/chance.h"
#include "sim/model/memory.h"

#include <assert.h>
#include <math.h>

enum {
    FAST_WEIGHT = 3, /* of a fast server; a slow one has 1 */
    TAKEN_FOR_S = 2, /* how long others take the same part of a machine, on average */
    LOOK_EVERY_MS = 5,
    CONTROL_EVERY_MS = 100,
};

/* What others take of a server's machine: nothing half of the time, and seldom nearly all. */
static const struct {
    double up_to; /* the draw, 0 to 1 */
    double part;
} antagonist[] = {{0.50, 0.0}, {0.80, 0.3}, {0.95, 0.6}, {1.0, 0.85}};
static const double antagonist_mean = 0.30 * 0.3 + 0.15 * 0.6 + 0.05 * 0.85;

/* Streams of draws; see sim_stream(). */
enum { COMING = 1, WORKING, TAKING, FALLING_ILL, CHOOSING, NODES, SHIELDS = 1000000 };

/* --- laying out ------------------------------------------------------------------------------- */

static bool is_fast(const struct sim_scene *scene, uint32_t server)
{
    return scene->speeds != SIM_EQUAL && server % 2 == 0;
}

static double base_speed(const struct sim_scene *scene, uint32_t server)
{
    if (scene->speeds == SIM_EQUAL)
        return 1.0;
    return is_fast(scene, server) ? 1.5 : 0.5;
}

static double draw_part(struct random *random)
{
    const double draw = sim_uniform(random);
    unsigned i = 0;
    while (draw > antagonist[i].up_to)
        i++;
    return antagonist[i].part;
}

static void expect_taken(struct sim_world *world, uint32_t server)
{
    const double for_ns = sim_exponential(&world->taking, TAKEN_FOR_S * (double)NS_PER_S);
    sim_agenda_enter(&world->agenda, (struct sim_event){
                                         .at_ns = world->agenda.now_ns + (uint64_t)for_ns,
                                         .what = SIM_EVENT_TAKEN,
                                         .which = server,
                                     });
}

static void lay_servers(struct sim_world *world)
{
    const struct sim_scene *scene = world->scene;
    world->servers = sim_take(scene->servers_count * sizeof *world->servers);
    world->ill = sim_take(scene->servers_count * sizeof *world->ill);
    world->own = sim_take(scene->servers_count * sizeof *world->own);
    double speeds = 0;
    for (uint32_t i = 0; i < scene->servers_count; i++) {
        world->own[i] = base_speed(scene, i);
        speeds += world->own[i];
        world->servers[i] = (struct sim_server){
            .agenda = &world->agenda,
            .index = i,
            .served_event = SIM_EVENT_SERVED,
            .slots_count = scene->slots_count,
            .base = world->own[i],
            .queue_room = scene->queue_room,
        };
        sim_server_init(&world->servers[i]);
        if (!scene->antagonists)
            continue;
        sim_server_set_speed(&world->servers[i], world->own[i] * (1 - draw_part(&world->taking)));
        expect_taken(world, i);
    }
    const struct balance_strategy *strategy = balance_at(scene->policy->service->balance.strategy);
    if (strategy->has_probes || strategy->has_reports)
        world->gauges = sim_take(scene->servers_count * sizeof *world->gauges);
    const double left = scene->antagonists ? 1 - antagonist_mean : 1;
    world->capacity = speeds * left * scene->slots_count / (scene->service_ms * (double)NS_PER_MS);
}

/* Nodes look at moments of their own. */
static void lay_shield(struct sim_world *world, uint32_t node)
{
    const struct sim_scene *scene = world->scene;
    sim_shield_init(&world->shields[node], scene->policy, &world->nodes[node],
                    sim_stream(scene->seed, SHIELDS + node));
    sim_agenda_enter(&world->agenda,
                     (struct sim_event){
                         .at_ns = CONTROL_EVERY_MS * NS_PER_MS * node / scene->nodes_count,
                         .what = SIM_EVENT_CONTROL,
                         .which = node,
                     });
}

static void lay_nodes(struct sim_world *world)
{
    const struct sim_scene *scene = world->scene;
    uint16_t *weights = sim_take(scene->servers_count * sizeof *weights);
    uint32_t *zones = sim_take(scene->servers_count * sizeof *zones);
    for (uint32_t i = 0; i < scene->servers_count; i++) {
        weights[i] = scene->speeds == SIM_TOLD && is_fast(scene, i) ? FAST_WEIGHT : 1;
        zones[i] = scene->zones_count > 0 ? i % scene->zones_count : 0;
    }
    world->nodes = sim_take(scene->nodes_count * sizeof *world->nodes);
    world->shields = sim_take(scene->nodes_count * sizeof *world->shields);
    for (uint32_t i = 0; i < scene->nodes_count; i++) {
        const struct sim_node_plan plan = {
            .settings = &scene->policy->service->balance,
            .weights = weights,
            .zones = scene->zones_count > 0 ? zones : NULL,
            .zone = scene->zones_count > 0 ? i % scene->zones_count : 0,
            .servers_count = scene->servers_count,
            .draws = sim_stream(scene->seed, NODES + i),
        };
        sim_node_init(&world->nodes[i], &plan);
        if (scene->protects)
            lay_shield(world, i);
    }
    free(weights);
    free(zones);
}

static uint64_t ns_of_s(double s)
{
    return (uint64_t)llround(s * (double)NS_PER_S);
}

static void expect_request(struct sim_world *world)
{
    const double mean_ns = 1 / (world->capacity * world->load);
    sim_agenda_enter(&world->agenda,
                     (struct sim_event){
                         .at_ns = world->agenda.now_ns +
                                  (uint64_t)llround(sim_exponential(&world->coming, mean_ns)),
                         .what = SIM_EVENT_COMES,
                     });
}

static void expect_change(struct sim_world *world)
{
    if (world->change_next < world->scene->changes_count)
        sim_agenda_enter(&world->agenda,
                         (struct sim_event){
                             .at_ns = ns_of_s(world->scene->changes[world->change_next].at_s),
                             .what = SIM_EVENT_CHANGE,
                         });
}

static void lay(struct sim_world *world)
{
    const struct sim_scene *scene = world->scene;
    world->coming = sim_stream(scene->seed, COMING);
    world->working = sim_stream(scene->seed, WORKING);
    world->taking = sim_stream(scene->seed, TAKING);
    world->falling_ill = sim_stream(scene->seed, FALLING_ILL);
    world->choosing = sim_stream(scene->seed, CHOOSING);
    world->requests_free = world->attempts_free = world->probes_free = SIM_NOBODY;
    world->load = scene->load;
    world->warm_ns = ns_of_s(scene->warm_s);
    world->end_ns = world->warm_ns + ns_of_s(scene->run_s);
    world->network_lane = sim_agenda_lane(&world->agenda, ns_of_s(scene->network_ms / 1000));
    world->far_lane = sim_agenda_lane(&world->agenda, ns_of_s(scene->far_ms / 1000));
    world->timeout_lane = sim_agenda_lane(&world->agenda, ns_of_s(scene->timeout_ms / 1000));
    world->permit_lane =
        sim_agenda_lane(&world->agenda, scene->policy->service->concurrency.most_wait_ns);
    world->budget_lane =
        sim_agenda_lane(&world->agenda, scene->policy->service->retry.budget_wait_ns);
    lay_servers(world);
    lay_nodes(world);
    expect_request(world);
    expect_change(world);
    if (scene->counts_queues)
        sim_agenda_enter(&world->agenda,
                         (struct sim_event){.at_ns = world->warm_ns, .what = SIM_EVENT_LOOK});
}

static void clear(struct sim_world *world)
{
    for (uint32_t i = 0; i < world->scene->servers_count; i++)
        sim_server_fini(&world->servers[i]);
    for (uint32_t i = 0; i < world->scene->nodes_count; i++)
        sim_node_fini(&world->nodes[i]);
    for (uint32_t i = 0; i < world->scene->nodes_count; i++)
        sim_shield_fini(&world->shields[i]);
    sim_agenda_fini(&world->agenda);
    free(world->servers);
    free(world->nodes);
    free(world->shields);
    free(world->requests);
    free(world->attempts);
    free(world->probes);
    free(world->gauges);
    free(world->ill);
    free(world->own);
}

/* --- events ----------------------------------------------------------------------------------- */

static bool is_over(const struct sim_world *world)
{
    return world->agenda.now_ns >= world->end_ns;
}

static void comes(struct sim_world *world, const struct sim_event *event)
{
    (void)event;
    if (is_over(world))
        return;
    expect_request(world);
    sim_request_comes(world);
}

static void reached(struct sim_world *world, const struct sim_event *event)
{
    sim_attempt_reached(world, event->which);
}

static void served(struct sim_world *world, const struct sim_event *event)
{
    sim_server_note(world, event->which / SIM_SLOTS_MAX);
    const uint32_t who = sim_server_served(&world->servers[event->which / SIM_SLOTS_MAX], event);
    if (who != SIM_NOBODY)
        sim_attempt_served(world, who);
}

static void answered(struct sim_world *world, const struct sim_event *event)
{
    sim_attempt_answered(world, event->which);
}

static void timeout(struct sim_world *world, const struct sim_event *event)
{
    sim_attempt_timeout(world, event->which, event->mark);
}

static void taken(struct sim_world *world, const struct sim_event *event)
{
    const double part = draw_part(&world->taking);
    sim_server_note(world, event->which);
    sim_server_set_speed(&world->servers[event->which], world->own[event->which] * (1 - part));
    if (!is_over(world))
        expect_taken(world, event->which);
}

static void change(struct sim_world *world, const struct sim_event *event)
{
    (void)event;
    const struct sim_change *now = &world->scene->changes[world->change_next++];
    if (now->load > 0)
        world->load = now->load;
    for (uint32_t i = now->first; i < now->first + now->count; i++) {
        world->own[i] = world->servers[i].base * now->speed;
        world->ill[i] = now->ill;
        sim_server_set_speed(&world->servers[i], world->own[i]);
    }
    expect_change(world);
}

static void again(struct sim_world *world, const struct sim_event *event)
{
    sim_request_again(world, event->which, event->mark);
}

static void waited(struct sim_world *world, const struct sim_event *event)
{
    sim_request_waited(world, event->which, event->mark);
}

static void control(struct sim_world *world, const struct sim_event *event)
{
    sim_shield_look(&world->shields[event->which], world->agenda.now_ns);
    sim_requests_admit(world, event->which);
    if (!is_over(world))
        sim_agenda_enter(&world->agenda,
                         (struct sim_event){
                             .at_ns = world->agenda.now_ns + CONTROL_EVERY_MS * NS_PER_MS,
                             .what = SIM_EVENT_CONTROL,
                             .which = event->which,
                         });
}

static void asked(struct sim_world *world, const struct sim_event *event)
{
    sim_probe_asked(world, event->which);
}

static void told(struct sim_world *world, const struct sim_event *event)
{
    sim_probe_told(world, event->which);
}

static void look(struct sim_world *world, const struct sim_event *event)
{
    (void)event;
    const uint32_t count = world->scene->servers_count;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t inflight = sim_server_inflight(&world->servers[i]);
        for (uint32_t k = 0; k <= inflight && k < SIM_QUEUES_COUNTED; k++)
            world->outcome->with_least[k] += 1.0 / count;
    }
    world->outcome->looks_count++;
    if (!is_over(world))
        sim_agenda_enter(&world->agenda,
                         (struct sim_event){
                             .at_ns = world->agenda.now_ns + LOOK_EVERY_MS * NS_PER_MS,
                             .what = SIM_EVENT_LOOK,
                         });
}

void sim_run(const struct sim_scene *scene, struct sim_outcome *outcome)
{
    static void (*const handlers[])(struct sim_world *, const struct sim_event *) = {
#define X(name, handler, gist) [SIM_EVENT_##name] = handler,
        SIM_EVENTS(X)
#undef X
    };
    *outcome = (struct sim_outcome){0};
    struct sim_world world = {.scene = scene, .outcome = outcome};
    lay(&world);
    struct sim_event event;
    while (sim_agenda_next(&world.agenda, &event)) {
        handlers[event.what](&world, &event);
        outcome->events_count++;
    }
    for (unsigned i = 0; i < SIM_QUEUES_COUNTED && outcome->looks_count > 0; i++)
        outcome->with_least[i] /= (double)outcome->looks_count;
    clear(&world);
}
