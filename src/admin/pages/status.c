/* SPDX-License-Identifier: Apache-2.0 */
/* admin/pages/status.c - /api/status: what is known, as JSON for programs and `pando status`.
 *
 * Fields are only ever added. Times are RFC 3339 in UTC, durations carry their unit in the name,
 * what is not known is null. */
#include "admin/pages/pages.h"

#include "admin/log/line.h"
#include "core/units.h"

#include <jansson.h>
#include <string.h>

json_t *pages_json_text(const char *words)
{
    char clean[2048];
    json_t *string = words == NULL ? json_null() : json_string(words);
    if (string != NULL)
        return string;
    size_t bytes = strlen(words);
    if (bytes > sizeof clean / 4 - 1)
        bytes = sizeof clean / 4 - 1;
    *line_put_controls(clean, words, bytes) = '\0';
    return json_string(clean);
}

static json_t *count(uint64_t number)
{
    return json_integer((json_int_t)number);
}

static json_t *time_text(uint64_t wall_ns)
{
    char out[32];
    pages_write_time(out, wall_ns);
    return wall_ns == 0 ? json_null() : json_string(out);
}

static json_t *milliseconds(uint64_t us)
{
    return us == 0 ? json_null() : json_real((double)us / 1000.0);
}

static json_t *latency(const struct figures *figures)
{
    return json_pack("{s:o, s:o}", "p50", milliseconds(figures->p50_us), "p99",
                     milliseconds(figures->p99_us));
}

static json_t *target(const struct pages *pages, const struct target *t)
{
    struct sums sums;
    struct figures figures;
    sums_of_target(&sums, t);
    history_figures(pages->history, t->rows, &sums, &figures);
    const uint64_t retry_ns = atomic_load_explicit(&t->retry_at_ns, memory_order_relaxed);
    json_t *again = retry_ns > pages->now_ns
                        ? json_real((double)(retry_ns - pages->now_ns) / (double)NS_PER_S)
                        : json_null();
    return json_pack(
        "{s:o, s:o, s:i, s:s, s:o, s:o, s:o, s:o, s:o, s:f, s:o, s:o, s:o, s:o, s:o, s:o}", "name",
        pages_json_text(t->name), "zone", pages_json_text(t->zone), "weight", (int)t->weight_said,
        "state", target_state_word(pages_state(t)), "reason",
        pages_json_text(target_shown_reason(t)), "retry_in_s", again, "inflight",
        count(atomic_load_explicit(&t->inflight, memory_order_relaxed)), "requests",
        count(sums.requests), "failures", count(sums.errors), "requests_per_s",
        figures.requests_per_second, "connections", count(sums.open), "idle_connections",
        count(sums.idle), "connects", count(sums.connects), "latency_ms", latency(&figures),
        "openings", count(t->openings_count), "refused", count(sums.refused));
}

static json_t *targets(const struct pages *pages, const struct service *s, uint64_t *inflight)
{
    const struct admin_sources *sources = pages->sources;
    json_t *list = json_array();
    const struct target *t;
    *inflight = 0;
    for (size_t i = 0; (t = sources->target_at(sources->self, s, i)) != NULL; i++) {
        *inflight += atomic_load_explicit(&t->inflight, memory_order_relaxed);
        json_array_append_new(list, target(pages, t));
    }
    return list;
}

static json_t *service(const struct pages *pages, const struct admin_service *s)
{
    struct sums sums;
    struct figures figures;
    uint64_t inflight;
    json_t *list = targets(pages, s->service, &inflight);
    sums_of_service(&sums, s->service);
    history_figures(pages->history, s->service, &sums, &figures);
    return json_pack("{s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:f, s:o, s:o, s:o, s:o}", "name",
                     pages_json_text(s->service->name), "balance", pages_json_text(s->balance),
                     "balance_basis", pages_basis(&sums), "trouble", pages_json_text(s->trouble),
                     "requests", count(sums.requests), "errors", count(sums.errors), "retries",
                     count(sums.retries), "inflight", count(inflight), "requests_per_s",
                     figures.requests_per_second, "requests_minute", count(figures.requests_minute),
                     "errors_minute", count(figures.errors_minute), "latency_ms", latency(&figures),
                     "targets", list);
}

/* What limits do to the service's requests. */
static json_t *limits(const struct service *s)
{
    struct sums sums;
    json_t *object = json_object();
    sums_of_service(&sums, s);
#define X(name, help) json_object_set_new(object, #name, count(sums.name));
    SERVICE_LIMIT_FIGURES(X)
#undef X
    return object;
}

/* Null if it has none. */
static json_t *circuit(const struct pages *pages, const struct admin_circuit *c)
{
    json_t *again = c->until_ns > pages->now_ns
                        ? json_real((double)(c->until_ns - pages->now_ns) / (double)NS_PER_S)
                        : json_null();
    if (c->state == NULL) {
        json_decref(again);
        return json_null();
    }
    return json_pack("{s:s, s:o, s:o, s:o, s:i}", "state", c->state, "reason",
                     c->reason[0] == '\0' ? json_null() : pages_json_text(c->reason),
                     "half_open_in_s", again, "openings", count(c->openings_count), "trials_left",
                     (int)c->trials_left);
}

