/* SPDX-License-Identifier: Apache-2.0 */
/* metrics/histogram.c - sums and quantiles. */
#include "metrics/histogram.h"

enum { SUBS = 1 << HISTOGRAM_SUB_BITS };

uint64_t histogram_bucket_from_us(unsigned bucket)
{
    if (bucket < SUBS)
        return bucket;
    const unsigned shift = (bucket >> HISTOGRAM_SUB_BITS) - 1;
    return (uint64_t)(SUBS + (bucket & (SUBS - 1))) << shift;
}

void histogram_add(struct histogram_view *view, const struct histogram *histogram)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        const uint64_t count = atomic_load_explicit(&histogram->counts[i], memory_order_relaxed);
        view->counts[i] += count;
        view->count += count;
    }
    view->sum_us += atomic_load_explicit(&histogram->sum_us, memory_order_relaxed);
}

void histogram_subtract(struct histogram_view *view, const struct histogram_view *before)
{
    view->count = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        view->counts[i] -=
            before->counts[i] < view->counts[i] ? before->counts[i] : view->counts[i];
        view->count += view->counts[i];
    }
    view->sum_us -= before->sum_us < view->sum_us ? before->sum_us : view->sum_us;
}

uint64_t histogram_quantile_us(const struct histogram_view *view, double quantile)
{
    if (view->count == 0)
        return 0;
    uint64_t rank = (uint64_t)((double)view->count * quantile);
    if (rank >= view->count)
        rank = view->count - 1;
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += view->counts[i];
        if (seen > rank)
            return (histogram_bucket_from_us(i) + histogram_bucket_from_us(i + 1)) / 2;
    }
    return histogram_bucket_from_us(HISTOGRAM_BUCKETS);
}

uint64_t histogram_count_up_to(const struct histogram_view *view, uint64_t us)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS - 1 && histogram_bucket_from_us(i + 1) <= us + 1;
         i++)
        count += view->counts[i];
    return count;
}
