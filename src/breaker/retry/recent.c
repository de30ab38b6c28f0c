/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/retry/recent.c - counting, halving, walking. */
#include "breaker/retry/recent.h"

#include "core/units.h"

enum {
    RECENT_EVERY = 64,
    RECENT_MAX = 2048,
    RECENT_SILENCE_S = 1,
};

/* The end of the bucket in which @part of 100 are passed. */
static uint32_t quantile_us(const struct recent *recent, uint32_t part)
{
    const uint64_t wanted = ((uint64_t)recent->count * part + 99) / 100;
    uint64_t seen = 0;
    unsigned bucket = 0;
    while (bucket < HISTOGRAM_BUCKETS - 1 && (seen += recent->counts[bucket]) < wanted)
        bucket++;
    return bucket == HISTOGRAM_BUCKETS - 1 ? (uint32_t)histogram_bucket_from_us(bucket)
                                           : (uint32_t)histogram_bucket_from_us(bucket + 1);
}

static void halve(struct recent *recent)
{
    recent->count = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        recent->count += recent->counts[i] /= 2;
}

static bool is_silent(const struct recent *recent, uint64_t now_ns)
{
    return now_ns - recent->added_ns > RECENT_SILENCE_S * NS_PER_S;
}

void recent_add(struct recent *recent, uint64_t us, uint64_t now_ns)
{
    if (is_silent(recent, now_ns))
        *recent = (struct recent){0};
    recent->added_ns = now_ns;
    recent->counts[histogram_bucket(us)]++;
    if (++recent->count % RECENT_EVERY != 0)
        return;
    recent->p50_us = quantile_us(recent, 50);
    recent->p95_us = quantile_us(recent, 95);
    if (recent->count >= RECENT_MAX)
        halve(recent);
}

uint64_t recent_p50_ns(const struct recent *recent, uint64_t now_ns)
{
    return is_silent(recent, now_ns) ? 0 : recent->p50_us * NS_PER_US;
}

uint64_t recent_p95_ns(const struct recent *recent, uint64_t now_ns)
{
    return is_silent(recent, now_ns) ? 0 : recent->p95_us * NS_PER_US;
}
