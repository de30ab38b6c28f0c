/* SPDX-License-Identifier: Apache-2.0 */
/* sim/model/server.h - a virtual server: some requests at once, a bounded queue behind them, and a
 * speed that may change while it works.
 *
 * Work is measured in nanoseconds at speed 1. First come, first served. A server does not know
 * whether anybody still waits for the answer, unless it is told (withdraw).
 *
 * Time:   the agenda's. It enters SIM_SERVED events for itself: `which` is the server's index times
 *         SIM_SLOTS_MAX plus the slot.
 * Memory: fixed; embedded; nothing to free. Threads: one. */
#ifndef PANDO_SIM_MODEL_SERVER_H
#define PANDO_SIM_MODEL_SERVER_H

#include "sim/model/agenda.h"

enum {
    SIM_SLOTS_MAX = 8,
    SIM_QUEUE_MAX = 4096,
    SIM_NOBODY = UINT32_MAX,
};

struct sim_job {
    uint32_t who; /* the world's */
    double   work_ns;
};

struct sim_slot {
    struct sim_job job; /* who is SIM_NOBODY: free */
    uint64_t       since_ns;
    uint32_t       mark;
};

struct sim_server {
    struct sim_agenda *agenda;
    uint32_t           index;
    uint32_t           served_event; /* sim_event.what */
    unsigned           slots_count;
    unsigned           busy_count;
    double             base;  /* speed when it has all of its machine */
    double             speed; /* now; 0: it stands still */
    struct sim_slot    slots[SIM_SLOTS_MAX];
    struct sim_job    *queue; /* a ring */
    uint32_t           queue_room;
    uint32_t           queue_first, queue_count;
};

/* @server is zeroed but for agenda, index, served_event, slots_count, base and queue_room. */
void sim_server_init(struct sim_server *server);

/* Frees the queue. */
void sim_server_fini(struct sim_server *server);

/* Takes a job; false: the queue is full, it was refused. */
bool sim_server_give(struct sim_server *server, struct sim_job job);

/* A SIM_SERVED event has come: who is done; SIM_NOBODY: it was no longer meant. */
uint32_t sim_server_served(struct sim_server *server, const struct sim_event *event);

/* Takes a job that waits out of the queue; false: it does not wait there. */
bool sim_server_withdraw(struct sim_server *server, uint32_t who);

/* From now on it works at this speed. */
void sim_server_set_speed(struct sim_server *server, double speed);

/* Requests that it has, worked on or waiting. */
static inline uint32_t sim_server_inflight(const struct sim_server *server)
{
    return server->busy_count + server->queue_count;
}

#endif
