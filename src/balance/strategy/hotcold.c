/* SPDX-License-Identifier: Apache-2.0 */
/* balance/strategy/hotcold.c - sixteen probes at most, so everything is a walk over all. */
#include "balance/strategy/hotcold.h"

enum { REUSE_MOST = 16 };

double balance__hotcold_reuse(uint32_t room, uint32_t targets_count, uint32_t probes_count,
                              uint32_t remove_count)
{
    const double fresh =
        (1 - (double)room / (double)targets_count) * probes_count - (double)remove_count;
    const double reuse = fresh > 0 ? 2 / fresh : REUSE_MOST;
    return reuse < 1 ? 1 : (reuse > REUSE_MOST ? REUSE_MOST : reuse);
}

/* The paper's 16 need many more targets than that; half of them keeps the sum above positive. */
void balance__hotcold_init(struct hotcold *pool, uint32_t targets_count, uint32_t probes_count,
                           uint32_t remove_count)
{
    uint32_t room = targets_count / 2 < HOTCOLD_ROOM ? targets_count / 2 : HOTCOLD_ROOM;
    if (room < HOTCOLD_LEAST)
        room = HOTCOLD_LEAST;
    *pool = (struct hotcold){
        .room = room, .remove_count = remove_count, .reuse = 1, .wide_theta = UINT64_MAX};
    if (targets_count > 0)
        pool->reuse = balance__hotcold_reuse(room, targets_count, probes_count, remove_count);
}

static void take_out(struct hotcold *pool, uint32_t index)
{
    pool->count--;
    for (uint32_t i = index; i < pool->count; i++)
        pool->at[i] = pool->at[i + 1];
}

void balance__hotcold_add(struct hotcold *pool, const struct hotcold_probe *probe, uint64_t draw)
{
    const uint32_t whole = (uint32_t)pool->reuse;
    const double fraction = pool->reuse - whole;
    if (pool->count == pool->room)
        take_out(pool, 0);
    struct hotcold_probe *added = &pool->at[pool->count++];
    *added = *probe;
    added->uses_left = whole + ((double)(draw >> 11) * 0x1p-53 < fraction);
}

void balance__hotcold_age(struct hotcold *pool, uint64_t now_ns, uint64_t age_ns)
{
    while (pool->count > 0 && now_ns - pool->at[0].at_ns > age_ns)
        take_out(pool, 0);
}

void balance__hotcold_forget(struct hotcold *pool, uint32_t target)
{
    for (uint32_t i = pool->count; i-- > 0;) {
        if (pool->at[i].target == target)
            take_out(pool, i);
    }
}

/* --- the rule --------------------------------------------------------------------------------- */

uint64_t balance__hotcold_load(const struct target_set *set, uint32_t target, uint32_t rif)
{
    const uint64_t weight = set->at[target]->weight;
    return (uint64_t)rif * set->weight_max / (weight > 0 ? weight : 1);
}

static uint64_t load_of(const struct target_set *set, const struct hotcold_probe *probe)
{
    return balance__hotcold_load(set, probe->target, probe->rif);
}

static bool is_latest(const struct hotcold *pool, uint32_t index)
{
    for (uint32_t i = index + 1; i < pool->count; i++) {
        if (pool->at[i].target == pool->at[index].target)
            return false;
    }
    return true;
}

/* The quantile over the latest probe of each target: an overloaded one with several probes would
 * drag its own threshold up. */
static uint64_t threshold(const struct hotcold *pool, const struct target_set *set,
                          uint32_t quantile)
{
    uint64_t loads[HOTCOLD_ROOM] = {0};
    uint32_t count = 0;
    for (uint32_t i = 0; i < pool->count; i++) {
        if (!is_latest(pool, i))
            continue;
        const uint64_t load = load_of(set, &pool->at[i]);
        uint32_t place = count++;
        for (; place > 0 && loads[place - 1] > load; place--)
            loads[place] = loads[place - 1];
        loads[place] = load;
    }
    return loads[balance__hotcold_rank(count, quantile)];
}

/* Is the probe at @one a better place to go than that at @other? */
static bool is_better(const struct hotcold *pool, const struct target_set *set, uint64_t theta,
                      const uint32_t at[2])
{
    const struct hotcold_probe *one = &pool->at[at[0]], *other = &pool->at[at[1]];
    const bool one_is_cold = load_of(set, one) <= theta;
    const bool other_is_cold = load_of(set, other) <= theta;
    if (one_is_cold != other_is_cold)
        return one_is_cold;
    if (one_is_cold && one->latency_ns != other->latency_ns)
        return one->latency_ns < other->latency_ns;
    return load_of(set, one) < load_of(set, other);
}

static void use(struct hotcold *pool, uint32_t index)
{
    const uint32_t target = pool->at[index].target;
    for (uint32_t i = 0; i < pool->count; i++)
        pool->at[i].rif += pool->at[i].target == target;
    if (--pool->at[index].uses_left == 0)
        take_out(pool, index);
}

/* The oldest and the worst in turn: the one may have changed, the other is in the way. */
static void remove_one(struct hotcold *pool, const struct target_set *set, uint64_t theta)
{
    uint32_t worst = 0;
    if (pool->count == 0)
        return;
    for (uint32_t i = 1; i < pool->count && pool->worst_is_next; i++) {
        if (is_better(pool, set, theta, (const uint32_t[2]){worst, i}))
            worst = i;
    }
    pool->worst_is_next = !pool->worst_is_next;
    take_out(pool, worst);
}

size_t balance__hotcold_pick(struct hotcold *pool, const struct target_set *set, uint32_t quantile)
{
    uint32_t best = 0;
    if (pool->count < HOTCOLD_LEAST)
        return BALANCE_NONE;
    const uint64_t theta =
        pool->wide_theta != UINT64_MAX ? pool->wide_theta : threshold(pool, set, quantile);
    for (uint32_t i = 1; i < pool->count; i++) {
        if (is_better(pool, set, theta, (const uint32_t[2]){i, best}))
            best = i;
    }
    const uint32_t target = pool->at[best].target;
    pool->theta = theta < UINT32_MAX ? (uint32_t)theta : UINT32_MAX;
    use(pool, best);
    for (uint32_t i = 0; i < pool->remove_count; i++)
        remove_one(pool, set, theta);
    return target;
}
