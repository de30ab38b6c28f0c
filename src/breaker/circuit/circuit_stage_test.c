/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/circuit/circuit_stage_test.c - who may pass, what is counted, what is answered. */
#include "breaker/circuit/circuit_stage.h"

#include "core/units.h"
#include "path/path_testing.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct bench bench;
static struct keep keep;
static struct circuit_stage room;
static struct fallback_settings fallback = {.body = ""};
static const struct circuit_settings settings = {
    .enabled = true,
    .statuses = "500, 502-504",
    .failed_percent = 50,
    .window_ns = 10 * NS_PER_S,
    .open_first_ns = 5 * NS_PER_S,
    .open_most_ns = 60 * NS_PER_S,
    .volume = 4,
    .trials = 2,
};

static void open_room(void)
{
    const struct circuit_rules rules = circuit_rules_of(&settings);
    keep_init(&keep);
    bench_init(&bench, 1);
    (void)snprintf(bench.service.name, sizeof bench.service.name, "shop");
    const struct circuit_stage_parts parts = {
        .service = &bench.service,
        .circuit = service_circuit_get(&keep, "shop", &rules, 1),
        .settings = &settings,
        .fallback = &fallback,
    };
    cr_assert(parts.circuit != NULL);
    cr_assert(circuit_stage_init(&room, &parts, &bench.below.stage));
}

static void close_room(void)
{
    circuit_stage_fini(&room);
    service_circuit_give(room.circuit);
    keep_fini(&keep);
    bench_fini(&bench);
}

static struct op *submit(void)
{
    struct op *op = bench_op(&bench, HTTP_METHOD_GET);
    stage_submit(&room.stage, op);
    return op;
}

static bool look(void)
{
    return service_circuit_look(room.circuit, bench.now_ns, UINT64_MAX / 2);
}

static void fail_times(unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        submit();
        bench_answer(&bench, 500);
    }
}

static void open_circuit(void)
{
    fail_times(4);
    cr_assert(look() && room.circuit->machine.state == CIRCUIT_OPEN);
}

Test(circuit_stage, an_open_one_refuses_with_the_reason_and_when_to_come_again)
{
    open_room();
    open_circuit();
    const unsigned before = bench.below.submitted_count;
    submit();
    cr_expect(bench.below.submitted_count == before);
    cr_expect(bench.seen.error == ERR_CIRCUIT_OPEN && bench.seen.retry_after_s == 5);
    cr_expect(bench.seen.finished_count == 5 && bench.row.breaker_refused_count == 1);
    bench.now_ns = room.circuit->machine.until_ns - 1;
    submit();
    cr_expect(bench.seen.retry_after_s == 1);
    close_room();
}

Test(circuit_stage, a_half_open_one_admits_so_many)
{
    open_room();
    open_circuit();
    bench.now_ns = room.circuit->machine.until_ns;
    cr_assert(look());
    const unsigned before = bench.below.submitted_count;
    for (int i = 0; i < 4; i++)
        submit();
    cr_expect(bench.below.submitted_count == before + 2 && bench.seen.error == ERR_CIRCUIT_OPEN);
    cr_expect(bench.row.breaker_refused_count == 2);
    bench_answer(&bench, 200);
    cr_expect_not(look());
    bench.below.ops[0]->cancelled = true;
    bench_fail(&bench, ERR_CANCELLED); /* says nothing, so another may try */
    cr_expect_not(look());
    submit();
    cr_expect(bench.below.submitted_count == before + 3);
    bench_answer(&bench, 200);
    cr_expect(look() && room.circuit->machine.state == CIRCUIT_CLOSED);
    submit();
    cr_expect(bench.below.submitted_count == before + 4);
    bench_answer(&bench, 200);
    close_room();
}

Test(circuit_stage, what_began_before_it_opened_is_not_held_against_what_is_now)
{
    open_room();
    for (int i = 0; i < 10; i++)
        submit();
    open_circuit();
    bench.now_ns = room.circuit->machine.until_ns;
    cr_assert(look());
    for (int i = 0; i < 10; i++)
        bench_answer(&bench, 500);
    cr_expect(trials_results(&room.circuit->trials).all == 0);
    cr_expect_not(look());
    close_room();
}

/* Who defends itself, who left, and what is this node's own fault. */
Test(circuit_stage, counts_only_what_the_servers_did)
{
    open_room();
    static const enum err_kind none[] = {ERR_LIMIT, ERR_MEMORY, ERR_CANCELLED, ERR_BODY_LIMIT};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        submit();
        bench_fail(&bench, none[i]);
    }
    submit();
    bench_answer(&bench, 429);
    cr_expect(room.circuit->rows[0].tally.all == 0);
    submit();
    bench_fail(&bench, ERR_NO_TARGET);
    submit();
    bench_answer(&bench, 404);
    cr_expect(room.circuit->rows[0].tally.all == 2 && room.circuit->rows[0].tally.failed == 1);
    close_room();
}

Test(circuit_stage, an_open_one_gives_the_fallback)
{
    fallback = (struct fallback_settings){
        .status = 203, .body = "sold out", .content_type = "text/plain", .file = "", .service = ""};
    open_room();
    open_circuit();
    submit();
    cr_expect(bench.seen.error == ERR_NONE && bench.seen.status == 203);
    cr_expect(bench.seen.outcome == OUTCOME_DONE && bench.row.breaker_fallback_count == 1);
    cr_expect(room.body->refs_count == 1);
    close_room();
}

Test(circuit_stage, or_lets_another_service_answer)
{
    struct bench_below other = {.stage = {.kind = bench.below.stage.kind}};
    open_room();
    open_circuit();
    other.stage.kind = bench.below.stage.kind;
    room.elsewhere = &other.stage;
    submit();
    cr_expect(other.submitted_count == 1 && bench.row.breaker_fallback_count == 1);
    op_refuse(other.ops[0], ERR_NO_TARGET, NULL);
    cr_expect(bench.seen.error == ERR_NO_TARGET);
    close_room();
}

Test(circuit_stage, without_room_in_the_arena_the_trial_is_given_back)
{
    open_room();
    open_circuit();
    bench.now_ns = room.circuit->machine.until_ns;
    cr_assert(look());
    struct op *op = bench_op(&bench, HTTP_METHOD_GET);
    while (arena_take(&op->arena, 8) != NULL)
        ;
    stage_submit(&room.stage, op);
    cr_expect(bench.seen.error == ERR_MEMORY);
    cr_expect(trials_left_of(trials_read(&room.circuit->trials)) == 2);
    close_room();
}
