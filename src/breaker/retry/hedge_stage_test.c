/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/retry/hedge_stage_test.c - who begins when, who wins, and what is left of the other. */
#include "breaker/retry/hedge_stage.h"

#include "core/units.h"
#include "loop/loop.h"
#include "path/path_testing.h"

#include <criterion/criterion.h>

static struct bench bench;
static struct hedge_stage hedge;
static struct retry_settings settings;
static struct loop loop;
static int holds_count;

static void hold(void *path)
{
    (void)path;
    holds_count++;
}

static void release(void *path)
{
    (void)path;
    holds_count--;
}

static void open_hedge(uint32_t targets_count)
{
    bench_init(&bench, targets_count);
    timer_wheel_init(&loop.timers, bench.now_ns);
    bench.worker.loop = &loop;
    settings = (struct retry_settings){
        .hedge = RETRY_HEDGE_AFTER, .hedge_after_ns = 50 * NS_PER_MS, .budget_min = 1};
    hedge_stage_init(&hedge, &bench.worker, &bench.service, &settings, &bench.below.stage);
    hedge.path = (struct hedge_path){NULL, hold, release};
    holds_count = 0;
}

static void close_hedge(void)
{
    cr_expect(atomic_load(&bench.service.retries_inflight) == 0 && holds_count == 0);
    cr_expect(bench.seen.answers_count == bench.seen.finished_count);
    hedge_stage_fini(&hedge);
    bench_fini(&bench);
}

static void turn_after(uint64_t ms)
{
    for (; ms > 0; ms--) {
        bench.now_ns += NS_PER_MS;
        timer_wheel_turn(&loop.timers, bench.now_ns);
    }
}

/* As an engine does on a cancel. */
static void give_up(struct op *op)
{
    op_refuse(op, ERR_CANCELLED, NULL);
}

/* Submits a request; the first attempt is at target 0. */
static struct op *begin(enum http_method method)
{
    struct op *parent = bench_op(&bench, method);
    stage_submit(&hedge.stage, parent);
    struct op *first = bench.below.ops[0];
    op_hold_target(first, &bench.targets[0]);
    first->on_cancel = give_up;
    return parent;
}

static void answer(struct op *op, unsigned status)
{
    op->on_cancel = NULL;
    op->answer.head.status = (uint16_t)status;
    op_answer(op);
    if (!op->answer_body.ended)
        pipe_end(&op->answer_body, ERR_NONE);
    op_finish(op, OUTCOME_DONE);
}

static struct op *second(void)
{
    cr_assert(bench.below.submitted_count == 2);
    struct op *op = bench.below.ops[1];
    op->on_cancel = give_up;
    return op;
}

Test(hedge, a_quick_answer_needs_no_second)
{
    open_hedge(2);
    (void)begin(HTTP_METHOD_GET);
    turn_after(40);
    answer(bench.below.ops[0], 200);
    turn_after(100);
    cr_expect(bench.below.submitted_count == 1 && bench.seen.status == 200);
    close_hedge();
}

Test(hedge, the_second_wins_and_the_first_is_cancelled)
{
    open_hedge(2);
    (void)begin(HTTP_METHOD_GET);
    turn_after(60);
    struct op *op = second();
    cr_expect(op->tried_count == 1 && op->tried[0] == &bench.targets[0] && op->is_single);
    answer(op, 200);
    cr_expect(bench.seen.status == 200 && bench.seen.finished_count == 1);
    cr_expect(bench.row.hedges_count == 1 && bench.row.hedge_wins_count == 1);
    close_hedge();
}

Test(hedge, the_first_wins_and_the_second_is_cancelled)
{
    open_hedge(2);
    (void)begin(HTTP_METHOD_GET);
    turn_after(60);
    (void)second();
    answer(bench.below.ops[0], 200);
    cr_expect(bench.seen.finished_count == 1 && bench.row.hedge_wins_count == 0);
    close_hedge();
}

Test(hedge, a_bad_answer_waits_for_the_other)
{
    open_hedge(2);
    (void)begin(HTTP_METHOD_GET);
    turn_after(60);
    struct op *op = second();
    answer(bench.below.ops[0], 500);
    cr_expect(bench.seen.answers_count == 0);
    answer(op, 200);
    cr_expect(bench.seen.status == 200);
    close_hedge();
}

Test(hedge, of_two_bad_answers_one_goes_up)
{
    open_hedge(2);
    (void)begin(HTTP_METHOD_GET);
    turn_after(60);
    struct op *op = second();
    bench.below.ops[0]->on_cancel = NULL;
    op_refuse(bench.below.ops[0], ERR_TARGET_TIMEOUT, NULL);
    answer(op, 503);
    cr_expect(bench.seen.error == ERR_NONE && bench.seen.status == 503);
    close_hedge();
}

Test(hedge, a_failure_before_the_delay_is_told_at_once)
{
    open_hedge(2);
    (void)begin(HTTP_METHOD_GET);
    bench.below.ops[0]->on_cancel = NULL;
    op_refuse(bench.below.ops[0], ERR_CONNECT_REFUSED, NULL);
    cr_expect(bench.seen.error == ERR_CONNECT_REFUSED && bench.below.submitted_count == 1);
    turn_after(100);
    close_hedge();
}

Test(hedge, a_cancel_ends_both)
{
    open_hedge(2);
    struct op *parent = begin(HTTP_METHOD_GET);
    turn_after(60);
    (void)second();
    op_cancel(parent);
    cr_expect(bench.seen.finished_count == 1 && bench.seen.outcome == OUTCOME_CANCELLED);
    close_hedge();
}

Test(hedge, a_cancel_before_the_delay_leaves_no_timer)
{
    open_hedge(2);
    op_cancel(begin(HTTP_METHOD_GET));
    turn_after(100);
    cr_expect(bench.below.submitted_count == 1);
    close_hedge();
}

Test(hedge, without_a_place_in_the_budget_there_is_no_second)
{
    open_hedge(2);
    settings.budget_min = 0;
    (void)begin(HTTP_METHOD_GET);
    turn_after(60);
    cr_expect(bench.below.submitted_count == 1 && bench.row.hedges_denied_count == 1);
    answer(bench.below.ops[0], 200);
    close_hedge();
}

Test(hedge, what_may_not_be_repeated_is_not_hedged)
{
    open_hedge(2);
    (void)begin(HTTP_METHOD_POST);
    turn_after(100);
    cr_expect(bench.below.submitted_count == 1);
    answer(bench.below.ops[0], 200);
    close_hedge();
    open_hedge(1);
    (void)begin(HTTP_METHOD_GET);
    turn_after(100);
    cr_expect(bench.below.submitted_count == 1, "there is no other target");
    answer(bench.below.ops[0], 200);
    close_hedge();
}

/* Nothing is known at first; then what took long before counts. */
Test(hedge, p95_is_learnt)
{
    open_hedge(2);
    settings.hedge = RETRY_HEDGE_P95;
    for (int i = 0; i < 64; i++) {
        bench.below.ops_count = bench.below.submitted_count = 0;
        (void)begin(HTTP_METHOD_GET);
        bench.now_ns += 10 * NS_PER_MS;
        answer(bench.below.ops[0], 200);
    }
    cr_expect(bench.row.hedges_count == 0);
    bench.below.ops_count = bench.below.submitted_count = 0;
    timer_wheel_turn(&loop.timers, bench.now_ns);
    (void)begin(HTTP_METHOD_GET);
    turn_after(8);
    cr_expect(bench.below.submitted_count == 1);
    turn_after(8);
    (void)second();
    answer(bench.below.ops[0], 200);
    close_hedge();
}
