/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/circuit/service_circuit_test.c - one state for all workers. */
#include "breaker/circuit/service_circuit.h"

#include "core/units.h"

#include <criterion/criterion.h>
#include <pthread.h>

enum { THREADS = 4, TRIALS = 10 };

static const struct circuit_rules rules = {
    .window_ns = 10 * NS_PER_S,
    .open_first_ns = NS_PER_S,
    .open_most_ns = 60 * NS_PER_S,
    .volume = 400,
    .failed_percent = 50,
    .trials = TRIALS,
};

static struct keep keep;
static struct service_circuit *circuit;
static uint64_t now_ns = 1000 * NS_PER_S;

static void start(void)
{
    keep_init(&keep);
    circuit = service_circuit_get(&keep, "shop", &rules, THREADS);
    cr_assert(circuit != NULL);
}

static void finish(void)
{
    service_circuit_give(circuit);
    keep_fini(&keep);
}

static enum trials_mode mode(void)
{
    return trials_mode_of(trials_read(&circuit->trials));
}

/* Spread evenly, no worker sees more than a quarter: none of them would open by itself. */
Test(service_circuit, opens_at_the_total_of_all_workers)
{
    start();
    for (int i = 0; i < THREADS; i++) {
        for (int k = 0; k < 100; k++) {
            cr_expect_not(service_circuit_look(circuit, now_ns, 0), "worker %d, %d", i, k);
            circuit_tally_add(&circuit->rows[i].tally, k % 2 == 0, false);
        }
    }
    cr_expect(service_circuit_look(circuit, now_ns, 0));
    cr_expect(mode() == TRIALS_SHUT && circuit->until_ns == circuit->machine.until_ns);
    const struct circuit_cause cause = service_circuit_cause(circuit);
    cr_expect(cause.percent == 50 && cause.all == 400 && !cause.is_slow && !cause.is_trial);
    finish();
}

/* --- with threads ----------------------------------------------------------------------------- */

struct crowd {
    unsigned          index;
    _Atomic uint32_t *claimed, *given_back;
    _Atomic bool     *over;
};

/* Claims whatever it can get; of each seven it gives some back, as for clients that left. */
static void *ask(void *argument)
{
    struct crowd *crowd = argument;
    for (unsigned i = 0; !atomic_load(crowd->over); i++) {
        uint32_t epoch;
        enum trials_mode judged_by;
        if (!trials_claim(&circuit->trials, &epoch, &judged_by))
            continue;
        if ((i + crowd->index) % 7 < 3) {
            trials_give_back(&circuit->trials, epoch);
            atomic_fetch_add(crowd->given_back, 1);
        } else {
            atomic_fetch_add(crowd->claimed, 1);
            trials_report(&circuit->trials, epoch, true, false);
        }
    }
    return NULL;
}

static void open_it(void)
{
    for (int k = 0; k < 400; k++)
        circuit_tally_add(&circuit->rows[k % THREADS].tally, true, false);
    cr_assert(service_circuit_look(circuit, now_ns, 0));
}

/* However many ask at once and give back: of each epoch exactly TRIALS are carried out. */
Test(service_circuit, admits_exactly_so_many_trials_in_total, .timeout = 60)
{
    _Atomic uint32_t claimed = 0, given_back = 0;
    _Atomic bool over = false;
    struct crowd crowds[THREADS];
    pthread_t threads[THREADS];
    start();
    open_it();
    for (unsigned i = 0; i < THREADS; i++) {
        crowds[i] = (struct crowd){i, &claimed, &given_back, &over};
        cr_assert(pthread_create(&threads[i], NULL, ask, &crowds[i]) == 0);
    }
    for (uint32_t round = 1; round <= 200; round++) {
        now_ns = circuit->machine.until_ns;
        cr_assert(service_circuit_look(circuit, now_ns, round)); /* half-open */
        while (!service_circuit_look(circuit, now_ns, round))
            sched_yield();
        cr_assert(circuit->machine.state == CIRCUIT_OPEN && mode() == TRIALS_SHUT);
        cr_assert(atomic_load(&claimed) == round * TRIALS, "%u after %u rounds", claimed, round);
    }
    atomic_store(&over, true);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    cr_expect(claimed == 200 * TRIALS);
    finish();
}

/* --- kept ------------------------------------------------------------------------------------- */

Test(service_circuit, stays_open_over_a_reload)
{
    struct circuit_rules others = rules;
    start();
    open_it();
    others.open_first_ns = 2 * NS_PER_S;
    struct service_circuit *again = service_circuit_get(&keep, "shop", &others, THREADS);
    service_circuit_give(circuit);
    cr_expect(again == circuit && mode() == TRIALS_SHUT);
    cr_expect(circuit->rules.open_first_ns == others.open_first_ns);
    struct service_circuit *other = service_circuit_get(&keep, "other", &rules, THREADS);
    cr_expect(other != circuit && other->machine.state == CIRCUIT_CLOSED);
    service_circuit_give(other);
    finish();
}

/* --- the word --------------------------------------------------------------------------------- */

Test(trials, what_comes_from_an_epoch_that_is_over_is_not_heard)
{
    struct trials trials = {0};
    enum trials_mode judged_by;
    uint32_t before, now;
    trials_open(&trials, TRIALS_BY_ANSWER, 2);
    cr_assert(trials_claim(&trials, &before, &judged_by) && judged_by == TRIALS_BY_ANSWER);
    trials_open(&trials, TRIALS_BY_ANSWER, 1);
    trials_give_back(&trials, before);
    trials_report(&trials, before, true, true);
    cr_expect(trials_left_of(trials_read(&trials)) == 1 && trials_results(&trials).all == 0);
    cr_expect(trials_claim(&trials, &now, &judged_by) && now != before);
    cr_expect_not(trials_claim(&trials, &now, &judged_by));
    trials_report(&trials, now, true, false);
    cr_expect(trials_results(&trials).failed == 1 && trials_results(&trials).slow == 0);
}

Test(trials, a_thousand_results_do_not_run_over)
{
    struct trials trials = {0};
    trials_open(&trials, TRIALS_BY_ANSWER, TRIALS_MAX);
    const uint32_t epoch = trials_epoch_of(trials_read(&trials));
    for (int i = 0; i < TRIALS_MAX; i++)
        trials_report(&trials, epoch, true, true);
    const struct circuit_counts results = trials_results(&trials);
    cr_expect(results.all == TRIALS_MAX && results.failed == TRIALS_MAX &&
              results.slow == TRIALS_MAX);
    cr_expect(trials_epoch_of(trials_read(&trials)) == epoch);
}
