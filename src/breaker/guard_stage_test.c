/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/guard_stage_test.c - attempts, one after the other. */
#include "breaker/guard_stage.h"

#include "core/units.h"
#include "loop/loop.h"
#include "path/path_testing.h"

#include <criterion/criterion.h>
#include <string.h>

/* Below the guard stands a picker: the first target that was not tried, as balance would; then each
 * attempt ends as the script says, in one go. A script is a row of letters. */
static struct bench bench;
static struct guard_stage guard;
static struct breaker_settings settings;
static struct retry_settings retry;
static struct loop loop;
static const char *script;
static char order[64]; /* the targets that were tried: "abc" */
static unsigned attempts_count;
static void (*at_attempt)(struct op *op);

static struct target *first_untried(const struct op *op)
{
    for (uint32_t i = 0; i < bench.set->count; i++) {
        bool tried = false;
        for (int t = 0; t < op->tried_count; t++)
            tried |= op->tried[t] == bench.set->at[i];
        if (!tried)
            return bench.set->at[i];
    }
    return NULL;
}

static void answer_with_body(struct op *op, unsigned status)
{
    op->answer.head.status = (uint16_t)status;
    op_answer(op);
    cr_assert(pipe_put(&op->answer_body, (struct slice){.at = (const uint8_t *)"no", .bytes = 2}));
    pipe_end(&op->answer_body, ERR_NONE);
    op_finish(op, OUTCOME_DONE);
}

static void end_as(struct op *op, char how)
{
    op->kept_connection = how == 's' || how == 'k';
    switch (how) {
    case '.':
        op->answer.head.status = 200;
        op_answer(op);
        pipe_end(&op->answer_body, ERR_NONE);
        op_finish(op, OUTCOME_DONE);
        return;
    case '5': answer_with_body(op, 500); return;
    case '3': answer_with_body(op, 503); return;
    case '1': answer_with_body(op, 501); return;
    case '2': answer_with_body(op, 429); return;
    case 'r': op_refuse(op, ERR_CONNECT_REFUSED, "refused"); return;
    case 't': op_refuse(op, ERR_CONNECT_TIMEOUT, NULL); return;
    case 'g': op_refuse(op, ERR_NO_TARGET, "the gate's"); return;
    case 's': op_refuse(op, ERR_TARGET_STALE, NULL); return;
    case 'k': /* a kept connection that was dead before a byte left */
    case 'n': /* the same of a new one */ op_refuse(op, ERR_TARGET_NOT_SENT, NULL); return;
    case 'c': op_refuse(op, ERR_TARGET_CLOSED, NULL); return;
    case 'x': op_refuse(op, ERR_TARGET_TIMEOUT, NULL); return;
    default: cr_assert_fail("no such letter");
    }
}

static void attempt(struct bench_below *self, struct op *op)
{
    (void)self;
    struct target *target = first_untried(op);
    if (target == NULL) {
        op->target = NULL;
        op_refuse(op, ERR_NO_TARGET, "none is left");
        return;
    }
    op_hold_target(op, target);
    cr_assert(attempts_count < strlen(script), "more attempts than \"%s\"", script);
    order[attempts_count] = (char)('a' + (target - bench.targets));
    if (at_attempt != NULL)
        at_attempt(op);
    end_as(op, script[attempts_count++]);
}

static void open_guard(uint32_t targets_count, const char *letters)
{
    bench_init(&bench, targets_count);
    bench.below.script = attempt;
    timer_wheel_init(&loop.timers, bench.now_ns);
    bench.worker.loop = &loop;
    settings = (struct breaker_settings){.tries = 3, .retry_dead_connection = true};
    retry = (struct retry_settings){
        .statuses = "500, 502-504", .replay_bytes = 1000, .budget_percent = 20, .budget_min = 3};
    guard_stage_init(&guard, &bench.service, &(struct guard_settings){&settings, &retry},
                     &bench.below.stage);
    script = letters;
    attempts_count = 0;
    memset(order, 0, sizeof order);
    at_attempt = NULL;
}

