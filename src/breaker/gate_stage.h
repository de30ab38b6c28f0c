/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/gate_stage.h - the gate: is that target well? Below balance; a refusal goes back to guard.
 *
 * A set is a snapshot, so a target in it may have failed a moment ago; the gate reads its state word. A target in TRIAL
 * is given to exactly one op, which claims it by compare-and-swap. What connecting taught is reported to control,
 * on changes only: for a target that is up and stays up the gate costs one load. */
#ifndef PANDO_BREAKER_GATE_STAGE_H
#define PANDO_BREAKER_GATE_STAGE_H

#include "path/op.h"
#include "path/service.h"
#include "path/stage.h"

struct gate_stage {
    struct stage    stage; /* first */
    struct service *service;
};

void gate_stage_init(struct gate_stage *stage, struct service *service, struct stage *below);

#endif
