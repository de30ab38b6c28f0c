/* SPDX-License-Identifier: Apache-2.0 */
/* path/circuit/circuit.h - what a circuit breaker is made of: its rules, its counts, its state.
 *
 * The breaker room's pure machine (breaker/circuit/circuit.c) steps it, for a service and for a
 * target alike; control, which owns the targets, is lent that machine by main. Nothing here
 * decides.
 *
 * Time:    nanoseconds on the monotonic clock.
 * Memory:  plain values; zeroed is a closed one.
 * Threads: a tally has one writer and may be read by all; the rest is the control thread's. */
#ifndef PANDO_PATH_CIRCUIT_CIRCUIT_H
#define PANDO_PATH_CIRCUIT_CIRCUIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { CIRCUIT_BUCKETS = 10 };

struct circuit_rules {
    uint64_t window_ns;      /* over which rates are taken */
    uint64_t open_first_ns;  /* how long it is open; doubles with each failed half-open */
    uint64_t open_most_ns;   /* up to this */
    uint32_t volume;         /* fewer answers in the window decide nothing */
    uint32_t failed_percent; /* from here on it opens; 0: not for failures */
    uint32_t slow_percent;   /* likewise, for slow answers */
    uint32_t trials;         /* while half-open, in all; 1 to TRIALS_MAX */
};

/* Answers, and of them the failed and the slow ones. */
struct circuit_counts {
    uint32_t all, failed, slow;
};

/* What one worker counted, ever. */
struct circuit_tally {
    _Atomic uint64_t all, failed, slow;
    uint64_t         seen[3]; /* control's own: the counts at its last look */
};

enum circuit_state { CIRCUIT_CLOSED, CIRCUIT_OPEN, CIRCUIT_HALF_OPEN };

/* Why it opened last: @percent of @all answers were failed, or slow. */
struct circuit_cause {
    uint32_t percent;
    uint32_t all;
    bool     is_slow;
    bool     is_trial; /* of the trials; else of the window */
};

struct circuit {
    enum circuit_state    state;
    bool                  has_changed;    /* at the last step */
    uint32_t              openings_count; /* in a row; doubles the time */
    uint64_t              openings_total; /* ever */
    uint64_t              until_ns;       /* while open: when it becomes half-open; else 0 */
    uint64_t              closed_ns;      /* when it closed last */
    uint64_t              bucket_ns;      /* when the newest bucket began; 0: none has */
    uint32_t              newest;         /* its index */
    uint32_t              trials;         /* of this half-open */
    struct circuit_cause  cause;
    struct circuit_counts buckets[CIRCUIT_BUCKETS];
};

/* What is known at one look. */
struct circuit_look {
    uint64_t              now_ns;
    uint64_t              draw;    /* random and uniform */
    struct circuit_counts since;   /* answers since the look before, of requests that were let in
                                      while it was closed */
    struct circuit_counts results; /* while half-open: of its trials, so far */
};

/* By the tally's one writer. */
static inline void circuit_tally_add(struct circuit_tally *tally, bool failed, bool slow)
{
    _Atomic uint64_t *const counters[] = {&tally->all, &tally->failed, &tally->slow};
    const bool adds[] = {true, failed, slow};
    for (int i = 0; i < 3; i++) {
        const uint64_t count = atomic_load_explicit(counters[i], memory_order_relaxed);
        if (adds[i])
            atomic_store_explicit(counters[i], count + 1, memory_order_relaxed);
    }
}

/* Adds to @counts what came since the last call. Control's. */
static inline void circuit_gather(struct circuit_counts *counts, struct circuit_tally *tally)
{
    const uint64_t now[] = {atomic_load_explicit(&tally->all, memory_order_relaxed),
                            atomic_load_explicit(&tally->failed, memory_order_relaxed),
                            atomic_load_explicit(&tally->slow, memory_order_relaxed)};
    counts->all += (uint32_t)(now[0] - tally->seen[0]);
    counts->failed += (uint32_t)(now[1] - tally->seen[1]);
    counts->slow += (uint32_t)(now[2] - tally->seen[2]);
    for (int i = 0; i < 3; i++)
        tally->seen[i] = now[i];
}

#endif
