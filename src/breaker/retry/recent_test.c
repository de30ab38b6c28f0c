/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/retry/recent_test.c - quantiles that follow. */
#include "breaker/retry/recent.h"

#include "core/units.h"

#include <criterion/criterion.h>

static struct recent recent;
static uint64_t now_ns = 5 * NS_PER_S;

static void add(unsigned count, uint64_t us)
{
    for (unsigned i = 0; i < count; i++)
        recent_add(&recent, us, now_ns);
}

static void expect_near(uint64_t ns, uint64_t us)
{
    cr_expect(ns >= us * NS_PER_US && ns <= us * NS_PER_US * 9 / 8 + NS_PER_US, "%llu us, not %llu",
              (unsigned long long)(ns / NS_PER_US), (unsigned long long)us);
}

Test(recent, nothing_is_known_before_enough_have_come)
{
    cr_expect(recent_p50_ns(&recent, now_ns) == 0);
    add(63, 100);
    cr_expect(recent_p50_ns(&recent, now_ns) == 0);
    add(1, 100);
    expect_near(recent_p50_ns(&recent, now_ns), 100);
}

Test(recent, quantiles_are_apart)
{
    for (int i = 0; i < 64; i++) {
        add(9, 1000);
        add(1, 80000);
    }
    expect_near(recent_p50_ns(&recent, now_ns), 1000);
    expect_near(recent_p95_ns(&recent, now_ns), 80000);
}

Test(recent, what_was_before_is_forgotten)
{
    add(10000, 100);
    add(10000, 5000);
    expect_near(recent_p50_ns(&recent, now_ns), 5000);
}

Test(recent, after_a_silence_nothing_is_known)
{
    add(1000, 100000);
    now_ns += 2 * NS_PER_S;
    cr_expect(recent_p50_ns(&recent, now_ns) == 0 && recent_p95_ns(&recent, now_ns) == 0);
    add(1, 10);
    cr_expect(recent_p50_ns(&recent, now_ns) == 0);
    add(63, 10);
    expect_near(recent_p50_ns(&recent, now_ns), 10);
}
