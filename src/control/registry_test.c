/* SPDX-License-Identifier: Apache-2.0 */
/* control/registry_test.c - services and targets over reloads, pauses and departures.
 *
 * Two workers and control have loops, but no threads: settle() turns them by hand. */
#include "control/registry.h"

#include "control/registry_inside.h"
#include "core/mem.h"
#include "core/units.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { WORKERS = 2, SPECS_MAX = 8 };

struct house {
    struct loop                  control, loops[WORKERS];
    struct worker                workers[WORKERS];
    struct worker               *pointers[WORKERS];
    struct registry             *registry;
    struct registry_target_spec  targets[SPECS_MAX];
    struct config_address        addresses[SPECS_MAX];
    char                         hosts[SPECS_MAX][128];
    struct registry_service_spec service;
    const struct circuit_rules  *circuit;
    struct geo_place             place; /* of every target */
    unsigned                     told_count, troubles_count;
    char                         told[REGISTRY_EVENT_BYTES]; /* the last */
    unsigned                     closed_count;
    unsigned                     stopped_count;
    struct service_listener      listener;
    const struct target_set     *heard;
    uint64_t                     ahead_ns;
};

static struct house house;

static void told(void *self, enum registry_tone tone, const char *text)
{
    struct house *h = self;
    h->told_count++;
    h->troubles_count += tone == REGISTRY_TELL_TROUBLE;
    snprintf(h->told, sizeof h->told, "%s", text);
}

/* A pause of one second, and no growth. */
static struct registry_verdict judge(const struct registry_case *now, bool ok, uint64_t now_ns)
{
    if (ok)
        return (struct registry_verdict){.state = TARGET_UP};
    return (struct registry_verdict){.state = TARGET_PAUSED,
                                     .retry_at_ns = now_ns + NS_PER_S,
                                     .failures_in_a_row = now->failures_in_a_row + 1};
}

/* Opens for two failures, for five seconds, then admits two trials. */
static void step_circuit(struct circuit *circuit, const struct circuit_rules *rules,
                         const struct circuit_look *look)
{
    const enum circuit_state before = circuit->state;
    (void)rules;
    if (before == CIRCUIT_CLOSED && look->since.failed >= 2)
        circuit->state = CIRCUIT_OPEN;
    else if (before == CIRCUIT_OPEN && look->now_ns >= circuit->until_ns)
        circuit->state = CIRCUIT_HALF_OPEN;
    else if (before == CIRCUIT_HALF_OPEN && look->results.all == 2)
        circuit->state = look->results.failed > 0 ? CIRCUIT_OPEN : CIRCUIT_CLOSED;
    circuit->has_changed = circuit->state != before;
    circuit->trials = 2;
    circuit->openings_total += circuit->has_changed && circuit->state == CIRCUIT_OPEN;
    if (circuit->has_changed)
        circuit->until_ns = circuit->state == CIRCUIT_OPEN ? look->now_ns + 5 * NS_PER_S : 0;
}

static void write_cause(const struct circuit_cause *cause, uint64_t window_ns, char *out,
                        size_t room)
{
    (void)cause, (void)window_ns;
    snprintf(out, room, "all were bad");
}

static void close_pool(void *self, struct worker *worker, struct target *target,
                       void (*done)(void *token), void *token)
{
    struct house *h = self;
    (void)worker, (void)target;
    h->closed_count++;
    done(token);
}

static void stopped(void *self)
{
    ((struct house *)self)->stopped_count++;
}

static void settle(void)
{
    for (int i = 0; i < 4; i++) {
        for (int w = 0; w < WORKERS; w++)
            loop_turn(&house.loops[w], 0);
        loop_turn(&house.control, 0);
    }
}

/* Moves control's time on without waiting; a turn takes it back to the clock's. */
static void pass(uint64_t ns)
{
    house.ahead_ns += ns;
    house.control.now_ns += house.ahead_ns;
    timer_wheel_turn(&house.control.timers, house.control.now_ns);
}

static void set_up(void)
{
    house = (struct house){0};
    cr_assert(loop_open(&house.control, "epoll", NULL) == ERR_NONE);
    for (unsigned w = 0; w < WORKERS; w++) {
        cr_assert(loop_open(&house.loops[w], "epoll", NULL) == ERR_NONE);
        house.workers[w] = (struct worker){.index = w, .loop = &house.loops[w]};
        house.pointers[w] = &house.workers[w];
    }
    const struct registry_sources sources = {
        .loop = &house.control,
        .workers = house.pointers,
        .workers_count = WORKERS,
        .self = &house,
        .told = told,
        .judge = judge,
        .circuit = {.step = step_circuit, .write_cause = write_cause},
        .close_pool = close_pool,
    };
    house.registry = registry_new(&sources, NULL);
    cr_assert(house.registry != NULL);
}

