/* SPDX-License-Identifier: Apache-2.0 */
/* balance/strategy/resource.c - by what servers report of themselves; what there is decides how.
 *
 *     probes        16 targets or more that are probed, or 64 that are not: Prequal's hot-cold rule
 *                   over a pool of probes
 *     reports       fewer, or the pool is dry: by what is known of each (of two drawn ones, from 16
 *                   targets on): of those that would be about as quick as the quickest, the one
 *                   with the fewest requests in flight for its weight
 *     utilisation   no requests in flight are reported: two drawn by weights from utilisation
 *     two-choices   too few reports are fresh: a fallback, which is counted and shown
 *
 * Requests in flight are those that others have, which is what the latest report says more than was
 * then in flight from here, and those that are in flight from here at this moment: a report grows
 * old only in what it says of others. How quick: the reported latency, in proportion to how many
 * more there are now. Times within a factor of two are taken for the same, as the mean of few
 * samples is no better; so equal servers get what least-connections would give them, and one that
 * is several times slower gets nothing before the others are half as slow. (Ours; the factor is the
 * best of 1.2, 1.5, 2 and 3 in the simulator. Wydrowski and others, NSDI 2024, 4, weigh latency
 * before requests as well, with thresholds for a pool that knows few.) Who looks slow is not asked,
 * and would look slow for ever: one request in 128 goes anywhere.
 *
 * A target that fails is not believed for up to a second: one that answers errors at once would
 * look idle, and swallow everything. */
#include "balance/strategy/hotcold.h"
#include "balance/strategy/wheel.h"
#include "balance/strategy/yield.h"

#include "core/units.h"

#include <math.h>
#include <stdlib.h>

enum {
    FLEET_PROBED = 16, /* from here on the pool is used; fewer are all known at any time */
    /* The same without probes: then the pool hears only of targets that were just picked, and in a
     * small fleet it would stick to them (docs/simulation.md). */
    FLEET_UNPROBED = 64,
    DISTRUST_MS = 1000,
    ANEW_MS = 10,         /* so often one of a small fleet is probed, at most */
    PICKS_PER_PROBE = 10, /* of a small fleet: a tenth more requests, besides those of the tick */
    EXPLORED_ONE_IN = 128,
    TRIES_MAX = 4, /* draws for a probe of a target that was not drawn for this request yet */
};

/* Times that differ by no more than this factor are taken for the same. */
static const double SAME_TIME = 2.0;
static const double MEAN_PART = 1.0 / 8; /* of the latest in a mean */

struct known {
    struct yield yield;
    uint64_t     rif_at_ns; /* of the latest report of requests in flight; 0: none */
    uint64_t     latency_ns;
    double       mean_latency_ns; /* over the latest reports or so */
    double       mean_rif;        /* the same */
    double       failing;         /* the share of those that fail, of the latest */
    uint64_t     distrusted_ns;   /* it failed; not believed until then */
    uint64_t     asked_ns;        /* when it was last probed */
    uint32_t     rif;             /* reported */
    uint32_t     others;          /* of them, those that are not from here */
    uint32_t     finished_count;  /* since the last update */
    double       own_per_s;       /* finished requests, as seen here */
};

struct resource {
    const struct target_set        *set;
    const struct resource_settings *settings;
    uint32_t                        count;
    struct balance_insight          insight;
    struct hotcold                  pool;
    uint64_t                        updated_ns;
    uint64_t                        probed_ns; /* when probes were last asked for the pool */
    uint64_t                        turn;      /* small fleets are probed in turn */
    uint64_t                        picks_count;
    uint64_t                        seed; /* of draws about probes that came */
    double                          weight_sum;
    struct known                   *known; /* one per target */
    double                         *reach; /* sums of weights up to each target, if weight_sum */
    uint64_t                       *loads; /* room to sort in */
    struct balance_wheel           *wheel; /* by the set's weights */
};

/* --- life ------------------------------------------------------------------------------------- */

