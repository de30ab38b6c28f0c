/* SPDX-License-Identifier: Apache-2.0 */
/* control/names.c - host names and SRV records: asked for, and again when their time is over.
 *
 * An answer holds for its TTL (1 s to 1 h). After a failure the last good answer stays in force
 * and the name is asked for again, at growing intervals. What changes is told; what stays wrong
 * is told once. */
#include "control/members.h"

#include "core/mem.h"
#include "core/units.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static void ask_in(struct registry_name *name, uint32_t wait_s)
{
    struct loop *loop = name->service->registry->sources.loop;
    timer_set(&loop->timers, &name->again, loop->now_ns + wait_s * NS_PER_S);
}

static void take_good(struct registry_name *name)
{
    struct registry_service *service = name->service;
    const bool changed = !dns_answer_same(&name->good, &name->query.answer);
    if (name->failures_count > 0)
        registry__tell(service->registry, REGISTRY_TELL_CHANGE, "%s: %s resolves again",
                       service->service.name, name->text);
    name->failures_count = 0;
    name->why = name->query.answer.why;
    dns_answer_fini(&name->good);
    name->good = name->query.answer;
    name->query.answer = (struct dns_answer){0};
    ask_in(name, name->good.ttl_s);
    name->settled = true;
    if (changed || service->is_dirty)
        registry__renew(service);
    else
        registry__name_troubles(service);
}

static void take_bad(struct registry_name *name)
{
    struct registry_service *service = name->service;
    const char *why = name->query.answer.why;
    if (name->failures_count++ == 0 || name->why == NULL || strcmp(name->why, why) != 0)
        registry__tell(service->registry, REGISTRY_TELL_TROUBLE, "%s: %s: %s; %s",
                       service->service.name, name->text, why,
                       name->good.count > 0 ? "its last addresses stay in use"
                                            : "it has no addresses yet");
    name->why = why;
    name->settled = true;
    dns_answer_fini(&name->query.answer);
    ask_in(name, dns_retry_s(name->failures_count));
    registry__name_troubles(service);
}

static void on_answered(struct dns_query *query)
{
    struct registry_name *name = query->self;
    name->asking = false;
    if (name->service == NULL) {
        list_remove(&name->link);
        registry__name_free(name);
        return;
    }
    if (name->service->registry->stopping) {
        dns_query_fini(query);
        return;
    }
    if (query->answer.kind == ERR_NONE)
        take_good(name);
    else
        take_bad(name);
}

static void on_again(struct timer *timer)
{
    registry__name_ask(list_item(timer, struct registry_name, again));
}

void registry__name_ask(struct registry_name *name)
{
    struct registry *registry = name->service->registry;
    if (name->socket_bytes > 0 || name->asking || registry->stopping)
        return;
    timer_clear(&name->again);
    name->asking = true;
    dns_ask(registry->dns, &name->query);
}

struct registry_name *registry__name_new(const struct registry_target_spec *spec)
{
    const struct config_address *address = spec->address;
    struct registry_name *name = mem_alloc(sizeof *name);
    if (name == NULL)
        return NULL;
    link_init(&name->link);
    timer_init(&name->again, on_again);
    name->text = mem_copy_text(address->text);
    if (name->text == NULL) {
        mem_free(name);
        return NULL;
    }
    name->kind = address->kind;
    name->port = address->port;
    name->socket = address->socket;
    name->socket_bytes = address->socket_bytes;
    name->settled = address->socket_bytes > 0;
    name->query.sort = address->kind == CONFIG_ADDRESS_SRV ? DNS_SERVICE : DNS_ADDRESSES;
    name->query.port = address->port;
    name->query.answered = on_answered;
    name->query.self = name;
    if (!name->settled)
        snprintf(name->query.name, sizeof name->query.name, "%s", address->host);
    return name;
}

void registry__name_drop(struct registry *registry, struct registry_name *name)
{
    timer_clear(&name->again);
    name->service = NULL;
    if (name->asking)
        list_add_last(&registry->abandoned, &name->link);
    else
        registry__name_free(name);
}

void registry__name_free(struct registry_name *name)
{
    timer_clear(&name->again);
    dns_query_fini(&name->query);
    dns_answer_fini(&name->good);
    mem_free(name->text);
    mem_free(name);
}

void registry__name_troubles(struct registry_service *service)
{
    char *at = service->trouble;
    size_t room = sizeof service->trouble;
    *at = '\0';
    for (size_t i = 0; i < service->names_count && room > 1; i++) {
        const struct registry_name *name = service->names[i];
        const char *why = name->why != NULL ? name->why : "it is being resolved";
        if (name->settled && name->why == NULL)
            continue;
        const int used =
            snprintf(at, room, "%s%s: %s", at == service->trouble ? "" : "; ", name->text, why);
        if (used < 0 || (size_t)used >= room)
            return;
        at += used;
        room -= (size_t)used;
    }
    if (service->left_out_count > 0 && room > 1)
        snprintf(at, room, "%s%zu addresses over the limit of %d are left out",
                 at == service->trouble ? "" : "; ", service->left_out_count, REGISTRY_TARGETS_MAX);
}
