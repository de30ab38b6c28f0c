/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/concurrency/permits.c - one number for all workers, and who is handed the next permit.
 *
 * Happy path: enter() is a load and a compare-and-swap, release() two loads and a subtraction; the
 * sample adds to counters of the worker's own.
 *
 * Each worker publishes one word, `next`: the priority of its next waiter above the time since when
 * it waits. The least word of all workers is who is next. Sequentially consistent operations on
 * `next`, `waiting_count` and `inflight` make that of a waiter that comes and a permit that is
 * given back at the same moment, one sees the other. */
#include "breaker/concurrency/permits.h"

#include "core/mem.h"
#include "core/units.h"
#include "loop/loop.h"
#include "path/worker.h"

#include <assert.h>

enum {
    PRIORITY_SHIFT = 60, /* of the time below it: 36 years since the machine started */
    HAND_OVERS_MAX = 4,  /* rounds of a release that finds waiters who are just leaving */
    OWN_SLACK_US = 2000, /* so much longer another worker's waiter must have waited: a message
                             costs more than a call */
};

#define NOBODY    UINT64_MAX
#define NO_CAP    UINT32_MAX
#define SMOOTHING 0.2 /* of the service time */

struct permits_worker {
    struct permits *permits;
    struct worker  *worker;
    struct room     room;
    uint32_t        owed_count; /* permits that are ours and not handed out yet */
    bool            is_serving; /* further up on the stack */
    /* What others see and do. */
    struct post      post;
    _Atomic bool     posted;
    _Atomic uint64_t next;                      /* NOBODY, or see above */
    _Atomic uint32_t waiting[PRIORITIES_COUNT]; /* written by this worker */
    _Atomic uint32_t granted_count;             /* permits passed to this worker, not taken yet */
    _Atomic uint32_t sheds[PRIORITIES_COUNT];   /* places wanted by one of that priority */
    char             apart[64];
    /* The window: counts since ever, written by this worker. */
    _Atomic uint64_t samples_count, busy_count, dropped_count, latency_sum_ns;
};

struct permits {
    struct kept      kept;        /* first */
    _Atomic uint32_t users_count; /* messages under way, and one while it is kept */
    /* Control's own. */
    struct permits_rule rule;
    struct limit_state  state;
    struct limit_window seen; /* sums at the last step */
    /* Everybody's. */
    char                             apart[64];
    _Atomic uint32_t                 limit;
    _Atomic uint32_t                 cap;
    _Atomic uint64_t                 backed_off_ns;
    _Atomic uint64_t                 service_ns;
    _Atomic uint32_t                 choice;      /* enum limit_choice */
    _Atomic uint32_t                 workers_top; /* one more than the highest index that joined */
    char                             apart_too[64];
    _Atomic uint32_t                 inflight;
    _Atomic uint32_t                 waiting_count; /* places taken in all rooms */
    char                             apart_again[64];
    _Atomic(struct permits_worker *) workers[WORKERS_ALL_MAX];
};

/* --- life ------------------------------------------------------------------------------------- */

/* One user less; the last one frees it. A message may still be on its way when no path names the
 * service any more. */
static void let_go(struct permits *permits)
{
    if (atomic_fetch_sub(&permits->users_count, 1) != 1)
        return;
    for (int i = 0; i < WORKERS_ALL_MAX; i++) {
        struct permits_worker *worker = atomic_load(&permits->workers[i]);
        if (worker != NULL)
            room_fini(&worker->room);
        mem_free(worker);
    }
    mem_free(permits);
}

static void drop(struct kept *kept)
{
    let_go((struct permits *)(void *)kept);
}

static void take_rule(struct permits *permits, const struct permits_rule *rule)
{
    if (rule->choice == LIMIT_NONE) {
        permits->state = (struct limit_state){.limit = NO_CAP};
    } else if (rule->choice != permits->rule.choice || rule->choice == LIMIT_fixed) {
        permits->state = limit_start(&rule->bounds);
    } else {
        permits->state.limit = limit_within(permits->state.limit, &rule->bounds);
    }
    permits->rule = *rule;
    atomic_store(&permits->choice, rule->choice);
    atomic_store(&permits->cap, NO_CAP); /* workers say it anew */
    atomic_store(&permits->limit, (uint32_t)permits->state.limit);
}

