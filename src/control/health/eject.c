/* SPDX-License-Identifier: Apache-2.0 */
/* control/health/eject.c - outliers: what workers counted, and what follows from it. */
#include "control/health/health.h"
#include "control/members.h"

#include "core/units.h"

static struct outlier *outlier_at(void *self, size_t index)
{
    struct registry_service *service = self;
    return &service->targets[index]->outlier;
}

static bool is_used(const struct outlier_settings *settings)
{
    return settings->errors != 0 || settings->gateway != 0 || settings->local != 0 ||
           settings->silent != 0 || settings->deviations != 0 || settings->error_percent != 0;
}

/* One that cannot be connected to is the gate's, and comes back by a trial, not by the clock. */
static void gather(struct registry_target *rt)
{
    struct outlier_window window = {0};
    for (unsigned i = 0; i < rt->target.workers_count; i++)
        outlier_gather(&window, &rt->target.rows[i]);
    if (rt->state != TARGET_UP || rt->outlier.until_ns != 0)
        outlier_forget(&rt->outlier);
    else
        outlier_count(&rt->outlier, &window);
}

static void tell(const struct registry_target *rt)
{
    struct registry *registry = rt->registry;
    const char *service = rt->service->service.name;
    if (rt->outlier.until_ns != 0)
        registry__tell(registry, REGISTRY_TELL_TROUBLE, "%s: %s is ejected for %.1f s: %s", service,
                       rt->target.name, (double)rt->outlier.pause_ns / 1e9,
                       rt->target.standing_reason);
    else
        registry__tell(registry, REGISTRY_TELL_CHANGE, "%s: %s is ejected no more", service,
                       rt->target.name);
}

static void changed(struct registry_target *rt)
{
    rt->target.ejections_count = rt->outlier.ejections_total;
    if (rt->outlier.until_ns == 0)
        registry__warm_start(rt);
    registry__stand(rt);
    if (!rt->is_drained && !rt->check.is_down)
        tell(rt);
}

/* Every so many bad outcomes that one worker sees in a row may be as many as settings name, the
 * other workers' included. */
static void publish_look_after(struct registry_service *service)
{
    const struct outlier_settings *settings = &service->outlier;
    const uint64_t limits[] = {settings->errors, settings->gateway, settings->local};
    uint64_t least = 0;
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        if (limits[i] != 0 && (least == 0 || limits[i] < least))
            least = limits[i];
    const uint64_t share = least / service->service.workers_count;
    atomic_store_explicit(&service->service.look_after,
                          (uint32_t)(least == 0 || share > 0 ? share : 1), memory_order_relaxed);
}

void registry__look_asked(struct post *post)
{
    struct registry *registry = list_item(post, struct registry, look_post);
    struct loop *loop = registry->sources.loop;
    const uint64_t soonest_ns = registry->looked_ns + REGISTRY_LOOK_MIN_MS * NS_PER_MS;
    atomic_store_explicit(&registry->is_look_asked, false, memory_order_seq_cst);
    if (!registry->stopping)
        timer_set(&loop->timers, &registry->look,
                  soonest_ns > loop->now_ns ? soonest_ns : loop->now_ns);
}

void registry__troubled(struct service *service)
{
    struct registry *registry = registry_service_of(service)->registry;
    if (!atomic_exchange_explicit(&registry->is_look_asked, true, memory_order_seq_cst))
        loop_post(registry->sources.loop, &registry->look_post);
}

void registry__outlier_look(struct registry_service *service, uint64_t now_ns)
{
    struct outliers outliers = {.at = outlier_at,
                                .self = service,
                                .count = service->targets_count,
                                .random = &service->registry->random,
                                .sweep_ns = service->sweep_ns};
    const bool was_used = service->is_ejecting;
    service->is_ejecting = is_used(&service->outlier);
    publish_look_after(service);
    for (size_t i = 0; i < service->targets_count && service->is_ejecting; i++) {
        gather(service->targets[i]);
        if (!was_used) /* what came before is not held against anybody */
            outlier_restart(&service->targets[i]->outlier);
    }
    const bool has_changed = outlier_look(&outliers, &service->outlier, now_ns);
    service->sweep_ns = outliers.sweep_ns;
    if (!has_changed)
        return;
    for (size_t i = 0; i < service->targets_count; i++) {
        if (service->targets[i]->outlier.has_changed)
            changed(service->targets[i]);
    }
    registry__publish(service);
}

void registry__outlier_passed(struct registry_target *rt)
{
    if (!rt->service->outlier.check_returns || !outlier_return(&rt->outlier))
        return;
    changed(rt);
    registry__publish(rt->service);
}

void registry__outlier_init(struct registry_target *rt, const struct registry_target *before)
{
    if (before == NULL)
        return;
    rt->outlier = before->outlier;
    rt->target.ejections_count = before->target.ejections_count;
}
