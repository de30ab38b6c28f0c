/* SPDX-License-Identifier: Apache-2.0 */
/* engine/http/http_pool.c - connections to servers that are kept, by target and worker. */
#include "engine/http/http_upstream.h"

#include "core/mem.h"

void http__publish_counts(const struct http_pool *pool)
{
    if (pool->target == NULL)
        return;
    struct target_row *row = &pool->target->rows[pool->engine->worker->index];
    atomic_store_explicit(&row->idle_count, pool->idle_count, memory_order_relaxed);
    atomic_store_explicit(&row->open_count, pool->open_count, memory_order_relaxed);
}

/* --- pools ------------------------------------------------------------------------------------ */

struct http_pool *http__pool_of(struct http_engine_worker *engine, struct target *target)
{
    struct http_pool *pool = target->pools[engine->worker->index];
    if (pool != NULL)
        return pool;
    pool = slab_take(&engine->pools);
    if (pool == NULL)
        return NULL;
    *pool = (struct http_pool){.engine = engine, .target = target};
    list_init(&pool->idle);
    list_add_last(&engine->all_pools, &pool->link);
    target->pools[engine->worker->index] = pool;
    return pool;
}

void http__pool_free_if_unused(struct http_pool *pool)
{
    if (pool->target != NULL || pool->open_count > 0)
        return;
    list_remove(&pool->link);
    slab_give(&pool->engine->pools, pool);
}

void http__leave_idle(struct http_upstream *up)
{
    if (!link_is_in_list(&up->idle_link))
        return;
    list_remove(&up->idle_link);
    up->pool->idle_count--;
    up->pool->engine->idle_count--;
}

/* Nothing more is expected of it. */
void http__drop(struct http_upstream *up)
{
    http__leave_idle(up);
    up->phase = HTTP_UPSTREAM_OVER;
    conn_close(&up->conn);
    http__publish_counts(up->pool);
}

void http__keep_idle(struct http_upstream *up)
{
    struct http_pool *pool = up->pool;
    if (!up->keep || pool->target == NULL || pool->idle_count >= up->connections_kept ||
        up->conn.sock.late_bytes > 0 || up->pool->engine->worker->stopping ||
        up->conn.sock.fd >= up->pool->engine->worker->descriptors_kept_most) {
        http__drop(up);
        return;
    }
    up->phase = HTTP_UPSTREAM_IDLE;
    up->idle_since_ns = *pool->engine->worker->now_ns;
    list_add_first(&pool->idle, &up->idle_link);
    pool->idle_count++;
    pool->engine->idle_count++;
    conn_receive_move(&up->conn, CONN_RECEIVE_IDLE, up->idle_timeout_ns);
    conn_receive(&up->conn, SOCK_RECEIVE_STREAM); /* stays armed: any byte or FIN closes it */
    http__publish_counts(pool);
}

/* --- life ------------------------------------------------------------------------------------- */

void http_engine_worker_init(struct http_engine_worker *engine, struct worker *worker)
{
    *engine = (struct http_engine_worker){.worker = worker};
    list_init(&engine->all_pools);
    slab_init(&engine->upstreams, "connections to targets", sizeof(struct http_upstream), 0);
    slab_init(&engine->pools, "pools", sizeof(struct http_pool), 0);
}

static void close_idle(struct http_pool *pool)
{
    for (struct list_link *link; (link = list_first(&pool->idle)) != NULL;)
        http__drop(list_item(link, struct http_upstream, idle_link));
}

void http_engine_forget(struct http_engine_worker *engine, struct target *target)
{
    struct http_pool *pool = target->pools[engine->worker->index];
    if (pool == NULL)
        return;
    target->pools[engine->worker->index] = NULL;
    close_idle(pool);
    pool->target = NULL;
    http__pool_free_if_unused(pool);
}

void http_engine_worker_stop(struct http_engine_worker *engine)
{
    list_each(&engine->all_pools, link, after) close_idle(list_item(link, struct http_pool, link));
}

void http_engine_worker_fini(struct http_engine_worker *engine)
{
    if (engine->worker == NULL)
        return;
    list_each(&engine->all_pools, link, after)
    {
        struct http_pool *pool = list_item(link, struct http_pool, link);
        if (pool->target != NULL)
            http_engine_forget(engine, pool->target);
    }
    slab_fini(&engine->upstreams);
    slab_fini(&engine->pools);
    mem_free(engine->fields);
}
