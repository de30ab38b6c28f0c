/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/retry/budget.c - one atomic, and the workers' attempts in flight. */
#include "breaker/retry/budget.h"

#include "breaker/retry/retry.h"

void budget_begin(struct service *service, unsigned worker)
{
    row_add(&service->rows[worker].attempts_inflight, 1);
}

void budget_end(struct service *service, unsigned worker)
{
    row_add(&service->rows[worker].attempts_inflight, UINT64_MAX); /* one less */
}

static uint64_t count_active(const struct service *service)
{
    uint64_t active = 0;
    for (unsigned i = 0; i < service->workers_count; i++)
        active += atomic_load_explicit(&service->rows[i].attempts_inflight, memory_order_relaxed);
    return active;
}

bool budget_take(struct service *service, const struct retry_settings *settings)
{
    const uint32_t least = (uint32_t)settings->budget_min;
    const uint32_t percent = (uint32_t)settings->budget_percent;
    const uint32_t inflight =
        atomic_fetch_add_explicit(&service->retries_inflight, 1, memory_order_relaxed) + 1;
    if (inflight <= least || inflight <= retry_budget(count_active(service), percent, least))
        return true;
    budget_give(service);
    return false;
}

void budget_give(struct service *service)
{
    atomic_fetch_sub_explicit(&service->retries_inflight, 1, memory_order_relaxed);
}
