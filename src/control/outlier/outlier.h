/* SPDX-License-Identifier: Apache-2.0 */
/* control/outlier/outlier.h - passes over who answers worse than the others. Pure.
 *
 * A target is ejected for so many bad answers in a row, or, once per interval, because its share of
 * good ones lies far below everybody's, or because too many of them are bad. The n-th ejection
 * lasts n times as long; each interval without one forgives one. Few may be ejected at once, and
 * nobody is for a fault that the others share: then it is the request, or what stands behind all.
 *
 * Time:    nanoseconds on the monotonic clock; passed in, never read.
 * Memory:  a struct outlier owns nothing; zeroed is one that is in.
 * Threads: the caller's. Errors: none. */
#ifndef PANDO_CONTROL_OUTLIER_OUTLIER_H
#define PANDO_CONTROL_OUTLIER_OUTLIER_H

#include "control/outlier/outlier_settings.h"
#include "core/random.h"
#include "path/target.h"

/* Why a target is ejected; the sentence follows "ejected for 30 s: ". */
#define OUTLIER_REASONS(X)                                                                         \
    X(NONE, "%.0u")                                                                                \
    X(ERRORS, "%u errors in a row")                                                                \
    X(GATEWAY, "%u gateway errors and failures in a row")                                          \
    X(LOCAL, "%u failures in a row")                                                               \
    X(SILENT, "%u requests in a row had no answer in time, and no other request had one")          \
    X(RATE, "%u %% of its answers are good, far fewer than of the others'")                        \
    X(PERCENT, "%u %% of its answers are bad")

enum outlier_reason {
#define X(name, sentence) OUTLIER_##name,
    OUTLIER_REASONS(X)
#undef X
};

/* What came of a target since the look before, over all workers. */
struct outlier_window {
    uint32_t outcomes_count;
    uint32_t faults_count[TARGET_FAULTS_COUNT];
    /* Of them, those after which no better outcome came on the same worker. */
    uint32_t tail_count[TARGET_FAULTS_COUNT];
};

struct outlier {
    uint64_t            until_ns;        /* ejected until then; 0: in */
    uint64_t            pause_ns;        /* how long the last ejection lasts */
    uint32_t            ejections_count; /* that are not forgiven */
    uint64_t            ejections_total; /* ever */
    uint32_t            figure;          /* of the reason's sentence */
    enum outlier_reason reason;          /* of the last ejection */
    uint32_t            in_a_row[TARGET_FAULTS_COUNT];
    uint64_t            outcomes_count; /* in this interval */
    uint64_t            errors_count;   /* likewise */
    bool                was_ejected;    /* likewise */
    bool                has_changed;    /* at the last look */
};

/* The targets of a service. */
struct outliers {
    struct outlier *(*at)(void *self, size_t index);
    void          *self;
    size_t         count;
    struct random *random;   /* for jitter; NULL: none is added */
    uint64_t       sweep_ns; /* when rates are compared next; 0: not known yet */
};

/* Adds one worker's share to a window: what its totals were at the look before is in @row, and is
 * moved on. */
void outlier_gather(struct outlier_window *window, struct target_row *row);

/* Adds a window to what is known of a target. */
void outlier_count(struct outlier *outlier, const struct outlier_window *window);

/* Forgets runs of errors: others judge it for now, or have just done. */
void outlier_forget(struct outlier *outlier);

/* Forgets also what came in this interval. */
void outlier_restart(struct outlier *outlier);

/* Ends an ejection. True: there was one. */
bool outlier_return(struct outlier *outlier);

/* Looks at all, every 100 ms: ends ejections, begins others. True: some target's `has_changed`. */
bool outlier_look(struct outliers *outliers, const struct outlier_settings *settings,
                  uint64_t now_ns);

/* "5 errors in a row". */
void outlier_write_reason(const struct outlier *outlier, char *out, size_t room);

#endif
