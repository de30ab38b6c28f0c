/* SPDX-License-Identifier: Apache-2.0 */
/* control/members.h - a service's targets: planned, put in force, published. For control/ alone.
 *
 * Threads: the control thread. */
#ifndef PANDO_CONTROL_MEMBERS_H
#define PANDO_CONTROL_MEMBERS_H

#include "control/registry_inside.h"

/* Everything that a change of a service needs, taken beforehand so that putting it in force
 * cannot fail. */
struct registry_plan {
    struct registry_service *service;
    struct wanted           *wanted;
    size_t                   wanted_count;
    size_t                   left_out_count;
    struct registry_target **targets; /* old and new ones, in order */
    struct target_set       *set;
};

/* Plans what @names (with their answers) make of @service's targets. False: no memory; the plan
 * is empty. */
bool registry__plan(struct registry_plan *plan, struct registry_service *service,
                    struct registry_name *const *names, size_t names_count) must_check;

/* Puts it in force and publishes. Tells who comes and leaves if @is_told. */
void registry__plan_commit(struct registry_plan *plan, bool is_told);

/* Gives back what was not committed. Accepts zero. */
void registry__plan_drop(struct registry_plan *plan);

/* The answers of the service's names have changed: plans and commits; without memory it is done
 * at a later tick. */
void registry__renew(struct registry_service *service);

/* The state of a target has changed: builds a set and publishes it; without memory likewise. */
void registry__publish(struct registry_service *service);

/* Lets go of all targets and sets: nobody names the service any more. */
void registry__dissolve(struct registry_service *service);

#endif
