/* SPDX-License-Identifier: Apache-2.0 */
/* balance/strategy/peaks.c - means, and the median that stands in for them. */
#include "balance/strategy/peaks.h"

#include "core/units.h"

#include <math.h>

#define TAU_NS ((double)(10 * NS_PER_S))

size_t balance__peaks_bytes(uint32_t targets_count)
{
    return sizeof(struct balance_peaks) +
           targets_count * (sizeof(struct balance_peak) + sizeof(double));
}

static bool is_fresh(const struct balance_peak *peak, uint64_t now_ns)
{
    return peak->at_ns != 0 && (double)(now_ns - peak->at_ns) < TAU_NS;
}

static void swap(double *one, double *other)
{
    const double was = *one;
    *one = *other;
    *other = was;
}

/* The element that would stand at @wanted if @at were sorted: Hoare's selection. */
static double select_nth(double *at, size_t count, size_t wanted)
{
    size_t low = 0, high = count - 1;
    while (low < high) {
        const double pivot = at[low + (high - low) / 2];
        size_t i = low, j = high;
        for (;; i++, j--) {
            while (at[i] < pivot)
                i++;
            while (at[j] > pivot)
                j--;
            if (i >= j)
                break;
            swap(&at[i], &at[j]);
        }
        if (wanted <= j)
            high = j;
        else
            low = j + 1;
    }
    return at[wanted];
}

void balance__peaks_tick(struct balance_peaks *peaks, uint64_t now_ns)
{
    size_t fresh_count = 0;
    for (uint32_t i = 0; i < peaks->count; i++)
        if (is_fresh(&peaks->at[i], now_ns))
            peaks->scratch[fresh_count++] = peaks->at[i].mean_ns;
    const double median =
        fresh_count > 0 ? select_nth(peaks->scratch, fresh_count, (fresh_count - 1) / 2) : 1;
    for (uint32_t i = 0; i < peaks->count; i++)
        if (!is_fresh(&peaks->at[i], now_ns))
            peaks->at[i].shown_ns = median;
}

struct balance_peaks *balance__peaks_fill(void *memory, const struct balance_setup *setup,
                                          const struct balance_peaks *old)
{
    struct balance_peaks *peaks = memory;
    const struct target_set *set = setup->set;
    size_t hint = 0;
    peaks->count = set->count;
    peaks->at = (struct balance_peak *)(void *)(peaks + 1);
    peaks->scratch = (double *)(void *)(peaks->at + set->count);
    for (uint32_t i = 0; old != NULL && i < set->count; i++) {
        const size_t before = balance_index_of(setup->old_set, set->at[i], hint);
        if (before == BALANCE_NONE)
            continue;
        peaks->at[i] = old->at[before];
        hint = before + 1;
    }
    balance__peaks_tick(peaks, setup->now_ns);
    return peaks;
}

void balance__peaks_add(struct balance_peaks *peaks, size_t index, const struct sample *sample)
{
    struct balance_peak *peak = &peaks->at[index];
    const bool is_bad = sample->outcome == BALANCE_ERROR || sample->outcome == BALANCE_FAILED;
    double latency_ns = (double)sample->latency_ns;
    if (sample->outcome == BALANCE_PROBED || (sample->latency_ns == 0 && !is_bad))
        return;
    if (is_bad && latency_ns < peak->shown_ns)
        latency_ns = peak->shown_ns;
    if (peak->at_ns == 0 || latency_ns > peak->mean_ns) {
        peak->mean_ns = latency_ns;
    } else {
        const double kept = exp(-(double)(sample->now_ns - peak->at_ns) / TAU_NS);
        peak->mean_ns = peak->mean_ns * kept + latency_ns * (1 - kept);
    }
    peak->at_ns = sample->now_ns;
    peak->shown_ns = peak->mean_ns;
}
