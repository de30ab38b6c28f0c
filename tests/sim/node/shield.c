/* SPDX-License-Identifier: Apache-2.0 */
/* sim/node/shield.c - puts the questions to the machines, and does what they say. */
#include "sim/node/shield.h"

#include "breaker/retry/retry.h"
#include "core/units.h"
#include "sim/model/memory.h"

/* --- life ------------------------------------------------------------------------------------- */

static struct outlier *outlier_at(void *self, size_t index)
{
    return &((struct outlier *)self)[index];
}

void sim_shield_init(struct sim_shield *shield, const struct sim_policy *policy,
                     struct sim_node *node, struct random draws)
{
    const struct settings_service *service = policy->service;
    const uint32_t count = node->targets_count;
    *shield = (struct sim_shield){.service = service, .node = node, .draws = draws};
    shield->outliers = sim_take(count * sizeof *shield->outliers);
    shield->rows = sim_take(count * sizeof *shield->rows);
    for (uint32_t i = 0; i < count; i++)
        node->targets[i].rows = &shield->rows[i];
    sim_throttle_init(&shield->throttle, &service->concurrency);
    sim_fuse_init(&shield->fuse, &service->breaker.target, node->targets, count, &shield->draws);
    atomic_init(&shield->whole.state, TARGET_UP);
    shield->whole.rows = &shield->whole_row;
    sim_fuse_init(&shield->whole_fuse, &service->breaker.service, &shield->whole, 1,
                  &shield->draws);
    shield->outlier_list = (struct outliers){
        .at = outlier_at, .self = shield->outliers, .count = count, .random = &shield->draws};
}

void sim_shield_fini(struct sim_shield *shield)
{
    sim_fuse_fini(&shield->fuse);
    sim_fuse_fini(&shield->whole_fuse);
    free(shield->outliers);
    free(shield->rows);
    *shield = (struct sim_shield){0};
}

/* --- judging ---------------------------------------------------------------------------------- */

static enum target_outcome outcome_of(enum sim_end end)
{
    switch (end) {
    case SIM_FAILED: return TARGET_OUTCOME_ERROR;
    case SIM_REFUSED: return TARGET_OUTCOME_GATEWAY;
    case SIM_EXPIRED: return TARGET_OUTCOME_LOCAL;
    default: return TARGET_OUTCOME_GOOD;
    }
}

void sim_shield_judge(struct sim_shield *shield, uint32_t server, const struct sim_verdict *verdict)
{
    if (verdict->end != SIM_REFUSED || !verdict->says_when)
        row_judge(&shield->rows[server], outcome_of(verdict->end));
    sim_fuse_judge(&shield->fuse, server, verdict);
}

bool sim_shield_enter(struct sim_shield *shield, struct sim_passage *passage)
{
    return sim_fuse_pass(&shield->whole_fuse, 0, passage);
}

/* What this node itself refused says nothing of the servers. */
void sim_shield_leave(struct sim_shield *shield, const struct sim_verdict *verdict)
{
    if (verdict->end == SIM_SHED)
        sim_fuse_put_back(&shield->whole_fuse, 0, &verdict->passage);
    else
        sim_fuse_judge(&shield->whole_fuse, 0, verdict);
}

/* --- retries ---------------------------------------------------------------------------------- */

bool sim_shield_charge(struct sim_shield *shield)
{
    const struct retry_settings *retry = &shield->service->retry;
    if (shield->charged_count >=
        retry_budget(shield->attempts_count, retry->budget_percent, retry->budget_min))
        return false;
    shield->charged_count++;
    return true;
}

bool sim_shield_again(const struct sim_shield *shield, const struct sim_verdict *verdict,
                      unsigned tried_count, bool *is_charged)
{
    const struct retry_case now = {
        .error = verdict->end == SIM_EXPIRED ? ERR_TARGET_TIMEOUT : ERR_NONE,
        .has_target = true,
        .is_shedding = verdict->end == SIM_REFUSED && verdict->says_when,
        .may_repeat = true,
        .is_body_whole = true,
        .offered_count = tried_count,
        .tries = shield->service->breaker.tries,
    };
    const struct retry_verdict answer = retry_after(&now);
    *is_charged = answer.is_charged;
    return answer.next != RETRY_NONE && tried_count < SIM_TRIED_MAX;
}

/* --- control's look --------------------------------------------------------------------------- */

static bool look_at_outliers(struct sim_shield *shield, uint64_t now_ns)
{
    const uint32_t count = shield->node->targets_count;
    for (uint32_t i = 0; i < count; i++) {
        struct outlier_window window = {0};
        outlier_gather(&window, &shield->rows[i]);
        outlier_count(&shield->outliers[i], &window);
    }
    return outlier_look(&shield->outlier_list, &shield->service->outlier, now_ns);
}

void sim_shield_look(struct sim_shield *shield, uint64_t now_ns)
{
    struct sim_node *node = shield->node;
    const bool outliers_changed = look_at_outliers(shield, now_ns);
    const bool circuits_changed = sim_fuse_look(&shield->fuse, now_ns);
    (void)sim_fuse_look(&shield->whole_fuse, now_ns);
    sim_throttle_look(&shield->throttle, now_ns);
    if (!outliers_changed && !circuits_changed)
        return;
    for (uint32_t i = 0; i < node->targets_count; i++)
        node->is_out[i] = shield->outliers[i].until_ns != 0 || sim_fuse_is_open(&shield->fuse, i);
    sim_node_renew(node, now_ns);
}
