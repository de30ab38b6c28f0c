/* SPDX-License-Identifier: Apache-2.0 */
/* loop/timer.h - deadlines on a lazy hierarchical wheel; moving one later is one store.
 *
 * A timer that is set later than where it lies stays there; when the wheel comes by it is laid
 * where it belongs. So a
 * connection may push its deadline on every received byte for nothing. A tick is 2^20 ns (1.05 ms);
 * a timer never
 * fires early, and late by at most two ticks and one turn.
 *
 * Memory:  timers are embedded; timer_clear() before the memory goes.
 * Threads: a wheel and its timers belong to one loop. */
#ifndef PANDO_LOOP_TIMER_H
#define PANDO_LOOP_TIMER_H

#include "core/list.h"

#include <stdint.h>

enum {
    TIMER_TICK_SHIFT = 20,
    TIMER_LEVELS = 4,
    TIMER_SLOTS = 64, /* 64^4 ticks are 4.9 hours; later deadlines are laid again on the way */
};

struct timer {
    struct list_link link;
    uint64_t         deadline_ns; /* 0: off */
    uint64_t         tick;        /* where it lies, if in a list */
    void (*fired)(struct timer *timer);
};

struct timer_wheel {
    uint64_t    tick;                   /* all before were fired */
    uint64_t    occupied[TIMER_LEVELS]; /* bit per slot that may hold timers */
    struct list slots[TIMER_LEVELS][TIMER_SLOTS];
};

/* @now_ns: monotonic; what it is turned with later goes on from there. */
void timer_wheel_init(struct timer_wheel *wheel, uint64_t now_ns);

void timer_init(struct timer *timer, void (*fired)(struct timer *));

/* Calls fired() once at @deadline_ns (monotonic), unless moved or cleared before. 0 switches
 * off. */
void timer_set(struct timer_wheel *wheel, struct timer *timer, uint64_t deadline_ns);

/* Takes the timer out; its memory may go. Accepts one never set. */
void timer_clear(struct timer *timer);

/* Fires what is due. */
void timer_wheel_turn(struct timer_wheel *wheel, uint64_t now_ns);

/* When the wheel must be turned again at the latest; UINT64_MAX if it is empty. */
uint64_t timer_wheel_next_ns(const struct timer_wheel *wheel);

#endif
