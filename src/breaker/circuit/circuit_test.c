/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/circuit/circuit_test.c - the circuit's machine, second by second. */
#include "breaker/circuit/circuit.h"

#include "core/random.h"
#include "core/units.h"

#include <criterion/criterion.h>

static const struct circuit_rules rules = {
    .window_ns = 10 * NS_PER_S,
    .open_first_ns = 5 * NS_PER_S,
    .open_most_ns = 60 * NS_PER_S,
    .volume = 20,
    .failed_percent = 50,
    .slow_percent = 80,
    .trials = 10,
};

static struct circuit circuit;
static uint64_t now_ns = 1000 * NS_PER_S;

static void look_at(struct circuit_counts since, struct circuit_counts results)
{
    const struct circuit_look look = {
        .now_ns = now_ns, .draw = UINT64_MAX / 2, .since = since, .results = results};
    circuit_step(&circuit, &rules, &look);
}

static void count(uint32_t all, uint32_t failed, uint32_t slow)
{
    look_at((struct circuit_counts){all, failed, slow}, (struct circuit_counts){0});
}

static void report(uint32_t all, uint32_t failed, uint32_t slow)
{
    look_at((struct circuit_counts){0}, (struct circuit_counts){all, failed, slow});
}

static void expect_open_for(uint64_t seconds)
{
    cr_expect(circuit.state == CIRCUIT_OPEN && circuit.has_changed);
    const uint64_t open_ns = circuit.until_ns - now_ns;
    cr_expect(open_ns >= seconds * 800 * NS_PER_MS && open_ns <= seconds * 1200 * NS_PER_MS,
              "open for %llu ms", (unsigned long long)(open_ns / NS_PER_MS));
}

static void become_half_open(void)
{
    now_ns = circuit.until_ns;
    count(0, 0, 0);
    cr_assert(circuit.state == CIRCUIT_HALF_OPEN && circuit.has_changed && circuit.trials == 10);
}

Test(circuit, opens_for_the_share_of_failures)
{
    count(20, 9, 0);
    cr_expect(circuit.state == CIRCUIT_CLOSED && !circuit.has_changed);
    count(2, 2, 0);
    expect_open_for(5);
    cr_expect(circuit.cause.percent == 50 && circuit.cause.all == 22 && !circuit.cause.is_slow);
}

Test(circuit, opens_for_the_share_of_slow_answers)
{
    count(20, 0, 15);
    cr_expect(circuit.state == CIRCUIT_CLOSED);
    count(5, 0, 5);
    expect_open_for(5);
    cr_expect(circuit.cause.is_slow && circuit.cause.percent == 80);
}

Test(circuit, a_few_answers_decide_nothing)
{
    count(19, 19, 19);
    cr_expect(circuit.state == CIRCUIT_CLOSED);
    count(1, 0, 0);
    cr_expect(circuit.state == CIRCUIT_OPEN);
}

/* What lies a window back no longer counts, and nothing of it stays in a bucket used anew. */
Test(circuit, the_window_slides)
{
    count(19, 19, 0);
    for (int i = 0; i < 9; i++) {
        now_ns += NS_PER_S;
        count(0, 0, 0);
        cr_expect(circuit.state == CIRCUIT_CLOSED);
    }
    now_ns += NS_PER_S;
    count(19, 19, 0);
    cr_expect(circuit.state == CIRCUIT_CLOSED);
    now_ns += NS_PER_S;
    count(1, 1, 0);
    cr_expect(circuit.state == CIRCUIT_OPEN);
}

Test(circuit, after_a_long_silence_the_window_is_empty)
{
    count(19, 19, 0);
    now_ns += 3600 * NS_PER_S;
    count(19, 19, 0);
    cr_expect(circuit.state == CIRCUIT_CLOSED);
}

Test(circuit, becomes_half_open_when_its_time_has_come)
{
    count(20, 20, 0);
    now_ns = circuit.until_ns - 1;
    count(100, 100, 0);
    cr_expect(circuit.state == CIRCUIT_OPEN && !circuit.has_changed);
    become_half_open();
    cr_expect(circuit.until_ns == 0);
}

Test(circuit, decides_when_every_trial_was_reported)
{
    count(20, 20, 0);
    become_half_open();
    report(9, 0, 0);
    cr_expect(circuit.state == CIRCUIT_HALF_OPEN);
    report(10, 4, 7);
    cr_expect(circuit.state == CIRCUIT_CLOSED && circuit.has_changed);
    count(19, 19, 0);
    cr_expect(circuit.state == CIRCUIT_CLOSED, "the window begins anew");
}