/* The op may have its body, deadline and so on set by @prepare. */
static void run(enum http_method method, void (*prepare)(struct op *op))
{
    struct op *op = bench_op(&bench, method);
    if (prepare != NULL)
        prepare(op);
    stage_submit(&guard.stage, op);
    cr_expect(bench.seen.answers_count == 1 && bench.seen.finished_count == 1);
    cr_expect(attempts_count == strlen(script), "%u attempts, not \"%s\"", attempts_count, script);
    cr_expect(bench.row.retries_count == bench.seen.retries_count);
    cr_expect(atomic_load(&bench.service.retries_inflight) == 0);
    guard_stage_fini(&guard);
    bench_fini(&bench);
}

static void expect(uint32_t targets_count, enum http_method method, const char *letters,
                   const char *targets, enum err_kind kind)
{
    open_guard(targets_count, letters);
    run(method, NULL);
    cr_expect_str_eq(order, targets);
    cr_expect(bench.seen.error == kind, "\"%s\": %s", letters, err_row(bench.seen.error)->name);
    cr_expect(bench.seen.outcome == (kind == ERR_NONE ? OUTCOME_DONE : OUTCOME_FAILED));
}

Test(guard, the_usual_case_is_one_attempt)
{
    expect(3, HTTP_METHOD_POST, ".", "a", ERR_NONE);
    cr_expect(bench.seen.status == 200 && bench.seen.retries_count == 0);
}

Test(guard, what_was_not_sent_goes_to_another_target)
{
    expect(3, HTTP_METHOD_POST, "r.", "ab", ERR_NONE);
    expect(3, HTTP_METHOD_POST, "rt.", "abc", ERR_NONE);
    cr_expect(bench.seen.retries_count == 2);
    expect(3, HTTP_METHOD_POST, "n.", "ab", ERR_NONE);
}

Test(guard, gives_up_after_as_many_tries_as_are_set)
{
    expect(9, HTTP_METHOD_GET, "rtr", "abc", ERR_CONNECT_REFUSED);
    cr_expect_str_eq(bench.seen.detail, "refused");
}

Test(guard, gives_up_when_no_target_is_left)
{
    expect(2, HTTP_METHOD_GET, "rt", "ab", ERR_CONNECT_TIMEOUT);
    cr_expect(bench.seen.target == &bench.targets[1], "the log names the last one");
    expect(0, HTTP_METHOD_GET, "", "", ERR_NO_TARGET);
    cr_expect(bench.seen.retry_after_s == 1);
}

/* They cost next to nothing, and were no offer. */
Test(guard, refusals_of_the_gate_are_no_tries)
{
    expect(9, HTTP_METHOD_POST, "gggrr.", "abcdef", ERR_NONE);
    expect(3, HTTP_METHOD_POST, "ggg", "abc", ERR_NO_TARGET);
    expect(2, HTTP_METHOD_POST, "gr", "ab", ERR_CONNECT_REFUSED);
}

Test(guard, refusals_are_bounded_too)
{
    expect(16, HTTP_METHOD_GET, "gggggggg", "abcdefgh", ERR_NO_TARGET);
    cr_expect(bench.seen.retry_after_s == 1);
}

/* More tries than an op can note: the oldest ones are forgotten, and it ends nonetheless. */
Test(guard, many_tries_end)
{
    open_guard(2, "rr");
    settings.tries = 100;
    run(HTTP_METHOD_GET, NULL);
    open_guard(16, "rrrrrrrrrrrrrrrrrrrr");
    settings.tries = 20;
    run(HTTP_METHOD_GET, NULL);
    cr_expect(bench.seen.error == ERR_CONNECT_REFUSED);
    cr_expect(memcmp(order, "abcdefghiabcdefghiab", 20) == 0, "%s", order);
}

