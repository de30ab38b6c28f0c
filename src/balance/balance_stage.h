/* SPDX-License-Identifier: Apache-2.0 */
/* balance/balance_stage.h - the balance room: picks op->target and counts what becomes of the
 * attempt.
 *
 * The op holds its target until another is picked or the op is freed. Targets in op->tried are
 * passed over, and after a refusal so are those that are not UP, as long as others are left. An op
 * that says a target (op->sticky) gets that one without asking the strategy, if it is in the set
 * and was not tried; also if it drains.
 *
 * Memory:  the strategy's state is owned; a frame per attempt lies in the op's arena. The set is
 *          the view's, borrowed until listener.changed.
 * Threads: its worker's; target->inflight is shared by all.
 * Errors:  NO_TARGET with op->target NULL if nobody is left; MEMORY. Both were not sent. */
#ifndef PANDO_BALANCE_BALANCE_STAGE_H
#define PANDO_BALANCE_BALANCE_STAGE_H

#include "balance/balance.h"
#include "loop/timer.h"
#include "path/client_key.h"
#include "path/client_place.h"
#include "path/op.h"
#include "path/service.h"
#include "path/stage.h"

struct balance_stage;

/* A target of the set, or one that drains. */
struct balance_member {
    uint64_t identity;
    uint32_t index;
};

/* Who sends probes for a strategy that asks for them. It lives on the stage's worker, and ends
 * before the stage does. */
struct balance_prober {
    /* Asks @target for a report, soon. Never blocks; may leave it out (a limit, no memory). At most
     * one balance_stage_probed() follows, never from within. */
    void (*send)(struct balance_prober *self, struct balance_stage *stage, struct target *target);
};

/* What a stage needs beside its neighbours. All is borrowed, and outlives the stage. */
struct balance_stage_options {
    const struct balance_settings *settings;
    const char                    *zone;      /* of this node, or "" */
    struct geo_place               home;      /* of this node; nowhere: it was not said */
    struct client_places          *places;    /* NULL: the strategy does not ask for places */
    struct balance_prober         *prober;    /* NULL: no probes are sent */
    bool                           is_sticky; /* ops may say the target that they ought to go to */
};

struct balance_stage {
    struct stage                   stage; /* first */
    struct worker                 *worker;
    struct service                *service;
    struct service_listener        listener;
    const struct target_set       *set; /* never NULL */
    const struct balance_strategy *strategy;
    struct balance_stage_options   options;
    struct client_key_rule         key_rule; /* if the strategy is by_key */
    struct balance_member         *members;  /* of the set, by identity; NULL: see is_sticky */
    void                          *state; /* NULL: stateless, or there was no memory for this set */
    uint64_t                       tick_at_ns;
    struct timer                   idle;            /* asks for probes while no request does */
    uint64_t                       used_ns;         /* the last tick that a request brought */
    uint64_t                       fallbacks_count; /* of its insight, that the row has */
};

/* On the worker's thread. False: no memory, and nothing to free. */
bool balance_stage_init(struct balance_stage *stage, struct worker *worker, struct service *service,
                        const struct balance_stage_options *options, struct stage *below)
    must_check;

/* A probe that was asked for brought @report. On the worker's thread. */
void balance_stage_probed(struct balance_stage *stage, const struct target *target,
                          const struct balance_report *report);

/* No op is below any more. Accepts zero. */
void balance_stage_fini(struct balance_stage *stage);

#endif