/* The limit on concurrency, and who waits; null where none is set. */
static json_t *concurrency(const struct service_load *load)
{
    if (load->limit_word == NULL)
        return json_null();
    json_t *waiting = json_object();
#define X(enumerator, name, gist)                                                                  \
    json_object_set_new(waiting, name, count(load->waiting[enumerator]));
    PRIORITIES(X)
#undef X
    return json_pack("{s:s, s:o, s:o, s:o}", "limit", load->limit_word, "now", count(load->limit),
                     "inflight", count(load->inflight), "waiting", waiting);
}

static json_t *services(const struct pages *pages)
{
    const struct admin_sources *sources = pages->sources;
    struct admin_service s;
    json_t *list = json_array();
    for (size_t i = 0; sources->service_at(sources->self, i, &s); i++) {
        json_t *object = service(pages, &s);
        json_object_set_new(object, "limits", limits(s.service));
        json_object_set_new(object, "breaker", circuit(pages, &s.circuit));
        json_object_set_new(object, "concurrency", concurrency(&s.load));
        json_object_set_new(object, "cache", pages_cache_json(pages, s.service));
        json_array_append_new(list, object);
    }
    return list;
}

static json_t *listeners(const struct pages *pages)
{
    const struct admin_sources *sources = pages->sources;
    struct admin_listener l;
    json_t *list = json_array();
    for (size_t i = 0; sources->listener_at(sources->self, i, &l); i++)
        json_array_append_new(
            list, json_pack("{s:o, s:o, s:o, s:o}", "name", pages_json_text(l.name), "address",
                            pages_json_text(l.address), "dialect", pages_json_text(l.dialect),
                            "connections", count(l.connections)));
    return list;
}

static json_t *config(const struct admin_facts *facts)
{
    json_t *last = json_null();
    if (facts->reload_wall_ns != 0)
        last = json_pack("{s:b, s:o, s:o}", "ok", facts->is_reload_ok, "at",
                         time_text(facts->reload_wall_ns), "message",
                         pages_json_text(facts->reload_message));
    return json_pack("{s:o, s:o, s:o, s:o}", "file", pages_json_text(facts->config_file),
                     "revision", count(facts->config_revision), "loaded",
                     time_text(facts->config_loaded_wall_ns), "last_reload", last);
}

/* The database of locations; null if there is none. */
static json_t *geo(const struct pages *pages)
{
    const struct admin_sources *sources = pages->sources;
    const uint64_t wall_s =
        (sources->started_wall_ns + (pages->now_ns - sources->started_ns)) / NS_PER_S;
    if (sources->facts->geo == NULL)
        return json_null();
    const struct geo_file_facts facts = geo_file_facts(sources->facts->geo);
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "file", pages_json_text(facts.path), "type",
                     pages_json_text(facts.type), "built", time_text(facts.built_s * NS_PER_S),
                     "age_s", count(wall_s > facts.built_s ? wall_s - facts.built_s : 0), "bytes",
                     count(facts.bytes));
}

static const char *const level_words[] = {
#define X(enumerator, name, gist) [enumerator] = name,
    LOG_LEVELS(X)
#undef X
};

static json_t *events(const struct pages *pages)
{
    struct event kept[EVENTS_KEPT];
    const size_t kept_count = events_copy(pages->sources->events, kept, EVENTS_KEPT);
    json_t *list = json_array();
    for (size_t i = 0; i < kept_count; i++)
        json_array_append_new(list, json_pack("{s:o, s:s, s:o}", "at", time_text(kept[i].wall_ns),
                                              "level", level_words[kept[i].level], "text",
                                              pages_json_text(kept[i].text)));
    return list;
}

static const char *const tone_words[] = {
#define X(name, word) [PAGES_TONE_##name] = word,
    PAGES_TONES(X)
#undef X
};

static json_t *health(const struct pages *pages)
{
    struct pages_verdict verdict;
    pages_judge(pages, &verdict);
    return json_pack("{s:s, s:o, s:o}", "tone", tone_words[verdict.tone], "sentence",
                     pages_json_text(verdict.sentence), "advice",
                     verdict.advice[0] == '\0' ? json_null() : pages_json_text(verdict.advice));
}

static json_t *whole(const struct pages *pages)
{
    const struct admin_sources *sources = pages->sources;
    const struct admin_facts *facts = sources->facts;
    return json_pack(
        "{s:o, s:o, s:o, s:i, s:o, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
        "version", pages_json_text(sources->version), "started",
        time_text(sources->started_wall_ns), "uptime_s",
        count((pages->now_ns - sources->started_ns) / NS_PER_S), "workers",
        (int)sources->workers_count, "io", pages_json_text(sources->io), "state",
        facts->is_stopping ? "stopping" : "running", "ready", facts->is_ready, "unready_reason",
        facts->is_ready ? json_null() : pages_json_text(facts->unready_reason), "health",
        health(pages), "config", config(facts), "geo", geo(pages), "listeners", listeners(pages),
        "services", services(pages), "keyspaces", pages_keyspaces_json(pages), "channels",
        pages_channels_json(pages), "events", events(pages));
}

bool pages_write_status(const struct pages *pages, FILE *out)
{
    json_t *root = whole(pages);
    if (root == NULL)
        return false;
    const bool ok = json_dumpf(root, out, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) == 0;
    fputc('\n', out);
    json_decref(root);
    return ok;
}