Test(guard, what_may_have_been_carried_out_is_not_repeated)
{
    expect(3, HTTP_METHOD_POST, "c", "a", ERR_TARGET_CLOSED);
    expect(3, HTTP_METHOD_POST, "x", "a", ERR_TARGET_TIMEOUT);
    expect(3, HTTP_METHOD_POST, "s", "a", ERR_TARGET_STALE);
    expect(3, HTTP_METHOD_PATCH, "5", "a", ERR_NONE);
    cr_expect(bench.seen.status == 500);
}

Test(guard, a_dead_connection_is_replaced_once)
{
    expect(3, HTTP_METHOD_GET, "s.", "ab", ERR_NONE);
    expect(3, HTTP_METHOD_PUT, "s.", "ab", ERR_NONE);
    expect(3, HTTP_METHOD_POST, "ks", "ab", ERR_TARGET_STALE);
    /* It costs no try of another target. */
    expect(4, HTTP_METHOD_GET, "srr.", "abcd", ERR_NONE);
}

/* The target may be well though that connection was dead. */
Test(guard, a_dead_connection_is_replaced_at_the_same_target_if_there_is_no_other)
{
    expect(1, HTTP_METHOD_GET, "s.", "aa", ERR_NONE);
    expect(2, HTTP_METHOD_GET, "sr.", "aba", ERR_NONE);
    expect(1, HTTP_METHOD_GET, "sr", "aa", ERR_TARGET_STALE);
}

/* Before a byte has left, any method may be repeated. */
Test(guard, a_connection_that_was_dead_before_sending_does_not_count)
{
    expect(1, HTTP_METHOD_POST, "k.", "aa", ERR_NONE);
    expect(2, HTTP_METHOD_POST, "k.", "ab", ERR_NONE);
}

Test(guard, replacing_dead_connections_can_be_switched_off)
{
    open_guard(2, "s");
    settings.retry_dead_connection = false;
    run(HTTP_METHOD_GET, NULL);
    cr_expect(bench.seen.error == ERR_TARGET_STALE);
}

/* An error after which the request may have been carried out is not hidden by a later one. */
Test(guard, the_client_gets_the_most_telling_error)
{
    expect(2, HTTP_METHOD_GET, "srr", "aba", ERR_TARGET_STALE);
    expect(3, HTTP_METHOD_GET, "rgg", "abc", ERR_CONNECT_REFUSED);
    expect(3, HTTP_METHOD_GET, "rgx", "abc", ERR_TARGET_TIMEOUT);
    expect(3, HTTP_METHOD_GET, "xrg", "abc", ERR_TARGET_TIMEOUT);
}

static void add_body(struct op *op)
{
    struct pipe *body = op_open_request_body(op, 65536);
    cr_assert(body != NULL &&
              pipe_put(body, (struct slice){.at = (const uint8_t *)"abc", .bytes = 3}));
}

static void use_body(struct op *op)
{
    (void)pipe_take(op->request_body);
}

static void break_body(struct op *op)
{
    pipe_break(op->request_body);
}

Test(guard, a_body_that_waits_may_go_elsewhere)
{
    open_guard(2, "r.");
    run(HTTP_METHOD_POST, add_body);
    cr_expect(bench.seen.error == ERR_NONE);
}

Test(guard, a_body_that_was_begun_may_not)
{
    open_guard(2, "r");
    at_attempt = use_body;
    run(HTTP_METHOD_POST, add_body);
    cr_expect(bench.seen.error == ERR_CONNECT_REFUSED);
    open_guard(2, "s");
    at_attempt = break_body;
    run(HTTP_METHOD_PUT, add_body);
    cr_expect(bench.seen.error == ERR_TARGET_STALE);
}

static void cancel(struct op *op)
{
    op_cancel(op);
}

