/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/gate_stage_test.c - who may have a target, and what is reported of it. */
#include "breaker/gate_stage.h"

#include "path/path_testing.h"

#include <criterion/criterion.h>

static struct bench bench;
static struct gate_stage gate;

static void open_gate(enum target_state state)
{
    bench_init(&bench, 1);
    bench.targets[0].state = state;
    trials_open(&bench.targets[0].trials, state == TARGET_TRIAL ? TRIALS_BY_CONNECT : TRIALS_FREE,
                state == TARGET_TRIAL);
    gate_stage_init(&gate, &bench.service, NULL, &bench.below.stage);
}

static uint32_t trials_left(void)
{
    return trials_left_of(trials_read(&bench.targets[0].trials));
}

static struct op *submit(void)
{
    struct op *op = bench_op(&bench, HTTP_METHOD_GET);
    op_hold_target(op, &bench.targets[0]);
    stage_submit(&gate.stage, op);
    return op;
}

/* What was reported, and how often: "" if nothing was. */
static void expect_reports(unsigned count, bool ok)
{
    cr_expect(bench.reports_count == count, "%u reports", bench.reports_count);
    if (count > 0) {
        const struct bench_report *last = &bench.reports[bench.reports_count - 1];
        cr_expect(last->ok == ok && last->target == &bench.targets[0]);
        cr_expect(ok || last->reason != NULL);
    }
}

Test(gate, a_success_on_a_target_that_is_up_is_no_news)
{
    open_gate(TARGET_UP);
    submit();
    bench_answer(&bench, 500);
    expect_reports(0, true);
    cr_expect(bench.seen.status == 500 && bench.targets[0].state == TARGET_UP);
    bench_fini(&bench);
}

Test(gate, refuses_what_is_paused)
{
    open_gate(TARGET_PAUSED);
    submit();
    cr_expect(bench.below.submitted_count == 0);
    cr_expect(bench.seen.error == ERR_NO_TARGET && bench.seen.target == &bench.targets[0]);
    expect_reports(0, true);
    bench_fini(&bench);
}

/* A reload takes a target out while requests still see it in the set before: none of them is
 * lost. */
Test(gate, lets_through_to_one_that_has_just_gone)
{
    open_gate(TARGET_GONE);
    submit();
    bench_answer(&bench, 200);
    cr_expect(bench.seen.status == 200);
    bench_fini(&bench);
}

Test(gate, reports_that_a_target_cannot_be_connected_to)
{
    const enum err_kind kinds[] = {ERR_CONNECT_REFUSED, ERR_CONNECT_TIMEOUT, ERR_CONNECT_FAILED,
                                   ERR_TARGET_UNREACHABLE};
    for (int i = 0; i < 4; i++) {
        open_gate(TARGET_UP);
        submit();
        bench_fail(&bench, kinds[i]);
        expect_reports(1, false);
        cr_expect(bench.seen.error == kinds[i]);
        bench_fini(&bench);
    }
}

/* They say nothing about connecting, or not about this target. */
Test(gate, reports_no_other_errors)
{
    open_gate(TARGET_UP);
    const enum err_kind kinds[] = {ERR_TARGET_CLOSED, ERR_TARGET_STALE,    ERR_TARGET_TIMEOUT,
                                   ERR_LIMIT,         ERR_TARGET_NONSENSE, ERR_CANCELLED,
                                   ERR_MEMORY,        ERR_NO_TARGET,       ERR_TARGET_NOT_SENT};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        submit();
        bench_fail(&bench, kinds[i]);
    }
    expect_reports(0, true);
    bench_fini(&bench);
}

/* Those that were under way when it was paused neither bring it back nor report once more. */
Test(gate, is_not_moved_by_what_began_before_the_pause)
{
    open_gate(TARGET_UP);
    submit();
    submit();
    submit();
    bench.targets[0].state = TARGET_PAUSED;
    bench_answer(&bench, 200);
    bench_fail(&bench, ERR_CONNECT_REFUSED);
    bench_fail(&bench, ERR_TARGET_STALE);
    expect_reports(0, true);
    bench_fini(&bench);
}

