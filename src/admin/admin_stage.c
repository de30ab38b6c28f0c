/* SPDX-License-Identifier: Apache-2.0 */
/* admin/admin_stage.c - which page is asked for, and who may ask. */
#include "admin/admin_stage.h"

#include "admin/pages/history.h"
#include "admin/pages/pages.h"
#include "admin/tap.h"
#include "core/mem.h"
#include "core/units.h"
#include "path/reply.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAGE_BYTES_MAX = 64 * 1024 * 1024, /* thousands of targets with their histograms */
};

/* One of the two stages. */
struct door {
    struct stage  stage; /* first */
    struct admin *admin;
    bool          is_control;
};

struct admin {
    struct admin_sources sources;
    struct door          doors[2]; /* the listener's, the control socket's */
    struct history      *history;
    struct timer         sample;
    uint64_t             sample_at_ns; /* when the timer ought to fire */
    struct taps          taps;
    bool                 stopped;
};

/* A request as a page sees it. */
struct visit {
    struct admin *admin;
    struct op    *op;
    const char   *query; /* after the "?"; not ended by NUL */
    size_t        query_bytes;
    struct pages  pages;
};

/* Every page: path, method, whose door, function, what it is. HEAD goes where GET goes. */
#define PAGES(X)                                                                                   \
    X("/",               GET,  BOTH,    show_html,    "the status page")                           \
    X("/style.css",      GET,  BOTH,    show_style,   "its style sheet")                           \
    X("/metrics",        GET,  BOTH,    show_metrics, "figures for Prometheus")                    \
    X("/healthz",        GET,  BOTH,    show_healthz, "200 while the process works")               \
    X("/readyz",         GET,  BOTH,    show_readyz,  "200 while requests are welcome")            \
    X("/api/status",     GET,  BOTH,    show_status,  "the status page as JSON")                   \
    X("/control/reload", POST, CONTROL, do_reload,    "reads the configuration anew")              \
    X("/control/target", POST, CONTROL, do_order,     "orders; ?do= service= target= weight=")     \
    X("/control/purge",  POST, CONTROL, do_purge,                                                  \
      "out of the caches; ?url= prefix= tag= soft service=")                                       \
    X("/control/purged", GET,  CONTROL, show_purged,  "how far a purge is; ?id=")                  \
    X("/control/backup", POST, CONTROL, do_backup,                                                 \
      "of keyspaces to a file; ?file= throttle=")                                                  \
    X("/control/backed-up", GET, CONTROL, show_backed_up, "how far it is; ?id=")                   \
    X("/control/explain", GET, CONTROL, show_explained,                                            \
      "what would become of a request, or where a key is; ?url= method= header= | key=")           \
    X("/control/directory", GET, CONTROL, show_directory,                                          \
      "the directory of a keyspace; ?do=list|get keyspace= prefix= | id=")                         \
    X("/control/directory/change", POST, CONTROL, change_directory,                                \
      "an entry of it; ?do=set|unset keyspace= prefix= shard=")                                    \
    X("/control/tap",    GET,  CONTROL, do_tap,       "live requests; ?service= status= path=")

enum door_sort { DOOR_BOTH, DOOR_CONTROL };

struct page {
    const char      *path;
    enum http_method method;
    enum door_sort   door;
    void (*show)(struct visit *visit);
    const char *help;
};

/* --- answers -------------------------------------------------------------------------------- */

static void start(struct reply *reply, struct visit *visit, unsigned status, const char *type)
{
    reply_start(reply, visit->op, status);
    reply_add(reply, HTTP_FIELD_CONTENT_TYPE, type);
    reply_add(reply, HTTP_FIELD_CACHE_CONTROL, "no-store");
    reply_add_name(reply, "X-Content-Type-Options", "nosniff");
}

static void send_text(struct visit *visit, unsigned status, const char *text)
{
    struct reply reply;
    start(&reply, visit, status, "text/plain; charset=utf-8");
    reply_send_copy(&reply, text, strlen(text));
}

/* A page that is being written. */
struct draft {
    char  *text;
    size_t bytes;
    FILE  *out;
    bool   failed;
};