Test(circuit, is_open_twice_as_long_after_each_failed_half_open)
{
    static const uint64_t seconds[] = {10, 20, 40, 60, 60};
    count(20, 20, 0);
    expect_open_for(5);
    for (size_t i = 0; i < sizeof seconds / sizeof seconds[0]; i++) {
        become_half_open();
        report(10, i % 2 == 0 ? 5 : 0, i % 2 == 0 ? 0 : 8);
        expect_open_for(seconds[i]);
        cr_expect(circuit.cause.is_trial && circuit.cause.all == 10);
    }
    cr_expect(circuit.openings_total == 6);
}

Test(circuit, goes_on_doubling_only_if_it_opens_again_soon)
{
    count(20, 20, 0);
    become_half_open();
    report(10, 0, 0);
    now_ns += 9 * NS_PER_S;
    count(20, 20, 0);
    expect_open_for(10);
    become_half_open();
    report(10, 0, 0);
    now_ns += 10 * NS_PER_S;
    count(20, 20, 0);
    expect_open_for(5);
}

/* Many nodes must not try in step. */
Test(circuit, the_time_is_drawn_within_a_fifth)
{
    uint64_t least_ns = UINT64_MAX, most_ns = 0;
    struct random random;
    random_init(&random, 1);
    for (int i = 0; i < 1000; i++) {
        const struct circuit_look look = {
            .now_ns = now_ns, .draw = random_next(&random), .since = {20, 20, 0}};
        circuit = (struct circuit){0};
        circuit_step(&circuit, &rules, &look);
        const uint64_t open_ns = circuit.until_ns - now_ns;
        least_ns = open_ns < least_ns ? open_ns : least_ns;
        most_ns = open_ns > most_ns ? open_ns : most_ns;
    }
    cr_expect(least_ns >= 4000 * NS_PER_MS && least_ns < 4050 * NS_PER_MS);
    cr_expect(most_ns <= 6000 * NS_PER_MS && most_ns > 5950 * NS_PER_MS);
}

Test(circuit, a_rate_that_is_not_set_opens_nothing)
{
    struct circuit_rules none = rules;
    none.failed_percent = none.slow_percent = 0;
    const struct circuit_look look = {.now_ns = now_ns, .since = {1000, 1000, 1000}};
    circuit_step(&circuit, &none, &look);
    cr_expect(circuit.state == CIRCUIT_CLOSED);
}

Test(circuit, says_why)
{
    char text[96];
    circuit_write_cause(&(struct circuit_cause){.percent = 62, .all = 120}, 10 * NS_PER_S, text,
                        sizeof text);
    cr_expect_str_eq(text, "62 % of 120 answers in 10 s were failures");
    circuit_write_cause(&(struct circuit_cause){80, 10, true, true}, 10 * NS_PER_S, text,
                        sizeof text);
    cr_expect_str_eq(text, "80 % of 10 trials were too slow");
}

/* Whatever comes: it is open for at most 1.2 times the longest time, half-open only after it was
 * open, and closes only if its trials were well. */
Test(circuit, laws_hold_in_20000_random_lives)
{
    struct random random;
    random_init(&random, 7);
    for (int i = 0; i < 20000; i++) {
        const enum circuit_state before = circuit.state;
        const uint64_t until_ns = circuit.until_ns;
        const uint32_t all = (uint32_t)random_below(random_next(&random), 11);
        const uint32_t failed =
            all == 0 ? 0 : (uint32_t)random_below(random_next(&random), all + 1);
        const struct circuit_look look = {.now_ns = now_ns,
                                          .draw = random_next(&random),
                                          .since = {all, failed, 0},
                                          .results = {all, failed, 0}};
        now_ns += random_below(random_next(&random), 3 * NS_PER_S);
        circuit_step(&circuit, &rules, &look);
        cr_assert(circuit.has_changed == (circuit.state != before));
        cr_assert((circuit.state == CIRCUIT_OPEN) == (circuit.until_ns != 0));
        cr_assert(circuit.until_ns <= look.now_ns + 72 * NS_PER_S);
        cr_assert(circuit.state != CIRCUIT_HALF_OPEN || before != CIRCUIT_CLOSED);
        cr_assert(before != CIRCUIT_OPEN || !circuit.has_changed || look.now_ns >= until_ns);
        cr_assert(before != CIRCUIT_HALF_OPEN || !circuit.has_changed || all == 10);
        cr_assert(before != CIRCUIT_HALF_OPEN || circuit.state != CIRCUIT_CLOSED || failed < 5);
    }
}
