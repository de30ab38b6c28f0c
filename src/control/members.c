/* SPDX-License-Identifier: Apache-2.0 */
/* control/members.c - a service's targets: planned, put in force, published to the workers.
 *
 * A plan takes all memory that a change needs; only then the change is made, and cannot fail.
 * Targets that stay are kept as they are; one whose weight, zone or place changed gets a successor
 * with its state and counters, since what sets name never changes. */
#include "control/members.h"
#include "control/health/health.h"

#include "core/mem.h"
#include "path/service.h"

#include <assert.h>
#include <string.h>

/* --- planning ------------------------------------------------------------------------------- */

static struct wanted_source source_of(const struct registry_name *name)
{
    const bool literal = name->socket_bytes > 0;
    return (struct wanted_source){
        .socket = literal ? &name->socket : NULL,
        .socket_bytes = name->socket_bytes,
        .answer = literal ? NULL : &name->good,
        .weight = name->weight,
        .zone = name->zone,
        .place = name->place,
    };
}

static bool list_wanted(struct registry_plan *plan, struct registry_name *const *names,
                        size_t names_count)
{
    struct wanted_source *sources = mem_alloc((names_count + 1) * sizeof *sources);
    if (sources == NULL)
        return false;
    for (size_t i = 0; i < names_count; i++)
        sources[i] = source_of(names[i]);
    const size_t all = wanted_count_max(sources, names_count);
    const size_t most = all > REGISTRY_TARGETS_MAX ? REGISTRY_TARGETS_MAX : all;
    plan->left_out_count = all - most;
    plan->wanted = mem_alloc((most + 1) * sizeof *plan->wanted);
    if (plan->wanted != NULL)
        plan->wanted_count =
            wanted_list(plan->service->service.name, sources, names_count, plan->wanted, most);
    mem_free(sources);
    return plan->wanted != NULL;
}

static struct registry_target *find(const struct registry_service *service,
                                    const struct wanted *wanted)
{
    for (size_t i = 0; i < service->targets_count; i++) {
        struct registry_target *rt = service->targets[i];
        if (rt->target.identity == wanted->identity && strcmp(rt->target.name, wanted->name) == 0)
            return rt;
    }
    return NULL;
}

static bool is_same(const struct registry_target *rt, const struct wanted *wanted)
{
    return rt->file_weight == wanted->weight && strcmp(rt->target.zone, wanted->zone) == 0 &&
           geo_is_same(&rt->target.place, &wanted->place);
}

static bool list_targets(struct registry_plan *plan)
{
    struct registry_service *service = plan->service;
    plan->targets = mem_alloc((plan->wanted_count + 1) * sizeof(struct registry_target *));
    if (plan->targets == NULL)
        return false;
    for (size_t i = 0; i < service->targets_count; i++)
        service->targets[i]->kept = false;
    for (size_t i = 0; i < plan->wanted_count; i++) {
        const struct wanted *wanted = &plan->wanted[i];
        struct registry_target *before = find(service, wanted);
        if (before != NULL && is_same(before, wanted)) {
            before->kept = true;
            plan->targets[i] = before;
            continue;
        }
        plan->targets[i] = registry__target_new(service, wanted, before);
        if (plan->targets[i] == NULL)
            return false;
    }
    return true;
}

/* When the first of those that take nothing now is tried again; 0: nobody knows. */
static uint64_t soonest_back(struct registry_target *const *targets, size_t count)
{
    uint64_t soonest_ns = 0;
    for (size_t i = 0; i < count; i++) {
        const uint64_t at_ns =
            atomic_load_explicit(&targets[i]->target.retry_at_ns, memory_order_relaxed);
        if (at_ns != 0 && (soonest_ns == 0 || at_ns < soonest_ns))
            soonest_ns = at_ns;
    }
    return soonest_ns;
}

