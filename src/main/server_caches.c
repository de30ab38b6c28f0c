/* SPDX-License-Identifier: Apache-2.0 */
/* main/server_caches.c - caches as operators see them: shown, purged, and asked what they would do.
 *
 * A purge is ordered by POST /control/purge and has a number, by which GET /control/purged tells
 * whether its walk is over: who asked may leave, and a stop waits for nobody. */
#include "cache/explain.h"
#include "cache/snapshot.h"
#include "codec/http1.h"
#include "core/mem.h"
#include "core/units.h"
#include "main/server_inside.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum {
    STEP_SOON_MS = 1,
    STEP_RARELY_MS = 100,
    ORDERS_MAX = 512, /* in one request */
    STATUS_OK = 200,
    STATUS_BAD = 400,
    STATUS_NOT_FOUND = 404,
    STATUS_REFUSED = 422,
    STATUS_LATER = 503,
};

/* --- figures -------------------------------------------------------------------------------- */

bool server__cache_of(void *self, const struct service *service, struct admin_cache *out)
{
    static const char *const policies[] = {
#define X(enumerator, name, gist) [enumerator] = name,
        STORE_POLICIES(X)
#undef X
    };
    const struct server *server = self;
    struct cache *cache = generation_cache(server->generation, service->name);
    if (cache == NULL)
        return false;
    out->policy = policies[cache->policy];
    cache_read_figures(cache, &out->figures);
    store_read_figures(cache->store, &out->store);
    out->has_disk = cache->disk != NULL;
    out->disk = (struct disk_figures){0};
    if (out->has_disk)
        disk_read_figures(cache->disk, &out->disk);
    return true;
}

/* --- over restarts -------------------------------------------------------------------------- */

static void tell_snapshot(struct server *server, const char *service, const char *did,
                          uint64_t count, enum err_kind failed, const struct err *e)
{
    if (failed != ERR_NONE)
        events_tell(server->events, LOG_LEVEL_WARNING, "%s: the cache could not be %s: %s", service,
                    did, e->story);
    else if (count > 0)
        events_tell(server->events, LOG_LEVEL_INFO, "%s: the cache was %s, %" PRIu64 " answers",
                    service, did, count);
}

void server__warm_caches(struct server *server, const struct generation *generation)
{
    const struct settings *settings = generation->settings;
    for (size_t i = 0; i < settings->services_count; i++) {
        const struct settings_service *service = &settings->services[i];
        uint64_t count;
        struct err e = {0};
        if (generation->caches[i] == NULL || !service->cache.warm_start)
            continue;
        const enum err_kind failed =
            cache_warm(generation->caches[i], settings->data_path, service->name, &count, &e);
        tell_snapshot(server, service->name, "read back", count, failed, &e);
    }
}

void server__save_caches(struct server *server, const struct generation *generation)
{
    const struct settings *settings = generation->settings;
    for (size_t i = 0; i < settings->services_count; i++) {
        const struct settings_service *service = &settings->services[i];
        uint64_t count;
        struct err e = {0};
        if (generation->caches[i] == NULL || !service->cache.warm_start)
            continue;
        const enum err_kind failed =
            cache_save(generation->caches[i], settings->data_path, service->name, &count, &e);
        tell_snapshot(server, service->name, "saved", count, failed, &e);
    }
}

/* --- purges: walking ------------------------------------------------------------------------ */

static bool is_done(const struct server_purge *purge)
{
    for (size_t i = 0; i < purge->parts_count; i++)
        if (purge->parts[i].sum.waiting_count > 0)
            return false;
    return true;
}

/* What was purged stays to be asked for. */
static void let_go(struct server_purge *purge)
{
    for (size_t i = 0; i < purge->parts_count; i++) {
        cache_give(purge->parts[i].cache);
        purge->parts[i].cache = NULL;
    }
}

static void forget(struct server_purge *purge)
{
    let_go(purge);
    mem_free(purge->parts);
    *purge = (struct server_purge){0};
}

static void tell_done(struct server *server, const struct server_purge *purge)
{
    for (size_t i = 0; i < purge->parts_count; i++)
        if (purge->parts[i].sum.purged_count > 0)
            events_tell(server->events, LOG_LEVEL_INFO, "%s: answers purged from its cache: %llu",
                        purge->parts[i].service,
                        (unsigned long long)purge->parts[i].sum.purged_count);
}

