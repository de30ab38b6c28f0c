/* SPDX-License-Identifier: Apache-2.0 */
/* sim/model/agenda.c - a heap and some lanes, read as one queue. */
#include "sim/model/agenda.h"

#include "sim/model/memory.h"

#include <assert.h>
#include <stdlib.h>

enum { CHILDREN = 4, HEAP_FIRST = 1024, LANE_FIRST = 1024 };

static bool is_before(const struct sim_event *one, const struct sim_event *other)
{
    return one->at_ns != other->at_ns ? one->at_ns < other->at_ns : one->order < other->order;
}

static void sift_up(struct sim_event *heap, size_t at, struct sim_event event)
{
    while (at > 0) {
        const size_t above = (at - 1) / CHILDREN;
        if (!is_before(&event, &heap[above]))
            break;
        heap[at] = heap[above];
        at = above;
    }
    heap[at] = event;
}

static void sift_down(struct sim_event *heap, size_t count, struct sim_event event)
{
    size_t at = 0;
    for (;;) {
        const size_t from = at * CHILDREN + 1;
        const size_t to = from + CHILDREN < count ? from + CHILDREN : count;
        size_t least = from;
        for (size_t i = from + 1; i < to; i++)
            if (is_before(&heap[i], &heap[least]))
                least = i;
        if (from >= count || !is_before(&heap[least], &event))
            break;
        heap[at] = heap[least];
        at = least;
    }
    heap[at] = event;
}

static uint32_t next_order(struct sim_agenda *agenda)
{
    assert(agenda->order < UINT32_MAX); /* a run of so many events is a mistake */
    return agenda->order++;
}

void sim_agenda_enter(struct sim_agenda *agenda, struct sim_event event)
{
    assert(event.at_ns >= agenda->now_ns);
    if (agenda->heap_count == agenda->heap_room) {
        agenda->heap_room = agenda->heap_room == 0 ? HEAP_FIRST : agenda->heap_room * 2;
        agenda->heap = sim_grow(agenda->heap, agenda->heap_room * sizeof *agenda->heap);
    }
    event.order = next_order(agenda);
    sift_up(agenda->heap, agenda->heap_count++, event);
}

unsigned sim_agenda_lane(struct sim_agenda *agenda, uint64_t delay_ns)
{
    for (unsigned i = 0; i < agenda->lanes_count; i++)
        if (agenda->lanes[i].delay_ns == delay_ns)
            return i;
    assert(agenda->lanes_count < SIM_LANES_MAX);
    agenda->lanes[agenda->lanes_count].delay_ns = delay_ns;
    return agenda->lanes_count++;
}

static void widen(struct sim_lane *lane)
{
    const uint32_t room = lane->room == 0 ? LANE_FIRST : lane->room * 2;
    struct sim_event *ring = sim_take(room * sizeof *ring);
    for (uint32_t i = 0; i < lane->count; i++)
        ring[i] = lane->ring[(lane->first + i) & (lane->room - 1)];
    free(lane->ring);
    lane->ring = ring;
    lane->room = room;
    lane->first = 0;
}

void sim_agenda_follow(struct sim_agenda *agenda, unsigned lane_index, struct sim_event event)
{
    struct sim_lane *lane = &agenda->lanes[lane_index];
    if (lane->count == lane->room)
        widen(lane);
    event.at_ns = agenda->now_ns + lane->delay_ns;
    event.order = next_order(agenda);
    lane->ring[(lane->first + lane->count++) & (lane->room - 1)] = event;
}

/* The lane whose first event is the earliest of all, or NULL: the heap's is, or there is none. */
static struct sim_lane *earliest(struct sim_agenda *agenda)
{
    const struct sim_event *first = agenda->heap_count > 0 ? &agenda->heap[0] : NULL;
    struct sim_lane *found = NULL;
    for (unsigned i = 0; i < agenda->lanes_count; i++) {
        struct sim_lane *lane = &agenda->lanes[i];
        if (lane->count == 0 || (first != NULL && !is_before(&lane->ring[lane->first], first)))
            continue;
        first = &lane->ring[lane->first];
        found = lane;
    }
    return found;
}

bool sim_agenda_next(struct sim_agenda *agenda, struct sim_event *event)
{
    struct sim_lane *lane = earliest(agenda);
    if (lane != NULL) {
        *event = lane->ring[lane->first];
        lane->first = (lane->first + 1) & (lane->room - 1);
        lane->count--;
    } else if (agenda->heap_count > 0) {
        *event = agenda->heap[0];
        const struct sim_event last = agenda->heap[--agenda->heap_count];
        if (agenda->heap_count > 0)
            sift_down(agenda->heap, agenda->heap_count, last);
    } else {
        return false;
    }
    agenda->now_ns = event->at_ns;
    return true;
}

void sim_agenda_fini(struct sim_agenda *agenda)
{
    free(agenda->heap);
    for (unsigned i = 0; i < agenda->lanes_count; i++)
        free(agenda->lanes[i].ring);
    *agenda = (struct sim_agenda){0};
}
