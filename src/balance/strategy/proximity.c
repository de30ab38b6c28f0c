/* SPDX-License-Identifier: Apache-2.0 */
/* balance/strategy/proximity.c - the nearest targets that are not full.
 *
 * Targets stand in rings of equal distance from this node: by zone (the same zone, the same region,
 * all others), or by how long a connection to them takes to open (each ring twice as far as the
 * one before). By location a ring is a site, the targets of one place, and the order of the sites
 * is each client's own, by the great circle from where it is. (A client of whom that is not known
 * is taken to be where this node is. If that is not known either, all sites are as near, and it is
 * two choices among all targets.) A ring's load is
 *
 *     u = requests in flight in it / (capacity * sum of its weights)
 *
 * and a request stays in the ring, going outwards from the nearest, with the probability
 *
 *     p = 1  while u <= s;    (1 - u) / (1 - s)  up to u = 1;    0  above,        s = spill-from
 *
 * so what is spilled grows with the load, from nothing, and no ring is filled or left at a stroke.
 * The capacity is set, or is found for each ring (fullness/fullness.h); then 2 % of the requests
 * stay however full a ring is, since only they tell when it is well again.
 * (The rule is ours. Envoy's zone-aware routing and Google's waterfall also fill the nearest first
 * and spill the rest; both go by what is healthy or by a rate that is told, neither of which this
 * node has.) A target that is not well is not in the set: its ring is smaller and spills sooner.
 * If every ring spills, the one with the least load takes the request. In a ring it is two choices
 * by weight. */
#include "balance/balance.h"
#include "balance/fullness/fullness.h"

#include "core/random.h"
#include "core/units.h"

#include <stdlib.h>
#include <string.h>

enum {
    RINGS_MAX = 24,   /* of opening times: up to 1 us, 2 us, ... above 4 s; and so many sites are
                         gone through before the least full of all is taken */
    RING_US_BITS = 8, /* up to 256 us is one ring: differences there are this machine's noise */
    SMALL_MAX = 64,   /* of so many targets loads are summed for each pick, else each millisecond */
};

#define STAYS_LEAST 0.02
#define SPILL_LEAST 0.01 /* of a ring's capacity, for spill-percent 0 */

/* One target, by ring. */
struct spot {
    uint32_t index; /* in the set */
    uint32_t ring;
    uint32_t weight_sum; /* of all spots up to and with it */
};

/* Those of one distance, or of one site: a run of spots. */
struct ring {
    uint32_t         first, count;
    double           load; /* u */
    struct fullness *full;
    struct geo_place place; /* of a site */
};

struct near {
    const struct target_set       *set;
    const struct balance_settings *settings;
    const char                    *zone;
    struct geo_place               home;
    uint64_t                       summed_ns;
    uint32_t                       rings_count;
    struct fullness               *full;    /* by number of a ring, or by site; see more_bytes() */
    struct spot                   *at;      /* sorted by ring */
    uint32_t                      *ring_at; /* by index in the set: which of the rings */
    struct ring                    rings[]; /* room for one per target; behind it the above */
};

static bool is_auto(const struct near *near)
{
    return near->settings->proximity.capacity == CONFIG_AUTO;
}

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
    switch (near->settings->proximity.by) {
    case PROXIMITY_BY_TIME: return ring_by_time(target);
    case PROXIMITY_BY_LOCATION: return 0; /* its place tells */
    default: return ring_by_zone(near->zone, target->zone);
    }
}

static int by_number(double one, double other)
{
    return one < other ? -1 : one > other;
}

/* Some order in which equal places stand together. */
static int by_place(const struct geo_place *one, const struct geo_place *other)
{
    int order = by_number(one->x, other->x);
    if (order == 0)
        order = by_number(one->y, other->y);
    return order != 0 ? order : by_number(one->z, other->z);
}

/* 0: they stand in one ring. */
static int by_ring(const struct near *near, const struct spot *one, const struct spot *other)
{
    if (one->ring != other->ring)
        return one->ring < other->ring ? -1 : 1;
    if (near->settings->proximity.by != PROXIMITY_BY_LOCATION)
        return 0;
    return by_place(&near->set->at[one->index]->place, &near->set->at[other->index]->place);
}

static int by_ring_and_index(const void *a, const void *b, void *near)
{
    const struct spot *one = a, *other = b;
    const int order = by_ring(near, one, other);
    return order != 0 ? order : one->index < other->index ? -1 : one->index > other->index;
}

