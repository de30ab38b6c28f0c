/* SPDX-License-Identifier: Apache-2.0 */
/* sim/scenes/proof.c - three formulas, and the runs that have to find what they say. */
#include "sim/scenes/proof.h"

#include "sim/model/memory.h"
#include "sim/world/scene.h"

#include <math.h>

enum { SERVICE_MS = 10, MANY = 1000, QUEUE_ROOM = 4096, WARM_S = 5 };

/* Each run: one server with so many slots; 0: two choices over many servers with one. */
static const struct run {
    unsigned slots;
    double load;
    unsigned k_most; /* shares of servers with 1 to so many requests */
} runs[] = {{1, 0.5, 0}, {1, 0.7, 0}, {4, 0.5, 0}, {4, 0.7, 0}, {0, 0.7, 4}, {0, 0.9, 5}};

/* Erlang's C: how likely it is that all slots are busy. */
static double erlang_c(unsigned slots, double load)
{
    const double offered = slots * load;
    double term = 1;
    double sum = 0;
    for (unsigned k = 0; k < slots; k++) {
        sum += term;
        term *= offered / (k + 1);
    }
    const double all = term / (1 - load);
    return all / (sum + all);
}

static double mean_response_ms(unsigned slots, double load)
{
    return SERVICE_MS * (1 + erlang_c(slots, load) / (slots * (1 - load)));
}

static struct sim_scene scene_of(const struct run *run, uint64_t seed, double requests)
{
    const uint32_t servers = run->slots == 0 ? MANY : 1;
    const unsigned slots = run->slots == 0 ? 1 : run->slots;
    return (struct sim_scene){
        .seed = seed,
        .servers_count = servers,
        .nodes_count = 1,
        .slots_count = slots,
        .queue_room = QUEUE_ROOM,
        .service_ms = SERVICE_MS,
        .load = run->load,
        .warm_s = WARM_S,
        .run_s = requests * SERVICE_MS / 1000 / (run->load * servers * slots),
        .counts_queues = run->slots == 0,
    };
}

static void prove_time(const struct run *run, const struct sim_outcome *outcome,
                       struct sim_proof *proof)
{
    proof->theory = mean_response_ms(run->slots, run->load);
    proof->found = sim_tally_mean_ns(&outcome->good) / 1e6;
    proof->within = proof->theory * 0.01;
    snprintf(proof->what, sizeof proof->what, "M/M/%u at load %.1f: mean response time, ms",
             run->slots, run->load);
}

/* The formula is of infinitely many servers; of 1,000 each share is some thousandths smaller. And
 * it is steep: chance makes the load of a run with n requests sqrt(2 / n) larger or smaller, and
 * the share that to the power of 2^k - 1. Three times that is allowed, and 1 %. */
static void prove_share(const struct run *run, const struct sim_outcome *outcome, unsigned k,
                        struct sim_proof *proof)
{
    const double exponent = pow(2, k) - 1;
    proof->theory = pow(run->load, exponent);
    proof->found = outcome->with_least[k];
    proof->within = proof->theory * (0.01 + 3 * exponent * sqrt(2 / (double)outcome->requests));
    snprintf(proof->what, sizeof proof->what,
             "two choices at load %.1f: share of servers with %u or more", run->load, k);
}

unsigned sim_prove(unsigned index, uint64_t seed, double requests,
                   struct sim_proof proofs[SIM_PROOFS_OF_ONE])
{
    if (index >= sizeof runs / sizeof runs[0])
        return 0;
    const struct run *run = &runs[index];
    struct sim_policy policy = sim_policy_read("balance: two-choices");
    struct sim_scene scene = scene_of(run, seed + index, requests);
    struct sim_outcome *outcome = sim_take(sizeof *outcome);
    unsigned count = 0;
    scene.policy = &policy;
    sim_run(&scene, outcome);
    if (run->slots > 0)
        prove_time(run, outcome, &proofs[count++]);
    for (unsigned k = 1; k <= run->k_most; k++)
        prove_share(run, outcome, k, &proofs[count++]);
    free(outcome);
    sim_policy_free(&policy);
    return count;
}

bool sim_proof_holds(const struct sim_proof *proof)
{
    return fabs(proof->found - proof->theory) <= proof->within;
}