/* Also those that a reload has taken out of use: who asked is told what became of them. */
static bool step_purges(struct server *server, uint64_t now_ns)
{
    bool is_walking = false;
    for (size_t i = 0; i < SERVER_PURGES_KEPT; i++) {
        struct server_purge *purge = &server->purges[i];
        if (purge->id == 0 || purge->is_told)
            continue;
        for (size_t k = 0; k < purge->parts_count; k++)
            is_walking |= cache_purges_step(purge->parts[k].cache, now_ns);
        if (!is_done(purge))
            continue;
        purge->is_told = true;
        let_go(purge);
        tell_done(server, purge);
    }
    return is_walking;
}

static void step(struct timer *timer)
{
    struct server *server = list_item(timer, struct server, purges_timer);
    struct loop *loop = &server->control.loop;
    const struct generation *generation = server->generation;
    bool is_walking = step_purges(server, loop->now_ns);
    for (size_t i = 0; i < generation->settings->services_count; i++)
        if (generation->caches[i] != NULL)
            is_walking |= cache_purges_step(generation->caches[i], loop->now_ns);
    timer_set(&loop->timers, timer,
              loop->now_ns + (is_walking ? STEP_SOON_MS : STEP_RARELY_MS) * NS_PER_MS);
}

void server__start_purges(struct server *server)
{
    timer_init(&server->purges_timer, step);
    step(&server->purges_timer);
}

void server__end_purges(struct server *server)
{
    for (size_t i = 0; i < SERVER_PURGES_KEPT; i++)
        forget(&server->purges[i]);
}

/* --- purges: ordering ----------------------------------------------------------------------- */

/* What is asked for, checked whole before anything is done. */
struct wish {
    struct cache_purge_order orders[ORDERS_MAX];
    size_t                   orders_count;
    const char              *service; /* NULL: all */
    bool                     is_soft;
    char                    *text; /* room for the orders' texts */
    size_t                   used, room;
};

static const char *const sorts[] = {
#define X(name, word) [CACHE_PURGE_##name] = word,
    CACHE_PURGES(X)
#undef X
};

/* NULL, or what is wrong. */
static const char *add_tag(struct wish *wish, const char *tag)
{
    const size_t bytes = strlen(tag);
    if (bytes == 0 || bytes > CACHE_PURGE_TEXT_BYTES_MAX || strpbrk(tag, " \t,") != NULL)
        return "a tag has no spaces and no commas, as in Surrogate-Key: a b, or Cache-Tag: a,b";
    memcpy(wish->text + wish->used, tag, bytes);
    wish->orders[wish->orders_count] = (struct cache_purge_order){
        .by = CACHE_PURGE_TAG, .text = wish->text + wish->used, .bytes = (uint32_t)bytes};
    wish->used += bytes;
    return NULL;
}

static const char *add_url(struct wish *wish, enum cache_purge_by by, const char *url)
{
    size_t bytes;
    char *text = wish->text + wish->used;
    const char *wrong = cache_url_write(url, text, wish->room - wish->used, &bytes);
    if (wrong != NULL)
        return wrong;
    wish->orders[wish->orders_count] =
        (struct cache_purge_order){.by = by, .text = text, .bytes = (uint32_t)bytes};
    wish->used += bytes + 1;
    return NULL;
}

static const char *read_member(struct wish *wish, const struct admin_member *member)
{
    if (strcmp(member->name, "soft") == 0) {
        wish->is_soft = true;
        return NULL;
    }
    if (strcmp(member->name, "service") == 0) {
        wish->service = member->value;
        return NULL;
    }
    for (size_t by = 0; by < sizeof sorts / sizeof *sorts; by++) {
        if (strcmp(member->name, sorts[by]) != 0)
            continue;
        if (wish->orders_count == ORDERS_MAX)
            return "that is too much for one purge: at most 512 URLs, prefixes and tags";
        const char *wrong = by == CACHE_PURGE_TAG
                                ? add_tag(wish, member->value)
                                : add_url(wish, (enum cache_purge_by)by, member->value);
        wish->orders_count += wrong == NULL;
        return wrong;
    }
    return "expected url=, prefix= or tag=, as often as wanted, and soft, service=";
}

/* NULL, or what is wrong; *@about is then what is meant. */
static const char *read_wish(struct wish *wish, const struct admin_query *query, const char **about)
{
    *about = "";
    for (size_t i = 0; i < query->count; i++) {
        const char *wrong = read_member(wish, &query->at[i]);
        *about = query->at[i].value;
        if (wrong != NULL)
            return wrong;
    }
    for (size_t i = 0; i < wish->orders_count; i++)
        wish->orders[i].is_soft = wish->is_soft;
    *about = "";
    return wish->orders_count == 0 ? "what is to be purged? name a URL, a prefix or a tag" : NULL;
}

