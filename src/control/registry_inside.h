/* SPDX-License-Identifier: Apache-2.0 */
/* control/registry_inside.h - the registry's own structs, for control/ alone.
 *
 *     registry.c   settings in, services that come and go, the tick
 *     members.c    a service's targets: planned from settings and names, put in force, published
 *     names.c      names that are asked for again and again
 *     health.c     reports of workers, pauses, trials
 *     check.c      active health checks
 *     eject.c      outliers: what workers counted, and what follows
 *     operate.c    drains and weights that operators order
 *     standing.c   who may be in the set: the order of what is said of a target
 *     leaving.c    targets that are gone: pools closed, memory freed */
#ifndef PANDO_CONTROL_REGISTRY_INSIDE_H
#define PANDO_CONTROL_REGISTRY_INSIDE_H

#include "control/check/statuses.h"
#include "control/dns/dns.h"
#include "control/health_settings.h"
#include "control/orders.h"
#include "control/outlier.h"
#include "control/registry.h"
#include "control/set.h"
#include "control/wanted.h"
#include "core/random.h"

enum {
    REGISTRY_TICK_MS =
        250, /* what is gone is freed, and what failed for lack of memory tried again */
    REGISTRY_LOOK_MS = 100, /* what workers counted is summed */
    REGISTRY_EVENT_BYTES = 320,
    REGISTRY_TOLD_MAX = 8, /* targets named one by one when many come or leave at once */
};

/* What is told and shown while health is ignored. */
#define REGISTRY_PANIC                                                                             \
    "fewer targets are well than health.panic-below says, so checks and ejections are ignored"

struct registry_service;
struct probe;

struct registry {
    struct registry_sources sources;
    struct dns             *dns;       /* NULL until a name is there */
    struct list             services;  /* in the order of the settings */
    struct list             leaving;   /* not in the settings any more, but paths still name them */
    struct list             gone;      /* struct registry_target: finish what they have */
    struct list             abandoned; /* struct registry_name whose question is under way */
    struct timer            tick;
    struct timer            look; /* at what workers counted */
    struct random           random;
    struct orders           orders;
    bool                    started; /* views belong to their workers */
    bool                    stopping;
    uint32_t                closing_count; /* targets whose pools are being closed */
    uint32_t                probes_count;  /* health checks under way, cancelled ones too */
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
    uint32_t                 weight;
    char                     zone[64];
    uint32_t                 old_weight; /* while new settings are staged, to go back to */
    char                     old_zone[64];
    bool                     staged;
    /* of names and SRV records */
    struct dns_query  query;
    struct dns_answer good; /* the last answer that had addresses */
    struct timer      again;
    uint32_t          failures_count; /* in a row */
    bool              asking;
    bool              settled; /* answered for once, well or not */
    const char       *why;     /* static sentence: what is wrong with it; NULL */
};

/* Counters that a target's successor goes on with. */
struct registry_rows {
    uint32_t           refs_count; /* the control thread's */
    void              *memory;
    struct target_row *at;
};

/* A service's copy of its health settings, with their texts. */
struct registry_health {
    struct health_settings settings;
    struct check_statuses  statuses;
    char                   texts[];
};

/* The active checks of a target. */
struct registry_check {
    struct timer  next;
    struct probe *probe; /* under way, or NULL */
    uint64_t      began_ns;
    uint32_t      passes_count, failures_count; /* in a row */
    bool          is_known;                     /* there was a verdict */
    bool          is_down;
    char          why[128]; /* the last failure's reason */
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
    struct list_link         link; /* in registry.gone */
    enum target_state state; /* as control last set it; a worker may have claimed the trial since */
    uint64_t          claim_seen_ns; /* the trial was seen to be claimed; 0: it is not */
    struct timer      retry;
    struct registry_check check;
    struct outlier        outlier;
    uint16_t              file_weight; /* as settings or DNS say it */
    bool                  is_drained;
    bool                  kept; /* for the plan being made */
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
    bool                      is_ejecting;    /* workers' counts were looked at last time */
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

/* --- health.c --------------------------------------------------------------------------------- */

/* service.reported: from any worker. */
void registry__reported(struct service *service, struct target *target, bool ok,
                        const char *reason);

/* Prepares the part of a new target that health.c owns; goes on with the state of @before if
 * there was one. */
void registry__health_init(struct registry_target *target, const struct registry_target *before);

/* Starts the timer that a target's state asks for. */
void registry__health_arm(struct registry_target *target);

/* Trials that were claimed and never reported are offered again. */
void registry__health_tick(struct registry_service *service, uint64_t now_ns);

/* --- check.c ---------------------------------------------------------------------------------- */

/* A copy of @settings (NULL: no checks); NULL: no memory. */
struct registry_health *registry__health_copy(const struct health_settings *settings) must_check;

/* Puts @health in force, which is taken over; registry__health_took() when the targets of the new
 * settings are in force too. */
void registry__health_take(struct registry_service *service, struct registry_health *health);
void registry__health_took(struct registry_service *service);

/* Prepares a new target; goes on with what is known of @before if there was one. */
void registry__check_init(struct registry_target *target, const struct registry_target *before);

/* Asks from now on, if the settings say so. */
void registry__check_arm(struct registry_target *target);
void registry__check_arm_all(struct registry_service *service);

/* Asks no more; a check that is under way is called off. */
void registry__check_stop(struct registry_target *target);

/* --- eject.c ---------------------------------------------------------------------------------- */

/* Goes on with what is known of @before. */
void registry__outlier_init(struct registry_target *target, const struct registry_target *before);

/* Looks at what workers counted, and ejects or takes back. */
void registry__outlier_look(struct registry_service *service, uint64_t now_ns);

/* A health check has passed: ends an ejection, if settings say so. */
void registry__outlier_passed(struct registry_target *target);

/* --- operate.c -------------------------------------------------------------------------------- */

/* Reads the orders of before. */
void registry__orders_load(struct registry *registry);

/* Drops the orders that settings have taken back. */
void registry__orders_prune(struct registry *registry);

/* Puts in force what is ordered for it, if anything; the caller publishes. */
void registry__order_apply(struct registry_target *target);

/* --- standing.c ------------------------------------------------------------------------------- */

/* Are so few of @targets well that health is ignored? */
bool registry__is_panic(const struct registry_service *service,
                        struct registry_target *const *targets, size_t count);

/* May requests be given to it? */
bool registry__takes(const struct registry_target *target, bool is_panic);
bool registry__any_takes(const struct registry_service *service);

/* Works out its weight anew; the caller publishes. */
void registry__weigh(struct registry_target *target);

/* Works out its standing and the reason anew; the caller publishes. */
void registry__stand(struct registry_target *target);

/* Works out anew whether health is ignored, and tells it if that has changed. */
void registry__mark_panic(struct registry_service *service);

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
