/* SPDX-License-Identifier: Apache-2.0 */
/* admin/admin_stage.h - the pages that show what Pando does, and the few commands, as a stage.
 *
 * Two stages share one admin: the listener's, which only shows (GET and HEAD of /, /metrics,
 * /healthz, /readyz, /api/status), and the control socket's, which also does POST
 * /control/reload, POST /control/target, POST /control/purge, GET /control/purged, POST
 * /control/backup, GET /control/backed-up, GET /control/explain and GET /control/tap. What the
 * pages need of other rooms comes through struct admin_sources, which main fills.
 *
 * Memory:  fixed per service (its history) and per tap; a page is built in memory, at most 64 MiB.
 * Threads: the control thread, all of it.
 * Errors:  a page that cannot be built is answered with 503. */
#ifndef PANDO_ADMIN_ADMIN_STAGE_H
#define PANDO_ADMIN_ADMIN_STAGE_H

#include "admin/events.h"
#include "admin/log.h"
#include "core/geo/file.h"
#include "loop/loop.h"
#include "path/cache_row.h"
#include "path/command/keyspace_row.h"
#include "path/command/pubsub_row.h"
#include "path/service.h"
#include "path/stage.h"
#include "path/worker_row.h"
#include "store/store.h"

#include <stdio.h>

enum { ADMIN_TAPS_MAX = 8 };

struct admin;

/* The circuit breaker of a service. */
struct admin_circuit {
    const char *state;     /* "closed", "open", "half-open"; NULL: it has none */
    bool        is_closed; /* likewise for programs */
    bool        is_open;
    uint64_t    until_ns;       /* while open: when it becomes half-open; monotonic */
    uint64_t    openings_count; /* ever */
    uint32_t    trials_left;    /* while half-open: not claimed yet */
    char        reason[96];     /* why it opened; "" while closed */
};

struct admin_service {
    const struct service *service;
    const char           *balance; /* the strategy's name */
    const char           *trouble; /* why it has fewer targets than settings say; NULL */
    struct admin_circuit  circuit;
    struct service_load   load; /* of a limit on concurrency */
};

/* The cache of a service. */
struct admin_cache {
    const char          *policy; /* what leaves first */
    struct cache_figures figures;
    struct store_figures store;
    bool                 has_disk;
    struct disk_figures  disk; /* zeros without one */
};

struct admin_keyspace {
    const char             *name, *partition, *engine;
    unsigned                shards_count;
    struct keyspace_figures figures;
};

/* What stands in a query: "?name=value&name=value", unescaped; a name alone has the value "". */
struct admin_member {
    const char *name, *value;
};
struct admin_query {
    const struct admin_member *at;
    size_t                     count;
};

struct admin_listener {
    const char *name;
    const char *address;
    const char *dialect;     /* "http", "redis", "admin" */
    uint64_t    connections; /* open now */
};

/* What main tells of the process; it writes these on the control thread whenever they change.
 * Texts are borrowed. */
struct admin_facts {
    bool        is_ready;
    const char *unready_reason; /* if not ready: "stopping", "names are not resolved yet"; NULL */
    bool        is_stopping;
    const char *config_file;     /* NULL: there is none, flags alone */
    uint64_t    config_revision; /* 1 at the start, grows with every reload that was taken */
    uint64_t    config_loaded_wall_ns;
    uint64_t    reload_wall_ns; /* of the last attempt; 0: none yet */
    bool        is_reload_ok;
    const char *reload_message; /* why it was refused, or what it changed; NULL */
    const struct geo_file *geo; /* the database of locations; NULL: there is none */
};

/* What an operator may say of a target. */
#define ADMIN_ORDERS(X)                                                                            \
    X(DRAIN, "drain")                                                                              \
    X(UNDRAIN, "undrain")                                                                          \
    X(WEIGHT, "weight")

struct admin_order {
    enum {
#define X(name, word) ADMIN_ORDER_##name,
        ADMIN_ORDERS(X)
#undef X
        ADMIN_ORDERS_COUNT
    } sort;
    char     service[64];
    char     target[128];
    uint32_t weight; /* 0: as the file says */
};

/* What main lends; all outlives the admin. */
struct admin_sources {
    const char  *version;
    const char  *io; /* name of the loop's back end */
    uint64_t     started_wall_ns;
    uint64_t     started_ns; /* monotonic */
    struct loop *loop;       /* the control thread's */
    unsigned     workers_count;
    struct worker_row *const
        *rows; /* one per worker; [workers_count] is the control thread's, or NULL */
    const struct admin_facts *facts;
    struct events            *events;
    struct log               *log;  /* for taps; NULL: there are none */
    void                     *self; /* for the calls below */
    /* The service, target, listener @index; false or NULL after the last. */
    bool (*service_at)(void *self, size_t index, struct admin_service *out);
    const struct target *(*target_at)(void *self, const struct service *service, size_t index);
    bool (*listener_at)(void *self, size_t index, struct admin_listener *out);
    /* The keyspace @index; false after the last. May be NULL. */
    bool (*keyspace_at)(void *self, size_t index, struct admin_keyspace *out);
    /* What channels hold and did. May be NULL. */
    void (*channels_count)(void *self, struct pubsub_figures *out);
    /* False: the service has no cache. May be NULL. */
    bool (*cache_of)(void *self, const struct service *service, struct admin_cache *out);
    /* Purges; tells how far a purge is; tells what would become of a request. Write JSON, or an
     * error for people, and return the status for it. May be NULL. */
    unsigned (*purge)(void *self, const struct admin_query *query, FILE *out);
    unsigned (*purged)(void *self, const struct admin_query *query, FILE *out);
    unsigned (*explain)(void *self, const struct admin_query *query, FILE *out);
    /* Begins a backup of keyspaces; tells how far it is. Likewise. */
    unsigned (*backup)(void *self, const struct admin_query *query, FILE *out);
    unsigned (*backed_up)(void *self, const struct admin_query *query, FILE *out);
    /* Likewise: what directories of keyspaces say; begins to change one. */
    unsigned (*show_directory)(void *self, const struct admin_query *query, FILE *out);
    unsigned (*change_directory)(void *self, const struct admin_query *query, FILE *out);
    /* Does what an operator says of a target; writes to @out what was done or what is wrong. False:
     * refused. May be NULL. */
    bool (*order)(void *self, const struct admin_order *order, FILE *out);
    /* Reloads now; writes to @out what changed or what is wrong. False: refused, the old
     * settings hold. May be NULL. */
    bool (*reload)(void *self, FILE *out);
};

/* Starts to sample once a second. NULL: no memory. */
must_check struct admin *admin_new(const struct admin_sources *sources);

/* The stage for admin listeners, or for the control socket. */
struct stage *admin_stage(struct admin *admin, bool is_control);

/* Ends what goes on for ever (taps) so that the listeners can drain; stops sampling. */
void admin_stop(struct admin *admin);

/* No request is under way any more. Accepts NULL. */
void admin_free(struct admin *admin);

#endif
