/* SPDX-License-Identifier: Apache-2.0 */
/* balance/strategy/yield.h - a target's weight from what it reports of its load (ORCA), as gRPC's
 * and Envoy's client-side weighted round robin work it out:
 *
 *     weight = requests per s / (utilisation + errors per s / requests per s * penalty)
 *
 * so that twice the weight is twice the requests at the same utilisation. A weight counts only some
 * time after a target began to report (blackout), and until its reports have been missing for long
 * (expire).
 *
 * Memory: a fixed struct; zeroed: nothing was reported. Threads: its worker's. Errors: none. */
#ifndef PANDO_BALANCE_YIELD_H
#define PANDO_BALANCE_YIELD_H

#include "balance/balance.h"

struct yield {
    double   weight;   /* of the last report that gave one */
    uint64_t since_ns; /* reports have come since then; 0: none has */
    uint64_t last_ns;
};

struct yield_times {
    uint64_t blackout_ns, expire_ns;
};

/* Takes a report; one without utilisation or requests is passed over. @penalty: percent.
 * @own_per_s: requests per second that it got from here, for reports that do not say. */
static inline void balance__yield_take(struct yield *yield, const struct sample *sample,
                                       uint32_t penalty, double own_per_s)
{
    const struct balance_report *report = &sample->report;
    const double requests = report->has & BALANCE_HAS_REQUESTS ? report->requests_per_s : own_per_s;
    if (!(report->has & BALANCE_HAS_UTILISATION) || report->utilisation <= 0 || requests <= 0)
        return;
    const double failing =
        report->has & BALANCE_HAS_ERRORS ? report->errors_per_s / requests * penalty / 100 : 0;
    yield->weight = requests / (report->utilisation + failing);
    yield->last_ns = sample->now_ns;
    if (yield->since_ns == 0)
        yield->since_ns = sample->now_ns;
}

/* The weight that counts now; 0: none. */
static inline double balance__yield_now(struct yield *yield, uint64_t now_ns,
                                        const struct yield_times *times)
{
    if (yield->since_ns == 0)
        return 0;
    if (now_ns - yield->last_ns >= times->expire_ns) {
        yield->since_ns = 0; /* if reports come again, so does the blackout */
        return 0;
    }
    return now_ns - yield->since_ns < times->blackout_ns ? 0 : yield->weight;
}

#endif