Test(guard, nothing_is_repeated_for_a_client_that_left)
{
    open_guard(2, "r");
    at_attempt = cancel;
    run(HTTP_METHOD_GET, NULL);
    cr_expect(bench.seen.outcome == OUTCOME_CANCELLED);
}

static void let_deadline_pass(struct op *op)
{
    op->deadline_ns = bench.now_ns + 5;
    bench.now_ns += 5;
}

Test(guard, nothing_is_repeated_past_the_deadline)
{
    open_guard(2, "r");
    at_attempt = let_deadline_pass;
    run(HTTP_METHOD_GET, NULL);
    cr_expect(bench.seen.error == ERR_CONNECT_REFUSED);
}

/* Between an attempt's answer and its end the client may leave. The swallowed answer goes up. */
Test(guard, a_cancel_between_answer_and_end_is_seen)
{
    open_guard(2, "");
    bench.below.script = NULL;
    stage_submit(&guard.stage, bench_op(&bench, HTTP_METHOD_GET));
    struct op *op = bench_take(&bench);
    op_hold_target(op, &bench.targets[0]);
    op->answer.error = ERR_CONNECT_REFUSED;
    op_answer(op);
    cr_expect(bench.seen.answers_count == 0);
    op_cancel(op);
    op_finish(op, OUTCOME_FAILED);
    cr_expect(bench.seen.answers_count == 1 && bench.seen.finished_count == 1);
    cr_expect(bench.seen.error == ERR_CONNECT_REFUSED && bench.seen.outcome == OUTCOME_CANCELLED);
    bench_fini(&bench);
}

Test(guard, says_when_the_target_is_tried_again)
{
    open_guard(1, "g");
    bench.targets[0].retry_at_ns = bench.now_ns + 3 * NS_PER_S - 5;
    run(HTTP_METHOD_GET, NULL);
    cr_expect(bench.seen.retry_after_s == 3);
    open_guard(1, "g");
    bench.targets[0].retry_at_ns = bench.now_ns + 3600 * NS_PER_S;
    run(HTTP_METHOD_GET, NULL);
    cr_expect(bench.seen.retry_after_s == 10);
}

Test(guard, an_answer_that_broke_off_is_not_repeated)
{
    open_guard(2, "");
    bench.below.script = NULL;
    stage_submit(&guard.stage, bench_op(&bench, HTTP_METHOD_GET));
    struct op *op = bench_take(&bench);
    op->answer.head.status = 200;
    op_answer(op);
    op_refuse(op, ERR_TARGET_INCOMPLETE, NULL);
    cr_expect(bench.seen.answers_count == 1 && bench.seen.finished_count == 1);
    cr_expect(bench.below.submitted_count == 1);
    bench_fini(&bench);
}

/* --- what may have been carried out ----------------------------------------------------------- */

Test(guard, an_idempotent_request_goes_elsewhere_after_no_or_a_bad_answer)
{
    expect(3, HTTP_METHOD_GET, "x.", "ab", ERR_NONE);
    expect(3, HTTP_METHOD_GET, "c.", "ab", ERR_NONE);
    expect(3, HTTP_METHOD_GET, "5.", "ab", ERR_NONE);
    expect(3, HTTP_METHOD_DELETE, "3.", "ab", ERR_NONE);
    cr_expect(bench.seen.status == 200 && bench.row.retries_by_reason[SERVICE_RETRY_STATUS] == 1);
}

Test(guard, the_last_answer_goes_up_whatever_it_is)
{
    expect(3, HTTP_METHOD_GET, "555", "abc", ERR_NONE);
    cr_expect(bench.seen.status == 500 && bench.seen.retries_count == 2);
    expect(1, HTTP_METHOD_GET, "5", "a", ERR_NONE);
    cr_expect(bench.seen.status == 500, "there is no other target");
}

Test(guard, other_statuses_are_answers)
{
    expect(3, HTTP_METHOD_GET, "1", "a", ERR_NONE);
    open_guard(3, "5");
    retry.statuses = "";
    guard.statuses.count = 0;
    run(HTTP_METHOD_GET, NULL);
}

