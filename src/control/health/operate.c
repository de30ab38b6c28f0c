/* SPDX-License-Identifier: Apache-2.0 */
/* control/health/operate.c - an operator's word about a target: drains and weights at run time. */
#include "control/health/health.h"
#include "control/members.h"

#include <string.h>

/* --- in force -------------------------------------------------------------------------------- */

static struct order *order_of(const struct registry_target *rt)
{
    return orders_find(&rt->registry->orders, rt->service->service.name, rt->target.name);
}

void registry__order_apply(struct registry_target *rt)
{
    const struct order *order = order_of(rt);
    const bool holds = order != NULL && order->file_weight == rt->file_weight;
    rt->is_drained = holds && order->is_drained;
    rt->target.weight_said = holds && order->weight > 0 ? (uint16_t)order->weight : rt->file_weight;
    registry__weigh(rt);
    registry__stand(rt);
}

static void store(struct registry *registry, struct err *e)
{
    struct err own = {0};
    const char *path = registry->sources.orders_path;
    if (path == NULL || orders_store(&registry->orders, path, &own) == ERR_NONE)
        return;
    registry__tell(registry, REGISTRY_TELL_TROUBLE,
                   "drains and weights would not survive a restart: %s", own.story);
    if (e != NULL)
        *e = own;
}

/* --- what the file takes back ---------------------------------------------------------------- */

static bool may_come_again(const struct registry_service *service)
{
    for (size_t i = 0; i < service->names_count; i++) {
        if (service->names[i]->socket_bytes == 0)
            return true; /* an address of a name may be gone for a while */
    }
    return false;
}

static const struct registry_target *find_target(const struct registry_service *service,
                                                 const char *name)
{
    for (size_t i = 0; service != NULL && i < service->targets_count; i++) {
        if (strcmp(service->targets[i]->target.name, name) == 0)
            return service->targets[i];
    }
    return NULL;
}

static bool is_taken_back(struct registry *registry, const struct order *order)
{
    const struct registry_service *service = registry__find(registry, order->service);
    const struct registry_target *rt = find_target(service, order->target);
    if (rt != NULL)
        return rt->file_weight != order->file_weight;
    return service == NULL || !may_come_again(service);
}

void registry__orders_prune(struct registry *registry)
{
    bool changed = false;
    list_each(&registry->orders.list, link, after)
    {
        struct order *order = list_item(link, struct order, link);
        if (!is_taken_back(registry, order))
            continue;
        registry__tell(registry, REGISTRY_TELL_CHANGE,
                       "%s: %s is as the file says again; its drain or weight of before is void",
                       order->service, order->target);
        orders_drop(&registry->orders, order);
        changed = true;
    }
    if (changed)
        store(registry, NULL);
}

void registry__orders_load(struct registry *registry)
{
    struct err e = {0};
    const char *path = registry->sources.orders_path;
    orders_init(&registry->orders);
    if (path != NULL && orders_load(&registry->orders, path, &e) != ERR_NONE)
        registry__tell(registry, REGISTRY_TELL_TROUBLE, "drains and weights of before are lost: %s",
                       e.story);
}

/* --- given ----------------------------------------------------------------------------------- */

static enum err_kind refuse_target(const struct registry_service *service, const char *name,
                                   struct err *e)
{
    char names[160] = "";
    size_t used = 0;
    for (size_t i = 0; i < service->targets_count && used < sizeof names; i++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i > 0 ? ", " : "",
                                 service->targets[i]->target.name);
    return err_set(e, ERR_INPUT, "%s has no target %s; it has %s%s", service->service.name, name,
                   names[0] != '\0' ? names : "none", used >= sizeof names ? "..." : "");
}

static void tell_order(const struct registry_target *rt, const struct registry_order *given)
{
    const char *service = rt->service->service.name;
    if (given->sort == REGISTRY_ORDER_WEIGHT)
        registry__tell(rt->registry, REGISTRY_TELL_CHANGE, "%s: %s has weight %u now", service,
                       rt->target.name, rt->target.weight_said);
    else
        registry__tell(rt->registry, REGISTRY_TELL_CHANGE, "%s: %s %s", service, rt->target.name,
                       rt->is_drained ? "is drained: it takes nothing new" : "is drained no more");
    registry__tell_if_none(rt->service);
}

static bool note(struct registry *registry, const struct registry_target *rt,
                 const struct registry_order *given)
{
    struct order *order = order_of(rt);
    if (order == NULL)
        order = orders_add(&registry->orders, rt->service->service.name, rt->target.name);
    if (order == NULL)
        return false;
    order->file_weight = rt->file_weight;
    if (given->sort == REGISTRY_ORDER_WEIGHT)
        order->weight = given->weight == rt->file_weight ? 0 : given->weight;
    else
        order->is_drained = given->sort == REGISTRY_ORDER_DRAIN;
    if (!order->is_drained && order->weight == 0)
        orders_drop(&registry->orders, order);
    return true;
}

enum err_kind registry_order(struct registry *registry, const struct registry_order *given,
                             const struct target **out, struct err *e)
{
    struct registry_service *service = registry__find(registry, given->service);
    if (service == NULL)
        return err_set(e, ERR_INPUT, "there is no service %s", given->service);
    struct registry_target *rt =
        (struct registry_target *)(uintptr_t)find_target(service, given->target);
    if (rt == NULL)
        return refuse_target(service, given->target, e);
    if (!note(registry, rt, given))
        return err_set(e, ERR_LIMIT, "no memory, or more than %d orders", ORDERS_MAX);
    const bool was_drained = rt->is_drained;
    registry__order_apply(rt);
    if (was_drained && !rt->is_drained)
        registry__warm_start(rt);
    registry__publish(service);
    tell_order(rt, given);
    *out = &rt->target;
    *e = (struct err){0};
    store(registry, e); /* it holds all the same; @e says that it is not stored */
    return ERR_NONE;
}
