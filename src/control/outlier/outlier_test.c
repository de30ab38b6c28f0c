/* SPDX-License-Identifier: Apache-2.0 */
/* control/outlier/outlier_test.c - who is ejected, for how long, and who is not. */
#include "control/outlier/outlier.h"

#include "core/units.h"

#include <criterion/criterion.h>

enum { MANY = 20 };

static const struct outlier_settings settings = {
    .errors = 5,
    .silent = 2,
    .interval_ns = 10 * NS_PER_S,
    .deviations = 190,
    .requests_min = 100,
    .targets_min = 5,
    .first_ns = 30 * NS_PER_S,
    .most_ns = 300 * NS_PER_S,
    .share = 10,
};

static struct outlier all[MANY];

static struct outlier *at(void *self, size_t index)
{
    (void)self;
    return &all[index];
}

static struct outliers group;

static void of(size_t count)
{
    memset(all, 0, sizeof all);
    group = (struct outliers){.at = at, .count = count};
}

static bool look(uint64_t now_ns)
{
    return outlier_look(&group, &settings, now_ns);
}

/* A window of one worker: errors after the good ones. */
static void answers(size_t index, uint32_t good, uint32_t errors)
{
    const struct outlier_window window = {
        .outcomes_count = good + errors, .faults_count = {errors}, .tail_count = {errors}};
    outlier_count(&all[index], &window);
}

static bool is_out(size_t index)
{
    return all[index].until_ns != 0;
}

Test(outlier, five_errors_in_a_row_eject_and_four_do_not)
{
    of(3);
    answers(1, 10, 0);
    answers(0, 0, 4);
    cr_expect(!look(NS_PER_S) && !is_out(0));
    answers(0, 0, 1);
    cr_expect(look(2 * NS_PER_S) && is_out(0) && all[0].has_changed && !all[1].has_changed);
    char why[64];
    outlier_write_reason(&all[0], why, sizeof why);
    cr_expect_str_eq(why, "5 errors in a row");
}

Test(outlier, a_good_answer_breaks_the_run)
{
    of(3);
    answers(0, 0, 4);
    answers(0, 1, 4);
    answers(0, 1, 0);
    answers(0, 0, 4);
    cr_expect(!look(NS_PER_S) && !is_out(0));
}

Test(outlier, two_silences_in_a_row_eject)
{
    static struct target_row row;
    static const enum target_outcome runs[][3] = {
        {TARGET_OUTCOME_SILENT, TARGET_OUTCOME_LOCAL, TARGET_OUTCOME_SILENT},
        {TARGET_OUTCOME_SILENT, TARGET_OUTCOME_GOOD, TARGET_OUTCOME_SILENT},
        {TARGET_OUTCOME_LOCAL, TARGET_OUTCOME_SILENT, TARGET_OUTCOME_SILENT},
    };
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        of(3);
        for (size_t k = 0; k < 3; k++) { /* each in a look of its own */
            struct outlier_window window = {0};
            row_judge(&row, runs[i][k]);
            outlier_gather(&window, &row);
            outlier_count(&all[0], &window);
            look(NS_PER_S);
        }
        cr_expect(is_out(0) == (i == 2), "row %zu", i);
    }
    cr_expect(all[0].reason == OUTLIER_SILENT && all[0].figure == 2);
}

/* Faults spread over workers count together; a worker that was quiet adds nothing. */
Test(outlier, rows_of_workers_add_up)
{
    static struct target_row rows[2];
    struct outlier_window window = {0};
    for (int i = 0; i < 3; i++) {
        row_judge(&rows[0], TARGET_OUTCOME_ERROR);
        row_judge(&rows[1], TARGET_OUTCOME_LOCAL);
    }
    outlier_gather(&window, &rows[0]);
    outlier_gather(&window, &rows[1]);
    cr_expect(window.outcomes_count == 6 && window.faults_count[TARGET_FAULT_ERROR] == 6);
    cr_expect(window.tail_count[TARGET_FAULT_ERROR] == 6);
    cr_expect(window.tail_count[TARGET_FAULT_LOCAL] == 3);
    row_judge(&rows[0], TARGET_OUTCOME_GOOD);
    window = (struct outlier_window){0};
    outlier_gather(&window, &rows[0]);
    outlier_gather(&window, &rows[1]);
    cr_expect(window.outcomes_count == 1 && window.tail_count[TARGET_FAULT_ERROR] == 0);
    cr_expect(window.faults_count[TARGET_FAULT_ERROR] == 0);
}

Test(outlier, ejections_grow_and_are_forgiven)
{
    uint64_t now_ns = NS_PER_S;
    of(3);
    for (uint64_t n = 1; n <= 12; n++) {
        answers(0, 0, 5);
        answers(1, 10, 0);
        cr_assert(look(now_ns) && is_out(0), "%lu", (unsigned long)n);
        const uint64_t pause_ns = all[0].until_ns - now_ns;
        cr_expect(pause_ns == (n * 30 < 300 ? n * 30 : 300) * NS_PER_S);
        now_ns = all[0].until_ns;
        group.sweep_ns = now_ns + NS_PER_S; /* no sweep meanwhile */
        cr_assert(look(now_ns - 1) == false && look(now_ns) && !is_out(0));
    }
    for (int i = 0; i < 13; i++) {
        all[0].was_ejected = false;
        now_ns = group.sweep_ns;
        look(now_ns);
    }
    cr_expect(all[0].ejections_count == 0 && all[0].ejections_total == 12);
}

