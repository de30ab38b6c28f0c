/* SPDX-License-Identifier: Apache-2.0 */
/* balance/fullness/fullness.c - windows of answers, and what they say of the capacity. */
#include "balance/fullness/fullness.h"

#include "core/units.h"

#include <math.h>

enum {
    WINDOW_ANSWERS = 64,
    STALE_S = 10,   /* after that a ring may be as good as it ever was */
    BEST_S = 300,   /* the best window is of the last 5 to 10 minutes */
    FAILED_AS = 50, /* so many times the mean is what a failed answer counts */
};

#define STEP        0.2 /* the exponent */
#define STICKS_TO   2.0 /* times the best window: up to there a ring is never full */
#define EXPLORES_AT 0.9 /* of W, while nothing is known of others */

void balance__fullness_add(struct fullness *fullness, const struct sample *sample)
{
    if (sample->outcome == BALANCE_UNTOLD)
        return;
    if (sample->outcome != BALANCE_ANSWERED || sample->latency_ns == 0) {
        fullness->failed_count++;
        return;
    }
    fullness->good_count++;
    fullness->latency_sum_ns += (double)sample->latency_ns;
}

double balance__fullness_look(struct fullness *fullness, double inflight)
{
    fullness->looks_count++;
    fullness->inflight_sum += inflight;
    return fullness->capacity > 0 ? inflight / fullness->capacity : 0;
}

double balance__fullness_best_ns(const struct fullness *fullness)
{
    const double now = fullness->best_ns, before = fullness->best_before_ns;
    return now == 0 || (before > 0 && before < now) ? before : now;
}

static void note_best(struct fullness *fullness, double mean_ns, uint64_t now_ns)
{
    if (fullness->best_since_ns == 0)
        fullness->best_since_ns = now_ns;
    if (now_ns - fullness->best_since_ns >= BEST_S * NS_PER_S) {
        fullness->best_before_ns = fullness->best_ns;
        fullness->best_ns = 0;
        fullness->best_since_ns = now_ns;
    }
    if (fullness->best_ns == 0 || mean_ns < fullness->best_ns)
        fullness->best_ns = mean_ns;
}

bool balance__fullness_close(struct fullness *fullness, uint64_t now_ns)
{
    const uint32_t count = fullness->good_count + fullness->failed_count;
    double mean_ns = balance__fullness_best_ns(fullness);
    if (count < WINDOW_ANSWERS)
        return false;
    if (fullness->good_count >= count / 2) {
        mean_ns = fullness->latency_sum_ns / fullness->good_count;
        note_best(fullness, mean_ns, now_ns);
    } else if (mean_ns == 0) {
        mean_ns = (double)NS_PER_S; /* it never answered well */
    }
    fullness->latency_ns = mean_ns * (1 + FAILED_AS * (double)fullness->failed_count / count);
    fullness->seen_ns = now_ns;
    return true;
}

double balance__fullness_price_ns(const struct fullness *fullness, uint64_t now_ns)
{
    if (fullness->seen_ns == 0)
        return 0;
    const double best_ns = balance__fullness_best_ns(fullness);
    const bool is_stale = now_ns - fullness->seen_ns >= STALE_S * NS_PER_S;
    return is_stale && best_ns > 0 ? best_ns : fullness->latency_ns;
}

static void move(struct fullness *fullness, double wanted_ns, double spill)
{
    const double inflight = fullness->inflight_sum / fullness->looks_count;
    const bool is_over = fullness->latency_ns > wanted_ns;
    if (fullness->capacity == 0 && is_over) /* it was never full so far, and is about to be */
        fullness->capacity = inflight / spill;
    if (fullness->capacity == 0)
        return;
    if (is_over || fullness->spilled_count > 0 || inflight > spill * fullness->capacity)
        fullness->capacity *= pow(wanted_ns / fullness->latency_ns, STEP);
    if (fullness->capacity < inflight) /* less would say nothing more: all is spilled */
        fullness->capacity = inflight;
}

void balance__fullness_learn(struct fullness *fullness, double others_ns, double best_ns,
                             double spill)
{
    const double least_ns = STICKS_TO * best_ns;
    double wanted_ns = others_ns > least_ns ? others_ns : least_ns;
    if (others_ns == 0)
        wanted_ns = EXPLORES_AT * fullness->latency_ns;
    if (fullness->looks_count > 0)
        move(fullness, wanted_ns, spill);
    fullness->latency_sum_ns = fullness->inflight_sum = 0;
    fullness->good_count = fullness->failed_count = 0;
    fullness->looks_count = fullness->spilled_count = 0;
}
