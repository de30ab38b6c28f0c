/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/retry/recent.h - how long the answers of late have taken: quantiles that follow. Pure.
 *
 * Buckets of metrics/histogram.h, halved every 2,048 answers, so that what was a while ago weighs
 * less and less. The quantiles are worked out every 64 answers, so an answer costs two additions.
 * After a second without an answer nothing is known any more: whoever refuses requests because of
 * a quantile would otherwise never learn that it has fallen.
 *
 * Time:    nanoseconds on the monotonic clock; passed in, never read.
 * Memory:  embedded; zeroed is empty. Threads: its owner's. Errors: none. */
#ifndef PANDO_BREAKER_RETRY_RECENT_H
#define PANDO_BREAKER_RETRY_RECENT_H

#include "metrics/histogram.h"

#include <stdbool.h>
#include <stdint.h>

struct recent {
    uint32_t counts[HISTOGRAM_BUCKETS];
    uint32_t count;
    uint32_t p50_us, p95_us; /* 0: not known yet */
    uint64_t added_ns;       /* the last one came */
};

/* An answer took @us microseconds. */
void recent_add(struct recent *recent, uint64_t us, uint64_t now_ns);

/* What half, and 95 %, of the answers took at most, in nanoseconds; 0: not known. */
uint64_t recent_p50_ns(const struct recent *recent, uint64_t now_ns);
uint64_t recent_p95_ns(const struct recent *recent, uint64_t now_ns);

#endif
