/* SPDX-License-Identifier: Apache-2.0 */
/* balance/balance_stage.c - picking and counting. */
#include "balance/balance_stage.h"

#include "balance/report.h"
#include "core/mem.h"
#include "core/units.h"
#include "loop/loop.h"

#include <assert.h>
#include <stdlib.h>

enum { IDLE_PROBED_S = 60 /* so long after the last request are probes still sent */ };

struct attempt {
    struct frame          frame; /* first */
    struct balance_stage *stage;
    struct target        *target;
    size_t                index;  /* of the target in the set that it was picked from */
    struct balance_report report; /* that the answer brought */
};

/* For a view to which nothing was published yet. */
static const struct target_set empty_set;

static bool is_stateless(const struct balance_stage *stage)
{
    return balance_state_bytes(stage->strategy, stage->set->count) == 0;
}

static struct target_row *row_of(const struct attempt *attempt)
{
    return &attempt->target->rows[attempt->stage->worker->index];
}

/* --- counting --------------------------------------------------------------------------------- */

/* Says something about the target, and not about this node, the client, or the gate. */
static bool is_targets_failure(enum err_kind kind)
{
    switch (kind) {
    case ERR_CONNECT_REFUSED:
    case ERR_CONNECT_TIMEOUT:
    case ERR_CONNECT_FAILED:
    case ERR_TARGET_CLOSED:
    case ERR_TARGET_STALE:
    case ERR_TARGET_NOT_SENT:
    case ERR_TARGET_TIMEOUT:
    case ERR_TARGET_UNREACHABLE:
    case ERR_TARGET_NONSENSE:
    case ERR_TARGET_INCOMPLETE: return true;
    default: return false;
    }
}

/* It never came to the target: the gate or the engine had no way there. */
static bool is_not_given(enum err_kind kind)
{
    return kind == ERR_NO_TARGET || kind == ERR_LIMIT || kind == ERR_MEMORY;
}

/* Control looks at what was counted every 100 ms; a run of bad outcomes cannot wait so long. */
static void judge(const struct attempt *attempt, enum target_outcome outcome)
{
    struct service *service = attempt->stage->service;
    struct target_row *row = row_of(attempt);
    row_judge(row, outcome);
    if (outcome == TARGET_OUTCOME_GOOD || service->troubled == NULL)
        return;
    if (outcome == TARGET_OUTCOME_SILENT) {
        service->troubled(service);
        return;
    }
    const uint32_t after = atomic_load_explicit(&service->look_after, memory_order_relaxed);
    const uint64_t run =
        atomic_load_explicit(&row->faults_in_a_row[TARGET_FAULT_ERROR], memory_order_relaxed);
    if (after != 0 && run % after == 0)
        service->troubled(service);
}

/* A server that defends itself is well: 429, and 503 that says when to come again. */
static enum balance_outcome outcome_of(const struct http_head *head)
{
    const unsigned status = head->status;
    if (status == 429 || (status == 503 && http_head_has(head, HTTP_FIELD_RETRY_AFTER)))
        return BALANCE_BUSY;
    return status < 500 ? BALANCE_ANSWERED : BALANCE_ERROR;
}

static void judge_answer(const struct attempt *attempt, const struct http_head *head)
{
    const unsigned status = head->status;
    const enum balance_outcome outcome = outcome_of(head);
    atomic_store_explicit(&row_of(attempt)->answered_ns, *attempt->stage->worker->now_ns,
                          memory_order_relaxed);
    if (outcome == BALANCE_BUSY)
        row_add(&row_of(attempt)->backpressure_count, 1);
    else if (outcome == BALANCE_ANSWERED)
        judge(attempt, TARGET_OUTCOME_GOOD);
    else
        judge(attempt,
              status >= 502 && status <= 504 ? TARGET_OUTCOME_GATEWAY : TARGET_OUTCOME_ERROR);
}

/* Has it answered nobody in the second half of the time for which the request waited? One that is
 * asked for something slow has. In the first half it may have been well: the requests that were on
 * their way when it stopped tell the soonest, and some strategies give it hardly any others. */
