/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/gate_stage.h - the gate: is that target well? Below balance; a refusal goes back to
 * guard.
 *
 * A set is a snapshot, so a target in it may have failed a moment ago; the gate reads its state
 * word. A target in TRIAL is given to exactly one op, which claims it by making the word PAUSED;
 * control still knows it as TRIAL until that op's report says how it went.
 *
 * What is reported: that a target could not be connected to, and how a trial went. A success on a
 * target that is up reports nothing, so on the usual path the gate costs one load and one frame.
 *
 * Threads: its worker's; the word is shared by all.
 * Errors:  NO_TARGET while op->target is set: this one is not to be had, another may be. */
#ifndef PANDO_BREAKER_GATE_STAGE_H
#define PANDO_BREAKER_GATE_STAGE_H

#include "path/op.h"
#include "path/service.h"
#include "path/stage.h"

struct gate_stage {
    struct stage    stage; /* first */
    struct service *service;
};

/* Needs no fini. @service and @below are borrowed. */
void gate_stage_init(struct gate_stage *stage, struct service *service, struct stage *below);

#endif
