/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/concurrency/concurrency_stage_test.c - ops with and without a permit. */
#include "breaker/concurrency/concurrency_stage.h"

#include "breaker/concurrency/target_limit_stage.h"
#include "core/mem.h"
#include "core/units.h"
#include "loop/loop.h"
#include "path/path_testing.h"

#include <criterion/criterion.h>
#include <string.h>

static struct bench bench;
static struct loop loop;
static struct keep keep;
static struct permits *permits;
static struct concurrency_settings settings;
static struct concurrency_stage stage;
static struct target_limit_stage target_limit;

static void open_stage(uint32_t limit)
{
    bench_init(&bench, 2);
    loop = (struct loop){0};
    post_queue_init(&loop.posts);
    timer_wheel_init(&loop.timers, bench.now_ns);
    bench.worker.loop = &loop;
    keep_init(&keep);
    settings = (struct concurrency_settings){
        .limit = LIMIT_fixed,
        .start = limit,
        .slow_after_ns = NS_PER_S,
        .waiting = 10,
        .most_wait_ns = 5 * NS_PER_S,
        .client = "header:X-Who",
        .priority_header = "",
        .priority = PRIORITY_NORMAL,
    };
    const struct permits_rule rule = {.choice = (enum limit_choice)settings.limit,
                                      .bounds = concurrency_bounds(&settings)};
    permits = permits_get(&keep, "shop", &rule);
    const struct concurrency_parts parts = {.worker = &bench.worker,
                                            .service = &bench.service,
                                            .permits = permits,
                                            .settings = &settings};
    cr_assert(concurrency_stage_init(&stage, &parts, &bench.below.stage));
}

static struct service_load load_now(void)
{
    struct service_load load;
    permits_load(permits, &load);
    return load;
}

static void close_stage(void)
{
    cr_expect(load_now().inflight == 0);
    for (int level = 0; level < TIMER_LEVELS; level++)
        for (int slot = 0; slot < TIMER_SLOTS; slot++)
            cr_expect(list_is_empty(&loop.timers.slots[level][slot]), "a timer is left");
    permits_give(permits);
    keep_fini(&keep);
    bench_fini(&bench);
}

static void pass(uint64_t ns)
{
    bench.now_ns += ns;
    timer_wheel_turn(&loop.timers, bench.now_ns);
}

static struct op *submit(void)
{
    struct op *op = bench_op(&bench, HTTP_METHOD_GET);
    stage_submit(&stage.stage, op);
    return op;
}

/* What the stage would learn from control: a request takes so long. */
static void teach(uint64_t latency_ns)
{
    permits_report(stage.permits, &(struct permits_sample){bench.now_ns, latency_ns, false});
    permits_step(permits, bench.now_ns);
}

Test(concurrency, lets_in_as_many_as_the_limit_and_serves_the_next_at_an_end)
{
    open_stage(2);
    submit();
    submit();
    struct op *third = submit();
    cr_expect(bench.below.submitted_count == 2 && bench.row.waited_count == 0);
    pass(30 * NS_PER_MS);
    bench_answer(&bench, 200);
    cr_expect(bench.below.submitted_count == 3 && bench.below.ops[1] == third);
    cr_expect(third->waited_ns == 30 * NS_PER_MS && bench.row.waited_count == 1);
    bench_answer(&bench, 200);
    bench_answer(&bench, 200);
    cr_expect(bench.seen.finished_count == 3);
    close_stage();
}

/* The permit is held until the last byte, not until the head. */
Test(concurrency, a_permit_is_held_to_the_end)
{
    open_stage(1);
    submit();
    submit();
    struct op *op = bench_take(&bench);
    op->answer.head.status = 200;
    op_answer(op);
    cr_expect(bench.below.submitted_count == 1);
    pipe_end(&op->answer_body, ERR_NONE);
    op_finish(op, OUTCOME_DONE);
    cr_expect(bench.below.submitted_count == 2);
    bench_answer(&bench, 200);
    close_stage();
}

