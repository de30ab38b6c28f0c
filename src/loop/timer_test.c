/* SPDX-License-Identifier: Apache-2.0 */
/* loop/timer_test.c - never early, never more than two ticks
 * late, against a plain list of deadlines. */
#include "loop/timer.h"

#include "core/random.h"
#include "core/units.h"

#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdlib.h>

enum { TICK_NS = 1 << TIMER_TICK_SHIFT, TIMERS = 500 };

/* A timer and what is known of it without the wheel. */
struct probe {
    struct timer timer;
    uint64_t     deadline_ns; /* 0: off */
    unsigned     fired_count;
};

static struct timer_wheel wheel;
static uint64_t now_ns;
static struct probe probes[TIMERS];

static void on_fired(struct timer *timer)
{
    struct probe *probe = (struct probe *)(void *)timer;
    cr_assert(probe->deadline_ns != 0, "a timer that is off has fired");
    cr_assert(now_ns >= probe->deadline_ns, "early by %lu ns",
              (unsigned long)(probe->deadline_ns - now_ns));
    probe->deadline_ns = 0;
    probe->fired_count++;
}

static void start(uint64_t at_ns)
{
    now_ns = at_ns;
    timer_wheel_init(&wheel, now_ns);
    for (int i = 0; i < TIMERS; i++) {
        probes[i] = (struct probe){0};
        timer_init(&probes[i].timer, on_fired);
    }
}

static void set(struct probe *probe, uint64_t deadline_ns)
{
    probe->deadline_ns = deadline_ns;
    timer_set(&wheel, &probe->timer, deadline_ns);
}

static void clear(struct probe *probe)
{
    probe->deadline_ns = 0;
    timer_clear(&probe->timer);
}

/* After a turn nothing may be left that is two ticks late, and
 * the next turn must be asked for in time. */
static void turn(uint64_t at_ns)
{
    now_ns = at_ns;
    timer_wheel_turn(&wheel, now_ns);
    const uint64_t next_ns = timer_wheel_next_ns(&wheel);
    cr_assert(next_ns > now_ns);
    for (int i = 0; i < TIMERS; i++) {
        const uint64_t deadline_ns = probes[i].deadline_ns;
        if (deadline_ns == 0)
            continue;
        cr_assert(deadline_ns + 2 * TICK_NS > now_ns, "timer %d is late", i);
        cr_assert(next_ns <= deadline_ns + 2 * TICK_NS, "timer %d would be late", i);
    }
}

Test(timer, an_empty_wheel_needs_no_turn)
{
    start(12345);
    cr_expect(timer_wheel_next_ns(&wheel) == UINT64_MAX);
    turn(1000 * NS_PER_S);
    cr_expect(timer_wheel_next_ns(&wheel) == UINT64_MAX);
}

Test(timer, fires_once_and_not_before_its_time)
{
    start(5 * NS_PER_S);
    set(&probes[0], now_ns + 10 * NS_PER_MS);
    turn(now_ns + 10 * NS_PER_MS - 1);
    cr_expect(probes[0].fired_count == 0);
    turn(now_ns + 2 * TICK_NS);
    cr_expect(probes[0].fired_count == 1);
    turn(now_ns + NS_PER_S);
    cr_expect(probes[0].fired_count == 1);
}

Test(timer, a_deadline_that_has_passed_fires_at_the_next_tick)
{
    start(5 * NS_PER_S);
    set(&probes[0], 1);
    turn(now_ns + TICK_NS);
    cr_expect(probes[0].fired_count == 1);
}

/* What a connection does on every byte: the timer stays where
 * it lies, and still fires at the last word. */
Test(timer, moving_later_is_lazy_and_right)
{
    start(0);
    set(&probes[0], 100 * NS_PER_MS);
    const uint64_t lies_at = probes[0].timer.tick;
    for (uint64_t i = 1; i <= 1000; i++)
        set(&probes[0], (100 + i) * NS_PER_MS);
    cr_expect(probes[0].timer.tick == lies_at);
    turn(1100 * NS_PER_MS - 1);
    cr_expect(probes[0].fired_count == 0);
    turn(1100 * NS_PER_MS + 2 * TICK_NS);
    cr_expect(probes[0].fired_count == 1);
}

Test(timer, moving_earlier_is_done_at_once)
{
    start(0);
    set(&probes[0], 3600 * NS_PER_S);
    set(&probes[0], 50 * NS_PER_MS);
    turn(50 * NS_PER_MS + 2 * TICK_NS);
    cr_expect(probes[0].fired_count == 1);
}

Test(timer, switched_off_it_stays_silent)
{
    start(0);
    set(&probes[0], 50 * NS_PER_MS);
    set(&probes[0], 0);
    set(&probes[1], 50 * NS_PER_MS);
    clear(&probes[1]);
    turn(NS_PER_S);
    cr_expect(probes[0].fired_count == 0 && probes[1].fired_count == 0);
    set(&probes[0], 2 * NS_PER_S);
    turn(2 * NS_PER_S + 2 * TICK_NS);
    cr_expect(probes[0].fired_count == 1, "it may be set again");
}

Test(timer, clearing_one_that_was_never_set_is_harmless)
{
    struct timer zero = {0};
    timer_clear(&zero);
    start(0);
    clear(&probes[0]);
}

