/* SPDX-License-Identifier: Apache-2.0 */
/* control/set.h - immutable snapshots of the targets in service.
 *
 * Memory:  a set holds a reference to each of its targets; the last set_unref() lets go of them and
 *          frees it. A target is never freed here: the registry looks at the counts.
 * Threads: set_unref() on any. */
#ifndef PANDO_CONTROL_SET_H
#define PANDO_CONTROL_SET_H

#include "path/target.h"

/* May requests be given to it? */
static inline bool set_takes(enum target_state state)
{
    return state == TARGET_UP || state == TARGET_TRIAL;
}

/* A set of @targets in that order, with one reference; NULL: no memory. The first @count take
 * requests, and then @draining_count only those of clients that were there before. Who does is for
 * the caller to say: a target's own word may say PAUSED because a worker has claimed its trial. */
must_check struct target_set *set_new(struct target *const *targets, size_t count,
                                      size_t draining_count, uint64_t version);

/* One reference more. */
void set_ref(struct target_set *set);

/* Accepts NULL. */
void set_unref(struct target_set *set);

#endif
