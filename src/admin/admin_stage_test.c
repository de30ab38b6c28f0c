/* SPDX-License-Identifier: Apache-2.0 */
/* admin/admin_stage_test.c - pages asked for as a client asks, over a service that is made up. */
#include "admin/admin_stage.h"

#include "admin/pages/pages.h"
#include "admin/tap.h"
#include "core/mem.h"
#include "core/units.h"
#include "path/path_testing.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { BODY_BYTES_MAX = 1 << 20 };

/* A node with one service of three targets, "10.0.0.1:3000" to "10.0.0.3:3000". */
struct node {
    struct bench         bench;
    struct loop          loop;
    struct worker_row    rows[2];
    struct worker_row   *row_pointers[2];
    struct admin_facts   facts;
    struct admin_sources sources;
    struct admin        *admin;
    const char          *trouble;
    struct admin_circuit circuit;
    struct service_load  load;
    struct admin_cache   cache; /* policy NULL: there is none */
    unsigned             services_count, targets_count, reloads_count, keyspaces_count;
    char                 body[BODY_BYTES_MAX];
};

static struct node node;

static bool service_at(void *self, size_t index, struct admin_service *out)
{
    (void)self;
    *out = (struct admin_service){.service = &node.bench.service,
                                  .balance = "two-choices",
                                  .trouble = node.trouble,
                                  .circuit = node.circuit,
                                  .load = node.load};
    return index < node.services_count;
}

static const struct target *target_at(void *self, const struct service *service, size_t index)
{
    (void)self, (void)service;
    return index < node.targets_count ? &node.bench.targets[index] : NULL;
}

static bool listener_at(void *self, size_t index, struct admin_listener *out)
{
    (void)self;
    *out = (struct admin_listener){"web", ":8080", "http", 12};
    return index < 1;
}

static bool keyspace_at(void *self, size_t index, struct admin_keyspace *out)
{
    (void)self;
    *out = (struct admin_keyspace){.name = "carts",
                                   .partition = "hash",
                                   .engine = "memory",
                                   .shards_count = 4,
                                   .figures = {.keys = 12,
                                               .used_bytes = 3 * MIB,
                                               .limit_bytes = 256 * MIB,
                                               .commands = 40,
                                               .hits = 3,
                                               .misses = 1,
                                               .evicted = 7}};
    return index < node.keyspaces_count;
}

static bool cache_of(void *self, const struct service *service, struct admin_cache *out)
{
    (void)self, (void)service;
    *out = node.cache;
    return node.cache.policy != NULL;
}

/* Tells what it was asked. */
static unsigned tell_query(void *self, const struct admin_query *query, FILE *out)
{
    (void)self;
    for (size_t i = 0; i < query->count; i++)
        fprintf(out, "[%s=%s]", query->at[i].name, query->at[i].value);
    return query->count == 0 ? 422 : 200;
}

static bool reload(void *self, FILE *out)
{
    (void)self;
    fputs("http.idle-timeout: 60s -> 30s\n", out);
    return ++node.reloads_count == 1;
}

static void set_up(void)
{
    bench_init(&node.bench, 3);
    node.bench.keep_ops = true;
    snprintf(node.bench.service.name, sizeof node.bench.service.name, "shop");
    node.services_count = 1;
    node.targets_count = 3;
    for (unsigned i = 0; i < 3; i++)
        snprintf(node.bench.targets[i].name, sizeof node.bench.targets[i].name, "10.0.0.%u:3000",
                 i + 1);
    cr_assert(loop_open(&node.loop, "epoll", NULL) == ERR_NONE);
    node.bench.worker.index = WORKER_CONTROL;
    node.row_pointers[0] = &node.rows[0];
    node.row_pointers[1] = &node.rows[1];
    node.facts = (struct admin_facts){.is_ready = true, .config_revision = 1};
    node.sources = (struct admin_sources){
        .version = "0.1.0",
        .io = "epoll",
        .loop = &node.loop,
        .workers_count = 1,
        .rows = node.row_pointers,
        .facts = &node.facts,
        .events = events_new(-1, LOG_LEVEL_INFO),
        .service_at = service_at,
        .target_at = target_at,
        .listener_at = listener_at,
        .reload = reload,
        .cache_of = cache_of,
        .keyspace_at = keyspace_at,
        .purge = tell_query,
        .purged = tell_query,
        .explain = tell_query,
    };
    node.admin = admin_new(&node.sources);
    cr_assert(node.admin != NULL);
}

