/* SPDX-License-Identifier: Apache-2.0 */
/* control/health.c - what workers report of targets; who is passed over, and tried again.
 *
 * A report is one post embedded in the target: if it is under way already only the newest word
 * is kept, which loses nothing, since many workers failing at once say the same. What follows
 * from it is for the breaker room's pure machine (sources.judge) to say. A target is PAUSED (not
 * in the set), then in TRIAL (in the set; a worker claims the one request, path/circuit/trials.h),
 * then UP again or PAUSED for longer.
 *
 * What workers see is made of two things: whether it can be connected to (pause), and its circuit
 * breaker (health/circuit.c). A pause comes first; then an open circuit; the trials of a half-open
 * one stand for the trial of a pause as well. */
#include "control/health/health.h"
#include "control/members.h"

#include "core/units.h"

#include <stdio.h>
#include <string.h>

enum {
    CLAIM_MS_MAX = 10000, /* a trial that nobody spoke of for so long is offered again */
};

/* "200 ms", "30 s": for a sentence. */
static void write_duration(char out[24], uint64_t ns)
{
    if (ns < 10 * NS_PER_S)
        snprintf(out, 24, "%llu ms", (unsigned long long)((ns + NS_PER_MS / 2) / NS_PER_MS));
    else
        snprintf(out, 24, "%llu s", (unsigned long long)((ns + NS_PER_S / 2) / NS_PER_S));
}

/* A pause that follows a trial is no news: it was told when the target failed first. */
static void tell(struct registry_target *rt, enum target_state before, uint64_t pause_ns)
{
    struct registry *registry = rt->registry;
    const char *service = rt->service->service.name;
    const char *reason = atomic_load_explicit(&rt->target.reason, memory_order_relaxed);
    char pause[24];
    if (rt->pause == TARGET_UP && before != TARGET_UP)
        registry__tell(registry, REGISTRY_TELL_CHANGE, "%s: %s is up again", service,
                       rt->target.name);
    if (rt->pause != TARGET_PAUSED || before != TARGET_UP)
        return;
    write_duration(pause, pause_ns);
    registry__tell(registry, REGISTRY_TELL_TROUBLE, "%s: %s is passed over for %s: %s", service,
                   rt->target.name, pause, reason != NULL ? reason : "it cannot be reached");
    registry__tell_if_none(rt->service);
}

static enum target_state state_of(const struct registry_target *rt)
{
    if (rt->pause == TARGET_PAUSED || rt->pause == TARGET_GONE)
        return rt->pause;
    switch (rt->circuit.state) {
    case CIRCUIT_OPEN: return TARGET_OPEN;
    case CIRCUIT_HALF_OPEN: return TARGET_TRIAL;
    case CIRCUIT_CLOSED: break;
    }
    return rt->pause;
}

static uint64_t retry_at(const struct registry_target *rt)
{
    if (rt->state == TARGET_PAUSED)
        return rt->paused_until_ns;
    return rt->state == TARGET_OPEN ? rt->circuit.until_ns : 0;
}

/* The trials come before the state that says that there are some. */
bool registry__settle(struct registry_target *rt)
{
    const enum target_state before = rt->state;
    struct target *target = &rt->target;
    rt->state = state_of(rt);
    atomic_store_explicit(&target->retry_at_ns, retry_at(rt), memory_order_relaxed);
    atomic_store_explicit(&target->state, rt->state, memory_order_release);
    const bool came_up = rt->state == TARGET_UP && before != TARGET_UP;
    if (came_up)
        registry__warm_start(rt);
    return set_takes(before) != set_takes(rt->state) ||
           (came_up && (rt->service->is_panic || rt->service->is_warming));
}

/* The only place where a pause begins or ends. */
static void move_to(struct registry_target *rt, const struct registry_verdict *verdict)
{
    struct target *target = &rt->target;
    const enum target_state before = rt->pause;
    const uint64_t now_ns = rt->registry->sources.loop->now_ns;
    rt->pause = verdict->state;
    rt->claim_seen_ns = 0;
    rt->paused_until_ns = verdict->state == TARGET_PAUSED ? verdict->retry_at_ns : 0;
    atomic_store_explicit(&target->failures_in_a_row, verdict->failures_in_a_row,
                          memory_order_relaxed);
    if (verdict->state == TARGET_UP)
        atomic_store_explicit(&target->reason, NULL, memory_order_relaxed);
    if (rt->circuit.state == CIRCUIT_CLOSED && verdict->state != before)
        trials_open(&target->trials,
                    verdict->state == TARGET_TRIAL ? TRIALS_BY_CONNECT : TRIALS_FREE,
                    verdict->state == TARGET_TRIAL);
    const bool is_other_set = registry__settle(rt);
    registry__stand(rt); /* what is shown of it */
    registry__health_arm(rt);
    tell(rt, before, verdict->retry_at_ns > now_ns ? verdict->retry_at_ns - now_ns : 0);
    if (is_other_set)
        registry__publish(rt->service);
}