/* The set of those of @targets that take requests, and of those that finish what they have. */
static struct target_set *make_set(const struct registry_service *service,
                                   struct registry_target *const *targets, size_t count)
{
    struct target **taking = mem_alloc((count + 1) * sizeof(struct target *));
    size_t draining = 0;
    struct target_set *set = NULL;
    const bool is_panic = registry__is_panic(service, targets, count);
    size_t used = 0;
    if (taking == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        if (registry__takes(targets[i], is_panic))
            taking[used++] = &targets[i]->target;
    }
    for (size_t i = 0; i < count; i++) {
        if (registry__keeps(targets[i]))
            taking[used + draining++] = &targets[i]->target;
    }
    set = set_new(taking, used, draining, service->version + 1);
    if (set != NULL)
        set->back_at_ns = soonest_back(targets, count);
    mem_free(taking);
    return set;
}

bool registry__plan(struct registry_plan *plan, struct registry_service *service,
                    struct registry_name *const *names, size_t names_count)
{
    *plan = (struct registry_plan){.service = service};
    if (list_wanted(plan, names, names_count) && list_targets(plan) &&
        (plan->set = make_set(service, plan->targets, plan->wanted_count)) != NULL)
        return true;
    registry__plan_drop(plan);
    return false;
}

void registry__plan_drop(struct registry_plan *plan)
{
    set_unref(plan->set);
    for (size_t i = 0; plan->targets != NULL && i < plan->wanted_count; i++) {
        if (plan->targets[i] != NULL && !plan->targets[i]->kept)
            registry__target_free(plan->targets[i]);
    }
    mem_free(plan->targets);
    mem_free(plan->wanted);
    *plan = (struct registry_plan){0};
}

/* --- publishing ----------------------------------------------------------------------------- */

/* On the worker's thread. */
static void on_delivery(struct post *post)
{
    struct registry_delivery *delivery = list_item(post, struct registry_delivery, post);
    struct service_view *view = &delivery->service->views[delivery->index];
    struct target_set *set = atomic_exchange_explicit(&delivery->next, NULL, memory_order_acq_rel);
    if (set != NULL) {
        struct target_set *old = view->set;
        view->set = set;
        list_each(&view->listeners, link, after)
        {
            struct service_listener *listener = list_item(link, struct service_listener, link);
            listener->changed(listener, set);
        }
        set_unref(old);
    }
    atomic_fetch_sub_explicit(&delivery->under_way_count, 1, memory_order_release);
}

/* One that has not arrived yet is overtaken: the worker sees the newest only. */
static void deliver(struct registry_service *service, unsigned index, struct target_set *set)
{
    struct registry *registry = service->registry;
    struct registry_delivery *delivery = &service->deliveries[index];
    if (!registry->started || !service->was_taken) {
        set_unref(service->service.views[index].set);
        service->service.views[index].set = set;
        return;
    }
    struct target_set *overtaken =
        atomic_exchange_explicit(&delivery->next, set, memory_order_acq_rel);
    if (overtaken != NULL) {
        set_unref(overtaken);
        return;
    }
    atomic_fetch_add_explicit(&delivery->under_way_count, 1, memory_order_relaxed);
    delivery->post.call = on_delivery;
    loop_post(registry->sources.workers[index]->loop, &delivery->post);
}

/* Takes over the reference to @set. */
static void publish(struct registry_service *service, struct target_set *set)
{
    service->version = set->version;
    registry__mark_panic(service);
    for (unsigned i = 0; i < service->registry->sources.workers_count; i++) {
        set_ref(set);
        deliver(service, i, set);
    }
    set_unref(set);
}

void registry__publish(struct registry_service *service)
{
    if (service->registry->stopping)
        return;
    struct target_set *set = make_set(service, service->targets, service->targets_count);
    if (set == NULL)
        service->is_dirty = true;
    else
        publish(service, set);
}

/* --- putting in force ----------------------------------------------------------------------- */

struct changes {
    size_t came_count, left_count;
};

