/* SPDX-License-Identifier: Apache-2.0 */
/* sim/node/fuse.c - what gate_stage.c, circuit_stage.c and control/health/circuit.c do around the
 * machine. */
#include "sim/node/fuse.h"

#include "breaker/circuit/service_circuit.h"
#include "sim/model/memory.h"

void sim_fuse_init(struct sim_fuse *fuse, const struct circuit_settings *settings,
                   struct target *targets, uint32_t count, struct random *draws)
{
    *fuse =
        (struct sim_fuse){.settings = settings, .targets = targets, .count = count, .draws = draws};
    if (!settings->enabled)
        return;
    fuse->rules = circuit_rules_of(settings);
    fuse->circuits = sim_take(count * sizeof *fuse->circuits);
}

void sim_fuse_fini(struct sim_fuse *fuse)
{
    free(fuse->circuits);
    *fuse = (struct sim_fuse){0};
}

bool sim_fuse_pass(struct sim_fuse *fuse, uint32_t server, struct sim_passage *passage)
{
    struct target *target = &fuse->targets[server];
    enum trials_mode mode;
    const uint32_t state = atomic_load_explicit(&target->state, memory_order_relaxed);
    *passage = (struct sim_passage){.epoch = trials_epoch_of(trials_read(&target->trials))};
    if (state != TARGET_TRIAL)
        return state == TARGET_UP;
    passage->is_trial = trials_claim(&target->trials, &passage->epoch, &mode);
    return passage->is_trial;
}

void sim_fuse_judge(struct sim_fuse *fuse, uint32_t server, const struct sim_verdict *verdict)
{
    if (fuse->circuits == NULL)
        return;
    struct target *target = &fuse->targets[server];
    const bool is_shedding = verdict->end == SIM_REFUSED && verdict->says_when;
    const bool failed = verdict->end != SIM_GOOD && !is_shedding;
    const bool slow = fuse->settings->slow_ns != 0 && verdict->latency_ns > fuse->settings->slow_ns;
    const uint32_t epoch = trials_epoch_of(trials_read(&target->trials));
    if (verdict->passage.is_trial)
        trials_report(&target->trials, verdict->passage.epoch, failed, slow);
    else if (!is_shedding && epoch == verdict->passage.epoch)
        circuit_tally_add(&target->rows[0].circuit, failed, slow);
}

void sim_fuse_put_back(struct sim_fuse *fuse, uint32_t server, const struct sim_passage *passage)
{
    if (passage->is_trial)
        trials_give_back(&fuse->targets[server].trials, passage->epoch);
}

/* The state in which its circuit breaker wants a target, and what may go there. */
static void follow(struct target *target, const struct circuit *circuit)
{
    static const struct {
        enum trials_mode mode;
        enum target_state state;
    } wanted[] = {
        [CIRCUIT_CLOSED] = {TRIALS_FREE, TARGET_UP},
        [CIRCUIT_OPEN] = {TRIALS_SHUT, TARGET_OPEN},
        [CIRCUIT_HALF_OPEN] = {TRIALS_BY_ANSWER, TARGET_TRIAL},
    };
    trials_open(&target->trials, wanted[circuit->state].mode,
                circuit->state == CIRCUIT_HALF_OPEN ? circuit->trials : 0);
    atomic_store_explicit(&target->state, wanted[circuit->state].state, memory_order_relaxed);
}

bool sim_fuse_look(struct sim_fuse *fuse, uint64_t now_ns)
{
    bool has_changed = false;
    for (uint32_t i = 0; fuse->circuits != NULL && i < fuse->count; i++) {
        struct target *target = &fuse->targets[i];
        struct circuit_look look = {
            .now_ns = now_ns,
            .draw = random_next(fuse->draws),
            .results = trials_results(&target->trials),
        };
        circuit_gather(&look.since, &target->rows[0].circuit);
        circuit_step(&fuse->circuits[i], &fuse->rules, &look);
        if (!fuse->circuits[i].has_changed)
            continue;
        has_changed = true;
        follow(target, &fuse->circuits[i]);
    }
    return has_changed;
}

bool sim_fuse_is_open(const struct sim_fuse *fuse, uint32_t server)
{
    return fuse->circuits != NULL && fuse->circuits[server].state == CIRCUIT_OPEN;
}
