/* SPDX-License-Identifier: Apache-2.0 */
/* admin/pages/metrics.c - /metrics: every counter there is, made from the tables it stands in.
 *
 * A family's samples must stand together, so services and targets are walked once for each
 * family. */
#include "admin/pages/pages.h"

#include "core/mem.h"
#include "core/units.h"

#include <dirent.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const char *const classes[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};

/* --- services ------------------------------------------------------------------------------- */

static void put_statuses(struct openmetrics *out, const struct service *service,
                         const struct sums *sums)
{
    for (unsigned i = 0; i < 6; i++) {
        const struct openmetrics_label labels[] = {{"service", service->name},
                                                   {"code_class", classes[i]}};
        openmetrics_counter(out, labels, 2, sums->statuses[i]);
    }
}

static void put_errors(struct openmetrics *out, const struct service *service,
                       const struct sums *sums)
{
    for (unsigned i = ERR_NONE + 1; i < ERR_KINDS_COUNT; i++) {
        const struct openmetrics_label labels[] = {{"service", service->name},
                                                   {"kind", err_row((enum err_kind)i)->name}};
        openmetrics_counter(out, labels, 2, sums->errors_by_kind[i]);
    }
}

static void put_duration(struct openmetrics *out, const struct service *service,
                         const struct sums *sums)
{
    const struct openmetrics_label label = {"service", service->name};
    openmetrics_histogram(out, &label, 1, &sums->latency_us);
}

static void put_retries(struct openmetrics *out, const struct service *service,
                        const struct sums *sums)
{
    static const char *const words[] = {
#define X(name, word, gist) word,
        SERVICE_RETRY_REASONS(X)
#undef X
    };
    for (unsigned i = 0; i < SERVICE_RETRY_REASONS_COUNT; i++) {
        const struct openmetrics_label labels[] = {{"service", service->name},
                                                   {"reason", words[i]}};
        openmetrics_counter(out, labels, 2, sums->retries_by_reason[i]);
    }
}

#define PUT_SERVICE_COUNTER(field)                                                                 \
    static void put_service_##field(struct openmetrics *out, const struct service *service,        \
                                    const struct sums *sums)                                       \
    {                                                                                              \
        const struct openmetrics_label label = {"service", service->name};                         \
        openmetrics_counter(out, &label, 1, sums->field);                                          \
    }
PUT_SERVICE_COUNTER(bytes_in)
PUT_SERVICE_COUNTER(bytes_out)
#define X(name, help) PUT_SERVICE_COUNTER(name)
SERVICE_LIMIT_FIGURES(X)
#undef X

#define PUT_SERVICE_GAUGE(field)                                                                   \
    static void put_service_##field(struct openmetrics *out, const struct service *service,        \
                                    const struct sums *sums)                                       \
    {                                                                                              \
        const struct openmetrics_label label = {"service", service->name};                         \
        openmetrics_gauge(out, &label, 1, (int64_t)sums->field);                                   \
    }
PUT_SERVICE_GAUGE(balance_basis)
PUT_SERVICE_GAUGE(balance_pool)
PUT_SERVICE_GAUGE(balance_theta)

#define SERVICE_FAMILIES(X)                                                                        \
    X(COUNTER, "pando_requests", "", put_statuses,                                                 \
      "requests by the class of the status that the client got")                                   \
    X(HISTOGRAM, "pando_request_duration_seconds", "seconds", put_duration,                        \
      "from the last byte of a request's head to the last byte of its answer")                     \
    X(COUNTER, "pando_errors", "", put_errors, "answers that Pando made itself, by why")           \
    X(COUNTER, "pando_retries", "", put_retries, "attempts after the first, by why")               \
    X(GAUGE, "pando_balance_basis", "", put_service_balance_basis,                                 \
      "by what balance resource picks; 0: nothing to say, 1: probes, 2: reports, 3: utilisation, " \
      "4: it falls back to two-choices")                                                           \
    X(GAUGE, "pando_balance_pool_size", "", put_service_balance_pool,                              \
      "probes in the pools of balance resource, of all workers")                                   \
    X(GAUGE, "pando_balance_theta", "", put_service_balance_theta,                                 \
      "requests in flight above which a target is hot to balance resource")                        \
    X(COUNTER, "pando_request_body_bytes", "bytes", put_service_bytes_in,                          \
      "bytes of request bodies")                                                                   \
    X(COUNTER, "pando_answer_body_bytes", "bytes", put_service_bytes_out,                          \
      "bytes of answer bodies")

