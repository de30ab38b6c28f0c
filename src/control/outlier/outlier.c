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

uint64_t outlier_pause_ns(const struct outlier *outlier, const struct outlier_settings *settings)
{
    const uint64_t pause_ns = settings->first_ns * outlier->ejections_count;
    return pause_ns < settings->most_ns ? pause_ns : settings->most_ns;
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

static void eject(struct outlier *outlier, const struct outlier_settings *settings,
                  enum outlier_reason reason, uint32_t figure, uint64_t now_ns)
{
    outlier->ejections_count++;
    outlier->ejections_total++;
    outlier->reason = reason;
    outlier->figure = figure;
    outlier->until_ns = now_ns + outlier_pause_ns(outlier, settings);
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

static enum outlier_reason run_of(const struct outlier *outlier,
                                  const struct outlier_settings *settings, uint32_t *run)
{
    const struct {
        enum outlier_reason reason;
        uint32_t limit, run;
    } runs[] = {
        {OUTLIER_ERRORS, settings->errors, outlier->in_a_row[TARGET_FAULT_ERROR]},
        {OUTLIER_GATEWAY, settings->gateway, outlier->in_a_row[TARGET_FAULT_GATEWAY]},
        {OUTLIER_LOCAL, settings->local, outlier->in_a_row[TARGET_FAULT_LOCAL]},
    };
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        *run = runs[i].run;
        if (runs[i].limit != 0 && runs[i].run >= runs[i].limit)
            return runs[i].reason;
    }
    return OUTLIER_NONE;
}

static void look_at(const struct outliers *outliers, struct outlier *outlier,
                    const struct outlier_settings *settings, uint64_t now_ns)
{
    uint32_t run;
    if (outlier->until_ns != 0) {
        if (now_ns >= outlier->until_ns)
            outlier->has_changed = outlier_return(outlier);
        return;
    }
    const enum outlier_reason reason = run_of(outlier, settings, &run);
    if (reason != OUTLIER_NONE && may_eject(outliers, settings) && !is_shared(outliers, outlier))
        eject(outlier, settings, reason, run, now_ns);
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
        if (below > 0.001 && below * below > factor * factor * variance &&
            may_eject(outliers, settings))
            eject(outlier, settings, OUTLIER_RATE, (uint32_t)(rate_of(outlier) * 100), now_ns);
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