static void tear_down(void)
{
    registry_free(house.registry);
    for (int w = 0; w < WORKERS; w++)
        loop_close(&house.loops[w]);
    loop_close(&house.control);
}

TestSuite(registry, .init = set_up, .fini = tear_down);

/* The service "shop" with a target per port of @ports (ended by 0), of weight @weight. */
static void apply(const unsigned *ports, uint32_t weight)
{
    size_t count = 0;
    for (; ports[count] != 0; count++) {
        static char text[SPECS_MAX][32];
        snprintf(text[count], sizeof text[count], "10.0.0.1:%u", ports[count]);
        cr_assert(config_address_read(&house.addresses[count], text[count], CONFIG_ADDRESS_TARGET,
                                      house.hosts[count]) == NULL);
        house.targets[count] =
            (struct registry_target_spec){&house.addresses[count], weight, "eu/a", house.place};
    }
    house.service = (struct registry_service_spec){.name = "shop",
                                                   .targets = house.targets,
                                                   .targets_count = count,
                                                   .pause_first_ns = 1,
                                                   .pause_most_ns = 1,
                                                   .circuit = house.circuit};
    cr_assert(registry_apply(house.registry, &house.service, 1, NULL) == ERR_NONE);
}

#define apply_ports(...) apply((const unsigned[]){__VA_ARGS__, 0}, 1)

/* What the second worker sees, as "3000 3001". */
static const char *seen(struct service *service)
{
    static char text[128];
    const struct target_set *set = service->views[1].set;
    size_t used = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < set->count; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i > 0 ? " " : "",
                                 strrchr(set->at[i]->name, ':') + 1);
    return text;
}

Test(registry, sets_stand_before_the_workers_run)
{
    apply_ports(3000, 3001);
    struct service *shop = registry_take(house.registry, "shop");
    cr_assert(shop != NULL);
    cr_expect_str_eq(seen(shop), "3000 3001");
    cr_expect_eq(shop->views[0].set, shop->views[1].set);
    cr_expect(shop->views[0].set->weight_sum == 2 && shop->views[0].set->weight_max == 1);
    cr_expect(registry_is_settled(house.registry));
    cr_expect(registry_take(house.registry, "blog") == NULL);
    cr_expect(registry_target_at(shop, 2) == NULL);
    cr_expect(registry_trouble(shop) == NULL);
}

static void hear(struct service_listener *self, const struct target_set *set)
{
    (void)self;
    house.heard = set;
}

Test(registry, a_reload_keeps_what_stays_and_posts_the_set)
{
    apply_ports(3000, 3001);
    struct service *shop = registry_take(house.registry, "shop");
    struct target *kept = registry_target_at(shop, 1);
    house.listener.changed = hear;
    link_init(&house.listener.link);
    list_add_last(&shop->views[1].listeners, &house.listener.link);
    registry_start(house.registry);
    apply_ports(3001, 3002);
    cr_expect_str_eq(seen(shop), "3000 3001", "not before the worker turns");
    settle();
    cr_expect_str_eq(seen(shop), "3001 3002");
    cr_expect_eq(house.heard, shop->views[1].set);
    cr_expect_eq(registry_target_at(shop, 0), kept);
    cr_expect_eq(registry_service_at(house.registry, 0), shop);
    cr_expect_eq(house.told_count, 2, "one came, one left");
}

Test(registry, the_same_settings_change_nothing)
{
    apply_ports(3000);
    struct service *shop = registry_take(house.registry, "shop");
    registry_start(house.registry);
    const struct target_set *before = shop->views[0].set;
    apply_ports(3000);
    settle();
    cr_expect_eq(shop->views[0].set, before);
    cr_expect_eq(house.told_count, 0);
}

Test(registry, two_changes_before_a_worker_turns_are_one)
{
    apply_ports(3000);
    struct service *shop = registry_take(house.registry, "shop");
    registry_start(house.registry);
    apply_ports(3000, 3001);
    apply_ports(3000, 3001, 3002);
    settle();
    cr_expect_str_eq(seen(shop), "3000 3001 3002");
}

