/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/retry/hedge_stage.h - a second attempt beside one that takes long. Above guard; only
 * where `retry.hedge` is set.
 *
 * After a delay (what 95 % of the answers of late took, or a fixed one) an idempotent request
 * without a body goes to a second target as well, if there is another and the budget of retries
 * has a place. The first good answer goes up; the other attempt is cancelled, and what may still
 * come of it swallowed. The second attempt is not repeated; the first may be.
 *
 * Interim answers (1xx) of a request that may be hedged are dropped, as RFC 9110 allows. Each such
 * request costs an op more, hedged or not.
 *
 * Memory:  a join and its children from slabs; they may outlive the parent, so each join holds the
 *          path, by `hold` and `release`.
 * Threads: its worker's.
 * Errors:  those of the rooms below; MEMORY. */
#ifndef PANDO_BREAKER_RETRY_HEDGE_STAGE_H
#define PANDO_BREAKER_RETRY_HEDGE_STAGE_H

#include "breaker/retry/recent.h"
#include "breaker/retry/retry_settings.h"
#include "path/join.h"
#include "path/service.h"
#include "path/stage.h"

/* The path that the rooms belong to. */
struct hedge_path {
    void *path;
    void (*hold)(void *path);
    void (*release)(void *path);
};

struct hedge_stage {
    struct stage                 stage; /* first */
    struct service              *service;
    const struct retry_settings *settings;
    struct hedge_path            path;
    struct join_depot            depot;
    struct recent                recent; /* how long answers take, from here to their heads */
};

/* All is borrowed. @below is submitted to by the parent or its children. */
void hedge_stage_init(struct hedge_stage *stage, struct worker *worker, struct service *service,
                      const struct retry_settings *settings, struct stage *below);

/* No op is below any more. Accepts zero. */
void hedge_stage_fini(struct hedge_stage *stage);

#endif