static unsigned refuse(FILE *out, unsigned status, const char *about, const char *wrong)
{
    fprintf(out, "error: %s%s%s\n", about, about[0] == '\0' ? "" : ": ", wrong);
    return status;
}

/* A place for a new one: the oldest that is done. NULL: all are under way, or no memory. */
static struct server_purge *new_purge(struct server *server, size_t parts_max)
{
    struct server_purge *place = NULL;
    for (size_t i = 0; i < SERVER_PURGES_KEPT; i++) {
        struct server_purge *purge = &server->purges[i];
        const bool is_free = purge->id == 0 || purge->is_told;
        if (is_free && (place == NULL || purge->id < place->id))
            place = purge;
    }
    if (place == NULL)
        return NULL;
    forget(place);
    place->parts = mem_alloc((parts_max + 1) * sizeof *place->parts);
    return place->parts == NULL ? NULL : place;
}

static void add_part(struct server_purge *purge, struct cache *cache, const char *service)
{
    struct server_purge_part *part = &purge->parts[purge->parts_count++];
    kept_ref(&cache->kept);
    part->cache = cache;
    (void)snprintf(part->service, sizeof part->service, "%s", service);
}

static void add_parts(struct server *server, struct server_purge *purge, const char *service)
{
    const struct generation *generation = server->generation;
    for (size_t i = 0; i < generation->settings->services_count; i++) {
        const char *name = generation->settings->services[i].name;
        if (generation->caches[i] != NULL && (service == NULL || strcmp(service, name) == 0))
            add_part(purge, generation->caches[i], name);
    }
}

static enum err_kind give_orders(struct server *server, struct server_purge *purge,
                                 const struct wish *wish, struct err *e)
{
    enum err_kind failed = ERR_NONE;
    for (size_t i = 0; i < purge->parts_count; i++)
        for (size_t k = 0; failed == ERR_NONE && k < wish->orders_count; k++)
            failed = cache_purge(purge->parts[i].cache, &wish->orders[k],
                                 server->control.loop.now_ns, &purge->parts[i].sum, e);
    return failed;
}

static void write_purge(const struct server_purge *purge, FILE *out)
{
    json_t *services = json_array();
    uint64_t all = 0;
    for (size_t i = 0; i < purge->parts_count; i++) {
        const struct server_purge_part *part = &purge->parts[i];
        all += part->sum.purged_count;
        json_array_append_new(services, json_pack("{s:s, s:I}", "name", part->service, "purged",
                                                  (json_int_t)part->sum.purged_count));
    }
    json_t *root = json_pack("{s:I, s:b, s:I, s:o}", "id", (json_int_t)purge->id, "done",
                             is_done(purge), "purged", (json_int_t)all, "services", services);
    (void)json_dumpf(root, out, JSON_INDENT(1));
    fputc('\n', out);
    json_decref(root);
}

static unsigned order_wish(struct server *server, const struct wish *wish, FILE *out)
{
    const char *service = wish->service;
    struct err e = {0};
    struct server_purge *purge = new_purge(server, server->generation->settings->services_count);
    if (purge == NULL)
        return refuse(out, STATUS_LATER, "", "64 purges are under way; try again in a moment");
    add_parts(server, purge, service);
    if (purge->parts_count == 0) {
        forget(purge);
        return refuse(out, STATUS_REFUSED, service == NULL ? "" : service,
                      service == NULL ? "no service has a cache"
                                      : "there is no service of that name that has a cache");
    }
    purge->id = ++server->purges_count;
    const enum err_kind failed = give_orders(server, purge, wish, &e);
    timer_set(&server->control.loop.timers, &server->purges_timer, 1);
    if (failed != ERR_NONE) /* what was ordered before it goes on */
        return refuse(out, STATUS_LATER, "", e.story);
    if (is_done(purge)) { /* the walk of others' is not for this one to step */
        purge->is_told = true;
        let_go(purge);
    }
    write_purge(purge, out);
    return STATUS_OK;
}

unsigned server__purge(void *self, const struct admin_query *query, FILE *out)
{
    const char *about;
    unsigned status = STATUS_LATER;
    struct wish *wish = mem_alloc(sizeof *wish);
    for (size_t i = 0; wish != NULL && i < query->count; i++)
        wish->room += strlen(query->at[i].value) + 3;
    if (wish != NULL)
        wish->text = mem_alloc(wish->room + 1);
    if (wish == NULL || wish->text == NULL) {
        mem_free(wish);
        return refuse(out, status, "", "no memory");
    }
    const char *wrong = read_wish(wish, query, &about);
    status = wrong != NULL ? refuse(out, STATUS_BAD, about, wrong) : order_wish(self, wish, out);
    mem_free(wish->text);
    mem_free(wish);
    return status;
}

