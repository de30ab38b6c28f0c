/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/concurrency/limit/fixed.c - a limit that somebody knows. */
#include "breaker/concurrency/limit/limit.h"

static void step(struct limit_state *state, const struct limit_bounds *bounds,
                 const struct limit_window *window, uint64_t now_ns)
{
    (void)window, (void)now_ns;
    state->limit = bounds->start;
}

const struct limit_machine limit_fixed = {
    .name = "fixed",
    .preset = {.start = 100, .least = 1, .most = 1000000},
    .step = step,
};
