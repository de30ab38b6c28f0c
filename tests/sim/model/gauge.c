/* SPDX-License-Identifier: Apache-2.0 */
/* sim/model/gauge.c - latencies by requests in flight, and means that fade. */
#include "sim/model/gauge.h"

#include "core/units.h"

static uint32_t level_of(uint32_t inflight)
{
    return inflight < SIM_GAUGE_LEVELS ? inflight : SIM_GAUGE_LEVELS - 1;
}

void sim_gauge_pass(struct sim_gauge *gauge, uint64_t now_ns, double busy)
{
    const double passed = (double)(now_ns - gauge->seen_ns) / (double)NS_PER_S;
    const double share = passed / (1 + passed);
    gauge->busy += (busy - gauge->busy) * share;
    gauge->requests -= gauge->requests * share;
    gauge->errors -= gauge->errors * share;
    gauge->seen_ns = now_ns;
}

void sim_gauge_done(struct sim_gauge *gauge, uint32_t inflight_at_coming, uint64_t latency_ns)
{
    const uint32_t level = level_of(inflight_at_coming);
    const uint32_t at = gauge->levels[level].count++ % SIM_GAUGE_KEPT;
    gauge->levels[level].latency_us[at] = (uint32_t)(latency_ns / NS_PER_US);
    gauge->requests += 1;
}

void sim_gauge_failed(struct sim_gauge *gauge)
{
    gauge->errors += 1;
}

static uint32_t median_us(const uint32_t *latencies, uint32_t count)
{
    uint32_t sorted[SIM_GAUGE_KEPT];
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = i;
        for (; at > 0 && sorted[at - 1] > latencies[i]; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = latencies[i];
    }
    return sorted[count / 2];
}

/* Of the level nearest to @inflight that has any; 0: none has. */
static uint64_t latency_ns(const struct sim_gauge *gauge, uint32_t inflight)
{
    const uint32_t level = level_of(inflight);
    for (uint32_t away = 0; away < SIM_GAUGE_LEVELS; away++) {
        const uint32_t near[] = {level - away,
                                 level + away}; /* below 0 wraps, and is passed over */
        for (unsigned i = 0; i < 2; i++) {
            if (near[i] >= SIM_GAUGE_LEVELS || gauge->levels[near[i]].count == 0)
                continue;
            const uint32_t count = gauge->levels[near[i]].count;
            return NS_PER_US * median_us(gauge->levels[near[i]].latency_us,
                                         count < SIM_GAUGE_KEPT ? count : SIM_GAUGE_KEPT);
        }
    }
    return 0;
}

struct balance_report sim_gauge_report(const struct sim_gauge *gauge, uint32_t inflight)
{
    const uint64_t latency = latency_ns(gauge, inflight);
    return (struct balance_report){
        .has = BALANCE_HAS_UTILISATION | BALANCE_HAS_REQUESTS | BALANCE_HAS_ERRORS |
               BALANCE_HAS_INFLIGHT | (latency > 0 ? BALANCE_HAS_LATENCY : 0u),
        .utilisation = gauge->busy,
        .requests_per_s = gauge->requests,
        .errors_per_s = gauge->errors,
        .inflight = inflight,
        .latency_ns = latency,
    };
}