/* What stands behind the head, in one block: known, reach, the wheel. */
static void lay(struct resource *r, uint32_t count)
{
    r->count = count;
    r->known = (struct known *)(void *)(r + 1);
    r->reach = (double *)(void *)(r->known + count);
    r->loads = (uint64_t *)(void *)(r->reach + count);
    r->wheel = (struct balance_wheel *)(void *)(r->loads + count);
}

static void keep(struct resource *r, const struct balance_setup *setup)
{
    const struct resource *old = setup->old_state;
    if (old == NULL)
        return;
    r->insight.fallbacks_count = old->insight.fallbacks_count;
    for (uint32_t i = 0; i < r->count; i++) {
        const size_t index = balance_index_of(setup->old_set, setup->set->at[i], i);
        if (index != BALANCE_NONE)
            r->known[i] = old->known[index];
    }
    for (uint32_t i = 0; i < old->pool.count; i++) {
        struct hotcold_probe probe = old->pool.at[i];
        const struct target *target = setup->old_set->at[probe.target];
        const size_t index = balance_index_of(setup->set, target, probe.target);
        probe.target = (uint32_t)index;
        if (index != BALANCE_NONE)
            balance__hotcold_add(&r->pool, &probe, random_mix(&r->seed));
    }
}

static bool is_probed(const struct resource *r)
{
    return r->settings->probe_port != 0;
}

static bool is_pooled(const struct resource *r)
{
    return r->count >= (is_probed(r) ? (uint32_t)FLEET_PROBED : (uint32_t)FLEET_UNPROBED);
}

static void set_changed(void *state, const struct balance_setup *setup)
{
    struct resource *r = state;
    r->set = setup->set;
    r->settings = &setup->settings->resource;
    r->seed = setup->draw;
    lay(r, setup->set->count);
    balance__wheel_fill(r->wheel, setup->set);
    balance__hotcold_init(&r->pool, r->count, r->settings->probes, 1);
    keep(r, setup);
}

/* --- what was learned ------------------------------------------------------------------------- */

/* The longer, the more of the latest have failed: the first costs 16 ms, one that does nothing else
 * a second. A server that now and then turns one away is as good as it was. */
static void count_failed(struct resource *r, uint32_t index, const struct sample *sample)
{
    struct known *known = &r->known[index];
    const bool failed = sample->outcome == BALANCE_FAILED || sample->outcome == BALANCE_ERROR;
    known->failing += ((failed ? 1 : 0) - known->failing) * MEAN_PART;
    if (!failed)
        return;
    const double share = known->failing * known->failing;
    known->distrusted_ns = sample->now_ns + (uint64_t)(share * DISTRUST_MS * (double)NS_PER_MS);
    balance__hotcold_forget(&r->pool, index);
}

static void take_rif(struct resource *r, uint32_t index, const struct sample *sample)
{
    struct known *known = &r->known[index];
    const struct balance_report *report = &sample->report;
    if (report->has & BALANCE_HAS_LATENCY)
        known->latency_ns = report->latency_ns;
    const uint32_t own = atomic_load_explicit(&r->set->at[index]->inflight, memory_order_relaxed);
    known->rif = report->inflight;
    known->others = known->rif > own ? known->rif - own : 0;
    const double part = known->rif_at_ns == 0 ? 1 : MEAN_PART;
    known->mean_latency_ns += ((double)known->latency_ns - known->mean_latency_ns) * part;
    known->mean_rif += (known->rif - known->mean_rif) * part;
    known->rif_at_ns = sample->now_ns;
    if (!is_pooled(r) || sample->now_ns < known->distrusted_ns)
        return;
    const struct hotcold_probe probe = {.target = index,
                                        .rif = known->rif,
                                        .latency_ns = known->latency_ns,
                                        .at_ns = sample->now_ns};
    balance__hotcold_add(&r->pool, &probe, random_mix(&r->seed));
}

