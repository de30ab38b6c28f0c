/* SPDX-License-Identifier: Apache-2.0 */
/* sim/sim_test.c - what the simulator claims of itself: it is right, it repeats itself, and what it
 * runs is the program's own code. */
#include "sim/model/agenda.h"
#include "sim/model/chance.h"
#include "sim/model/memory.h"
#include "sim/model/server.h"
#include "sim/scenes/print.h"
#include "sim/scenes/proof.h"
#include "sim/scenes/storm.h"
#include "sim/scenes/worlds.h"

#include <criterion/criterion.h>
#include <string.h>

/* Sanitizers make every step ten times as long; then the first run has to do, and it needs less. */
enum {
    REQUESTS = PANDO_SANITIZED ? 500000 : 2000000,
    RUNS_MOST = PANDO_SANITIZED ? 1 : 100,
};

/* Heap and lanes are read as one queue; events of one moment keep the order of their entry. */
Test(sim_agenda, is_in_order_of_time_and_entry)
{
    struct sim_agenda agenda = {0};
    struct random random = sim_stream(1, 1);
    struct sim_event event;
    struct sim_event before = {0};
    const unsigned lane = sim_agenda_lane(&agenda, 50);
    unsigned seen = 0;
    for (unsigned i = 0; i < 5000; i++)
        sim_agenda_enter(&agenda,
                         (struct sim_event){.at_ns = random_below(random_next(&random), 300)});
    while (sim_agenda_next(&agenda, &event)) {
        cr_assert(event.at_ns >= before.at_ns);
        cr_assert(seen == 0 || event.at_ns > before.at_ns || event.order > before.order);
        before = event;
        if (seen++ < 3000)
            sim_agenda_follow(&agenda, lane, (struct sim_event){0});
    }
    cr_expect(seen == 8000);
    sim_agenda_fini(&agenda);
}

/* 10 units of work: 4 at speed 1, the rest at half of it, after a halt of 100. */
Test(sim_server, work_moves_on_as_the_speed_changes)
{
    struct sim_agenda agenda = {0};
    struct sim_server server = {.agenda = &agenda, .slots_count = 1, .base = 1, .queue_room = 1};
    struct sim_event event;
    sim_server_init(&server);
    cr_expect(sim_server_give(&server, (struct sim_job){.who = 7, .work_ns = 10}));
    cr_expect(sim_server_give(&server, (struct sim_job){.who = 8, .work_ns = 1}), "it may wait");
    cr_expect(!sim_server_give(&server, (struct sim_job){.who = 9, .work_ns = 1}), "it is full");
    agenda.now_ns = 4;
    sim_server_set_speed(&server, 0);
    agenda.now_ns = 104;
    sim_server_set_speed(&server, 0.5);
    agenda.now_ns = 0; /* the first estimate is still in the agenda, and no longer meant */
    cr_assert(sim_agenda_next(&agenda, &event));
    cr_expect(event.at_ns == 10 && sim_server_served(&server, &event) == SIM_NOBODY);
    cr_assert(sim_agenda_next(&agenda, &event));
    cr_expect(event.at_ns == 116 && sim_server_served(&server, &event) == 7);
    cr_expect(sim_server_inflight(&server) == 1, "the next one is begun");
    cr_assert(sim_agenda_next(&agenda, &event));
    cr_expect(event.at_ns == 118 && sim_server_served(&server, &event) == 8);
    sim_server_fini(&server);
    sim_agenda_fini(&agenda);
}

Test(sim_server, what_is_withdrawn_is_not_worked_on)
{
    struct sim_agenda agenda = {0};
    struct sim_server server = {.agenda = &agenda, .slots_count = 1, .base = 1, .queue_room = 3};
    struct sim_event event;
    sim_server_init(&server);
    for (uint32_t who = 0; who < 4; who++)
        cr_expect(sim_server_give(&server, (struct sim_job){.who = who, .work_ns = 5}));
    cr_expect(sim_server_withdraw(&server, 2));
    cr_expect(!sim_server_withdraw(&server, 2));
    cr_expect(!sim_server_withdraw(&server, 0), "it is being worked on");
    const uint32_t wanted[] = {0, 1, 3};
    for (unsigned i = 0; i < 3; i++) {
        cr_assert(sim_agenda_next(&agenda, &event));
        cr_expect(sim_server_served(&server, &event) == wanted[i]);
    }
    cr_expect(sim_server_inflight(&server) == 0);
    sim_server_fini(&server);
    sim_agenda_fini(&agenda);
}

Test(sim_tally, quantiles_are_right_to_half_a_percent)
{
    struct sim_tally *tally = sim_take(sizeof *tally);
    for (uint64_t i = 1; i <= 100000; i++)
        sim_tally_add(tally, i * 1000);
    for (double quantile = 0.01; quantile < 1; quantile += 0.01) {
        const double found = (double)sim_tally_quantile_ns(tally, quantile);
        cr_expect_float_eq(found / (quantile * 1e8), 1, 0.005, "%.2f: %.0f", quantile, found);
    }
    free(tally);
}

