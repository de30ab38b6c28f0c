/* SPDX-License-Identifier: Apache-2.0 */
/* sim/world/scene.h - what is simulated, and what came of it. Plain values.
 *
 * Everything that a run depends on stands in its scene, so the same scene gives the same outcome,
 * to the last bit. Work, arrivals, speeds and picks are drawn from streams of their own: two scenes
 * that differ only in the strategy get the same requests at the same moments. */
#ifndef PANDO_SIM_MODEL_SCENE_H
#define PANDO_SIM_MODEL_SCENE_H

#include "sim/model/end.h"
#include "sim/model/tally.h"
#include "sim/node/policy.h"

#include <stdint.h>

/* How fast the servers are, and whether the weights say so. The mean is always 1. */
#define SIM_SPEEDS(X)                                                                              \
    X(EQUAL, "all alike")                                                                          \
    X(TOLD, "half of them three times as fast as the others, and weighted so")                     \
    X(UNTOLD, "half of them three times as fast as the others, and nobody says so")

enum sim_speeds {
#define X(name, gist) SIM_##name,
    SIM_SPEEDS(X)
#undef X
};

/* What happens at a moment of the run. */
struct sim_change {
    double   at_s;
    double   load;         /* from now on; 0: as before */
    uint32_t first, count; /* of these servers... */
    double   speed;        /* ...from now on so many times their own speed; 0 is a halt */
    double   ill;          /* ...and this share of their answers is a 500, at once */
};

struct sim_scene {
    const struct sim_policy *policy;
    uint64_t                 seed;
    uint32_t                 servers_count;
    uint32_t                 nodes_count;
    uint32_t                 zones_count; /* servers and nodes take turns; 0: there are none */
    unsigned                 slots_count; /* requests that a server works on at once */
    uint32_t                 queue_room;  /* and that wait there */
    double                   service_ms;  /* mean work of a request; exponential */
    double                   load;        /* of what all servers can do */
    enum sim_speeds          speeds;
    bool                     antagonists;
    double                   network_ms; /* one way */
    double                   far_ms;     /* likewise, to another zone */
    double                   timeout_ms; /* of an attempt; 0: none */
    bool                     protects;  /* the policy's guards are at work, not only its strategy */
    bool                     says_when; /* a full server's 503 has Retry-After */
    bool                     notices;   /* a server drops what nobody waits for any more */
    double                   warm_s;    /* not counted */
    double                   run_s;     /* counted: requests that come in this time */
    const struct sim_change *changes;   /* in order of time */
    unsigned                 changes_count;
    bool                     counts_queues; /* sim_outcome.with_least is wanted */
};

enum { SIM_QUEUES_COUNTED = 12, SIM_SECONDS_MAX = 1024 };

struct sim_second {
    uint32_t requests, good, attempts;
};

struct sim_outcome {
    uint64_t         requests; /* that were counted */
    uint64_t         ends[SIM_ENDS_COUNT];
    uint64_t         attempts; /* given to servers, for these requests */
    uint64_t         to_first; /* of them, to server 0 */
    uint64_t         to_far;   /* of them, to another zone */
    uint64_t         probes;   /* sent, ever */
    struct sim_tally good;     /* from a request's coming to its answer, of the good ones */
    /* The share of servers that had at least so many requests, on average. */
    double            with_least[SIM_QUEUES_COUNTED];
    uint64_t          looks_count;
    struct sim_second seconds[SIM_SECONDS_MAX]; /* requests by the second in which they came */
    uint64_t          events_count;
};

/* Runs @scene from its beginning to its last answer. @outcome is overwritten. */
void sim_run(const struct sim_scene *scene, struct sim_outcome *outcome);

#endif
