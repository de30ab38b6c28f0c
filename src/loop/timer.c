/* SPDX-License-Identifier: Apache-2.0 */
/* loop/timer.c - the lazy wheel. */
#include "loop/timer.h"

#include <assert.h>

enum { SLOT_BITS = 6, SLOT_MASK = TIMER_SLOTS - 1 };

static uint64_t tick_of(uint64_t ns)
{
    return (ns >> TIMER_TICK_SHIFT) + 1; /* rounded up: never early */
}

void timer_wheel_init(struct timer_wheel *wheel, uint64_t now_ns)
{
    *wheel = (struct timer_wheel){.tick = now_ns >> TIMER_TICK_SHIFT};
    for (int level = 0; level < TIMER_LEVELS; level++)
        for (int slot = 0; slot < TIMER_SLOTS; slot++)
            list_init(&wheel->slots[level][slot]);
}

void timer_init(struct timer *timer, void (*fired)(struct timer *))
{
    *timer = (struct timer){.fired = fired};
    link_init(&timer->link);
}

/* Level l holds ticks that differ from now first in digit l (base 64). */
static void lay(struct timer_wheel *wheel, struct timer *timer, uint64_t tick)
{
    const uint64_t most = wheel->tick + ((1ull << (SLOT_BITS * TIMER_LEVELS)) - 1) / 2;
    if (tick > most)
        tick = most;
    if (tick <= wheel->tick)
        tick = wheel->tick + 1;
    timer->tick = tick;
    int level = 0;
    while (level < TIMER_LEVELS - 1 &&
           (tick >> (SLOT_BITS * (level + 1))) != (wheel->tick >> (SLOT_BITS * (level + 1))))
        level++;
    const unsigned slot = (unsigned)(tick >> (SLOT_BITS * level)) & SLOT_MASK;
    list_add_last(&wheel->slots[level][slot], &timer->link);
    wheel->occupied[level] |= 1ull << slot;
}

void timer_set(struct timer_wheel *wheel, struct timer *timer, uint64_t deadline_ns)
{
    timer->deadline_ns = deadline_ns;
    if (deadline_ns == 0)
        return;
    const uint64_t tick = tick_of(deadline_ns);
    if (link_is_in_list(&timer->link)) {
        if (tick >= timer->tick)
            return;
        list_remove(&timer->link);
    }
    lay(wheel, timer, tick);
}

void timer_clear(struct timer *timer)
{
    timer->deadline_ns = 0;
    if (timer->link.next != NULL)
        list_remove(&timer->link);
}

static void fire_or_lay(struct timer_wheel *wheel, struct timer *timer, uint64_t now_ns)
{
    if (timer->deadline_ns == 0)
        return;
    if (timer->deadline_ns > now_ns) {
        lay(wheel, timer, tick_of(timer->deadline_ns));
        return;
    }
    timer->deadline_ns = 0;
    timer->fired(timer);
}

/* Empties a slot: each timer is fired, laid lower, or, if switched off, forgotten. A callback may
 * clear others
 * of the same slot, so they are taken one by one from a list of their own. */
static void empty_slot(struct timer_wheel *wheel, int level, unsigned slot, uint64_t now_ns)
{
    struct list due;
    list_init(&due);
    list_take_all(&due, &wheel->slots[level][slot]);
    wheel->occupied[level] &= ~(1ull << slot);
    for (struct list_link *link; (link = list_first(&due)) != NULL;) {
        list_remove(link);
        fire_or_lay(wheel, list_item(link, struct timer, link), now_ns);
    }
}

/* Advances to the next tick at which something lies, instead of walking through every tick. */
static uint64_t next_tick(const struct timer_wheel *wheel)
{
    uint64_t best = UINT64_MAX;
    for (int level = 0; level < TIMER_LEVELS; level++) {
        if (wheel->occupied[level] == 0)
            continue;
        const int shift = SLOT_BITS * level;
        const unsigned here = (unsigned)(wheel->tick >> shift) & SLOT_MASK;
        const uint64_t turned = here == SLOT_MASK
                                    ? wheel->occupied[level]
                                    : (wheel->occupied[level] >> (here + 1)) |
                                          (wheel->occupied[level] << (SLOT_MASK - here));
        const uint64_t ahead = (uint64_t)__builtin_ctzll(turned) + 1;
        const uint64_t tick = ((wheel->tick >> shift) + ahead) << shift;
        if (tick < best)
            best = tick;
    }
    return best;
}

void timer_wheel_turn(struct timer_wheel *wheel, uint64_t now_ns)
{
    const uint64_t now_tick = now_ns >> TIMER_TICK_SHIFT;
    for (uint64_t tick; (tick = next_tick(wheel)) <= now_tick;) {
        wheel->tick = tick;
        for (int level = TIMER_LEVELS - 1; level > 0; level--) {
            const int shift = SLOT_BITS * level;
            if ((tick & ((1ull << shift) - 1)) == 0)
                empty_slot(wheel, level, (unsigned)(tick >> shift) & SLOT_MASK, now_ns);
        }
        empty_slot(wheel, 0, (unsigned)tick & SLOT_MASK, now_ns);
    }
    if (now_tick > wheel->tick)
        wheel->tick = now_tick;
}

uint64_t timer_wheel_next_ns(const struct timer_wheel *wheel)
{
    const uint64_t tick = next_tick(wheel);
    return tick == UINT64_MAX ? UINT64_MAX : tick << TIMER_TICK_SHIFT;
}
