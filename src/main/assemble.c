/* SPDX-License-Identifier: Apache-2.0 */
/* main/assemble.c - the path of a request in walking order; the first file to read. That of a key
 * is in assemble_keys.h.
 *
 *     front > admit > cache > session > circuit > concurrency > hedge > guard > balance
 *           > target limit > gate > engine
 *
 * front    front/http: what is being asked? Router and exchanges; one per listener and worker.
 * admit    admit/: may it come in now? Only where a rate or a limit on requests is set.
 * cache    cache/: is the answer known? Only where it has memory.
 * session  session/: which target had this client? Only where a key file for cookies is set.
 * circuit  breaker/circuit: is the service well? Only where its circuit breaker is enabled.
 * concurrency  breaker/concurrency: may it go on now, or does it wait? Only where that is set.
 * hedge    breaker/retry: does it take long? A second attempt beside the first, if that is asked.
 * guard    breaker/: may it be tried again? What failed goes to another target, within a budget.
 * balance  balance/: which target takes it?
 * target limit  breaker/concurrency: has that target as many as it may? Only where that is set.
 * gate     breaker/: is that target well? A refusal goes back to guard.
 * engine   engine/http: the servers.
 *
 * A room that a service does not use is not on its path. */
#include "main/assemble.h"

#include "admin/events.h"
#include "admit/rate_stage.h"
#include "balance/balance_stage.h"
#include "breaker/circuit/circuit_stage.h"
#include "breaker/concurrency/concurrency_stage.h"
#include "breaker/concurrency/target_limit_stage.h"
#include "breaker/gate_stage.h"
#include "breaker/guard_stage.h"
#include "breaker/retry/hedge_stage.h"
#include "core/mem.h"
#include "core/units.h"
#include "main/assemble_keys.h"
#include "main/face/face.h"
#include "main/node_id.h"
#include "session/sticky_stage.h"

#include <string.h>

/* --- generations
 * ---------------------------------------------------------------------------------------------- */

void keeps_init(struct keeps *keeps, unsigned workers_count, const struct hash_key *key)
{
    keeps->workers_count = workers_count;
    pubsub_hub_init(&keeps->pubsub, key, workers_count);
    keep_init(&keeps->rates);
    keep_init(&keeps->circuits);
    keep_init(&keeps->permits);
    keep_init(&keeps->caches);
    keep_init(&keeps->keyspaces);
    resp_node_init(&keeps->node);
}

void keeps_fini(struct keeps *keeps)
{
    keep_fini(&keeps->rates);
    keep_fini(&keeps->circuits);
    keep_fini(&keeps->permits);
    keep_fini(&keeps->caches);
    keep_fini(&keeps->keyspaces);
    pubsub_hub_fini(&keeps->pubsub);
    resp_node_fini(&keeps->node);
}

static bool take_rate(struct generation *generation, struct keeps *keeps, size_t index)
{
    const struct settings_service *service = &generation->settings->services[index];
    if (service->rate.requests == 0)
        return true;
    generation->rates[index] = rate_table_get(&keeps->rates, service->name, service->rate.keys);
    return generation->rates[index] != NULL;
}

static bool take_circuit(struct generation *generation, struct keeps *keeps, size_t index)
{
    const struct settings_service *service = &generation->settings->services[index];
    if (!service->breaker.service.enabled)
        return true;
    const struct circuit_rules rules = circuit_rules_of(&service->breaker.service);
    generation->circuits[index] =
        service_circuit_get(&keeps->circuits, service->name, &rules, keeps->workers_count);
    return generation->circuits[index] != NULL;
}

static bool take_permits(struct generation *generation, struct keeps *keeps, size_t index)
{
    const struct settings_service *service = &generation->settings->services[index];
    const struct concurrency_settings *concurrency = &service->concurrency;
    if (!concurrency_is_on(concurrency))
        return true;
    const struct permits_rule rule = {.choice = (enum limit_choice)concurrency->limit,
                                      .bounds = concurrency_bounds(concurrency)};
    generation->permits[index] = permits_get(&keeps->permits, service->name, &rule);
    return generation->permits[index] != NULL;
}