/* M/M/1 and M/M/4 within 1 %, two choices beside the formula for infinitely many servers. */
Test(sim, finds_what_theory_knows)
{
    struct sim_proof proofs[SIM_PROOFS_OF_ONE];
    unsigned count;
    for (unsigned i = 0; i < RUNS_MOST && (count = sim_prove(i, 1, REQUESTS, proofs)) > 0; i++)
        for (unsigned at = 0; at < count; at++)
            cr_expect(sim_proof_holds(&proofs[at]), "%s: %g and not %g", proofs[at].what,
                      proofs[at].found, proofs[at].theory);
}

static void run(const struct sim_row *row, uint64_t seed, struct sim_outcome *outcome)
{
    struct sim_policy policy = sim_policy_read(row->words);
    struct sim_scene scene = sim_place_scene(sim_place_at(4), 8, 0.9, seed);
    scene.policy = &policy;
    scene.warm_s = 1;
    scene.run_s = 10;
    sim_run(&scene, outcome);
    sim_policy_free(&policy);
}

/* In the world with antagonists and several nodes. */
Test(sim, same_seed_gives_the_same_bytes_for_every_strategy)
{
    struct sim_outcome *one = sim_take(sizeof *one);
    struct sim_outcome *other = sim_take(sizeof *other);
    struct sim_row row;
    for (size_t i = 0; sim_row_at(i, &row); i++) {
        run(&row, 1, one);
        run(&row, 1, other);
        cr_expect(one->requests > 1000 && one->ends[SIM_GOOD] > 1000, "%s", row.name);
        cr_expect(memcmp(one, other, sizeof *one) == 0, "%s", row.name);
        run(&row, 2, other);
        cr_expect(memcmp(one, other, sizeof *one) != 0, "%s", row.name);
    }
    free(one);
    free(other);
}

/* Strategies are compared under the same requests, and each request ends once. */
Test(sim, the_strategy_changes_neither_requests_nor_their_number)
{
    struct sim_outcome *outcome = sim_take(sizeof *outcome);
    struct sim_row row;
    uint64_t requests = 0;
    for (size_t i = 0; sim_row_at(i, &row); i++) {
        run(&row, 1, outcome);
        uint64_t ended = 0;
        for (unsigned end = 0; end < SIM_ENDS_COUNT; end++)
            ended += outcome->ends[end];
        cr_expect(ended == outcome->requests, "%s", row.name);
        cr_expect(requests == 0 || requests == outcome->requests, "%s", row.name);
        requests = outcome->requests;
    }
    free(outcome);
}

/* The percent of requests, of the last ten seconds, that were answered. */
static double good_at_the_end(const char *words, double load)
{
    struct sim_policy policy = sim_policy_read(words);
    struct sim_outcome *outcome = sim_take(sizeof *outcome);
    struct sim_storm storm;
    double requests = 0;
    double good = 0;
    sim_storm_scene(&storm, load, 1);
    storm.scene.policy = &policy;
    sim_run(&storm.scene, outcome);
    for (unsigned s = SIM_STORM_END_S - 10; s < SIM_STORM_END_S; s++) {
        requests += outcome->seconds[s].requests;
        good += outcome->seconds[s].good;
    }
    free(outcome);
    sim_policy_free(&policy);
    return good * 100 / requests;
}

/* Half a minute after a burst of five seconds, with three repetitions. */
Test(sim, a_retry_storm_lasts_without_a_budget_and_ends_with_one)
{
    if (PANDO_SANITIZED) /* a million requests each */
        return;
    cr_expect(good_at_the_end("breaker: {tries: 4}, retry: {budget: 100, budget-min: 100000, "
                              "budget-wait: none, pause: none}",
                              0.6) < 10);
    cr_expect(good_at_the_end("breaker: {tries: 4}", 0.6) > 99.9);
}

/* One of eight that answers 500 at once looks idle, and draws requests unless it is ejected. */
Test(sim, ejection_takes_the_requests_from_a_server_that_fails_fast)
{
    struct sim_outcome *outcome = sim_take(sizeof *outcome);
    double share[2];
    for (int i = 0; i < 2; i++) {
        const struct sim_defence *defence = sim_ill_at((size_t)i);
        struct sim_policy policy = sim_policy_read(defence->words);
        struct sim_scene scene = sim_ill_scene(SIM_ANSWERS_500, 1);
        scene.policy = &policy;
        scene.run_s = 20;
        sim_run(&scene, outcome);
        share[i] = (double)outcome->to_first * 100 / (double)outcome->attempts;
        sim_policy_free(&policy);
    }
    cr_expect(share[0] > 12.5 && share[1] < 1, "%.1f %% and %.1f %%", share[0], share[1]);
    free(outcome);
}

