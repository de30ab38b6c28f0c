/* SPDX-License-Identifier: Apache-2.0 */
/* control/registry.c - settings in, services that come and go, the tick.
 *
 * New settings are staged first: new services, names and targets are made and a plan is laid for
 * each service. Only if all of that has its memory they are put in force, which cannot fail. */
#include "control/health/health.h"
#include "control/members.h"

#include "core/mem.h"
#include "core/units.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void registry__tell(struct registry *registry, enum registry_tone tone, const char *format, ...)
{
    char text[REGISTRY_EVENT_BYTES];
    va_list arguments;
    if (registry->sources.told == NULL)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    registry->sources.told(registry->sources.self, tone, text);
}

/* --- services ------------------------------------------------------------------------------- */

static void service_free(struct registry_service *service)
{
    if (service == NULL)
        return;
    for (size_t i = 0; i < service->names_count; i++)
        registry__name_drop(service->registry, service->names[i]);
    mem_free(service->names);
    mem_free(service->targets);
    mem_free(service->deliveries);
    mem_free(service->rows_memory);
    mem_free(service->health);
    mem_free(service);
}

static bool service_has_memory(struct registry_service *service, unsigned workers_count)
{
    const size_t align = _Alignof(struct service_row);
    service->rows_memory = mem_alloc(workers_count * sizeof(struct service_row) + align);
    service->deliveries = mem_alloc((workers_count + 1) * sizeof *service->deliveries);
    if (service->rows_memory == NULL || service->deliveries == NULL)
        return false;
    service->service.rows =
        (struct service_row *)(((uintptr_t)service->rows_memory + align - 1) & ~(align - 1));
    return true;
}

static struct registry_service *service_new(struct registry *registry, const char *name)
{
    const unsigned workers_count = registry->sources.workers_count;
    struct registry_service *service = mem_alloc(sizeof *service);
    if (service == NULL)
        return NULL;
    service->registry = registry;
    link_init(&service->link);
    if (!service_has_memory(service, workers_count)) {
        service_free(service);
        return NULL;
    }
    snprintf(service->service.name, sizeof service->service.name, "%s", name);
    service->service.workers_count = (uint16_t)workers_count;
    service->service.reported = registry__reported;
    service->service.troubled = registry__troubled;
    service->service.control = service;
    for (unsigned i = 0; i < WORKERS_ALL_MAX; i++)
        list_init(&service->service.views[i].listeners);
    for (unsigned i = 0; i < workers_count; i++) {
        service->deliveries[i].service = &service->service;
        service->deliveries[i].index = i;
    }
    return service;
}

static struct registry_service *find_in(const struct list *list, const char *name)
{
    for (struct list_link *link = list->head.next; link != &list->head; link = link->next) {
        struct registry_service *service = list_item(link, struct registry_service, link);
        if (strcmp(service->service.name, name) == 0)
            return service;
    }
    return NULL;
}

struct registry_service *registry__find(const struct registry *registry, const char *name)
{
    return find_in(&registry->services, name);
}

struct service *registry_take(struct registry *registry, const char *name)
{
    struct registry_service *service = find_in(&registry->services, name);
    if (service == NULL)
        return NULL;
    service->was_taken = true;
    atomic_fetch_add_explicit(&service->refs_count, 1, memory_order_relaxed);
    return &service->service;
}

void registry_give(struct service *service)
{
    atomic_fetch_sub_explicit(&registry_service_of(service)->refs_count, 1, memory_order_release);
}

static bool is_unused(const struct registry_service *service, unsigned workers_count)
{
    if (atomic_load_explicit(&service->refs_count, memory_order_acquire) > 0)
        return false;
    for (unsigned i = 0; i < workers_count; i++) {
        if (atomic_load_explicit(&service->deliveries[i].under_way_count, memory_order_acquire) > 0)
            return false;
    }
    return true;
}

/* --- staging -------------------------------------------------------------------------------- */

struct staged {
    struct registry_service            *service;
    const struct registry_service_spec *spec;
    struct registry_name              **names;
    size_t                              names_count;
    struct registry_plan                plan;
    struct registry_health             *health;
    bool                                is_new;
};

