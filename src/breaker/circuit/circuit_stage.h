/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/circuit/circuit_stage.h - the service's circuit breaker: is that service well? Above
 * guard, so that one that is open refuses at once, before any attempt or retry.
 *
 *     shut or no trial left: fallback, else CIRCUIT_OPEN with Retry-After and the reason
 *     a trial is left:       claims it, passes, and reports how it went or gives it back
 *     free:                  passes, and counts how it went in the worker's tally
 *
 * What counts as failed is in verdict.h; a request counts once, however often it was tried. An
 * answer whose head was well and whose body then breaks off counts once more, as a failure.
 * Outcomes of requests that came in before the state last changed are not counted.
 *
 * Only on the path of a service with such a circuit breaker.
 *
 * Memory:  a fallback's body is one buffer for each worker, lent to every answer.
 * Threads: its worker's; the circuit is shared.
 * Errors:  CIRCUIT_OPEN; MEMORY. */
#ifndef PANDO_BREAKER_CIRCUIT_CIRCUIT_STAGE_H
#define PANDO_BREAKER_CIRCUIT_CIRCUIT_STAGE_H

#include "breaker/circuit/service_circuit.h"
#include "breaker/circuit/verdict.h"
#include "core/buf.h"
#include "path/op.h"
#include "path/service.h"
#include "path/stage.h"

struct circuit_stage {
    struct stage                    stage; /* first */
    struct service                 *service;
    struct service_circuit         *circuit;
    struct circuit_judge            judge;
    const struct fallback_settings *fallback;
    uint64_t                        window_ns;
    struct buf                     *body; /* of the fallback; NULL: there is none */
    struct stage *elsewhere; /* another service that answers instead; NULL. Set by main */
};

/* What a circuit stage is made of; all is borrowed. */
struct circuit_stage_parts {
    struct service                 *service;
    struct service_circuit         *circuit;
    const struct circuit_settings  *settings; /* checked */
    const struct fallback_settings *fallback; /* likewise */
};

/* False: no memory. */
bool circuit_stage_init(struct circuit_stage *stage, const struct circuit_stage_parts *parts,
                        struct stage *below) must_check;

/* Accepts zero. */
void circuit_stage_fini(struct circuit_stage *stage);

/* What the settings judge answers by. */
void circuit_judge_init(struct circuit_judge *judge, const struct circuit_settings *settings);

#endif
