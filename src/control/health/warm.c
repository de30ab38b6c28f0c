/* SPDX-License-Identifier: Apache-2.0 */
/* control/health/warm.c - weights, less while a target starts slowly, and as its agent says.
 *
 * Weights are whole numbers and most often 1, so while somebody in a service starts slowly, or has
 * an agent that says another percent than 100, all its weights are counted in hundredths. If all
 * start at once nobody does: they share alike. */
#include "control/health/warm.h"

#include "control/health/health.h"
#include "control/members.h"

static bool is_warming(const struct registry_target *rt)
{
    return rt->warm_since_ns != 0;
}

/* True: it has changed. At most 256 * 250, so it fits. */
static bool weigh(struct registry_target *rt, bool is_counted_in_hundredths)
{
    const uint32_t warm = WARM_WHOLE - rt->target.withheld_percent;
    const uint32_t before = rt->target.weight;
    uint32_t weight = rt->target.weight_said;
    if (is_counted_in_hundredths)
        weight = weight * warm * rt->target.agent_percent / WARM_WHOLE;
    rt->target.weight = (uint16_t)(weight > 0 ? weight : 1);
    return rt->target.weight != before;
}

void registry__weigh(struct registry_target *rt)
{
    (void)weigh(rt, rt->service->is_warming);
}

/* Is there one that takes requests and does not start slowly? */
static bool any_warm(const struct registry_service *service)
{
    for (size_t i = 0; i < service->targets_count; i++) {
        if (!is_warming(service->targets[i]) &&
            registry__takes(service->targets[i], service->is_panic))
            return true;
    }
    return false;
}

/* True: its percent has changed. */
static bool grow(struct registry_target *rt, bool is_slow, uint64_t now_ns)
{
    const struct health_settings *settings = &rt->service->health->settings;
    const uint64_t since_ns = now_ns - rt->warm_since_ns;
    uint32_t percent = WARM_WHOLE;
    if (is_warming(rt) && (settings->slow_start_ns == 0 || since_ns >= settings->slow_start_ns))
        rt->warm_since_ns = 0;
    if (is_warming(rt) && is_slow)
        percent = warm_percent(since_ns,
                               &(struct warm_curve){.window_ns = settings->slow_start_ns,
                                                    .least = settings->slow_start_least,
                                                    .aggression = settings->slow_start_aggression});
    const uint8_t withheld = (uint8_t)(WARM_WHOLE - percent);
    const bool has_changed = rt->target.withheld_percent != withheld;
    rt->target.withheld_percent = withheld;
    if (has_changed)
        registry__stand(rt); /* what is shown of it */
    return has_changed;
}

bool registry__warm_step(struct registry_service *service, uint64_t now_ns)
{
    const bool is_slow = any_warm(service);
    bool has_changed = false, is_warming_now = false;
    for (size_t i = 0; i < service->targets_count; i++) {
        has_changed = grow(service->targets[i], is_slow, now_ns) || has_changed;
        is_warming_now = is_warming_now || service->targets[i]->target.withheld_percent > 0 ||
                         service->targets[i]->target.agent_percent != WARM_WHOLE;
    }
    service->is_warming = is_warming_now;
    for (size_t i = 0; i < service->targets_count; i++)
        has_changed = weigh(service->targets[i], is_warming_now) || has_changed;
    return has_changed;
}

void registry__warm_look(struct registry_service *service, uint64_t now_ns)
{
    if (service->slow_count == 0 && !service->is_warming)
        return;
    service->slow_count = 0;
    const bool has_changed = registry__warm_step(service, now_ns);
    for (size_t i = 0; i < service->targets_count; i++)
        service->slow_count += is_warming(service->targets[i]);
    if (has_changed)
        registry__publish(service);
}

void registry__warm_start(struct registry_target *rt)
{
    struct registry_service *service = rt->service;
    if (!rt->registry->started || service->health->settings.slow_start_ns == 0)
        return;
    rt->warm_since_ns = rt->registry->sources.loop->now_ns;
    service->slow_count++;
    (void)registry__warm_step(service, rt->warm_since_ns); /* the caller publishes */
}

void registry__warm_init(struct registry_target *rt, const struct registry_target *before)
{
    if (before == NULL)
        return;
    rt->warm_since_ns = before->warm_since_ns;
    rt->target.withheld_percent = before->target.withheld_percent;
}