static bool take_cache(struct generation *generation, struct keeps *keeps, size_t index)
{
    const struct settings_service *service = &generation->settings->services[index];
    if (service->cache.memory_bytes == 0)
        return true;
    const struct cache_wish wish = {
        .service = service->name,
        .settings = &service->cache,
        .data_path = generation->settings->data_path,
        .workers_count = keeps->workers_count,
    };
    struct cache *cache = cache_get(&keeps->caches, &wish);
    generation->caches[index] = cache;
    if (cache != NULL && cache->disk_error.kind != ERR_NONE && keeps->events != NULL)
        events_tell(keeps->events, LOG_LEVEL_ERROR, "%s: its cache has no disk: %s", service->name,
                    cache->disk_error.story);
    return cache != NULL;
}

/* Reads the keys of those services that have some. False: no memory; or a key file was changed
 * between check and now. */
static bool read_keys(struct generation *generation)
{
    const struct settings *settings = generation->settings;
    struct err e = {0};
    generation->keys = mem_alloc((settings->services_count + 1) * sizeof(struct session_keys));
    for (size_t i = 0; generation->keys != NULL && i < settings->services_count; i++) {
        const char *file = settings->services[i].sticky.key_file;
        if (file[0] != '\0' && session_keys_read(&generation->keys[i], file, &e) != ERR_NONE)
            return false;
    }
    return generation->keys != NULL;
}

static void wipe_keys(struct generation *generation)
{
    const size_t bytes = (generation->settings->services_count + 1) * sizeof(struct session_keys);
    if (generation->keys != NULL)
        explicit_bzero(generation->keys, bytes);
    mem_free(generation->keys);
}

/* Takes what services keep. False: no memory. */
static bool take_kept(struct generation *generation, struct keeps *keeps)
{
    const size_t count = generation->settings->services_count;
    generation->rates = mem_alloc((count + 1) * sizeof(struct rate_table *));
    generation->circuits = mem_alloc((count + 1) * sizeof(struct service_circuit *));
    generation->permits = mem_alloc((count + 1) * sizeof(struct permits *));
    generation->caches = mem_alloc((count + 1) * sizeof(struct cache *));
    if (generation->rates == NULL || generation->circuits == NULL || generation->permits == NULL ||
        generation->caches == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!take_rate(generation, keeps, i) || !take_circuit(generation, keeps, i) ||
            !take_permits(generation, keeps, i) || !take_cache(generation, keeps, i))
            return false;
    }
    return true;
}

/* Once; behind the keyspaces, which make the data folder if they need one. */
static void find_node_id(struct keeps *keeps, const struct settings *settings)
{
    struct err e = {0};
    if (keeps->node.id[0] != '\0' ||
        node_id_read(settings->data_path, keeps->node.id, &e) == ERR_NONE || keeps->events == NULL)
        return;
    events_tell(keeps->events, LOG_LEVEL_WARNING,
                "this node's id will be another one next time: %s", e.story);
}

static bool take_keyspaces(struct generation *generation, struct keeps *keeps, struct err *e)
{
    const struct settings *settings = generation->settings;
    generation->clients_count = &keeps->clients_count;
    generation->pubsub = &keeps->pubsub;
    generation->node = &keeps->node;
    generation->keyspaces =
        mem_alloc((settings->keyspaces_count + 1) * sizeof(struct kept_keyspace *));
    for (size_t i = 0; generation->keyspaces != NULL && i < settings->keyspaces_count; i++) {
        generation->keyspaces[i] =
            kept_keyspace_get(&keeps->keyspaces, &settings->keyspaces[i], settings->data_path, e);
        if (generation->keyspaces[i] == NULL)
            return false;
    }
    if (generation->keyspaces != NULL)
        find_node_id(keeps, settings);
    return generation->keyspaces != NULL;
}