/* Runs proximity, which finds the capacity of the zones by itself. */
static void run_zones(struct sim_scene scene, struct sim_outcome *outcome)
{
    struct sim_policy policy = sim_policy_read("balance: proximity");
    scene.policy = &policy;
    sim_run(&scene, outcome);
    sim_policy_free(&policy);
}

static double far_percent(const struct sim_outcome *outcome)
{
    return (double)outcome->to_far * 100 / (double)outcome->attempts;
}

/* The first of four zones has two fifths of the requests: it is full from load 0.6 on. As long as
 * the fleet has room, nobody fails, and no more goes far than must. */
Test(sim, full_zones_spill_as_much_as_they_must)
{
    static const struct {
        uint32_t servers;
        double load, far_least, far_most;
    } cases[] = {{8, 0.2, 0, 1},     {8, 0.5, 0, 3},      {8, 0.9, 8, 20},
                 {100, 0.3, 0, 1},   {100, 0.5, 0, 1},    {100, 0.7, 4, 14},
                 {100, 0.9, 14, 25}, {100, 0.97, 16, 30}, {40, 0.9, 12, 25}};
    struct sim_outcome *outcome = sim_take(sizeof *outcome);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0] && !PANDO_SANITIZED; i++)
        for (uint64_t seed = 1; seed <= 2; seed++) {
            const uint32_t servers = cases[i].servers;
            struct sim_scene scene = sim_place_scene(sim_place_at(5), servers, cases[i].load, seed);
            scene.nodes_count = servers == 40 ? 4 : scene.nodes_count;
            run_zones(scene, outcome);
            const double bad = (double)(outcome->requests - outcome->ends[SIM_GOOD]) * 100 /
                               (double)outcome->requests;
            cr_expect(bad < 0.02, "%u servers, load %g: %.3f %% failed", servers, cases[i].load,
                      bad);
            cr_expect(far_percent(outcome) >= cases[i].far_least &&
                          far_percent(outcome) <= cases[i].far_most,
                      "%u servers, load %g: %.1f %% went far", servers, cases[i].load,
                      far_percent(outcome));
        }
    free(outcome);
}

/* In every ten seconds of five minutes about the same share goes far, with a node for each zone and
 * with several: they do not chase each other. */
Test(sim, spills_do_not_swing)
{
    struct sim_outcome *outcome = sim_take(sizeof *outcome);
    for (uint32_t nodes = 2; nodes <= 8 && !PANDO_SANITIZED; nodes *= 2) {
        struct sim_scene scene = sim_place_scene(sim_place_at(5), 16, 0.85, 1);
        double least = 100, most = 0;
        scene.zones_count = 2;
        scene.nodes_count = nodes;
        for (unsigned from_s = 20; from_s < 80; from_s += 10) {
            scene.warm_s = from_s;
            scene.run_s = 10;
            run_zones(scene, outcome);
            least = far_percent(outcome) < least ? far_percent(outcome) : least;
            most = far_percent(outcome) > most ? far_percent(outcome) : most;
        }
        cr_expect(least > 5 && most < least + 5, "%u nodes: from %.1f to %.1f %%", nodes, least,
                  most);
    }
    free(outcome);
}

/* After a rush of twenty seconds, and after the first zone was slow, all is as before. */
Test(sim, what_was_spilled_comes_back)
{
    static const struct sim_change rush[] = {{.at_s = 10, .load = 0.9}, {.at_s = 30, .load = 0.4}};
    static const struct sim_change slow[] = {{.at_s = 10, .first = 0, .count = 1, .speed = 0.3},
                                             {.at_s = 10, .first = 4, .count = 1, .speed = 0.3},
                                             {.at_s = 30, .first = 0, .count = 1, .speed = 1},
                                             {.at_s = 30, .first = 4, .count = 1, .speed = 1}};
    struct sim_outcome *outcome = sim_take(sizeof *outcome);
    if (!PANDO_SANITIZED) {
        struct sim_scene scene = sim_place_scene(sim_place_at(5), 100, 0.4, 1);
        scene.changes = rush;
        scene.changes_count = 2;
        scene.warm_s = 40;
        scene.run_s = 20;
        run_zones(scene, outcome);
        cr_expect(far_percent(outcome) < 1, "%.2f %%", far_percent(outcome));
        scene = sim_place_scene(sim_place_at(5), 8, 0.45, 1);
        scene.changes = slow;
        scene.changes_count = 4;
        scene.warm_s = 15;
        scene.run_s = 15;
        run_zones(scene, outcome);
        cr_expect(far_percent(outcome) > 15, "while they are slow: %.2f %%", far_percent(outcome));
        scene.warm_s = 60;
        scene.run_s = 60;
        run_zones(scene, outcome);
        cr_expect(far_percent(outcome) < 4, "%.2f %%", far_percent(outcome));
    }
    free(outcome);
}

/* With nm; the script says how. */
Test(sim, what_it_runs_is_the_code_of_the_program)
{
    cr_expect(system(PANDO_SOURCE_ROOT "/tests/sim/linked " PANDO_BUILD_ROOT " >&2") == 0);
}
