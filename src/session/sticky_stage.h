/* SPDX-License-Identifier: Apache-2.0 */
/* session/sticky_stage.h - the session room: a client that comes back gets the target it had, and
 * nothing of that is kept here.
 *
 * On the way down the cookie is opened and taken out of what the target gets to see, and the
 * balance room is told whom it is for (op->sticky). On the way up, whoever answered goes into a new
 * cookie if it was another one, or if the cookie is old. Only where a key file is set.
 *
 * Memory:  a frame per op in its arena; the keys are borrowed, and outlive the stage.
 * Threads: its worker's.
 * Errors:  MEMORY. */
#ifndef PANDO_SESSION_STICKY_STAGE_H
#define PANDO_SESSION_STICKY_STAGE_H

#include "path/service.h"
#include "path/stage.h"
#include "session/sticky.h"

struct sticky_stage {
    struct stage    stage; /* first */
    struct service *service;
    struct sticky   sticky;
};

/* @settings has a key file, of which @keys were read. */
void sticky_stage_init(struct sticky_stage *stage, struct service *service,
                       const struct sticky_settings *settings, const struct session_keys *keys,
                       struct stage *below);

#endif