unsigned server__purged(void *self, const struct admin_query *query, FILE *out)
{
    struct server *server = self;
    const uint64_t id = query->count == 1 && strcmp(query->at[0].name, "id") == 0
                            ? strtoull(query->at[0].value, NULL, 10)
                            : 0;
    for (size_t i = 0; id != 0 && i < SERVER_PURGES_KEPT; i++) {
        if (server->purges[i].id != id)
            continue;
        write_purge(&server->purges[i], out);
        return STATUS_OK;
    }
    return refuse(out, STATUS_NOT_FOUND, "", "there is no such purge, or it was long ago");
}

/* --- explaining ----------------------------------------------------------------------------- */

/* What is asked of a worker, and what it says. */
struct question {
    struct request         request;
    struct http_field      fields[128];
    char                   url[CACHE_KEY_BYTES_MAX];
    char                  *text;        /* the head of the request */
    char                   service[64]; /* "": none */
    bool                   is_stopping, has_cache;
    struct cache_explained explained;
};

static void ask(struct worker_thread *thread, void *argument)
{
    struct question *question = argument;
    const struct http_head *head = &question->request.head;
    question->is_stopping = thread->path == NULL;
    if (question->is_stopping)
        return;
    const struct http_route *route =
        http_router_find(path_router(thread->path, ""), http_span_bytes(head, head->host),
                         head->host.bytes, http_span_bytes(head, head->path), head->path.bytes);
    if (route == NULL || route->service == NULL)
        return;
    (void)snprintf(question->service, sizeof question->service, "%s", route->service->name);
    struct cache_stage *stage = path_cache(thread->path, question->service);
    question->has_cache = stage != NULL;
    if (stage != NULL)
        cache_stage_explain(stage, &question->request, &question->explained);
}

static bool is_clean(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' && *text != '\t')
            return false;
    return true;
}

/* Writes the request's head. NULL, or what is wrong. */
static const char *write_head(struct question *question, const struct admin_query *query,
                              const char **about, FILE *out)
{
    const char *url = NULL, *method = "GET";
    size_t bytes;
    for (size_t i = 0; i < query->count; i++) {
        if (strcmp(query->at[i].name, "url") == 0)
            url = query->at[i].value;
        else if (strcmp(query->at[i].name, "method") == 0)
            method = query->at[i].value;
    }
    *about = url == NULL ? "" : url;
    const char *wrong = url == NULL
                            ? "url= is missing"
                            : cache_url_write(url, question->url, sizeof question->url, &bytes);
    if (wrong != NULL)
        return wrong;
    const char *host = strstr(question->url, "://") + 3;
    const int host_bytes = (int)strcspn(host, "/");
    *about = method;
    if (!is_clean(method) || strchr(method, ' ') != NULL)
        return "no method";
    fprintf(out, "%s %s HTTP/1.1\r\nHost: %.*s\r\n", method, host + host_bytes, host_bytes, host);
    for (size_t i = 0; i < query->count; i++) {
        if (strcmp(query->at[i].name, "header") != 0)
            continue;
        *about = query->at[i].value;
        if (!is_clean(query->at[i].value) || strchr(query->at[i].value, ':') == NULL)
            return "a header is written as 'Name: value'";
        fprintf(out, "%s\r\n", query->at[i].value);
    }
    fputs("\r\n", out);
    return NULL;
}

static const char *read_question(struct question *question, const struct admin_query *query,
                                 const char **about)
{
    static const struct http1_limits limits = HTTP1_LIMITS_PRESET;
    struct http1_reader reader;
    struct http_head *head = &question->request.head;
    size_t bytes = 0;
    FILE *out = open_memstream(&question->text, &bytes);
    if (out == NULL)
        return "no memory";
    const char *wrong = write_head(question, query, about, out);
    if (fclose(out) != 0)
        return "no memory";
    if (wrong != NULL)
        return wrong;
    *about = "as a request";
    head->fields = question->fields;
    head->fields_max = sizeof question->fields / sizeof *question->fields;
    question->request.scheme = question->url[4] == 's' ? "https" : "http";
    http1_reader_init(&reader, &limits);
    if (http1_request_read(&reader, (const uint8_t *)question->text, bytes, head) != HTTP1_DONE)
        return http1_refusal_row((enum http1_refusal)reader.refusal)->sentence;
    return NULL;
}

