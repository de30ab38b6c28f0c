/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/concurrency/concurrency_stage.h - guard's part that lets in as many requests as the
 * service can do at once, and has the others wait. Above the attempts, so that a request has one
 * permit for all of them. Only where `concurrency` is set.
 *
 * The permit is held until the request's end, and its latency counts to the answer's head. Signs
 * of overload are 429, 503 and 504, timeouts, and answers that take longer than slow-after; errors
 * that say nothing of it (a refused connection, a client that left) are not counted at all.
 *
 * A request of which nothing was sent since all targets had all they may (target_limit_stage.h)
 * gives its permit back and waits again, as the next of all.
 *
 * Memory:  a frame in the op's arena, and for one that waits some 200 bytes more.
 * Threads: its worker's; permits are shared.
 * Errors:  OVERLOAD with Retry-After; MEMORY; CANCELLED while it waits. */
#ifndef PANDO_BREAKER_CONCURRENCY_CONCURRENCY_STAGE_H
#define PANDO_BREAKER_CONCURRENCY_CONCURRENCY_STAGE_H

#include "breaker/concurrency/concurrency_settings.h"
#include "breaker/concurrency/permits.h"
#include "path/client_key.h"
#include "path/stage.h"

struct concurrency_stage {
    struct stage                       stage; /* first */
    struct service                    *service;
    struct permits_worker             *permits;
    const struct concurrency_settings *settings;
    struct client_key_rule             rule;
    struct hash_key                    key;
};

/* What the stage is given; all is borrowed. */
struct concurrency_parts {
    struct worker                     *worker;
    struct service                    *service;
    struct permits                    *permits;
    const struct concurrency_settings *settings; /* concurrency_is_on() */
    struct hash_key                    key;
};

/* On the worker's thread. Needs no fini. False: no memory. */
bool concurrency_stage_init(struct concurrency_stage *stage, const struct concurrency_parts *parts,
                            struct stage *below) must_check;

/* The priority that @text of @bytes says, or PRIORITIES_COUNT: none. */
enum priority concurrency_read_priority(const uint8_t *text, size_t bytes);

#endif