static void put_services(const struct pages *pages, struct openmetrics *out,
                         void (*put)(struct openmetrics *, const struct service *,
                                     const struct sums *))
{
    const struct admin_sources *sources = pages->sources;
    struct admin_service service;
    struct sums sums;
    for (size_t i = 0; sources->service_at(sources->self, i, &service); i++) {
        sums_of_service(&sums, service.service);
        put(out, service.service, &sums);
    }
}

static void put_service_families(const struct pages *pages, struct openmetrics *out)
{
#define X(sort, name, unit, put, help)                                                             \
    openmetrics_family(out, OPENMETRICS_##sort, name, unit, help);                                 \
    put_services(pages, out, put);
    SERVICE_FAMILIES(X)
#undef X
#define X(name, help)                                                                              \
    openmetrics_family(out, OPENMETRICS_COUNTER, "pando_" #name, "", help);                        \
    put_services(pages, out, put_service_##name);
    SERVICE_LIMIT_FIGURES(X)
#undef X
}

/* --- circuit breakers of services ------------------------------------------------------------- */

static int64_t circuit_state(const struct admin_circuit *circuit)
{
    return circuit->is_closed ? 0 : circuit->is_open ? 2 : 1;
}

/* Services without one have no sample. */
static void put_circuits(const struct pages *pages, struct openmetrics *out, bool is_state)
{
    const struct admin_sources *sources = pages->sources;
    struct admin_service service;
    for (size_t i = 0; sources->service_at(sources->self, i, &service); i++) {
        const struct openmetrics_label label = {"service", service.service->name};
        const struct admin_circuit *circuit = &service.circuit;
        if (circuit->state != NULL && is_state)
            openmetrics_gauge(out, &label, 1, circuit_state(circuit));
        else if (circuit->state != NULL)
            openmetrics_counter(out, &label, 1, circuit->openings_count);
    }
}

static void put_circuit_families(const struct pages *pages, struct openmetrics *out)
{
    openmetrics_family(out, OPENMETRICS_GAUGE, "pando_service_breaker_state", "",
                       "the service's circuit breaker; 0: closed, 1: half-open, 2: open");
    put_circuits(pages, out, true);
    openmetrics_family(out, OPENMETRICS_COUNTER, "pando_service_breaker_openings", "",
                       "times that the service's circuit breaker has opened");
    put_circuits(pages, out, false);
}

/* --- limits on concurrency, where they are set ------------------------------------------------ */

static void put_limit(struct openmetrics *out, struct openmetrics_label *labels,
                      const struct service_load *load)
{
    openmetrics_gauge(out, labels, 1, load->limit);
}

static void put_permits(struct openmetrics *out, struct openmetrics_label *labels,
                        const struct service_load *load)
{
    openmetrics_gauge(out, labels, 1, load->inflight);
}

static void put_waiting(struct openmetrics *out, struct openmetrics_label *labels,
                        const struct service_load *load)
{
    static const char *const priorities[] = {
#define X(enumerator, name, gist) [enumerator] = name,
        PRIORITIES(X)
#undef X
    };
    for (int i = 0; i < PRIORITIES_COUNT; i++) {
        labels[1] = (struct openmetrics_label){"priority", priorities[i]};
        openmetrics_gauge(out, labels, 2, load->waiting[i]);
    }
}

#define LOAD_FAMILIES(X)                                                                           \
    X("pando_concurrency_limit", put_limit,                                                        \
      "requests that may be in progress at once; 0: as many as come")                              \
    X("pando_concurrency_inflight", put_permits, "requests that have a permit of their service")   \
    X("pando_waiting", put_waiting, "requests that wait for one")

static void put_loads(const struct pages *pages, struct openmetrics *out,
                      void (*put)(struct openmetrics *, struct openmetrics_label *,
                                  const struct service_load *))
{
    const struct admin_sources *sources = pages->sources;
    struct admin_service service;
    for (size_t i = 0; sources->service_at(sources->self, i, &service); i++) {
        struct openmetrics_label labels[2] = {{"service", service.service->name}};
        if (service.load.limit_word != NULL)
            put(out, labels, &service.load);
    }
}

static void put_load_families(const struct pages *pages, struct openmetrics *out)
{
#define X(name, put, help)                                                                         \
    openmetrics_family(out, OPENMETRICS_GAUGE, name, "", help);                                    \
    put_loads(pages, out, put);
    LOAD_FAMILIES(X)
#undef X
}

/* --- targets -------------------------------------------------------------------------------- */

/* One target with the labels it always has. */
struct sample {
    const struct target     *target;
    const struct sums       *sums;
    struct openmetrics_label labels[3];
};

static void put_target_statuses(struct openmetrics *out, struct sample *s)
{
    for (unsigned i = 0; i < 6; i++) {
        s->labels[2] = (struct openmetrics_label){"code_class", classes[i]};
        openmetrics_counter(out, s->labels, 3, s->sums->statuses[i]);
    }
}

static void put_target_duration(struct openmetrics *out, struct sample *s)
{
    openmetrics_histogram(out, s->labels, 2, &s->sums->latency_us);
}

static void put_target_state(struct openmetrics *out, struct sample *s)
{
    const enum target_state state = pages_state(s->target);
    openmetrics_gauge(out, s->labels, 2, state == TARGET_UP ? 0 : state == TARGET_TRIAL ? 1 : 2);
}

#define PUT_TARGET(word, call, value)                                                              \
    static void put_target_##word(struct openmetrics *out, struct sample *s)                       \
    {                                                                                              \
        call(out, s->labels, 2, value);                                                            \
    }
PUT_TARGET(requests, openmetrics_counter, s->sums->requests)
PUT_TARGET(failures, openmetrics_counter, s->sums->errors)
PUT_TARGET(connects, openmetrics_counter, s->sums->connects)
PUT_TARGET(connect_failures, openmetrics_counter, s->sums->connect_failures)
PUT_TARGET(reused, openmetrics_counter, s->sums->reused)
PUT_TARGET(open, openmetrics_gauge, (int64_t)s->sums->open)
PUT_TARGET(idle, openmetrics_gauge, (int64_t)s->sums->idle)
PUT_TARGET(weight, openmetrics_gauge, s->target->weight_said)
PUT_TARGET(inflight, openmetrics_gauge,
           atomic_load_explicit(&s->target->inflight, memory_order_relaxed))
PUT_TARGET(connect_us, openmetrics_gauge,
           atomic_load_explicit(&s->target->connect_us, memory_order_relaxed))
PUT_TARGET(healthy, openmetrics_gauge, pages_state(s->target) == TARGET_UP)
PUT_TARGET(checks, openmetrics_counter, s->target->checks_count)
PUT_TARGET(check_failures, openmetrics_counter, s->target->check_failures_count)
PUT_TARGET(draining, openmetrics_gauge, pages_state(s->target) == TARGET_DRAINING)
PUT_TARGET(ejections, openmetrics_counter, s->target->ejections_count)
PUT_TARGET(ejected, openmetrics_gauge, pages_state(s->target) == TARGET_EJECTED)
PUT_TARGET(backpressure, openmetrics_counter, s->sums->backpressure)
PUT_TARGET(breaker_open, openmetrics_gauge, pages_state(s->target) == TARGET_OPEN)
PUT_TARGET(breaker_openings, openmetrics_counter, s->target->openings_count)
PUT_TARGET(refused, openmetrics_counter, s->sums->refused)
PUT_TARGET(withheld, openmetrics_gauge, s->target->withheld_percent)
PUT_TARGET(agent_percent, openmetrics_gauge, s->target->agent_percent)
PUT_TARGET(agent_silent, openmetrics_gauge, s->target->is_agent_silent)
PUT_TARGET(agent_asks, openmetrics_counter, s->target->agent_asks_count)
PUT_TARGET(agent_misses, openmetrics_counter, s->target->agent_misses_count)
PUT_TARGET(inflight_most, openmetrics_gauge,
           atomic_load_explicit(&s->target->inflight_most, memory_order_relaxed))
PUT_TARGET(probes, openmetrics_counter, s->sums->probes)
PUT_TARGET(probe_misses, openmetrics_counter, s->sums->probe_misses)
PUT_TARGET(down, openmetrics_gauge, pages_state(s->target) == TARGET_DOWN)

#define TARGET_FAMILIES(X)                                                                         \
    X(COUNTER, "pando_upstream_requests", "", requests, "attempts that a target was given")        \
    X(COUNTER, "pando_upstream_failures", "", failures, "of them, those without a usable answer")  \
    X(COUNTER, "pando_upstream_answers", "", statuses,                                             \
      "attempts by the class of the target's status")                                              \
    X(HISTOGRAM, "pando_upstream_duration_seconds", "seconds", duration,                           \
      "from the request being sent to the head of the target's answer")                            \
    X(COUNTER, "pando_upstream_connects", "", connects, "connections that were begun")             \
    X(COUNTER, "pando_upstream_connect_failures", "", connect_failures,                            \
      "of them, those that failed")                                                                \
    X(COUNTER, "pando_upstream_reused", "", reused,                                                \
      "attempts over a connection that had been kept")                                             \
    X(GAUGE, "pando_upstream_connections", "", open, "connections now")                            \
    X(GAUGE, "pando_upstream_connections_idle", "", idle,                                          \
      "of them, those that wait for a request")                                                    \
    X(GAUGE, "pando_upstream_inflight", "", inflight, "requests given and not finished")           \
    X(GAUGE, "pando_upstream_connect_microseconds", "", connect_us,                                \
      "how long a connection takes to open, of late; 0 if none was opened")                        \
    X(GAUGE, "pando_upstream_weight", "", weight, "its share of the requests, from 1 to 256")      \
    X(GAUGE, "pando_upstream_healthy", "", healthy, "1 if it takes requests")                      \
    X(COUNTER, "pando_upstream_checks", "", checks, "active health checks that gave a verdict")    \
    X(COUNTER, "pando_upstream_check_failures", "", check_failures, "of them, those that failed")  \
    X(GAUGE, "pando_upstream_down", "", down, "1 if its health checks fail")                       \
    X(GAUGE, "pando_upstream_draining", "", draining, "1 if an operator drains it")                \
    X(COUNTER, "pando_upstream_ejections", "", ejections,                                          \
      "times that it was passed over for how it answers")                                          \
    X(GAUGE, "pando_upstream_ejected", "", ejected, "1 if it is passed over for how it answers")   \
    X(COUNTER, "pando_upstream_backpressure", "", backpressure,                                    \
      "answers of 429, and of 503 with Retry-After, which are no faults")                          \
    X(GAUGE, "pando_upstream_withheld_percent", "", withheld,                                      \
      "percent of its weight that it does not have yet, since it starts slowly")                   \
    X(GAUGE, "pando_upstream_agent_percent", "", agent_percent,                                    \
      "percent of its weight that its agent says; 100 without one")                                \
    X(GAUGE, "pando_upstream_agent_silent", "", agent_silent,                                      \
      "1 if its agent does not answer, so that its weight is the configured one")                  \
    X(COUNTER, "pando_upstream_agent_asks", "", agent_asks, "questions to its agent")              \
    X(COUNTER, "pando_upstream_agent_misses", "", agent_misses,                                    \
      "of them, those without an answer that is one")                                              \
    X(GAUGE, "pando_upstream_inflight_most", "", inflight_most,                                    \
      "requests at once that its agent allows (maxconn); 0: it says nothing of it")                \
    X(COUNTER, "pando_upstream_probes", "", probes, "probes for balance resource")                 \
    X(COUNTER, "pando_upstream_probe_misses", "", probe_misses,                                    \
      "of them, those that brought no report in time")                                             \
    X(GAUGE, "pando_upstream_breaker_open", "", breaker_open, "1 if its circuit breaker is open")  \
    X(COUNTER, "pando_upstream_breaker_openings", "", breaker_openings,                            \
      "times that its circuit breaker has opened")                                                 \
    X(COUNTER, "pando_upstream_refused", "", refused,                                              \
      "attempts that were sent elsewhere, since it is passed over or its trials are taken")        \
    X(GAUGE, "pando_breaker_state", "", state, "0: up, 1: some requests try it, 2: passed over")

static void put_targets(const struct pages *pages, struct openmetrics *out,
                        void (*put)(struct openmetrics *, struct sample *))
{
    const struct admin_sources *sources = pages->sources;
    struct admin_service service;
    struct sums sums;
    for (size_t i = 0; sources->service_at(sources->self, i, &service); i++) {
        const struct target *target;
        for (size_t k = 0; (target = sources->target_at(sources->self, service.service, k)) != NULL;
             k++) {
            struct sample sample = {
                .target = target,
                .sums = &sums,
                .labels = {{"service", service.service->name}, {"target", target->name}},
            };
            sums_of_target(&sums, target);
            put(out, &sample);
        }
    }
}

static void put_target_families(const struct pages *pages, struct openmetrics *out)
{
#define X(sort, name, unit, word, help)                                                            \
    openmetrics_family(out, OPENMETRICS_##sort, name, unit, help);                                 \
    put_targets(pages, out, put_target_##word);
    TARGET_FAMILIES(X)
#undef X
}

/* --- workers -------------------------------------------------------------------------------- */

/* One figure of a worker: where it stands in its row. */
struct figure {
    const char *name;
    const char *help;
    size_t      offset;
    bool        is_counter;
};

enum { FIGURE_GAUGE, FIGURE_COUNTER };

static const struct figure worker_figures[] = {
#define X(name, sort, help)                                                                        \
    {"pando_worker_" #name, help, offsetof(struct worker_row, name), FIGURE_##sort},
    WORKER_FIGURES(X)
#undef X
};

static void put_figure(const struct pages *pages, struct openmetrics *out,
                       const struct figure *figure)
{
    const struct admin_sources *sources = pages->sources;
    const size_t length = strlen(figure->name);
    const bool is_bytes = length > 6 && strcmp(figure->name + length - 6, "_bytes") == 0;
    openmetrics_family(out, figure->is_counter ? OPENMETRICS_COUNTER : OPENMETRICS_GAUGE,
                       figure->name, is_bytes ? "bytes" : "", figure->help);
    for (unsigned i = 0; i <= sources->workers_count; i++) {
        char index[16];
        if (sources->rows[i] == NULL)
            continue;
        snprintf(index, sizeof index, "%u", i);
        const struct openmetrics_label label = {"worker",
                                                i == sources->workers_count ? "control" : index};
        const _Atomic uint64_t *at =
            (const void *)((const char *)sources->rows[i] + figure->offset);
        const uint64_t value = atomic_load_explicit(at, memory_order_relaxed);
        if (figure->is_counter)
            openmetrics_counter(out, &label, 1, value);
        else
            openmetrics_gauge(out, &label, 1, (int64_t)value);
    }
}

static void put_workers(const struct pages *pages, struct openmetrics *out)
{
    for (size_t i = 0; i < sizeof worker_figures / sizeof worker_figures[0]; i++)
        put_figure(pages, out, &worker_figures[i]);
}

/* --- the process ---------------------------------------------------------------------------- */

static void put_gauge(struct openmetrics *out, const char *name, const char *unit, const char *help,
                      int64_t value)
{
    openmetrics_family(out, OPENMETRICS_GAUGE, name, unit, help);
    openmetrics_gauge(out, NULL, 0, value);
}

/* Pages of the process: all, and those in memory. */
static void read_memory(unsigned long *all, unsigned long *resident)
{
    FILE *file = fopen("/proc/self/statm", "re");
    *all = *resident = 0;
    if (file == NULL)
        return;
    if (fscanf(file, "%lu %lu", all, resident) != 2)
        *all = *resident = 0;
    fclose(file);
}

/* The entries of a folder without "." and "..". */
static int64_t count_entries(const char *path)
{
    DIR *folder = opendir(path);
    int64_t count = 0;
    if (folder == NULL)
        return 0;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

static uint64_t cpu_ns(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return 0;
    return ((uint64_t)usage.ru_utime.tv_sec + (uint64_t)usage.ru_stime.tv_sec) * NS_PER_S +
           ((uint64_t)usage.ru_utime.tv_usec + (uint64_t)usage.ru_stime.tv_usec) * NS_PER_US;
}

static void put_process(const struct pages *pages, struct openmetrics *out)
{
    const int64_t page_bytes = sysconf(_SC_PAGESIZE);
    unsigned long all, resident;
    struct rlimit limit = {0};
    read_memory(&all, &resident);
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    openmetrics_family(out, OPENMETRICS_COUNTER, "process_cpu_seconds", "seconds",
                       "user and system time");
    openmetrics_counter_ns(out, NULL, 0, cpu_ns());
    put_gauge(out, "process_resident_memory_bytes", "bytes", "memory that is in RAM",
              (int64_t)resident * page_bytes);
    put_gauge(out, "process_virtual_memory_bytes", "bytes", "address space",
              (int64_t)all * page_bytes);
    /* One of them is the folder itself. */
    put_gauge(out, "process_open_fds", "", "descriptors that are open",
              count_entries("/proc/self/fd") - 1);
    put_gauge(out, "process_max_fds", "", "descriptors that may be open", (int64_t)limit.rlim_cur);
    put_gauge(out, "process_threads", "", "threads", count_entries("/proc/self/task"));
    openmetrics_family(out, OPENMETRICS_GAUGE, "process_start_time_seconds", "seconds",
                       "when it was started");
    openmetrics_gauge(out, NULL, 0, (int64_t)(pages->sources->started_wall_ns / NS_PER_S));
    openmetrics_family(out, OPENMETRICS_COUNTER, "pando_allocations", "",
                       "times that memory was asked of the system");
    openmetrics_counter(out, NULL, 0, mem_count());
    put_gauge(out, "pando_mapped_bytes", "bytes", "memory of slabs and rings",
              (int64_t)mem_mapped_bytes());
}

static void put_config(const struct pages *pages, struct openmetrics *out)
{
    const struct admin_sources *sources = pages->sources;
    const struct admin_facts *facts = sources->facts;
    const struct openmetrics_label build[] = {{"version", sources->version}, {"io", sources->io}};
    openmetrics_family(out, OPENMETRICS_INFO, "pando_build", "", "what runs here");
    openmetrics_info(out, build, 2);
    put_gauge(out, "pando_ready", "", "1 if /readyz says so", facts->is_ready);
    put_gauge(out, "pando_config_revision", "", "1 at the start, grows with every reload",
              (int64_t)facts->config_revision);
    put_gauge(out, "pando_config_last_reload_success", "", "0 if the last reload was refused",
              facts->reload_wall_ns == 0 || facts->is_reload_ok);
    openmetrics_family(out, OPENMETRICS_GAUGE, "pando_config_last_load_timestamp_seconds",
                       "seconds", "when the configuration in force was loaded");
    openmetrics_gauge(out, NULL, 0, (int64_t)(facts->config_loaded_wall_ns / NS_PER_S));
    openmetrics_family(out, OPENMETRICS_GAUGE, "pando_geo_file_built_timestamp_seconds", "seconds",
                       "when the database of locations was made; not there without one");
    if (facts->geo != NULL)
        openmetrics_gauge(out, NULL, 0, (int64_t)geo_file_facts(facts->geo).built_s);
}

void pages_write_metrics(const struct pages *pages, struct openmetrics *out)
{
    put_config(pages, out);
    put_service_families(pages, out);
    put_circuit_families(pages, out);
    put_load_families(pages, out);
    pages_put_cache_families(pages, out);
    pages_put_keyspace_families(pages, out);
    pages_put_channel_families(pages, out);
    put_target_families(pages, out);
    put_workers(pages, out);
    put_process(pages, out);
    openmetrics_end(out);
}

/* --- Prometheus text 0.0.4 ------------------------------------------------------------------ */

/* In that form a family is named like its samples, and there are no units, no infos and no end. */
struct classic {
    const char *suffix; /* of the samples of the family that was begun last */
    FILE       *out;
};

static const char *suffix_of(const char *sort, size_t bytes)
{
    if (bytes == 7 && memcmp(sort, "counter", 7) == 0)
        return "_total";
    return bytes == 4 && memcmp(sort, "info", 4) == 0 ? "_info" : "";
}

/* A line "# TYPE name sort" or "# HELP name text", without its newline. */
static void put_meta(struct classic *c, const char *line, size_t bytes)
{
    const char *name = line + 7;
    const char *end = memchr(name, ' ', bytes - 7);
    if (end == NULL)
        return;
    const char *rest = end + 1;
    const size_t rest_bytes = bytes - (size_t)(rest - line);
    if (memcmp(line, "# TYPE", 6) == 0) {
        c->suffix = suffix_of(rest, rest_bytes);
        if (strcmp(c->suffix, "_info") == 0) {
            fprintf(c->out, "# TYPE %.*s_info gauge\n", (int)(end - name), name);
            return;
        }
    }
    fprintf(c->out, "%.7s%.*s%s %.*s\n", line, (int)(end - name), name, c->suffix, (int)rest_bytes,
            rest);
}

void pages_write_classic(const struct openmetrics *metrics, FILE *out)
{
    struct classic c = {.suffix = "", .out = out};
    const char *at = metrics->text, *end = at + metrics->bytes;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const size_t bytes = newline == NULL ? (size_t)(end - at) : (size_t)(newline - at);
        if (bytes > 7 && (memcmp(at, "# TYPE ", 7) == 0 || memcmp(at, "# HELP ", 7) == 0))
            put_meta(&c, at, bytes);
        else if (bytes > 0 && at[0] != '#')
            fprintf(out, "%.*s\n", (int)bytes, at);
        at += bytes + 1;
    }
}