/* The spot at @first is of another ring than those before it. */
static void begin_ring(struct near *near, uint32_t first)
{
    const bool is_site = near->settings->proximity.by == PROXIMITY_BY_LOCATION;
    const struct spot *spot = &near->at[first];
    near->rings[near->rings_count] = (struct ring){
        .first = first,
        .full = &near->full[is_site ? near->rings_count : spot->ring],
        .place = near->set->at[spot->index]->place,
    };
    near->rings_count++;
}

/* Weights may move: each is read once. A ring of weight 0 cannot be. */
static void draw_rings(struct near *near)
{
    const struct target_set *set = near->set;
    uint32_t weight_sum = 0;
    for (uint32_t i = 0; i < set->count; i++)
        near->at[i] = (struct spot){.index = i, .ring = ring_of(near, set->at[i])};
    qsort_r(near->at, set->count, sizeof near->at[0], by_ring_and_index, near);
    near->rings_count = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        const struct target *target = set->at[near->at[i].index];
        if (i == 0 || by_ring(near, &near->at[i - 1], &near->at[i]) != 0)
            begin_ring(near, i);
        near->rings[near->rings_count - 1].count++;
        near->at[i].weight_sum = weight_sum += target->weight;
        near->ring_at[near->at[i].index] = near->rings_count - 1;
    }
}

/* What was learned of a ring: by its number; of a site: by a target that was there before. */
static void keep_fullness(struct near *near, const struct balance_setup *setup)
{
    const struct near *old = setup->old_state;
    if (near->settings->proximity.by != PROXIMITY_BY_LOCATION) {
        memcpy(near->full, old->full, RINGS_MAX * sizeof near->full[0]);
        return;
    }
    for (uint32_t i = 0; i < setup->set->count; i++) {
        struct fullness *full = near->rings[near->ring_at[i]].full;
        const size_t was = balance_index_of(setup->old_set, setup->set->at[i], i);
        if (was != BALANCE_NONE && full->best_since_ns == 0)
            *full = *old->rings[old->ring_at[was]].full;
    }
}

/* Rings by zone or time have a number, sites are as many as targets at most. */
static size_t more_bytes(uint32_t targets_count)
{
    return (targets_count > RINGS_MAX ? targets_count : RINGS_MAX) * sizeof(struct fullness);
}

static void set_changed(void *state, const struct balance_setup *setup)
{
    struct near *near = state;
    near->set = setup->set;
    near->settings = setup->settings;
    near->zone = setup->zone;
    near->home = setup->home;
    near->full = (struct fullness *)(void *)(near->rings + setup->set->count);
    near->at = (void *)((char *)near->full + more_bytes(setup->set->count));
    near->ring_at = (uint32_t *)(void *)(near->at + setup->set->count);
    draw_rings(near);
    if (setup->old_state != NULL)
        keep_fullness(near, setup);
}

/* --- learning how much a ring holds ----------------------------------------------------------- */

static void finished(void *state, size_t index, const struct sample *sample)
{
    struct near *near = state;
    if (is_auto(near))
        balance__fullness_add(near->rings[near->ring_at[index]].full, sample);
}

/* What rings know of each other. */
struct prices {
    double             least_ns, second_ns; /* 0: not known */
    const struct ring *cheapest;
    double             best_ns;
};

static struct prices ask_prices(const struct near *near, uint64_t now_ns)
{
    struct prices prices = {0};
    for (uint32_t r = 0; r < near->rings_count; r++) {
        const double best_ns = balance__fullness_best_ns(near->rings[r].full);
        const double price_ns = balance__fullness_price_ns(near->rings[r].full, now_ns);
        if (best_ns > 0 && (prices.best_ns == 0 || best_ns < prices.best_ns))
            prices.best_ns = best_ns;
        if (price_ns > 0 && (prices.least_ns == 0 || price_ns < prices.least_ns)) {
            prices.second_ns = prices.least_ns;
            prices.least_ns = price_ns;
            prices.cheapest = &near->rings[r];
        } else if (price_ns > 0 && (prices.second_ns == 0 || price_ns < prices.second_ns)) {
            prices.second_ns = price_ns;
        }
    }
    return prices;
}

static void learn(struct near *near, uint64_t now_ns)
{
    const uint32_t percent = near->settings->proximity.spill_percent;
    for (uint32_t r = 0; r < near->rings_count; r++) {
        struct ring *ring = &near->rings[r];
        if (!balance__fullness_close(ring->full, now_ns))
            continue;
        const struct prices prices = ask_prices(near, now_ns);
        balance__fullness_learn(ring->full,
                                prices.cheapest == ring ? prices.second_ns : prices.least_ns,
                                prices.best_ns, percent > 0 ? percent / 100.0 : SPILL_LEAST);
    }
}

