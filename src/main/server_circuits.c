/* SPDX-License-Identifier: Apache-2.0 */
/* main/server_circuits.c - the circuit breakers of services: looked at every 100 ms on the control
 * thread, told of, and shown. Those of targets are the registry's. */
#include "core/units.h"
#include "main/server_inside.h"

enum { CIRCUITS_LOOK_MS = 100 };

static const char *const words[] = {
    [CIRCUIT_CLOSED] = "closed", [CIRCUIT_OPEN] = "open", [CIRCUIT_HALF_OPEN] = "half-open"};

static void tell(struct server *server, const struct service_circuit *circuit, uint64_t now_ns)
{
    const struct circuit *machine = &circuit->machine;
    const char *name = circuit->kept.name;
    char cause[96];
    switch (machine->state) {
    case CIRCUIT_OPEN:
        circuit_write_cause(&machine->cause, circuit->rules.window_ns, cause, sizeof cause);
        events_tell(server->events, LOG_LEVEL_WARNING,
                    "%s: its circuit breaker is open for %.1f s: %s", name,
                    (double)(machine->until_ns - now_ns) / 1e9, cause);
        break;
    case CIRCUIT_HALF_OPEN:
        events_tell(server->events, LOG_LEVEL_INFO,
                    "%s: its circuit breaker is half-open: %u requests may try it", name,
                    machine->trials);
        break;
    case CIRCUIT_CLOSED:
        events_tell(server->events, LOG_LEVEL_INFO, "%s: its circuit breaker is closed again",
                    name);
        break;
    }
}

static void look(struct timer *timer)
{
    struct server *server = list_item(timer, struct server, circuits_timer);
    struct loop *loop = &server->control.loop;
    const struct generation *generation = server->generation;
    for (size_t i = 0; i < generation->settings->services_count; i++) {
        struct service_circuit *circuit = generation->circuits[i];
        if (circuit != NULL && service_circuit_look(circuit, loop->now_ns,
                                                    random_next(&server->control.worker.random)))
            tell(server, circuit, loop->now_ns);
    }
    timer_set(&loop->timers, timer, loop->now_ns + CIRCUITS_LOOK_MS * NS_PER_MS);
}

void server__start_circuits(struct server *server)
{
    timer_init(&server->circuits_timer, look);
    look(&server->circuits_timer);
}

void server__stop_circuits(struct server *server)
{
    timer_clear(&server->circuits_timer);
}

void server__show_circuit(const struct service_circuit *circuit, struct admin_circuit *out)
{
    if (circuit == NULL)
        return;
    const struct circuit *machine = &circuit->machine;
    out->state = words[machine->state];
    out->is_closed = machine->state == CIRCUIT_CLOSED;
    out->is_open = machine->state == CIRCUIT_OPEN;
    out->until_ns = machine->until_ns;
    out->openings_count = machine->openings_total;
    out->trials_left = trials_left_of(trials_read(&circuit->trials));
    if (!out->is_closed)
        circuit_write_cause(&machine->cause, circuit->rules.window_ns, out->reason,
                            sizeof out->reason);
}