static void finished(void *state, size_t index, const struct sample *sample)
{
    struct resource *r = state;
    struct known *known = &r->known[index];
    if (sample->outcome != BALANCE_PROBED) {
        count_failed(r, (uint32_t)index, sample);
        known->finished_count++;
    }
    /* Latency as it is seen from here, until the server says its own. */
    if (sample->latency_ns > 0 && !(sample->report.has & BALANCE_HAS_LATENCY))
        known->latency_ns = known->latency_ns == 0
                                ? sample->latency_ns
                                : (known->latency_ns * 7 + sample->latency_ns) / 8;
    if (sample->report.has & BALANCE_HAS_INFLIGHT)
        take_rif(r, (uint32_t)index, sample);
    balance__yield_take(&known->yield, sample, r->settings->error_penalty, known->own_per_s);
}

/* --- weights from utilisation ----------------------------------------------------------------- */

static void count_own(struct known *known, double passed_s)
{
    const double rate = known->finished_count / passed_s;
    known->own_per_s = known->own_per_s == 0 ? rate : (known->own_per_s + rate) / 2;
    known->finished_count = 0;
}

/* Those that have none get the mean of the others. Fewer than two that have one: nobody has. */
static void weigh(struct resource *r, const struct target_set *set, uint64_t now_ns)
{
    const struct yield_times times = {r->settings->blackout_ns, r->settings->expire_ns};
    double sum = 0;
    uint32_t having = 0;
    for (uint32_t i = 0; i < r->count; i++) {
        r->reach[i] = balance__yield_now(&r->known[i].yield, now_ns, &times);
        sum += r->reach[i];
        having += r->reach[i] > 0;
    }
    r->weight_sum = 0;
    if (having < 2)
        return;
    for (uint32_t i = 0; i < r->count; i++) {
        const double weight = r->reach[i] > 0 ? r->reach[i] : sum / having;
        r->weight_sum += weight * set->at[i]->weight;
        r->reach[i] = r->weight_sum;
    }
}

static void update(struct resource *r, const struct target_set *set, uint64_t now_ns)
{
    const uint64_t passed_ns = now_ns - r->updated_ns;
    if (r->updated_ns != 0 && passed_ns < r->settings->update_ns)
        return;
    for (uint32_t i = 0; i < r->count && r->updated_ns != 0; i++)
        count_own(&r->known[i], (double)passed_ns / (double)NS_PER_S);
    r->updated_ns = now_ns;
    weigh(r, set, now_ns);
}

static double weight_of(const struct resource *r, uint32_t index)
{
    return r->reach[index] - (index > 0 ? r->reach[index - 1] : 0);
}