static bool is_silent(const struct attempt *attempt, const struct op *op)
{
    const struct target *target = attempt->target;
    const uint64_t now_ns = *attempt->stage->worker->now_ns;
    const uint64_t since_ns = op->sent_ns + (now_ns - op->sent_ns) / 2;
    for (unsigned i = 0; i < target->workers_count; i++)
        if (atomic_load_explicit(&target->rows[i].answered_ns, memory_order_relaxed) >= since_ns)
            return false;
    return op->sent_ns != 0;
}

/* Connects are the gate's to judge, and a kept connection that is dead says nothing. */
static void judge_failure(const struct attempt *attempt, const struct op *op, enum err_kind kind)
{
    if (kind == ERR_TARGET_TIMEOUT && is_silent(attempt, op))
        judge(attempt, TARGET_OUTCOME_SILENT);
    else if (kind == ERR_TARGET_CLOSED || kind == ERR_TARGET_TIMEOUT ||
             kind == ERR_TARGET_NONSENSE || kind == ERR_TARGET_INCOMPLETE)
        judge(attempt, TARGET_OUTCOME_LOCAL);
}

static void count_answer(const struct attempt *attempt, const struct op *op)
{
    struct target_row *row = row_of(attempt);
    const unsigned class = op->answer.head.status / 100u;
    judge_answer(attempt, &op->answer.head);
    row_add(&row->statuses_count[class < 6 ? class : 0], 1);
    if (op->sent_ns != 0 && op->answered_ns >= op->sent_ns)
        histogram_record(&row->latency_us, (op->answered_ns - op->sent_ns) / NS_PER_US);
}

static void answered(struct frame *self, struct op *op)
{
    struct attempt *attempt = (struct attempt *)(void *)self;
    struct target_row *row = row_of(attempt);
    const enum err_kind kind = op->answer.error;
    if (!is_not_given(kind))
        row_add(&row->requests_count, 1);
    if (kind == ERR_NONE)
        count_answer(attempt, op);
    else if (is_targets_failure(kind))
        row_add(&row->failures_count, 1);
    judge_failure(attempt, op, kind);
    if (kind == ERR_NONE && attempt->stage->strategy->has_reports)
        balance__report_take(&attempt->report, &op->answer.head,
                             attempt->stage->options.settings->resource.keeps_field);
    op_answer_above(self, op);
}

/* To the strategy, if its state knows the target. */
static void tell(const struct balance_stage *stage, const struct target *target, size_t hint,
                 const struct sample *sample)
{
    const size_t index = balance_index_of(stage->set, target, hint);
    if (index != BALANCE_NONE && (stage->state != NULL || is_stateless(stage)))
        stage->strategy->finished(stage->state, index, sample);
}

/* @is_late: the answer broke off, and the target is to blame. */
static void tell_attempt(const struct attempt *attempt, const struct op *op, bool is_late)
{
    const enum err_kind kind = op->answer.error;
    const bool is_timed = kind == ERR_NONE && op->sent_ns != 0 && op->answered_ns >= op->sent_ns;
    struct sample sample = {
        .now_ns = *attempt->stage->worker->now_ns,
        .latency_ns = is_timed ? op->answered_ns - op->sent_ns : 0,
        .outcome = kind == ERR_NONE ? outcome_of(&op->answer.head) : BALANCE_UNTOLD,
    };
    sample.report = attempt->report;
    if (is_late || is_targets_failure(kind))
        sample.outcome = BALANCE_FAILED;
    if (!is_not_given(kind))
        tell(attempt->stage, attempt->target, attempt->index, &sample);
}

