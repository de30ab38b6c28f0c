/* SPDX-License-Identifier: Apache-2.0 */
/* balance/strategy/resource_test.c - which way is taken, and what makes it fall back. */
#include "balance/balance_testing.h"
#include "balance/strategy/yield.h"
#include "core/units.h"

#include <criterion/criterion.h>

static struct table table = {
    .settings.resource = {.probes = 3,
                          .probe_port = 9782,
                          .hot_above = 84,
                          .age_ns = 1000 * NS_PER_MS,
                          .error_penalty = 100,
                          .blackout_ns = 10 * NS_PER_S,
                          .expire_ns = 180 * NS_PER_S,
                          .update_ns = NS_PER_S},
    .now_ns = 1000 * NS_PER_S,
};

static void lay(uint32_t count)
{
    random_init(&table.random, 7);
    table_lay(&table, &balance_resource, NULL, count);
}

static struct balance_insight shown(void)
{
    struct balance_insight insight;
    balance_resource.show(table.state, &insight);
    return insight;
}

static void tick(void)
{
    table.probes.count = 0;
    const struct ask ask = {.now_ns = table.now_ns, .probes = &table.probes};
    balance_resource.tick(table.state, table.set, &ask);
}

static void tell_rif(size_t index, uint32_t rif, uint64_t latency_ns)
{
    const struct sample sample = {.now_ns = table.now_ns,
                                  .outcome = BALANCE_PROBED,
                                  .report = {.has = BALANCE_HAS_INFLIGHT | BALANCE_HAS_LATENCY,
                                             .inflight = rif,
                                             .latency_ns = latency_ns}};
    balance_resource.finished(table.state, index, &sample);
}

static void tell_utilisation(size_t index, double utilisation, double requests, double errors)
{
    const struct sample sample = {
        .now_ns = table.now_ns,
        .outcome = BALANCE_ANSWERED,
        .latency_ns = 1000,
        .report = {.has = BALANCE_HAS_UTILISATION | BALANCE_HAS_REQUESTS | BALANCE_HAS_ERRORS,
                   .utilisation = utilisation,
                   .requests_per_s = requests,
                   .errors_per_s = errors}};
    balance_resource.finished(table.state, index, &sample);
}

static unsigned count_picks(size_t index, unsigned count)
{
    unsigned found = 0;
    for (unsigned i = 0; i < count; i++)
        found += table_pick(&table) == index;
    return found;
}

Test(resource, without_reports_it_falls_back_and_says_so)
{
    lay(3);
    for (int i = 0; i < 10; i++)
        cr_assert(table_pick(&table) < 3);
    cr_expect(shown().basis == BALANCE_BY_FALLBACK && shown().fallbacks_count == 10);
}

Test(resource, a_small_fleet_is_probed_by_the_tick_and_compared_by_reports)
{
    lay(3);
    (void)table_pick(&table);
    cr_expect(table.probes.count == 0);
    tick();
    cr_expect(table.probes.count == 3);
    tell_rif(0, 50, 1000);
    tell_rif(1, 1, 1000);
    tell_rif(2, 1, 1000);
    cr_expect(count_picks(0, 20) < 3 && shown().basis == BALANCE_BY_REPORTS);
    table.now_ns += 2 * NS_PER_S;
    const uint64_t before = shown().fallbacks_count;
    (void)table_pick(&table);
    cr_expect(shown().basis == BALANCE_BY_FALLBACK && shown().fallbacks_count == before + 1,
              "what is old says nothing");
}

Test(resource, without_requests_the_tick_fills_the_pool)
{
    lay(20);
    tick();
    cr_expect(table.probes.count == 0, "nothing was asked for yet");
    (void)table_pick(&table);
    tick();
    cr_expect(table.probes.count == 0, "the request has asked");
    for (unsigned i = 0; i < 3; i++) {
        table.now_ns += 500 * NS_PER_MS;
        tick();
        cr_assert(table.probes.count == 2 && table.probes.at[0] != table.probes.at[1]);
        tell_rif(table.probes.at[0], 1, 1000);
        tell_rif(table.probes.at[1], 1, 1000);
        table.now_ns += 400 * NS_PER_MS;
    }
    (void)table_pick(&table);
    cr_expect(shown().basis == BALANCE_BY_PROBES);
}

Test(resource, a_larger_fleet_has_a_pool_of_probes)
{
    lay(20);
    (void)table_pick(&table);
    cr_expect(table.probes.count == 3 && shown().basis == BALANCE_BY_FALLBACK);
    cr_expect(table.probes.at[0] != table.probes.at[1] &&
              table.probes.at[1] != table.probes.at[2] && table.probes.at[0] != table.probes.at[2]);
    tell_rif(7, 3, 1000);
    tell_rif(8, 3, 500);
    cr_expect(shown().pool_size == 2);
    cr_expect(table_pick(&table) == 8 && shown().basis == BALANCE_BY_PROBES);
    table.now_ns += 2 * NS_PER_S;
    (void)table_pick(&table);
    cr_expect(shown().pool_size == 0 && shown().basis == BALANCE_BY_FALLBACK);
}

