/* SPDX-License-Identifier: Apache-2.0 */
/* sim/model/tally.h - many durations, kept so that any quantile is right to half a percent.
 *
 * The same log-linear buckets as metrics/histogram.h but sixteen times as fine: 128 to an octave.
 *
 * Memory: 34 KiB; embedded; zeroed is empty. */
#ifndef PANDO_SIM_MODEL_TALLY_H
#define PANDO_SIM_MODEL_TALLY_H

#include <stdint.h>

enum {
    SIM_TALLY_SUB_BITS = 7,
    SIM_TALLY_OCTAVES = 40, /* 2^40 ns are 18 minutes */
    SIM_TALLY_BUCKETS = (SIM_TALLY_OCTAVES - SIM_TALLY_SUB_BITS + 1) << SIM_TALLY_SUB_BITS,
};

struct sim_tally {
    uint64_t counts[SIM_TALLY_BUCKETS];
    uint64_t count;
    double   sum_ns;
};

/* Counts one duration. */
void sim_tally_add(struct sim_tally *tally, uint64_t ns);

/* The duration that @quantile (0 to 1) of all are at most: the middle of its bucket; 0: none. */
uint64_t sim_tally_quantile_ns(const struct sim_tally *tally, double quantile);

/* The mean of all, exact; 0: none. */
double sim_tally_mean_ns(const struct sim_tally *tally);

#endif
