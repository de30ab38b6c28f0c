/* SPDX-License-Identifier: Apache-2.0 */
/* balance/balance_stage.h - the balance room: picks op->target and counts what becomes of the
 * attempt.
 *
 * The op holds its target until another is picked or the op is freed. Targets in op->tried are
 * passed over, and after a refusal so are those that are not UP, as long as others are left.
 *
 * Memory:  the strategy's state is owned; a frame per attempt lies in the op's arena. The set is
 *          the view's, borrowed until listener.changed.
 * Threads: its worker's; target->inflight is shared by all.
 * Errors:  NO_TARGET with op->target NULL if nobody is left; MEMORY. Both were not sent. */
#ifndef PANDO_BALANCE_BALANCE_STAGE_H
#define PANDO_BALANCE_BALANCE_STAGE_H

#include "balance/balance.h"
#include "path/op.h"
#include "path/service.h"
#include "path/stage.h"

struct balance_stage {
    struct stage                   stage; /* first */
    struct worker                 *worker;
    struct service                *service;
    struct service_listener        listener;
    const struct target_set       *set; /* never NULL */
    const struct balance_strategy *strategy;
    void                          *state; /* NULL: stateless, or there was no memory for this set */
    uint64_t                       tick_at_ns;
};

/* @strategy is a name of BALANCE_STRATEGIES. On the worker's thread. False: no memory, and nothing
 * to free. */
bool balance_stage_init(struct balance_stage *stage, struct worker *worker, struct service *service,
                        const char *strategy, struct stage *below) must_check;

/* No op is below any more. Accepts zero. */
void balance_stage_fini(struct balance_stage *stage);

#endif
