/* SPDX-License-Identifier: Apache-2.0 */
/* sim/model/gauge.h - what a server says of itself: to a probe, in an answer, through its agent.
 *
 * This is the other end of the wire, and not a policy of Pando: requests in flight; the latency at
 * that number of them, as Prequal's server keeps it (a few recent ones by how many were in flight
 * when they came; the median of those nearest to now); how busy its machine is, others' part
 * included; and its rates. Means are taken over about a second.
 *
 * Memory: 3 KiB; embedded; zeroed is a server that has done nothing yet. Threads: one. */
#ifndef PANDO_SIM_MODEL_GAUGE_H
#define PANDO_SIM_MODEL_GAUGE_H

#include "balance/balance.h"

enum { SIM_GAUGE_LEVELS = 48, SIM_GAUGE_KEPT = 8 };

struct sim_gauge {
    struct {
        uint32_t latency_us[SIM_GAUGE_KEPT];
        uint32_t count;         /* ever */
    } levels[SIM_GAUGE_LEVELS]; /* by requests in flight at coming; the last: or more */
    uint64_t seen_ns;
    double   busy;     /* mean share of the machine that is used */
    double   requests; /* mean, a second */
    double   errors;
};

/* Time goes on to @now_ns, during which this share of the machine was used. */
void sim_gauge_pass(struct sim_gauge *gauge, uint64_t now_ns, double busy);

/* A request is done. */
void sim_gauge_done(struct sim_gauge *gauge, uint32_t inflight_at_coming, uint64_t latency_ns);

/* A request was refused, or failed. */
void sim_gauge_failed(struct sim_gauge *gauge);

/* What it says now. */
struct balance_report sim_gauge_report(const struct sim_gauge *gauge, uint32_t inflight);

#endif