static bool draft_open(struct draft *draft)
{
    *draft = (struct draft){0};
    draft->out = open_memstream(&draft->text, &draft->bytes);
    return draft->out != NULL;
}

/* Sends what was written; takes over the visit's op. */
static void draft_send(struct draft *draft, struct reply *reply)
{
    bool failed = draft->failed || ferror(draft->out) != 0;
    if (fclose(draft->out) != 0 || draft->bytes > PAGE_BYTES_MAX)
        failed = true;
    if (failed)
        op_refuse(reply->op, ERR_MEMORY, "the page could not be built");
    else
        reply_send_copy(reply, draft->text, draft->bytes);
    free(draft->text);
}

/* --- pages ---------------------------------------------------------------------------------- */

static bool query_has(const struct visit *visit, const char *word)
{
    return visit->query_bytes == strlen(word) &&
           memcmp(visit->query, word, visit->query_bytes) == 0;
}

static void show_html(struct visit *visit)
{
    struct draft draft;
    struct reply reply;
    if (!draft_open(&draft)) {
        op_refuse(visit->op, ERR_MEMORY, NULL);
        return;
    }
    pages_write_html(&visit->pages, query_has(visit, "still"), draft.out);
    start(&reply, visit, 200, "text/html; charset=utf-8");
    reply_add(&reply, HTTP_FIELD_CONTENT_SECURITY_POLICY,
              "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
              "frame-ancestors 'none'");
    reply_add_name(&reply, "Referrer-Policy", "no-referrer");
    draft_send(&draft, &reply);
}

static void show_style(struct visit *visit)
{
    struct reply reply;
    reply_start(&reply, visit->op, 200);
    reply_add(&reply, HTTP_FIELD_CONTENT_TYPE, "text/css; charset=utf-8");
    reply_add(&reply, HTTP_FIELD_CACHE_CONTROL, "max-age=300");
    reply_add_name(&reply, "X-Content-Type-Options", "nosniff");
    reply_send_copy(&reply, pages_style, strlen(pages_style));
}

static bool accepts(const struct http_head *head, const char *type)
{
    const struct http_field *field = http_head_find(head, HTTP_FIELD_ACCEPT);
    const size_t bytes = strlen(type);
    for (; field != NULL; field = http_head_find_next(head, field)) {
        const uint8_t *at = http_field_value(head, field);
        for (size_t i = 0; i + bytes <= field->value_bytes; i++) {
            if (http_same_text(at + i, type, bytes))
                return true;
        }
    }
    return false;
}

static void send_classic(struct visit *visit, const struct openmetrics *metrics)
{
    struct draft draft;
    struct reply reply;
    if (!draft_open(&draft)) {
        op_refuse(visit->op, ERR_MEMORY, NULL);
        return;
    }
    pages_write_classic(metrics, draft.out);
    start(&reply, visit, 200, "text/plain; version=0.0.4; charset=utf-8");
    reply_add(&reply, HTTP_FIELD_VARY, "Accept");
    draft_send(&draft, &reply);
}

static void show_metrics(struct visit *visit)
{
    struct openmetrics metrics = {0};
    struct reply reply;
    pages_write_metrics(&visit->pages, &metrics);
    if (metrics.failed) {
        op_refuse(visit->op, ERR_MEMORY, "the page could not be built");
    } else if (accepts(&visit->op->request->head, "application/openmetrics-text")) {
        start(&reply, visit, 200, OPENMETRICS_TYPE);
        reply_add(&reply, HTTP_FIELD_VARY, "Accept");
        reply_send_copy(&reply, metrics.text, metrics.bytes);
    } else {
        send_classic(visit, &metrics);
    }
    openmetrics_fini(&metrics);
}

static void show_healthz(struct visit *visit)
{
    send_text(visit, 200, "ok\n");
}

static void show_readyz(struct visit *visit)
{
    const struct admin_facts *facts = visit->admin->sources.facts;
    char text[256];
    snprintf(text, sizeof text, "not ready: %s\n",
             facts->unready_reason != NULL ? facts->unready_reason : "starting");
    send_text(visit, facts->is_ready ? 200 : 503, facts->is_ready ? "ready\n" : text);
}

