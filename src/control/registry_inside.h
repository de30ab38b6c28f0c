/* SPDX-License-Identifier: Apache-2.0 */
/* control/registry_inside.h - the registry's own structs, for control/ alone. */
#ifndef PANDO_CONTROL_REGISTRY_INSIDE_H
#define PANDO_CONTROL_REGISTRY_INSIDE_H

#include "control/agent/agent.h"
#include "control/dns/dns.h"
#include "control/health/parts.h"
#include "control/registry.h"
#include "control/set.h"
#include "control/wanted.h"
#include "core/random.h"

enum {
    REGISTRY_TICK_MS = 250,   /* what is gone is freed, what had no memory tried again */
    REGISTRY_LOOK_MS = 100,   /* what workers counted is summed */
    REGISTRY_LOOK_MIN_MS = 5, /* not sooner after the last time, whoever asks */
    REGISTRY_EVENT_BYTES = 320,
    REGISTRY_TOLD_MAX = 8, /* targets named one by one when many come or leave at once */
};

struct registry_service;
struct registry {
    struct registry_sources sources;
    struct dns             *dns;       /* NULL until a name is there */
    struct list             services;  /* in the order of the settings */
    struct list             leaving;   /* not in the settings any more, but paths still name them */
    struct list             gone;      /* struct registry_target: finish what they have */
    struct list             abandoned; /* struct registry_name whose question is under way */
    struct timer            tick;
    struct timer            look; /* at what workers counted */
    uint64_t                looked_ns;
    struct post             look_post; /* a worker says that it is worth it */
    _Atomic bool            is_look_asked;
    struct random           random;
    struct orders           orders;
    bool                    started; /* views belong to their workers */
    bool                    stopping;
    uint32_t                closing_count; /* targets whose pools are being closed */
    uint32_t                probes_count;  /* health checks under way, cancelled ones too */
    uint32_t                asks_count;    /* likewise of questions to agents */
    void (*stopped)(void *self);
    void       *stopped_self;
    struct post stopped_post;
};

/* One line of the settings. */
struct registry_name {
    struct list_link         link;    /* in registry.abandoned */
    struct registry_service *service; /* NULL: abandoned */
    enum config_address_kind kind;
    char                    *text; /* as the file says it */
    uint16_t                 port;
    socklen_t                socket_bytes;
    struct sockaddr_storage  socket;
    /* The old ones: to go back to, while new settings are staged. */
    uint32_t         weight, old_weight;
    char             zone[64], old_zone[64];
    struct geo_place place, old_place;
    bool             staged;
    /* of names and SRV records */
    struct dns_query  query;
    struct dns_answer good; /* the last answer that had addresses */
    struct timer      again;
    uint32_t          failures_count; /* in a row */
    bool              asking;
    bool              settled; /* answered for once, well or not */
    const char       *why;     /* static sentence: what is wrong with it; NULL */
};

/* The closing of a target's pool on one worker. */
struct registry_closing {
    struct post             post;
    struct registry_target *target;
    struct worker          *worker;
};

struct registry_target {
    struct target            target; /* first */
    struct registry         *registry;
    struct registry_service *service; /* NULL: gone */
    struct registry_rows    *rows;
    struct list_link         link;  /* in registry.gone */
    enum target_state        state; /* as control last set it; from the two that follow */
    enum target_state pause; /* whether it can be connected to: UP, PAUSED or TRIAL; or GONE */
    struct circuit    circuit;
    uint64_t          paused_until_ns; /* while `pause` is PAUSED */
    uint64_t          claim_seen_ns;   /* a connect's trial was seen to be claimed; 0: it is not */
    struct timer      retry;
    struct registry_check check;
    struct outlier        outlier;
    struct registry_agent agent;
    uint16_t              file_weight; /* as settings or DNS say it */
    bool                  is_drained;
    bool                  is_new;        /* it has no predecessor, and is not in force yet */
    uint64_t              warm_since_ns; /* it starts slowly since then; 0: it does not */
    bool                  kept;          /* for the plan being made */
    bool                  closing;
    uint32_t              closings_left;
    /* What a worker reported last; see health.c. */
    struct post             report;
    _Atomic bool            is_reported;
    _Atomic bool            report_ok;
    _Atomic(const char *)   report_reason;
    struct registry_closing closings[];
};

