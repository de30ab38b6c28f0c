/* SPDX-License-Identifier: Apache-2.0 */
/* balance/strategy/peaks_test.c - a slow target is seen at once, forgotten slowly, and tried again;
 * and two-choices by latency. */
#include "balance/strategy/peaks.h"

#include "balance/balance_testing.h"
#include "core/units.h"

#include <criterion/criterion.h>
#include <math.h>

static struct table table;
static struct balance_peaks *peaks;

static void lay(uint32_t count)
{
    table_lay(&table, &balance_round_robin, NULL, count);
    const struct balance_setup setup = {.set = table.set, .now_ns = table.now_ns};
    peaks = balance__peaks_fill(calloc(1, balance__peaks_bytes(count)), &setup, NULL);
}

static void fini(void)
{
    free(peaks);
    table_fini(&table);
}

static void add(size_t index, uint64_t latency_ns, enum balance_outcome outcome)
{
    balance__peaks_add(
        peaks, index,
        &(struct sample){.now_ns = table.now_ns, .latency_ns = latency_ns, .outcome = outcome});
}

Test(peaks, a_peak_is_taken_at_once_and_decays)
{
    table.now_ns = NS_PER_S;
    lay(1);
    add(0, 1000, BALANCE_ANSWERED);
    cr_expect(peaks->at[0].mean_ns == 1000);
    add(0, 9000, BALANCE_ANSWERED);
    cr_expect(peaks->at[0].mean_ns == 9000);
    table.now_ns += 10 * NS_PER_S; /* tau */
    add(0, 1000, BALANCE_ANSWERED);
    const double wanted = 9000 * exp(-1) + 1000 * (1 - exp(-1));
    cr_expect(fabs(peaks->at[0].mean_ns - wanted) < 0.01);
    fini();
}

Test(peaks, an_attempt_that_failed_makes_nobody_faster)
{
    table.now_ns = NS_PER_S;
    lay(1);
    add(0, 5000, BALANCE_ANSWERED);
    table.now_ns += NS_PER_S;
    add(0, 10, BALANCE_ERROR);
    add(0, 0, BALANCE_FAILED);
    cr_expect(peaks->at[0].mean_ns == 5000);
    add(0, 7000, BALANCE_ERROR);
    cr_expect(peaks->at[0].mean_ns == 7000, "but slower");
    add(0, 0, BALANCE_UNTOLD);
    add(0, 99999, BALANCE_PROBED);
    cr_expect(peaks->at[0].mean_ns == 7000, "these are no samples");
    fini();
}

/* At first all look alike; whoever has no sample for 10 s looks like the others. */
Test(peaks, the_median_stands_in)
{
    table.now_ns = NS_PER_S;
    lay(6);
    for (int i = 0; i < 6; i++)
        cr_expect(peaks->at[i].shown_ns == 1);
    const uint64_t latencies[] = {500, 100, 400, 200, 300};
    for (size_t i = 0; i < 5; i++)
        add(i, latencies[i], BALANCE_ANSWERED);
    balance__peaks_tick(peaks, table.now_ns);
    cr_expect(peaks->at[5].shown_ns == 300 && peaks->at[0].shown_ns == 500);
    table.now_ns += 9 * NS_PER_S;
    for (size_t i = 1; i < 5; i++)
        add(i, latencies[i], BALANCE_ANSWERED);
    balance__peaks_tick(peaks, table.now_ns);
    cr_expect(peaks->at[0].shown_ns == 500);
    table.now_ns += 2 * NS_PER_S;
    balance__peaks_tick(peaks, table.now_ns);
    cr_expect(peaks->at[0].shown_ns == 200, "the slow one is tried again");
    fini();
}

static void answer(size_t index, uint64_t latency_ns)
{
    table_finish(&table, index, latency_ns);
}

static void open_by_latency(const uint16_t *weights, uint32_t count)
{
    random_init(&table.random, 1);
    table.now_ns = NS_PER_S;
    table.settings.two_choices.latency = true;
    table_lay(&table, &balance_two_choices, weights, count);
}

static unsigned count_picks(size_t index)
{
    unsigned picks = 0;
    for (int i = 0; i < 1000; i++)
        picks += table_pick(&table) == index;
    return picks;
}

Test(two_choices_by_latency, the_slow_one_gets_as_many_fewer)
{
    open_by_latency(NULL, 2);
    answer(0, 4 * NS_PER_MS);
    answer(1, 1 * NS_PER_MS);
    cr_expect(count_picks(1) == 1000, "both idle");
    table.targets[1].inflight = 2;
    cr_expect(count_picks(1) == 1000, "4 x 1 is more than 1 x 3");
    table.targets[1].inflight = 4;
    cr_expect(count_picks(0) == 1000, "4 x 1 is less than 1 x 5");
    table_fini(&table);
}

Test(two_choices_by_latency, weights_count)
{
    open_by_latency((const uint16_t[]){8, 1}, 2);
    answer(0, 2 * NS_PER_MS);
    answer(1, 2 * NS_PER_MS);
    const unsigned light = count_picks(1);
    cr_expect(light > 70 && light < 160, "idle and as quick: by weight, not %u", light);
    table.targets[0].inflight = 4;
    cr_expect(count_picks(0) > 800, "4 of 8 is less than 1 of 1");
    answer(0, 4 * NS_PER_MS);
    cr_expect(count_picks(1) == 1000, "4 ms x 4 of 8 is 2 ms x 1 of 1");
    table_fini(&table);
}

Test(two_choices_by_latency, what_was_learned_survives_a_new_set)
{
    open_by_latency(NULL, 2);
    answer(0, 9 * NS_PER_MS);
    answer(1, 1 * NS_PER_MS);
    table_change(&table, table_set(&table, NULL, 3));
    for (int i = 0; i < 1000; i++)
        cr_assert(table_pick(&table) != 0, "the third counts as the median, which is quicker");
    struct target_set *set = table_set(&table, NULL, 2);
    set->at[0] = &table.targets[1];
    set->at[1] = &table.targets[0];
    table_change(&table, set);
    cr_expect(count_picks(0) == 1000, "it is another place of the same target");
    table_fini(&table);
}