static void give_kept(struct generation *generation)
{
    for (size_t i = 0; generation->keyspaces != NULL && i < generation->settings->keyspaces_count;
         i++)
        kept_keyspace_give(generation->keyspaces[i]);
    mem_free(generation->keyspaces);
    const size_t count = generation->settings->services_count;
    for (size_t i = 0; generation->rates != NULL && i < count; i++)
        rate_table_give(generation->rates[i]);
    for (size_t i = 0; generation->circuits != NULL && i < count; i++)
        service_circuit_give(generation->circuits[i]);
    for (size_t i = 0; generation->permits != NULL && i < count; i++)
        permits_give(generation->permits[i]);
    for (size_t i = 0; generation->caches != NULL && i < count; i++)
        cache_give(generation->caches[i]);
    mem_free(generation->caches);
    mem_free(generation->rates);
    mem_free(generation->circuits);
    mem_free(generation->permits);
}

static void generation_free(struct generation *generation)
{
    for (size_t i = 0; generation->services != NULL && i < generation->settings->services_count;
         i++)
        if (generation->services[i] != NULL)
            registry_give(generation->services[i]);
    give_kept(generation);
    wipe_keys(generation);
    mem_free(generation->services);
    mem_free((void *)generation->inflight);
    settings_free(generation->settings);
    mem_free(generation);
}

struct generation *generation_new(struct settings *settings, struct registry *registry,
                                  struct admit *admit, struct keeps *keeps, struct err *e)
{
    const size_t count = settings->services_count;
    struct generation *generation = mem_alloc(sizeof *generation);
    (void)err_set(e, ERR_MEMORY, "no memory for the configuration");
    if (generation == NULL)
        return NULL;
    generation->services = mem_alloc((count + 1) * sizeof(struct service *));
    generation->inflight = mem_alloc((count + 1) * sizeof(_Atomic uint32_t));
    generation->settings = settings;
    if (generation->services == NULL || generation->inflight == NULL ||
        !take_kept(generation, keeps) || !take_keyspaces(generation, keeps, e) ||
        !read_keys(generation)) {
        give_kept(generation);
        wipe_keys(generation);
        mem_free(generation->services);
        mem_free((void *)generation->inflight);
        mem_free(generation);
        return NULL;
    }
    generation->admit = admit;
    atomic_init(&generation->refs_count, 1);
    for (size_t i = 0; i < count; i++)
        generation->services[i] = registry_take(registry, settings->services[i].name);
    return generation;
}

struct generation *generation_ref(struct generation *generation)
{
    atomic_fetch_add(&generation->refs_count, 1);
    return generation;
}

void generation_unref(struct generation *generation)
{
    if (generation != NULL && atomic_fetch_sub(&generation->refs_count, 1) == 1)
        generation_free(generation);
}

void generation_step(const struct generation *generation, uint64_t now_ns, uint64_t wall_ns)
{
    for (size_t i = 0; i < generation->settings->keyspaces_count; i++)
        kept_keyspace_tend(generation->keyspaces[i], wall_ns / NS_PER_MS);
    for (size_t i = 0; i < generation->settings->services_count; i++)
        if (generation->permits[i] != NULL)
            permits_step(generation->permits[i], now_ns);
}

void generation_load(const struct generation *generation, const char *service,
                     struct service_load *load)
{
    *load = (struct service_load){0};
    for (size_t i = 0; i < generation->settings->services_count; i++)
        if (generation->permits[i] != NULL &&
            strcmp(generation->settings->services[i].name, service) == 0)
            permits_load(generation->permits[i], load);
}

struct cache *generation_cache(const struct generation *generation, const char *service)
{
    for (size_t i = 0; i < generation->settings->services_count; i++)
        if (strcmp(generation->settings->services[i].name, service) == 0)
            return generation->caches[i];
    return NULL;
}

/* --- paths
 * ---------------------------------------------------------------------------------------------- */

/* The rooms of one service on one worker. */
struct service_path {
    struct rate_stage         rate;
    struct admit_stage        admit;
    struct cache_stage        cache;
    struct sticky_stage       sticky;
    struct circuit_stage      circuit;
    struct concurrency_stage  concurrency;
    struct hedge_stage        hedge;
    struct guard_stage        guard;
    struct balance_stage      balance;
    struct target_limit_stage target_limit;
    struct gate_stage         gate;
    struct http_engine_stage  engine;
    struct stage             *top;
};