/* A set on its way to one worker. */
struct registry_delivery {
    struct post                  post;
    struct service              *service;
    unsigned                     index;
    _Atomic(struct target_set *) next;            /* the newest that has not arrived */
    _Atomic uint32_t             under_way_count; /* posts in the worker's queue or being run */
};

struct registry_service {
    struct service            service; /* first */
    struct registry          *registry;
    struct list_link          link;       /* in registry.services or .leaving */
    _Atomic uint32_t          refs_count; /* paths that name it */
    bool                      was_taken;  /* workers may know it */
    bool                      is_dirty;   /* there was no memory to bring it up to date */
    uint64_t                  pause_first_ns, pause_most_ns;
    uint64_t                  version;
    void                     *rows_memory;
    struct registry_name    **names;
    size_t                    names_count;
    struct registry_target  **targets; /* members, in order */
    size_t                    targets_count;
    size_t                    left_out_count; /* over REGISTRY_TARGETS_MAX */
    char                      trouble[REGISTRY_EVENT_BYTES];
    struct registry_health   *health; /* NULL until settings are in force */
    struct outlier_settings   outlier;
    struct circuit_rules      circuit;      /* of each target */
    bool                      has_circuits; /* they have circuit breakers */
    struct registry_agents    agents;
    bool                      is_ejecting;    /* workers' counts were looked at last time */
    bool                      is_warming;     /* weights are counted in hundredths */
    uint32_t                  slow_count;     /* targets that may be starting slowly */
    uint64_t                  sweep_ns;       /* when error rates are compared next */
    bool                      checks_changed; /* by the settings that are being put in force */
    bool                      is_panic;       /* too few are well: judgement is ignored */
    struct registry_delivery *deliveries;
};

static inline struct registry_service *registry_service_of(const struct service *service)
{
    return service->control;
}

/* --- registry.c ------------------------------------------------------------------------------- */

/* The service of that name in the settings, or NULL. */
struct registry_service *registry__find(const struct registry *registry, const char *name);

/* Tells an event. */
void registry__tell(struct registry *registry, enum registry_tone tone, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* --- names.c ---------------------------------------------------------------------------------- */

/* A name of the settings, not asked for yet; NULL: no memory. */
struct registry_name *registry__name_new(const struct registry_target_spec *spec) must_check;

/* Asks, unless it is a literal address or is being asked for. */
void registry__name_ask(struct registry_name *name);

/* Not in the settings any more: frees it, perhaps after the answer that is under way. */
void registry__name_drop(struct registry *registry, struct registry_name *name);

/* Frees it at once: DNS has ended. */
void registry__name_free(struct registry_name *name);

/* Writes service->trouble anew. */
void registry__name_troubles(struct registry_service *service);

/* --- leaving.c -------------------------------------------------------------------------------- */

/* A new target as @wanted says; NULL: no memory. */
struct registry_target *registry__target_new(struct registry_service *service,
                                             const struct wanted *wanted,
                                             const struct registry_target *before) must_check;

/* No longer a member: from now on it only finishes what it has. */
void registry__target_leave(struct registry_target *target);

/* Closes the pools of those that nobody names. */
void registry__reap(struct registry *registry);

/* Closes its pools whoever names it. */
void registry__target_close(struct registry_target *target);

/* Says that the registry has stopped, if that was asked for and nothing is under way. */
void registry__stopped_if_done(struct registry *registry);

/* Frees the memory. */
void registry__target_free(struct registry_target *target);

#endif