struct permits *permits_get(struct keep *keep, const char *name, const struct permits_rule *rule)
{
    struct permits *permits = (struct permits *)(void *)keep_find(keep, name);
    if (permits == NULL) {
        permits = mem_alloc(sizeof *permits);
        if (permits == NULL)
            return NULL;
        atomic_init(&permits->users_count, 1);
        keep_add(keep, &permits->kept, name, drop);
    }
    take_rule(permits, rule);
    return permits;
}

void permits_give(struct permits *permits)
{
    kept_unref(permits != NULL ? &permits->kept : NULL);
}

static void told(struct post *post);

struct permits_worker *permits_join(struct permits *permits, struct worker *worker)
{
    struct permits_worker *joined = atomic_load(&permits->workers[worker->index]);
    if (joined != NULL)
        return joined;
    joined = mem_alloc(sizeof *joined);
    if (joined == NULL)
        return NULL;
    joined->permits = permits;
    joined->worker = worker;
    joined->post.call = told;
    room_init(&joined->room);
    atomic_init(&joined->next, NOBODY);
    atomic_store(&permits->workers[worker->index], joined);
    uint32_t top = atomic_load(&permits->workers_top);
    while (top <= worker->index &&
           !atomic_compare_exchange_weak(&permits->workers_top, &top, worker->index + 1))
        ;
    return joined;
}

/* --- the number ------------------------------------------------------------------------------- */

static uint32_t bound_of(const struct permits *permits)
{
    const uint32_t limit = atomic_load_explicit(&permits->limit, memory_order_relaxed);
    const uint32_t cap = atomic_load_explicit(&permits->cap, memory_order_relaxed);
    return limit < cap ? limit : cap;
}

void permits_cap(struct permits_worker *worker, uint32_t most)
{
    struct permits *permits = worker->permits;
    if (atomic_load_explicit(&permits->cap, memory_order_relaxed) != most)
        atomic_store_explicit(&permits->cap, most, memory_order_relaxed);
}

static bool claim(struct permits *permits)
{
    const uint32_t bound = bound_of(permits);
    uint32_t inflight = atomic_load(&permits->inflight);
    while (inflight < bound)
        if (atomic_compare_exchange_weak(&permits->inflight, &inflight, inflight + 1))
            return true;
    return false;
}

static void unclaim(struct permits *permits)
{
    const uint32_t before = atomic_fetch_sub(&permits->inflight, 1);
    assert(before > 0);
}

/* The limit has fallen: this permit is one too many. */
static bool unclaim_if_over(struct permits *permits)
{
    const uint32_t bound = bound_of(permits);
    uint32_t inflight = atomic_load(&permits->inflight);
    while (inflight > bound)
        if (atomic_compare_exchange_weak(&permits->inflight, &inflight, inflight - 1))
            return true;
    return false;
}

bool permits_enter(struct permits_worker *worker)
{
    return atomic_load_explicit(&worker->permits->waiting_count, memory_order_relaxed) == 0 &&
           claim(worker->permits);
}

/* --- who is next ------------------------------------------------------------------------------ */

static void publish(struct permits_worker *worker)
{
    const struct room_waiter *next = room_next(&worker->room);
    for (int p = 0; p < PRIORITIES_COUNT; p++)
        atomic_store_explicit(&worker->waiting[p], worker->room.counts[p], memory_order_relaxed);
    atomic_store(&worker->next,
                 next == NULL ? NOBODY
                              : ((uint64_t)next->priority << PRIORITY_SHIFT) | next->since_ns);
}

static uint32_t waiting_of(const struct permits_worker *worker)
{
    uint32_t count = 0;
    for (int p = 0; p < PRIORITIES_COUNT; p++)
        count += atomic_load_explicit(&worker->waiting[p], memory_order_relaxed);
    return count;
}

