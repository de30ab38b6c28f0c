/* SPDX-License-Identifier: Apache-2.0 */
/* balance/strategy/peaks.h - how slow each target is: a mean that jumps up at once and forgets
 * slowly.
 *
 * Peak-EWMA, as Finagle has it: a sample above the mean becomes the mean; one below moves it by
 *
 *     mean = mean * e^(-dt/tau) + sample * (1 - e^(-dt/tau)),    tau = 10 s, dt since the last one
 *
 * A target without a sample for tau has the (lower) median of the others, so that a slow one that
 * nobody picked is tried again, and a new one is neither favoured nor shunned. An attempt that
 * failed never makes its target look faster.
 *
 * Memory:  part of a strategy's state: balance__peaks_bytes() of it.
 * Threads: its worker's. */
#ifndef PANDO_BALANCE_STRATEGY_PEAKS_H
#define PANDO_BALANCE_STRATEGY_PEAKS_H

#include "balance/balance.h"

struct balance_peak {
    double   mean_ns;
    double   shown_ns; /* what picks compare: the mean, or the median of the others; never 0 */
    uint64_t at_ns;    /* of the last sample; 0: there was none */
};

struct balance_peaks {
    uint32_t             count;
    struct balance_peak *at;      /* in the same memory, behind this; one for each target */
    double              *scratch; /* the same, for the median */
};

/* What balance__peaks_fill() needs. */
size_t balance__peaks_bytes(uint32_t targets_count);

/* @memory is zeroed and has balance__peaks_bytes(); @old may be NULL. Returns @memory. */
struct balance_peaks *balance__peaks_fill(void *memory, const struct balance_setup *setup,
                                          const struct balance_peaks *old);

/* An attempt at the target at @index is over. */
void balance__peaks_add(struct balance_peaks *peaks, size_t index, const struct sample *sample);

/* Shows the median for those that had no sample for tau. */
void balance__peaks_tick(struct balance_peaks *peaks, uint64_t now_ns);

#endif