static void finished(struct frame *self, struct op *op, enum outcome outcome)
{
    const struct attempt *attempt = (struct attempt *)(void *)self;
    const enum err_kind broke_off = (enum err_kind)op->answer_body.error;
    const bool late = op->answer.error == ERR_NONE && is_targets_failure(broke_off);
    if (late)
        row_add(&row_of(attempt)->failures_count, 1);
    if (late)
        judge_failure(attempt, op, broke_off);
    if (attempt->stage->strategy->finished != NULL)
        tell_attempt(attempt, op, late);
    /* Released: who reads 0 and frees the target also sees what was counted. */
    atomic_fetch_sub_explicit(&attempt->target->inflight, 1, memory_order_release);
    op_finish(op, outcome);
}

/* --- picking ---------------------------------------------------------------------------------- */

static void send_probes(struct balance_stage *stage, const struct balance_probes *probes)
{
    struct balance_prober *prober = stage->options.prober;
    for (uint32_t i = 0; i < probes->count; i++)
        prober->send(prober, stage, stage->set->at[probes->at[i]]);
}

static struct ask ask_of(struct balance_stage *stage)
{
    return (struct ask){
        .now_ns = *stage->worker->now_ns,
        .draw = {random_next(&stage->worker->random), random_next(&stage->worker->random)},
    };
}

static size_t pick_with(struct balance_stage *stage, struct ask *ask)
{
    const size_t index = stage->strategy->pick(stage->state, stage->set, ask);
    if (index != BALANCE_NONE || !ask->only_up)
        return index;
    ask->only_up = false; /* perhaps one of the others is in TRIAL, and its trial is free */
    return stage->strategy->pick(stage->state, stage->set, ask);
}

static bool wants_probes(const struct balance_stage *stage)
{
    return stage->strategy->has_probes && stage->options.prober != NULL;
}

/* Where the op's client is; counted once for each op. */
static const struct geo_place *find_place(struct balance_stage *stage, const struct op *op,
                                          struct geo_place *place)
{
    struct service_row *row = &stage->service->rows[stage->worker->index];
    const bool is_found = client_place_find(stage->options.places, op->request, place);
    if (op->tried_count == 0)
        row_add(is_found ? &row->geo_found_count : &row->geo_unknown_count, 1);
    return place;
}

static size_t pick(struct balance_stage *stage, const struct op *op)
{
    struct balance_probes probes;
    struct geo_place place;
    struct ask ask = ask_of(stage);
    ask.tried = op->tried;
    ask.tried_count = op->tried_count;
    ask.only_up = op->tried_count > 0;
    if (stage->strategy->by_key)
        ask.key_hash = client_key_route(&stage->key_rule, op->request);
    if (stage->options.places != NULL)
        ask.place = find_place(stage, op, &place);
    if (stage->set->count == 0)
        return BALANCE_NONE;
    if (!wants_probes(stage))
        return pick_with(stage, &ask);
    probes.count = 0;
    ask.probes = &probes;
    const size_t index = pick_with(stage, &ask);
    send_probes(stage, &probes);
    return index;
}

/* --- who has a target ------------------------------------------------------------------------- */

static int by_identity(const void *a, const void *b)
{
    const uint64_t one = ((const struct balance_member *)a)->identity;
    const uint64_t other = ((const struct balance_member *)b)->identity;
    return one < other ? -1 : one > other;
}

/* Without memory for it, clients are treated as new ones until the next set. */
static void fill_members(struct balance_stage *stage)
{
    const struct target_set *set = stage->set;
    const uint32_t count = set->count + set->draining;
    mem_free(stage->members);
    stage->members = NULL;
    if (!stage->options.is_sticky || count == 0)
        return;
    stage->members = mem_alloc(count * sizeof stage->members[0]);
    if (stage->members == NULL)
        return;
    for (uint32_t i = 0; i < count; i++)
        stage->members[i] = (struct balance_member){set->at[i]->identity, i};
    qsort(stage->members, count, sizeof stage->members[0], by_identity);
}

