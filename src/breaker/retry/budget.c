/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/retry/budget.c - one atomic, and the targets' requests in flight. */
#include "breaker/retry/budget.h"

#include "breaker/retry/retry.h"

static uint64_t count_active(const struct target_set *set)
{
    uint64_t active = 0;
    for (uint32_t i = 0; set != NULL && i < set->count; i++)
        active += atomic_load_explicit(&set->at[i]->inflight, memory_order_relaxed);
    return active;
}

bool budget_take(struct service *service, unsigned worker, const struct retry_settings *settings)
{
    const uint32_t least = (uint32_t)settings->budget_min;
    const uint32_t percent = (uint32_t)settings->budget_percent;
    const uint32_t inflight =
        atomic_fetch_add_explicit(&service->retries_inflight, 1, memory_order_relaxed) + 1;
    if (inflight <= least ||
        inflight <= retry_budget(count_active(service->views[worker].set), percent, least))
        return true;
    budget_give(service);
    return false;
}

void budget_give(struct service *service)
{
    atomic_fetch_sub_explicit(&service->retries_inflight, 1, memory_order_relaxed);
}