static void show_status(struct visit *visit)
{
    struct draft draft;
    struct reply reply;
    if (!draft_open(&draft)) {
        op_refuse(visit->op, ERR_MEMORY, NULL);
        return;
    }
    draft.failed = !pages_write_status(&visit->pages, draft.out);
    start(&reply, visit, 200, "application/json");
    draft_send(&draft, &reply);
}

/* --- what the control socket may do ---------------------------------------------------------- */

static void do_reload(struct visit *visit)
{
    const struct admin_sources *sources = &visit->admin->sources;
    struct draft draft;
    struct reply reply;
    if (sources->reload == NULL || !draft_open(&draft)) {
        op_refuse(visit->op, ERR_MEMORY, NULL);
        return;
    }
    const bool ok = sources->reload(sources->self, draft.out);
    start(&reply, visit, ok ? 200 : 422, "text/plain; charset=utf-8");
    draft_send(&draft, &reply);
}

/* One member of the query, "name=value"; false: it is none of an order. */
static bool read_order_member(struct admin_order *order, const char *at, size_t bytes)
{
    static const char *const words[] = {
#define X(name, word) [ADMIN_ORDER_##name] = word,
        ADMIN_ORDERS(X)
#undef X
    };
    char text[sizeof order->target];
    const char *equals = memchr(at, '=', bytes);
    if (equals == NULL)
        return false;
    const size_t name_bytes = (size_t)(equals - at);
    if (!tap_unescape(text, sizeof text, equals + 1, bytes - name_bytes - 1))
        return false;
    if (name_bytes == 7 && memcmp(at, "service", 7) == 0)
        return (size_t)snprintf(order->service, sizeof order->service, "%s", text) <
               sizeof order->service;
    if (name_bytes == 6 && memcmp(at, "target", 6) == 0)
        return snprintf(order->target, sizeof order->target, "%s", text) > 0;
    if (name_bytes == 6 && memcmp(at, "weight", 6) == 0) {
        order->weight = (uint32_t)strtoul(text, NULL, 10);
        return order->weight <= TARGET_WEIGHT_MAX;
    }
    for (unsigned i = 0; i < ADMIN_ORDERS_COUNT; i++) {
        if (name_bytes == 2 && memcmp(at, "do", 2) == 0 && strcmp(text, words[i]) == 0) {
            order->sort = i;
            return true;
        }
    }
    return false;
}

static bool read_order(struct admin_order *order, const char *query, size_t bytes)
{
    *order = (struct admin_order){.sort = ADMIN_ORDERS_COUNT};
    while (bytes > 0) {
        const char *end = memchr(query, '&', bytes);
        const size_t member_bytes = end == NULL ? bytes : (size_t)(end - query);
        const size_t used = end == NULL ? bytes : member_bytes + 1;
        if (!read_order_member(order, query, member_bytes))
            return false;
        query += used;
        bytes -= used;
    }
    return order->sort != ADMIN_ORDERS_COUNT && order->service[0] != '\0' &&
           order->target[0] != '\0';
}

static void do_order(struct visit *visit)
{
    const struct admin_sources *sources = &visit->admin->sources;
    struct admin_order order;
    struct draft draft;
    struct reply reply;
    if (!read_order(&order, visit->query, visit->query_bytes)) {
        send_text(visit, 400, "expected ?do=drain, undrain or weight, &service=, &target=\n");
        return;
    }
    if (sources->order == NULL || !draft_open(&draft)) {
        op_refuse(visit->op, ERR_MEMORY, NULL);
        return;
    }
    const bool ok = sources->order(sources->self, &order, draft.out);
    start(&reply, visit, ok ? 200 : 422, "text/plain; charset=utf-8");
    draft_send(&draft, &reply);
}

/* Reads a query whole. False: no memory, or it is malformed. *@text and *@members are to be
 * freed. */