/* The worker whose next waiter is next of all, or NULL. @own may be NULL. */
static struct permits_worker *find_next(struct permits *permits, struct permits_worker *own)
{
    struct permits_worker *best = NULL;
    uint64_t best_word = NOBODY;
    if (atomic_load(&permits->waiting_count) == 0)
        return NULL;
    const uint32_t top = atomic_load_explicit(&permits->workers_top, memory_order_acquire);
    for (uint32_t i = 0; i < top; i++) {
        struct permits_worker *worker = atomic_load(&permits->workers[i]);
        uint64_t word = worker == NULL ? NOBODY : atomic_load(&worker->next);
        if (word == NOBODY ||
            (worker != own && atomic_load(&worker->granted_count) >= waiting_of(worker)))
            continue;
        if (worker == own && (word & ((1ull << PRIORITY_SHIFT) - 1)) > OWN_SLACK_US * NS_PER_US)
            word -= OWN_SLACK_US * NS_PER_US;
        if (word < best_word) {
            best_word = word;
            best = worker;
        }
    }
    return best;
}

/* --- passing on ------------------------------------------------------------------------------- */

static void wake(struct permits_worker *worker)
{
    if (atomic_exchange(&worker->posted, true))
        return;
    atomic_fetch_add(&worker->permits->users_count, 1); /* told() lets go */
    loop_post(worker->worker->loop, &worker->post);
}

static void grant(struct permits_worker *to)
{
    atomic_fetch_add(&to->granted_count, 1);
    wake(to);
}

static void serve(struct permits_worker *worker);

/* The caller's permit goes to whoever is next, or becomes free. */
static void pass_on(struct permits *permits, struct permits_worker *own)
{
    for (int i = 0; i < HAND_OVERS_MAX && !unclaim_if_over(permits); i++) {
        struct permits_worker *next = find_next(permits, own);
        if (next != NULL && next == own) {
            own->owed_count++;
            return;
        }
        if (next != NULL) {
            grant(next);
            return;
        }
        unclaim(permits);
        if (find_next(permits, own) == NULL || !claim(permits))
            return;
        if (i + 1 == HAND_OVERS_MAX)
            unclaim(permits);
    }
}

static void take_out(struct permits_worker *worker, struct room_waiter *waiter)
{
    room_remove(&worker->room, waiter);
    publish(worker);
    atomic_fetch_sub(&worker->permits->waiting_count, 1);
}

/* Hands out what is owed. Whoever is admitted may fail at once and give its permit back, so this is
 * a loop and never nested. */
static void serve(struct permits_worker *worker)
{
    if (worker->is_serving)
        return;
    worker->is_serving = true;
    while (worker->owed_count > 0) {
        worker->owed_count--;
        struct room_waiter *next = room_take(&worker->room);
        if (next == NULL) {
            pass_on(worker->permits, worker);
            continue;
        }
        publish(worker);
        atomic_fetch_sub(&worker->permits->waiting_count, 1);
        struct permits_waiter *admitted = (struct permits_waiter *)(void *)next;
        admitted->admitted(admitted);
    }
    worker->is_serving = false;
}

void permits_release(struct permits_worker *worker)
{
    pass_on(worker->permits, worker);
    serve(worker);
}

void permits_return(struct permits_worker *worker)
{
    unclaim(worker->permits);
}

/* --- waiting ---------------------------------------------------------------------------------- */

static bool take_place(struct permits *permits, uint32_t most)
{
    uint32_t count = atomic_load(&permits->waiting_count);
    while (count < most)
        if (atomic_compare_exchange_weak(&permits->waiting_count, &count, count + 1))
            return true;
    return false;
}

/* Asks another worker to shed one of a lower priority than @priority. False: there is none. */
static bool ask_to_shed(struct permits *permits, enum priority priority)
{
    const uint32_t top = atomic_load_explicit(&permits->workers_top, memory_order_acquire);
    for (int lowest = PRIORITIES_COUNT - 1; lowest > (int)priority; lowest--) {
        for (uint32_t i = 0; i < top; i++) {
            struct permits_worker *worker = atomic_load(&permits->workers[i]);
            uint32_t asked = 0;
            for (int p = 0; worker != NULL && p < PRIORITIES_COUNT; p++)
                asked += atomic_load_explicit(&worker->sheds[p], memory_order_relaxed);
            if (worker == NULL ||
                atomic_load_explicit(&worker->waiting[lowest], memory_order_relaxed) <= asked)
                continue;
            atomic_fetch_add(&worker->sheds[priority], 1);
            wake(worker);
            return true;
        }
    }
    return false;
}

