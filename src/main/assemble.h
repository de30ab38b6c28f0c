/* SPDX-License-Identifier: Apache-2.0 */
/* main/assemble.h - the path, put together in walking order. Read this to see what a request
 * passes.
 *
 * A generation is one loaded configuration with its services; each worker has a path of its own
 * built from it. A path only
 * refers: targets, pools and counters live on their own. Requests on their way keep the path they
 * came in on; when the
 * last has left, the path goes, and with the last worker's path the generation.
 *
 * Threads: a path belongs to its worker's thread; a generation is counted by atomics. */
#ifndef PANDO_MAIN_ASSEMBLE_H
#define PANDO_MAIN_ASSEMBLE_H

#include "admit/admit.h"
#include "admit/rate_table.h"
#include "breaker/circuit/service_circuit.h"
#include "breaker/concurrency/permits.h"
#include "cache/cache_stage.h"
#include "control/registry.h"
#include "front/resp/pubsub/pubsub_hub.h"
#include "main/kept_keyspace.h"
#include "main/settings.h"
#include "main/worker_thread.h"

/* What services and keyspaces keep over reloads, by name; outlives every generation. */
struct keeps {
    unsigned          workers_count;
    struct events    *events; /* where trouble is told; NULL: nowhere */
    struct keep       rates;
    struct keep       circuits;
    struct keep       permits;
    struct keep       caches;
    struct keep       keyspaces;
    _Atomic uint64_t  clients_count; /* of the Redis protocol, ever */
    struct pubsub_hub pubsub;        /* its channels */
    struct resp_node  node;          /* what its fronts have in common */
};

/* @key: the process's, for tables that clients fill. */
void keeps_init(struct keeps *keeps, unsigned workers_count, const struct hash_key *key);
void keeps_fini(struct keeps *keeps);

struct generation {
    struct settings     *settings; /* owned */
    struct service     **services; /* by index of settings->services; each given back at the end */
    _Atomic uint32_t    *inflight; /* requests in progress per service, over all workers */
    struct rate_table  **rates;    /* per service; NULL: none is set */
    struct session_keys *keys;     /* per service; a count of 0: no cookies are set */
    struct permits     **permits;  /* per service; NULL: its concurrency is not limited */
    struct service_circuit **circuits;      /* likewise */
    struct cache           **caches;        /* likewise; NULL: nothing is cached */
    struct kept_keyspace   **keyspaces;     /* by index of settings->keyspaces */
    _Atomic uint64_t        *clients_count; /* the keeps' */
    struct pubsub_hub       *pubsub;        /* likewise */
    struct resp_node        *node;          /* likewise */
    struct admit            *admit;
    _Atomic uint32_t         refs_count;
};

/* Takes over @settings, and references to the registry's services, which must have been applied.
 * NULL: no memory (then
 * @settings is still the caller's). */
struct generation *generation_new(struct settings *settings, struct registry *registry,
                                  struct admit *admit, struct keeps *keeps, struct err *e)
    must_check;
struct generation *generation_ref(struct generation *generation);
void generation_unref(struct generation *generation);

/* Moves the limits of its services, and tends its keyspaces; every 100 ms, for the newest one. On
 * the control thread. @wall_ns is Unix time. */
void generation_step(const struct generation *generation, uint64_t now_ns, uint64_t wall_ns);

/* What a limit on concurrency makes of the service of that name; all 0 if it has none. */
void generation_load(const struct generation *generation, const char *service,
                     struct service_load *load);

/* The cache of the service of that name, borrowed; NULL: it has none, or is not there. */
struct cache *generation_cache(const struct generation *generation, const char *service);

/* Builds the worker's path. On the worker's thread. NULL: no memory. */
struct path *path_new(struct worker_thread *thread, struct generation *generation) must_check;

/* Lets go of the worker's own reference; the path goes when nothing walks it. */
void path_release(struct path *path);

/* What stands below the HTTP front of the listener of that name. */
struct http_router *path_router(struct path *path, const char *listener);

/* What stands below the Redis fronts. */
struct resp_path *path_keys(struct path *path);

/* The cache's door of the service of that name on this path; NULL: it has none. */
struct cache_stage *path_cache(struct path *path, const char *service);
const struct settings *path_settings(const struct path *path);

#endif