Test(gate, a_trial_is_one_ops)
{
    open_gate(TARGET_TRIAL);
    submit();
    cr_expect(bench.below.submitted_count == 1);
    submit();
    cr_expect(bench.below.submitted_count == 1 && bench.seen.error == ERR_NO_TARGET);
    bench_answer(&bench, 200);
    expect_reports(1, true);
    cr_expect(bench.targets[0].state == TARGET_UP, "the others may have it at once");
    bench_fini(&bench);
}

/* The rows: how the trial's op ended, and what is made of it. */
enum verdict { OK, NOT_OK, NOTHING };

static const struct {
    enum err_kind kind;
    bool sent;
    bool kept;
    enum verdict verdict;
} trials[] = {
    {ERR_NONE, true, false, OK},
    {ERR_NONE, true, true, OK},
    {ERR_TARGET_CLOSED, true, false, OK},
    {ERR_TARGET_TIMEOUT, true, false, OK},
    {ERR_TARGET_NONSENSE, true, false, OK},
    {ERR_CANCELLED, true, false, OK},
    {ERR_CONNECT_REFUSED, false, false, NOT_OK},
    {ERR_CONNECT_TIMEOUT, false, false, NOT_OK},
    {ERR_TARGET_UNREACHABLE, true, false, NOT_OK},
    {ERR_TARGET_UNREACHABLE, true, true, NOT_OK}, /* another connection would fare the same */
    {ERR_CANCELLED, false, false, NOT_OK},
    {ERR_DEADLINE, false, false, NOT_OK},
    {ERR_TARGET_STALE, true, true, NOTHING},
    {ERR_LIMIT, false, false, NOTHING},
    {ERR_MEMORY, false, false, NOTHING},
    {ERR_NO_TARGET, false, false, NOTHING},
};

Test(gate, a_trial_ends_in_a_report_or_is_given_back)
{
    for (size_t i = 0; i < sizeof trials / sizeof trials[0]; i++) {
        open_gate(TARGET_TRIAL);
        struct op *op = submit();
        op->sent_ns = trials[i].sent ? bench.now_ns : 0;
        op->kept_connection = trials[i].kept;
        if (trials[i].kind == ERR_NONE)
            bench_answer(&bench, 204);
        else
            bench_fail(&bench, trials[i].kind);
        const bool given_back = trials_left() == 1;
        cr_expect(given_back == (trials[i].verdict == NOTHING), "row %zu", i);
        cr_expect(bench.reports_count == (trials[i].verdict != NOTHING), "row %zu", i);
        cr_expect(given_back || bench.reports[0].ok == (trials[i].verdict == OK), "row %zu", i);
        bench_fini(&bench);
    }
}

Test(gate, a_second_attempt_does_not_inherit_what_the_first_had_sent)
{
    open_gate(TARGET_TRIAL);
    struct op *op = bench_op(&bench, HTTP_METHOD_GET);
    op->sent_ns = 17;
    op_hold_target(op, &bench.targets[0]);
    stage_submit(&gate.stage, op);
    bench_fail(&bench, ERR_CONNECT_TIMEOUT);
    expect_reports(1, false);
    bench_fini(&bench);
}

/* If control has decided meanwhile, giving back changes nothing. */
Test(gate, a_claim_is_given_back_to_nobody_if_the_target_is_up)
{
    open_gate(TARGET_TRIAL);
    submit();
    bench.targets[0].state = TARGET_UP;
    trials_open(&bench.targets[0].trials, TRIALS_FREE, 0);
    bench_fail(&bench, ERR_MEMORY);
    cr_expect(bench.targets[0].state == TARGET_UP && trials_left() == 0);
    bench_fini(&bench);
}

