/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/guard_stage.h - the guard: may it be tried again? Above balance.
 *
 * What follows on a failed attempt is retry_after()'s to say (breaker/retry/retry.h). An attempt
 * that may have been carried out needs a place in the service's budget, which all workers share;
 * if there is none it waits, with what it would otherwise answer, until one is free or
 * `retry.budget-wait` is over. An answer with a status that is repeated is swallowed once that is
 * decided; one whose head has gone up never is.
 *
 * A request whose client will not wait as long as half of the answers take is refused at once.
 *
 * Of several errors the client gets the most telling: one after which the request may have been
 * carried out, else one that a target gave cause for, else that no target was left.
 *
 * Memory:  a frame per op in its arena; of bodies that may be sent again up to `retry.replay-bytes`
 *          are kept, as references to what was received.
 * Threads: its worker's; the budget is shared by all.
 * Errors:  those of the rooms below; TARGET_ERROR; DEADLINE; MEMORY. */
#ifndef PANDO_BREAKER_GUARD_STAGE_H
#define PANDO_BREAKER_GUARD_STAGE_H

#include "breaker/breaker_settings.h"
#include "breaker/retry/recent.h"
#include "breaker/retry/retry_settings.h"
#include "config/value/statuses.h"
#include "core/slab.h"
#include "path/op.h"
#include "path/service.h"
#include "path/stage.h"

/* Borrowed from the path. */
struct guard_settings {
    const struct breaker_settings *breaker;
    const struct retry_settings   *retry;
};

struct guard_stage {
    struct stage           stage; /* first */
    struct service        *service;
    struct guard_settings  settings;
    struct config_statuses statuses; /* of retry.statuses */
    struct slab            logs;     /* struct pipe_log */
    struct list            waiting;  /* ops that wait for a place in the budget; the oldest first */
    uint32_t               waiting_count;
    bool                   is_serving;
    struct recent          recent; /* how long answers take, from here to their heads */
};

/* All is borrowed. */
void guard_stage_init(struct guard_stage *stage, struct service *service,
                      const struct guard_settings *settings, struct stage *below);

/* No op is below any more. Accepts zero. */
void guard_stage_fini(struct guard_stage *stage);

#endif
