/* SPDX-License-Identifier: Apache-2.0 */
/* control/agent/agent.h - what an agent beside a target has said of it; for control/ alone.
 *
 * Its percent is the last factor of the weight; its words come after an operator's, health checks
 * and ejections, and only the agent takes them back. If it is silent the words hold, and after
 * AGENT_MISSES questions the target has its whole weight again.
 *
 * Memory:  lies in its target; an ask under way has its own, and frees it.
 * Threads: the control thread.
 * Errors:  none; what goes wrong is a miss, and its reason is shown. */
#ifndef PANDO_CONTROL_AGENT_AGENT_H
#define PANDO_CONTROL_AGENT_AGENT_H

#include "control/agent/agent_settings.h"
#include "control/agent/ask.h"
#include "control/agent/said.h"
#include "loop/timer.h"

enum { AGENT_MISSES = 3 };

struct registry_service;
struct registry_target;

/* Of a service: its settings, with their text. */
struct registry_agents {
    struct agent_settings settings; /* port UINT32_MAX and more: nobody is asked */
    char                  send[AGENT_SEND_BYTES_MAX];
    bool                  has_changed; /* by the settings that are being put in force */
};

/* Of a target. */
struct registry_agent {
    struct timer      next;
    struct agent_ask *ask; /* under way, or NULL */
    uint64_t          began_ns;
    uint32_t          misses_count;  /* in a row */
    enum said_word    order, health; /* what it said last of each sort */
    bool              takes_nothing; /* it said 0 % */
    char              reason[SAID_REASON_BYTES];
    char              silent[AGENT_WHY_BYTES + 64]; /* "agent silent since ...: why"; "" */
};

/* Copies the settings (NULL: nobody is asked); registry__agents_took() when the targets of the new
 * settings are in force too. */
void registry__agents_take(struct registry_service *service, const struct agent_settings *settings);
void registry__agents_took(struct registry_service *service);

/* Prepares a new target; goes on with what is known of @before if there was one. */
void registry__agent_init(struct registry_target *target, const struct registry_target *before);

/* Asks from now on, if the settings say so. */
void registry__agent_arm(struct registry_target *target);
void registry__agent_arm_all(struct registry_service *service);

/* Asks no more; a question that is under way is called off. */
void registry__agent_stop(struct registry_target *target);

/* Did its agent say that it takes nothing: an order (drain, maint, 0 %), or that it does not
 * work? */
bool registry__agent_orders_out(const struct registry_target *target);
bool registry__agent_is_down(const struct registry_target *target);

/* "its agent says drain: deploy". */
void registry__agent_write_reason(const struct registry_target *target, char *out, size_t room);

#endif