/* As the gate of a worker does. */
static uint32_t claim(struct target *target)
{
    uint32_t epoch = 0;
    enum trials_mode mode;
    cr_expect(trials_claim(&target->trials, &epoch, &mode));
    return epoch;
}

/* Sets never change, so another weight is another object; its counters and its pause go on. */
Test(registry, another_weight_makes_a_successor)
{
    apply_ports(3000);
    struct service *shop = registry_take(house.registry, "shop");
    struct target *before = registry_target_at(shop, 0);
    row_add(&before->rows[1].requests_count, 7);
    registry_start(house.registry);
    shop->reported(shop, before, false, "connection refused");
    settle();
    apply((const unsigned[]){3000, 0}, 5);
    settle();
    struct target *after = registry_target_at(shop, 0);
    cr_expect_neq(after, before);
    cr_expect_eq(after->weight, 5);
    cr_expect_eq(after->identity, before->identity);
    cr_expect_eq(atomic_load(&after->rows[1].requests_count), 7);
    cr_expect_eq(atomic_load(&after->state), TARGET_PAUSED);
    pass(2 * NS_PER_S);
    settle();
    cr_expect_eq(atomic_load(&after->state), TARGET_TRIAL);
    cr_expect_str_eq(seen(shop), "3000");
}

/* And so is another place; without a change it is the same. */
Test(registry, another_place_makes_a_successor)
{
    house.place = geo_place_at(52.5, 13.4);
    apply_ports(3000);
    struct service *shop = registry_take(house.registry, "shop");
    struct target *before = registry_target_at(shop, 0);
    apply_ports(3000);
    cr_expect_eq(registry_target_at(shop, 0), before);
    house.place = geo_place_at(-33.9, 151.2);
    apply_ports(3000);
    struct target *after = registry_target_at(shop, 0);
    cr_expect_neq(after, before);
    cr_expect(geo_is_same(&after->place, &house.place));
    cr_expect_eq(after->rows, before->rows);
}

Test(registry, a_failed_target_is_passed_over_then_tried_then_back)
{
    apply_ports(3000, 3001);
    struct service *shop = registry_take(house.registry, "shop");
    struct target *target = registry_target_at(shop, 0);
    registry_start(house.registry);
    shop->reported(shop, target, false, "connection refused");
    shop->reported(shop, target, false, "connection refused"); /* the other worker says the same */
    settle();
    cr_expect_str_eq(seen(shop), "3001");
    cr_expect_eq(atomic_load(&target->state), TARGET_PAUSED);
    cr_expect_eq(atomic_load(&target->failures_in_a_row), 1, "told twice, failed once");
    cr_expect(
        strstr(house.told, "shop: 10.0.0.1:3000 is passed over for 1000 ms: connection refused"));
    pass(NS_PER_S + 10 * NS_PER_MS);
    settle();
    cr_expect_str_eq(seen(shop), "3000 3001");
    cr_expect_eq(atomic_load(&target->state), TARGET_TRIAL);
    claim(target);
    atomic_store(&target->state, TARGET_UP); /* it goes well, and the gate says so at once */
    shop->reported(shop, target, true, NULL);
    settle();
    cr_expect_eq(atomic_load(&target->state), TARGET_UP);
    cr_expect_str_eq(house.told, "shop: 10.0.0.1:3000 is up again");
    cr_expect(atomic_load(&target->reason) == NULL);
}

Test(registry, without_any_target_the_set_is_empty)
{
    apply_ports(3000);
    struct service *shop = registry_take(house.registry, "shop");
    registry_start(house.registry);
    shop->reported(shop, registry_target_at(shop, 0), false, "connection refused");
    settle();
    cr_expect_eq(shop->views[0].set->count, 0);
    cr_expect_eq(house.troubles_count, 2, "passed over, and that none is left");
}

Test(registry, a_claimed_trial_that_nobody_speaks_of_is_offered_again)
{
    apply_ports(3000);
    struct service *shop = registry_take(house.registry, "shop");
    struct target *target = registry_target_at(shop, 0);
    registry_start(house.registry);
    shop->reported(shop, target, false, "connection refused");
    settle();
    pass(2 * NS_PER_S);
    settle();
    claim(target);
    pass(NS_PER_S);
    cr_expect_eq(trials_left_of(trials_read(&target->trials)), 0);
    pass(11 * NS_PER_S);
    cr_expect_eq(atomic_load(&target->state), TARGET_TRIAL);
    claim(target);
}