static void tear_down(void)
{
    admin_free(node.admin);
    events_free(node.sources.events);
    loop_close(&node.loop);
    bench_fini(&node.bench);
}

TestSuite(admin, .init = set_up, .fini = tear_down);

/* Gives the body as text; @type, if not NULL, gets the content type, of 128 bytes. */
static const char *take_body(struct op *op, char *type)
{
    size_t used = 0;
    while (!pipe_is_drained(&op->answer_body)) {
        const struct slice slice = pipe_take(&op->answer_body);
        cr_assert(used + slice.bytes < BODY_BYTES_MAX);
        memcpy(node.body + used, slice.at, slice.bytes);
        used += slice.bytes;
        buf_unref(slice.buf);
    }
    node.body[used] = '\0';
    const struct http_field *field = http_head_find(&op->answer.head, HTTP_FIELD_CONTENT_TYPE);
    if (type != NULL && field != NULL)
        snprintf(type, 128, "%.*s", (int)field->value_bytes,
                 (const char *)http_field_value(&op->answer.head, field));
    return node.body;
}

/* Asks; the body is what is returned, the status node.bench.seen.status. */
static const char *ask_as(enum http_method method, const char *path, bool is_control,
                          const char *accept, char *type)
{
    struct op *op = bench_op(&node.bench, method);
    struct http_head *head = &op->request->head;
    struct http_field field = {.id = HTTP_FIELD_ACCEPT};
    static char bytes[512];
    head->path.bytes = head->target.bytes =
        (uint32_t)snprintf(bytes, sizeof bytes, "%s%s", path, accept != NULL ? accept : "") -
        (uint32_t)(accept != NULL ? strlen(accept) : 0);
    head->base = (const uint8_t *)bytes;
    if (accept != NULL) {
        field.value_at = head->path.bytes;
        field.value_bytes = (uint32_t)strlen(accept);
        head->fields = &field;
        head->fields_count = 1;
        head->present[HTTP_FIELD_ACCEPT >> 6] |= 1ull << (HTTP_FIELD_ACCEPT & 63);
    }
    stage_submit(admin_stage(node.admin, is_control), op);
    const char *body = take_body(op, type);
    op_free(op);
    return body;
}

static const char *ask(const char *path)
{
    return ask_as(HTTP_METHOD_GET, path, false, NULL, NULL);
}

#define expect_in(text, words)                                                                     \
    cr_expect(strstr(text, words) != NULL, "no \"%s\" in: %s", words, text)
#define expect_not_in(text, words)                                                                 \
    cr_expect(strstr(text, words) == NULL, "\"%s\" in: %s", words, text)

Test(admin, probes)
{
    cr_expect_str_eq(ask("/healthz"), "ok\n");
    cr_expect_str_eq(ask("/readyz"), "ready\n");
    node.facts.is_ready = false;
    node.facts.unready_reason = "stopping";
    cr_expect_str_eq(ask("/readyz?verbose"), "not ready: stopping\n");
    cr_expect_eq(node.bench.seen.status, 503);
    cr_expect_str_eq(ask_as(HTTP_METHOD_HEAD, "/healthz", false, NULL, NULL), "");
    cr_expect_eq(node.bench.seen.status, 200);
}

Test(admin, unknown_pages_and_methods)
{
    expect_in(ask("/metric"), "/metrics");
    cr_expect_eq(node.bench.seen.status, 404);
    expect_not_in(ask("/nothing"), "/control/reload");
    expect_in(ask_as(HTTP_METHOD_POST, "/metrics", false, NULL, NULL), "GET, HEAD");
    cr_expect_eq(node.bench.seen.status, 405);
    (void)ask_as(HTTP_METHOD_OPTIONS, "*", false, NULL, NULL);
    cr_expect_eq(node.bench.seen.status, 404);
}

