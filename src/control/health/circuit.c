/* SPDX-License-Identifier: Apache-2.0 */
/* control/health/circuit.c - the circuit breakers of targets: what workers counted, and what
 * follows from it. The machine is the breaker room's, lent by main. */
#include "control/health/health.h"
#include "control/members.h"

#include "core/units.h"

#include <stdio.h>

void registry__circuit_write_reason(const struct registry_target *rt, char *out, size_t room)
{
    const struct registry_circuit_machine *machine = &rt->registry->sources.circuit;
    char cause[96];
    machine->write_cause(&rt->circuit.cause, rt->service->circuit.window_ns, cause, sizeof cause);
    (void)snprintf(out, room, "circuit breaker %s: %s",
                   rt->circuit.state == CIRCUIT_OPEN ? "open" : "half-open", cause);
}

static void tell(const struct registry_target *rt, uint64_t now_ns)
{
    struct registry *registry = rt->registry;
    const char *service = rt->service->service.name, *name = rt->target.name;
    char cause[96];
    switch (rt->circuit.state) {
    case CIRCUIT_OPEN:
        registry->sources.circuit.write_cause(&rt->circuit.cause, rt->service->circuit.window_ns,
                                              cause, sizeof cause);
        registry__tell(registry, REGISTRY_TELL_TROUBLE,
                       "%s: the circuit breaker of %s is open for %.1f s: %s", service, name,
                       (double)(rt->circuit.until_ns - now_ns) / 1e9, cause);
        registry__tell_if_none(rt->service);
        break;
    case CIRCUIT_HALF_OPEN:
        registry__tell(registry, REGISTRY_TELL_CHANGE,
                       "%s: the circuit breaker of %s is half-open: %u requests may try it",
                       service, name, rt->circuit.trials);
        break;
    case CIRCUIT_CLOSED:
        registry__tell(registry, REGISTRY_TELL_CHANGE,
                       "%s: the circuit breaker of %s is closed again", service, name);
        break;
    }
}

/* The word of workers, from the circuit's state that is now. True: the caller publishes. */
static bool moved(struct registry_target *rt)
{
    struct trials *trials = &rt->target.trials;
    rt->target.openings_count = rt->circuit.openings_total;
    switch (rt->circuit.state) {
    case CIRCUIT_OPEN: trials_open(trials, TRIALS_SHUT, 0); break;
    case CIRCUIT_HALF_OPEN: trials_open(trials, TRIALS_BY_ANSWER, rt->circuit.trials); break;
    case CIRCUIT_CLOSED:
        if (rt->pause == TARGET_TRIAL)
            trials_open(trials, TRIALS_BY_CONNECT, 1);
        else
            trials_open(trials, TRIALS_FREE, 0);
        break;
    }
    const bool is_other_set = registry__settle(rt);
    registry__stand(rt);
    return is_other_set;
}

static void look_at(struct registry_target *rt, uint64_t now_ns)
{
    struct registry *registry = rt->registry;
    struct circuit_look look = {.now_ns = now_ns,
                                .draw = random_next(&registry->random),
                                .results = trials_results(&rt->target.trials)};
    for (unsigned i = 0; i < rt->target.workers_count; i++)
        circuit_gather(&look.since, &rt->target.rows[i].circuit);
    registry->sources.circuit.step(&rt->circuit, &rt->service->circuit, &look);
    if (!rt->circuit.has_changed)
        return;
    if (moved(rt))
        registry__publish(rt->service);
    tell(rt, now_ns);
}

void registry__circuit_look(struct registry_service *service, uint64_t now_ns)
{
    if (!service->has_circuits)
        return;
    for (size_t i = 0; i < service->targets_count; i++)
        look_at(service->targets[i], now_ns);
}

static void close_at_once(struct registry_target *rt)
{
    const uint64_t openings_total = rt->circuit.openings_total;
    const bool was_closed = rt->circuit.state == CIRCUIT_CLOSED;
    rt->circuit = (struct circuit){.openings_total = openings_total};
    if (!was_closed && moved(rt) && rt->registry->started)
        registry__publish(rt->service);
}

void registry__circuit_take(struct registry_service *service, const struct circuit_rules *rules)
{
    service->has_circuits = rules != NULL && service->registry->sources.circuit.step != NULL;
    if (service->has_circuits) {
        service->circuit = *rules;
        return;
    }
    for (size_t i = 0; i < service->targets_count; i++)
        close_at_once(service->targets[i]);
}
