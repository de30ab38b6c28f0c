/* SPDX-License-Identifier: Apache-2.0 */
/* sim/model/agenda.h - what happens next: events of virtual time, earliest first.
 *
 * Two sorts of storage, one order. A heap (four children to a node) takes events of any time. A
 * lane takes events that all come after the same delay, so they are in order by themselves and cost
 * nothing to sort: a timeout, the way over the network. Events of one moment come in the order in
 * which they were entered, so the same entries give the same run.
 *
 * Nothing is taken out early: an event that is no longer meant carries an old mark, and who gets it
 * compares.
 *
 * Time:   nanoseconds since the beginning of the run; only next() moves it.
 * Memory: grows as needed; out of memory ends the program. Threads: one. */
#ifndef PANDO_SIM_MODEL_AGENDA_H
#define PANDO_SIM_MODEL_AGENDA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SIM_LANES_MAX = 16 };

struct sim_event {
    uint64_t at_ns;
    uint32_t order; /* the agenda's own */
    uint32_t what;  /* the world's enum */
    uint32_t which; /* to whom: an index */
    uint32_t mark;  /* to tell an event that is no longer meant */
};

struct sim_lane {
    uint64_t          delay_ns;
    struct sim_event *ring;
    uint32_t          room; /* a power of two, or 0 */
    uint32_t          first, count;
};

struct sim_agenda {
    uint64_t          now_ns;
    struct sim_event *heap;
    size_t            heap_count, heap_room;
    struct sim_lane   lanes[SIM_LANES_MAX];
    unsigned          lanes_count;
    uint32_t          order;
};

/* Zeroed is an empty agenda at the beginning of time. */
void sim_agenda_fini(struct sim_agenda *agenda);

/* The lane for this delay, made if there is none. */
unsigned sim_agenda_lane(struct sim_agenda *agenda, uint64_t delay_ns);

/* Enters @event for at_ns, which is not in the past. */
void sim_agenda_enter(struct sim_agenda *agenda, struct sim_event event);

/* Enters @event at the end of @lane; its time is now and the lane's delay. */
void sim_agenda_follow(struct sim_agenda *agenda, unsigned lane, struct sim_event event);

/* Takes the next one out and makes its time now; false: there is none. */
bool sim_agenda_next(struct sim_agenda *agenda, struct sim_event *event);

#endif
