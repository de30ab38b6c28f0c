/* SPDX-License-Identifier: Apache-2.0 */
/* balance/strategy/proximity.c - the nearest targets that are not full.
 *
 * Targets stand in rings of equal distance from this node: by zone (the same zone, the same region,
 * all others), or by how long a connection to them takes to open (each ring twice as far as the
 * one before). A ring's load is
 *
 *     u = requests in flight in it / (capacity * sum of its weights)
 *
 * and a request stays in the ring, going outwards from the nearest, with the probability
 *
 *     p = 1  while u <= s;    (1 - u) / (1 - s)  up to u = 1;    0  above,        s = spill-from
 *
 * so what is spilled grows with the load, from nothing, and no ring is filled or left at a stroke.
 * (The rule is ours. Envoy's zone-aware routing and Google's waterfall also fill the nearest first
 * and spill the rest; both go by what is healthy or by a rate that is told, neither of which this
 * node has.) A target that is not well is not in the set: its ring is smaller and spills sooner.
 * If every ring spills, the one with the least load takes the request. In a ring it is two choices
 * by weight. */
#include "balance/balance.h"

#include "core/random.h"
#include "core/units.h"

#include <stdlib.h>
#include <string.h>

enum {
    RINGS_MAX = 24,   /* of opening times: up to 1 us, 2 us, ... above 4 s */
    RING_US_BITS = 8, /* up to 256 us is one ring: differences there are this machine's noise */
    SMALL_MAX = 64,   /* of so many targets loads are summed for each pick, else each millisecond */
};

/* One target, by ring. */
struct spot {
    uint32_t index; /* in the set */
    uint32_t ring;
    uint32_t weight_sum; /* of its ring, up to and with it */
};

/* Those of one distance: a run of spots. */
struct ring {
    uint32_t first, count;
    double   load; /* u */
};

struct near {
    const struct target_set       *set;
    const struct balance_settings *settings;
    const char                    *zone;
    uint64_t                       summed_ns;
    uint32_t                       rings_count;
    struct ring                    rings[RINGS_MAX];
    struct spot                    at[]; /* sorted by ring */
};

/* --- distance --------------------------------------------------------------------------------- */

/* "region/zone": 0 the same, 1 the same region, 2 others. What is not said is as near as can be. */
static uint32_t ring_by_zone(const char *own, const char *other)
{
    const size_t region = strcspn(own, "/");
    if (own[0] == '\0' || other[0] == '\0' || strcmp(own, other) == 0)
        return 0;
    return strcspn(other, "/") == region && memcmp(own, other, region) == 0 ? 1 : 2;
}

/* One that was never connected to is as near as can be, so that it is measured. */
static uint32_t ring_by_time(const struct target *target)
{
    const uint32_t us = atomic_load_explicit(&target->connect_us, memory_order_relaxed);
    const uint32_t bits = us == 0 ? 0 : 32u - (uint32_t)__builtin_clz(us);
    const uint32_t ring = bits > RING_US_BITS ? bits - RING_US_BITS : 0;
    return ring < RINGS_MAX ? ring : RINGS_MAX - 1;
}

static uint32_t ring_of(const struct near *near, const struct target *target)
{
    return near->settings->proximity.by == PROXIMITY_BY_TIME
               ? ring_by_time(target)
               : ring_by_zone(near->zone, target->zone);
}

static int by_ring(const void *a, const void *b)
{
    const struct spot *one = a, *other = b;
    if (one->ring != other->ring)
        return one->ring < other->ring ? -1 : 1;
    return one->index < other->index ? -1 : one->index > other->index;
}

/* Weights may move: each is read once. A ring of weight 0 cannot be. */
static void draw_rings(struct near *near)
{
    const struct target_set *set = near->set;
    for (uint32_t i = 0; i < set->count; i++)
        near->at[i] = (struct spot){.index = i, .ring = ring_of(near, set->at[i])};
    qsort(near->at, set->count, sizeof near->at[0], by_ring);
    near->rings_count = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        const bool is_new = i == 0 || near->at[i].ring != near->at[i - 1].ring;
        if (is_new)
            near->rings[near->rings_count++] = (struct ring){.first = i};
        near->rings[near->rings_count - 1].count++;
        near->at[i].weight_sum =
            set->at[near->at[i].index]->weight + (is_new ? 0 : near->at[i - 1].weight_sum);
    }
}

static void set_changed(void *state, const struct balance_setup *setup)
{
    struct near *near = state;
    near->set = setup->set;
    near->settings = setup->settings;
    near->zone = setup->zone;
    draw_rings(near);
}