/* --- circuit breakers ------------------------------------------------------------------------- */

static const struct circuit_rules circuit_rules = {.window_ns = NS_PER_S};

static struct service *start_with_circuits(void)
{
    house.circuit = &circuit_rules;
    apply_ports(3000, 3001);
    struct service *shop = registry_take(house.registry, "shop");
    registry_start(house.registry);
    return shop;
}

/* One failure on each worker: neither alone would open it. */
static void open_circuit(struct target *target)
{
    for (int w = 0; w < WORKERS; w++)
        circuit_tally_add(&target->rows[w].circuit, true, false);
    pass(200 * NS_PER_MS);
    settle();
    cr_assert_eq(atomic_load(&target->state), TARGET_OPEN);
}

Test(registry, an_open_circuit_is_in_no_set_and_half_open_admits_so_many)
{
    struct service *shop = start_with_circuits();
    struct target *target = registry_target_at(shop, 0);
    open_circuit(target);
    cr_expect_str_eq(seen(shop), "3001");
    cr_expect_str_eq(target->standing_reason, "circuit breaker open: all were bad");
    cr_expect(strstr(house.told, "the circuit breaker of 10.0.0.1:3000 is open for 5.0 s"));
    cr_expect(target->retry_at_ns > 0 && target->openings_count == 1);
    pass(6 * NS_PER_S);
    settle();
    cr_expect_eq(atomic_load(&target->state), TARGET_TRIAL);
    cr_expect_str_eq(seen(shop), "3000 3001");
    const uint32_t epoch = claim(target);
    claim(target);
    cr_expect_eq(trials_left_of(trials_read(&target->trials)), 0);
    trials_report(&target->trials, epoch, false, false);
    trials_report(&target->trials, epoch, false, false);
    pass(200 * NS_PER_MS);
    settle();
    cr_expect_eq(atomic_load(&target->state), TARGET_UP);
    cr_expect_str_eq(target->standing_reason, "");
    cr_expect(strstr(house.told, "is closed again"));
}

/* A pause comes first; when it is over, the trials of the circuit are the pause's as well. */
Test(registry, a_pause_and_an_open_circuit_at_once)
{
    struct service *shop = start_with_circuits();
    struct target *target = registry_target_at(shop, 0);
    open_circuit(target);
    shop->reported(shop, target, false, "connection refused");
    settle();
    cr_expect_eq(atomic_load(&target->state), TARGET_PAUSED);
    pass(2 * NS_PER_S);
    settle();
    cr_expect_eq(atomic_load(&target->state), TARGET_OPEN, "the pause is over, the circuit is not");
    cr_expect_str_eq(seen(shop), "3001");
    pass(6 * NS_PER_S);
    settle();
    cr_expect_eq(atomic_load(&target->state), TARGET_TRIAL);
    cr_expect_eq(trials_left_of(trials_read(&target->trials)), 2);
    const uint32_t epoch = claim(target);
    shop->reported(shop, target, true, NULL);
    settle();
    cr_expect_eq(trials_left_of(trials_read(&target->trials)), 1, "the pause alone has ended");
    trials_report(&target->trials, epoch, false, false);
    trials_report(&target->trials, claim(target), false, false);
    pass(200 * NS_PER_MS);
    settle();
    cr_expect_eq(atomic_load(&target->state), TARGET_UP);
}

/* What was claimed at the target before is lost with it, so the trials begin anew. */
Test(registry, a_successor_goes_on_with_the_circuit)
{
    struct service *shop = start_with_circuits();
    open_circuit(registry_target_at(shop, 0));
    apply((const unsigned[]){3000, 3001, 0}, 5);
    settle();
    struct target *after = registry_target_at(shop, 0);
    cr_expect(after->weight == 5 && after->openings_count == 1);
    cr_expect_eq(atomic_load(&after->state), TARGET_OPEN);
    pass(6 * NS_PER_S);
    settle();
    claim(after);
    apply((const unsigned[]){3000, 3001, 0}, 6);
    settle();
    after = registry_target_at(shop, 0);
    cr_expect_eq(atomic_load(&after->state), TARGET_TRIAL);
    cr_expect_eq(trials_left_of(trials_read(&after->trials)), 2);
}

