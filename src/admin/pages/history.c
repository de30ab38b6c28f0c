/* SPDX-License-Identifier: Apache-2.0 */
/* admin/pages/history.c - the last minute, in fixed memory. */
#include "admin/pages/history.h"

#include "core/mem.h"

#include <string.h>

struct item {
    const void *key;
    bool        is_seen;       /* in the sample that is being taken */
    uint64_t    samples_count; /* ever; the next goes to samples_count % (HISTORY_SECONDS + 1) */
    uint64_t    requests[HISTORY_SECONDS + 1];
    uint64_t    errors[HISTORY_SECONDS + 1];
    struct histogram_view bases[HISTORY_BASES]; /* the next goes to bases_count % HISTORY_BASES */
    uint64_t              bases_count;
};

struct history {
    size_t       count;
    struct item *items[HISTORY_ITEMS_MAX];
};

static uint64_t get(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static uint64_t larger(uint64_t one, uint64_t other)
{
    return one > other ? one : other;
}

void sums_of_service(struct sums *sums, const struct service *service)
{
    *sums = (struct sums){0};
    for (unsigned w = 0; w < service->workers_count; w++) {
        const struct service_row *row = &service->rows[w];
        sums->requests += get(&row->requests_count);
        sums->retries += get(&row->retries_count);
        for (unsigned i = 0; i < SERVICE_RETRY_REASONS_COUNT; i++)
            sums->retries_by_reason[i] += get(&row->retries_by_reason[i]);
#define X(name, help) sums->name += get(&row->name##_count);
        SERVICE_LIMIT_FIGURES(X)
#undef X
        sums->balance_basis = larger(sums->balance_basis, get(&row->balance_basis));
        sums->balance_theta = larger(sums->balance_theta, get(&row->balance_theta));
        sums->balance_pool += get(&row->balance_pool);
        sums->bytes_in += get(&row->bytes_in);
        sums->bytes_out += get(&row->bytes_out);
        for (unsigned i = 0; i < 6; i++)
            sums->statuses[i] += get(&row->statuses_count[i]);
        for (unsigned i = 0; i < ERR_KINDS_COUNT; i++)
            sums->errors_by_kind[i] += get(&row->errors_count[i]);
        histogram_add(&sums->latency_us, &row->latency_us);
    }
    sums->errors = sums->statuses[5];
}

void sums_of_target(struct sums *sums, const struct target *target)
{
    *sums = (struct sums){0};
    for (unsigned w = 0; w < target->workers_count; w++) {
        const struct target_row *row = &target->rows[w];
        sums->requests += get(&row->requests_count);
        sums->errors += get(&row->failures_count);
        sums->connects += get(&row->connects_count);
        sums->connect_failures += get(&row->connect_failures_count);
        sums->refused += get(&row->refused_count);
        sums->backpressure += get(&row->backpressure_count);
        sums->probes += get(&row->probes_count);
        sums->probe_misses += get(&row->probe_misses_count);
        sums->reused += get(&row->reused_count);
        sums->idle += get(&row->idle_count);
        sums->open += get(&row->open_count);
        for (unsigned i = 0; i < 6; i++)
            sums->statuses[i] += get(&row->statuses_count[i]);
        histogram_add(&sums->latency_us, &row->latency_us);
    }
}

struct history *history_new(void)
{
    return mem_alloc(sizeof(struct history));
}

void history_free(struct history *history)
{
    if (history == NULL)
        return;
    for (size_t i = 0; i < history->count; i++)
        mem_free(history->items[i]);
    mem_free(history);
}

/* @hint: where it probably is, since services and targets keep their order. */
static struct item *find(const struct history *history, const void *key, size_t hint)
{
    if (hint < history->count && history->items[hint]->key == key)
        return history->items[hint];
    for (size_t i = 0; i < history->count; i++) {
        if (history->items[i]->key == key)
            return history->items[i];
    }
    return NULL;
}

static void note(struct history *history, const void *key, size_t hint, const struct sums *sums)
{
    struct item *item = find(history, key, hint);
    if (item == NULL) {
        if (history->count == HISTORY_ITEMS_MAX || (item = mem_alloc(sizeof *item)) == NULL)
            return; /* its figures are then those since the start */
        item->key = key;
        item->bases_count = 1; /* nothing at all */
        history->items[history->count++] = item;
    }
    const size_t slots = HISTORY_SECONDS + 1;
    const uint64_t last =
        item->samples_count == 0 ? 0 : item->requests[(item->samples_count - 1) % slots];
    item->is_seen = true;
    if (sums->requests < last) { /* another one at the same address */
        item->samples_count = 0;
        item->bases_count = 1;
        item->bases[0] = (struct histogram_view){0};
    }
    item->requests[item->samples_count % slots] = sums->requests;
    item->errors[item->samples_count % slots] = sums->errors;
    item->samples_count++;
    if (item->samples_count % HISTORY_BASE_SECONDS == 0)
        item->bases[item->bases_count++ % HISTORY_BASES] = sums->latency_us;
}

static void forget_unseen(struct history *history)
{
    size_t kept = 0;
    for (size_t i = 0; i < history->count; i++) {
        struct item *item = history->items[i];
        if (item->is_seen) {
            item->is_seen = false;
            history->items[kept++] = item;
        } else {
            mem_free(item);
        }
    }
    history->count = kept;
}

void history_sample(struct history *history, const struct admin_sources *sources)
{
    struct admin_service service;
    struct sums sums;
    size_t hint = 0;
    for (size_t i = 0; sources->service_at(sources->self, i, &service); i++) {
        const struct target *target;
        sums_of_service(&sums, service.service);
        note(history, service.service, hint++, &sums);
        for (size_t k = 0; (target = sources->target_at(sources->self, service.service, k)) != NULL;
             k++) {
            sums_of_target(&sums, target);
            note(history, target->rows, hint++, &sums);
        }
    }
    forget_unseen(history);
}

static void fill_rates(const struct item *item, struct figures *figures)
{
    const size_t slots = HISTORY_SECONDS + 1;
    const uint64_t known = item->samples_count < slots ? item->samples_count : slots;
    figures->seconds_count = known > 0 ? (unsigned)known - 1 : 0;
    for (unsigned i = 0; i < figures->seconds_count; i++) {
        const uint64_t at = item->samples_count - known + i;
        figures->rates[i] =
            (uint32_t)(item->requests[(at + 1) % slots] - item->requests[at % slots]);
    }
    if (known == 0)
        return;
    const uint64_t newest = (item->samples_count - 1) % slots;
    const uint64_t oldest = (item->samples_count - known) % slots;
    figures->requests_minute = item->requests[newest] - item->requests[oldest];
    figures->errors_minute = item->errors[newest] - item->errors[oldest];
    const unsigned over = figures->seconds_count < HISTORY_RATE_SECONDS ? figures->seconds_count
                                                                        : HISTORY_RATE_SECONDS;
    for (unsigned i = 0; i < over; i++)
        figures->requests_per_second += figures->rates[figures->seconds_count - 1 - i];
    if (over > 0)
        figures->requests_per_second /= over;
}

void history_figures(const struct history *history, const void *key, const struct sums *now,
                     struct figures *figures)
{
    const struct item *item = find(history, key, SIZE_MAX);
    struct histogram_view latency = now->latency_us;
    *figures = (struct figures){0};
    if (item != NULL) {
        const uint64_t oldest =
            item->bases_count > HISTORY_BASES ? item->bases_count - HISTORY_BASES : 0;
        histogram_subtract(&latency, &item->bases[oldest % HISTORY_BASES]);
        fill_rates(item, figures);
    }
    figures->p50_us = histogram_quantile_us(&latency, 0.50);
    figures->p99_us = histogram_quantile_us(&latency, 0.99);
}