void registry__health_try(struct registry_target *rt)
{
    if (rt->service == NULL || rt->pause != TARGET_PAUSED)
        return;
    const struct registry_verdict verdict = {
        .state = TARGET_TRIAL,
        .failures_in_a_row =
            atomic_load_explicit(&rt->target.failures_in_a_row, memory_order_relaxed),
    };
    move_to(rt, &verdict);
}

static void on_retry(struct timer *timer)
{
    registry__health_try(list_item(timer, struct registry_target, retry));
}

void registry__health_arm(struct registry_target *rt)
{
    if (rt->pause == TARGET_PAUSED)
        timer_set(&rt->registry->sources.loop->timers, &rt->retry, rt->paused_until_ns);
    else
        timer_clear(&rt->retry);
}

static void judge(struct registry_target *rt, bool ok)
{
    struct registry *registry = rt->registry;
    const struct registry_sources *sources = &registry->sources;
    const struct registry_case now = {
        .state = rt->pause,
        .retry_at_ns = rt->paused_until_ns,
        .failures_in_a_row =
            atomic_load_explicit(&rt->target.failures_in_a_row, memory_order_relaxed),
        .pause_first_ns = rt->service->pause_first_ns,
        .pause_most_ns = rt->service->pause_most_ns,
        .draw = random_next(&registry->random),
    };
    const struct registry_verdict verdict = sources->judge(&now, ok, sources->loop->now_ns);
    const char *reason = atomic_load_explicit(&rt->report_reason, memory_order_relaxed);
    if (!ok)
        atomic_store_explicit(&rt->target.reason, reason, memory_order_relaxed);
    move_to(rt, &verdict);
}

static void on_report(struct post *post)
{
    struct registry_target *rt = list_item(post, struct registry_target, report);
    /* From here on a worker may report anew; its word then comes by the next post. */
    atomic_store_explicit(&rt->is_reported, false, memory_order_seq_cst);
    const bool ok = atomic_load_explicit(&rt->report_ok, memory_order_seq_cst);
    if (rt->service != NULL && !rt->registry->stopping)
        judge(rt, ok);
    target_unref(&rt->target);
}

void registry__reported(struct service *service, struct target *target, bool ok, const char *reason)
{
    struct registry_target *rt = (struct registry_target *)(void *)target;
    (void)service;
    if (!ok)
        atomic_store_explicit(&rt->report_reason, reason, memory_order_relaxed);
    atomic_store_explicit(&rt->report_ok, ok, memory_order_seq_cst);
    if (atomic_exchange_explicit(&rt->is_reported, true, memory_order_seq_cst))
        return;
    target_ref(target);
    loop_post(rt->registry->sources.loop, &rt->report);
}

/* What is claimed at the object before is lost with it: the trials begin anew. */
static uint32_t trials_of(const struct registry_target *rt)
{
    if (rt->circuit.state == CIRCUIT_HALF_OPEN)
        return rt->circuit.trials;
    return rt->circuit.state == CIRCUIT_CLOSED && rt->pause == TARGET_TRIAL;
}

void registry__health_init(struct registry_target *rt, const struct registry_target *before)
{
    struct target *target = &rt->target;
    timer_init(&rt->retry, on_retry);
    rt->report.call = on_report;
    rt->state = rt->pause = TARGET_UP;
    if (before != NULL) {
        rt->state = before->state;
        rt->pause = before->pause;
        rt->paused_until_ns = before->paused_until_ns;
        rt->circuit = before->circuit;
        target->openings_count = before->target.openings_count;
        trials_open(&target->trials, trials_mode_of(trials_read(&before->target.trials)),
                    trials_of(rt));
        atomic_init(&target->retry_at_ns, atomic_load(&before->target.retry_at_ns));
        atomic_init(&target->failures_in_a_row, atomic_load(&before->target.failures_in_a_row));
        atomic_init(&target->reason, atomic_load(&before->target.reason));
    }
    atomic_init(&target->state, rt->state);
}

static void check_claim(struct registry_target *rt, uint64_t now_ns)
{
    const uint64_t word = trials_read(&rt->target.trials);
    if (rt->pause != TARGET_TRIAL || trials_mode_of(word) != TRIALS_BY_CONNECT ||
        trials_left_of(word) > 0) {
        rt->claim_seen_ns = 0;
    } else if (rt->claim_seen_ns == 0) {
        rt->claim_seen_ns = now_ns;
    } else if (now_ns - rt->claim_seen_ns > CLAIM_MS_MAX * NS_PER_MS) {
        rt->claim_seen_ns = 0;
        trials_open(&rt->target.trials, TRIALS_BY_CONNECT, 1);
    }
}

void registry__health_tick(struct registry_service *service, uint64_t now_ns)
{
    for (size_t i = 0; i < service->targets_count; i++)
        check_claim(service->targets[i], now_ns);
}
