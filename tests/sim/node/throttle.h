/* SPDX-License-Identifier: Apache-2.0 */
/* sim/node/throttle.h - the limit of concurrency of a service, on one node.
 *
 * The machine that moves the limit is the program's; here is what the program's room does around
 * it: permits, windows, a step every 100 ms. Who has no permit waits in a line, the oldest first;
 * the program also takes turns between clients and knows priorities, and tells who would wait too
 * long at once.
 *
 * Time: passed in. Memory: plain values. Threads: one. */
#ifndef PANDO_SIM_NODE_THROTTLE_H
#define PANDO_SIM_NODE_THROTTLE_H

#include "breaker/concurrency/concurrency_settings.h"
#include "sim/model/end.h"

struct sim_throttle {
    const struct concurrency_settings *settings; /* outlive it */
    const struct limit_machine        *machine;  /* NULL: there is no limit */
    struct limit_bounds                bounds;
    struct limit_state                 state;
    struct limit_window                window;
    uint32_t                           inside_count; /* requests that have a permit */
};

/* No request has a permit. */
void sim_throttle_init(struct sim_throttle *throttle, const struct concurrency_settings *settings);

/* Takes a permit; false: there is none. */
bool sim_throttle_enter(struct sim_throttle *throttle);

/* A request that had a permit since @begun_ns ended so. */
void sim_throttle_leave(struct sim_throttle *throttle, uint64_t begun_ns, uint64_t now_ns,
                        enum sim_end end);

/* Moves the limit; every 100 ms. */
void sim_throttle_look(struct sim_throttle *throttle, uint64_t now_ns);

#endif
