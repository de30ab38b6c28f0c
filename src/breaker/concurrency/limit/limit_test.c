/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/concurrency/limit/limit_test.c - what each machine does with a window. */
#include "breaker/concurrency/limit/limit.h"

#include "core/units.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static const struct limit_window nothing;

static struct limit_window good(uint64_t count, uint64_t latency_ns)
{
    return (struct limit_window){
        .samples_count = count, .busy_count = count, .latency_sum_ns = count * latency_ns};
}

static uint32_t after(const struct limit_machine *machine, struct limit_state *state,
                      const struct limit_window *window)
{
    machine->step(state, &machine->preset, window, 7);
    return (uint32_t)state->limit;
}

Test(limit, every_machine_stays_within_its_bounds_and_is_found)
{
    for (int choice = LIMIT_NONE + 1; choice < LIMIT_CHOICES_COUNT; choice++) {
        const struct limit_machine *machine = limit_get((enum limit_choice)choice);
        const struct limit_bounds narrow = {.start = 30, .least = 25, .most = 35};
        struct limit_state state = limit_start(&narrow);
        cr_expect(state.limit == 30);
        for (uint64_t i = 0; i < 2000; i++) {
            struct limit_window window = good(i % 300, (1 + i % 7) * NS_PER_MS);
            window.dropped_count = i % 11 == 0 && window.samples_count > 0;
            machine->step(&state, &narrow, &window, i);
            cr_assert(state.limit >= 25 && state.limit <= 35, "%s: %f", machine->name, state.limit);
        }
        state = limit_start(&machine->preset);
        const double before = state.limit;
        machine->step(&state, &machine->preset, &nothing, 1);
        cr_expect(state.limit == before, "%s moves without samples", machine->name);
    }
}

/* The words of the list are those of the machines. */
Test(limit, words)
{
#define X(symbol, word, gist) cr_expect_str_eq(limit_##symbol.name, word);
    LIMIT_MACHINES(X)
#undef X
}

Test(limit, a_start_outside_of_the_bounds_is_brought_inside)
{
    cr_expect(limit_start(&(struct limit_bounds){.start = 5, .least = 8, .most = 9}).limit == 8);
    cr_expect(limit_start(&(struct limit_bounds){.start = 50, .least = 8, .most = 9}).limit == 9);
}

Test(limit, aimd_rises_by_one_for_each_limits_worth)
{
    struct limit_state state = limit_start(&limit_aimd.preset);
    const struct limit_window four = good(4, NS_PER_MS), thirty_three = good(33, NS_PER_MS);
    cr_expect(after(&limit_aimd, &state, &four) == 10);
    cr_expect(after(&limit_aimd, &state, &four) == 10);
    cr_expect(after(&limit_aimd, &state, &four) == 11, "12 of 10, and 2 are left");
    cr_expect(after(&limit_aimd, &state, &thirty_three) == 13, "35 is 11 and 12, and 12 are left");
}

Test(limit, aimd_learns_nothing_from_an_idle_service)
{
    struct limit_state state = limit_start(&limit_aimd.preset);
    struct limit_window window = good(1000, NS_PER_MS);
    window.busy_count = 0;
    cr_expect(after(&limit_aimd, &state, &window) == 10);
}

/* min(limit - 1, floor(0.9 * limit)), and once for a window, however many. */
Test(limit, aimd_backs_off)
{
    const struct {
        uint32_t from, to;
    } rows[] = {{100, 90}, {15, 13}, {10, 9}, {5, 4}, {2, 1}, {1, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct limit_state state = {.limit = rows[i].from, .credit = 3};
        struct limit_window window = good(50, NS_PER_MS);
        window.dropped_count = 20;
        cr_expect(after(&limit_aimd, &state, &window) == rows[i].to, "from %u", rows[i].from);
        cr_expect(state.backed_off_ns == 7 && state.credit == 0);
    }
}

/* Samples at the upper bound do not pile up to be paid out later. */
Test(limit, aimd_saves_no_credit_at_the_bound)
{
    struct limit_state state = {.limit = limit_aimd.preset.most};
    const struct limit_window many = good(100000, NS_PER_MS);
    cr_expect(after(&limit_aimd, &state, &many) == limit_aimd.preset.most);
    cr_expect(state.credit <= state.limit);
}

/* A closed station: `slots` at once for `service_ms`, the rest waits there. What Little's law says
 * of the latency with @limit requests in it. */
static struct limit_window station(double limit, double slots, double service_ms)
{
    const double latency_ms = fmax(service_ms, limit * service_ms / slots);
    return good((uint64_t)(limit * 100 / latency_ms), (uint64_t)(latency_ms * 1e6));
}

Test(limit, gradient_settles_near_what_the_server_does_at_once)
{
    struct limit_state state = limit_start(&limit_gradient.preset);
    double least = 1e9, most = 0;
    for (int i = 0; i < 600; i++) {
        const struct limit_window window = station(state.limit, 60, 10);
        (void)after(&limit_gradient, &state, &window);
        if (i > 200) {
            least = fmin(least, state.limit);
            most = fmax(most, state.limit);
        }
    }
    cr_expect(least >= 60 && most <= 110, "%f to %f", least, most);
}

Test(limit, gradient_falls_when_the_server_slows)
{
    struct limit_state state = limit_start(&limit_gradient.preset);
    for (int i = 0; i < 100; i++) {
        const struct limit_window window = good(500, 10 * NS_PER_MS);
        (void)after(&limit_gradient, &state, &window);
    }
    const double before = state.limit;
    for (int i = 0; i < 10; i++) {
        const struct limit_window window = good(500, 100 * NS_PER_MS);
        (void)after(&limit_gradient, &state, &window);
    }
    cr_expect(state.limit < before * 0.6, "%f from %f", state.limit, before);
}

Test(limit, gradient_forgets_a_bad_hour_fast)
{
    struct limit_state state = {.limit = 50, .long_ns = 5e9, .windows_count = 10};
    for (int i = 0; i < 60; i++) {
        const struct limit_window window = good(100, 10 * NS_PER_MS);
        (void)after(&limit_gradient, &state, &window);
    }
    cr_expect(state.long_ns < 25e6, "%f", state.long_ns);
}
