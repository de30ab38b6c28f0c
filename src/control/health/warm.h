/* SPDX-License-Identifier: Apache-2.0 */
/* control/health/warm.h - slow start: how much of its weight a target has by now. Pure.
 *
 * A target that has just come, or come back, has cold caches and few connections; its share of the
 * requests grows with time, so that they do not all come at once. */
#ifndef PANDO_CONTROL_HEALTH_WARM_H
#define PANDO_CONTROL_HEALTH_WARM_H

#include <math.h>
#include <stdint.h>

enum {
    WARM_WHOLE = 100,
    WARM_STEP = 5, /* sets are built anew for so many percent, not for one */
};

/* How a weight grows. */
struct warm_curve {
    uint64_t window_ns;  /* until it is whole */
    uint32_t least;      /* percent at the beginning */
    uint32_t aggression; /* hundredths; 100: in a straight line, more: faster at first */
};

/* The percent of its weight after @since_ns: (since / window) ^ (1 / aggression), at least `least`
 * (the rule of Envoy's slow start). */
static inline uint32_t warm_percent(uint64_t since_ns, const struct warm_curve *curve)
{
    if (since_ns >= curve->window_ns)
        return WARM_WHOLE;
    const double part = (double)since_ns / (double)curve->window_ns;
    const uint32_t grown = (uint32_t)(WARM_WHOLE * pow(part, 100.0 / curve->aggression));
    const uint32_t stepped = grown - grown % WARM_STEP;
    return stepped > curve->least ? stepped : curve->least;
}

#endif
