/* SPDX-License-Identifier: Apache-2.0 */
/* metrics/histogram.h - durations in fixed memory: log-linear buckets, one writer, any reader.
 *
 * Eight buckets an octave, so a bucket is at most 12.5 % wide and a quantile, given as a bucket's
 * middle, is off by at most 6.25 %. From 1 us to 67 s; longer ones count in the last bucket. Counts
 * have 64 bits and never wrap.
 *
 * Memory:  1544 bytes; embedded; zeroed is empty.
 * Threads: histogram_record() by one thread; histogram_add() by any, which sees counts that may be
 *          a moment apart. */
#ifndef PANDO_METRICS_HISTOGRAM_H
#define PANDO_METRICS_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

enum {
    HISTOGRAM_SUB_BITS = 3,
    HISTOGRAM_OCTAVES = 26, /* 2^26 us are 67 s */
    HISTOGRAM_BUCKETS = (HISTOGRAM_OCTAVES - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS,
};

struct histogram {
    _Atomic uint64_t counts[HISTOGRAM_BUCKETS];
    _Atomic uint64_t sum_us;
};

/* Plain numbers: a sum of histograms, or a difference of two such sums. */
struct histogram_view {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t count;
    uint64_t sum_us;
};

/* The bucket of @us: below 8 the value itself, then octave by octave. */
static inline unsigned histogram_bucket(uint64_t us)
{
    if (us < (1u << HISTOGRAM_SUB_BITS))
        return (unsigned)us;
    const unsigned octave = 63u - (unsigned)__builtin_clzll(us);
    if (octave >= HISTOGRAM_OCTAVES)
        return HISTOGRAM_BUCKETS - 1;
    const unsigned within =
        (unsigned)(us >> (octave - HISTOGRAM_SUB_BITS)) & ((1u << HISTOGRAM_SUB_BITS) - 1);
    return ((octave - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS) + within;
}

/* Counts a duration of @us microseconds: two loads, two stores. */
static inline void histogram_record(struct histogram *histogram, uint64_t us)
{
    _Atomic uint64_t *count = &histogram->counts[histogram_bucket(us)];
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    atomic_store_explicit(&histogram->sum_us,
                          atomic_load_explicit(&histogram->sum_us, memory_order_relaxed) + us,
                          memory_order_relaxed);
}

/* The smallest value of @bucket, in microseconds; that of the bucket after it is its end. */
uint64_t histogram_bucket_from_us(unsigned bucket);

/* Adds what is in @histogram to @view. */
void histogram_add(struct histogram_view *view, const struct histogram *histogram);

/* Takes @before, an earlier state of the same sum, out of @view. */
void histogram_subtract(struct histogram_view *view, const struct histogram_view *before);

/* The value that @quantile (0 to 1) of all are at most, in microseconds: the middle of its bucket;
 * 0 if there are none. */
uint64_t histogram_quantile_us(const struct histogram_view *view, double quantile);

/* How many are at most @us; exact where @us is a bucket's end, else whole buckets below it. */
uint64_t histogram_count_up_to(const struct histogram_view *view, uint64_t us);

#endif