/* Times move; zones and places do not. */
static void tick(void *state, const struct target_set *set, const struct ask *ask)
{
    struct near *near = state;
    bool has_moved = false;
    if (is_auto(near) && near->rings_count > 1)
        learn(near, ask->now_ns);
    if (near->settings->proximity.by != PROXIMITY_BY_TIME)
        return;
    for (uint32_t i = 0; i < set->count && !has_moved; i++)
        has_moved = ring_of(near, set->at[near->at[i].index]) != near->at[i].ring;
    if (!has_moved)
        return;
    near->summed_ns = 0;
    draw_rings(near);
}

/* From where distances count; NULL: rings are in order as they stand. */
static const struct geo_place *start_of(const struct near *near, const struct ask *ask)
{
    if (near->settings->proximity.by != PROXIMITY_BY_LOCATION)
        return NULL;
    return ask->place != NULL && geo_is_known(ask->place) ? ask->place : &near->home;
}

/* Is @ring farther from @start than @last? Of two as far away the one that stands later is. */
static bool is_farther(const struct geo_place *start, const struct ring *ring,
                       const struct ring *last)
{
    const double nearness = geo_nearness(start, &ring->place);
    const double of_last = geo_nearness(start, &last->place);
    return nearness < of_last || (nearness == of_last && ring > last);
}

/* The ring after @last (NULL: the first) on the way outwards; NULL: there is none. */
static const struct ring *next_ring(const struct near *near, const struct geo_place *start,
                                    const struct ring *last)
{
    const struct ring *end = near->rings + near->rings_count, *next = NULL;
    if (start == NULL) {
        next = last == NULL ? near->rings : last + 1;
        return next < end ? next : NULL;
    }
    for (const struct ring *ring = near->rings; ring < end; ring++)
        if ((last == NULL || is_farther(start, ring, last)) &&
            (next == NULL || is_farther(start, next, ring)))
            next = ring;
    return next;
}

/* --- load ------------------------------------------------------------------------------------- */

static uint32_t weight_before(const struct near *near, const struct ring *ring)
{
    return ring->first > 0 ? near->at[ring->first - 1].weight_sum : 0;
}

static uint32_t weight_of(const struct near *near, const struct ring *ring)
{
    return near->at[ring->first + ring->count - 1].weight_sum - weight_before(near, ring);
}

static void sum_loads(struct near *near, uint64_t now_ns)
{
    const struct target_set *set = near->set;
    const double capacity = is_auto(near) ? 1 : near->settings->proximity.capacity;
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
        if (is_auto(near))
            ring->load = balance__fullness_look(ring->full, ring->load);
    }
}

/* Does a request of this draw (0 to 1) stay in a ring so full? */
static bool stays(const struct near *near, const struct ring *ring, double draw)
{
    const double spill = near->settings->proximity.spill_percent / 100.0;
    if (ring->load <= spill)
        return true;
    if (is_auto(near) && draw < STAYS_LEAST)
        return true;
    const bool does_stay = ring->load < 1 && draw < (1 - ring->load) / (1 - spill);
    ring->full->spilled_count += !does_stay;
    return does_stay;
}

/* --- picking ---------------------------------------------------------------------------------- */

/* The spot in @ring at @draw of its weight. */
static uint32_t spot_at(const struct near *near, const struct ring *ring, uint64_t draw)
{
    const uint32_t wanted = weight_before(near, ring) + random_below(draw, weight_of(near, ring));
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
    const struct geo_place *start = start_of(near, ask);
    uint64_t seed = ask->draw[0] ^ ask->draw[1];
    const struct ring *ring = NULL;
    if (near->rings_count == 1 || (start != NULL && !geo_is_known(start)))
        return pick_in(near, &(struct ring){.count = set->count}, ask);
    sum_loads(near, ask->now_ns);
    for (int i = 0; i < RINGS_MAX && (ring = next_ring(near, start, ring)) != NULL; i++) {
        const double draw = (double)(random_mix(&seed) >> 11) * 0x1p-53;
        if (!stays(near, ring, draw))
            continue;
        const size_t index = pick_in(near, ring, ask);
        if (index != BALANCE_NONE)
            return index;
    }
    return pick_least(near, ask);
}

const struct balance_strategy balance_proximity = {
    .state_bytes = sizeof(struct near),
    .target_bytes = sizeof(struct ring) + sizeof(struct spot) + sizeof(uint32_t),
    .more_bytes = more_bytes,
    .set_changed = set_changed,
    .pick = pick,
    .finished = finished,
    .tick = tick,
};
