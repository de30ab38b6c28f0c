/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/concurrency/target_limit_stage.h - at most so many requests at one target. Between
 * balance and gate; only where `concurrency.per-target` is set.
 *
 * Balance counts a request at its target before it passes here, so a target never has more than it
 * may; two that come at once to its last place may both be refused. One that is refused goes to
 * another target, and waits if all are full (concurrency_stage.h).
 *
 * Memory:  none of its own; it lives in its path.
 * Threads: its worker's.
 * Errors:  NO_TARGET while op->target is set, and op->found_full. */
#ifndef PANDO_BREAKER_CONCURRENCY_TARGET_LIMIT_STAGE_H
#define PANDO_BREAKER_CONCURRENCY_TARGET_LIMIT_STAGE_H

#include "path/op.h"
#include "path/service.h"

struct target_limit_stage {
    struct stage    stage; /* first */
    struct service *service;
    uint32_t        most;
};

/* Needs no fini; all is borrowed. */
void target_limit_stage_init(struct target_limit_stage *stage, struct service *service,
                             uint32_t most, struct stage *below);

#endif
