/* SPDX-License-Identifier: Apache-2.0 */
/* control/health/parts.h - what health/ keeps in each service and target; for control/ alone.
 *
 * Threads: the control thread. */
#ifndef PANDO_CONTROL_HEALTH_PARTS_H
#define PANDO_CONTROL_HEALTH_PARTS_H

#include "config/value/statuses.h"
#include "control/health_settings.h"
#include "control/orders/orders.h"
#include "control/outlier/outlier.h"
#include "loop/timer.h"

struct probe;

/* A service's copy of its health settings, with their texts. */
struct registry_health {
    struct health_settings settings;
    struct config_statuses statuses;
    char                   texts[];
};

/* The active checks of a target. */
struct registry_check {
    struct timer  next;
    struct probe *probe; /* under way, or NULL */
    uint64_t      began_ns;
    uint32_t      passes_count, failures_count; /* in a row */
    bool          is_known;                     /* there was a verdict */
    bool          is_down;
    char          why[128]; /* the last failure's reason */
};

#endif