Test(resource, a_small_fleet_is_probed_in_turn_once_for_ten_requests)
{
    lay(10);
    uint32_t probes_count = 0;
    for (int i = 0; i < 100; i++) {
        table.probes.count = 0;
        (void)table_pick(&table);
        for (uint32_t p = 0; p < table.probes.count; p++)
            cr_expect(table.probes.at[p] == probes_count++);
    }
    cr_expect(probes_count == 10, "%u probes", probes_count);
    for (int i = 0; i < 100; i++)
        (void)table_pick(&table);
    cr_expect(table.probes.count == 0, "what is known is new");
    table.now_ns += 10 * NS_PER_MS;
    tick();
    cr_expect(table.probes.count == 8, "as many as one call may ask for");
}

static void set_inflight(size_t index, uint32_t count)
{
    atomic_store(&table.set->at[index]->inflight, count);
}

/* What a report says of our own requests is old when it comes; what we have now is known. */
Test(resource, own_requests_are_those_of_this_moment_and_others_those_of_the_report)
{
    lay(3);
    for (size_t i = 0; i < 3; i++)
        set_inflight(i, 4);
    tell_rif(0, 4, 1000);
    tell_rif(1, 4, 1000);
    tell_rif(2, 10, 1000); /* six of others */
    set_inflight(0, 3);
    set_inflight(2, 0);
    cr_expect(count_picks(0, 200) > 190);
    set_inflight(0, 8);
    cr_expect(count_picks(1, 200) > 190);
    set_inflight(1, 8);
    cr_expect(count_picks(2, 200) > 190);
    cr_expect(shown().basis == BALANCE_BY_REPORTS);
}

Test(resource, one_that_is_several_times_slower_gets_nothing_before_the_others_slow_down)
{
    lay(3);
    tell_rif(0, 3, 10 * NS_PER_MS);
    tell_rif(1, 3, 14 * NS_PER_MS);
    tell_rif(2, 0, 40 * NS_PER_MS);
    set_inflight(0, 3);
    set_inflight(1, 2);
    cr_expect(count_picks(1, 400) > 380, "as quick as the quickest, and less in flight");
    cr_expect(count_picks(2, 4000) > 0, "one in a while goes anywhere");
    for (int i = 0; i < 8; i++) {
        tell_rif(0, 3, 50 * NS_PER_MS);
        tell_rif(1, 3, 50 * NS_PER_MS);
    }
    cr_expect(count_picks(2, 400) > 380);
}

/* A server that sheds a little would else send everybody to the others for a second. */
Test(resource, a_failure_now_and_then_costs_little)
{
    lay(2);
    for (int i = 0; i < 20; i++) {
        tell_rif(0, 0, 1000);
        tell_rif(1, 6, 1000);
        const struct sample answered = {
            .now_ns = table.now_ns, .outcome = BALANCE_ANSWERED, .latency_ns = 1000};
        balance_resource.finished(table.state, 0, &answered);
    }
    struct sample failed = {.now_ns = table.now_ns, .outcome = BALANCE_ERROR, .latency_ns = 1};
    balance_resource.finished(table.state, 0, &failed);
    cr_expect(count_picks(0, 100) < 5);
    table.now_ns += 20 * NS_PER_MS;
    cr_expect(count_picks(0, 100) > 95);
    for (int i = 0; i < 40; i++)
        balance_resource.finished(table.state, 0, &failed);
    table.now_ns += 900 * NS_PER_MS;
    tell_rif(0, 0, 1000);
    tell_rif(1, 6, 1000);
    cr_expect(count_picks(0, 100) < 5, "one that does nothing else is another matter");
}

Test(resource, weights_count_as_with_least_connections)
{
    lay(2);
    table.set->at[0]->weight = 3;
    unsigned first = 0;
    tell_rif(0, 0, 1000);
    tell_rif(1, 0, 1000);
    for (unsigned i = 0; i < 400; i++) {
        const size_t index = table_pick(&table);
        first += index == 0;
        atomic_fetch_add(&table.set->at[index]->inflight, 1);
        tell_rif(0, table.set->at[0]->inflight, 1000);
        tell_rif(1, table.set->at[1]->inflight, 1000);
    }
    cr_expect(first > 285 && first < 315, "%u of 400", first);
}