/* A name that is there already keeps its answer. */
static struct registry_name *find_name(struct registry_service *service, const char *text)
{
    for (size_t i = 0; i < service->names_count; i++) {
        struct registry_name *name = service->names[i];
        if (!name->staged && strcmp(name->text, text) == 0)
            return name;
    }
    return NULL;
}

static bool stage_names(struct staged *staged)
{
    const struct registry_service_spec *spec = staged->spec;
    staged->names = mem_alloc((spec->targets_count + 1) * sizeof(struct registry_name *));
    if (staged->names == NULL)
        return false;
    for (size_t i = 0; i < spec->targets_count; i++) {
        const struct registry_target_spec *target = &spec->targets[i];
        struct registry_name *name = find_name(staged->service, target->address->text);
        if (name == NULL && (name = registry__name_new(target)) == NULL)
            return false;
        staged->names[staged->names_count++] = name;
        name->staged = true;
        name->old_weight = name->weight;
        memcpy(name->old_zone, name->zone, sizeof name->zone);
        name->old_place = name->place;
        name->weight = target->weight;
        name->place = target->place;
        snprintf(name->zone, sizeof name->zone, "%s", target->zone != NULL ? target->zone : "");
    }
    return true;
}

static bool stage(struct registry *registry, struct staged *staged)
{
    const char *name = staged->spec->name;
    staged->service = find_in(&registry->services, name);
    if (staged->service == NULL)
        staged->service = find_in(&registry->leaving, name);
    if (staged->service == NULL) {
        staged->is_new = true;
        staged->service = service_new(registry, name);
    }
    staged->health = registry__health_copy(staged->spec->health);
    return staged->service != NULL && staged->health != NULL && stage_names(staged) &&
           registry__plan(&staged->plan, staged->service, staged->names, staged->names_count);
}

static void unstage(struct registry *registry, struct staged *staged)
{
    registry__plan_drop(&staged->plan);
    for (size_t i = 0; i < staged->names_count; i++) {
        struct registry_name *name = staged->names[i];
        name->staged = false;
        name->weight = name->old_weight;
        memcpy(name->zone, name->old_zone, sizeof name->zone);
        name->place = name->old_place;
        if (name->service == NULL)
            registry__name_drop(registry, name);
    }
    mem_free(staged->names);
    mem_free(staged->health);
    if (staged->is_new)
        service_free(staged->service);
}

static bool has_names(const struct registry_service_spec *services, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < services[i].targets_count; k++) {
            if (services[i].targets[k].address->socket_bytes == 0)
                return true;
        }
    }
    return false;
}

/* --- putting in force ----------------------------------------------------------------------- */

static void ask_names(struct registry_service *service)
{
    for (size_t i = 0; i < service->names_count; i++) {
        if (!service->names[i]->settled)
            registry__name_ask(service->names[i]);
    }
}

static void commit(struct registry *registry, struct staged *staged)
{
    struct registry_service *service = staged->service;
    for (size_t i = 0; i < service->names_count; i++) {
        if (!service->names[i]->staged)
            registry__name_drop(registry, service->names[i]);
    }
    mem_free(service->names);
    service->names = staged->names;
    service->names_count = staged->names_count;
    for (size_t i = 0; i < service->names_count; i++) {
        service->names[i]->service = service;
        service->names[i]->staged = false;
    }
    service->pause_first_ns = staged->spec->pause_first_ns;
    service->pause_most_ns = staged->spec->pause_most_ns;
    service->outlier =
        staged->spec->outlier != NULL ? *staged->spec->outlier : (struct outlier_settings){0};
    registry__health_take(service, staged->health);
    registry__agents_take(service, staged->spec->agent);
    registry__plan_commit(&staged->plan, registry->started && !staged->is_new);
    registry__circuit_take(service, staged->spec->circuit);
    if (registry->started) {
        registry__health_took(service);
        registry__agents_took(service);
    }
    registry__name_troubles(service);
    if (registry->started)
        ask_names(service);
}