struct path {
    struct worker_thread *thread;
    struct generation    *generation;
    struct http_router    router;
    struct key_path       keys;
    struct face          *faces; /* one for each listener that keys may be asked of */
    size_t                faces_count;
    unsigned              held_count; /* routers and keys, while anybody holds them */
    struct client_places *places;     /* NULL: no service asks where clients are */
    struct service_path  *services;
    size_t                services_count; /* that were built */
};

static void init_gate(struct service_path *rooms, struct service *service,
                      const struct circuit_settings *settings)
{
    struct circuit_judge judge;
    if (settings->enabled)
        circuit_judge_init(&judge, settings);
    gate_stage_init(&rooms->gate, service, settings->enabled ? &judge : NULL, &rooms->engine.stage);
}

/* Above guard: one that is open refuses at once, and what is retried counts once. */
static bool build_circuit(struct path *path, size_t index)
{
    const struct settings_service *settings = &path->generation->settings->services[index];
    struct service_path *rooms = &path->services[index];
    const struct circuit_stage_parts parts = {
        .service = path->generation->services[index],
        .circuit = path->generation->circuits[index],
        .settings = &settings->breaker.service,
        .fallback = &settings->breaker.fallback,
    };
    if (parts.circuit == NULL)
        return true;
    if (!circuit_stage_init(&rooms->circuit, &parts, rooms->top))
        return false;
    rooms->top = &rooms->circuit.stage;
    return true;
}

/* When all services are built: who answers instead of whom. */
static void link_fallbacks(struct path *path)
{
    const struct settings *settings = path->generation->settings;
    for (size_t i = 0; i < path->services_count; i++) {
        for (size_t k = 0; k < path->services_count; k++) {
            if (strcmp(settings->services[i].breaker.fallback.service,
                       settings->services[k].name) == 0)
                path->services[i].circuit.elsewhere = path->services[k].top;
        }
    }
}

/* What stands above the attempts. */
static bool build_waiting(struct path *path, size_t index)
{
    const struct generation *generation = path->generation;
    struct service_path *rooms = &path->services[index];
    const struct concurrency_parts parts = {
        .worker = &path->thread->worker,
        .service = generation->services[index],
        .permits = generation->permits[index],
        .settings = &generation->settings->services[index].concurrency,
        .key = generation->admit->key,
    };
    if (parts.permits == NULL)
        return true;
    if (!concurrency_stage_init(&rooms->concurrency, &parts, rooms->top))
        return false;
    rooms->top = &rooms->concurrency.stage;
    return true;
}

/* For what may outlive its request. */
static void hold_path(void *path)
{
    ((struct path *)path)->held_count++;
}

static void let_go(struct path *path);

static void release_path(void *path)
{
    let_go(path);
}

/* Above session: what is kept is for everybody. */
static bool build_cache(struct path *path, size_t index)
{
    struct service_path *rooms = &path->services[index];
    struct cache *cache = path->generation->caches[index];
    const struct cache_path hooks = {path, hold_path, release_path};
    if (cache == NULL)
        return true;
    if (!cache_stage_init(&rooms->cache, cache, &path->thread->worker,
                          &path->generation->settings->services[index].cache, &hooks, rooms->top))
        return false;
    rooms->top = &rooms->cache.stage;
    return true;
}

static struct stage *build_target_limit(struct path *path, size_t index, struct stage *below)
{
    const struct settings_service *settings = &path->generation->settings->services[index];
    struct target_limit_stage *limit = &path->services[index].target_limit;
    if (settings->concurrency.per_target == 0)
        return below;
    target_limit_stage_init(limit, path->generation->services[index],
                            settings->concurrency.per_target, below);
    return &limit->stage;
}

static bool has_probes(const struct resource_settings *settings)
{
    return settings->probe_port > 0 && settings->probe_port <= UINT16_MAX;
}