static bool read_query(const struct visit *visit, char **text, struct admin_member **members,
                       size_t *count)
{
    const char *at = visit->query, *end = at + visit->query_bytes;
    size_t most = 1;
    for (const char *mark = at; mark < end; mark++)
        most += *mark == '&';
    *count = 0;
    *text = mem_alloc(visit->query_bytes + 2 * most + 1);
    *members = mem_alloc(most * sizeof **members);
    char *out = *text;
    while (*text != NULL && *members != NULL && at < end) {
        const char *next = memchr(at, '&', (size_t)(end - at));
        const size_t bytes = (size_t)((next == NULL ? end : next) - at);
        const char *equals = memchr(at, '=', bytes);
        const size_t name_bytes = equals == NULL ? bytes : (size_t)(equals - at);
        const size_t value_bytes = equals == NULL ? 0 : bytes - name_bytes - 1;
        char *value = out + name_bytes + 1;
        if (!tap_unescape(out, name_bytes + 1, at, name_bytes) ||
            !tap_unescape(value, value_bytes + 1, at + name_bytes + 1, value_bytes))
            return false;
        (*members)[(*count)++] = (struct admin_member){out, value};
        out = value + value_bytes + 1;
        at += bytes + 1;
    }
    return *text != NULL && *members != NULL;
}

/* What main answers with JSON. */
static void ask_main(struct visit *visit,
                     unsigned (*call)(void *self, const struct admin_query *query, FILE *out))
{
    char *text;
    struct admin_member *members;
    size_t count;
    struct draft draft;
    struct reply reply;
    if (!read_query(visit, &text, &members, &count)) {
        send_text(visit, 400, "error: the query is malformed\n");
    } else if (call == NULL || !draft_open(&draft)) {
        op_refuse(visit->op, ERR_MEMORY, NULL);
    } else {
        const struct admin_query query = {members, count};
        const unsigned status = call(visit->admin->sources.self, &query, draft.out);
        start(&reply, visit, status,
              status == 200 ? "application/json" : "text/plain; charset=utf-8");
        draft_send(&draft, &reply);
    }
    mem_free(text);
    mem_free(members);
}

static void do_purge(struct visit *visit)
{
    ask_main(visit, visit->admin->sources.purge);
}

static void show_purged(struct visit *visit)
{
    ask_main(visit, visit->admin->sources.purged);
}

static void do_backup(struct visit *visit)
{
    ask_main(visit, visit->admin->sources.backup);
}

static void show_backed_up(struct visit *visit)
{
    ask_main(visit, visit->admin->sources.backed_up);
}

static void show_explained(struct visit *visit)
{
    ask_main(visit, visit->admin->sources.explain);
}

static void show_directory(struct visit *visit)
{
    ask_main(visit, visit->admin->sources.show_directory);
}

static void change_directory(struct visit *visit)
{
    ask_main(visit, visit->admin->sources.change_directory);
}

static void do_tap(struct visit *visit)
{
    struct tap_filter filter;
    const char *wrong = tap_filter_read(&filter, visit->query, visit->query_bytes);
    char text[128];
    if (wrong == NULL) {
        taps_open(&visit->admin->taps, visit->op, &filter);
        return;
    }
    snprintf(text, sizeof text, "%s\n", wrong);
    send_text(visit, 400, text);
}

/* --- finding the page ----------------------------------------------------------------------- */

static const struct page pages[] = {
#define X(path, method, door, show, help) {path, HTTP_METHOD_##method, DOOR_##door, show, help},
    PAGES(X)
#undef X
};

enum { PAGES_COUNT = sizeof pages / sizeof pages[0] };

static void send_not_found(struct visit *visit, bool is_control)
{
    char text[2048];
    size_t used = (size_t)snprintf(text, sizeof text, "There is no such page. There are:\n");
    for (size_t i = 0; i < PAGES_COUNT; i++) {
        if (pages[i].door == DOOR_CONTROL && !is_control)
            continue;
        used += (size_t)snprintf(text + used, sizeof text - used, "  %-5s %-16s %s\n",
                                 http_method_name(pages[i].method), pages[i].path, pages[i].help);
    }
    assert(used < sizeof text);
    send_text(visit, 404, text);
}

