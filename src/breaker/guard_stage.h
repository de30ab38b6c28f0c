/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/guard_stage.h - the guard: may it be tried again? Above balance.
 *
 * An attempt of which nothing was sent goes to another target, up to `tries` targets. One on a kept connection that
 * turned out to be dead is repeated once, if its method is idempotent and nothing of its body has been used up. The decision
 * follows from the error row's `sent`, never from a status. */
#ifndef PANDO_BREAKER_GUARD_STAGE_H
#define PANDO_BREAKER_GUARD_STAGE_H

#include "breaker/breaker_settings.h"
#include "path/op.h"
#include "path/service.h"
#include "path/stage.h"

struct guard_stage {
    struct stage                   stage; /* first */
    struct service                *service;
    const struct breaker_settings *settings; /* borrowed from the path */
};

void guard_stage_init(struct guard_stage *stage, struct service *service, const struct breaker_settings *settings,
                      struct stage *below);

#endif