/* The order of the settings; what they do not name leaves. */
static void commit_all(struct registry *registry, struct staged *staged, size_t count)
{
    struct list before;
    list_init(&before);
    list_take_all(&before, &registry->services);
    for (size_t i = 0; i < count; i++) {
        list_move_last(&registry->services, &staged[i].service->link);
        commit(registry, &staged[i]);
    }
    list_take_all(&registry->leaving, &before);
}

enum err_kind registry_apply(struct registry *registry,
                             const struct registry_service_spec *services, size_t count,
                             struct err *e)
{
    struct staged *staged = mem_alloc((count + 1) * sizeof *staged);
    size_t done = 0;
    if (staged == NULL)
        return err_set(e, ERR_MEMORY, "apply services: out of memory");
    if (registry->dns == NULL && has_names(services, count)) {
        registry->dns = dns_new(registry->sources.loop, registry->sources.dns_servers, e);
        if (registry->dns == NULL) {
            mem_free(staged);
            return e != NULL ? e->kind : ERR_DNS;
        }
    }
    while (done < count) {
        staged[done].spec = &services[done];
        if (!stage(registry, &staged[done]))
            break;
        done++;
    }
    if (done == count) {
        commit_all(registry, staged, count);
        registry__orders_prune(registry);
        mem_free(staged);
        return ERR_NONE;
    }
    for (size_t i = 0; i <= done; i++)
        unstage(registry, &staged[i]);
    mem_free(staged);
    return err_set(e, ERR_MEMORY, "apply services: out of memory");
}

/* --- the tick ------------------------------------------------------------------------------- */

static void free_unused_services(struct registry *registry)
{
    list_each(&registry->leaving, link, after)
    {
        struct registry_service *service = list_item(link, struct registry_service, link);
        if (!is_unused(service, registry->sources.workers_count))
            continue;
        list_remove(link);
        registry__dissolve(service);
        service_free(service);
    }
}

static void set_tick(struct registry *registry)
{
    struct loop *loop = registry->sources.loop;
    timer_set(&loop->timers, &registry->tick, loop->now_ns + REGISTRY_TICK_MS * NS_PER_MS);
}

static void tend(struct registry *registry, struct list *services)
{
    list_each(services, link, after)
    {
        struct registry_service *service = list_item(link, struct registry_service, link);
        registry__health_tick(service, registry->sources.loop->now_ns);
        if (service->is_dirty)
            registry__renew(service);
    }
}

static void on_tick(struct timer *timer)
{
    struct registry *registry = list_item(timer, struct registry, tick);
    tend(registry, &registry->services);
    tend(registry, &registry->leaving); /* paths still give it requests */
    free_unused_services(registry);
    registry__reap(registry);
    set_tick(registry);
}

static void set_look(struct registry *registry)
{
    struct loop *loop = registry->sources.loop;
    timer_set(&loop->timers, &registry->look, loop->now_ns + REGISTRY_LOOK_MS * NS_PER_MS);
}

static void on_look(struct timer *timer)
{
    struct registry *registry = list_item(timer, struct registry, look);
    list_each(&registry->services, link, after)
    {
        struct registry_service *service = list_item(link, struct registry_service, link);
        registry__outlier_look(service, registry->sources.loop->now_ns);
        registry__circuit_look(service, registry->sources.loop->now_ns);
        registry__warm_look(service, registry->sources.loop->now_ns);
    }
    registry->looked_ns = registry->sources.loop->now_ns;
    set_look(registry);
}

/* --- life ----------------------------------------------------------------------------------- */

static void on_stopped(struct post *post)
{
    struct registry *registry = list_item(post, struct registry, stopped_post);
    registry->stopped(registry->stopped_self);
}