static void send_not_allowed(struct visit *visit, const struct page *page)
{
    struct reply reply;
    char text[128];
    const char *allowed = page->method == HTTP_METHOD_GET ? "GET, HEAD" : "POST";
    start(&reply, visit, 405, "text/plain; charset=utf-8");
    reply_add(&reply, HTTP_FIELD_ALLOW, allowed);
    const int bytes = snprintf(text, sizeof text, "%s allows %s.\n", page->path, allowed);
    reply_send_copy(&reply, text, (size_t)bytes);
}

static const struct page *find_page(const char *path, size_t bytes, bool is_control)
{
    for (size_t i = 0; i < PAGES_COUNT; i++) {
        if (strlen(pages[i].path) == bytes && memcmp(pages[i].path, path, bytes) == 0 &&
            (pages[i].door == DOOR_BOTH || is_control))
            return &pages[i];
    }
    return NULL;
}

static bool is_allowed(const struct page *page, enum http_method method)
{
    return method == page->method ||
           (method == HTTP_METHOD_HEAD && page->method == HTTP_METHOD_GET);
}

static void submit(struct stage *self, struct op *op)
{
    struct door *door = (struct door *)(void *)self;
    struct admin *admin = door->admin;
    const struct http_head *head = &op->request->head;
    const char *path = (const char *)http_span_bytes(head, head->path);
    const char *mark = memchr(path, '?', head->path.bytes);
    const size_t path_bytes = mark == NULL ? head->path.bytes : (size_t)(mark - path);
    struct visit visit = {
        .admin = admin,
        .op = op,
        .query = mark == NULL ? "" : mark + 1,
        .query_bytes = mark == NULL ? 0 : head->path.bytes - path_bytes - 1,
        .pages = {.sources = &admin->sources,
                  .history = admin->history,
                  .now_ns = *op->worker->now_ns,
                  .wall_ns = clock_wall_ns()},
    };
    const struct page *page = find_page(path, path_bytes, door->is_control);
    if (page == NULL)
        send_not_found(&visit, door->is_control);
    else if (!is_allowed(page, (enum http_method)head->method))
        send_not_allowed(&visit, page);
    else
        page->show(&visit);
}

/* --- life ----------------------------------------------------------------------------------- */

static void on_sample(struct timer *timer)
{
    struct admin *admin = list_item(timer, struct admin, sample);
    struct loop *loop = admin->sources.loop;
    history_sample(admin->history, &admin->sources);
    /* From where it ought to have fired, so that late turns do not stretch the seconds. */
    admin->sample_at_ns += NS_PER_S;
    if (admin->sample_at_ns <= loop->now_ns)
        admin->sample_at_ns = loop->now_ns + NS_PER_S;
    timer_set(&loop->timers, timer, admin->sample_at_ns);
}

struct admin *admin_new(const struct admin_sources *sources)
{
    static const struct stage_kind kind = {.name = "admin", .submit = submit};
    struct admin *admin = mem_alloc(sizeof *admin);
    if (admin == NULL)
        return NULL;
    admin->history = history_new();
    if (admin->history == NULL) {
        mem_free(admin);
        return NULL;
    }
    admin->sources = *sources;
    for (unsigned i = 0; i < 2; i++)
        admin->doors[i] =
            (struct door){.stage = {.kind = &kind}, .admin = admin, .is_control = i == 1};
    taps_init(&admin->taps, sources->loop, sources->log, ADMIN_TAPS_MAX);
    timer_init(&admin->sample, on_sample);
    admin->sample_at_ns = sources->loop->now_ns + NS_PER_S;
    timer_set(&sources->loop->timers, &admin->sample, admin->sample_at_ns);
    return admin;
}

struct stage *admin_stage(struct admin *admin, bool is_control)
{
    return &admin->doors[is_control].stage;
}

void admin_stop(struct admin *admin)
{
    if (admin->stopped)
        return;
    admin->stopped = true;
    timer_clear(&admin->sample);
    taps_stop(&admin->taps);
}

void admin_free(struct admin *admin)
{
    if (admin == NULL)
        return;
    admin_stop(admin);
    history_free(admin->history);
    mem_free(admin);
}
