/* SPDX-License-Identifier: Apache-2.0 */
/* control/outlier/outlier.c - runs of errors, and rates that lie far from the others'. */
#include "control/outlier/outlier.h"

#include <stdio.h>
#include <string.h>

/* --- counting -------------------------------------------------------------------------------- */

void outlier_gather(struct outlier_window *window, struct target_row *row)
{
    const uint64_t outcomes = atomic_load_explicit(&row->outcomes_count, memory_order_relaxed);
    window->outcomes_count += (uint32_t)(outcomes - row->outcomes_seen);
    row->outcomes_seen = outcomes;
    for (unsigned i = 0; i < TARGET_FAULTS_COUNT; i++) {
        const uint64_t faults = atomic_load_explicit(&row->faults_count[i], memory_order_relaxed);
        const uint64_t tail = atomic_load_explicit(&row->faults_in_a_row[i], memory_order_relaxed);
        const uint64_t new = faults - row->faults_seen[i];
        window->faults_count[i] += (uint32_t) new;
        window->tail_count[i] += (uint32_t)(tail < new ? tail : new);
        row->faults_seen[i] = faults;
    }
}

void outlier_count(struct outlier *outlier, const struct outlier_window *window)
{
    outlier->outcomes_count += window->outcomes_count;
    outlier->errors_count += window->faults_count[TARGET_FAULT_ERROR];
    for (unsigned i = 0; i < TARGET_FAULTS_COUNT; i++) {
        const bool is_unbroken = window->faults_count[i] >= window->outcomes_count;
        outlier->in_a_row[i] = (is_unbroken ? outlier->in_a_row[i] : 0) + window->tail_count[i];
    }
}

void outlier_forget(struct outlier *outlier)
{
    memset(outlier->in_a_row, 0, sizeof outlier->in_a_row);
}

void outlier_restart(struct outlier *outlier)
{
    outlier_forget(outlier);
    outlier->outcomes_count = outlier->errors_count = 0;
}

bool outlier_return(struct outlier *outlier)
{
    outlier_forget(outlier);
    if (outlier->until_ns == 0)
        return false;
    outlier->until_ns = 0;
    return true;
}

/* --- ejecting -------------------------------------------------------------------------------- */

static uint64_t find_pause_ns(const struct outliers *outliers, const struct outlier *outlier,
                              const struct outlier_settings *settings)
{
    const uint64_t grown_ns = settings->first_ns * outlier->ejections_count;
    const uint64_t pause_ns = grown_ns < settings->most_ns ? grown_ns : settings->most_ns;
    if (outliers->random == NULL)
        return pause_ns;
    return pause_ns + random_next(outliers->random) % (settings->jitter_ns + 1);
}

static size_t count_ejected(const struct outliers *outliers)
{
    size_t ejected = 0;
    for (size_t i = 0; i < outliers->count; i++)
        ejected += outliers->at(outliers->self, i)->until_ns != 0;
    return ejected;
}

static bool may_eject(const struct outliers *outliers, const struct outlier_settings *settings)
{
    const size_t ejected = count_ejected(outliers);
    return outliers->count > 1 &&
           (ejected == 0 || (ejected + 1) * 100 <= outliers->count * settings->share);
}

/* What is found wrong with a target. */
struct finding {
    enum outlier_reason reason;
    uint32_t            figure;
};

static void eject(const struct outliers *outliers, struct outlier *outlier,
                  const struct outlier_settings *settings, struct finding finding, uint64_t now_ns)
{
    outlier->ejections_count++;
    outlier->ejections_total++;
    outlier->reason = finding.reason;
    outlier->figure = finding.figure;
    outlier->pause_ns = find_pause_ns(outliers, outlier, settings);
    outlier->until_ns = now_ns + outlier->pause_ns;
    outlier->was_ejected = outlier->has_changed = true;
    outlier_forget(outlier);
}

/* Half of what the others answer is bad as well: ejecting one would help nobody. */
static bool is_shared(const struct outliers *outliers, const struct outlier *but)
{
    uint64_t outcomes = 0, errors = 0;
    for (size_t i = 0; i < outliers->count; i++) {
        const struct outlier *other = outliers->at(outliers->self, i);
        outcomes += other == but ? 0 : other->outcomes_count;
        errors += other == but ? 0 : other->errors_count;
    }
    return outcomes > 0 && errors * 2 >= outcomes;
}

static struct finding find_run(const struct outlier *outlier,
                               const struct outlier_settings *settings)
{
    const struct {
        uint32_t limit;
        struct finding finding;
    } runs[] = {
        {settings->errors, {OUTLIER_ERRORS, outlier->in_a_row[TARGET_FAULT_ERROR]}},
        {settings->gateway, {OUTLIER_GATEWAY, outlier->in_a_row[TARGET_FAULT_GATEWAY]}},
        {settings->local, {OUTLIER_LOCAL, outlier->in_a_row[TARGET_FAULT_LOCAL]}},
        {settings->silent, {OUTLIER_SILENT, outlier->in_a_row[TARGET_FAULT_SILENT]}},
    };
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        if (runs[i].limit != 0 && runs[i].finding.figure >= runs[i].limit)
            return runs[i].finding;
    }
    return (struct finding){OUTLIER_NONE, 0};
}

