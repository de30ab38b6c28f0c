/* SPDX-License-Identifier: Apache-2.0 */
/* path/target.h - one address that can take requests, and sets of them as the balance room sees
 * them.
 *
 * A target lives in control's registry under its identity (service and address) and keeps its state
 * over reloads. Workers
 * hold it through sets, which are immutable snapshots: control builds a new one when a state
 * changes and posts
 * it to every worker.
 *
 * Memory:  a target is freed by control after the last set and the last path that name it are gone
 * from every worker.
 * Threads: fields marked (a) are atomics that any thread may touch; rows are written by their
 * worker alone and
 *          read by all; the rest is set before the target is published. */
#ifndef PANDO_PATH_TARGET_H
#define PANDO_PATH_TARGET_H

#include "core/geo/place.h"
#include "metrics/histogram.h"
#include "path/circuit/trials.h"
#include "path/worker.h"

#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { TARGET_WEIGHT_MAX = 256 };

/* What a target may be; the word that gates read. */
#define TARGET_STATES(X)                                                                           \
    X(UP, "up", "takes requests")                                                                  \
    X(PAUSED, "paused", "could not be connected to; waits before it is tried again")               \
    X(TRIAL, "trial", "so many requests may try it, and no other")                                 \
    X(OPEN, "open", "its circuit breaker is open: too many failures; passed over for a while")     \
    X(GONE, "gone", "no longer named by the configuration or by DNS; finishes what it has")        \
    X(DRAINING, "draining", "an operator drains it: takes nothing new, finishes what it has")      \
    X(DOWN, "down", "its health checks fail")                                                      \
    X(EJECTED, "ejected", "answered worse than the others; passed over for a while")

enum target_state {
#define X(name, word, gist) TARGET_##name,
    TARGET_STATES(X)
#undef X
    TARGET_STATES_COUNT
};

/* The states from DRAINING on are control's judgement (target.standing); gates never see them. */
const char *target_state_word(enum target_state state);

enum { TARGET_REASON_BYTES = 160 };

/* What an attempt says of a target, from well to worse; each is also all that stand before it but
 * GOOD. */
enum target_outcome {
    TARGET_OUTCOME_GOOD,
    TARGET_OUTCOME_ERROR,   /* an answer of 5xx */
    TARGET_OUTCOME_GATEWAY, /* of 502, 503 or 504 */
    TARGET_OUTCOME_LOCAL,   /* no answer in time, a broken or malformed one */
    TARGET_OUTCOME_SILENT,  /* no answer in time, nor to any other request meanwhile */
};

/* The outcomes but GOOD, as they are counted. */
enum target_fault {
    TARGET_FAULT_ERROR,
    TARGET_FAULT_GATEWAY,
    TARGET_FAULT_LOCAL,
    TARGET_FAULT_SILENT,
    TARGET_FAULTS_COUNT
};

/* What one worker did with a target. Written with relaxed stores by that worker, read by
 * anybody. */
struct target_row {
    _Atomic uint64_t requests_count; /* attempts that were given to it */
    _Atomic uint64_t failures_count; /* of them, those without a usable answer */
    _Atomic uint64_t connects_count;
    _Atomic uint64_t connect_failures_count;
    _Atomic uint64_t reused_count;       /* attempts over a kept connection */
    _Atomic uint64_t idle_count;         /* kept connections now */
    _Atomic uint64_t open_count;         /* connections now, kept or busy */
    _Atomic uint64_t statuses_count[6];  /* answers by class; [0]: none of 1xx to 5xx */
    _Atomic uint64_t backpressure_count; /* answers of 429, and of 503 with Retry-After */
    _Atomic uint64_t probes_count;       /* for a report of its load */
    _Atomic uint64_t probe_misses_count; /* of them, those that brought none in time */
    /* For outlier ejection: attempts that say how well it is, and of them the bad ones. */
    _Atomic uint64_t     outcomes_count;
    _Atomic uint64_t     faults_count[TARGET_FAULTS_COUNT];
    _Atomic uint64_t     faults_in_a_row[TARGET_FAULTS_COUNT];
    _Atomic uint64_t     answered_ns;   /* when it answered last, whatever it said; 0: never */
    struct histogram     latency_us;    /* from sent to the answer's head */
    _Atomic uint64_t     refused_count; /* attempts that the gate sent elsewhere */
    struct circuit_tally circuit;       /* for its circuit breaker, if it has one */
    /* Control's own: the counts at its last look. */
    uint64_t outcomes_seen, faults_seen[TARGET_FAULTS_COUNT];
} __attribute__((aligned(64)));

