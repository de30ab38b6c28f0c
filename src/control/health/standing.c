/* SPDX-License-Identifier: Apache-2.0 */
/* control/health/standing.c - who is in the set: an operator's word, checks, ejections.
 *
 * What an agent says comes last.
 *
 * The gates' own word (up, paused, trial) says whether a target can be connected to; what is here
 * comes on top of it and is strongest first. If too few are well, the fault is likelier in what
 * judges them, so judgement is ignored; but no target is used that could not be connected to. */
#include "control/health/health.h"
#include "control/members.h"

#include "control/health/warm.h"

#include <stdio.h>

static bool is_well(const struct registry_target *rt)
{
    return !rt->check.is_down && rt->outlier.until_ns == 0 && !registry__agent_is_down(rt);
}

/* By an operator, here or through its agent: nothing overrides that. */
static bool is_ordered_out(const struct registry_target *rt)
{
    return rt->is_drained || registry__agent_orders_out(rt);
}

bool registry__is_panic(const struct registry_service *service,
                        struct registry_target *const *targets, size_t count)
{
    const uint32_t percent = service->health == NULL ? 0 : service->health->settings.panic;
    size_t asked = 0, well = 0, judged = 0;
    for (size_t i = 0; i < count; i++) {
        if (is_ordered_out(targets[i]))
            continue;
        asked++;
        well += targets[i]->state == TARGET_UP && is_well(targets[i]);
        judged += !is_well(targets[i]);
    }
    return judged > 0 && well * 100 < asked * percent;
}

bool registry__takes(const struct registry_target *rt, bool is_panic)
{
    return !is_ordered_out(rt) && set_takes(rt->state) && (is_panic || is_well(rt));
}

bool registry__keeps(const struct registry_target *rt)
{
    return rt->is_drained && set_takes(rt->state) && is_well(rt);
}

static enum target_state standing_of(const struct registry_target *rt)
{
    if (rt->is_drained)
        return TARGET_DRAINING;
    if (rt->check.is_down)
        return TARGET_DOWN;
    if (rt->outlier.until_ns != 0)
        return TARGET_EJECTED;
    if (registry__agent_orders_out(rt))
        return TARGET_DRAINING;
    return registry__agent_is_down(rt) ? TARGET_DOWN : TARGET_UP;
}

static void write_reason(struct registry_target *rt, enum target_state standing)
{
    char *out = rt->target.standing_reason;
    const size_t room = sizeof rt->target.standing_reason;
    if (rt->is_drained)
        (void)snprintf(out, room, "an operator drains it");
    else if (rt->check.is_down)
        (void)snprintf(out, room, "health check: %s", rt->check.why);
    else if (standing == TARGET_EJECTED)
        outlier_write_reason(&rt->outlier, out, room);
    else if (rt->pause != TARGET_PAUSED && rt->circuit.state != CIRCUIT_CLOSED)
        registry__circuit_write_reason(rt, out, room);
    else if (standing == TARGET_UP && rt->target.withheld_percent > 0)
        (void)snprintf(out, room, "slow start: %d %% of its weight",
                       WARM_WHOLE - rt->target.withheld_percent);
    else
        registry__agent_write_reason(rt, out, room);
}

void registry__stand(struct registry_target *rt)
{
    const enum target_state standing = standing_of(rt);
    write_reason(rt, standing);
    atomic_store_explicit(&rt->target.standing, standing, memory_order_relaxed);
}

void registry__mark_panic(struct registry_service *service)
{
    const bool was = service->is_panic;
    service->is_panic = registry__is_panic(service, service->targets, service->targets_count);
    for (size_t i = 0; i < service->targets_count; i++) {
        struct registry_target *rt = service->targets[i];
        rt->target.takes_anyway = !is_well(rt) && registry__takes(rt, service->is_panic);
    }
    if (service->is_panic == was)
        return;
    registry__tell(service->registry, was ? REGISTRY_TELL_CHANGE : REGISTRY_TELL_TROUBLE,
                   was ? "%s: enough targets are well again; checks and ejections hold"
                       : "%s: " REGISTRY_PANIC,
                   service->service.name);
}

bool registry__any_takes(const struct registry_service *service)
{
    for (size_t i = 0; i < service->targets_count; i++) {
        if (registry__takes(service->targets[i], service->is_panic))
            return true;
    }
    return false;
}

void registry__tell_if_none(const struct registry_service *service)
{
    if (!registry__any_takes(service))
        registry__tell(service->registry, REGISTRY_TELL_TROUBLE,
                       "%s: no target is left; requests are answered with 503",
                       service->service.name);
}