static json_t *text_or_null(const char *text)
{
    json_t *string = text == NULL || text[0] == '\0' ? json_null() : json_string(text);
    return string != NULL ? string : json_string("(not UTF-8)");
}

static json_t *whole(uint64_t number)
{
    return json_integer((json_int_t)number);
}

static json_t *write_kept(const struct cache_explained *x)
{
    char date[HTTP_DATE_BYTES + 1] = "";
    if (!x->has_answer)
        return json_null();
    if (x->last_modified_s >= 0)
        http_date_write(date, x->last_modified_s);
    return json_pack(
        "{s:i, s:o, s:o, s:o, s:I, s:b, s:o, s:o, s:b, s:b, s:o, s:o, s:b, s:o, s:o, s:o}",
        "status", (int)x->status, "bytes",
        x->bytes == CACHE_BYTES_UNKNOWN ? json_null() : whole(x->bytes), "age_s", whole(x->age_s),
        "lifetime_s", whole(x->lifetime_s), "ttl_s", (json_int_t)x->ttl_s, "heuristic",
        x->is_heuristic, "stale_while_revalidate_s", whole(x->swr_s), "stale_if_error_s",
        whole(x->sie_s), "growing", x->is_growing, "purged_softly", x->is_purged, "tags",
        whole(x->tags_count), "etag", text_or_null(x->etag), "own_etag", x->has_own_etag,
        "last_modified", text_or_null(date), "cache_control", text_or_null(x->control),
        "cdn_cache_control", text_or_null(x->cdn_control));
}

/* For whom requests pass. */
static json_t *write_passes(const struct cache_explained *x)
{
    static const char *const who[CACHE_ASKED_CLASSES] = {
        [0] = "requests without Cookie and Authorization",
        [CACHE_ASKED_WITH_COOKIE] = "requests with a Cookie",
        [CACHE_ASKED_WITH_AUTHORIZATION] = "requests with Authorization",
        [CACHE_ASKED_WITH_COOKIE | CACHE_ASKED_WITH_AUTHORIZATION] =
            "requests with Cookie and Authorization",
    };
    json_t *list = json_array();
    if (x->passes_for == 0) {
        json_decref(list);
        return json_null();
    }
    for (unsigned i = 0; i < CACHE_ASKED_CLASSES; i++)
        if ((x->passes_for >> i & 1) != 0)
            json_array_append_new(list, json_string(who[i]));
    return json_pack("{s:o, s:o}", "for_s", whole(x->passes_s), "for", list);
}

static json_t *write_vary(const struct cache_explained *x)
{
    char variant[17];
    if (!x->is_varied)
        return json_null();
    (void)snprintf(variant, sizeof variant, "%016llx", (unsigned long long)x->variant);
    return json_pack("{s:o, s:s}", "names", text_or_null(x->names), "variant", variant);
}

static void write_explained(const struct question *question, FILE *out)
{
    const struct cache_explained *x = &question->explained;
    json_t *root = json_pack("{s:s, s:o, s:b}", "url", question->url, "service",
                             text_or_null(question->service), "cache", question->has_cache);
    if (question->has_cache) {
        json_object_set_new(root, "expected", json_string(cache_expectation_word(x->expected)));
        json_object_set_new(root, "gist", json_string(cache_expectation_gist(x->expected)));
        json_object_set_new(root, "why", text_or_null(x->why));
        json_object_set_new(root, "forward", text_or_null(x->forward));
        json_object_set_new(root, "key", text_or_null(x->key));
        json_object_set_new(root, "vary", write_vary(x));
        json_object_set_new(root, "kept", write_kept(x));
        json_object_set_new(root, "passes", write_passes(x));
    }
    (void)json_dumpf(root, out, JSON_INDENT(1));
    fputc('\n', out);
    json_decref(root);
}

unsigned server__explain(void *self, const struct admin_query *query, FILE *out)
{
    struct server *server = self;
    struct question *question = mem_alloc(sizeof *question);
    const char *about = "";
    unsigned status = STATUS_OK;
    if (question == NULL)
        return refuse(out, STATUS_LATER, "", "no memory");
    const char *wrong = read_question(question, query, &about);
    if (wrong != NULL) {
        status = refuse(out, STATUS_BAD, about, wrong);
    } else {
        worker_thread_run(&server->workers[0], ask, question);
        if (question->is_stopping)
            status = refuse(out, STATUS_LATER, "", "the server stops");
        else
            write_explained(question, out);
    }
    free(question->text);
    mem_free(question);
    return status;
}