Test(registry, without_circuit_breakers_none_stays_open)
{
    struct service *shop = start_with_circuits();
    struct target *target = registry_target_at(shop, 0);
    open_circuit(target);
    house.circuit = NULL;
    apply_ports(3000, 3001);
    settle();
    cr_expect_eq(atomic_load(&target->state), TARGET_UP);
    cr_expect_str_eq(seen(shop), "3000 3001");
    cr_expect_eq(target->openings_count, 1);
}

/* Nothing that names it: no set, no op, nothing in flight; then every worker closes its pool. */
Test(registry, a_target_that_is_gone_is_closed_when_nobody_names_it)
{
    apply_ports(3000, 3001);
    struct service *shop = registry_take(house.registry, "shop");
    struct target *target = registry_target_at(shop, 0);
    registry_start(house.registry);
    target_ref(target); /* an op */
    apply_ports(3001);
    settle();
    cr_expect_eq(atomic_load(&target->state), TARGET_GONE);
    shop->reported(shop, target, false, "too late to matter");
    settle();
    pass(NS_PER_S);
    settle();
    cr_expect_eq(house.closed_count, 0);
    target_unref(target);
    pass(NS_PER_S);
    settle();
    cr_expect_eq(house.closed_count, WORKERS);
    cr_expect(list_is_empty(&house.registry->gone));
}

Test(registry, a_service_leaves_when_no_path_names_it)
{
    apply_ports(3000);
    struct service *shop = registry_take(house.registry, "shop");
    registry_start(house.registry);
    cr_assert(registry_apply(house.registry, NULL, 0, NULL) == ERR_NONE);
    pass(NS_PER_S);
    settle();
    cr_expect(registry_take(house.registry, "shop") == NULL);
    cr_expect_str_eq(seen(shop), "3000", "requests on the old path still have a target");
    registry_give(shop);
    pass(NS_PER_S);
    settle();
    cr_expect(list_is_empty(&house.registry->leaving));
    pass(NS_PER_S);
    settle();
    cr_expect_eq(house.closed_count, WORKERS);
}

Test(registry, a_service_that_comes_back_is_the_same)
{
    apply_ports(3000);
    struct service *shop = registry_take(house.registry, "shop");
    registry_start(house.registry);
    cr_assert(registry_apply(house.registry, NULL, 0, NULL) == ERR_NONE);
    apply_ports(3000, 3001);
    settle();
    cr_expect_eq(registry_take(house.registry, "shop"), shop);
    cr_expect_str_eq(seen(shop), "3000 3001");
}

Test(registry, stopping_closes_every_pool_and_says_so_once)
{
    apply_ports(3000, 3001);
    registry_start(house.registry);
    apply_ports(3001);
    registry_stop(house.registry, stopped, &house);
    cr_expect_eq(house.stopped_count, 0);
    settle();
    cr_expect_eq(house.closed_count, 2 * WORKERS);
    cr_expect_eq(house.stopped_count, 1);
}

/* However early memory ends, either all of the new settings hold or nothing has changed. */
Test(registry, without_memory_nothing_changes)
{
#ifdef PANDO_FAULTS
    apply_ports(3000, 3001);
    struct service *shop = registry_take(house.registry, "shop");
    registry_start(house.registry);
    apply_ports(3000, 3001);
    for (uint64_t n = 1; n < 1000; n++) {
        fault_fail_nth(FAULT_ALLOCATION, n);
        house.targets[1].weight = 5;
        house.targets[2] = house.targets[1];
        static char text[] = "10.0.0.1:4000";
        cr_assert(config_address_read(&house.addresses[2], text, CONFIG_ADDRESS_TARGET,
                                      house.hosts[2]) == NULL);
        house.targets[2].address = &house.addresses[2];
        struct registry_service_spec both[] = {house.service, house.service};
        both[0].targets_count = 3;
        both[1].name = "blog";
        const enum err_kind kind = registry_apply(house.registry, both, 2, NULL);
        fault_fail_nth(FAULT_ALLOCATION, 0);
        settle();
        if (kind == ERR_NONE) {
            cr_expect_str_eq(seen(shop), "3000 3001 4000");
            cr_expect(registry_service_at(house.registry, 1) != NULL);
            cr_expect_gt(n, 10);
            return;
        }
        cr_assert_str_eq(seen(shop), "3000 3001");
        cr_assert_eq(registry_target_at(shop, 1)->weight, 1);
        cr_assert(registry_service_at(house.registry, 1) == NULL);
    }
    cr_assert_fail("memory never sufficed");
#endif
}
