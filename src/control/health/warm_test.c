/* SPDX-License-Identifier: Apache-2.0 */
/* control/health/warm_test.c - a weight that grows. */
#include "control/health/warm.h"

#include "core/units.h"

#include <criterion/criterion.h>

static uint32_t straight(uint64_t since_ns, uint64_t window_ns, uint32_t least)
{
    return warm_percent(since_ns, &(struct warm_curve){window_ns, least, 100});
}

Test(warm, grows_in_steps_from_the_least_to_the_whole)
{
    const uint64_t window_ns = 30 * NS_PER_S;
    uint32_t before = 0, steps = 0;
    for (uint64_t at_ns = 0; at_ns <= window_ns; at_ns += 10 * NS_PER_MS) {
        const uint32_t percent = straight(at_ns, window_ns, 10);
        cr_assert(percent >= 10 && percent <= WARM_WHOLE && percent >= before);
        steps += percent != before;
        before = percent;
    }
    cr_expect(before == WARM_WHOLE && steps == 19, "%u", steps);
    cr_expect(straight(15 * NS_PER_S + NS_PER_S / 10, window_ns, 10) == 50);
}

Test(warm, windows_may_be_tiny_and_the_least_may_be_all)
{
    cr_expect(straight(0, 1, 10) == 10);
    cr_expect(straight(1, 1, 10) == WARM_WHOLE);
    cr_expect(straight(50, 99, 10) == 50);
    cr_expect(straight(0, NS_PER_S, 100) == WARM_WHOLE);
}

/* Half of the time: the square root of a half with 200, a quarter with 50. */
Test(warm, aggression_bends_the_line)
{
    const uint64_t half_ns = 15 * NS_PER_S + NS_PER_S / 10;
    cr_expect(warm_percent(half_ns, &(struct warm_curve){30 * NS_PER_S, 10, 200}) == 70);
    cr_expect(warm_percent(half_ns, &(struct warm_curve){30 * NS_PER_S, 10, 50}) == 25);
    cr_expect(warm_percent(0, &(struct warm_curve){30 * NS_PER_S, 10, 1000}) == 10);
}