static void shed(struct permits_worker *worker, struct room_waiter *worst)
{
    struct permits_waiter *refused = (struct permits_waiter *)(void *)worst;
    take_out(worker, worst);
    refused->refused(refused);
}

/* What others asked for. */
static void shed_for_others(struct permits_worker *worker)
{
    for (int p = 0; p < PRIORITIES_COUNT; p++) {
        for (uint32_t left = atomic_exchange(&worker->sheds[p], 0); left > 0; left--) {
            if (room_lowest(&worker->room) <= (enum priority)p ||
                room_lowest(&worker->room) == PRIORITIES_COUNT)
                break;
            shed(worker, room_worst(&worker->room, 0, (enum priority)p));
        }
    }
}

/* A message came: permits, or wishes for places. */
static void told(struct post *post)
{
    struct permits_worker *worker = list_item(post, struct permits_worker, post);
    atomic_store(&worker->posted, false);
    worker->owed_count += atomic_exchange(&worker->granted_count, 0);
    serve(worker);
    shed_for_others(worker);
    let_go(worker->permits);
}

/* The room is full: somebody has to go. @victim: it goes once the newcomer waits. */
static bool make_room(struct permits_worker *worker, const struct room_waiter *newcomer,
                      struct room_waiter **victim)
{
    struct room_waiter *worst = room_worst(&worker->room, newcomer->client, newcomer->priority);
    if (worst == NULL || worst->priority == newcomer->priority) {
        if (ask_to_shed(worker->permits, newcomer->priority)) {
            atomic_fetch_add(&worker->permits->waiting_count, 1);
            return true;
        }
    }
    if (worst == NULL)
        return false;
    *victim = worst;
    atomic_fetch_add(&worker->permits->waiting_count, 1);
    return true;
}

enum permits_verdict permits_wait(struct permits_worker *worker, struct permits_waiter *waiter,
                                  uint32_t most, bool first)
{
    struct permits *permits = worker->permits;
    struct room_waiter *victim = NULL;
    if (!take_place(permits, first ? UINT32_MAX : most) &&
        !make_room(worker, &waiter->waiter, &victim))
        return PERMITS_FULL;
    if (!room_add(&worker->room, &waiter->waiter, first)) {
        atomic_fetch_sub(&permits->waiting_count, 1);
        return PERMITS_NO_MEMORY;
    }
    publish(worker);
    if (!first && claim(permits))
        worker->owed_count++;
    if (victim != NULL)
        shed(worker, victim);
    serve(worker);
    return PERMITS_WAITS;
}

void permits_leave(struct permits_worker *worker, struct permits_waiter *waiter)
{
    if (waiter->waiter.in != NULL)
        take_out(worker, &waiter->waiter);
}

/* --- what is measured ------------------------------------------------------------------------- */

void permits_report(struct permits_worker *worker, const struct permits_sample *sample)
{
    const struct permits *permits = worker->permits;
    if (sample->begun_ns < atomic_load_explicit(&permits->backed_off_ns, memory_order_relaxed))
        return;
    if (sample->dropped)
        row_add(&worker->dropped_count, 1);
    if (sample->latency_ns == 0)
        return;
    const uint64_t inflight = atomic_load_explicit(&permits->inflight, memory_order_relaxed);
    row_add(&worker->samples_count, 1);
    row_add(&worker->latency_sum_ns, sample->latency_ns);
    if (!sample->dropped && inflight * 2 >= bound_of(permits))
        row_add(&worker->busy_count, 1);
}

uint64_t permits_service_ns(const struct permits_worker *worker)
{
    return atomic_load_explicit(&worker->permits->service_ns, memory_order_relaxed);
}