/* The admin listener shows; only the control socket does. */
Test(admin, commands_are_for_the_control_socket)
{
    (void)ask_as(HTTP_METHOD_POST, "/control/reload", false, NULL, NULL);
    cr_expect(node.bench.seen.status == 404 && node.reloads_count == 0);
    (void)ask("/control/tap");
    cr_expect_eq(node.bench.seen.status, 404);
    (void)ask_as(HTTP_METHOD_GET, "/control/reload", true, NULL, NULL);
    cr_expect(node.bench.seen.status == 405 && node.reloads_count == 0);
    cr_expect_str_eq(ask_as(HTTP_METHOD_POST, "/control/reload", true, NULL, NULL),
                     "http.idle-timeout: 60s -> 30s\n");
    cr_expect_eq(node.bench.seen.status, 200);
    (void)ask_as(HTTP_METHOD_POST, "/control/reload", true, NULL, NULL);
    cr_expect_eq(node.bench.seen.status, 422, "refused");
}

static void work(void)
{
    struct service_row *service = &node.bench.row;
    struct target_row *target = &node.bench.rows[0];
    row_add(&service->requests_count, 1000);
    row_add(&service->statuses_count[2], 999);
    row_add(&service->statuses_count[5], 1);
    row_add(&service->errors_count[ERR_TARGET_CLOSED], 1);
    row_add(&target->requests_count, 1000);
    for (int i = 0; i < 1000; i++)
        histogram_record(&service->latency_us, 2000);
    row_add(&node.rows[0].charged_bytes, 4096);
}