static uint32_t draw_by_weight(const struct resource *r, uint64_t draw)
{
    const double at = (double)(draw >> 11) * 0x1p-53 * r->weight_sum;
    uint32_t low = 0, high = r->count - 1;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (r->reach[middle] > at)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* As balance_is_better(), with the weights from utilisation. */
static size_t pick_by_weight(struct resource *r, const struct target_set *set,
                             const struct ask *ask)
{
    const uint32_t here = draw_by_weight(r, ask->draw[0]);
    const uint32_t there = draw_by_weight(r, ask->draw[1]);
    const double busy_here = set->at[here]->inflight, busy_there = set->at[there]->inflight + 1.0;
    return busy_there * weight_of(r, here) <= busy_here * weight_of(r, there) ? there : here;
}

/* --- reports of a small fleet ----------------------------------------------------------------- */

static bool is_fresh(const struct resource *r, uint32_t index, uint64_t now_ns)
{
    const struct known *known = &r->known[index];
    return known->rif_at_ns != 0 && now_ns - known->rif_at_ns <= r->settings->age_ns;
}

static bool is_distrusted(const struct resource *r, uint32_t index, uint64_t now_ns)
{
    return now_ns < r->known[index].distrusted_ns;
}

static double load_of(const struct resource *r, uint32_t index)
{
    return (double)r->known[index].others +
           atomic_load_explicit(&r->set->at[index]->inflight, memory_order_relaxed);
}

/* How long the next request would take; 0: nobody knows. */
static double time_of(const struct resource *r, uint32_t index, uint64_t now_ns)
{
    const struct known *known = &r->known[index];
    if (is_distrusted(r, index, now_ns))
        return INFINITY;
    const double more = (load_of(r, index) + 1) / (known->mean_rif + 1);
    return known->mean_latency_ns * (more > 1 ? more : 1);
}

/* Two different ones, drawn by the set's weights. */
static void draw_two(const struct resource *r, const struct ask *ask, uint32_t two[2])
{
    uint64_t seed = ask->draw[1];
    two[0] = balance__wheel_draw(r->wheel, ask->draw[0]);
    two[1] = balance__wheel_draw(r->wheel, ask->draw[1]);
    if (two[0] == two[1] && r->count > 1)
        two[1] = (two[0] + 1 + random_below(random_mix(&seed), r->count - 1)) % r->count;
}

/* Who is compared, in an order that favours nobody; returns how many. */
static uint32_t line_up(const struct resource *r, const struct ask *ask,
                        uint32_t line[FLEET_PROBED])
{
    if (r->count >= FLEET_PROBED) {
        draw_two(r, ask, line);
        return 2;
    }
    const uint32_t first = random_below(ask->draw[0], r->count);
    for (uint32_t i = 0; i < r->count; i++)
        line[i] = (first + i) % r->count;
    return r->count;
}

static size_t pick_by_reports(struct resource *r, const struct ask *ask)
{
    uint32_t line[FLEET_PROBED];
    uint64_t seed = ask->draw[1];
    const uint32_t count = line_up(r, ask, line);
    double least = INFINITY;
    bool is_one_unknown = false;
    for (uint32_t i = 0; i < count; i++) {
        if (!is_fresh(r, line[i], ask->now_ns))
            return BALANCE_NONE;
        const double time = time_of(r, line[i], ask->now_ns);
        is_one_unknown = is_one_unknown || time == 0;
        least = time > 0 && time < least ? time : least;
    }
    if (is_one_unknown && isinf(least))
        least = 0;
    if (random_below(random_mix(&seed), EXPLORED_ONE_IN) == 0) {
        const uint32_t index = balance__wheel_draw(r->wheel, ask->draw[1]);
        if (!is_distrusted(r, index, ask->now_ns))
            return index;
    }
    size_t best = BALANCE_NONE;
    double best_load = INFINITY;
    for (uint32_t i = 0; i < count; i++) {
        const double load = (load_of(r, line[i]) + 1) / r->set->at[line[i]]->weight;
        if (load >= best_load || time_of(r, line[i], ask->now_ns) > least * SAME_TIME)
            continue;
        best = line[i];
        best_load = load;
    }
    return best;
}

static int compare(const void *one, const void *other)
{
    const uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
    return (a > b) - (a < b);
}

/* Prequal's threshold over the latest report of each target: in a small fleet the few probes of the
 * pool are no sample of it. */
static void find_theta(struct resource *r, const struct target_set *set, uint64_t now_ns)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < r->count; i++) {
        if (is_fresh(r, i, now_ns))
            r->loads[count++] = balance__hotcold_load(set, i, r->known[i].rif);
    }
    r->pool.wide_theta = UINT64_MAX;
    if (count < HOTCOLD_LEAST)
        return;
    qsort(r->loads, count, sizeof *r->loads, compare);
    r->pool.wide_theta = r->loads[balance__hotcold_rank(count, r->settings->hot_above)];
}

/* --- picking ---------------------------------------------------------------------------------- */

static size_t pick_plainly(struct resource *r, const struct target_set *set, const struct ask *ask)
{
    uint32_t two[2];
    draw_two(r, ask, two);
    if (ask->tried_count > 0) {
        const size_t one = balance_first_allowed(set, ask, two[0]);
        if (one == BALANCE_NONE)
            return BALANCE_NONE;
        const size_t other = balance_first_allowed(set, ask, two[1]);
        return balance_is_better(set->at[other], set->at[one]) ? other : one;
    }
    return balance_is_better(set->at[two[1]], set->at[two[0]]) ? two[1] : two[0];
}

static size_t note(struct resource *r, enum balance_basis basis, size_t index)
{
    r->insight.basis = basis;
    return index;
}