Test(concurrency, a_client_that_leaves_leaves_the_room_at_once)
{
    open_stage(1);
    submit();
    op_cancel(submit());
    cr_expect(bench.seen.finished_count == 1 && bench.seen.outcome == OUTCOME_CANCELLED);
    cr_expect(bench.seen.error == ERR_CANCELLED && bench.row.wait_cancelled_count == 1);
    cr_expect(load_now().waiting[PRIORITY_NORMAL] == 0);
    bench_answer(&bench, 200);
    cr_expect(bench.below.submitted_count == 1);
    close_stage();
}

Test(concurrency, nobody_waits_longer_than_is_set)
{
    open_stage(1);
    submit();
    submit();
    pass(5 * NS_PER_S - 50 * NS_PER_MS);
    cr_expect(bench.seen.finished_count == 0);
    pass(60 * NS_PER_MS);
    cr_expect(bench.seen.error == ERR_OVERLOAD && bench.seen.retry_after_s >= 1);
    cr_expect(bench.row.shed_waited_count == 1 && bench.seen.detail != NULL);
    bench_answer(&bench, 200);
    close_stage();
}

Test(concurrency, a_full_room_refuses)
{
    open_stage(1);
    settings.waiting = 1;
    submit();
    submit();
    submit();
    cr_expect(bench.seen.error == ERR_OVERLOAD && bench.row.shed_full_count == 1);
    bench_answer(&bench, 200);
    bench_answer(&bench, 200);
    cr_expect(bench.seen.finished_count == 3);
    close_stage();
}

Test(concurrency, without_a_room_it_refuses_at_once)
{
    open_stage(1);
    settings.waiting = 0;
    submit();
    submit();
    cr_expect(bench.seen.error == ERR_OVERLOAD && bench.row.shed_full_count == 1);
    bench_answer(&bench, 200);
    close_stage();
}

/* A field of a head that lies in the test. */
static struct op *submit_with(const char *name, const char *value)
{
    static char bytes[64][128];
    static struct http_field fields[64];
    static unsigned used;
    struct op *op = bench_op(&bench, HTTP_METHOD_GET);
    struct http_head *head = &op->request->head;
    cr_assert(used < 64);
    const int count = snprintf(bytes[used], sizeof bytes[used], "%s: %s", name, value);
    fields[used] = (struct http_field){.name_bytes = (uint16_t)strlen(name),
                                       .value_at = (uint32_t)strlen(name) + 2,
                                       .value_bytes = (uint32_t)strlen(value)};
    head->base = (const uint8_t *)bytes[used];
    head->head_bytes = (uint32_t)count;
    head->fields = &fields[used++];
    head->fields_count = head->fields_max = 1;
    stage_submit(&stage.stage, op);
    return op;
}

Test(concurrency, clients_take_turns)
{
    open_stage(1);
    submit();
    struct op *a[3], *b;
    for (int i = 0; i < 3; i++)
        a[i] = submit_with("X-Who", "a");
    b = submit_with("X-Who", "b");
    const struct op *const order[] = {a[0], b, a[1], a[2]};
    for (int i = 0; i < 4; i++) {
        bench_answer(&bench, 200);
        cr_expect(bench.below.ops[0] == order[i], "turn %d", i);
    }
    bench_answer(&bench, 200);
    close_stage();
}

Test(concurrency, priorities_come_from_a_header_or_the_service)
{
    open_stage(1);
    settings.priority_header = "Priority";
    settings.priority = PRIORITY_LOW;
    submit();
    submit();
    submit_with("priority", "High");
    submit_with("priority", "u=3");
    submit_with("priority", "nonsense");
    const struct service_load load = load_now();
    cr_expect(load.waiting[PRIORITY_HIGH] == 1 && load.waiting[PRIORITY_NORMAL] == 1);
    cr_expect(load.waiting[PRIORITY_LOW] == 2);
    for (int i = 0; i < 5; i++)
        bench_answer(&bench, 200);
    close_stage();
}