static void tell_change(struct registry_service *service, size_t *count, const char *name,
                        const char *what)
{
    if (++*count <= REGISTRY_TOLD_MAX)
        registry__tell(service->registry, REGISTRY_TELL_CHANGE, "%s: %s %s", service->service.name,
                       name, what);
}

static void tell_rest(struct registry_service *service, size_t count, const char *what)
{
    if (count > REGISTRY_TOLD_MAX)
        registry__tell(service->registry, REGISTRY_TELL_CHANGE, "%s: and %zu more targets %s",
                       service->service.name, count - REGISTRY_TOLD_MAX, what);
}

static bool is_wanted(const struct registry_plan *plan, const struct registry_target *rt)
{
    for (size_t i = 0; i < plan->wanted_count; i++) {
        if (plan->wanted[i].identity == rt->target.identity)
            return true;
    }
    return false;
}

static void tell_changes(const struct registry_plan *plan)
{
    struct registry_service *service = plan->service;
    struct changes changes = {0};
    for (size_t i = 0; i < plan->wanted_count; i++) {
        if (find(service, &plan->wanted[i]) == NULL)
            tell_change(service, &changes.came_count, plan->wanted[i].name, "is a target now");
    }
    tell_rest(service, changes.came_count, "came");
    for (size_t i = 0; i < service->targets_count; i++) {
        if (!is_wanted(plan, service->targets[i]))
            tell_change(service, &changes.left_count, service->targets[i]->target.name,
                        "is no target any more");
    }
    tell_rest(service, changes.left_count, "left");
}

/* Members that are still the same keep their place in nothing but the new array. */
static bool has_changed(const struct registry_plan *plan)
{
    const struct registry_service *service = plan->service;
    if (service->version == 0 || service->is_dirty || plan->wanted_count != service->targets_count)
        return true;
    for (size_t i = 0; i < plan->wanted_count; i++) {
        if (plan->targets[i] != service->targets[i])
            return true;
    }
    return false;
}

void registry__plan_commit(struct registry_plan *plan, bool is_told)
{
    struct registry_service *service = plan->service;
    service->left_out_count = plan->left_out_count;
    if (!has_changed(plan)) {
        registry__plan_drop(plan);
        return;
    }
    if (is_told)
        tell_changes(plan);
    for (size_t i = 0; i < service->targets_count; i++) {
        if (!service->targets[i]->kept)
            registry__target_leave(service->targets[i]);
    }
    mem_free(service->targets);
    service->targets = plan->targets;
    service->targets_count = plan->wanted_count;
    for (size_t i = 0; i < service->targets_count; i++) {
        if (service->targets[i]->kept)
            continue;
        registry__health_arm(service->targets[i]);
        registry__check_arm(service->targets[i]);
        registry__agent_arm(service->targets[i]);
        if (service->targets[i]->is_new)
            registry__warm_start(service->targets[i]);
        service->targets[i]->is_new = false;
    }
    service->is_dirty = false;
    publish(service, plan->set);
    if (service->is_warming) /* its sums are those of the weights before */
        registry__publish(service);
    mem_free(plan->wanted);
    *plan = (struct registry_plan){0};
}

void registry__renew(struct registry_service *service)
{
    struct registry_plan plan;
    if (service->registry->stopping)
        return;
    if (registry__plan(&plan, service, service->names, service->names_count))
        registry__plan_commit(&plan, true);
    else
        service->is_dirty = true;
    registry__name_troubles(service);
}

void registry__dissolve(struct registry_service *service)
{
    for (size_t i = 0; i < service->targets_count; i++)
        registry__target_leave(service->targets[i]);
    service->targets_count = 0;
    for (unsigned i = 0; i < service->registry->sources.workers_count; i++) {
        set_unref(atomic_exchange(&service->deliveries[i].next, NULL));
        set_unref(service->service.views[i].set);
        service->service.views[i].set = NULL;
    }
}