static size_t pick_informed(struct resource *r, const struct target_set *set, const struct ask *ask)
{
    size_t index;
    if (is_pooled(r)) {
        balance__hotcold_age(&r->pool, ask->now_ns, r->settings->age_ns);
        index = balance__hotcold_pick(&r->pool, set, r->settings->hot_above);
        if (index != BALANCE_NONE)
            return note(r, BALANCE_BY_PROBES, index);
    }
    index = pick_by_reports(r, ask);
    if (index != BALANCE_NONE)
        return note(r, BALANCE_BY_REPORTS, index);
    if (r->weight_sum > 0)
        return note(r, BALANCE_BY_UTILISATION, pick_by_weight(r, set, ask));
    r->insight.fallbacks_count++;
    return note(r, BALANCE_BY_FALLBACK, pick_plainly(r, set, ask));
}

/* So many different ones, drawn uniformly. */
static void ask_for_probes(struct resource *r, const struct ask *ask, uint32_t most)
{
    r->probed_ns = ask->now_ns;
    struct balance_probes *probes = ask->probes;
    uint64_t seed = ask->draw[0] ^ ask->draw[1];
    for (uint32_t tries = 0; probes->count < most && tries < most * TRIES_MAX; tries++) {
        const uint32_t index = random_below(random_mix(&seed), r->count);
        bool is_there = false;
        for (uint32_t i = 0; i < probes->count; i++)
            is_there = is_there || probes->at[i] == index;
        if (!is_there)
            probes->at[probes->count++] = index;
    }
}

/* Of a small fleet: if what is known of it is not quite new. */
static void ask_anew(struct resource *r, const struct ask *ask, uint32_t index)
{
    struct known *known = &r->known[index];
    if (ask->probes->count == BALANCE_PROBES_MAX ||
        ask->now_ns - known->asked_ns < ANEW_MS * NS_PER_MS)
        return;
    known->asked_ns = ask->now_ns;
    ask->probes->at[ask->probes->count++] = index;
}

static void ask_around(struct resource *r, const struct ask *ask)
{
    if (ask->probes == NULL || ask->tried_count > 0)
        return;
    if (is_pooled(r))
        ask_for_probes(r, ask, r->settings->probes);
    else if (is_probed(r) && ++r->picks_count % PICKS_PER_PROBE == 0)
        ask_anew(r, ask, (uint32_t)(r->turn++ % r->count));
}

static size_t pick(void *state, const struct target_set *set, const struct ask *ask)
{
    struct resource *r = state;
    ask_around(r, ask);
    /* What was tried is not to be picked again, whoever looks best. */
    return ask->tried_count > 0 ? pick_plainly(r, set, ask) : pick_informed(r, set, ask);
}

static void tick(void *state, const struct target_set *set, const struct ask *ask)
{
    struct resource *r = state;
    update(r, set, ask->now_ns);
    if (is_pooled(r))
        find_theta(r, set, ask->now_ns);
    if (ask->probes == NULL || !is_probed(r))
        return;
    if (is_pooled(r)) {
        /* Requests ask for more than enough. Without them: what a pick needs, always. */
        if (r->probed_ns != 0 && ask->now_ns - r->probed_ns >= r->settings->age_ns / 2)
            ask_for_probes(r, ask, HOTCOLD_LEAST);
        return;
    }
    for (uint32_t i = 0; i < r->count; i++)
        ask_anew(r, ask, (uint32_t)(r->turn++ % r->count));
}

static void show(const void *state, struct balance_insight *insight)
{
    const struct resource *r = state;
    *insight = r->insight;
    insight->pool_size = r->pool.count;
    insight->theta = r->pool.theta;
}

const struct balance_strategy balance_resource = {
    .state_bytes = sizeof(struct resource) + sizeof(struct balance_wheel),
    .target_bytes =
        sizeof(struct known) + sizeof(double) + sizeof(uint64_t) + sizeof(struct balance_place),
    .has_probes = true,
    .has_reports = true,
    .set_changed = set_changed,
    .pick = pick,
    .finished = finished,
    .tick = tick,
    .show = show,
};