/* The top level spans 4.9 hours; ten days are laid again on the way, from any starting point. */
Test(timer, deadlines_beyond_the_top_level)
{
    const uint64_t starts_ns[] = {0, 17 * 3600 * NS_PER_S + 12345, UINT64_C(1) << 60};
    for (int i = 0; i < 3; i++) {
        start(starts_ns[i]);
        const uint64_t deadline_ns = now_ns + 240 * 3600 * NS_PER_S;
        set(&probes[0], deadline_ns);
        int turns = 0;
        for (; timer_wheel_next_ns(&wheel) < deadline_ns; turns++)
            turn(timer_wheel_next_ns(&wheel));
        cr_expect(probes[0].fired_count == 0);
        cr_expect(turns < 1000, "%d turns", turns);
        turn(deadline_ns + 2 * TICK_NS);
        cr_expect(probes[0].fired_count == 1);
    }
}

/* A wheel that was not turned for long (a stopped process)
 * fires everything that is due, in one turn. */
Test(timer, a_long_pause_fires_all)
{
    start(0);
    for (uint64_t i = 0; i < TIMERS; i++)
        set(&probes[i], (i + 1) * 100 * NS_PER_S);
    turn(TIMERS * 200 * NS_PER_S);
    for (int i = 0; i < TIMERS; i++)
        cr_expect(probes[i].fired_count == 1, "timer %d", i);
}

/* Times of every size: within a tick, within each level, beyond the top. */
static uint64_t draw_span_ns(struct random *random)
{
    const uint32_t bits = 10 + random_below(random_next(random), 36);
    return 1 + (random_next(random) & ((UINT64_C(1) << bits) - 1));
}

static void run_model(uint64_t seed)
{
    struct random random;
    random_init(&random, seed);
    start(random_next(&random) >> 8);
    for (int step = 0; step < 4000; step++) {
        for (uint32_t i = random_below(random_next(&random), 20); i > 0; i--) {
            struct probe *probe = &probes[random_below(random_next(&random), TIMERS)];
            if (random_below(random_next(&random), 10) == 0)
                clear(probe);
            else
                set(probe, now_ns + draw_span_ns(&random));
        }
        const uint32_t kind = random_below(random_next(&random), 100);
        turn(now_ns + (kind < 2 ? draw_span_ns(&random) : random_next(&random) % (3 * TICK_NS)));
    }
    for (uint64_t next_ns; (next_ns = timer_wheel_next_ns(&wheel)) != UINT64_MAX;)
        turn(next_ns);
    for (int i = 0; i < TIMERS; i++)
        cr_expect(probes[i].deadline_ns == 0, "timer %d never fired", i);
}

Test(timer, agrees_with_a_plain_list)
{
    for (uint64_t seed = 1; seed <= 10; seed++)
        run_model(seed);
}

/* --- callbacks that change the wheel
 * ------------------------------------------------------------ */

struct group {
    struct timer   timer;
    struct group **members; /* on the heap: a touch after it was cleared is seen by a sanitizer */
    int            index;
};

enum { MEMBERS = 8 };

static unsigned group_fired_count;

/* Clears and frees all others, which lie in the same slot. */
static void kill_others(struct timer *timer)
{
    struct group *self = (struct group *)(void *)timer;
    struct group **members = self->members;
    group_fired_count++;
    for (int i = 0; i < MEMBERS; i++) {
        if (i == self->index)
            continue;
        timer_clear(&members[i]->timer);
        free(members[i]);
    }
    free(self);
}

Test(timer, a_callback_may_clear_and_free_others_and_itself)
{
    struct group *members[MEMBERS];
    start(0);
    for (int i = 0; i < MEMBERS; i++) {
        members[i] = malloc(sizeof *members[i]);
        *members[i] = (struct group){.members = members, .index = i};
        timer_init(&members[i]->timer, kill_others);
        timer_set(&wheel, &members[i]->timer, 100 * NS_PER_MS);
    }
    turn(NS_PER_S);
    cr_expect(group_fired_count == 1);
    cr_expect(timer_wheel_next_ns(&wheel) == UINT64_MAX);
}

static unsigned again_count;

static void set_again(struct timer *timer)
{
    again_count++;
    timer_set(&wheel, timer, now_ns); /* due already */
}

/* A timer that always sets itself to now does not keep the turn from ending. */
Test(timer, a_callback_may_set_itself_again)
{
    struct timer timer;
    start(NS_PER_S);
    timer_init(&timer, set_again);
    timer_set(&wheel, &timer, now_ns);
    for (int i = 0; i < 10; i++) {
        now_ns += TICK_NS;
        timer_wheel_turn(&wheel, now_ns);
    }
    cr_expect(again_count == 10, "%u", again_count);
    timer_clear(&timer);
}

static struct timer second;

static void set_second(struct timer *timer)
{
    (void)timer;
    timer_set(&wheel, &second, now_ns + 20 * NS_PER_MS);
}

static unsigned second_count;

static void count_second(struct timer *timer)
{
    (void)timer;
    second_count++;
}

Test(timer, a_callback_may_set_another)
{
    struct timer first;
    start(0);
    timer_init(&first, set_second);
    timer_init(&second, count_second);
    timer_set(&wheel, &first, 10 * NS_PER_MS);
    turn(12 * NS_PER_MS + TICK_NS);
    cr_expect(second_count == 0);
    turn(now_ns + 20 * NS_PER_MS + 2 * TICK_NS);
    cr_expect(second_count == 1);
}
