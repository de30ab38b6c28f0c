/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/pause.h - a target that cannot be connected to: passed over, then tried again after a
 * growing pause.
 *
 *     UP --failed--> PAUSED --due--> TRIAL --connected--> UP
 *                       ^--failed (twice the pause)--'
 *
 * The pause is first * 2^(failures - 1), at most `most`, and then 80 % to 120 % of that, so that
 * many nodes do not try in step. Stepped by control; workers only read the state and claim trials.
 *
 * Pure:   `now` and a draw are given.
 * Memory: plain values. */
#ifndef PANDO_BREAKER_PAUSE_H
#define PANDO_BREAKER_PAUSE_H

#include "path/target.h"

#include <stdint.h>

struct pause_settings {
    uint64_t first_ns;
    uint64_t most_ns;
};

struct pause {
    enum target_state state;       /* UP, PAUSED or TRIAL; GONE stays as it is */
    uint64_t          retry_at_ns; /* while PAUSED: when to step it with DUE; else 0 */
    uint32_t          failures_in_a_row;
};

enum pause_event {
    PAUSE_FAILED,    /* it could not be connected to */
    PAUSE_CONNECTED, /* it could */
    PAUSE_DUE,       /* retry_at_ns may have come */
};

/* What becomes of @before. @draw is random and uniform. */
struct pause pause_step(const struct pause *before, const struct pause_settings *settings,
                        enum pause_event event, uint64_t now_ns, uint64_t draw);

#endif
