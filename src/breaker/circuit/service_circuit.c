/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/circuit/service_circuit.c - tallies summed, the word published. */
#include "breaker/circuit/service_circuit.h"

#include "core/mem.h"

struct circuit_rules circuit_rules_of(const struct circuit_settings *settings)
{
    return (struct circuit_rules){
        .window_ns = settings->window_ns,
        .open_first_ns = settings->open_first_ns,
        .open_most_ns = settings->open_most_ns,
        .volume = settings->volume,
        .failed_percent = settings->failed_percent,
        .slow_percent = settings->slow_ns != 0 ? settings->slow_percent : 0,
        .trials = settings->trials,
    };
}

/* --- life ------------------------------------------------------------------------------------ */

static void drop(struct kept *kept)
{
    struct service_circuit *circuit = (struct service_circuit *)(void *)kept;
    mem_free(circuit);
}

static struct service_circuit *circuit_new(unsigned workers_count)
{
    const size_t align = _Alignof(struct service_circuit_row);
    struct service_circuit *circuit =
        mem_alloc(sizeof *circuit + align + workers_count * sizeof(struct service_circuit_row));
    if (circuit == NULL)
        return NULL;
    const uintptr_t behind = (uintptr_t)(circuit + 1);
    circuit->rows = (struct service_circuit_row *)((behind + align - 1) & ~(uintptr_t)(align - 1));
    circuit->workers_count = workers_count;
    return circuit;
}

struct service_circuit *service_circuit_get(struct keep *keep, const char *name,
                                            const struct circuit_rules *rules,
                                            unsigned workers_count)
{
    struct service_circuit *circuit = (struct service_circuit *)(void *)keep_find(keep, name);
    if (circuit == NULL) {
        circuit = circuit_new(workers_count);
        if (circuit == NULL)
            return NULL;
        keep_add(keep, &circuit->kept, name, drop);
    }
    circuit->rules = *rules;
    return circuit;
}

void service_circuit_give(struct service_circuit *circuit)
{
    kept_unref(circuit != NULL ? &circuit->kept : NULL);
}

/* --- looking --------------------------------------------------------------------------------- */

static uint64_t pack(const struct circuit_cause *cause)
{
    return (uint64_t)cause->all << 32 | (uint64_t)cause->percent << 2 |
           (uint64_t)cause->is_slow << 1 | (uint64_t)cause->is_trial;
}

struct circuit_cause service_circuit_cause(const struct service_circuit *circuit)
{
    const uint64_t cause = atomic_load_explicit(&circuit->cause, memory_order_relaxed);
    return (struct circuit_cause){
        .percent = (uint32_t)cause >> 2,
        .all = (uint32_t)(cause >> 32),
        .is_slow = (cause & 2) != 0,
        .is_trial = (cause & 1) != 0,
    };
}

/* What workers see, from the state that is now. */
static void publish(struct service_circuit *circuit)
{
    static const enum trials_mode modes[] = {[CIRCUIT_CLOSED] = TRIALS_FREE,
                                             [CIRCUIT_OPEN] = TRIALS_SHUT,
                                             [CIRCUIT_HALF_OPEN] = TRIALS_BY_ANSWER};
    const struct circuit *machine = &circuit->machine;
    atomic_store_explicit(&circuit->until_ns, machine->until_ns, memory_order_relaxed);
    atomic_store_explicit(&circuit->cause, pack(&machine->cause), memory_order_relaxed);
    trials_open(&circuit->trials, modes[machine->state],
                machine->state == CIRCUIT_HALF_OPEN ? machine->trials : 0);
}

bool service_circuit_look(struct service_circuit *circuit, uint64_t now_ns, uint64_t draw)
{
    struct circuit_look look = {
        .now_ns = now_ns, .draw = draw, .results = trials_results(&circuit->trials)};
    for (unsigned i = 0; i < circuit->workers_count; i++)
        circuit_gather(&look.since, &circuit->rows[i].tally);
    circuit_step(&circuit->machine, &circuit->rules, &look);
    if (circuit->machine.has_changed)
        publish(circuit);
    return circuit->machine.has_changed;
}
