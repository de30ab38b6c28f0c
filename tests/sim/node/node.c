/* SPDX-License-Identifier: Apache-2.0 */
/* sim/node/node.c - asks the strategy as balance/balance_stage.c does. */
#include "sim/node/node.h"

#include "core/units.h"
#include "sim/model/memory.h"

#include <stdio.h>

static uint32_t server_at(const struct sim_node *node, size_t index)
{
    return (uint32_t)(node->set->at[index] - node->targets);
}

static void write_zone(char *out, size_t room, uint32_t zone)
{
    snprintf(out, room, "sim/%u", zone);
}

static void lay_targets(struct sim_node *node, const struct sim_node_plan *plan)
{
    node->targets = sim_take(plan->servers_count * sizeof *node->targets);
    node->is_out = sim_take(plan->servers_count * sizeof *node->is_out);
    node->targets_count = plan->servers_count;
    for (uint32_t i = 0; i < plan->servers_count; i++) {
        struct target *target = &node->targets[i];
        uint64_t seed = i;
        target->weight = plan->weights != NULL ? plan->weights[i] : 1;
        target->weight_said = target->weight;
        target->identity = random_mix(&seed); /* the same on every node, as of a hash of the name */
        snprintf(target->name, sizeof target->name, "server-%u", i);
        if (plan->zones != NULL)
            write_zone(target->zone, sizeof target->zone, plan->zones[i]);
    }
}

static struct target_set *make_set(const struct sim_node *node)
{
    struct target_set *set = sim_take(sizeof *set + node->targets_count * sizeof set->at[0]);
    for (uint32_t i = 0; i < node->targets_count; i++) {
        struct target *target = &node->targets[i];
        if (node->is_out[i])
            continue;
        set->at[set->count++] = target;
        set->weight_sum += target->weight;
        if (target->weight > set->weight_max)
            set->weight_max = target->weight;
    }
    return set;
}

void sim_node_renew(struct sim_node *node, uint64_t now_ns)
{
    struct target_set *old_set = node->set;
    void *old_state = node->state;
    node->set = make_set(node);
    const size_t bytes = balance_state_bytes(node->strategy, node->set->count);
    node->state = bytes > 0 ? sim_take(bytes) : NULL;
    const struct balance_setup setup = {
        .set = node->set,
        .settings = node->settings,
        .zone = node->zone,
        .now_ns = now_ns,
        .draw = random_next(&node->draws),
        .old_state = old_state,
        .old_set = old_state != NULL ? old_set : NULL,
    };
    if (node->state != NULL)
        node->strategy->set_changed(node->state, &setup);
    free(old_state);
    free(old_set);
}

void sim_node_init(struct sim_node *node, const struct sim_node_plan *plan)
{
    *node = (struct sim_node){
        .settings = plan->settings,
        .strategy = balance_at(plan->settings->strategy),
        .draws = plan->draws,
        .has_probes = plan->settings->resource.probe_port != 0,
    };
    node->has_probes = node->has_probes && node->strategy->has_probes;
    if (plan->zones != NULL)
        write_zone(node->zone, sizeof node->zone, plan->zone);
    lay_targets(node, plan);
    sim_node_renew(node, 0);
}

void sim_node_fini(struct sim_node *node)
{
    free(node->state);
    free(node->set);
    free(node->targets);
    free(node->is_out);
    *node = (struct sim_node){0};
}

static struct ask ask_of(struct sim_node *node, uint64_t now_ns, struct balance_probes *probes)
{
    return (struct ask){
        .now_ns = now_ns,
        .draw = {random_next(&node->draws), random_next(&node->draws)},
        .probes = node->has_probes ? probes : NULL,
    };
}

static void tick(struct sim_node *node, uint64_t now_ns, struct balance_probes *probes)
{
    if (node->strategy->tick == NULL || now_ns < node->tick_at_ns)
        return;
    node->tick_at_ns = now_ns + BALANCE_TICK_MS * NS_PER_MS;
    const struct ask ask = ask_of(node, now_ns, probes);
    node->strategy->tick(node->state, node->set, &ask);
}

/* From places in the set to servers. */
static void name_servers(const struct sim_node *node, struct balance_probes *probes)
{
    for (uint32_t i = 0; i < probes->count; i++)
        probes->at[i] = server_at(node, probes->at[i]);
}

static size_t pick(struct sim_node *node, const struct sim_node_ask *about,
                   struct balance_probes *probes)
{
    struct target *tried[SIM_TRIED_MAX];
    struct ask ask = ask_of(node, about->now_ns, probes);
    for (unsigned i = 0; i < about->tried_count; i++)
        tried[i] = &node->targets[about->tried[i]];
    ask.key_hash = node->strategy->by_key ? about->key_hash : 0;
    ask.tried = tried;
    ask.tried_count = about->tried_count;
    ask.only_up = about->tried_count > 0;
    size_t index = node->strategy->pick(node->state, node->set, &ask);
    if (index == BALANCE_NONE && ask.only_up) {
        ask.only_up = false;
        index = node->strategy->pick(node->state, node->set, &ask);
    }
    return index;
}

size_t sim_node_pick(struct sim_node *node, const struct sim_node_ask *about,
                     struct balance_probes *probes)
{
    struct balance_probes more = {.count = 0};
    probes->count = 0;
    if (node->set->count == 0)
        return BALANCE_NONE;
    tick(node, about->now_ns, &more);
    const size_t index = pick(node, about, probes);
    for (uint32_t i = 0; i < more.count && probes->count < BALANCE_PROBES_MAX; i++)
        probes->at[probes->count++] = more.at[i];
    name_servers(node, probes);
    if (index == BALANCE_NONE)
        return index;
    atomic_fetch_add_explicit(&node->set->at[index]->inflight, 1, memory_order_relaxed);
    return server_at(node, index);
}

void sim_node_probed(struct sim_node *node, uint32_t server, const struct sample *sample)
{
    const size_t index = balance_index_of(node->set, &node->targets[server], server);
    if (node->strategy->finished != NULL && index != BALANCE_NONE)
        node->strategy->finished(node->state, index, sample);
}

void sim_node_finished(struct sim_node *node, uint32_t server, const struct sample *sample)
{
    sim_node_probed(node, server, sample);
    sim_node_put_back(node, server);
}

void sim_node_put_back(struct sim_node *node, uint32_t server)
{
    atomic_fetch_sub_explicit(&node->targets[server].inflight, 1, memory_order_relaxed);
}