/* Until @count requests more have been answered. */
static uint64_t span_of(const struct permits *permits, uint64_t count)
{
    const uint64_t service_ns = atomic_load_explicit(&permits->service_ns, memory_order_relaxed);
    const uint64_t inflight = atomic_load_explicit(&permits->inflight, memory_order_relaxed);
    return inflight == 0 ? 0 : count * service_ns / inflight;
}

uint64_t permits_expected_wait_ns(const struct permits_worker *worker, uint64_t client,
                                  enum priority priority)
{
    const struct permits *permits = worker->permits;
    const uint64_t here = worker->room.count;
    const uint64_t all = atomic_load_explicit(&permits->waiting_count, memory_order_relaxed);
    uint64_t ahead = room_ahead(&worker->room, client, priority);
    if (here > 0 && all > here)
        ahead = ahead * all / here; /* the others' waiters have their turns too */
    return span_of(permits, ahead + 1);
}

uint64_t permits_backlog_ns(const struct permits_worker *worker)
{
    return span_of(
        worker->permits,
        (uint64_t)atomic_load_explicit(&worker->permits->waiting_count, memory_order_relaxed) + 1);
}

/* --- control ---------------------------------------------------------------------------------- */

static struct limit_window sum_of(const struct permits *permits)
{
    struct limit_window sum = {0};
    for (int i = 0; i < WORKERS_ALL_MAX; i++) {
        struct permits_worker *worker = atomic_load(&permits->workers[i]);
        if (worker == NULL)
            continue;
#define ADD(field) sum.field += atomic_load_explicit(&worker->field, memory_order_relaxed)
        ADD(samples_count);
        ADD(busy_count);
        ADD(dropped_count);
        ADD(latency_sum_ns);
#undef ADD
    }
    return sum;
}

static struct limit_window since(const struct limit_window *now, const struct limit_window *then)
{
    return (struct limit_window){
        .samples_count = now->samples_count - then->samples_count,
        .busy_count = now->busy_count - then->busy_count,
        .dropped_count = now->dropped_count - then->dropped_count,
        .latency_sum_ns = now->latency_sum_ns - then->latency_sum_ns,
    };
}

static void measure_service(struct permits *permits, const struct limit_window *window)
{
    if (window->samples_count == 0)
        return;
    const double before = (double)atomic_load(&permits->service_ns);
    const double mean = (double)window->latency_sum_ns / (double)window->samples_count;
    const double after = before == 0 ? mean : before + (mean - before) * SMOOTHING;
    atomic_store(&permits->service_ns, (uint64_t)after);
}

static void hand_out(struct permits *permits)
{
    while (find_next(permits, NULL) != NULL && claim(permits)) {
        struct permits_worker *next = find_next(permits, NULL);
        if (next == NULL) {
            pass_on(permits, NULL);
            return;
        }
        grant(next);
    }
}

void permits_step(struct permits *permits, uint64_t now_ns)
{
    const struct limit_window sum = sum_of(permits);
    const struct limit_window window = since(&sum, &permits->seen);
    permits->seen = sum;
    measure_service(permits, &window);
    if (permits->rule.choice != LIMIT_NONE) {
        limit_get(permits->rule.choice)
            ->step(&permits->state, &permits->rule.bounds, &window, now_ns);
        atomic_store(&permits->backed_off_ns, permits->state.backed_off_ns);
        atomic_store(&permits->limit, (uint32_t)permits->state.limit);
    }
    hand_out(permits);
}

static const char *const words[] = {
    "per-target",
#define X(symbol, word, gist) word,
    LIMIT_MACHINES(X)
#undef X
};

void permits_load(const struct permits *permits, struct service_load *load)
{
    const uint32_t bound = bound_of(permits);
    *load = (struct service_load){
        .limit_word = words[atomic_load(&permits->choice)],
        .limit = bound == NO_CAP ? 0 : bound,
        .inflight = atomic_load(&permits->inflight),
    };
    for (int i = 0; i < WORKERS_ALL_MAX; i++) {
        const struct permits_worker *worker = atomic_load(&permits->workers[i]);
        for (int p = 0; worker != NULL && p < PRIORITIES_COUNT; p++)
            load->waiting[p] += atomic_load_explicit(&worker->waiting[p], memory_order_relaxed);
    }
}
