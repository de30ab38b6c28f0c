/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/concurrency/limit/gradient.c - Gradient2 of Netflix's concurrency-limits.
 *
 * Compares the latency of a window with that of a long time (an average over about 600 windows, a
 * minute). While they are alike the limit grows by a few, which would queue at the server; when the
 * newer is the higher, they queue there, and the limit falls by as much.
 *
 * One window counts as one sample, as under the library's WindowedLimit: sample by sample the long
 * average would forget a minute in the tenth of a second in which a busy service answers 600. */
#include "breaker/concurrency/limit/limit.h"

#include <math.h>

enum { LONG_WINDOWS = 600, WARM_UP_WINDOWS = 10 };

#define QUEUE        4.0 /* requests that may wait at the server */
#define SMOOTHING    0.2
#define GRADIENT_MIN 0.5
#define DRIFT_MOST   2.0 /* a long average so much over the new one comes down faster */
#define DRIFT_DECAY  0.9

static void average(struct limit_state *state, double latency_ns)
{
    if (state->windows_count < WARM_UP_WINDOWS) {
        state->windows_count++;
        state->long_ns += (latency_ns - state->long_ns) / state->windows_count;
    } else {
        state->long_ns += (latency_ns - state->long_ns) * 2.0 / (LONG_WINDOWS + 1);
    }
    if (state->long_ns > latency_ns * DRIFT_MOST)
        state->long_ns *= DRIFT_DECAY;
}

static void step(struct limit_state *state, const struct limit_bounds *bounds,
                 const struct limit_window *window, uint64_t now_ns)
{
    (void)now_ns;
    state->limit = limit_within(state->limit, bounds);
    if (window->samples_count == 0 || window->latency_sum_ns == 0)
        return;
    const double latency_ns = (double)window->latency_sum_ns / (double)window->samples_count;
    average(state, latency_ns);
    if (window->busy_count * 2 < window->samples_count)
        return;
    const double gradient = fmax(GRADIENT_MIN, fmin(1.0, state->long_ns / latency_ns));
    const double wanted = state->limit * gradient + QUEUE;
    state->limit = limit_within(state->limit * (1 - SMOOTHING) + wanted * SMOOTHING, bounds);
}

const struct limit_machine limit_gradient = {
    .name = "gradient",
    .preset = {.start = 20, .least = 20, .most = 200},
    .step = step,
};
