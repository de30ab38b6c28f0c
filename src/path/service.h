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
    /* name          help                                                                      */ \
    X(rate_limited,   "requests that were over the rate of their client")                          \
    X(rate_forgotten, "clients whose rate was forgotten to make room for another")                 \
    X(sticky_set,     "answers that set a cookie with the client's target")                        \
    X(sticky_ignored, "requests whose cookie was forged, another service's or expired")            \
    X(balance_fallbacks, "picks of balance resource without fresh reports, so by two-choices")

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

/* What one worker did for a service. */
struct service_row {
    _Atomic uint64_t requests_count;
    _Atomic uint64_t statuses_count[6]; /* answers to clients by class; [0]: no answer */
    _Atomic uint64_t errors_count[ERR_KINDS_COUNT]; /* answers that Pando made, by kind */
    _Atomic uint64_t retries_count;
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
    struct service_row *rows; /* workers_count of them */
    /* A worker's word to control that @target could not be connected to (@ok false) or could again.
     * Any thread;
     * never blocks, never fails. Set by control. */
    void (*reported)(struct service *service, struct target *target, bool ok, const char *reason);
    void *control; /* control's own */
};

#endif
