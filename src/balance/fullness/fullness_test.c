/* SPDX-License-Identifier: Apache-2.0 */
/* balance/fullness/fullness_test.c - what is learned of a ring's capacity, window by window. */
#include "balance/fullness/fullness.h"
#include "core/units.h"

#include <criterion/criterion.h>
#include <math.h>

enum { WINDOW = 64 };

#define MS ((double)NS_PER_MS)

static struct fullness ring;
static uint64_t now_ns;

static void give(unsigned count, double latency_ms, enum balance_outcome outcome)
{
    const struct sample sample = {.latency_ns = (uint64_t)(latency_ms * MS), .outcome = outcome};
    for (unsigned i = 0; i < count; i++)
        balance__fullness_add(&ring, &sample);
}

/* A window of good answers, with so much in flight. */
static void window(double latency_ms, double inflight)
{
    now_ns += NS_PER_S;
    (void)balance__fullness_look(&ring, inflight);
    give(WINDOW, latency_ms, BALANCE_ANSWERED);
    cr_assert(balance__fullness_close(&ring, now_ns));
}

static void learn(double others_ms, double best_ms)
{
    balance__fullness_learn(&ring, others_ms * MS, best_ms * MS, 0.5);
}

Test(fullness, a_window_has_64_answers)
{
    give(WINDOW - 1, 40, BALANCE_ANSWERED);
    cr_expect(!balance__fullness_close(&ring, 1));
    give(100, 40, BALANCE_UNTOLD); /* says nothing of the ring */
    cr_expect(!balance__fullness_close(&ring, 1));
    cr_expect(balance__fullness_price_ns(&ring, 1) == 0 && balance__fullness_best_ns(&ring) == 0);
    give(1, 104, BALANCE_ANSWERED);
    cr_expect(balance__fullness_close(&ring, 1));
    cr_expect_float_eq(balance__fullness_price_ns(&ring, 1), 41 * MS, 1);
    cr_expect_float_eq(balance__fullness_best_ns(&ring), 41 * MS, 1);
}

Test(fullness, a_ring_that_was_never_slow_is_never_full)
{
    for (int i = 0; i < 10; i++) {
        window(40 + i, 100);
        learn(60, 40);
        cr_expect(balance__fullness_look(&ring, 1e6) == 0);
    }
}

/* Slower than the others: from what it has now on it spills, and holds less with every window. */
Test(fullness, a_slow_ring_holds_less)
{
    window(40, 10);
    learn(60, 40);
    window(120, 30);
    learn(85, 40);
    double before = ring.capacity;
    cr_expect(before > 30 && before < 60, "half of it is in flight, and a little more: %g", before);
    for (int i = 0; i < 3; i++) {
        window(120, 20);
        learn(85, 40);
        cr_expect_float_eq(ring.capacity, before * pow(85.0 / 120, 0.2), 1e-6);
        before = ring.capacity;
    }
    cr_expect_float_eq(balance__fullness_look(&ring, before), 1, 1e-9);
}

/* Faster than the others again: it grows while it spills, and then stays. */
Test(fullness, it_grows_only_while_something_is_spilled)
{
    window(120, 30);
    learn(85, 40);
    const double before = ring.capacity;
    ring.spilled_count = 1;
    window(50, 10);
    learn(85, 40);
    cr_expect_float_eq(ring.capacity, before * pow(85.0 / 50, 0.2), 1e-6);
    const double grown = ring.capacity;
    window(50, 10);
    learn(85, 40);
    cr_expect(ring.capacity == grown, "nothing is known of what it holds beyond that");
    window(50, 0.6 * grown);
    learn(85, 40);
    cr_expect(ring.capacity > grown, "more than half full, and fast");
}

/* Others that are just a little faster do not count, up to twice the best that was ever seen. */
Test(fullness, it_sticks_to_twice_its_best)
{
    window(79, 10);
    learn(20, 40);
    cr_expect(ring.capacity == 0);
    window(81, 10);
    learn(20, 40);
    cr_expect(ring.capacity > 0);
}

/* A node that starts under load knows no better times: it looks what others have. */
Test(fullness, it_explores_while_nothing_is_known_of_others)
{
    window(200, 30);
    learn(0, 200);
    cr_expect_float_eq(ring.capacity, 60 * pow(0.9, 0.2), 1e-6);
    window(200, 20);
    learn(210, 200); /* they are no better */
    cr_expect_float_eq(ring.capacity, 60 * pow(0.9, 0.2), 1e-6);
}

Test(fullness, no_less_is_held_than_is_there)
{
    window(1000, 30);
    learn(50, 20);
    for (int i = 0; i < 50; i++) {
        window(1000, 30);
        learn(50, 20);
    }
    cr_expect_float_eq(ring.capacity, 30, 1e-6, "it would only take longer to grow again");
}

Test(fullness, failures_count_as_long_answers)
{
    now_ns = NS_PER_S;
    give(62, 40, BALANCE_ANSWERED);
    give(1, 1, BALANCE_BUSY); /* answered at once, and refused */
    give(1, 0, BALANCE_FAILED);
    cr_expect(balance__fullness_close(&ring, now_ns));
    cr_expect_float_eq(balance__fullness_price_ns(&ring, now_ns), 40 * MS * (1 + 50.0 * 2 / 64), 1);
    cr_expect_float_eq(balance__fullness_best_ns(&ring), 40 * MS, 1, "the best is of the good");
}

/* Where nothing is well the few good answers, perhaps fast ones, say nothing. */
Test(fullness, a_ring_that_only_fails_is_dear)
{
    window(40, 10);
    learn(60, 40);
    give(4, 1, BALANCE_ANSWERED);
    give(60, 1, BALANCE_ERROR);
    cr_expect(balance__fullness_close(&ring, now_ns));
    cr_expect(balance__fullness_price_ns(&ring, now_ns) > 1000 * MS);
    cr_expect_float_eq(balance__fullness_best_ns(&ring), 40 * MS, 1);
}

Test(fullness, after_ten_seconds_it_may_be_as_good_as_ever)
{
    window(40, 10);
    learn(60, 40);
    window(200, 10);
    cr_expect_float_eq(balance__fullness_price_ns(&ring, now_ns + 9 * NS_PER_S), 200 * MS, 1);
    cr_expect_float_eq(balance__fullness_price_ns(&ring, now_ns + 10 * NS_PER_S), 40 * MS, 1);
}

/* Servers change: the best is that of five to ten minutes. */
Test(fullness, the_best_is_forgotten)
{
    window(40, 10);
    learn(60, 40);
    for (unsigned i = 0; i < 330; i++) {
        window(70, 10);
        learn(100, 60);
    }
    cr_expect_float_eq(balance__fullness_best_ns(&ring), 40 * MS, 1);
    for (unsigned i = 0; i < 300; i++) {
        window(70, 10);
        learn(100, 60);
    }
    cr_expect_float_eq(balance__fullness_best_ns(&ring), 70 * MS, 1);
}