Test(admin, metrics)
{
    char type[128];
    work();
    atomic_store(&node.bench.targets[1].state, TARGET_PAUSED);
    const char *text = ask_as(HTTP_METHOD_GET, "/metrics", false,
                              "application/OpenMetrics-text;version=1.0.0", type);
    cr_expect_str_eq(type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    expect_in(text, "# TYPE pando_requests counter\n");
    expect_in(text, "pando_requests_total{service=\"shop\",code_class=\"2xx\"} 999\n");
    expect_in(text, "pando_request_duration_seconds_count{service=\"shop\"} 1000\n");
    expect_in(text, "pando_errors_total{service=\"shop\",kind=\"TARGET_CLOSED\"} 1\n");
    expect_in(text,
              "pando_upstream_requests_total{service=\"shop\",target=\"10.0.0.1:3000\"} 1000\n");
    expect_in(text, "pando_breaker_state{service=\"shop\",target=\"10.0.0.2:3000\"} 2\n");
    expect_in(text, "pando_upstream_healthy{service=\"shop\",target=\"10.0.0.3:3000\"} 1\n");
    expect_in(text, "pando_worker_charged_bytes{worker=\"0\"} 4096\n");
    expect_in(text, "pando_worker_connections_refused_total{worker=\"control\"} 0\n");
    expect_in(text, "pando_config_last_reload_success 1\n");
    expect_in(text, "pando_build_info{version=\"0.1.0\",io=\"epoll\"} 1\n");
    expect_in(text, "process_resident_memory_bytes ");
    cr_expect_str_eq(text + strlen(text) - 6, "# EOF\n");
}

Test(admin, metrics_for_those_who_read_no_openmetrics)
{
    char type[128];
    work();
    const char *text = ask_as(HTTP_METHOD_GET, "/metrics", false, "text/plain", type);
    cr_expect_str_eq(type, "text/plain; version=0.0.4; charset=utf-8");
    expect_in(text, "# TYPE pando_requests_total counter\n# HELP pando_requests_total requests by");
    expect_in(text, "pando_requests_total{service=\"shop\",code_class=\"2xx\"} 999\n");
    expect_in(text, "# TYPE pando_build_info gauge\n");
    expect_in(text, "# TYPE pando_request_duration_seconds histogram\n");
    expect_not_in(text, "# EOF");
    expect_not_in(text, "# UNIT");
}

Test(admin, status_is_json)
{
    char type[128];
    work();
    node.facts.reload_wall_ns = 1795526276000000000u;
    node.facts.reload_message = "the file has \"mistakes\" \xff";
    atomic_store(&node.bench.targets[2].state, TARGET_PAUSED);
    atomic_store(&node.bench.targets[2].reason, "connection refused");
    events_tell(node.sources.events, LOG_LEVEL_WARNING, "something");
    const char *text = ask_as(HTTP_METHOD_GET, "/api/status", false, NULL, type);
    json_t *root = json_loads(text, 0, NULL), *service, *target, *last;
    cr_assert(root != NULL, "%s", text);
    cr_expect_str_eq(type, "application/json");
    cr_expect_str_eq(json_string_value(json_object_get(root, "state")), "running");
    cr_expect_str_eq(json_string_value(json_object_get(root, "version")), "0.1.0");
    service = json_array_get(json_object_get(root, "services"), 0);
    cr_expect_str_eq(json_string_value(json_object_get(service, "name")), "shop");
    cr_expect_eq(json_integer_value(json_object_get(service, "requests")), 1000);
    cr_expect_eq(json_integer_value(json_object_get(service, "errors")), 1);
    cr_expect_gt(json_real_value(json_object_get(json_object_get(service, "latency_ms"), "p50")),
                 1.8);
    target = json_array_get(json_object_get(service, "targets"), 2);
    cr_expect_str_eq(json_string_value(json_object_get(target, "state")), "paused");
    cr_expect_str_eq(json_string_value(json_object_get(target, "reason")), "connection refused");
    last = json_object_get(json_object_get(root, "config"), "last_reload");
    cr_expect(json_is_false(json_object_get(last, "ok")));
    cr_expect_str_eq(json_string_value(json_object_get(last, "message")),
                     "the file has \"mistakes\" \\xff");
    cr_expect_str_eq(json_string_value(json_object_get(last, "at")), "2026-11-24T13:17:56Z");
    cr_expect_eq(json_array_size(json_object_get(root, "events")), 1);
    cr_expect_eq(json_array_size(json_object_get(root, "listeners")), 1);
    json_decref(root);
}

/* --- the sentence --------------------------------------------------------------------------- */

static struct pages_verdict verdict(void)
{
    struct history *history = history_new();
    struct pages_verdict found;
    const struct pages pages = {.sources = &node.sources, .history = history, .now_ns = NS_PER_S};
    for (int i = 0; i < 20; i++) {
        work();
        history_sample(history, &node.sources);
    }
    pages_judge(&pages, &found);
    history_free(history);
    return found;
}

Test(admin, healthy_is_said_with_figures)
{
    const struct pages_verdict found = verdict();
    cr_expect_eq(found.tone, PAGES_TONE_GOOD);
    expect_in(found.sentence, "Healthy. 3 of 3 targets up, 1,000 requests/s, p99 1.98 ms, ");
    expect_in(found.sentence, "0.10 % errors.");
}

Test(admin, one_down_is_said_with_its_reason)
{
    atomic_store(&node.bench.targets[1].state, TARGET_PAUSED);
    atomic_store(&node.bench.targets[1].reason, "connection refused");
    atomic_store(&node.bench.targets[1].retry_at_ns, 13 * NS_PER_S);
    const struct pages_verdict found = verdict();
    cr_expect_eq(found.tone, PAGES_TONE_WORN);
    cr_expect_str_eq(found.sentence, "shop: 2 of 3 targets up. 10.0.0.2:3000 is passed over: "
                                     "connection refused; tried again in 12 s.");
    cr_expect_neq(found.advice[0], '\0');
}

Test(admin, nothing_left_is_worse_than_a_refused_reload)
{
    for (int i = 0; i < 3; i++)
        atomic_store(&node.bench.targets[i].state, TARGET_PAUSED);
    node.facts.reload_wall_ns = 1;
    cr_expect_eq(verdict().tone, PAGES_TONE_BAD);
    expect_in(verdict().sentence, "shop has no target that takes requests");
    node.targets_count = 0;
    node.trouble = "app.internal:3000: the name does not exist";
    expect_in(verdict().sentence, "503: app.internal:3000: the name does not exist.");
}

Test(admin, an_open_circuit_breaker_is_said_everywhere)
{
    node.circuit = (struct admin_circuit){.state = "closed", .is_closed = true};
    expect_not_in(ask("/"), "circuit breaker <b>");
    expect_in(ask("/metrics"), "pando_service_breaker_state{service=\"shop\"} 0");
    node.circuit = (struct admin_circuit){.state = "open",
                                          .is_open = true,
                                          .until_ns = UINT64_MAX,
                                          .openings_count = 3,
                                          .reason = "62 % of 120 answers in 10 s were failures"};
    expect_in(verdict().sentence, "The circuit breaker of shop is open: 62 % of 120 answers");
    cr_expect(verdict().tone == PAGES_TONE_BAD);
    expect_in(ask("/"), "circuit breaker <b>open</b>: 62 % of 120");
    expect_in(ask("/api/status"), "62 % of 120");
    const char *text = ask("/metrics");
    expect_in(text, "pando_service_breaker_state{service=\"shop\"} 2");
    expect_in(text, "pando_service_breaker_openings_total{service=\"shop\"} 3");
}

Test(admin, a_refused_reload_stopping_and_nothing_at_all)
{
    node.facts.reload_wall_ns = 1;
    node.facts.config_file = "pando.yaml";
    expect_in(verdict().sentence, "The last reload was refused");
    expect_in(verdict().advice, "pando check pando.yaml");
    node.facts.is_stopping = true;
    expect_in(verdict().sentence, "Stopping");
    node.facts = (struct admin_facts){.is_ready = true};
    node.services_count = 0;
    expect_in(verdict().sentence, "no service is configured");
}

Test(admin, many_errors_are_said)
{
    row_add(&node.bench.row.statuses_count[5], 0);
    struct history *history = history_new();
    struct pages_verdict found;
    const struct pages pages = {.sources = &node.sources, .history = history};
    for (int i = 0; i < 3; i++) {
        row_add(&node.bench.row.requests_count, 100);
        row_add(&node.bench.row.statuses_count[5], 5);
        history_sample(history, &node.sources);
    }
    pages_judge(&pages, &found);
    cr_expect_eq(found.tone, PAGES_TONE_WORN);
    expect_in(found.sentence, "shop: 5.0 % of the last minute's requests");
    history_free(history);
}

/* --- the page ------------------------------------------------------------------------------- */

/* Names come from the configuration and DNS, reasons from elsewhere: none of it is markup. */
Test(admin, the_page_escapes_everything)
{
    static const char evil[] = "<script>alert('x')</script>&\"\x01";
    char type[128];
    snprintf(node.bench.service.name, sizeof node.bench.service.name, "%s", evil);
    snprintf(node.bench.targets[0].name, sizeof node.bench.targets[0].name, "%s", evil);
    snprintf(node.bench.targets[0].zone, sizeof node.bench.targets[0].zone, "%s", evil);
    atomic_store(&node.bench.targets[0].reason, evil);
    atomic_store(&node.bench.targets[0].state, TARGET_PAUSED);
    node.trouble = evil;
    node.facts.config_file = evil;
    events_tell(node.sources.events, LOG_LEVEL_INFO, "%s", evil);
    const char *text = ask_as(HTTP_METHOD_GET, "/", false, NULL, type);
    cr_expect_str_eq(type, "text/html; charset=utf-8");
    expect_in(text, "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;");
    expect_not_in(text, "<script");
    expect_not_in(text, "alert('");
    cr_expect(strchr(text, 1) == NULL);
    for (const char *at = text; (at = strstr(at, "http://")) != NULL; at++)
        cr_expect_fail("the page names something outside");
    expect_not_in(text, "style=");
}

Test(admin, the_page_says_states_in_words_and_refreshes)
{
    atomic_store(&node.bench.targets[1].state, TARGET_PAUSED);
    atomic_store(&node.bench.targets[1].reason, "connection refused");
    const char *text = ask("/");
    expect_in(text, "&#10005; paused</span>: connection refused");
    expect_in(text, "&#9679; up</span>");
    expect_in(text, "2 of 3 up");
    expect_in(text, "http-equiv=refresh");
    expect_not_in(ask("/?still"), "http-equiv=refresh");
    expect_in(ask("/style.css"), "prefers-color-scheme");
}

Test(admin, the_pages_say_who_waits)
{
    const char *text = ask("/");
    expect_not_in(text, "limit <b>");
    expect_not_in(ask("/metrics"), "pando_waiting{");
    node.load = (struct service_load){"aimd", 40, 39, {0, 2, 1000, 7}};
    text = ask("/");
    expect_in(text, "limit <b>40</b>");
    expect_in(text, "waiting <b>1,009</b>");
    text = ask("/metrics");
    expect_in(text, "pando_concurrency_limit{service=\"shop\"} 40\n");
    expect_in(text, "pando_concurrency_inflight{service=\"shop\"} 39\n");
    expect_in(text, "pando_waiting{service=\"shop\",priority=\"normal\"} 1000\n");
    text = ask("/api/status");
    expect_in(text, "\"limit\": \"aimd\"");
    expect_in(text, "\"now\": 40");
    expect_in(text, "\"normal\": 1000");
}

Test(admin, the_page_has_a_strict_policy)
{
    struct op *op = bench_op(&node.bench, HTTP_METHOD_GET);
    op->request->head.base = (const uint8_t *)"/";
    op->request->head.path.bytes = 1;
    stage_submit(admin_stage(node.admin, false), op);
    const struct http_field *policy =
        http_head_find(&op->answer.head, HTTP_FIELD_CONTENT_SECURITY_POLICY);
    cr_assert(policy != NULL);
    cr_expect(memmem(http_field_value(&op->answer.head, policy), policy->value_bytes,
                     "default-src 'none'", 18) != NULL);
    op_free(op);
}

/* --- taps ----------------------------------------------------------------------------------- */

static const char *read_filter(struct tap_filter *filter, const char *query)
{
    return tap_filter_read(filter, query, strlen(query));
}

Test(admin, tap_filters_are_read)
{
    struct tap_filter filter;
    cr_expect(read_filter(&filter, "") == NULL);
    cr_assert(read_filter(&filter, "service=shop&status=5xx&path=%2Fa%20b") == NULL);
    cr_expect_str_eq(filter.service, "shop");
    cr_expect_str_eq(filter.path, "/a b");
    cr_expect(filter.status_first == 500 && filter.status_last == 599);
    cr_assert(read_filter(&filter, "service=&status=404&path=") == NULL);
    cr_expect(filter.status_first == 404 && filter.status_last == 404);
    cr_expect(read_filter(&filter, "status=6xx") != NULL);
    cr_expect(read_filter(&filter, "status=50") != NULL);
    cr_expect(read_filter(&filter, "path=%2") != NULL);
    cr_expect(read_filter(&filter, "path=%00") != NULL);
    cr_expect(read_filter(&filter, "stauts=500") != NULL);
}

Test(admin, tap_filters_choose)
{
    struct tap_filter filter;
    const struct log_tapped tapped = {
        .status = 503, .service = "shop", .service_bytes = 4, .path = "/api/x", .path_bytes = 6};
    cr_assert(read_filter(&filter, "") == NULL);
    cr_expect(tap_filter_fits(&filter, &tapped));
    cr_assert(read_filter(&filter, "service=shop&status=5xx&path=/api") == NULL);
    cr_expect(tap_filter_fits(&filter, &tapped));
    cr_assert(read_filter(&filter, "service=sho") == NULL);
    cr_expect_not(tap_filter_fits(&filter, &tapped));
    cr_assert(read_filter(&filter, "status=500") == NULL);
    cr_expect_not(tap_filter_fits(&filter, &tapped));
    cr_assert(read_filter(&filter, "path=/api/xyz") == NULL);
    cr_expect_not(tap_filter_fits(&filter, &tapped));
}

/* A tap with a log; the caller drives its timer. */
struct tapping {
    struct log       *log;
    struct taps       taps;
    struct worker_row row;
    struct op        *op;
};

static void open_tap(struct tapping *t)
{
    const struct log_settings settings = {.path = "/dev/null", .buffer_bytes = 65536};
    const struct tap_filter all = {0};
    *t = (struct tapping){.log = log_new(&settings, 1, NULL, NULL)};
    cr_assert(t->log != NULL);
    taps_init(&t->taps, &node.loop, t->log, 1);
    t->op = bench_op(&node.bench, HTTP_METHOD_GET);
    taps_open(&t->taps, t->op, &all);
    cr_assert(node.bench.seen.status == 200 && node.bench.seen.finished_count == 0);
}

static void exchange(struct tapping *t, unsigned times)
{
    struct journal *journal = log_journal(t->log, 0, &t->row);
    const struct exchange_report report = {.client = "10.0.0.9", .status = 200};
    for (unsigned i = 0; i < times; i++)
        journal->exchange(journal, &report);
}

static void look(struct tapping *t)
{
    node.loop.now_ns += NS_PER_S;
    t->taps.look.fired(&t->taps.look);
}

Test(admin, a_tap_streams_until_the_client_leaves)
{
    struct tapping t;
    open_tap(&t);
    exchange(&t, 2);
    look(&t);
    const struct slice slice = pipe_take(&t.op->answer_body);
    unsigned lines = 0;
    for (uint32_t i = 0; i < slice.bytes; i++)
        lines += slice.at[i] == '\n';
    cr_expect_eq(lines, 2);
    buf_unref(slice.buf);
    op_cancel(t.op);
    cr_expect(node.bench.seen.finished_count == 1 && node.bench.seen.outcome == OUTCOME_CANCELLED);
    op_free(t.op);
    timer_clear(&t.taps.look);
    log_free(t.log);
}

/* What a client does not take is dropped, and it is told how much. */
Test(admin, a_slow_tap_is_told_what_it_missed)
{
    struct tapping t;
    uint64_t told = 0, lines = 0;
    char last[64] = "";
    open_tap(&t);
    for (int i = 0; i < 10; i++) {
        exchange(&t, 1000);
        look(&t);
    }
    for (int i = 0; i < 4; i++) {
        while (t.op->answer_body.count > 0) {
            const struct slice slice = pipe_take(&t.op->answer_body);
            const char *at = (const char *)slice.at, *end = at + slice.bytes;
            for (; at < end; at = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1) {
                unsigned long long count;
                if (memcmp(at, "{\"dropped\"", 10) != 0) {
                    lines++;
                    continue;
                }
                snprintf(last, sizeof last, "%.*s", 40, at);
                cr_assert(sscanf(last, "{\"dropped\":%llu}", &count) == 1);
                told += count;
            }
            buf_unref(slice.buf);
        }
        look(&t);
    }
    cr_expect(told > 0);
    cr_expect_eq(told + lines, 10000);
    taps_stop(&t.taps);
    cr_expect(node.bench.seen.finished_count == 1 && node.bench.seen.outcome == OUTCOME_DONE);
    op_free(t.op);
    log_free(t.log);
}

Test(admin, no_more_taps_than_allowed)
{
    struct tapping t;
    const struct tap_filter all = {0};
    open_tap(&t);
    struct op *op = bench_op(&node.bench, HTTP_METHOD_GET);
    taps_open(&t.taps, op, &all);
    cr_expect_eq(node.bench.seen.error, ERR_LIMIT);
    op_free(op);
    taps_stop(&t.taps);
    op_free(t.op);
    op = bench_op(&node.bench, HTTP_METHOD_GET);
    taps_open(&t.taps, op, &all);
    cr_expect_eq(node.bench.seen.error, ERR_STOPPING);
    op_free(op);
    log_free(t.log);
}

/* --- keyspaces ------------------------------------------------------------------------------ */

Test(admin, keyspaces_stand_on_every_page)
{
    cr_expect(strstr(ask("/metrics"), "pando_keys_keys{") == NULL);
    cr_expect(strstr(ask("/"), "Keyspaces") == NULL);
    node.keyspaces_count = 1;
    const char *metrics = ask("/metrics");
    cr_expect(strstr(metrics, "pando_keys_keys{keyspace=\"carts\"} 12\n") != NULL);
    cr_expect(strstr(metrics, "pando_keys_used_bytes{keyspace=\"carts\"} 3145728\n") != NULL);
    cr_expect(strstr(metrics, "pando_keys_evicted_total{keyspace=\"carts\"} 7\n") != NULL);
    const char *page = ask("/");
    cr_expect(strstr(page, "<td class=name>carts</td><td>hash</td><td class=n>4</td>"
                           "<td>memory</td><td class=n>12</td>") != NULL);
    cr_expect(strstr(page, "75 %") != NULL);
    json_t *root = json_loads(ask("/api/status"), 0, NULL);
    const json_t *carts = json_array_get(json_object_get(root, "keyspaces"), 0);
    cr_expect_str_eq(json_string_value(json_object_get(carts, "engine")), "memory");
    cr_expect_eq(json_integer_value(json_object_get(carts, "commands")), 40);
    json_decref(root);
    node.services_count = 0;
    cr_expect(strstr(ask("/"), "Healthy. 1 keyspace with 12 keys.") != NULL);
}

/* --- caches --------------------------------------------------------------------------------- */

static void give_cache(void)
{
    node.cache = (struct admin_cache){
        .policy = "s3-fifo",
        .figures = {.hits = 1234,
                    .misses = 751,
                    .collapsed = 35,
                    .passed = 20,
                    .fetches_behind = 5,
                    .hit_age_seconds = 12340,
                    .hit_bytes = 40 << 20},
        .store = {.limit_bytes = 64 << 20, .used_bytes = 16 << 20, .entries = 1204, .evicted = 7},
    };
}

Test(admin, a_cache_is_told_of_only_where_there_is_one)
{
    cr_expect(strstr(ask("/metrics"), "pando_cache_hits_total{") == NULL);
    cr_expect(strstr(ask("/"), "<h3>cache</h3>") == NULL);
    json_t *all = json_loads(ask("/api/status"), 0, NULL);
    const json_t *service = json_array_get(json_object_get(all, "services"), 0);
    cr_expect(json_is_null(json_object_get(service, "cache")));
    json_decref(all);
}

Test(admin, what_a_cache_does_stands_on_every_page)
{
    give_cache();
    const char *metrics = ask("/metrics");
    cr_expect(strstr(metrics, "pando_cache_hits_total{service=\"shop\"} 1234\n") != NULL);
    cr_expect(strstr(metrics, "pando_cache_hit_age_seconds_total{service=\"shop\"} 12340\n"));
    cr_expect(strstr(metrics, "pando_cache_used_bytes{service=\"shop\"} 16777216\n") != NULL);
    cr_expect(strstr(metrics, "pando_cache_evicted_total{service=\"shop\"} 7\n") != NULL);
    const char *page = ask("/");
    cr_expect(strstr(page, "<b>61.1 %</b> hits") != NULL);
    cr_expect(strstr(page, "<b>16 MiB</b> of 64 MiB") != NULL);
    cr_expect(strstr(page, "spared <b>1,264</b> requests (62 %) and <b>40 MiB</b>") != NULL);
    cr_expect(strstr(page, "hits are 10 s old") != NULL);
    json_t *all = json_loads(ask("/api/status"), 0, NULL);
    const json_t *cache =
        json_object_get(json_array_get(json_object_get(all, "services"), 0), "cache");
    cr_expect(json_integer_value(json_object_get(cache, "requests")) == 2020);
    cr_expect(json_integer_value(json_object_get(cache, "spared_requests")) == 1264);
    cr_expect(json_integer_value(json_object_get(cache, "limit_bytes")) == 64 << 20);
    json_decref(all);
}

Test(admin, a_cache_that_was_not_asked_has_no_shares)
{
    struct pages_cache_sums sums;
    static const struct cache_figures none, behind = {.hits = 1, .fetches_behind = 2};
    pages_sum_cache(&none, &sums);
    cr_expect(sums.met == 0 && sums.hit_share == 0 && sums.spared_share == 0 && sums.age_s == 0);
    pages_sum_cache(&behind, &sums);
    cr_expect(sums.spared == 0, "it has asked more than it has spared");
}

Test(admin, bytes_are_written_for_people)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } rows[] = {{0, "0 bytes"},       {1023, "1023 bytes"},      {1024, "1 KiB"},
                {1536, "1.5 KiB"},    {1048575, "1.0 MiB"},      {12897484, "12.3 MiB"},
                {64 << 20, "64 MiB"}, {150ull << 20, "150 MiB"}, {1ull << 40, "1 TiB"}};
    char text[32];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        pages_write_bytes(text, rows[i].bytes);
        cr_expect_str_eq(text, rows[i].text);
    }
}

Test(admin, a_query_reaches_main_unescaped)
{
    const char *said = ask_as(HTTP_METHOD_GET, "/control/explain?url=http%3A//x/%20&a&b=&c=d%3d",
                              true, NULL, NULL);
    cr_expect_str_eq(said, "[url=http://x/ ][a=][b=][c=d=]");
    cr_expect(node.bench.seen.status == 200);
    ask_as(HTTP_METHOD_POST, "/control/purge?", true, NULL, NULL);
    cr_expect(node.bench.seen.status == 422);
    ask_as(HTTP_METHOD_POST, "/control/purge?tag=%0", true, NULL, NULL);
    cr_expect(node.bench.seen.status == 400);
    ask_as(HTTP_METHOD_GET, "/control/purge?tag=a", true, NULL, NULL);
    cr_expect(node.bench.seen.status == 405);
    ask_as(HTTP_METHOD_GET, "/control/explain?url=a", false, NULL, NULL);
    cr_expect(node.bench.seen.status == 404);
}
