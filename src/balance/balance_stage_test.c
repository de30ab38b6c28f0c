/* SPDX-License-Identifier: Apache-2.0 */
/* balance/balance_stage_test.c - an op gets a target, and what becomes of it is counted. */
#include "balance/balance_stage.h"

#include "core/mem.h"
#include "path/path_testing.h"

#include <criterion/criterion.h>

static struct bench bench;
static struct balance_stage room;

static void open_room(uint32_t targets_count, const char *strategy)
{
    bench_init(&bench, targets_count);
    cr_assert(
        balance_stage_init(&room, &bench.worker, &bench.service, strategy, &bench.below.stage));
}

static void close_room(void)
{
    balance_stage_fini(&room);
    cr_expect(list_is_empty(&bench.service.views[0].listeners));
    bench_fini(&bench);
}

static void submit(void)
{
    stage_submit(&room.stage, bench_op(&bench, HTTP_METHOD_GET));
}

Test(balance_stage, counts_what_is_in_flight)
{
    open_room(1, "two-choices");
    submit();
    submit();
    cr_expect(bench.below.ops[0]->target == &bench.targets[0]);
    cr_expect(bench.targets[0].inflight == 2 && bench.targets[0].refs_count == 2);
    bench_answer(&bench, 200);
    cr_expect(bench.targets[0].inflight == 1 && bench.seen.finished_count == 1);
    bench_answer(&bench, 404);
    cr_expect(bench.targets[0].inflight == 0 && bench.targets[0].refs_count == 0);
    cr_expect(bench.rows[0].requests_count == 2 && bench.rows[0].failures_count == 0);
    cr_expect(bench.rows[0].statuses_count[2] == 1 && bench.rows[0].statuses_count[4] == 1);
    close_room();
}

Test(balance_stage, measures_from_sent_to_answered)
{
    struct histogram_view view = {0};
    open_room(1, "round-robin");
    submit();
    bench.below.ops[0]->sent_ns = bench.now_ns;
    bench.now_ns += 3000000;
    bench_answer(&bench, 200);
    histogram_add(&view, &bench.rows[0].latency_us);
    cr_expect(view.count == 1 && view.sum_us == 3000);
    close_room();
}

/* Whom a failure is laid upon: the target only where the target gave cause. */
Test(balance_stage, failures_are_the_targets_own)
{
    open_room(1, "two-choices");
    submit();
    bench_fail(&bench, ERR_CONNECT_REFUSED);
    submit();
    bench_fail(&bench, ERR_TARGET_TIMEOUT);
    cr_expect(bench.rows[0].requests_count == 2 && bench.rows[0].failures_count == 2);
    submit();
    bench_fail(&bench, ERR_CANCELLED);
    cr_expect(bench.rows[0].requests_count == 3 && bench.rows[0].failures_count == 2);
    submit();
    bench_fail(&bench, ERR_NO_TARGET); /* the gate's: it never came there */
    cr_expect(bench.rows[0].requests_count == 3 && bench.rows[0].failures_count == 2);
    close_room();
}

Test(balance_stage, an_answer_that_breaks_off_is_a_failure)
{
    open_room(1, "two-choices");
    submit();
    struct op *op = bench_take(&bench);
    op->answer.head.status = 200;
    op_answer(op);
    op_refuse(op, ERR_TARGET_INCOMPLETE, NULL);
    cr_expect(bench.rows[0].statuses_count[2] == 1 && bench.rows[0].failures_count == 1);
    close_room();
}

Test(balance_stage, without_targets_it_says_so)
{
    open_room(0, "least-connections");
    submit();
    cr_expect(bench.seen.error == ERR_NO_TARGET && bench.seen.target == NULL);
    cr_expect(bench.seen.outcome == OUTCOME_FAILED && bench.seen.detail != NULL);
    close_room();
}

/* A service that control has not published to this worker yet. */
Test(balance_stage, an_unpublished_view_is_empty)
{
    bench_init(&bench, 1);
    bench.service.views[0].set = NULL;
    cr_assert(balance_stage_init(&room, &bench.worker, &bench.service, "two-choices",
                                 &bench.below.stage));
    submit();
    cr_expect(bench.seen.error == ERR_NO_TARGET);
    bench_publish(&bench, 1);
    submit();
    bench_answer(&bench, 200);
    cr_expect(bench.seen.error == ERR_NONE);
    close_room();
}

/* The op holds its target though the set that named it is gone. */
Test(balance_stage, the_set_changes_under_way)
{
    open_room(4, "round-robin");
    for (int i = 0; i < 4; i++)
        submit();
    bench_publish(&bench, 1);
    cr_expect(bench.targets[3].refs_count == 1);
    for (int i = 0; i < 4; i++)
        bench_answer(&bench, 200);
    for (int i = 0; i < 3; i++) {
        submit();
        cr_expect(bench.below.ops[0]->target == &bench.targets[0]);
        bench_answer(&bench, 200);
    }
    close_room();
}

Test(balance_stage, passes_over_what_was_tried_and_what_is_not_up)
{
    open_room(3, "two-choices");
    bench.targets[1].state = TARGET_TRIAL;
    struct op *op = bench_op(&bench, HTTP_METHOD_GET);
    op->tried[op->tried_count++] = &bench.targets[0];
    stage_submit(&room.stage, op);
    cr_expect(op->target == &bench.targets[2], "the one in trial is the last resort");
    bench_answer(&bench, 200);

    op = bench_op(&bench, HTTP_METHOD_GET);
    op->tried[op->tried_count++] = &bench.targets[0];
    op->tried[op->tried_count++] = &bench.targets[2];
    stage_submit(&room.stage, op);
    cr_expect(op->target == &bench.targets[1]);
    bench_answer(&bench, 200);

    op = bench_op(&bench, HTTP_METHOD_GET);
    for (int i = 0; i < 3; i++)
        op->tried[op->tried_count++] = &bench.targets[i];
    stage_submit(&room.stage, op);
    cr_expect(bench.seen.error == ERR_NO_TARGET && bench.seen.target == NULL);
    close_room();
}

/* What an op's arena may give is bounded; then the op is refused, and nothing is left behind. */
Test(balance_stage, without_room_in_the_arena_it_refuses)
{
    open_room(1, "two-choices");
    struct op *op = bench_op(&bench, HTTP_METHOD_GET);
    while (arena_take(&op->arena, 8) != NULL)
        ;
    stage_submit(&room.stage, op);
    cr_expect(bench.seen.error == ERR_MEMORY && bench.seen.finished_count == 1);
    cr_expect(bench.seen.target == NULL);
    close_room();
}

#ifdef PANDO_FAULTS
/* A set that came while there was no memory is used as soon as there is some again. */
Test(balance_stage, recovers_from_lack_of_memory)
{
    open_room(2, "two-choices");
    fault_fail_nth(FAULT_ALLOCATION, 1);
    bench_publish(&bench, 3);
    struct op *op = bench_op(&bench, HTTP_METHOD_GET);
    fault_fail_nth(FAULT_ALLOCATION, 1);
    stage_submit(&room.stage, op);
    cr_expect(bench.seen.error == ERR_MEMORY);
    submit();
    bench_answer(&bench, 200);
    cr_expect(bench.seen.error == ERR_NONE);
    balance_stage_fini(&room);
    fault_fail_nth(FAULT_ALLOCATION, 1);
    cr_expect(!balance_stage_init(&room, &bench.worker, &bench.service, "round-robin",
                                  &bench.below.stage));
    balance_stage_fini(&room);
    bench_fini(&bench);
}
#endif