Test(outlier, one_may_always_go_and_then_only_a_share)
{
    of(5);
    for (size_t i = 0; i < 2; i++)
        answers(i, 0, 5);
    for (size_t i = 2; i < 5; i++)
        answers(i, 100, 0);
    look(NS_PER_S);
    cr_expect(is_out(0) && !is_out(1));
    of(MANY);
    for (size_t i = 0; i < 3; i++)
        answers(i, 0, 5);
    for (size_t i = 3; i < MANY; i++)
        answers(i, 100, 0);
    look(NS_PER_S);
    cr_expect(is_out(0) && is_out(1) && !is_out(2), "10 %% of 20");
}

Test(outlier, a_fault_that_all_share_ejects_nobody)
{
    of(3);
    for (size_t i = 0; i < 3; i++)
        answers(i, 0, 50);
    cr_expect(!look(NS_PER_S));
    of(1);
    answers(0, 0, 50);
    cr_expect(!look(NS_PER_S), "the only one");
}

/* Errors that come between good answers. */
Test(outlier, a_rate_far_below_the_others_ejects_at_the_end_of_the_interval)
{
    of(6);
    look(NS_PER_S);
    for (size_t i = 0; i < 6; i++) {
        answers(i, 0, i == 4 ? 4 : 0);
        answers(i, 200 - (i == 4 ? 60 : 0), i == 4 ? 4 : 0);
    }
    all[4].errors_count = 60;
    answers(4, 1, 0);
    cr_expect(!look(2 * NS_PER_S));
    cr_expect(look(11 * NS_PER_S) && is_out(4) && all[4].reason == OUTLIER_RATE);
    for (size_t i = 0; i < 6; i++)
        cr_expect(is_out(i) == (i == 4) && all[i].outcomes_count == 0);
}

Test(outlier, rates_of_few_answers_or_few_targets_are_not_compared)
{
    of(4);
    look(NS_PER_S);
    for (size_t i = 0; i < 4; i++)
        all[i].outcomes_count = 1000;
    all[2].errors_count = 500;
    cr_expect(!look(11 * NS_PER_S), "four targets");
    of(6);
    look(NS_PER_S);
    for (size_t i = 0; i < 6; i++)
        all[i].outcomes_count = 1000;
    all[2].outcomes_count = 99;
    all[2].errors_count = 50;
    cr_expect(!look(11 * NS_PER_S), "99 answers");
}

Test(outlier, a_check_may_end_it)
{
    of(2);
    answers(1, 1, 0);
    answers(0, 0, 5);
    cr_assert(look(NS_PER_S) && is_out(0));
    cr_expect(outlier_return(&all[0]) && !is_out(0) && !outlier_return(&all[0]));
}

/* --- percents and jitter ---------------------------------------------------------------------- */

static bool look_with(const struct outlier_settings *other, uint64_t now_ns)
{
    return outlier_look(&group, other, now_ns);
}

/* Good and bad ones mixed so that there is never a run. */
static void mixed(size_t index, uint32_t good, uint32_t errors)
{
    const struct outlier_window window = {.outcomes_count = good + errors,
                                          .faults_count = {errors}};
    outlier_count(&all[index], &window);
}

Test(outlier, too_large_a_share_of_bad_answers_ejects_in_a_small_set_too)
{
    struct outlier_settings percent = settings;
    percent.error_percent = 40;
    percent.error_requests_min = 50;
    of(3);
    look_with(&percent, NS_PER_S);
    mixed(0, 60, 40);
    mixed(1, 61, 39);
    mixed(2, 29, 20); /* too few answers */
    cr_expect(look_with(&percent, 11 * NS_PER_S + 1) && is_out(0) && !is_out(1) && !is_out(2));
    char why[64];
    outlier_write_reason(&all[0], why, sizeof why);
    cr_expect_str_eq(why, "40 % of its answers are bad");
}

Test(outlier, nobody_goes_for_a_share_that_the_others_have_too)
{
    struct outlier_settings percent = settings;
    percent.error_percent = 40;
    percent.error_requests_min = 50;
    of(3);
    look_with(&percent, NS_PER_S);
    for (size_t i = 0; i < 3; i++)
        mixed(i, 40, 60);
    cr_expect(!look_with(&percent, 11 * NS_PER_S + 1));
}

Test(outlier, jitter_is_added_and_bounded)
{
    struct outlier_settings jittery = settings;
    struct random random;
    random_init(&random, 7);
    jittery.jitter_ns = 5 * NS_PER_S;
    uint64_t shortest_ns = UINT64_MAX, longest_ns = 0;
    for (unsigned i = 0; i < 200; i++) {
        of(3);
        group.random = &random;
        answers(1, 10, 0);
        answers(0, 0, 5);
        cr_assert(look_with(&jittery, NS_PER_S) && is_out(0));
        const uint64_t pause_ns = all[0].until_ns - NS_PER_S;
        cr_assert(pause_ns == all[0].pause_ns);
        shortest_ns = pause_ns < shortest_ns ? pause_ns : shortest_ns;
        longest_ns = pause_ns > longest_ns ? pause_ns : longest_ns;
    }
    cr_expect(shortest_ns >= 30 * NS_PER_S && shortest_ns < 31 * NS_PER_S);
    cr_expect(longest_ns <= 35 * NS_PER_S && longest_ns > 34 * NS_PER_S);
}