/* Where the target that the op ought to go to is, also among those that drain; or BALANCE_NONE. */
static size_t find_own(const struct balance_stage *stage, const struct op *op)
{
    const struct balance_member wanted = {.identity = op->sticky};
    if (op->sticky == 0 || stage->members == NULL)
        return BALANCE_NONE;
    const struct balance_member *found =
        bsearch(&wanted, stage->members, stage->set->count + stage->set->draining, sizeof wanted,
                by_identity);
    if (found == NULL)
        return BALANCE_NONE;
    for (unsigned i = 0; i < op->tried_count; i++)
        if (op->tried[i] == stage->set->at[found->index])
            return BALANCE_NONE;
    return found->index;
}

static const char *why_none(const struct balance_stage *stage, const struct op *op)
{
    if (stage->set->count == 0)
        return "no target of the service takes requests: all are paused, or none is known";
    return op->tried_count > 0 ? "no target of the service is left to try" : NULL;
}

/* Where all are out: until the first is tried again; 0 is not said. */
static uint32_t retry_after_s(const struct balance_stage *stage)
{
    const uint64_t back_at_ns = stage->set->back_at_ns, now_ns = *stage->worker->now_ns;
    if (stage->set->count > 0 || back_at_ns == 0)
        return 0;
    return back_at_ns <= now_ns ? 1 : (uint32_t)seconds_up(back_at_ns - now_ns);
}

/* The memory for the new set's state, filled. False: there was none. */
static bool fill_state(struct balance_stage *stage, const void *old_state,
                       const struct target_set *old_set)
{
    const struct balance_strategy *strategy = stage->strategy;
    if (is_stateless(stage))
        return true;
    stage->state = mem_alloc(balance_state_bytes(strategy, stage->set->count));
    if (stage->state == NULL)
        return false;
    const struct balance_setup setup = {
        .set = stage->set,
        .settings = stage->options.settings,
        .zone = stage->options.zone,
        .home = stage->options.home,
        .now_ns = *stage->worker->now_ns,
        .draw = random_next(&stage->worker->random),
        .old_state = old_state,
        .old_set = old_state != NULL ? old_set : NULL,
    };
    strategy->set_changed(stage->state, &setup);
    return true;
}

static bool has_state(struct balance_stage *stage)
{
    return __builtin_expect(stage->state != NULL, 1) || fill_state(stage, NULL, NULL);
}

static void publish(_Atomic uint64_t *at, uint64_t value)
{
    atomic_store_explicit(at, value, memory_order_relaxed);
}

/* What people may see of the strategy. */
static void show(struct balance_stage *stage)
{
    struct service_row *row = &stage->service->rows[stage->worker->index];
    struct balance_insight insight;
    stage->strategy->show(stage->state, &insight);
    publish(&row->balance_basis, insight.basis);
    publish(&row->balance_pool, insight.pool_size);
    publish(&row->balance_theta, insight.theta);
    if (insight.fallbacks_count > stage->fallbacks_count)
        row_add(&row->balance_fallbacks_count, insight.fallbacks_count - stage->fallbacks_count);
    stage->fallbacks_count = insight.fallbacks_count;
}

static void tick(struct balance_stage *stage)
{
    struct balance_probes probes = {.count = 0};
    struct ask ask = ask_of(stage);
    stage->tick_at_ns = ask.now_ns + BALANCE_TICK_MS * NS_PER_MS;
    ask.probes = wants_probes(stage) ? &probes : NULL;
    stage->strategy->tick(stage->state, stage->set, &ask);
    send_probes(stage, &probes);
    if (stage->strategy->show != NULL)
        show(stage);
    if (wants_probes(stage))
        timer_set(&stage->worker->loop->timers, &stage->idle,
                  ask.now_ns + stage->options.settings->resource.age_ns / 2);
}

static bool can_tick(const struct balance_stage *stage)
{
    return stage->strategy->tick != NULL && stage->set->count > 0 &&
           (stage->state != NULL || is_stateless(stage));
}

static void tick_if_due(struct balance_stage *stage)
{
    const uint64_t now_ns = *stage->worker->now_ns;
    if (now_ns < stage->tick_at_ns || !can_tick(stage))
        return;
    stage->used_ns = now_ns;
    tick(stage);
}

/* So that the next request finds fresh reports. Not for ever: the stage may be that of a
 * configuration which is kept only by what it began. */