Test(gate, without_room_in_the_arena_the_claim_is_given_back)
{
    open_gate(TARGET_TRIAL);
    struct op *op = bench_op(&bench, HTTP_METHOD_GET);
    op_hold_target(op, &bench.targets[0]);
    while (arena_take(&op->arena, 8) != NULL)
        ;
    stage_submit(&gate.stage, op);
    cr_expect(bench.seen.error == ERR_MEMORY && trials_left() == 1);
    bench_fini(&bench);
}

/* --- with a circuit breaker ------------------------------------------------------------------- */

static void open_circuit_gate(enum target_state state, uint32_t count)
{
    struct circuit_judge judge = {.slow_ns = 1000};
    cr_assert(config_statuses_read(&judge.statuses, "500"));
    open_gate(TARGET_UP);
    bench.targets[0].state = state;
    trials_open(&bench.targets[0].trials,
                state == TARGET_UP     ? TRIALS_FREE
                : state == TARGET_OPEN ? TRIALS_SHUT
                                       : TRIALS_BY_ANSWER,
                count);
    gate_stage_init(&gate, &bench.service, &judge, &bench.below.stage);
}

static void expect_tally(uint64_t all, uint64_t failed, uint64_t slow)
{
    const struct circuit_tally *tally = &bench.rows[0].circuit;
    cr_expect(tally->all == all && tally->failed == failed && tally->slow == slow,
              "%d of %d failed, %d slow", (int)tally->failed, (int)tally->all, (int)tally->slow);
}

/* Connects are the pause's matter, dead connections nobody's. */
Test(gate, counts_how_attempts_went)
{
    open_circuit_gate(TARGET_UP, 0);
    submit();
    bench_answer(&bench, 200);
    submit();
    bench_answer(&bench, 500);
    submit();
    bench_fail(&bench, ERR_TARGET_TIMEOUT);
    submit();
    bench_fail(&bench, ERR_TARGET_STALE);
    submit();
    bench_fail(&bench, ERR_CONNECT_REFUSED);
    submit();
    bench.now_ns += 2000;
    bench_answer(&bench, 200);
    expect_tally(4, 2, 1);
    bench_fini(&bench);
}

Test(gate, an_answer_that_breaks_off_counts_as_a_failure_too)
{
    open_circuit_gate(TARGET_UP, 0);
    struct op *op = submit();
    op->answer.head.status = 200;
    op_answer(bench_take(&bench));
    pipe_end(&op->answer_body, ERR_TARGET_INCOMPLETE);
    op_finish(op, OUTCOME_FAILED);
    expect_tally(2, 1, 0);
    bench_fini(&bench);
}

Test(gate, what_began_before_the_circuit_changed_is_not_counted)
{
    open_circuit_gate(TARGET_UP, 0);
    submit();
    trials_open(&bench.targets[0].trials, TRIALS_SHUT, 0);
    bench_answer(&bench, 500);
    expect_tally(0, 0, 0);
    bench_fini(&bench);
}

Test(gate, an_open_circuit_lets_nobody_through)
{
    open_circuit_gate(TARGET_OPEN, 0);
    submit();
    cr_expect(bench.below.submitted_count == 0 && bench.seen.error == ERR_NO_TARGET);
    cr_expect(strstr(bench.seen.detail, "circuit breaker is open"));
    cr_expect(bench.rows[0].refused_count == 1);
    bench_fini(&bench);
}

Test(gate, a_half_open_circuit_lets_so_many_through)
{
    open_circuit_gate(TARGET_TRIAL, 3);
    for (int i = 0; i < 5; i++)
        submit();
    cr_expect(bench.below.submitted_count == 3);
    bench_answer(&bench, 500);
    bench_answer(&bench, 200);
    bench.below.ops[0]->cancelled = true;
    bench_fail(&bench, ERR_CANCELLED);
    cr_expect(trials_left() == 1, "one client left");
    submit();
    bench.now_ns += 2000;
    bench_answer(&bench, 200);
    const struct circuit_counts results = trials_results(&bench.targets[0].trials);
    cr_expect(results.all == 3 && results.failed == 1 && results.slow == 1 && trials_left() == 0);
    expect_tally(0, 0, 0);
    bench_fini(&bench);
}
