/* SPDX-License-Identifier: Apache-2.0 */
/* balance/balance.h - which equal target takes a request: the strategies, and what they are asked.
 *
 * A strategy is one file and one line in the list below. It is pure: draws and `now` are given, its state belongs to one
 * worker, the set is a snapshot of targets in service, so there is no lock and no filter.
 * Rules and sources: Karger 1997 ff.; specs balance-and-protect 4.2 to 4.4. */
#ifndef PANDO_BALANCE_BALANCE_H
#define PANDO_BALANCE_BALANCE_H

#include "path/target.h"

#include <stddef.h>
#include <stdint.h>

#define BALANCE_NONE SIZE_MAX

enum {
    BALANCE_DRAWS = 4,
    BALANCE_SCAN_MAX = 64, /* up to here least-connections looks at every target, above at 8 drawn ones */
};

/* What a pick may depend on. */
struct ask {
    uint64_t                    now_ns;
    uint64_t                    draw[BALANCE_DRAWS]; /* random, uniform */
    struct target *const       *tried;               /* not to be picked again */
    unsigned                    tried_count;
};

/* How an attempt went. */
struct sample {
    uint64_t latency_ns; /* from sent to the answer's head; 0: there was none */
    bool     failed;
};

struct balance_strategy {
    const char *name;        /* as written in the config file */
    const char *gist;        /* one line, for --help and the admin page */
    size_t      state_bytes; /* per worker, zeroed by the caller; 0 if stateless */
    /* The set is another one now. May be NULL. */
    void (*set_changed)(void *state, const struct target_set *set);
    /* An index into @set that is not in @ask->tried, or BALANCE_NONE. */
    size_t (*pick)(void *state, const struct target_set *set, const struct ask *ask);
    void (*finished)(void *state, struct target *target, const struct sample *sample); /* may be NULL */
    void (*tick)(void *state, uint64_t now_ns);                                        /* may be NULL */
};

/* To add a strategy: write balance/<name>.c and add its line here. Nothing else changes. */
#define BALANCE_STRATEGIES(X)                                                                      \
    X(two_choices)                                                                                 \
    X(least_connections)                                                                           \
    X(round_robin)

#define X(name) extern const struct balance_strategy balance_##name;
BALANCE_STRATEGIES(X)
#undef X

/* The strategy of that name, or NULL. */
const struct balance_strategy *balance_find(const char *name);

/* The strategy at @index, or NULL after the last. */
const struct balance_strategy *balance_at(size_t index);

static inline bool balance_is_tried(const struct ask *ask, const struct target *target)
{
    for (unsigned i = 0; i < ask->tried_count; i++)
        if (ask->tried[i] == target)
            return true;
    return false;
}

/* Requests that a target has, and would have with one more, for its weight: compared without a division. True if @a
 * is less busy than @b. */
static inline bool balance_is_less_busy(const struct target *a, const struct target *b)
{
    const uint64_t busy_a = atomic_load_explicit(&a->inflight, memory_order_relaxed) + 1u;
    const uint64_t busy_b = atomic_load_explicit(&b->inflight, memory_order_relaxed) + 1u;
    return busy_a * b->weight < busy_b * a->weight;
}

/* A target drawn in proportion to weights, tried or not. @set has at least one. */
size_t balance_draw(const struct target_set *set, uint64_t draw);

#endif
