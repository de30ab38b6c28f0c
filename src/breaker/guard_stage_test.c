/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/guard_stage_test.c - attempts, one after the other. */
#include "breaker/guard_stage.h"

#include "core/units.h"
#include "path/path_testing.h"

#include <criterion/criterion.h>
#include <string.h>

/* Below the guard stands a picker: the first target that was not tried, as balance would; then each
 * attempt ends as the script says, in one go. A script is a row of letters. */
static struct bench bench;
static struct guard_stage guard;
static struct breaker_settings settings;
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
    settings = (struct breaker_settings){.tries = 3, .retry_dead_connection = true};
    guard_stage_init(&guard, &bench.service, &settings, &bench.below.stage);
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

Test(guard, what_may_have_been_sent_is_not_repeated)
{
    expect(3, HTTP_METHOD_POST, "c", "a", ERR_TARGET_CLOSED);
    expect(3, HTTP_METHOD_GET, "x", "a", ERR_TARGET_TIMEOUT);
    expect(3, HTTP_METHOD_POST, "s", "a", ERR_TARGET_STALE);
}

Test(guard, a_dead_connection_is_replaced_once)
{
    expect(3, HTTP_METHOD_GET, "s.", "ab", ERR_NONE);
    expect(3, HTTP_METHOD_PUT, "s.", "ab", ERR_NONE);
    expect(3, HTTP_METHOD_GET, "ss", "ab", ERR_TARGET_STALE);
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
    run(HTTP_METHOD_PUT, add_body);
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
