/* SPDX-License-Identifier: Apache-2.0 */
/* sim/model/node.c - asks the strategy as balance/balance_stage.c does. */
#include "sim/model/node.h"

#include "core/units.h"
#include "sim/model/memory.h"

enum { TICK_MS = 100 };

static void lay(struct sim_node *node, const uint16_t *weights, uint32_t count)
{
    node->targets = sim_take(count * sizeof *node->targets);
    node->set = sim_take(sizeof *node->set + count * sizeof node->set->at[0]);
    node->set->count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct target *target = node->set->at[i] = &node->targets[i];
        target->weight = weights[i];
        node->set->weight_sum += weights[i];
        if (weights[i] > node->set->weight_max)
            node->set->weight_max = weights[i];
    }
}

void sim_node_init(struct sim_node *node, const struct balance_strategy *strategy,
                   const uint16_t *weights, uint32_t count, struct random draws)
{
    *node = (struct sim_node){.strategy = strategy, .draws = draws};
    lay(node, weights, count);
    const size_t bytes = strategy->state_bytes + strategy->target_bytes * count;
    if (bytes > 0)
        node->state = sim_take(bytes);
    if (strategy->set_changed != NULL)
        strategy->set_changed(node->state, node->set, random_next(&node->draws));
}

void sim_node_fini(struct sim_node *node)
{
    free(node->state);
    free(node->set);
    free(node->targets);
    *node = (struct sim_node){0};
}

static void tick(struct sim_node *node, uint64_t now_ns)
{
    if (node->strategy->tick == NULL || now_ns < node->tick_at_ns)
        return;
    node->tick_at_ns = now_ns + TICK_MS * NS_PER_MS;
    node->strategy->tick(node->state, now_ns);
}

size_t sim_node_pick(struct sim_node *node, uint64_t now_ns, const uint32_t *tried,
                     unsigned tried_count)
{
    struct target *tried_targets[SIM_TRIED_MAX];
    for (unsigned i = 0; i < tried_count; i++)
        tried_targets[i] = &node->targets[tried[i]];
    struct ask ask = {
        .now_ns = now_ns,
        .draw = {random_next(&node->draws), random_next(&node->draws)},
        .tried = tried_targets,
        .tried_count = tried_count,
        .only_up = tried_count > 0,
    };
    tick(node, now_ns);
    size_t index = node->strategy->pick(node->state, node->set, &ask);
    if (index == BALANCE_NONE && ask.only_up) {
        ask.only_up = false;
        index = node->strategy->pick(node->state, node->set, &ask);
    }
    if (index != BALANCE_NONE)
        atomic_fetch_add_explicit(&node->targets[index].inflight, 1, memory_order_relaxed);
    return index;
}

void sim_node_finished(struct sim_node *node, uint32_t server, const struct sample *sample)
{
    struct target *target = &node->targets[server];
    if (node->strategy->finished != NULL)
        node->strategy->finished(node->state, target, sample);
    atomic_fetch_sub_explicit(&target->inflight, 1, memory_order_relaxed);
}