static bool build_service(struct path *path, size_t index)
{
    const struct settings_service *settings = &path->generation->settings->services[index];
    struct service *service = path->generation->services[index];
    struct service_path *rooms = &path->services[index];
    struct worker *worker = &path->thread->worker;
    if (!http_engine_stage_init(&rooms->engine, &path->thread->engine, &settings->upstream))
        return false;
    init_gate(rooms, service, &settings->breaker.target);
    const struct balance_stage_options balance = {
        .settings = &settings->balance,
        .zone = path->generation->settings->zone,
        .home = path->generation->settings->home,
        .places = balance_wants_places(&settings->balance) ? path->places : NULL,
        .prober = has_probes(&settings->balance.resource) ? &path->thread->prober.prober : NULL,
        .is_sticky = path->generation->keys[index].count > 0,
    };
    if (!balance_stage_init(&rooms->balance, worker, service, &balance,
                            build_target_limit(path, index, &rooms->gate.stage)))
        return false;
    guard_stage_init(&rooms->guard, service,
                     &(struct guard_settings){&settings->breaker, &settings->retry},
                     &rooms->balance.stage);
    rooms->top = &rooms->guard.stage;
    if (settings->retry.hedge != RETRY_HEDGE_OFF) {
        hedge_stage_init(&rooms->hedge, worker, service, &settings->retry, rooms->top);
        rooms->hedge.path = (struct hedge_path){path, hold_path, release_path};
        rooms->top = &rooms->hedge.stage;
    }
    if (!build_waiting(path, index) || !build_circuit(path, index)) {
        balance_stage_fini(&rooms->balance);
        return false;
    }
    if (balance.is_sticky) {
        sticky_stage_init(&rooms->sticky, service, &settings->sticky,
                          &path->generation->keys[index], rooms->top);
        rooms->top = &rooms->sticky.stage;
    }
    if (!build_cache(path, index)) {
        balance_stage_fini(&rooms->balance);
        return false;
    }
    if (settings->limits.requests_in_flight != 0 ||
        path->generation->settings->limits.requests_in_flight != 0) {
        admit_stage_init(&rooms->admit, path->generation->admit, &path->generation->inflight[index],
                         &settings->limits, rooms->top);
        rooms->top = &rooms->admit.stage;
    }
    if (path->generation->rates[index] != NULL) {
        rate_stage_init(&rooms->rate, service, path->generation->rates[index], &settings->rate,
                        path->generation->admit->key, rooms->top);
        rooms->top = &rooms->rate.stage;
    }
    return true;
}

static void add_routes(struct path *path, size_t index)
{
    const struct settings_service *settings = &path->generation->settings->services[index];
    for (size_t i = 0; i < settings->matches_count; i++) {
        const struct settings_match *match = &settings->matches[i];
        path->router.routes[path->router.count++] = (struct http_route){
            .host = match->host,
            .path = match->path,
            .host_bytes = (uint32_t)strlen(match->host),
            .path_bytes = (uint32_t)strlen(match->path),
            .top = path->services[index].top,
            .service = path->generation->services[index],
            .settings = &settings->http,
        };
    }
}

static void path_free(struct path *path)
{
    for (size_t i = 0; i < path->faces_count; i++)
        face_fini(&path->faces[i]);
    mem_free(path->faces);
    key_path_fini(&path->keys);
    for (size_t i = 0; i < path->services_count; i++) {
        prober_forget(&path->thread->prober, &path->services[i].balance);
        cache_stage_fini(&path->services[i].cache);
        hedge_stage_fini(&path->services[i].hedge);
        guard_stage_fini(&path->services[i].guard);
        balance_stage_fini(&path->services[i].balance);
        circuit_stage_fini(&path->services[i].circuit);
    }
    mem_free(path->services);
    mem_free(path->places);
    mem_free(path->router.routes);
    generation_unref(path->generation);
    mem_free(path);
}

static void let_go(struct path *path)
{
    if (--path->held_count == 0)
        path_free(path);
}

static void router_released(struct http_router *router)
{
    let_go(router->path);
}

