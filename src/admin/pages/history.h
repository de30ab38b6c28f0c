/* SPDX-License-Identifier: Apache-2.0 */
/* admin/pages/history.h - sums over all workers, and what they were in the last minute.
 *
 * Once a second the counters of each service and target are noted in rings of fixed size:
 * requests and errors for each of the last 60 seconds, the histogram of durations every 15
 * seconds. So rates and quantiles are those of the last minute (quantiles: of its last 45 to 60
 * seconds).
 *
 * Memory:  8 KiB for each service and target that is there, HISTORY_ITEMS_MAX of them; above that
 *          figures are those since the start.
 * Threads: the control thread; the counters it reads are the workers'. */
#ifndef PANDO_ADMIN_PAGES_HISTORY_H
#define PANDO_ADMIN_PAGES_HISTORY_H

#include "admin/admin_stage.h"
#include "metrics/histogram.h"

enum {
    HISTORY_SECONDS = 60,
    HISTORY_RATE_SECONDS = 10, /* "now" is the mean of so many */
    HISTORY_BASE_SECONDS = 15,
    HISTORY_BASES = 4,
    HISTORY_ITEMS_MAX = 4096,
};

/* What all workers together did, since the start. */
struct sums {
    uint64_t              requests;
    uint64_t              errors;  /* answered with 5xx; of a target: without a usable answer */
    uint64_t              retries; /* of a service */
    uint64_t              retries_by_reason[SERVICE_RETRY_REASONS_COUNT];
#define X(name, help) uint64_t name; /* of a service */
    SERVICE_LIMIT_FIGURES(X)
#undef X
    uint64_t              bytes_in, bytes_out;
    uint64_t              statuses[6];
    uint64_t              errors_by_kind[ERR_KINDS_COUNT];
    uint64_t              refused;      /* of a target, by the gate */
    uint64_t              backpressure, probes, probe_misses;             /* of a target */
    uint64_t balance_basis, balance_pool, balance_theta; /* of a service, now; the largest of all
                                                            workers, but of pools the sum */
    uint64_t              connects, connect_failures, reused, idle, open; /* of a target */
    struct histogram_view latency_us;
};

/* What it is like now. */
struct figures {
    double   requests_per_second; /* over the last HISTORY_RATE_SECONDS */
    uint64_t requests_minute;     /* in the last minute */
    uint64_t errors_minute;
    uint64_t p50_us, p99_us;         /* of the last minute; 0: there was nothing */
    uint32_t rates[HISTORY_SECONDS]; /* requests in each second, oldest first */
    unsigned seconds_count;          /* of them that are known */
};

struct history;

/* NULL: no memory. */
must_check struct history *history_new(void);

/* Accepts NULL. */
void history_free(struct history *history);

/* Adds up what the workers did for a service, or with a target. */
void sums_of_service(struct sums *sums, const struct service *service);
void sums_of_target(struct sums *sums, const struct target *target);

/* Notes everything once; call it each second. */
void history_sample(struct history *history, const struct admin_sources *sources);

/* The figures of a service (@key: its address) or a target (its rows, which outlive a change of
 * weight), whose sums are @now. */
void history_figures(const struct history *history, const void *key, const struct sums *now,
                     struct figures *figures);

#endif
