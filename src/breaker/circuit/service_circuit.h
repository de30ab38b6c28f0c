/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/circuit/service_circuit.h - the circuit breaker of one service, shared by all workers.
 *
 * Workers add to tallies of their own and read one word: free, shut, or so many trials left. The
 * control thread sums the tallies every 100 ms, steps the machine (circuit.h) and publishes the
 * word. It is kept by the service's name over reloads, so one that is open stays open.
 *
 * Memory:  one cache line and a half for each worker. Kept as path/keep.h says.
 * Threads: fields marked (a) are atomics for all; a tally is its worker's; the rest is the control
 *          thread's, as are the calls but service_circuit_give(). */
#ifndef PANDO_BREAKER_CIRCUIT_SERVICE_CIRCUIT_H
#define PANDO_BREAKER_CIRCUIT_SERVICE_CIRCUIT_H

#include "breaker/circuit/circuit.h"
#include "breaker/circuit/circuit_settings.h"
#include "core/err.h"
#include "path/circuit/trials.h"
#include "path/keep.h"

/* A worker's share; alone on its cache lines. */
struct service_circuit_row {
    struct circuit_tally tally;
} __attribute__((aligned(64)));

struct service_circuit {
    struct kept                 kept;     /* first */
    struct trials               trials;   /* (a) its mode: FREE, SHUT or BY_ANSWER */
    _Atomic uint64_t            until_ns; /* (a) while open: when it will be half-open; else 0 */
    _Atomic uint64_t            cause;    /* (a) of the last opening; see service_circuit_cause() */
    struct circuit              machine;
    struct circuit_rules        rules;
    unsigned                    workers_count;
    struct service_circuit_row *rows; /* workers_count of them */
};

/* The rules that settings say. */
struct circuit_rules circuit_rules_of(const struct circuit_settings *settings);

/* The circuit breaker of the service @name, or a new one, which is closed; @rules hold from now
 * on. NULL: no memory. To be given back. */
struct service_circuit *service_circuit_get(struct keep *keep, const char *name,
                                            const struct circuit_rules *rules,
                                            unsigned workers_count) must_check;

/* Accepts NULL. Any thread. */
void service_circuit_give(struct service_circuit *circuit);

/* Looks at one, every 100 ms. True: its state has changed. @draw is random and uniform. */
bool service_circuit_look(struct service_circuit *circuit, uint64_t now_ns, uint64_t draw);

/* Why it opened last. Any thread. */
struct circuit_cause service_circuit_cause(const struct service_circuit *circuit);

#endif