static void keys_released(struct resp_path *keys)
{
    let_go(keys->path);
}

static size_t count_matches(const struct settings *settings)
{
    size_t count = 0;
    for (size_t i = 0; i < settings->services_count; i++)
        count += settings->services[i].matches_count;
    return count;
}

static bool wants_places(const struct settings *settings)
{
    for (size_t i = 0; i < settings->services_count; i++)
        if (balance_wants_places(&settings->services[i].balance))
            return true;
    return false;
}

/* False: no memory. */
static bool build_places(struct path *path)
{
    const struct settings *settings = path->generation->settings;
    if (!wants_places(settings))
        return true;
    path->places = mem_alloc(sizeof *path->places);
    if (path->places != NULL)
        path->places->file = settings->geo;
    return path->places != NULL;
}

/* False: no memory. */
static bool build_keys(struct path *path)
{
    if (!key_path_init(&path->keys, path->thread, path->generation))
        return false;
    path->keys.resp.path = path;
    path->keys.resp.released = keys_released;
    return true;
}

/* When the services' routes are sorted. False: no memory. */
static bool build_faces(struct path *path)
{
    const struct settings *settings = path->generation->settings;
    path->faces = mem_alloc((settings->listeners_count + 1) * sizeof *path->faces);
    bool ok = path->faces != NULL;
    for (size_t i = 0; ok && i < settings->listeners_count; i++) {
        const struct face_parts parts = {
            .thread = path->thread,
            .generation = path->generation,
            .keys = &path->keys,
            .services = &path->router,
            .listener = &settings->listeners[i],
            .path = path,
            .released = router_released,
            .hold = hold_path,
            .release = release_path,
        };
        if (!settings->listeners[i].keys || settings->listeners[i].dialect != LISTENER_HTTP)
            continue;
        ok = face_init(&path->faces[path->faces_count++], &parts);
        path->held_count++;
    }
    return ok;
}

struct path *path_new(struct worker_thread *thread, struct generation *generation)
{
    const size_t services_count = generation->settings->services_count;
    struct path *path = mem_alloc(sizeof *path);
    if (path == NULL)
        return NULL;
    path->thread = thread;
    path->generation = generation_ref(generation);
    path->router = (struct http_router){.refs_count = 1, .released = router_released, .path = path};
    path->held_count = 2;
    path->services = mem_alloc((services_count + 1) * sizeof *path->services);
    path->router.routes =
        mem_alloc((count_matches(generation->settings) + 1) * sizeof *path->router.routes);
    bool ok = path->services != NULL && path->router.routes != NULL && build_places(path) &&
              build_keys(path);
    for (size_t i = 0; ok && i < services_count; i++) {
        ok = build_service(path, i);
        if (ok) {
            path->services_count++;
            add_routes(path, i);
        }
    }
    http_router_sort(&path->router);
    if (!ok || !build_faces(path)) {
        path_free(path);
        return NULL;
    }
    link_fallbacks(path);
    return path;
}

void path_release(struct path *path)
{
    if (path == NULL)
        return;
    path->held_count++; /* until all are looked at */
    if (--path->router.refs_count == 0)
        let_go(path);
    for (size_t i = 0; i < path->faces_count; i++)
        if (--path->faces[i].router.refs_count == 0)
            let_go(path);
    resp_path_let_go(&path->keys.resp);
    let_go(path);
}

struct http_router *path_router(struct path *path, const char *listener)
{
    for (size_t i = 0; i < path->faces_count; i++)
        if (strcmp(path->faces[i].listener, listener) == 0)
            return &path->faces[i].router;
    return &path->router;
}

struct resp_path *path_keys(struct path *path)
{
    return &path->keys.resp;
}

struct cache_stage *path_cache(struct path *path, const char *service)
{
    for (size_t i = 0; i < path->services_count; i++)
        if (path->generation->caches[i] != NULL &&
            strcmp(path->generation->settings->services[i].name, service) == 0)
            return &path->services[i].cache;
    return NULL;
}

const struct settings *path_settings(const struct path *path)
{
    return path->generation->settings;
}
