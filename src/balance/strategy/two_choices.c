/* SPDX-License-Identifier: Apache-2.0 */
/* balance/strategy/two_choices.c - the less busy of two different targets drawn by weight.
 *
 * Two draws come close to looking at everybody (Mitzenmacher 2001), and keep many balancers from
 * herding onto the one idle target, which looking at everybody would do.
 *
 * With `latency: true` the cost of a target is its peak latency (peaks.h) times the requests that
 * it would then have: the quicker of two idle ones is taken, and a slow one gets as many fewer. */
#include "balance/strategy/peaks.h"
#include "balance/strategy/wheel.h"

struct two_choices {
    struct balance_peaks *peaks; /* behind the wheel; NULL: latency does not count */
    struct balance_wheel  wheel; /* last */
};

/* Behind the wheel, where a double may stand. */
static size_t peaks_offset(uint32_t targets_count)
{
    const size_t bytes = sizeof(struct two_choices) + targets_count * sizeof(struct balance_place);
    return (bytes + 7) / 8 * 8;
}

static size_t more_bytes(uint32_t targets_count)
{
    return peaks_offset(targets_count) + balance__peaks_bytes(targets_count);
}

static void set_changed(void *state, const struct balance_setup *setup)
{
    struct two_choices *two = state;
    const struct two_choices *old = setup->old_state;
    balance__wheel_fill(&two->wheel, setup->set);
    if (setup->settings->two_choices.latency)
        two->peaks = balance__peaks_fill((char *)state + peaks_offset(setup->set->count), setup,
                                         old != NULL ? old->peaks : NULL);
}

/* Of equal weights: latency * (requests with this one). Of unequal ones the draw has chosen by
 * weight; the other is better if balance_is_better() finds so, latency counted in, or if it is
 * quicker and no busier for its weight. */
static bool is_quicker(const struct balance_peaks *peaks, const struct target_set *set,
                       size_t there, size_t here)
{
    const double ns_there = peaks->at[there].shown_ns, ns_here = peaks->at[here].shown_ns;
    const double weight_there = set->at[there]->weight, weight_here = set->at[here]->weight;
    const double busy_there = atomic_load_explicit(&set->at[there]->inflight, memory_order_relaxed);
    const double busy_here = atomic_load_explicit(&set->at[here]->inflight, memory_order_relaxed);
    if (weight_there == weight_here)
        return ns_there * (busy_there + 1) < ns_here * (busy_here + 1);
    return ns_there * (busy_there + 1) * weight_here <= ns_here * busy_here * weight_there ||
           (ns_there < ns_here && busy_there * weight_here <= busy_here * weight_there);
}

static size_t better(const struct two_choices *two, const struct target_set *set, size_t one,
                     size_t other)
{
    const bool is_other = two->peaks != NULL ? is_quicker(two->peaks, set, other, one)
                                             : balance_is_better(set->at[other], set->at[one]);
    return is_other ? other : one;
}

/* After an attempt: the draws are only where the search for allowed targets begins. */
static size_t pick_again(const struct two_choices *two, const struct target_set *set,
                         const struct ask *ask, const size_t drawn[2])
{
    const size_t one = balance_first_allowed(set, ask, drawn[0]);
    if (one == BALANCE_NONE)
        return BALANCE_NONE;
    return better(two, set, one, balance_first_allowed(set, ask, drawn[1]));
}

static size_t pick(void *state, const struct target_set *set, const struct ask *ask)
{
    const struct two_choices *two = state;
    const size_t one = balance__wheel_draw(&two->wheel, ask->draw[0]);
    size_t other = balance__wheel_draw(&two->wheel, ask->draw[1]);
    if (one == other && set->count > 1) { /* the second is drawn among the rest */
        uint64_t seed = ask->draw[1];
        other = (one + 1 + random_below(random_mix(&seed), set->count - 1)) % set->count;
    }
    if (ask->tried_count > 0)
        return pick_again(two, set, ask, (const size_t[]){one, other});
    return better(two, set, one, other);
}

static void finished(void *state, size_t index, const struct sample *sample)
{
    const struct two_choices *two = state;
    if (two->peaks != NULL)
        balance__peaks_add(two->peaks, index, sample);
}

static void tick(void *state, const struct target_set *set, const struct ask *ask)
{
    const struct two_choices *two = state;
    (void)set;
    if (two->peaks != NULL)
        balance__peaks_tick(two->peaks, ask->now_ns);
}

const struct balance_strategy balance_two_choices = {
    .more_bytes = more_bytes,
    .set_changed = set_changed,
    .pick = pick,
    .finished = finished,
    .tick = tick,
};
