/* SPDX-License-Identifier: Apache-2.0 */
/* control/registry.h - every service by name, every target by identity: who is in service.
 *
 * Settings say which services and targets there are; DNS turns names into addresses; workers
 * report who cannot be connected to. From these the registry builds an immutable target_set per
 * service whenever something changes and posts it to every worker. State and counters live on
 * over reloads, by the service's name and the target's address. A target whose weight, zone
 * or place changes becomes a new object in the next set (sets never change) which goes on with the
 * state and the rows of the old one; the old one finishes what it has.
 *
 *     registry_new, registry_apply   before the workers run: sets stand in the views at once
 *     registry_start                 the workers run: sets are posted, names asked for
 *     registry_apply                 at each reload
 *     registry_stop -> done          the workers still run: pools are closed
 *     registry_free                  the workers have ended
 *
 * Memory:  what comes from here lives until registry_free(), but for services that a reload took
 *          away (freed when they are also given back by every path) and targets that are gone
 *          (freed when no set, no op and no pool of any worker names them).
 * Threads: all calls on the control thread (before registry_start() on the one that starts it), but
 *          those that say otherwise.
 * Errors:  registry_apply() without memory changes nothing. */
#ifndef PANDO_CONTROL_REGISTRY_H
#define PANDO_CONTROL_REGISTRY_H

#include "config/address.h"
#include "core/err.h"
#include "loop/loop.h"
#include "path/service.h"

struct agent_settings;
struct health_settings;
struct outlier_settings;
struct registry;

enum {
    REGISTRY_TARGETS_MAX = 4096, /* of one service; more are left out, and it is said */
};

/* What is told to people: the log and the status page. */
enum registry_tone {
    REGISTRY_TELL_CHANGE,  /* something is as it should be */
    REGISTRY_TELL_TROUBLE, /* something is not */
};

/* What becomes of a target after a report. From the breaker room's pure machine. */
struct registry_verdict {
    enum target_state state;       /* UP, PAUSED or TRIAL */
    uint64_t          retry_at_ns; /* if PAUSED */
    uint32_t          failures_in_a_row;
};

/* A target as the policy sees it. */
struct registry_case {
    enum target_state state;
    uint64_t          retry_at_ns;
    uint32_t          failures_in_a_row;
    uint64_t          pause_first_ns, pause_most_ns;
    uint64_t          draw; /* random: so that workers and nodes do not try in step */
};

/* The breaker room's machine for the circuit breaker of a target. Pure. */
struct registry_circuit_machine {
    void (*step)(struct circuit *circuit, const struct circuit_rules *rules,
                 const struct circuit_look *look);
    /* "62 % of 120 answers in 10 s were failures". */
    void (*write_cause)(const struct circuit_cause *cause, uint64_t window_ns, char *out,
                        size_t room);
};

/* What main lends. All outlive the registry. */
struct registry_sources {
    struct loop    *loop;    /* of the control thread; open */
    struct worker **workers; /* workers_count of them, by index; their loops are open */
    unsigned        workers_count;
    const char     *dns_servers; /* NULL: those of resolv.conf */
    const char     *orders_path; /* where orders are kept; NULL: nowhere */
    void           *self;        /* for the calls below */
    /* One event, as a sentence. On the control thread. */
    void (*told)(void *self, enum registry_tone tone, const char *text);
    /* Pure. A report came (@ok: it could be connected to). */
    struct registry_verdict (*judge)(const struct registry_case *now, bool ok, uint64_t now_ns);
    struct registry_circuit_machine circuit; /* all NULL: no target has a circuit breaker */
    /* On @worker's thread: nobody names @target any more. Closes what the engine keeps for it
     * there, then calls @done(@token), at once or later, on this thread. May be NULL if there
     * are no pools. */
    void (*close_pool)(void *self, struct worker *worker, struct target *target,
                       void (*done)(void *token), void *token);
};

/* A target as settings say it; everything is copied. */
struct registry_target_spec {
    const struct config_address *address;
    uint32_t                     weight;
    const char                  *zone;
    struct geo_place             place; /* nowhere: not said */
};

struct registry_service_spec {
    const char                        *name;
    const struct registry_target_spec *targets;
    size_t                             targets_count;
    uint64_t                           pause_first_ns, pause_most_ns;
    const struct health_settings      *health;  /* copied; NULL: nobody is asked */
    const struct outlier_settings     *outlier; /* copied; NULL: nobody is ejected */
    const struct circuit_rules        *circuit; /* copied; NULL: no circuit breakers */
    const struct agent_settings       *agent;   /* copied; NULL: no agent is asked */
};

/* NULL: @e says why. */
must_check struct registry *registry_new(const struct registry_sources *sources, struct err *e);

/* Makes @services all there are. Targets that are named anew begin UP. Not NONE: nothing has
 * changed. */
must_check enum err_kind registry_apply(struct registry *registry,
                                        const struct registry_service_spec *services, size_t count,
                                        struct err *e);

/* From now on the workers run. */
void registry_start(struct registry *registry);

/* Closes every pool on every worker; @done(self) follows on the control thread, when all are
 * closed. No set is posted any more. */
void registry_stop(struct registry *registry, void (*done)(void *self), void *self);

/* Accepts NULL. The workers have ended, or never ran. */
void registry_free(struct registry *registry);

/* The service, with a reference for a path that names it; NULL if there is none. */
struct service *registry_take(struct registry *registry, const char *name);

/* Gives the reference back. Any thread. */
void registry_give(struct service *service);

/* What an operator may say of a target. */
enum registry_order_sort { REGISTRY_ORDER_DRAIN, REGISTRY_ORDER_UNDRAIN, REGISTRY_ORDER_WEIGHT };

struct registry_order {
    enum registry_order_sort sort;
    const char              *service, *target; /* names, as they are shown */
    uint32_t                 weight;           /* WEIGHT: 1 to TARGET_WEIGHT_MAX; 0: the file's */
};

/* Does it, and keeps it over reloads and restarts until it is taken back or the file says another
 * weight for the target. NONE: *@out is the target; @e has a story if it could not be stored. */
must_check enum err_kind registry_order(struct registry *registry,
                                        const struct registry_order *given,
                                        const struct target **out, struct err *e);

/* --- for those who show it -------------------------------------------------------------------- */

/* The services in the order of the settings, the targets in the order of the file (paused ones
 * too); NULL after the last. Valid until the control thread's next turn. */
struct service *registry_service_at(const struct registry *registry, size_t index);
struct target *registry_target_at(const struct service *service, size_t index);

/* Why the service has fewer targets than the settings say, such as a name that does not resolve;
 * or NULL. Valid as above. */
const char *registry_trouble(const struct service *service);

/* True once every name has been answered for, well or not, so that a first request need not
 * fail. */
bool registry_is_settled(const struct registry *registry);

#endif
