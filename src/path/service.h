/* SPDX-License-Identifier: Apache-2.0 */
/* path/service.h - a named group of equal targets: what control publishes of it, and what workers
 * count for it.
 *
 * control resolves names, watches states and builds an immutable target_set whenever something
 * changes; it posts the
 * set to every worker, whose view then points at it and whose listeners (the balance rooms of all
 * living paths) are called.
 *
 * Memory:  a service is control's (registry by name) and outlives every path that names it. A view
 * holds a reference
 *          to its set.
 * Threads: a view belongs to its worker's thread; a row is written by its worker and read by
 * anybody. */
#ifndef PANDO_PATH_SERVICE_H
#define PANDO_PATH_SERVICE_H

#include "core/err.h"
#include "core/list.h"
#include "metrics/histogram.h"
#include "path/target.h"
#include "path/worker.h"

/* A balance room that wants to know when the set changes. */
struct service_listener {
    struct list_link link;
    void (*changed)(struct service_listener *self, const struct target_set *set);
};

struct service_view {
    struct target_set *set; /* never NULL once published; may be empty */
    struct list        listeners;
};

/* What limits, sessions and lacking reports did to a service's requests; counters, one row each.
 * From the list come the fields of the row, the metrics page and /api/status. */
#define SERVICE_LIMIT_FIGURES(X)                                                                   \
    /* name          help                                                                      */  \
    X(rate_limited,   "requests that were over the rate of their client")                          \
    X(rate_forgotten, "clients whose rate was forgotten to make room for another")                 \
    X(breaker_refused, "requests that came while the service's circuit breaker was open, or "      \
                       "half-open without a trial left")                                           \
    X(breaker_fallback, "of them, those that were given the fallback")                             \
    X(waited,         "requests that waited for a permit of their service")                        \
    X(shed_full,      "requests refused because the waiting room was full")                        \
    X(shed_displaced, "requests that had to make room for a higher priority or another client")    \
    X(shed_deadline,  "requests refused at once because their turn would have come too late")      \
    X(shed_waited,    "requests refused after they had waited as long as they may")                \
    X(wait_cancelled, "requests whose client left while they waited")                              \
    X(target_full,    "times that a target was passed over, since it had all that it may")         \
    X(balance_fallbacks, "picks of balance resource without fresh reports, so by two-choices")     \
    X(geo_found, "requests by location whose client is in the database of locations")              \
    X(geo_unknown, "requests by location whose client is not: they count as made at this node")    \
    X(deadline_refused,                                                                            \
      "requests refused because less time was left than half of the answers take")                 \
    X(hedges, "second attempts beside a first that took long")                                     \
    X(hedge_wins, "of them, those that were answered first")                                       \
    X(hedges_denied, "second attempts for which the budget of retries had no place")               \
    X(retries_delayed, "attempts that had to wait for their place in the budget of retries")       \
    X(retries_denied, "attempts that got none: the client was told the error")                     \
    X(sticky_set,     "answers that set a cookie with the client's target")                        \
    X(sticky_ignored, "requests whose cookie was forged, another service's or expired")

/* How urgent a request is; the lower, the more. */
#define PRIORITIES(X)                                                                              \
    X(PRIORITY_CRITICAL, "critical", "before all others, and the last to be shed")                 \
    X(PRIORITY_HIGH, "high", "before what is usual")                                               \
    X(PRIORITY_NORMAL, "normal", "as usual")                                                       \
    X(PRIORITY_LOW, "low", "when there is nothing else to do; shed first")

enum priority {
#define X(enumerator, name, gist) enumerator,
    PRIORITIES(X)
#undef X
        PRIORITIES_COUNT
};

/* What a limit on concurrency makes of a service at this moment, for people to see. */
struct service_load {
    const char *limit_word; /* how the limit is found; NULL: there is none */
    uint32_t    limit;      /* 0: none */
    uint32_t    inflight;   /* permits that are taken */
    uint32_t    waiting[PRIORITIES_COUNT];
};

/* By what a balance strategy picks now, if it knows several ways. */
#define BALANCE_BASES(X)                                                                           \
    X(NOTHING, "", "the strategy does not say")                                                    \
    X(PROBES, "probes", "requests in flight and latency, as probes bring them")                    \
    X(REPORTS, "reports", "requests in flight, as the targets reported them last")                 \
    X(UTILISATION, "utilisation", "weights from reported utilisation")                             \
    X(FALLBACK, "two-choices", "too few reports are fresh, so it falls back to two-choices")

enum balance_basis {
#define X(name, word, gist) BALANCE_BY_##name,
    BALANCE_BASES(X)
#undef X
};

/* Why an attempt was followed by another. */
#define SERVICE_RETRY_REASONS(X)                                                                   \
    X(REFUSED, "refused", "the gate did not let it through")                                       \
    X(CONNECT, "connect", "the target could not be connected to")                                  \
    X(STALE, "stale", "a kept connection was dead")                                                \
    X(RESET, "reset", "the connection ended, or what came was malformed, before an answer")        \
    X(TIMEOUT, "timeout", "no answer came in time")                                                \
    X(STATUS, "status", "the answer's status is one that is repeated")

enum service_retry_reason {
#define X(name, word, gist) SERVICE_RETRY_##name,
    SERVICE_RETRY_REASONS(X)
#undef X
    SERVICE_RETRY_REASONS_COUNT
};

/* What one worker did for a service. */
struct service_row {
    _Atomic uint64_t requests_count;
    _Atomic uint64_t statuses_count[6]; /* answers to clients by class; [0]: no answer */
    _Atomic uint64_t errors_count[ERR_KINDS_COUNT]; /* answers that Pando made, by kind */
    _Atomic uint64_t attempts_inflight; /* requests that are with a target, or are to get one */
    _Atomic uint64_t retries_count;
    _Atomic uint64_t retries_by_reason[SERVICE_RETRY_REASONS_COUNT];
#define X(name, help) _Atomic uint64_t name##_count;
    SERVICE_LIMIT_FIGURES(X)
#undef X
    _Atomic uint64_t balance_basis; /* enum balance_basis, at the last tick of its strategy */
    _Atomic uint64_t balance_pool, balance_theta; /* of Prequal's pool of probes, likewise */
    _Atomic uint64_t bytes_in;  /* request bodies */
    _Atomic uint64_t bytes_out; /* answer bodies */
    struct histogram latency_us; /* from the head's last byte to the answer's last byte */
} __attribute__((aligned(64)));

struct service {
    char                name[64];
    uint16_t            workers_count;
    struct service_view views[WORKERS_ALL_MAX];
    struct service_row *rows;             /* workers_count of them */
    _Atomic uint32_t    retries_inflight; /* repetitions that the budget counts; all workers */
    /* A worker's word to control that @target could not be connected to (@ok false) or could again.
     * Any thread;
     * never blocks, never fails. Set by control. */
    void (*reported)(struct service *service, struct target *target, bool ok, const char *reason);
    /* A worker's word to control that a target's bad outcomes in a row have come to a multiple of
     * look_after, or that one is silent; as above. NULL: nobody wants to know. */
    void (*troubled)(struct service *service);
    _Atomic uint32_t look_after; /* set by control; 0: never */
    void            *control;    /* control's own */
};

#endif
