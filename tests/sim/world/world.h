/* SPDX-License-Identifier: Apache-2.0 */
/* sim/world/world.h - everything of one run: servers, nodes, requests on their way.
 *
 * world.c lays it out and hands out the events, request.c leads a request through it.
 *
 * Memory: allocated at the beginning of a run, freed at its end. Threads: one. */
#ifndef PANDO_SIM_MODEL_WORLD_H
#define PANDO_SIM_MODEL_WORLD_H

#include "sim/model/agenda.h"
#include "sim/model/gauge.h"
#include "sim/model/server.h"
#include "sim/node/node.h"
#include "sim/node/shield.h"
#include "sim/world/scene.h"

/* What may happen; sim_event.what. */
#define SIM_EVENTS(X)                                                                              \
    X(COMES, comes, "a client sends a request")                                                    \
    X(REACHED, reached, "an attempt has reached its server")                                       \
    X(SERVED, served, "a server is done with an attempt")                                          \
    X(ANSWERED, answered, "an attempt's answer has reached its node")                              \
    X(TIMEOUT, timeout, "an attempt's time is over")                                               \
    X(TAKEN, taken, "what others take of a server's machine changes")                              \
    X(CHANGE, change, "the scene's next change is due")                                            \
    X(AGAIN, again, "the pause before a repetition is over")                                       \
    X(WAITED, waited, "a request has waited long enough")                                          \
    X(CONTROL, control, "control looks at targets, limits and circuit breakers")                   \
    X(ASKED, asked, "a probe has reached its server")                                              \
    X(TOLD, told, "a probe's answer has reached its node")                                         \
    X(LOOK, look, "queues are counted")

enum sim_what {
#define X(name, handler, gist) SIM_EVENT_##name,
    SIM_EVENTS(X)
#undef X
};

/* Where a request is that no server has. */
enum sim_stay { SIM_AT_SERVER, SIM_OUTSIDE, SIM_FOR_PERMIT, SIM_FOR_BUDGET, SIM_PAUSING };

/* A client's request. Its place in the table is free when it has ended. */
struct sim_request {
    uint64_t           came_ns;
    uint64_t           begun_ns; /* when it had its permit */
    uint64_t           key_hash;
    double             work_ns;
    uint32_t           node;
    uint32_t           next_free;
    uint32_t           mark; /* grows with each stay: for events that are no longer meant */
    uint32_t           before, behind; /* in a line */
    enum sim_stay      stay;
    enum sim_end       end;           /* of its last attempt */
    uint8_t            tried_count;   /* servers that it was offered to, or refused by their gate */
    uint8_t            offered_count; /* of them, the former */
    bool               is_charged;    /* its attempt has a place in the budget */
    bool               is_counted;
    struct sim_passage passage; /* through the circuit breaker of the service */
    uint32_t           tried[SIM_TRIED_MAX];
};

/* One try at one server. Its place is free when neither node nor server has it. */
struct sim_attempt {
    uint64_t           given_ns;
    double             work_ns; /* its request's */
    uint32_t           request; /* its place; good as long as the attempt is awaited */
    uint32_t           node;
    struct sim_passage passage;
    uint32_t           server;
    uint32_t     mark; /* how often the place was taken: for the timeout, which stays behind */
    uint32_t     next_free;
    uint32_t     inflight; /* at the server when it came there */
    uint64_t     reached_ns;
    bool         is_awaited;
    bool         is_under_way;    /* to, at, or from the server */
    enum sim_end end;             /* once answered */
    struct balance_report report; /* with the answer */
};

/* A question of a node to a server, how busy it is. */
struct sim_probe {
    uint32_t              node, server;
    uint32_t              next_free;
    struct balance_report report;
};

struct sim_world {
    const struct sim_scene *scene;
    struct sim_outcome     *outcome;
    struct sim_agenda       agenda;
    struct sim_server      *servers;
    struct sim_node        *nodes;
    struct sim_shield      *shields; /* by node */
    struct sim_request     *requests;
    uint32_t                requests_count, requests_room, requests_free;
    struct sim_attempt     *attempts;
    uint32_t                attempts_count, attempts_room, attempts_free;
    struct sim_probe       *probes;
    uint32_t                probes_count, probes_room, probes_free;
    struct sim_gauge       *gauges; /* by server; NULL: nobody would listen */
    double                 *ill;    /* by server: the share of its answers that are a 500 */
    double                 *own;    /* by server: its speed before others take their part */
    unsigned                network_lane, far_lane, timeout_lane, permit_lane, budget_lane;
    double                  capacity; /* requests per ns at load 1 */
    double                  load;
    unsigned                change_next;
    uint64_t                warm_ns, end_ns;
    struct random           coming, working, taking, falling_ill, choosing;
};

/* The lane between a node and a server. */
static inline unsigned sim_lane_between(const struct sim_world *world, uint32_t node,
                                        uint32_t server)
{
    const uint32_t zones = world->scene->zones_count;
    return zones == 0 || node % zones == server % zones ? world->network_lane : world->far_lane;
}

/* Before a server's busyness changes: its gauge takes note of the time until now. */
void sim_server_note(struct sim_world *world, uint32_t server);

/* Sends the probes that a node's strategy asked for. */
void sim_probes_send(struct sim_world *world, uint32_t node, const struct balance_probes *probes);

/* A probe has reached its server. */
void sim_probe_asked(struct sim_world *world, uint32_t index);

/* A probe's answer has reached its node. */
void sim_probe_told(struct sim_world *world, uint32_t index);

/* --- places.c --- */

/* A place in the table, zeroed but for its mark, which no event has. */
uint32_t sim_request_take(struct sim_world *world);

/* It has ended. */
void sim_request_free(struct sim_world *world, uint32_t index);

/* As sim_request_take(). */
uint32_t sim_attempt_take(struct sim_world *world);

/* Frees it if neither node nor server has it any more. */
void sim_attempt_let_go(struct sim_world *world, uint32_t index);

/* A request waits behind the others. */
void sim_line_add(struct sim_world *world, struct sim_line *line, uint32_t index);

/* It waits no more. */
void sim_line_remove(struct sim_world *world, struct sim_line *line, uint32_t index);

/* --- request.c --- */

/* A client sends one. */
void sim_request_comes(struct sim_world *world);

/* Its attempt is over. */
void sim_request_went(struct sim_world *world, uint32_t index, const struct sim_verdict *verdict);

/* The pause before a repetition is over, if the request still has this mark. */
void sim_request_again(struct sim_world *world, uint32_t index, uint32_t mark);

/* A request that waits has waited long enough, if it still has this mark. */
void sim_request_waited(struct sim_world *world, uint32_t index, uint32_t mark);

/* Lets in those that wait for a permit, as many as may. */
void sim_requests_admit(struct sim_world *world, uint32_t node);

/* --- attempt.c --- */

/* The request's node gives it to @server. */
void sim_attempt_begin(struct sim_world *world, uint32_t request, uint32_t server,
                       const struct sim_passage *passage);

/* An attempt has reached its server. */
void sim_attempt_reached(struct sim_world *world, uint32_t index);

/* Its server is done with it. */
void sim_attempt_served(struct sim_world *world, uint32_t index);

/* Its answer has come. */
void sim_attempt_answered(struct sim_world *world, uint32_t index);

/* Its time is over, if it is still the one with this mark. */
void sim_attempt_timeout(struct sim_world *world, uint32_t index, uint32_t mark);

#endif
