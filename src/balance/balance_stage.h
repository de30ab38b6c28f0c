/* SPDX-License-Identifier: Apache-2.0 */
/* balance/balance_stage.h - the balance room: picks op->target and counts what becomes of the attempt.
 *
 * Memory:  the strategy's state is owned; a frame per attempt lies in the op's arena.
 * Threads: its worker's. */
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
    const struct target_set       *set; /* the view's; changes only by listener.changed */
    const struct balance_strategy *strategy;
    void                          *state;
};

/* @strategy is a name of BALANCE_STRATEGIES. On the worker's thread. False: no memory. */
bool balance_stage_init(struct balance_stage *stage, struct worker *worker, struct service *service,
                        const char *strategy, struct stage *below) must_check;

/* No op is below any more. Accepts zero. */
void balance_stage_fini(struct balance_stage *stage);

#endif