/* Times move; zones do not. */
static void tick(void *state, const struct target_set *set, const struct ask *ask)
{
    struct near *near = state;
    (void)ask;
    bool has_moved = false;
    for (uint32_t i = 0; i < set->count && !has_moved; i++)
        has_moved = ring_of(near, set->at[near->at[i].index]) != near->at[i].ring;
    if (!has_moved)
        return;
    near->summed_ns = 0;
    draw_rings(near);
}

/* --- load ------------------------------------------------------------------------------------- */

static uint32_t weight_of(const struct near *near, const struct ring *ring)
{
    return near->at[ring->first + ring->count - 1].weight_sum;
}

static void sum_loads(struct near *near, uint64_t now_ns)
{
    const struct target_set *set = near->set;
    const double capacity = near->settings->proximity.capacity;
    if (set->count > SMALL_MAX && near->summed_ns != 0 && now_ns - near->summed_ns < NS_PER_MS)
        return;
    near->summed_ns = now_ns;
    for (uint32_t r = 0; r < near->rings_count; r++) {
        struct ring *ring = &near->rings[r];
        uint64_t sum = 0;
        for (uint32_t i = ring->first; i < ring->first + ring->count; i++)
            sum +=
                atomic_load_explicit(&set->at[near->at[i].index]->inflight, memory_order_relaxed);
        ring->load = (double)sum / (capacity * weight_of(near, ring));
    }
}

/* Does a request of this draw (0 to 1) stay in a ring so full? */
static bool stays(const struct near *near, const struct ring *ring, double draw)
{
    const double spill = near->settings->proximity.spill_percent / 100.0;
    if (ring->load <= spill)
        return true;
    return ring->load < 1 && draw < (1 - ring->load) / (1 - spill);
}

/* --- picking ---------------------------------------------------------------------------------- */

/* The spot in @ring at @draw of its weight. */
static uint32_t spot_at(const struct near *near, const struct ring *ring, uint64_t draw)
{
    const uint32_t wanted = random_below(draw, weight_of(near, ring));
    uint32_t low = ring->first, high = ring->first + ring->count - 1;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (near->at[middle].weight_sum > wanted)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* From @from on, round the ring, the first that is allowed. */
static size_t first_in(const struct near *near, const struct ring *ring, const struct ask *ask,
                       uint32_t from)
{
    for (uint32_t i = 0; i < ring->count; i++) {
        const uint32_t spot = ring->first + (from - ring->first + i) % ring->count;
        if (balance_allows(ask, near->set->at[near->at[spot].index]))
            return near->at[spot].index;
    }
    return BALANCE_NONE;
}

/* Two choices; BALANCE_NONE if nobody here is allowed. */
static size_t pick_in(const struct near *near, const struct ring *ring, const struct ask *ask)
{
    const uint32_t one = spot_at(near, ring, ask->draw[0]);
    uint32_t other = spot_at(near, ring, ask->draw[1]);
    uint64_t seed = ask->draw[1];
    if (one == other && ring->count > 1) {
        const uint32_t by = 1 + random_below(random_mix(&seed), ring->count - 1);
        other = ring->first + (one - ring->first + by) % ring->count;
    }
    const size_t here = first_in(near, ring, ask, one);
    if (here == BALANCE_NONE)
        return BALANCE_NONE;
    const size_t there = first_in(near, ring, ask, other);
    return balance_is_better(near->set->at[there], near->set->at[here]) ? there : here;
}

/* Of all that are allowed, in the ring with the least load. */
static size_t pick_least(const struct near *near, const struct ask *ask)
{
    size_t best = BALANCE_NONE;
    double least = 0;
    for (uint32_t r = 0; r < near->rings_count; r++) {
        const size_t index = pick_in(near, &near->rings[r], ask);
        if (index == BALANCE_NONE || (best != BALANCE_NONE && near->rings[r].load >= least))
            continue;
        best = index;
        least = near->rings[r].load;
    }
    return best;
}

static size_t pick(void *state, const struct target_set *set, const struct ask *ask)
{
    struct near *near = state;
    uint64_t seed = ask->draw[0] ^ ask->draw[1];
    (void)set;
    if (near->rings_count > 1)
        sum_loads(near, ask->now_ns);
    for (uint32_t r = 0; r < near->rings_count; r++) {
        const double draw = (double)(random_mix(&seed) >> 11) * 0x1p-53;
        if (near->rings_count > 1 && !stays(near, &near->rings[r], draw))
            continue;
        const size_t index = pick_in(near, &near->rings[r], ask);
        if (index != BALANCE_NONE)
            return index;
    }
    return pick_least(near, ask);
}

const struct balance_strategy balance_proximity = {
    .state_bytes = sizeof(struct near),
    .target_bytes = sizeof(struct spot),
    .set_changed = set_changed,
    .pick = pick,
    .tick = tick,
};