static void on_idle(struct timer *timer)
{
    struct balance_stage *stage = list_item(timer, struct balance_stage, idle);
    if (*stage->worker->now_ns - stage->used_ns <= IDLE_PROBED_S * NS_PER_S && can_tick(stage))
        tick(stage);
}

static void give(struct balance_stage *stage, struct op *op, size_t index)
{
    struct target *target = stage->set->at[index];
    struct attempt *attempt = arena_take(&op->arena, sizeof *attempt);
    if (attempt == NULL) {
        op->target = NULL;
        op_refuse(op, ERR_MEMORY, NULL);
        return;
    }
    *attempt = (struct attempt){
        .frame = {.answered = answered, .finished = finished},
        .stage = stage,
        .target = target,
        .index = index,
    };
    op_hold_target(op, target);
    atomic_fetch_add_explicit(&target->inflight, 1, memory_order_relaxed);
    op_push(op, &attempt->frame);
    stage_submit(stage->stage.below, op);
}

static void submit(struct stage *self, struct op *op)
{
    struct balance_stage *stage = (struct balance_stage *)(void *)self;
    if (!has_state(stage)) {
        op->target = NULL;
        op_refuse(op, ERR_MEMORY, NULL);
        return;
    }
    tick_if_due(stage);
    size_t index = find_own(stage, op);
    if (index == BALANCE_NONE)
        index = pick(stage, op);
    if (index == BALANCE_NONE) {
        op->target = NULL;
        op->answer.retry_after_s = retry_after_s(stage);
        op_refuse(op, ERR_NO_TARGET, why_none(stage, op));
        return;
    }
    give(stage, op, index);
}

/* --- life ------------------------------------------------------------------------------------- */

/* The view's set; NULL: none was published yet. False: no memory for its state. */
static bool take_set(struct balance_stage *stage, const struct target_set *set)
{
    void *old_state = stage->state;
    const struct target_set *old_set = stage->set;
    stage->state = NULL;
    stage->set = set != NULL ? set : &empty_set;
    fill_members(stage);
    const bool ok = fill_state(stage, old_state, old_set);
    mem_free(old_state);
    return ok;
}

/* The old set is still there. Without memory for the new one's state the next submit asks again. */
static void set_changed(struct service_listener *listener, const struct target_set *set)
{
    (void)take_set(list_item(listener, struct balance_stage, listener), set);
}

static const struct stage_kind kind = {.name = "balance", .submit = submit};

bool balance_stage_init(struct balance_stage *stage, struct worker *worker, struct service *service,
                        const struct balance_stage_options *options, struct stage *below)
{
    struct service_view *view = &service->views[worker->index];
    *stage = (struct balance_stage){
        .stage = {.kind = &kind, .below = below},
        .worker = worker,
        .service = service,
        .listener = {.changed = set_changed},
        .strategy = balance_at(options->settings->strategy),
        .options = *options,
    };
    timer_init(&stage->idle, on_idle);
    const bool is_rule = !stage->strategy->by_key ||
                         client_key_read_route(options->settings->hash.key, &stage->key_rule);
    assert(is_rule); /* the settings were checked */
    (void)is_rule;
    if (!take_set(stage, view->set)) {
        mem_free(stage->members);
        *stage = (struct balance_stage){0};
        return false;
    }
    list_add_last(&view->listeners, &stage->listener.link);
    return true;
}

void balance_stage_probed(struct balance_stage *stage, const struct target *target,
                          const struct balance_report *report)
{
    const struct sample sample = {
        .now_ns = *stage->worker->now_ns, .outcome = BALANCE_PROBED, .report = *report};
    if (stage->strategy->finished != NULL)
        tell(stage, target, 0, &sample);
}

void balance_stage_fini(struct balance_stage *stage)
{
    if (stage->strategy == NULL)
        return;
    list_remove(&stage->listener.link);
    timer_clear(&stage->idle);
    mem_free(stage->members);
    mem_free(stage->state);
}