struct registry *registry_new(const struct registry_sources *sources, struct err *e)
{
    struct registry *registry = mem_alloc(sizeof *registry);
    assert(sources->workers_count <= WORKERS_MAX && sources->judge != NULL);
    if (registry == NULL) {
        err_set(e, ERR_MEMORY, "make the registry: out of memory");
        return NULL;
    }
    registry->sources = *sources;
    registry->stopped_post.call = on_stopped;
    registry->look_post.call = registry__look_asked;
    list_init(&registry->services);
    list_init(&registry->leaving);
    list_init(&registry->gone);
    list_init(&registry->abandoned);
    registry__orders_load(registry);
    timer_init(&registry->tick, on_tick);
    timer_init(&registry->look, on_look);
    random_init(&registry->random, clock_wall_ns() ^ (uintptr_t)registry);
    return registry;
}

void registry_start(struct registry *registry)
{
    registry->started = true;
    set_tick(registry);
    set_look(registry);
    list_each(&registry->services, link, after)
    {
        struct registry_service *service = list_item(link, struct registry_service, link);
        service->checks_changed = service->agents.has_changed = false;
        registry__check_arm_all(service);
        registry__agent_arm_all(service);
        ask_names(service);
    }
}

static void close_targets(struct list *services)
{
    list_each(services, link, after)
    {
        struct registry_service *service = list_item(link, struct registry_service, link);
        for (size_t i = 0; i < service->targets_count; i++) {
            timer_clear(&service->targets[i]->retry);
            registry__check_stop(service->targets[i]);
            registry__agent_stop(service->targets[i]);
            registry__target_close(service->targets[i]);
        }
        for (size_t i = 0; i < service->names_count; i++)
            timer_clear(&service->names[i]->again);
    }
}

void registry_stop(struct registry *registry, void (*done)(void *self), void *self)
{
    registry->stopping = true;
    registry->stopped = done;
    registry->stopped_self = self;
    timer_clear(&registry->tick);
    timer_clear(&registry->look);
    dns_free(registry->dns);
    registry->dns = NULL;
    registry->closing_count++; /* so that the last to close is not taken for all */
    close_targets(&registry->services);
    close_targets(&registry->leaving);
    list_each(&registry->gone, link, after)
        registry__target_close(list_item(link, struct registry_target, link));
    registry->closing_count--;
    registry__stopped_if_done(registry);
}

static void free_services(struct list *services)
{
    list_each(services, link, after)
    {
        struct registry_service *service = list_item(link, struct registry_service, link);
        list_remove(link);
        registry__dissolve(service);
        service_free(service);
    }
}

void registry_free(struct registry *registry)
{
    if (registry == NULL)
        return;
    registry->stopping = true;
    timer_clear(&registry->tick);
    timer_clear(&registry->look);
    dns_free(registry->dns);
    registry->dns = NULL;
    free_services(&registry->services);
    free_services(&registry->leaving);
    list_each(&registry->abandoned, link, after)
    {
        list_remove(link);
        registry__name_free(list_item(link, struct registry_name, link));
    }
    list_each(&registry->gone, link, after)
    {
        list_remove(link);
        registry__target_free(list_item(link, struct registry_target, link));
    }
    orders_fini(&registry->orders);
    mem_free(registry);
}

/* --- for those who show it ------------------------------------------------------------------ */

struct service *registry_service_at(const struct registry *registry, size_t index)
{
    const struct list_link *link = registry->services.head.next;
    while (link != &registry->services.head && index-- > 0)
        link = link->next;
    if (link == &registry->services.head)
        return NULL;
    return &list_item(link, struct registry_service, link)->service;
}

struct target *registry_target_at(const struct service *service, size_t index)
{
    const struct registry_service *own = registry_service_of(service);
    return index < own->targets_count ? &own->targets[index]->target : NULL;
}

const char *registry_trouble(const struct service *service)
{
    const struct registry_service *own = registry_service_of(service);
    if (own->trouble[0] != '\0')
        return own->trouble;
    return own->is_panic ? REGISTRY_PANIC : NULL;
}

bool registry_is_settled(const struct registry *registry)
{
    for (size_t i = 0;; i++) {
        const struct service *service = registry_service_at(registry, i);
        if (service == NULL)
            return true;
        const struct registry_service *own = registry_service_of(service);
        for (size_t k = 0; k < own->names_count; k++) {
            if (!own->names[k]->settled)
                return false;
        }
    }
}
