/* SPDX-License-Identifier: Apache-2.0 */
/* engine/http/http_engine.h - HTTP/1.1 to servers: the lowest stage of a service.
 *
 * The op's target was picked above. A kept connection to it is taken, the one that was used last
 * first, else a new one is opened.
 * One request at a time is on a connection. On a kept connection that is idle a receive stays
 * armed: any byte, and
 * any FIN, closes it, so that an answer never reaches the wrong client. A connection on which
 * anything was odd is closed
 * and never kept.
 *
 * Memory:  pools live per target and worker, made at first use; http_engine_forget() closes them
 * when control retires a
 *          target. Threads: all of a pool belongs to its worker.
 * Errors:  go up as answers of the kinds in core/err.h; `sent` of the kind is honest about what
 * may have reached the server. */
#ifndef PANDO_ENGINE_HTTP_HTTP_ENGINE_H
#define PANDO_ENGINE_HTTP_HTTP_ENGINE_H

#include "engine/http/http_engine_settings.h"
#include "loop/conn.h"
#include "path/op.h"
#include "path/stage.h"
#include "path/target.h"

/* What all engine stages of one worker share. */
struct http_engine_worker {
    struct worker     *worker;
    struct slab        upstreams;
    struct slab        pools;
    struct list        all_pools;
    struct http_field *fields; /* for heads that come in one piece */
    uint32_t           fields_max;
    uint64_t           open_count, idle_count;
};

void http_engine_worker_init(struct http_engine_worker *engine, struct worker *worker);

/* Closes what is idle; busy connections close when their op ends. Turn the loop until open_count
 * is 0, then fini. */
void http_engine_worker_stop(struct http_engine_worker *engine);
void http_engine_worker_fini(struct http_engine_worker *engine);

struct http_engine_stage {
    struct stage                       stage; /* first */
    struct http_engine_worker         *engine;
    const struct http_engine_settings *settings; /* borrowed from the path */
};

/* False: no memory for as many fields as the settings allow. */
bool http_engine_stage_init(struct http_engine_stage *stage, struct http_engine_worker *engine,
                            const struct http_engine_settings *settings) must_check;

/* On the worker's thread: closes idle connections to @target and lets go of its pool; busy ones end
 * with their ops. Nothing may be
 * submitted to @target afterwards. */
void http_engine_forget(struct http_engine_worker *engine, struct target *target);

#endif
