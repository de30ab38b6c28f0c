/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/gate_stage.h - the gate: is that target well? Below balance; a refusal goes back to
 * guard.
 *
 * A set is a snapshot, so a target in it may have failed a moment ago; the gate reads its state. A
 * target in TRIAL is given to exactly as many ops as path/circuit/trials.h has claims left: one
 * after it could not be connected to, so many as settings say after its circuit breaker was open.
 *
 * What is reported: that a target could not be connected to, and how a trial went. A success on a
 * target that is up reports nothing, so on the usual path the gate costs one load and one frame.
 * With a circuit breaker for targets it also counts how each attempt went.
 *
 * Threads: its worker's; the words are shared by all.
 * Errors:  NO_TARGET while op->target is set: this one is not to be had, another may be. */
#ifndef PANDO_BREAKER_GATE_STAGE_H
#define PANDO_BREAKER_GATE_STAGE_H

#include "breaker/circuit/verdict.h"
#include "path/op.h"
#include "path/service.h"
#include "path/stage.h"

struct gate_stage {
    struct stage         stage; /* first */
    struct service      *service;
    bool                 has_circuit;
    struct circuit_judge judge; /* if it has */
};

/* Needs no fini. @service and @below are borrowed. @judge: of the targets' circuit breakers,
 * copied; NULL: they have none. */
void gate_stage_init(struct gate_stage *stage, struct service *service,
                     const struct circuit_judge *judge, struct stage *below);

#endif
