/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/pause_test.c - the machine of a target that cannot be connected to. */
#include "breaker/pause.h"

#include "core/random.h"
#include "core/units.h"

#include <criterion/criterion.h>

static const struct pause_settings settings = {100 * NS_PER_MS, 30 * NS_PER_S};
static const struct pause up = {.state = TARGET_UP};

/* A draw in the middle: no jitter. */
static const uint64_t middle = UINT64_MAX / 401 * 200 + UINT64_MAX / 802;

static struct pause step(struct pause before, enum pause_event event, uint64_t now_ns)
{
    return pause_step(&before, &settings, event, now_ns, middle);
}

Test(pause, a_failure_pauses)
{
    const struct pause after = step(up, PAUSE_FAILED, 1000);
    cr_expect(after.state == TARGET_PAUSED && after.failures_in_a_row == 1);
    cr_expect(after.retry_at_ns == 1000 + 100 * NS_PER_MS);
}

Test(pause, doubles_up_to_the_most)
{
    struct pause pause = up;
    uint64_t now_ns = 5;
    const uint64_t wanted_ms[] = {100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000};
    for (size_t i = 0; i < sizeof wanted_ms / sizeof wanted_ms[0]; i++) {
        pause = step(pause, PAUSE_FAILED, now_ns);
        cr_expect(pause.retry_at_ns - now_ns == wanted_ms[i] * NS_PER_MS);
        now_ns = pause.retry_at_ns;
        pause = step(pause, PAUSE_DUE, now_ns);
        cr_expect(pause.state == TARGET_TRIAL && pause.retry_at_ns == 0);
    }
}

Test(pause, is_not_tried_before_it_is_due)
{
    const struct pause paused = step(up, PAUSE_FAILED, 0);
    cr_expect(step(paused, PAUSE_DUE, paused.retry_at_ns - 1).state == TARGET_PAUSED);
    cr_expect(step(paused, PAUSE_DUE, paused.retry_at_ns).state == TARGET_TRIAL);
    cr_expect(step(up, PAUSE_DUE, 1).state == TARGET_UP);
}

/* When a server dies, all that is under way there fails at once. */
Test(pause, failures_of_the_same_moment_are_one)
{
    struct pause first = step(up, PAUSE_FAILED, 0);
    struct pause pause = first;
    for (uint64_t i = 1; i < 64; i++)
        pause = step(pause, PAUSE_FAILED, i * NS_PER_MS);
    cr_expect(pause.failures_in_a_row == 1 && pause.retry_at_ns == first.retry_at_ns);
}

Test(pause, success_forgets_everything)
{
    const struct pause trial = {.state = TARGET_TRIAL, .failures_in_a_row = 7};
    const struct pause after = step(trial, PAUSE_CONNECTED, 1);
    cr_expect(after.state == TARGET_UP && after.failures_in_a_row == 0 && after.retry_at_ns == 0);
    cr_expect(step(step(trial, PAUSE_CONNECTED, 1), PAUSE_FAILED, 0).retry_at_ns ==
              100 * NS_PER_MS);
}

Test(pause, what_is_gone_stays_gone)
{
    const struct pause gone = {.state = TARGET_GONE};
    cr_expect(step(gone, PAUSE_FAILED, 0).state == TARGET_GONE);
    cr_expect(step(gone, PAUSE_CONNECTED, 0).state == TARGET_GONE);
}

/* Many nodes must not try in step: draws spread over 80 % to 120 %, evenly. */
Test(pause, is_jittered_by_a_fifth)
{
    struct random random;
    uint64_t least = UINT64_MAX, most = 0, sum = 0;
    random_init(&random, 1);
    for (int i = 0; i < 10000; i++) {
        const uint64_t pause_ns =
            pause_step(&up, &settings, PAUSE_FAILED, 0, random_next(&random)).retry_at_ns;
        least = pause_ns < least ? pause_ns : least;
        most = pause_ns > most ? pause_ns : most;
        sum += pause_ns;
    }
    cr_expect(least == 80 * NS_PER_MS && most == 120 * NS_PER_MS);
    cr_expect(sum / 10000 > 99 * NS_PER_MS && sum / 10000 < 101 * NS_PER_MS);
}

/* Whatever comes in whatever order: the pause keeps its bounds, and the states never stray. */
Test(pause, holds_its_bounds_in_any_order)
{
    struct random random;
    struct pause pause = up;
    uint64_t now_ns = 0;
    random_init(&random, 2);
    for (int i = 0; i < 100000; i++) {
        const enum pause_event event = (enum pause_event)random_below(random_next(&random), 3);
        const enum target_state before = pause.state;
        now_ns += random_below(random_next(&random), 20) * NS_PER_S;
        pause = pause_step(&pause, &settings, event, now_ns, random_next(&random));
        cr_assert((pause.state == TARGET_PAUSED) == (pause.retry_at_ns != 0));
        cr_assert(pause.retry_at_ns <= now_ns + 36 * NS_PER_S);
        cr_assert((pause.state == TARGET_UP) == (pause.failures_in_a_row == 0));
        cr_assert(pause.state != TARGET_TRIAL || before != TARGET_UP);
    }
}