/* A pool that hears only of those that were just picked would stick to them. */
Test(resource, without_probes_a_fleet_has_a_pool_only_if_it_is_large)
{
    table.settings.resource.probe_port = 0;
    lay(20);
    for (size_t i = 0; i < 20; i++)
        tell_rif(i, i == 3 ? 50 : 1, 1000);
    cr_expect(count_picks(3, 100) <= 1 && shown().basis == BALANCE_BY_REPORTS);
    cr_expect(shown().pool_size == 0 && table.probes.count == 0);
    lay(64);
    for (size_t i = 0; i < 64; i++)
        tell_rif(i, 1, 1000);
    (void)table_pick(&table);
    cr_expect(shown().basis == BALANCE_BY_PROBES);
}

/* Two probes of the pool alone would make the larger of them the threshold. */
Test(resource, what_is_hot_is_measured_by_all_that_are_known)
{
    lay(20);
    for (size_t i = 0; i < 12; i++)
        tell_rif(i, i == 7 ? 90 : 2, i == 7 ? 1 : 1000);
    tick();
    cr_expect(count_picks(7, 8) == 0, "hot, however quick it says it is");
    cr_expect(shown().theta == 2, "theta is %u", shown().theta);
}

Test(resource, one_that_fails_at_once_does_not_look_idle)
{
    lay(20);
    tell_rif(7, 0, 1);
    tell_rif(8, 3, 500);
    tell_rif(9, 3, 600);
    const struct sample failed = {
        .now_ns = table.now_ns, .outcome = BALANCE_ERROR, .latency_ns = 1};
    balance_resource.finished(table.state, 7, &failed);
    tell_rif(7, 0, 1);
    cr_expect(table_pick(&table) == 8);
    lay(2);
    tell_rif(0, 0, 1);
    tell_rif(1, 30, 500);
    balance_resource.finished(table.state, 0, &failed);
    cr_expect(count_picks(0, 20) == 0);
}

Test(resource, what_was_tried_is_not_picked_again)
{
    lay(20);
    tell_rif(7, 0, 1);
    tell_rif(8, 3, 500);
    struct target *const tried[] = {table.set->at[7], table.set->at[8]};
    for (int i = 0; i < 50; i++) {
        const size_t index = table_pick_but(&table, tried, 2, false);
        cr_expect(index != 7 && index != 8 && index < 20);
    }
}

Test(resource, utilisation_makes_weights_after_the_blackout)
{
    lay(2);
    for (int second = 0; second < 12; second++) {
        tick();
        tell_utilisation(0, 0.25, 100, 0); /* room for four times as much as the other */
        tell_utilisation(1, 1.0, 100, 0);
        if (second == 5) {
            (void)table_pick(&table);
            cr_expect(shown().basis == BALANCE_BY_FALLBACK, "blackout");
        }
        table.now_ns += NS_PER_S;
    }
    tick();
    const unsigned first = count_picks(0, 1000);
    cr_expect(first > 740 && first < 900, "%u of 1000", first);
    cr_expect(shown().basis == BALANCE_BY_UTILISATION);
    table.now_ns += 200 * NS_PER_S;
    tick();
    (void)table_pick(&table);
    cr_expect(shown().basis == BALANCE_BY_FALLBACK, "expired");
}

Test(resource, a_new_set_keeps_what_was_learned)
{
    lay(20);
    tell_rif(7, 3, 1000);
    tell_rif(18, 3, 500);
    table_change(&table, table_set(&table, NULL, 19));
    cr_expect(shown().pool_size == 2);
    table_change(&table, table_set(&table, NULL, 16));
    cr_expect(shown().pool_size == 1, "the other has left");
    tell_rif(6, 3, 500);
    cr_expect(table_pick(&table) == 6 && shown().basis == BALANCE_BY_PROBES);
    table_change(&table, table_set(&table, NULL, 0));
    table_change(&table, table_set(&table, NULL, 1));
    cr_expect(table_pick(&table) == 0);
}

Test(yield, errors_count_as_load)
{
    struct yield yield = {0};
    struct sample sample = {
        .now_ns = 1,
        .report = {.has = BALANCE_HAS_UTILISATION | BALANCE_HAS_REQUESTS | BALANCE_HAS_ERRORS,
                   .utilisation = 0.5,
                   .requests_per_s = 100,
                   .errors_per_s = 50}};
    const struct yield_times times = {0, 100};
    balance__yield_take(&yield, &sample, 100, 0);
    cr_expect(balance__yield_now(&yield, 1, &times) == 100 / (0.5 + 0.5));
    sample.report.has = BALANCE_HAS_UTILISATION;
    balance__yield_take(&yield, &sample, 100, 40);
    cr_expect(balance__yield_now(&yield, 1, &times) == 40 / 0.5, "as it is seen from here");
    sample.report.utilisation = 0;
    balance__yield_take(&yield, &sample, 100, 10);
    cr_expect(balance__yield_now(&yield, 1, &times) == 80, "no utilisation is no report");
    cr_expect(balance__yield_now(&yield, 101, &times) == 0 && yield.since_ns == 0);
}
