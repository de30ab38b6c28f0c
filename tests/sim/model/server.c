/* SPDX-License-Identifier: Apache-2.0 */
/* sim/model/server.c - slots, a queue, and work that is moved on when the speed changes. */
#include "sim/model/server.h"

#include "sim/model/memory.h"

#include <math.h>

void sim_server_init(struct sim_server *server)
{
    server->speed = server->base;
    server->queue = sim_take(server->queue_room * sizeof *server->queue);
    for (unsigned i = 0; i < SIM_SLOTS_MAX; i++)
        server->slots[i].job.who = SIM_NOBODY;
}

void sim_server_fini(struct sim_server *server)
{
    free(server->queue);
    server->queue = NULL;
}

/* Enters the end of a slot's job as it looks at this speed. */
static void expect(struct sim_server *server, unsigned slot_index)
{
    struct sim_slot *slot = &server->slots[slot_index];
    slot->mark++;
    slot->since_ns = server->agenda->now_ns;
    if (server->speed <= 0)
        return;
    sim_agenda_enter(
        server->agenda,
        (struct sim_event){
            .at_ns = slot->since_ns + (uint64_t)llround(slot->job.work_ns / server->speed),
            .what = server->served_event,
            .which = server->index * SIM_SLOTS_MAX + slot_index,
            .mark = slot->mark,
        });
}

static void begin(struct sim_server *server, unsigned slot_index, struct sim_job job)
{
    server->slots[slot_index].job = job;
    server->busy_count++;
    expect(server, slot_index);
}

bool sim_server_give(struct sim_server *server, struct sim_job job)
{
    for (unsigned i = 0; server->busy_count < server->slots_count && i < server->slots_count; i++) {
        if (server->slots[i].job.who != SIM_NOBODY)
            continue;
        begin(server, i, job);
        return true;
    }
    if (server->queue_count == server->queue_room)
        return false;
    server->queue[(server->queue_first + server->queue_count++) % server->queue_room] = job;
    return true;
}

uint32_t sim_server_served(struct sim_server *server, const struct sim_event *event)
{
    const unsigned slot_index = event->which % SIM_SLOTS_MAX;
    struct sim_slot *slot = &server->slots[slot_index];
    if (slot->mark != event->mark || slot->job.who == SIM_NOBODY)
        return SIM_NOBODY;
    const uint32_t who = slot->job.who;
    slot->job.who = SIM_NOBODY;
    server->busy_count--;
    if (server->queue_count > 0) {
        const struct sim_job next = server->queue[server->queue_first];
        server->queue_first = (server->queue_first + 1) % server->queue_room;
        server->queue_count--;
        begin(server, slot_index, next);
    }
    return who;
}

bool sim_server_withdraw(struct sim_server *server, uint32_t who)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < server->queue_count; i++) {
        const struct sim_job job = server->queue[(server->queue_first + i) % server->queue_room];
        if (job.who != who)
            server->queue[(server->queue_first + kept++) % server->queue_room] = job;
    }
    const bool found = kept < server->queue_count;
    server->queue_count = kept;
    return found;
}

void sim_server_set_speed(struct sim_server *server, double speed)
{
    const uint64_t now_ns = server->agenda->now_ns;
    const double before = server->speed;
    server->speed = speed;
    for (unsigned i = 0; i < server->slots_count; i++) {
        struct sim_slot *slot = &server->slots[i];
        if (slot->job.who == SIM_NOBODY)
            continue;
        const double done_ns = before * (double)(now_ns - slot->since_ns);
        slot->job.work_ns = done_ns < slot->job.work_ns ? slot->job.work_ns - done_ns : 0;
        expect(server, i);
    }
}