/* The answer was thrown away for nothing: its status is told. */
Test(guard, a_swallowed_answer_is_told_by_its_status)
{
    expect(2, HTTP_METHOD_GET, "3g", "ab", ERR_TARGET_ERROR);
    expect(2, HTTP_METHOD_GET, "3r", "ab", ERR_TARGET_ERROR);
}

Test(guard, a_server_that_defends_itself_is_left_alone)
{
    open_guard(3, "2");
    cr_assert(config_statuses_read(&guard.statuses, "400-599"));
    run(HTTP_METHOD_GET, NULL);
    cr_expect(bench.seen.status == 429);
}

Test(guard, any_method_may_be_repeated_if_asked)
{
    open_guard(3, "x.");
    retry.any_method = true;
    run(HTTP_METHOD_POST, NULL);
    cr_expect_str_eq(order, "ab");
}

static void add_whole_body(struct op *op)
{
    add_body(op);
    pipe_end(op->request_body, ERR_NONE);
}

static void read_abc(struct op *op)
{
    const struct slice slice = pipe_take(op->request_body);
    cr_expect(slice.bytes == 3 && slice.at[0] == 'a' && pipe_is_drained(op->request_body));
}

Test(guard, a_body_that_was_kept_is_sent_again)
{
    open_guard(3, "x5.");
    at_attempt = read_abc;
    run(HTTP_METHOD_PUT, add_whole_body);
    cr_expect(bench.seen.error == ERR_NONE);
}

Test(guard, a_body_over_the_limit_is_not)
{
    open_guard(3, "x");
    retry.replay_bytes = 2;
    at_attempt = read_abc;
    run(HTTP_METHOD_PUT, add_whole_body);
    cr_expect(bench.seen.error == ERR_TARGET_TIMEOUT);
}

/* --- the budget ------------------------------------------------------------------------------- */

static void turn_after(uint64_t ms)
{
    for (; ms > 0; ms--) {
        bench.now_ns += NS_PER_MS;
        timer_wheel_turn(&loop.timers, bench.now_ns);
    }
}

/* Submits an op whose first attempt waits below, then ends with a timeout. */
static struct op *fail_one(void)
{
    struct op *op = bench_op(&bench, HTTP_METHOD_GET);
    stage_submit(&guard.stage, op);
    struct op *below = bench_take(&bench);
    cr_assert(below == op);
    op_hold_target(op, &bench.targets[0]);
    op_refuse(op, ERR_TARGET_TIMEOUT, NULL);
    return op;
}

static void open_busy_guard(uint64_t wait_ms)
{
    open_guard(3, "");
    bench.below.script = NULL;
    retry.budget_wait_ns = wait_ms * NS_PER_MS;
    for (unsigned i = 0; i < 3; i++)
        (void)fail_one();
    cr_assert(bench.below.ops_count == 3 && atomic_load(&bench.service.retries_inflight) == 3);
}

static void close_busy_guard(void)
{
    while (bench.below.ops_count > 0)
        bench_answer(&bench, 200);
    cr_expect(atomic_load(&bench.service.retries_inflight) == 0 && guard.waiting_count == 0);
    cr_expect(bench.seen.finished_count == bench.seen.answers_count);
    guard_stage_fini(&guard);
    bench_fini(&bench);
}

Test(guard, without_a_place_in_the_budget_the_error_is_told)
{
    open_busy_guard(0);
    (void)fail_one();
    cr_expect(bench.seen.finished_count == 1 && bench.seen.error == ERR_TARGET_TIMEOUT);
    cr_expect(bench.row.retries_denied_count == 1);
    close_busy_guard();
    cr_expect(bench.seen.finished_count == 4);
}

