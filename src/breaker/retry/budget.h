/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/retry/budget.h - how many repeated attempts of a service may be under way at a time.
 *
 * At most the larger of a number and a share of the requests in flight, over all workers. In flight
 * are also those at targets that are out of service: a server that has stopped is ejected while it
 * holds most of them, and they are the ones to be repeated. One whose error is held back until
 * there is a place is not. Each worker counts its own; they are added only when somebody asks.
 *
 * Memory:  one atomic in the service, and a count in each worker's row.
 * Threads: any; budget_begin() and budget_end() on the worker whose count it is. Errors: none. */
#ifndef PANDO_BREAKER_RETRY_BUDGET_H
#define PANDO_BREAKER_RETRY_BUDGET_H

#include "breaker/retry/retry_settings.h"
#include "path/service.h"

/* An attempt of @worker is in flight, until it ends. */
void budget_begin(struct service *service, unsigned worker);
void budget_end(struct service *service, unsigned worker);

/* True: one more, and exactly one budget_give() must follow. */
bool budget_take(struct service *service, const struct retry_settings *settings) must_check;
void budget_give(struct service *service);

#endif