Test(concurrency, reads_priorities)
{
    const struct {
        const char *text;
        enum priority priority;
    } rows[] = {
        {"critical", PRIORITY_CRITICAL}, {"LOW", PRIORITY_LOW},      {"u=0", PRIORITY_CRITICAL},
        {"u=1, i", PRIORITY_HIGH},       {"i, u=5", PRIORITY_LOW},   {"u=8", PRIORITIES_COUNT},
        {"u=33", PRIORITIES_COUNT},      {"xu=1", PRIORITIES_COUNT}, {"", PRIORITIES_COUNT},
        {"highest", PRIORITIES_COUNT},   {"u", PRIORITIES_COUNT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_expect(concurrency_read_priority((const uint8_t *)rows[i].text, strlen(rows[i].text)) ==
                      rows[i].priority,
                  "%s", rows[i].text);
}

Test(concurrency, the_lowest_priority_makes_room)
{
    open_stage(1);
    settings.waiting = 1;
    settings.priority_header = "Priority";
    submit();
    submit_with("Priority", "low");
    submit_with("Priority", "normal");
    cr_expect(bench.seen.error == ERR_OVERLOAD && bench.row.shed_displaced_count == 1);
    bench_answer(&bench, 200);
    bench_answer(&bench, 200);
    close_stage();
}

/* --- deadlines -------------------------------------------------------------------------------- */

static void submit_due(uint64_t in_ns)
{
    struct op *op = bench_op(&bench, HTTP_METHOD_GET);
    op->deadline_ns = bench.now_ns + in_ns;
    stage_submit(&stage.stage, op);
}

Test(concurrency, a_deadline_that_cannot_be_kept_is_refused_at_once)
{
    open_stage(1);
    submit();
    teach(100 * NS_PER_MS);
    submit_due(199 * NS_PER_MS); /* one is ahead, and its own */
    cr_expect(bench.seen.error == ERR_OVERLOAD && bench.row.shed_deadline_count == 1);
    submit_due(250 * NS_PER_MS);
    cr_expect(bench.seen.finished_count == 1 && load_now().waiting[PRIORITY_NORMAL] == 1);
    submit_due(250 * NS_PER_MS);
    cr_expect(bench.row.shed_deadline_count == 2);
    bench_answer(&bench, 200);
    bench_answer(&bench, 200);
    close_stage();
}

/* Its wait ends when the time that is left is what a request takes. */
Test(concurrency, who_would_be_too_late_is_not_served)
{
    open_stage(1);
    submit();
    teach(100 * NS_PER_MS);
    submit_due(250 * NS_PER_MS);
    pass(155 * NS_PER_MS);
    cr_expect(bench.seen.error == ERR_OVERLOAD && bench.row.shed_waited_count == 1);
    bench_answer(&bench, 200);
    close_stage();
}

Test(concurrency, a_wait_that_would_be_too_long_is_refused_at_once)
{
    open_stage(1);
    submit();
    teach(3 * NS_PER_S);
    submit();
    cr_expect(bench.seen.finished_count == 0);
    submit();
    cr_expect(bench.row.shed_deadline_count == 1 && bench.seen.retry_after_s == 7);
    bench_answer(&bench, 200);
    bench_answer(&bench, 200);
    close_stage();
}

/* --- what counts as overload ------------------------------------------------------------------ */

static uint32_t limit_after(void (*end)(void))
{
    open_stage(10);
    const struct permits_rule aimd = {.choice = LIMIT_aimd,
                                      .bounds = {.start = 10, .least = 1, .most = 100}};
    permits_give(permits_get(&keep, "shop", &aimd));
    submit();
    end();
    permits_step(permits, bench.now_ns);
    const uint32_t limit = load_now().limit;
    close_stage();
    return limit;
}

static void answer_200(void)
{
    bench_answer(&bench, 200);
}
static void answer_500(void)
{
    bench_answer(&bench, 500);
}
static void answer_503(void)
{
    bench_answer(&bench, 503);
}
static void answer_429(void)
{
    bench_answer(&bench, 429);
}
static void time_out(void)
{
    bench_fail(&bench, ERR_TARGET_TIMEOUT);
}
static void refuse_connection(void)
{
    bench_fail(&bench, ERR_CONNECT_REFUSED);
}
static void leave(void)
{
    bench_fail(&bench, ERR_CANCELLED);
}

static void answer_late(void)
{
    pass(NS_PER_S + 1);
    bench_answer(&bench, 200);
}

static void leave_late(void)
{
    pass(NS_PER_S + 1);
    bench_fail(&bench, ERR_CANCELLED);
}

Test(concurrency, signs_of_overload_lower_the_limit)
{
    cr_expect(limit_after(answer_503) == 9);
    cr_expect(limit_after(answer_429) == 9);
    cr_expect(limit_after(time_out) == 9);
    cr_expect(limit_after(answer_late) == 9);
    cr_expect(limit_after(leave_late) == 9);
}

Test(concurrency, other_ends_do_not)
{
    cr_expect(limit_after(answer_200) == 10);
    cr_expect(limit_after(answer_500) == 10);
    cr_expect(limit_after(refuse_connection) == 10);
    cr_expect(limit_after(leave) == 10);
}

/* --- full targets ----------------------------------------------------------------------------- */

static void find_full(struct op *op)
{
    op->found_full = true;
    op_refuse(op, ERR_NO_TARGET, "no target of the service is left to try");
}

Test(concurrency, a_request_that_found_all_targets_full_waits_again_as_the_next)
{
    open_stage(2);
    submit();
    struct op *second = submit(), *third = submit();
    find_full(bench_take(&bench));
    cr_expect(bench.seen.answers_count == 0 && load_now().waiting[PRIORITY_NORMAL] == 2);
    bench_answer(&bench, 200);
    cr_expect(bench.below.ops[0] == second && second->retries_count == 0);
    for (int i = 0; i < 50; i++) { /* needs no memory each time */
        find_full(bench_take(&bench));
        permits_step(permits, bench.now_ns);
        for (struct post *post; (post = post_queue_take(&loop.posts)) != NULL;)
            post->call(post);
        while (bench.below.ops_count > 1)
            bench_answer(&bench, 200);
    }
    cr_expect(bench.below.ops_count == 1 && third != NULL);
    bench_answer(&bench, 200);
    cr_expect(bench.seen.finished_count == 3);
    close_stage();
}

Test(concurrency, a_target_has_no_more_than_it_may)
{
    open_stage(5);
    target_limit_stage_init(&target_limit, &bench.service, 1, &bench.below.stage);
    struct op *op = bench_op(&bench, HTTP_METHOD_GET);
    op_hold_target(op, &bench.targets[0]);
    bench.targets[0].inflight = 1; /* balance counted it */
    stage_submit(&target_limit.stage, op);
    cr_expect(bench.below.submitted_count == 1);
    bench_answer(&bench, 200);
    op = bench_op(&bench, HTTP_METHOD_GET);
    op_hold_target(op, &bench.targets[0]);
    bench.targets[0].inflight = 2;
    stage_submit(&target_limit.stage, op);
    cr_expect(bench.seen.error == ERR_NO_TARGET && bench.row.target_full_count == 1);
    bench.targets[0].inflight = 0;
    close_stage();
}

/* Those that fail at once, one after the other, do not nest. */
static void fail_at_once(struct bench_below *self, struct op *op)
{
    (void)self;
    op_refuse(op, ERR_NO_TARGET, NULL);
}

Test(concurrency, a_long_line_that_fails_at_once_needs_no_stack)
{
    open_stage(1);
    settings.waiting = 100000;
    submit();
    for (int i = 0; i < 20000; i++)
        submit();
    bench.below.script = fail_at_once;
    bench_answer(&bench, 200);
    cr_expect(bench.seen.finished_count == 20001);
    close_stage();
}

/* --- faults ----------------------------------------------------------------------------------- */

#ifdef PANDO_FAULTS
Test(concurrency, any_allocation_may_fail)
{
    for (uint64_t nth = 1; nth < 12; nth++) {
        open_stage(1);
        struct op *ops[4];
        for (int i = 0; i < 4; i++) {
            ops[i] = bench_op(&bench, HTTP_METHOD_GET);
            /* What comes next asks for more. */
            cr_assert(arena_take(&ops[i]->arena, 1200 + (size_t)i * 60) != NULL);
        }
        fault_fail_nth(FAULT_ALLOCATION, nth);
        for (int i = 0; i < 4; i++)
            stage_submit(&stage.stage, ops[i]);
        fault_fail_nth(FAULT_ALLOCATION, 0);
        while (bench.below.ops_count > 0)
            bench_answer(&bench, 200);
        cr_expect(bench.seen.finished_count == 4);
        close_stage();
    }
}
#endif
