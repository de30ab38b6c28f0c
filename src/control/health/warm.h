/* SPDX-License-Identifier: Apache-2.0 */
/* control/health/warm.h - slow start: how much of its weight a target has by now. Pure.
 *
 * A target that has just come, or come back, has cold caches and few connections; its share of the
 * requests grows with time, so that they do not all come at once. */
#ifndef PANDO_CONTROL_HEALTH_WARM_H
#define PANDO_CONTROL_HEALTH_WARM_H

#include <stdint.h>

enum {
    WARM_WHOLE = 100,
    WARM_STEP = 5, /* sets are built anew for so many percent, not for one */
};

/* The percent of its weight after @since_ns of @window_ns, at least @least. */
static inline uint32_t warm_percent(uint64_t since_ns, uint64_t window_ns, uint32_t least)
{
    if (since_ns >= window_ns)
        return WARM_WHOLE;
    const uint32_t grown = (uint32_t)(since_ns / (window_ns / WARM_WHOLE + 1));
    const uint32_t stepped = grown - grown % WARM_STEP;
    return stepped > least ? stepped : least;
}

#endif