struct target {
    char             name[128]; /* as shown: "10.0.0.1:3000", "unix:/run/app.sock" */
    char             zone[64];  /* "" if not said */
    struct geo_place place;     /* nowhere if not said */
    /* (a) What balance compares. Control moves it while the target is in sets: by an operator's
     * word, or a slow start. A set's sums are those of the moment in which it was made. */
    _Atomic uint16_t        weight;
    _Atomic uint16_t        weight_said; /* (a) 1 to TARGET_WEIGHT_MAX: as people say and see it */
    uint16_t                workers_count;
    socklen_t               address_bytes;
    struct sockaddr_storage address;
    uint64_t         identity;   /* hash of service and address; stable over reloads and restarts */
    _Atomic uint32_t inflight;   /* (a) requests given and not finished, all workers */
    _Atomic uint32_t connect_us; /* (a) a connection takes so long to open, of late; 0: unknown */
    _Atomic uint32_t inflight_most; /* (a) as its agent says; 0: it says nothing of it */
    _Atomic uint32_t state;         /* (a) enum target_state */
    struct trials    trials;        /* (a) in TRIAL: how many requests may try it; their results */
    _Atomic uint64_t retry_at_ns;   /* (a) while PAUSED or OPEN: when it is tried again */
    _Atomic uint32_t failures_in_a_row; /* (a) connects; doubles the pause */
    _Atomic(const char *) reason;       /* (a) static text: why it is not UP */
    _Atomic uint32_t      refs_count;   /* (a) */
    _Atomic uint32_t      standing; /* (a) enum target_state: UP, or DRAINING, DOWN or EJECTED */
    /* What follows up to the pools is written and read by the control thread alone. */
    char               standing_reason[TARGET_REASON_BYTES]; /* a sentence; "" if it stands well */
    uint8_t            withheld_percent;       /* of its weight, while it starts slowly */
    uint16_t           agent_percent;          /* of its weight, as its agent says; 100: all */
    bool               is_agent_silent;        /* it was asked in vain, so that percent is 100 */
    uint64_t           agent_asks_count;       /* questions to its agent that are over */
    uint64_t           agent_misses_count;     /* of them, those without an answer */
    bool               takes_anyway;           /* in the set in spite of its standing */
    uint64_t           ejections_count;        /* ever */
    uint64_t           openings_count;         /* of its circuit breaker, ever */
    uint64_t           checks_count;           /* active health checks that gave a verdict */
    uint64_t           check_failures_count;   /* of them, those that failed */
    void              *pools[WORKERS_ALL_MAX]; /* the engine's, one per worker */
    struct target_row *rows;                   /* one per worker, workers_count of them */
};

/* An immutable snapshot of the targets in service; shared by all workers. */
struct target_set {
    _Atomic uint32_t refs_count;
    uint32_t         count;    /* that take whatever comes */
    uint32_t         draining; /* behind those, and not in the sums: they take only who was there */
    uint64_t         version;  /* grows with every set of a service */
    uint32_t         weight_sum;
    uint32_t         weight_max;
    uint64_t       back_at_ns; /* when the first of those that are out is tried again; 0: unknown */
    struct target *at[];       /* in the order of the file, twice; each referenced */
};

/* What it is for people: control's judgement if that is not well, else the gates' word. */
static inline enum target_state target_shown_state(const struct target *target)
{
    const uint32_t word = atomic_load_explicit(&target->state, memory_order_relaxed);
    const uint32_t standing = atomic_load_explicit(&target->standing, memory_order_relaxed);
    return (enum target_state)(word == TARGET_GONE || standing == TARGET_UP ? word : standing);
}

/* Why it is not up, as a sentence; NULL if nothing is to be said. On the control thread. */
static inline const char *target_shown_reason(const struct target *target)
{
    return target->standing_reason[0] != '\0'
               ? target->standing_reason
               : atomic_load_explicit(&target->reason, memory_order_relaxed);
}

/* One more that names it: a set, or an op. Control frees no target that has a reference. */
static inline void target_ref(struct target *target)
{
    atomic_fetch_add_explicit(&target->refs_count, 1, memory_order_relaxed);
}

/* One fewer. Never frees: control looks at the count of those that are gone. */
static inline void target_unref(struct target *target)
{
    atomic_fetch_sub_explicit(&target->refs_count, 1, memory_order_release);
}

/* Adds 1 to a counter of which this thread is the only writer. */
static inline void row_add(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
                          memory_order_relaxed);
}

/* Counts what an attempt says of the target of @row. */
static inline void row_judge(struct target_row *row, enum target_outcome outcome)
{
    row_add(&row->outcomes_count, 1);
    for (unsigned i = 0; i < TARGET_FAULTS_COUNT; i++) {
        if (i < (unsigned)outcome) {
            row_add(&row->faults_count[i], 1);
            row_add(&row->faults_in_a_row[i], 1);
        } else if (atomic_load_explicit(&row->faults_in_a_row[i], memory_order_relaxed) != 0) {
            atomic_store_explicit(&row->faults_in_a_row[i], 0, memory_order_relaxed);
        }
    }
}

#endif
