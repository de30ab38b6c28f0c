/* SPDX-License-Identifier: Apache-2.0 */
/* sim/world/places.c - the tables of requests and attempts, and the lines that requests wait in. */
#include "sim/world/world.h"

#include "sim/model/memory.h"

enum { ROOM_FIRST = 1024 };

/* Room for one more element of @bytes at the end of a table. */
static void *widen(void *table, uint32_t count, uint32_t *room, size_t bytes)
{
    if (count < *room)
        return table;
    *room = *room == 0 ? ROOM_FIRST : *room * 2;
    return sim_grow(table, *room * bytes);
}

uint32_t sim_request_take(struct sim_world *world)
{
    uint32_t index = world->requests_free;
    uint32_t mark = 0;
    if (index != SIM_NOBODY) {
        world->requests_free = world->requests[index].next_free;
        mark = world->requests[index].mark + 1;
    } else {
        world->requests = widen(world->requests, world->requests_count, &world->requests_room,
                                sizeof *world->requests);
        index = world->requests_count++;
    }
    world->requests[index] = (struct sim_request){.mark = mark};
    return index;
}

void sim_request_free(struct sim_world *world, uint32_t index)
{
    world->requests[index].mark++;
    world->requests[index].next_free = world->requests_free;
    world->requests_free = index;
}

uint32_t sim_attempt_take(struct sim_world *world)
{
    uint32_t index = world->attempts_free;
    uint32_t mark = 0;
    if (index != SIM_NOBODY) {
        world->attempts_free = world->attempts[index].next_free;
        mark = world->attempts[index].mark + 1;
    } else {
        world->attempts = widen(world->attempts, world->attempts_count, &world->attempts_room,
                                sizeof *world->attempts);
        index = world->attempts_count++;
    }
    world->attempts[index] = (struct sim_attempt){.mark = mark};
    return index;
}

void sim_attempt_let_go(struct sim_world *world, uint32_t index)
{
    struct sim_attempt *attempt = &world->attempts[index];
    if (attempt->is_awaited || attempt->is_under_way)
        return;
    attempt->next_free = world->attempts_free;
    world->attempts_free = index;
}

void sim_line_add(struct sim_world *world, struct sim_line *line, uint32_t index)
{
    struct sim_request *request = &world->requests[index];
    request->before = line->count > 0 ? line->last : SIM_NOBODY;
    request->behind = SIM_NOBODY;
    if (line->count > 0)
        world->requests[line->last].behind = index;
    else
        line->first = index;
    line->last = index;
    line->count++;
}

void sim_line_remove(struct sim_world *world, struct sim_line *line, uint32_t index)
{
    const struct sim_request *request = &world->requests[index];
    if (request->before != SIM_NOBODY)
        world->requests[request->before].behind = request->behind;
    else
        line->first = request->behind;
    if (request->behind != SIM_NOBODY)
        world->requests[request->behind].before = request->before;
    else
        line->last = request->before;
    line->count--;
}
