/* SPDX-License-Identifier: Apache-2.0 */
/* sim/model/tally.c - log-linear buckets. */
#include "sim/model/tally.h"

enum { SUB = 1u << SIM_TALLY_SUB_BITS };

static unsigned bucket_of(uint64_t ns)
{
    if (ns < SUB)
        return (unsigned)ns;
    const unsigned octave = 63u - (unsigned)__builtin_clzll(ns);
    if (octave >= SIM_TALLY_OCTAVES)
        return SIM_TALLY_BUCKETS - 1;
    const unsigned shift = octave - SIM_TALLY_SUB_BITS;
    return ((shift + 1) << SIM_TALLY_SUB_BITS) + ((unsigned)(ns >> shift) & (SUB - 1));
}

static uint64_t middle_of(unsigned bucket)
{
    if (bucket < SUB)
        return bucket;
    const unsigned shift = (bucket >> SIM_TALLY_SUB_BITS) - 1;
    const uint64_t from = (uint64_t)(SUB + (bucket & (SUB - 1))) << shift;
    return from + ((1ull << shift) >> 1);
}

void sim_tally_add(struct sim_tally *tally, uint64_t ns)
{
    tally->counts[bucket_of(ns)]++;
    tally->count++;
    tally->sum_ns += (double)ns;
}

uint64_t sim_tally_quantile_ns(const struct sim_tally *tally, double quantile)
{
    const double wanted = quantile * (double)tally->count;
    uint64_t seen = 0;
    for (unsigned i = 0; i < SIM_TALLY_BUCKETS; i++) {
        seen += tally->counts[i];
        if (seen > 0 && (double)seen >= wanted)
            return middle_of(i);
    }
    return 0;
}

double sim_tally_mean_ns(const struct sim_tally *tally)
{
    return tally->count == 0 ? 0 : tally->sum_ns / (double)tally->count;
}
