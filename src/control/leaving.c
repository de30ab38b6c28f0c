/* SPDX-License-Identifier: Apache-2.0 */
/* control/leaving.c - the life of a target's memory: made, gone, pools closed, freed.
 *
 * A target that is gone stays until no set and no op names it (refs_count) and it has nothing in
 * flight. Nobody can come to name it anew then, so its pools are closed on every worker, and
 * when the last worker says so it is freed. */
#include "control/health/health.h"
#include "control/registry_inside.h"

#include "core/mem.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* --- rows ----------------------------------------------------------------------------------- */

/* Counters that a target's successor goes on with. */
struct registry_rows {
    uint32_t           refs_count; /* the control thread's */
    void              *memory;
    struct target_row *at;
};

static struct registry_rows *rows_new(unsigned workers_count)
{
    const size_t align = _Alignof(struct target_row);
    struct registry_rows *rows = mem_alloc(sizeof *rows);
    if (rows == NULL)
        return NULL;
    rows->memory = mem_alloc(workers_count * sizeof(struct target_row) + align);
    if (rows->memory == NULL) {
        mem_free(rows);
        return NULL;
    }
    rows->refs_count = 1;
    rows->at = (struct target_row *)(((uintptr_t)rows->memory + align - 1) & ~(align - 1));
    return rows;
}

static void rows_unref(struct registry_rows *rows)
{
    if (rows == NULL || --rows->refs_count > 0)
        return;
    mem_free(rows->memory);
    mem_free(rows);
}

/* --- made ----------------------------------------------------------------------------------- */

static void on_closed(struct post *post);

static void fill(struct registry_target *rt, const struct wanted *wanted)
{
    struct target *target = &rt->target;
    snprintf(target->name, sizeof target->name, "%s", wanted->name);
    snprintf(target->zone, sizeof target->zone, "%s", wanted->zone);
    target->place = wanted->place;
    rt->file_weight = wanted->weight;
    target->workers_count = (uint16_t)rt->registry->sources.workers_count;
    target->address = wanted->address;
    target->address_bytes = wanted->address_bytes;
    target->identity = wanted->identity;
    target->rows = rt->rows->at;
}

struct registry_target *registry__target_new(struct registry_service *service,
                                             const struct wanted *wanted,
                                             const struct registry_target *before)
{
    struct registry *registry = service->registry;
    const unsigned workers_count = registry->sources.workers_count;
    struct registry_target *rt = mem_alloc(sizeof *rt + workers_count * sizeof rt->closings[0]);
    if (rt == NULL)
        return NULL;
    if (before != NULL) {
        rt->rows = before->rows;
        rt->rows->refs_count++;
    } else if ((rt->rows = rows_new(workers_count)) == NULL) {
        mem_free(rt);
        return NULL;
    }
    rt->registry = registry;
    rt->service = service;
    rt->is_new = before == NULL;
    link_init(&rt->link);
    for (unsigned i = 0; i < workers_count; i++)
        rt->closings[i] =
            (struct registry_closing){.target = rt, .worker = registry->sources.workers[i]};
    fill(rt, wanted);
    registry__health_init(rt, before);
    registry__check_init(rt, before);
    registry__outlier_init(rt, before);
    registry__agent_init(rt, before);
    registry__warm_init(rt, before);
    registry__order_apply(rt);
    return rt;
}

/* --- gone ----------------------------------------------------------------------------------- */

void registry__target_leave(struct registry_target *rt)
{
    timer_clear(&rt->retry);
    registry__check_stop(rt);
    registry__agent_stop(rt);
    rt->service = NULL;
    rt->state = rt->pause = TARGET_GONE;
    atomic_store_explicit(&rt->target.state, TARGET_GONE, memory_order_relaxed);
    list_add_last(&rt->registry->gone, &rt->link);
}

/* The engine says so, on the worker's thread; the rest is control's. */
static void on_pool_closed(void *token)
{
    struct registry_closing *closing = token;
    closing->post.call = on_closed;
    loop_post(closing->target->registry->sources.loop, &closing->post);
}

/* On the worker's thread. */
static void on_close(struct post *post)
{
    struct registry_closing *closing = list_item(post, struct registry_closing, post);
    const struct registry_sources *sources = &closing->target->registry->sources;
    sources->close_pool(sources->self, closing->worker, &closing->target->target, on_pool_closed,
                        closing);
}

void registry__stopped_if_done(struct registry *registry)
{
    if (registry->closing_count == 0 && registry->probes_count == 0 && registry->asks_count == 0 &&
        registry->stopped != NULL)
        loop_post(registry->sources.loop, &registry->stopped_post);
}

static void finish_closing(struct registry_target *rt)
{
    struct registry *registry = rt->registry;
    registry->closing_count--;
    if (!registry->stopping) {
        list_remove(&rt->link);
        registry__target_free(rt);
    } else {
        registry__stopped_if_done(registry);
    }
}

static void on_closed(struct post *post)
{
    struct registry_closing *closing = list_item(post, struct registry_closing, post);
    if (--closing->target->closings_left == 0)
        finish_closing(closing->target);
}

void registry__target_close(struct registry_target *rt)
{
    const struct registry_sources *sources = &rt->registry->sources;
    if (rt->closing)
        return;
    rt->closing = true;
    rt->registry->closing_count++;
    rt->closings_left = sources->workers_count;
    if (sources->close_pool == NULL || sources->workers_count == 0 || !rt->registry->started) {
        rt->closings_left = 0;
        finish_closing(rt);
        return;
    }
    for (unsigned i = 0; i < sources->workers_count; i++) {
        rt->closings[i].post.call = on_close;
        loop_post(rt->closings[i].worker->loop, &rt->closings[i].post);
    }
}

void registry__reap(struct registry *registry)
{
    list_each(&registry->gone, link, after)
    {
        struct registry_target *rt = list_item(link, struct registry_target, link);
        if (!rt->closing &&
            atomic_load_explicit(&rt->target.refs_count, memory_order_acquire) == 0 &&
            atomic_load_explicit(&rt->target.inflight, memory_order_acquire) == 0)
            registry__target_close(rt);
    }
}

void registry__target_free(struct registry_target *rt)
{
    if (rt == NULL)
        return;
    timer_clear(&rt->retry);
    timer_clear(&rt->check.next);
    rows_unref(rt->rows);
    mem_free(rt);
}
