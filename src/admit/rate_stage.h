/* SPDX-License-Identifier: Apache-2.0 */
/* admit/rate_stage.h - how often each client may ask. Above the limits on requests in flight.
 *
 * A request over its client's rate is answered with 429, Retry-After and the fields of
 * draft-ietf-httpapi-ratelimit-headers: RateLimit-Policy (how many in how long) and RateLimit
 * (how many are left, and when there is one more). Only where a rate is set.
 *
 * Threads: its worker's; the table is shared.
 * Errors:  RATE_LIMIT. */
#ifndef PANDO_ADMIT_RATE_STAGE_H
#define PANDO_ADMIT_RATE_STAGE_H

#include "admit/admit_settings.h"
#include "admit/rate_table.h"
#include "path/client_key.h"
#include "path/service.h"

struct rate_stage {
    struct stage           stage; /* first */
    struct service        *service;
    struct rate_table     *table;
    struct rate            rate;
    struct client_key_rule rule;
    struct hash_key        key;
    bool                   forgets;
    bool                   tells;
    char                   policy[64]; /* the RateLimit-Policy line */
};

/* @settings has requests, and its key was checked; it and all else is borrowed. */
void rate_stage_init(struct rate_stage *stage, struct service *service, struct rate_table *table,
                     const struct rate_settings *settings, struct hash_key key,
                     struct stage *below);

#endif
