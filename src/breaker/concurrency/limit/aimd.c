/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/concurrency/limit/aimd.c - additive increase, multiplicative decrease, as TCP does it.
 *
 * Up by one after as many answers as the limit lets in at once, so by one in each round trip, and
 * only while at least half of the limit is in use: an idle service proves nothing. Down to nine
 * tenths, by one at least, when anything of a window was dropped; the window leaves out what was
 * begun before the last time, so it is once in a round trip however many are dropped. (Once for
 * each sample, as in Netflix's AIMDLimit, made a sawtooth that lost a sixth of the capacity.) */
#include "breaker/concurrency/limit/limit.h"

#include <math.h>

#define BACKOFF 0.9

static void lower(struct limit_state *state, const struct limit_bounds *bounds, uint64_t now_ns)
{
    const double fewer = fmin(state->limit - 1, floor(state->limit * BACKOFF));
    state->limit = limit_within(fewer, bounds);
    state->credit = 0;
    state->backed_off_ns = now_ns;
}

static void step(struct limit_state *state, const struct limit_bounds *bounds,
                 const struct limit_window *window, uint64_t now_ns)
{
    state->limit = limit_within(state->limit, bounds);
    if (window->dropped_count > 0) {
        lower(state, bounds, now_ns);
        return;
    }
    state->credit += (double)window->busy_count;
    while (state->credit >= state->limit && state->limit < bounds->most) {
        state->credit -= state->limit;
        state->limit = limit_within(state->limit + 1, bounds);
    }
    state->credit = fmin(state->credit, state->limit);
}

const struct limit_machine limit_aimd = {
    .name = "aimd",
    .preset = {.start = 10, .least = 1, .most = 1000},
    .step = step,
};
