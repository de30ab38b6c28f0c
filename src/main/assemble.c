/* SPDX-License-Identifier: Apache-2.0 */
/* main/assemble.c - the path in walking order; the first file to read.
 *
 *     front > admit > hedge > guard > balance > gate > engine
 *
 * front    front/http: what is being asked? Router and exchanges; one per listener and worker.
 * admit    admit/: may it come in now? Only where a rate or a limit on requests is set.
 * hedge    breaker/retry: does it take long? A second attempt beside the first, if that is asked.
 * guard    breaker/: may it be tried again? What failed goes to another target, within a budget.
 * balance  balance/: which target takes it?
 * gate     breaker/: is that target well? A refusal goes back to guard.
 * engine   engine/http: the servers.
 *
 * A room that a service does not use is not on its path. */
#include "main/assemble.h"

#include "admit/rate_stage.h"
#include "balance/balance_stage.h"
#include "breaker/gate_stage.h"
#include "breaker/guard_stage.h"
#include "breaker/retry/hedge_stage.h"
#include "core/mem.h"

#include <string.h>

/* --- generations
 * ---------------------------------------------------------------------------------------------- */

void keeps_init(struct keeps *keeps)
{
    keep_init(&keeps->rates);
}

void keeps_fini(struct keeps *keeps)
{
    keep_fini(&keeps->rates);
}

/* Takes what services keep. False: no memory. */
static bool take_kept(struct generation *generation, struct keeps *keeps)
{
    const struct settings *settings = generation->settings;
    generation->rates = mem_alloc((settings->services_count + 1) * sizeof(struct rate_table *));
    if (generation->rates == NULL)
        return false;
    for (size_t i = 0; i < settings->services_count; i++) {
        const struct settings_service *service = &settings->services[i];
        if (service->rate.requests == 0)
            continue;
        generation->rates[i] = rate_table_get(&keeps->rates, service->name, service->rate.keys);
        if (generation->rates[i] == NULL)
            return false;
    }
    return true;
}

static void give_kept(struct generation *generation)
{
    for (size_t i = 0; generation->rates != NULL && i < generation->settings->services_count; i++)
        rate_table_give(generation->rates[i]);
    mem_free(generation->rates);
}

static void generation_free(struct generation *generation)
{
    for (size_t i = 0; generation->services != NULL && i < generation->settings->services_count;
         i++)
        if (generation->services[i] != NULL)
            registry_give(generation->services[i]);
    give_kept(generation);
    mem_free(generation->services);
    mem_free((void *)generation->inflight);
    settings_free(generation->settings);
    mem_free(generation);
}

struct generation *generation_new(struct settings *settings, struct registry *registry,
                                  struct admit *admit, struct keeps *keeps)
{
    const size_t count = settings->services_count;
    struct generation *generation = mem_alloc(sizeof *generation);
    if (generation == NULL)
        return NULL;
    generation->services = mem_alloc((count + 1) * sizeof(struct service *));
    generation->inflight = mem_alloc((count + 1) * sizeof(_Atomic uint32_t));
    generation->settings = settings;
    if (generation->services == NULL || generation->inflight == NULL ||
        !take_kept(generation, keeps)) {
        give_kept(generation);
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

/* --- paths
 * ---------------------------------------------------------------------------------------------- */

/* The rooms of one service on one worker. */
struct service_path {
    struct rate_stage        rate;
    struct admit_stage       admit;
    struct hedge_stage       hedge;
    struct guard_stage       guard;
    struct balance_stage     balance;
    struct gate_stage        gate;
    struct http_engine_stage engine;
    struct stage            *top;
};

struct path {
    struct worker_thread *thread;
    struct generation    *generation;
    struct http_router    router;
    struct service_path  *services;
    size_t                services_count; /* that were built */
};

/* For what may outlive its request. */
static void hold_path(void *path)
{
    ((struct path *)path)->router.refs_count++;
}

static void release_path(void *path)
{
    path_release(path);
}

static bool build_service(struct path *path, size_t index)
{
    const struct settings_service *settings = &path->generation->settings->services[index];
    struct service *service = path->generation->services[index];
    struct service_path *rooms = &path->services[index];
    struct worker *worker = &path->thread->worker;
    if (!http_engine_stage_init(&rooms->engine, &path->thread->engine, &settings->upstream))
        return false;
    gate_stage_init(&rooms->gate, service, &rooms->engine.stage);
    const struct balance_stage_options balance = {
        .settings = &settings->balance,
        .zone = path->generation->settings->zone,
    };
    if (!balance_stage_init(&rooms->balance, worker, service, &balance, &rooms->gate.stage))
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
    for (size_t i = 0; i < path->services_count; i++) {
        hedge_stage_fini(&path->services[i].hedge);
        guard_stage_fini(&path->services[i].guard);
        balance_stage_fini(&path->services[i].balance);
    }
    mem_free(path->services);
    mem_free(path->router.routes);
    generation_unref(path->generation);
    mem_free(path);
}

static void released(struct http_router *router)
{
    path_free(router->path);
}

static size_t count_matches(const struct settings *settings)
{
    size_t count = 0;
    for (size_t i = 0; i < settings->services_count; i++)
        count += settings->services[i].matches_count;
    return count;
}

struct path *path_new(struct worker_thread *thread, struct generation *generation)
{
    const size_t services_count = generation->settings->services_count;
    struct path *path = mem_alloc(sizeof *path);
    if (path == NULL)
        return NULL;
    path->thread = thread;
    path->generation = generation_ref(generation);
    path->router = (struct http_router){.refs_count = 1, .released = released, .path = path};
    path->services = mem_alloc((services_count + 1) * sizeof *path->services);
    path->router.routes =
        mem_alloc((count_matches(generation->settings) + 1) * sizeof *path->router.routes);
    bool ok = path->services != NULL && path->router.routes != NULL;
    for (size_t i = 0; ok && i < services_count; i++) {
        ok = build_service(path, i);
        if (ok) {
            path->services_count++;
            add_routes(path, i);
        }
    }
    if (!ok) {
        path_free(path);
        return NULL;
    }
    http_router_sort(&path->router);
    return path;
}

void path_release(struct path *path)
{
    if (path != NULL && --path->router.refs_count == 0)
        path_free(path);
}

struct http_router *path_router(struct path *path)
{
    return &path->router;
}

const struct settings *path_settings(const struct path *path)
{
    return path->generation->settings;
}
