/* SPDX-License-Identifier: Apache-2.0 */
/* control/health/warm_test.c - a weight that grows. */
#include "control/health/warm.h"

#include "core/units.h"

#include <criterion/criterion.h>

Test(warm, grows_in_steps_from_the_least_to_the_whole)
{
    const uint64_t window_ns = 30 * NS_PER_S;
    uint32_t before = 0, steps = 0;
    for (uint64_t at_ns = 0; at_ns <= window_ns; at_ns += 10 * NS_PER_MS) {
        const uint32_t percent = warm_percent(at_ns, window_ns, 10);
        cr_assert(percent >= 10 && percent <= WARM_WHOLE && percent >= before);
        steps += percent != before;
        before = percent;
    }
    cr_expect(before == WARM_WHOLE && steps == 19, "%u", steps);
    cr_expect(warm_percent(15 * NS_PER_S + NS_PER_S / 10, window_ns, 10) == 50);
}

Test(warm, windows_may_be_tiny_and_the_least_may_be_all)
{
    cr_expect(warm_percent(0, 1, 10) == 10);
    cr_expect(warm_percent(1, 1, 10) == WARM_WHOLE);
    cr_expect(warm_percent(50, 99, 10) == 50);
    cr_expect(warm_percent(0, NS_PER_S, 100) == WARM_WHOLE);
}
