/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/retry/budget.h - how many repeated attempts of a service may be under way at a time.
 *
 * At most the larger of a number and a share of the requests in flight, over all workers. What is
 * in flight is the sum over the targets, taken only when somebody asks: no other request pays for
 * a count.
 *
 * Memory:  one atomic in the service. Threads: any. Errors: none. */
#ifndef PANDO_BREAKER_RETRY_BUDGET_H
#define PANDO_BREAKER_RETRY_BUDGET_H

#include "breaker/retry/retry_settings.h"
#include "path/service.h"

/* True: one more, and exactly one budget_give() must follow. @worker: whose view is looked at. */
bool budget_take(struct service *service, unsigned worker, const struct retry_settings *settings)
    must_check;
void budget_give(struct service *service);

#endif
