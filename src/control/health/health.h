/* SPDX-License-Identifier: Apache-2.0 */
/* control/health/health.h - what control itself finds of targets, and what operators say of them.
 *
 *     check.c      active health checks
 *     eject.c      outliers: what workers counted, and what follows
 *     circuit.c    circuit breakers of targets: likewise
 *     operate.c    drains and weights that operators order
 *     warm.c       weights, less while a target starts slowly
 *     standing.c   who may be in the set: the order of what is said of a target
 *
 * For control/ alone. What workers report of connects is control/health.c.
 *
 * Threads: the control thread. */
#ifndef PANDO_CONTROL_HEALTH_HEALTH_H
#define PANDO_CONTROL_HEALTH_HEALTH_H

#include "control/registry_inside.h"

/* What is told and shown while health is ignored. */
#define REGISTRY_PANIC                                                                             \
    "fewer targets are well than health.panic-below says, so checks and ejections are ignored"

/* --- ../health.c ------------------------------------------------------------------------------ */

/* service.reported: from any worker. */
void registry__reported(struct service *service, struct target *target, bool ok,
                        const char *reason);

/* Prepares the part of a new target that health.c owns; goes on with the state of @before if
 * there was one. */
void registry__health_init(struct registry_target *target, const struct registry_target *before);

/* One that is paused may be tried by a request now. */
void registry__health_try(struct registry_target *target);

/* Works out what workers see of a target from its pause and its circuit breaker. True: the caller
 * has to publish. */
bool registry__settle(struct registry_target *target) must_check;

/* Starts the timer that a target's state asks for. */
void registry__health_arm(struct registry_target *target);

/* Trials that were claimed and never reported are offered again. */
void registry__health_tick(struct registry_service *service, uint64_t now_ns);

/* --- check.c ---------------------------------------------------------------------------------- */

/* A copy of @settings (NULL: no checks); NULL: no memory. */
struct registry_health *registry__health_copy(const struct health_settings *settings) must_check;

/* Puts @health in force, which is taken over; registry__health_took() when the targets of the new
 * settings are in force too. */
void registry__health_take(struct registry_service *service, struct registry_health *health);
void registry__health_took(struct registry_service *service);

/* Prepares a new target; goes on with what is known of @before if there was one. */
void registry__check_init(struct registry_target *target, const struct registry_target *before);

/* Asks from now on, if the settings say so. */
void registry__check_arm(struct registry_target *target);
void registry__check_arm_all(struct registry_service *service);

/* Asks no more; a check that is under way is called off. */
void registry__check_stop(struct registry_target *target);

/* --- eject.c ---------------------------------------------------------------------------------- */

/* Goes on with what is known of @before. */
void registry__outlier_init(struct registry_target *target, const struct registry_target *before);

/* Looks at what workers counted, and ejects or takes back. */
void registry__outlier_look(struct registry_service *service, uint64_t now_ns);

/* service.troubled: from any worker. What was counted is looked at soon. */
void registry__troubled(struct service *service);
void registry__look_asked(struct post *post);

/* A health check has passed: ends an ejection, if settings say so. */
void registry__outlier_passed(struct registry_target *target);

/* --- circuit.c -------------------------------------------------------------------------------- */

/* Puts rules in force (NULL: no circuit breakers, and none is open any more). The caller has put
 * the targets in force that they are for. */
void registry__circuit_take(struct registry_service *service, const struct circuit_rules *rules);

/* Every 100 ms: looks at what workers counted. */
void registry__circuit_look(struct registry_service *service, uint64_t now_ns);

/* Why it is not closed. */
void registry__circuit_write_reason(const struct registry_target *target, char *out, size_t room);

/* --- operate.c -------------------------------------------------------------------------------- */

/* Reads the orders of before. */
void registry__orders_load(struct registry *registry);

/* Drops the orders that settings have taken back. */
void registry__orders_prune(struct registry *registry);

/* Puts in force what is ordered for it, if anything; the caller publishes. */
void registry__order_apply(struct registry_target *target);

/* --- warm.c ----------------------------------------------------------------------------------- */

/* Works out its weight anew; the caller publishes. */
void registry__weigh(struct registry_target *target);

/* It has just come, or come back: starts slowly, if settings say so. The caller publishes. */
void registry__warm_start(struct registry_target *target);

/* Every 100 ms: weights grow. The second does not publish; true: something has changed. */
void registry__warm_look(struct registry_service *service, uint64_t now_ns);
bool registry__warm_step(struct registry_service *service, uint64_t now_ns);

/* Goes on with what is known of @before. */
void registry__warm_init(struct registry_target *target, const struct registry_target *before);

/* --- standing.c ------------------------------------------------------------------------------- */

/* Are so few of @targets well that health is ignored? */
bool registry__is_panic(const struct registry_service *service,
                        struct registry_target *const *targets, size_t count);

/* May requests be given to it? */
bool registry__takes(const struct registry_target *target, bool is_panic);

/* Is it drained and well, so that clients that were there before may come back? */
bool registry__keeps(const struct registry_target *rt);
bool registry__any_takes(const struct registry_service *service);

/* Tells it if no target takes requests. */
void registry__tell_if_none(const struct registry_service *service);

/* Works out its standing and the reason anew; the caller publishes. */
void registry__stand(struct registry_target *target);

/* Works out anew whether health is ignored, and tells it if that has changed. */
void registry__mark_panic(struct registry_service *service);

#endif
