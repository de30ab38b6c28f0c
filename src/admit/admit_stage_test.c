/* SPDX-License-Identifier: Apache-2.0 */
/* admit/admit_stage_test.c - requests in flight are counted,
 * bounded, and always counted off again. */
#include "admit/admit.h"

#include "path/path_testing.h"

#include <criterion/criterion.h>

static struct bench bench;
static struct admit admit;
static struct admit_stage room, other_room;
static _Atomic uint32_t own_requests, other_requests;

static void start(uint32_t node_max, uint32_t service_max)
{
    const struct admit_settings node = {
        .connections = 1, .connections_per_client = 1, .requests_in_flight = node_max};
    const struct admit_service_settings service = {.requests_in_flight = service_max};
    bench_init(&bench, 1);
    cr_assert(admit_init(&admit, &node, (struct hash_key){.k = {1, 2}}));
    admit_stage_init(&room, &admit, &own_requests, &service, &bench.below.stage);
    admit_stage_init(&other_room, &admit, &other_requests, &service, &bench.below.stage);
}

static void finish(void)
{
    cr_expect(admit.requests == 0 && own_requests == 0 && other_requests == 0);
    admit_fini(&admit);
    bench_fini(&bench);
}

static void submit(struct admit_stage *to)
{
    bench.seen = (struct bench_seen){0};
    stage_submit(&to->stage, bench_op(&bench, HTTP_METHOD_GET));
}

static void expect_refused(void)
{
    cr_expect(bench.seen.error == ERR_LIMIT && bench.seen.outcome == OUTCOME_FAILED);
    cr_expect(bench.seen.answers_count == 1 && bench.seen.finished_count == 1);
    cr_expect(bench.seen.detail != NULL && bench.seen.retry_after_s == 1);
}

Test(admit_stage, without_limits_everything_passes_and_is_counted)
{
    start(0, 0);
    for (unsigned i = 1; i <= 10; i++) {
        submit(&room);
        cr_expect(admit.requests == i && own_requests == i && bench.below.ops_count == i);
    }
    while (bench.below.ops_count > 0)
        bench_answer(&bench, 200);
    cr_expect(bench.seen.error == ERR_NONE && bench.seen.status == 200);
    finish();
}

Test(admit_stage, a_full_service_refuses_and_another_does_not)
{
    start(0, 2);
    submit(&room);
    submit(&room);
    submit(&room);
    expect_refused();
    cr_expect(own_requests == 2 && bench.below.ops_count == 2);
    submit(&other_room);
    cr_expect(bench.seen.finished_count == 0 && other_requests == 1);
    while (bench.below.ops_count > 0)
        bench_answer(&bench, 200);
    submit(&room);
    cr_expect(bench.below.ops_count == 1, "there is room again");
    bench_answer(&bench, 200);
    finish();
}

Test(admit_stage, a_full_node_refuses_for_all_services)
{
    start(2, 0);
    submit(&room);
    submit(&other_room);
    submit(&room);
    expect_refused();
    submit(&other_room);
    expect_refused();
    cr_expect(admit.requests == 2);
    bench_answer(&bench, 200);
    submit(&room);
    cr_expect(bench.seen.finished_count == 0);
    while (bench.below.ops_count > 0)
        bench_answer(&bench, 200);
    finish();
}

/* However it ends, its place becomes free once. */
Test(admit_stage, errors_and_cancels_are_counted_off_too)
{
    start(1, 1);
    submit(&room);
    bench_fail(&bench, ERR_TARGET_CLOSED);
    cr_expect(bench.seen.error == ERR_TARGET_CLOSED);
    submit(&room);
    op_cancel(bench.below.ops[0]);
    bench_fail(&bench, ERR_CANCELLED);
    cr_expect(bench.seen.outcome == OUTCOME_CANCELLED);
    submit(&room);
    struct op *op = bench_take(&bench);
    op->answer.head.status = 200;
    op_answer(op);
    cr_expect(admit.requests == 1, "until the last byte");
    pipe_end(&op->answer_body, ERR_TARGET_INCOMPLETE);
    op_finish(op, OUTCOME_FAILED);
    finish();
}
