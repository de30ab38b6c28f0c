/* SPDX-License-Identifier: Apache-2.0 */
/* balance/balance_stage_test.c - an op gets a target, and what becomes of it is counted. */
#include "balance/balance_stage.h"

#include "core/mem.h"
#include "core/units.h"
#include "loop/loop.h"
#include "path/path_testing.h"

#include <criterion/criterion.h>

static struct bench bench;
static struct balance_stage room;

static struct balance_settings settings;

static bool init_room(enum balance_sort strategy)
{
    settings = (struct balance_settings){.strategy = strategy};
    return balance_stage_init(&room, &bench.worker, &bench.service,
                              &(struct balance_stage_options){.settings = &settings, .zone = ""},
                              &bench.below.stage);
}

static void open_room(uint32_t targets_count, enum balance_sort strategy)
{
    bench_init(&bench, targets_count);
    cr_assert(init_room(strategy));
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
    open_room(1, BALANCE_two_choices);
    submit();
    submit();
    cr_expect(bench.below.ops[0]->target == &bench.targets[0]);
    cr_expect(bench.targets[0].inflight == 2 && bench.targets[0].refs_count == 2,
              "also while they wait below for a connection or a permit");
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
    open_room(1, BALANCE_round_robin);
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
    open_room(1, BALANCE_two_choices);
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

static unsigned troubles_count;

static void troubled(struct service *service)
{
    cr_expect(service == &bench.service);
    troubles_count++;
}

/* The newest request gets no answer in time. */
static void time_out(void)
{
    bench_fail(&bench, ERR_TARGET_TIMEOUT);
}

static void answer_another(void)
{
    submit();
    bench_answer(&bench, 503);
}

/* One that answered anybody while the request waited is slow at that request, and not silent. It
 * counts only if that is not long ago. Control is told at once of one that is silent. */
Test(balance_stage, who_answers_nobody_is_silent)
{
    struct target_row *row = &bench.rows[0];
    open_room(1, BALANCE_round_robin);
    bench.service.troubled = troubled;
    troubles_count = 0;
    for (size_t i = 0; i < 4; i++) {
        submit();
        bench.below.ops[i]->sent_ns = i == 0 ? 0 : bench.now_ns;
    }
    bench.now_ns += NS_PER_S / 4;
    answer_another();
    bench.now_ns += NS_PER_S / 4 + 1;
    time_out();
    cr_expect(row->faults_in_a_row[TARGET_FAULT_SILENT] == 0, "it answered in the second half");
    bench.now_ns += NS_PER_S / 2;
    time_out();
    cr_expect(row->faults_in_a_row[TARGET_FAULT_SILENT] == 1 && troubles_count == 1);
    answer_another();
    time_out();
    cr_expect(row->faults_in_a_row[TARGET_FAULT_SILENT] == 0 && troubles_count == 1);
    time_out(); /* of which nothing was sent */
    cr_expect(row->faults_count[TARGET_FAULT_SILENT] == 1 && troubles_count == 1);
    cr_expect(row->faults_count[TARGET_FAULT_LOCAL] == 4);
    bench.service.troubled = NULL;
    close_room();
}

Test(balance_stage, an_answer_that_breaks_off_is_a_failure)
{
    open_room(1, BALANCE_two_choices);
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
    open_room(0, BALANCE_least_connections);
    submit();
    cr_expect(bench.seen.error == ERR_NO_TARGET && bench.seen.target == NULL);
    cr_expect(bench.seen.outcome == OUTCOME_FAILED && bench.seen.detail != NULL);
    cr_expect(bench.seen.retry_after_s == 0);
    bench.set->back_at_ns = bench.now_ns + 2500000000;
    submit();
    cr_expect(bench.seen.retry_after_s == 3,
              "until the first of those that are out is tried again");
    bench.now_ns += 3000000000;
    submit();
    cr_expect(bench.seen.retry_after_s == 1);
    close_room();
}

/* A service that control has not published to this worker yet. */
Test(balance_stage, an_unpublished_view_is_empty)
{
    bench_init(&bench, 1);
    bench.service.views[0].set = NULL;
    cr_assert(init_room(BALANCE_two_choices));
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
    open_room(4, BALANCE_round_robin);
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
    open_room(3, BALANCE_two_choices);
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
    open_room(1, BALANCE_two_choices);
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
    open_room(2, BALANCE_two_choices);
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
    cr_expect(!init_room(BALANCE_round_robin));
    balance_stage_fini(&room);
    bench_fini(&bench);
}
#endif

/* --- a strategy of the test's own: what it is told, and what it asks for ----------------- */

enum { TOLD_MAX = 16 };

static struct {
    struct sample samples[TOLD_MAX];
    size_t indexes[TOLD_MAX];
    unsigned count;
    unsigned ticks_count;
    const void *old_state;
    uint32_t old_count;
} told;

static struct {
    struct balance_prober prober; /* first */
    struct target *targets[TOLD_MAX];
    unsigned count;
} probed;

static void told_set_changed(void *state, const struct balance_setup *setup)
{
    (void)state;
    told.old_state = setup->old_state;
    told.old_count = setup->old_set != NULL ? setup->old_set->count : 0;
}

/* Takes the first that is allowed, and wants the last to be probed. */
static size_t told_pick(void *state, const struct target_set *set, const struct ask *ask)
{
    (void)state;
    if (ask->probes != NULL)
        ask->probes->at[ask->probes->count++] = set->count - 1;
    return balance_first_allowed(set, ask, 0);
}

static void told_finished(void *state, size_t index, const struct sample *sample)
{
    (void)state;
    told.indexes[told.count] = index;
    told.samples[told.count++] = *sample;
}

static void told_tick(void *state, const struct target_set *set, const struct ask *ask)
{
    (void)state;
    told.ticks_count++;
    if (ask->probes != NULL)
        for (uint32_t i = 0; i < set->count; i++)
            ask->probes->at[ask->probes->count++] = i;
}

static const struct balance_strategy telling = {
    .state_bytes = 8,
    .has_probes = true,
    .set_changed = told_set_changed,
    .pick = told_pick,
    .finished = told_finished,
    .tick = told_tick,
};

static void send_probe(struct balance_prober *self, struct balance_stage *stage,
                       struct target *target)
{
    cr_assert((void *)self == (void *)&probed && stage == &room);
    probed.targets[probed.count++] = target;
}

static struct loop loop;

static void open_telling_room(uint32_t targets_count)
{
    open_room(targets_count, BALANCE_round_robin);
    settings.resource.age_ns = NS_PER_S;
    timer_wheel_init(&loop.timers, bench.now_ns);
    bench.worker.loop = &loop;
    mem_free(room.state);
    room.state = NULL;
    room.strategy = &telling;
    probed.prober.send = send_probe;
    room.options.prober = &probed.prober;
}

Test(balance_stage, strategies_are_told_how_attempts_went)
{
    static const struct {
        unsigned status;
        enum err_kind error;
        enum balance_outcome outcome;
    } rows[] = {{200, ERR_NONE, BALANCE_ANSWERED},
                {404, ERR_NONE, BALANCE_ANSWERED},
                {429, ERR_NONE, BALANCE_BUSY},
                {503, ERR_NONE, BALANCE_ERROR},
                {0, ERR_CONNECT_TIMEOUT, BALANCE_FAILED},
                {0, ERR_TARGET_TIMEOUT, BALANCE_FAILED},
                {0, ERR_CANCELLED, BALANCE_UNTOLD}};
    const unsigned count = sizeof rows / sizeof rows[0];
    open_telling_room(2);
    for (unsigned i = 0; i < count; i++) {
        submit();
        if (rows[i].error == ERR_NONE)
            bench_answer(&bench, rows[i].status);
        else
            bench_fail(&bench, rows[i].error);
        cr_assert(told.count == i + 1);
        cr_expect(told.samples[i].outcome == rows[i].outcome, "row %u", i);
        cr_expect(told.indexes[i] == 0 && told.samples[i].now_ns == bench.now_ns);
    }
    submit();
    bench_fail(&bench, ERR_LIMIT); /* it never came to the target */
    cr_expect(told.count == count);
    close_room();
}

/* The index is that of the set now; of one that left it nothing is told. */
Test(balance_stage, strategies_are_told_of_members_only)
{
    open_telling_room(4);
    struct target *tried[] = {&bench.targets[0], &bench.targets[1], &bench.targets[2]};
    struct op *op = bench_op(&bench, HTTP_METHOD_GET);
    op->tried_count = 3;
    memcpy(op->tried, tried, sizeof tried);
    stage_submit(&room.stage, op);
    cr_expect(op->target == &bench.targets[3]);
    submit();
    bench_publish(&bench, 2);
    cr_expect(told.old_state != NULL && told.old_count == 4, "what was learned can be kept");
    bench_answer(&bench, 200);
    cr_expect(told.count == 1 && told.indexes[0] == 0);
    bench_answer(&bench, 200);
    cr_expect(told.count == 1);
    close_room();
}

Test(balance_stage, probes_are_sent_and_what_they_bring_is_told)
{
    const struct balance_report report = {.has = BALANCE_HAS_INFLIGHT, .inflight = 7};
    open_telling_room(3);
    submit();
    bench_answer(&bench, 200);
    cr_expect(told.ticks_count == 1 && probed.count == 4, "3 at the tick, 1 at the pick");
    cr_expect(probed.targets[0] == &bench.targets[0] && probed.targets[3] == &bench.targets[2]);
    submit();
    bench_answer(&bench, 200);
    cr_expect(told.ticks_count == 1 && probed.count == 5, "the next tick is 100 ms away");
    balance_stage_probed(&room, &bench.targets[2], &report);
    cr_expect(told.indexes[2] == 2 && told.samples[2].outcome == BALANCE_PROBED &&
              told.samples[2].report.inflight == 7);
    room.options.prober = NULL;
    submit();
    bench_answer(&bench, 200);
    cr_expect(probed.count == 5);
    close_room();
}

static void turn_after(uint64_t ms)
{
    for (; ms > 0; ms--) {
        bench.now_ns += NS_PER_MS;
        timer_wheel_turn(&loop.timers, bench.now_ns);
    }
}

/* Half of a report's age, and a tick or two of the wheel. */
enum { IDLE_MS = 503 };

Test(balance_stage, without_requests_probes_are_sent_for_a_minute)
{
    open_telling_room(3);
    submit();
    bench_answer(&bench, 200);
    turn_after(400);
    submit();
    bench_answer(&bench, 200);
    cr_expect(told.ticks_count == 2 && probed.count == 8, "requests bring their own");
    probed.count = 0;
    for (unsigned i = 1; i <= 4; i++) {
        turn_after(IDLE_MS);
        cr_expect(told.ticks_count == 2 + i && probed.count == 3 * i);
    }
    probed.count = 0;
    bench_publish(&bench, 0);
    turn_after(IDLE_MS);
    cr_expect(told.ticks_count == 6 && probed.count == 0, "nobody is there to be asked");
    bench_publish(&bench, 1);
    submit();
    bench_answer(&bench, 200);
    for (unsigned i = 0; i < 130; i++) {
        probed.count = told.count = 0;
        turn_after(IDLE_MS);
    }
    const unsigned before = told.ticks_count;
    turn_after(10000);
    cr_expect(told.ticks_count == before && before > 100);
    submit();
    bench_answer(&bench, 200);
    cr_expect(told.ticks_count == before + 1);
    close_room();
}

/* --- an op that says its target --------------------------------------------------------------- */

static struct op *sticky_op(uint64_t identity)
{
    struct op *op = bench_op(&bench, HTTP_METHOD_GET);
    op->sticky = identity;
    return op;
}

static void open_sticky_room(void)
{
    bench_init(&bench, 4);
    for (unsigned i = 0; i < 4; i++)
        bench.targets[i].identity = 100 - i;
    settings = (struct balance_settings){.strategy = BALANCE_round_robin};
    cr_assert(balance_stage_init(
        &room, &bench.worker, &bench.service,
        &(struct balance_stage_options){.settings = &settings, .zone = "", .is_sticky = true},
        &bench.below.stage));
}

Test(balance_stage, an_op_gets_its_own_target)
{
    open_sticky_room();
    for (unsigned round = 0; round < 3; round++)
        for (unsigned i = 0; i < 4; i++) {
            stage_submit(&room.stage, sticky_op(100 - i));
            cr_expect(bench.below.ops[0]->target == &bench.targets[i]);
            bench_answer(&bench, 200);
        }
    stage_submit(&room.stage, sticky_op(7));
    cr_expect(bench.below.ops[0]->target != NULL, "one that is gone: any");
    bench_answer(&bench, 200);
    close_room();
}

Test(balance_stage, an_op_that_tried_its_own_target_gets_another)
{
    open_sticky_room();
    struct op *op = sticky_op(98);
    op->tried[op->tried_count++] = &bench.targets[2];
    stage_submit(&room.stage, op);
    cr_expect(op->target != &bench.targets[2]);
    bench_answer(&bench, 200);
    close_room();
}

/* It is behind those that take whatever comes. */
Test(balance_stage, a_target_that_drains_keeps_its_own)
{
    open_sticky_room();
    bench.drain_last = true;
    bench_publish(&bench, 4);
    stage_submit(&room.stage, sticky_op(97));
    cr_expect(bench.below.ops[0]->target == &bench.targets[3]);
    bench_answer(&bench, 200);
    for (int i = 0; i < 12; i++) {
        submit();
        cr_expect(bench.below.ops[0]->target != &bench.targets[3]);
        bench_answer(&bench, 200);
    }
    close_room();
}

/* The place of a client: of all attempts of an op the same, counted once. */
Test(balance_stage, a_client_is_looked_up_and_counted_once_for_each_op)
{
    static struct client_places places;
    struct geo_file *file;
    if (!geo_file_is_there())
        cr_skip("built without libmaxminddb");
    cr_assert(geo_file_open(&file, PANDO_SOURCE_ROOT "/tests/unit/geo/city.mmdb", NULL, NULL) ==
              ERR_NONE);
    places.file = file;
    bench_init(&bench, 3);
    bench.targets[0].place = geo_place_at(52.5, 13.4);   /* Berlin */
    bench.targets[1].place = geo_place_at(48.9, 2.3);    /* Paris */
    bench.targets[2].place = geo_place_at(-33.9, 151.2); /* Sydney */
    settings = (struct balance_settings){
        .strategy = BALANCE_proximity,
        .proximity = {.by = PROXIMITY_BY_LOCATION, .capacity = 100, .spill_percent = 50}};
    const struct balance_stage_options options = {
        .settings = &settings, .zone = "", .home = geo_place_at(-33.9, 151.2), .places = &places};
    cr_assert(
        balance_stage_init(&room, &bench.worker, &bench.service, &options, &bench.below.stage));
    static const struct {
        const char *origin;
        size_t first, second;
    } clients[] = {{"192.0.2.1", 0, 1}, {"2001:db8::1", 1, 0}, {"10.0.0.1", 2, 0}};
    for (size_t i = 0; i < 3; i++) {
        struct op *op = bench_op(&bench, HTTP_METHOD_GET);
        op->request->origin = clients[i].origin;
        stage_submit(&room.stage, op);
        cr_expect(op->target == &bench.targets[clients[i].first], "%s", clients[i].origin);
        bench_answer(&bench, 200);
        op = bench_op(&bench, HTTP_METHOD_GET);
        op->request->origin = clients[i].origin;
        op_add_tried(op, &bench.targets[clients[i].first]);
        stage_submit(&room.stage, op);
        cr_expect(op->target == &bench.targets[clients[i].second], "%s", clients[i].origin);
        bench_answer(&bench, 200);
    }
    const struct service_row *row = &bench.service.rows[0];
    cr_expect(row->geo_found_count == 2 && row->geo_unknown_count == 1,
              "second attempts do not count");
    close_room();
    geo_file_unref(file);
}
