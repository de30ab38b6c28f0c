/* SPDX-License-Identifier: Apache-2.0 */
/* balance/balance.h - which equal target takes a request: the strategies, and what they are asked.
 *
 * A strategy is one file and one line in the list below. It is pure: draws and `now` are given, its
 * state belongs to one worker, the set is a snapshot of targets in service. So there is no lock,
 * and no filter either: only after a refusal (ask.tried) does a pick look at the targets' states.
 *
 * Memory:  the caller owns the state: state_bytes and target_bytes for each target of the set,
 *          zeroed before set_changed(), which fills it; a new set gets a new state.
 * Threads: a state belongs to its worker. Targets' counts are relaxed atomics of all workers.
 * Errors:  none; no target left is BALANCE_NONE. */
#ifndef PANDO_BALANCE_BALANCE_H
#define PANDO_BALANCE_BALANCE_H

#include "path/target.h"

#include <stddef.h>
#include <stdint.h>

#define BALANCE_NONE SIZE_MAX

/* What a pick may depend on. */
struct ask {
    uint64_t              now_ns;
    uint64_t              draw[2]; /* random, uniform */
    struct target *const *tried;   /* not to be picked again */
    unsigned              tried_count;
    bool                  only_up; /* of the others only those whose state is UP at this moment */
};

/* How an attempt went. */
struct sample {
    uint64_t latency_ns; /* from sent to the answer's head; 0: there was none */
    bool     failed;     /* no usable answer, and the target is to blame */
};

struct balance_strategy {
    const char *name;         /* as written in the config file */
    const char *gist;         /* one line, for --help and the admin page */
    size_t      state_bytes;  /* per worker; with target_bytes 0: stateless */
    size_t      target_bytes; /* more of it for each target of the set */
    /* @state is zeroed. @draw keeps workers from beginning in step. NULL if stateless. */
    void (*set_changed)(void *state, const struct target_set *set, uint64_t draw);
    /* An index into @set, which is not empty, of a target that the ask allows; or BALANCE_NONE. */
    size_t (*pick)(void *state, const struct target_set *set, const struct ask *ask);
    /* An attempt is over; @target may have left the set since. May be NULL. */
    void (*finished)(void *state, struct target *target, const struct sample *sample);
    /* Every 100 ms while requests come. May be NULL. */
    void (*tick)(void *state, uint64_t now_ns);
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

/* For balance_allows(), when there was an attempt before. */
bool balance__allows_again(const struct ask *ask, const struct target *target);

/* May @target be picked? */
static inline bool balance_allows(const struct ask *ask, const struct target *target)
{
    return __builtin_expect(ask->tried_count == 0, 1) || balance__allows_again(ask, target);
}

/* Would a request that is about to go to @here be better off at @there: would @there, with this
 * request, be no busier for its weight than @here is already without it? Of equal weights that is
 * simply the one with fewer requests in flight; of unequal ones an idle set keeps to the weights,
 * where comparing requests alone would favour the light and counting this one the heavy. */
static inline bool balance_is_better(const struct target *there, const struct target *here)
{
    const uint64_t busy_there = atomic_load_explicit(&there->inflight, memory_order_relaxed) + 1ull;
    const uint64_t busy_here = atomic_load_explicit(&here->inflight, memory_order_relaxed);
    return busy_there * here->weight <= busy_here * there->weight;
}

#endif