/* Whether their targets are still in the set does not matter: none of these has one. */
Test(guard, a_fifth_of_the_requests_in_flight_may_be_repetitions)
{
    struct op *others[16];
    open_busy_guard(0);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        others[i] = bench_op(&bench, HTTP_METHOD_GET);
        stage_submit(&guard.stage, others[i]);
    }
    (void)fail_one();
    cr_expect(bench.seen.finished_count == 0 && bench.below.ops_count == 20);
    (void)fail_one();
    cr_expect(bench.seen.finished_count == 1);
    close_busy_guard();
    cr_expect(bench.row.attempts_inflight == 0);
}

/* It is in flight no more when its error is held back, or a fleet whose servers all fail would have
 * a place for everybody. */
Test(guard, who_waits_for_a_place_makes_none)
{
    open_busy_guard(100);
    for (unsigned i = 0; i < 40; i++)
        (void)fail_one();
    cr_expect(bench.row.attempts_inflight == 3 && guard.waiting_count == 40);
    cr_expect(bench.below.ops_count == 3);
    close_busy_guard();
    cr_expect(bench.row.attempts_inflight == 0);
}

Test(guard, the_oldest_waits_for_a_place_and_gets_it)
{
    open_busy_guard(100);
    (void)fail_one();
    cr_expect(bench.seen.finished_count == 0 && guard.waiting_count == 1);
    cr_expect(bench.row.retries_delayed_count == 1);
    bench_answer(&bench, 200); /* one of the three leaves its place */
    cr_expect(bench.below.ops_count == 3 && guard.waiting_count == 0);
    close_busy_guard();
}

Test(guard, a_place_that_another_worker_left_is_found)
{
    open_busy_guard(100);
    (void)fail_one();
    atomic_fetch_sub(&bench.service.retries_inflight, 1);
    turn_after(20);
    cr_expect(bench.below.ops_count == 4 && guard.waiting_count == 0);
    atomic_fetch_add(&bench.service.retries_inflight, 1);
    close_busy_guard();
}

Test(guard, waiting_ends)
{
    open_busy_guard(50);
    (void)fail_one();
    turn_after(40);
    cr_expect(bench.seen.finished_count == 0);
    turn_after(20);
    cr_expect(bench.seen.finished_count == 1 && bench.seen.error == ERR_TARGET_TIMEOUT);
    close_busy_guard();
}

Test(guard, who_waits_can_be_cancelled)
{
    open_busy_guard(50);
    op_cancel(fail_one());
    cr_expect(bench.seen.finished_count == 1 && bench.seen.outcome == OUTCOME_CANCELLED);
    close_busy_guard();
}

/* Its answer is held back, not lost. */
Test(guard, an_answer_that_waited_in_vain_goes_up_whole)
{
    open_busy_guard(50);
    struct op *op = bench_op(&bench, HTTP_METHOD_GET);
    stage_submit(&guard.stage, op);
    (void)bench_take(&bench);
    op_hold_target(op, &bench.targets[0]);
    bench.keep_ops = true;
    answer_with_body(op, 500);
    cr_expect(bench.seen.answers_count == 0);
    turn_after(60);
    cr_expect(bench.seen.answers_count == 1 && bench.seen.finished_count == 1);
    cr_expect(bench.seen.status == 500 && op->answer_body.bytes == 2);
    op_free(op);
    bench.keep_ops = false;
    close_busy_guard();
}

Test(guard, the_second_repetition_pauses)
{
    open_guard(3, "");
    bench.below.script = NULL;
    retry.pause_ns = 1000 * NS_PER_MS;
    struct op *op = fail_one();
    cr_assert(bench.below.ops_count == 1, "the first does not");
    (void)bench_take(&bench);
    op_hold_target(op, &bench.targets[1]);
    op_refuse(op, ERR_TARGET_TIMEOUT, NULL);
    cr_expect(bench.below.ops_count == 0 && bench.seen.finished_count == 0);
    turn_after(1010);
    cr_expect(bench.below.ops_count == 1);
    close_busy_guard();
}
