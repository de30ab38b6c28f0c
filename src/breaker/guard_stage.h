/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/guard_stage.h - the guard: may it be tried again? Above balance.
 *
 * An attempt of which nothing was sent goes to another target, up to `tries` targets; one that the
 * gate refused was not offered and does not count. An attempt on a kept connection that turned out
 * to be dead is repeated once, if nothing was sent or the method is idempotent: elsewhere, or at
 * the same target if there is no other. Nothing is repeated after a byte of its body was used,
 * after the client left, or past the deadline. Whether to repeat follows from the error row's
 * `sent`.
 *
 * Of several errors the client gets the most telling: one after which the request may have been
 * carried out, else one that a target gave cause for, else that no target was left.
 *
 * Threads: its worker's.
 * Errors:  those of the rooms below; MEMORY. */
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

/* Needs no fini. All is borrowed. */
void guard_stage_init(struct guard_stage *stage, struct service *service,
                      const struct breaker_settings *settings, struct stage *below);

#endif