static void look_at(const struct outliers *outliers, struct outlier *outlier,
                    const struct outlier_settings *settings, uint64_t now_ns)
{
    if (outlier->until_ns != 0) {
        if (now_ns >= outlier->until_ns)
            outlier->has_changed = outlier_return(outlier);
        return;
    }
    const struct finding run = find_run(outlier, settings);
    if (run.reason != OUTLIER_NONE && may_eject(outliers, settings) &&
        !is_shared(outliers, outlier))
        eject(outliers, outlier, settings, run, now_ns);
}

/* --- comparing ------------------------------------------------------------------------------- */

static double rate_of(const struct outlier *outlier)
{
    return 1.0 - (double)outlier->errors_count / (double)outlier->outcomes_count;
}

static bool is_compared(const struct outlier *outlier, const struct outlier_settings *settings)
{
    return outlier->until_ns == 0 && outlier->outcomes_count >= settings->requests_min;
}

/* How many are compared, their mean, and the square of their deviation. */
static size_t find_mean(const struct outliers *outliers, const struct outlier_settings *settings,
                        double *mean, double *variance)
{
    double sum = 0, squares = 0;
    size_t count = 0;
    for (size_t i = 0; i < outliers->count; i++) {
        const struct outlier *outlier = outliers->at(outliers->self, i);
        if (!is_compared(outlier, settings))
            continue;
        sum += rate_of(outlier);
        squares += rate_of(outlier) * rate_of(outlier);
        count++;
    }
    *mean = count == 0 ? 0 : sum / (double)count;
    *variance = count == 0 ? 0 : squares / (double)count - *mean * *mean;
    return count;
}

static void compare(struct outliers *outliers, const struct outlier_settings *settings,
                    uint64_t now_ns)
{
    const double factor = settings->deviations / 100.0;
    double mean, variance;
    const size_t count = find_mean(outliers, settings, &mean, &variance);
    if (settings->deviations == 0 || count < settings->targets_min)
        return;
    for (size_t i = 0; i < outliers->count; i++) {
        struct outlier *outlier = outliers->at(outliers->self, i);
        if (!is_compared(outlier, settings))
            continue;
        const double below = mean - rate_of(outlier);
        /* A share of errors below one in a thousand is noise, however alike the others are. */
        const struct finding rate = {OUTLIER_RATE, (uint32_t)(rate_of(outlier) * 100)};
        if (below > 0.001 && below * below > factor * factor * variance &&
            may_eject(outliers, settings))
            eject(outliers, outlier, settings, rate, now_ns);
    }
}

/* Those of whose answers too many are bad, each for itself. */
static void look_at_percents(struct outliers *outliers, const struct outlier_settings *settings,
                             uint64_t now_ns)
{
    for (size_t i = 0; i < outliers->count && settings->error_percent != 0; i++) {
        struct outlier *outlier = outliers->at(outliers->self, i);
        if (outlier->until_ns != 0 || outlier->outcomes_count < settings->error_requests_min)
            continue;
        const struct finding percent = {
            OUTLIER_PERCENT, (uint32_t)(outlier->errors_count * 100 / outlier->outcomes_count)};
        if (percent.figure >= settings->error_percent && may_eject(outliers, settings) &&
            !is_shared(outliers, outlier))
            eject(outliers, outlier, settings, percent, now_ns);
    }
}

static void start_interval(struct outliers *outliers)
{
    for (size_t i = 0; i < outliers->count; i++) {
        struct outlier *outlier = outliers->at(outliers->self, i);
        if (!outlier->was_ejected && outlier->until_ns == 0 && outlier->ejections_count > 0)
            outlier->ejections_count--;
        outlier->was_ejected = false;
        outlier->outcomes_count = outlier->errors_count = 0;
    }
}

bool outlier_look(struct outliers *outliers, const struct outlier_settings *settings,
                  uint64_t now_ns)
{
    bool has_changed = false;
    for (size_t i = 0; i < outliers->count; i++) {
        struct outlier *outlier = outliers->at(outliers->self, i);
        outlier->has_changed = false;
        look_at(outliers, outlier, settings, now_ns);
    }
    if (outliers->sweep_ns != 0 && now_ns >= outliers->sweep_ns) {
        compare(outliers, settings, now_ns);
        look_at_percents(outliers, settings, now_ns);
        start_interval(outliers);
    }
    if (now_ns >= outliers->sweep_ns)
        outliers->sweep_ns = now_ns + settings->interval_ns;
    for (size_t i = 0; i < outliers->count; i++)
        has_changed = has_changed || outliers->at(outliers->self, i)->has_changed;
    return has_changed;
}

void outlier_write_reason(const struct outlier *outlier, char *out, size_t room)
{
    switch (outlier->reason) {
#define X(name, sentence)                                                                          \
    case OUTLIER_##name: (void)snprintf(out, room, sentence, outlier->figure); return;
        OUTLIER_REASONS(X)
#undef X
    }
}
