/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/concurrency/permits_test.c - who gets the next permit, on one worker and between them. */
#include "breaker/concurrency/permits.h"

#include "core/units.h"
#include "loop/loop.h"
#include "path/worker.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>

enum { WORKERS = 4, WAITERS = 64, ROOM = 1000 };

/* Workers whose loops only have a queue of messages; deliver() runs them. */
static struct keep keep;
static struct permits *permits;
static struct worker workers[WORKERS];
static struct loop loops[WORKERS];
static struct permits_worker *at[WORKERS];

struct visitor {
    struct permits_waiter waiter; /* first */
    char                  name;
};

static struct visitor visitors[WAITERS];
static unsigned visitors_count;
static char told[WAITERS + 1]; /* admitted: its letter; refused: as a capital */

static void tell(char letter)
{
    const size_t used = strlen(told);
    cr_assert(used < WAITERS);
    told[used] = letter;
}

static void admitted(struct permits_waiter *self)
{
    tell(((struct visitor *)(void *)self)->name);
}

static void refused(struct permits_waiter *self)
{
    tell((char)(((struct visitor *)(void *)self)->name - 'a' + 'A'));
}

static void open_permits(uint32_t limit)
{
    const struct permits_rule rule = {.choice = LIMIT_fixed,
                                      .bounds = {.start = limit, .least = 1, .most = 1000}};
    keep_init(&keep);
    permits = permits_get(&keep, "shop", &rule);
    cr_assert(permits != NULL);
    for (unsigned i = 0; i < WORKERS; i++) {
        loops[i] = (struct loop){0};
        post_queue_init(&loops[i].posts);
        workers[i] = (struct worker){.index = i, .loop = &loops[i]};
        at[i] = permits_join(permits, &workers[i]);
        cr_assert(at[i] != NULL && permits_join(permits, &workers[i]) == at[i]);
    }
    visitors_count = 0;
    memset(told, 0, sizeof told);
}

static void deliver(unsigned worker)
{
    for (struct post *post; (post = post_queue_take(&loops[worker].posts)) != NULL;)
        post->call(post);
}

static struct service_load load_now(void)
{
    struct service_load load;
    permits_load(permits, &load);
    return load;
}

static void close_permits(void)
{
    for (unsigned i = 0; i < WORKERS; i++)
        deliver(i);
    cr_expect(load_now().inflight == 0, "%u are still out", load_now().inflight);
    permits_give(permits);
    keep_fini(&keep);
}

static enum permits_verdict wait_with(unsigned worker, char name, enum priority priority,
                                      uint32_t most)
{
    struct visitor *visitor = &visitors[visitors_count];
    *visitor = (struct visitor){
        .waiter = {.waiter = {.client = (uint64_t)name,
                              .since_ns = NS_PER_S + visitors_count * 10 * NS_PER_MS,
                              .priority = priority},
                   .admitted = admitted,
                   .refused = refused},
        .name = name,
    };
    visitors_count++;
    return permits_wait(at[worker], &visitor->waiter, most, false);
}

static void waits(unsigned worker, char name)
{
    cr_assert(wait_with(worker, name, PRIORITY_NORMAL, ROOM) == PERMITS_WAITS);
}

/* --- one worker ------------------------------------------------------------------------------- */

Test(permits, as_many_as_the_limit_enter)
{
    open_permits(2);
    cr_expect(permits_enter(at[0]) && permits_enter(at[1]) && !permits_enter(at[0]));
    permits_release(at[1]);
    cr_expect(permits_enter(at[0]) && !permits_enter(at[1]));
    permits_release(at[0]);
    permits_release(at[0]);
    close_permits();
}

Test(permits, a_release_serves_who_waits)
{
    open_permits(1);
    cr_assert(permits_enter(at[0]));
    waits(0, 'a');
    waits(0, 'b');
    cr_expect_str_eq(told, "");
    permits_release(at[0]);
    cr_expect_str_eq(told, "a");
    cr_expect(load_now().inflight == 1 && load_now().waiting[PRIORITY_NORMAL] == 1);
    permits_release(at[0]);
    permits_release(at[0]);
    cr_expect_str_eq(told, "ab");
    close_permits();
}

/* Between a refusal to enter and the wait a permit came free. */
Test(permits, who_begins_to_wait_takes_what_is_free)
{
    open_permits(1);
    waits(0, 'a');
    cr_expect_str_eq(told, "a");
    permits_release(at[0]);
    close_permits();
}

Test(permits, nobody_is_let_in_before_those_who_wait)
{
    open_permits(1);
    cr_assert(permits_enter(at[0]));
    waits(1, 'a');
    permits_release(at[0]); /* on its way to worker 1 */
    cr_expect(!permits_enter(at[0]));
    deliver(1);
    cr_expect_str_eq(told, "a");
    permits_release(at[1]);
    close_permits();
}

Test(permits, one_that_left_is_not_served)
{
    open_permits(1);
    cr_assert(permits_enter(at[0]));
    waits(0, 'a');
    waits(0, 'b');
    permits_leave(at[0], &visitors[0].waiter);
    permits_leave(at[0], &visitors[0].waiter);
    permits_release(at[0]);
    cr_expect_str_eq(told, "b");
    permits_release(at[0]);
    close_permits();
}

/* --- between workers -------------------------------------------------------------------------- */

/* One permit, two workers: a worker with waiters of its own does not keep it for them. */
Test(permits, the_longest_wait_is_served_wherever_it_is)
{
    open_permits(1);
    cr_assert(permits_enter(at[0]));
    for (const char *name = "abcdefgh"; *name != '\0'; name++)
        waits((unsigned)(*name & 1), *name);
    for (int i = 0; i < 8; i++) {
        permits_release(at[i == 0 ? 0 : told[i - 1] & 1]);
        deliver(0);
        deliver(1);
    }
    cr_expect_str_eq(told, "abcdefgh");
    permits_release(at[0]);
    close_permits();
}

Test(permits, a_higher_priority_is_served_wherever_it_is)
{
    open_permits(1);
    cr_assert(permits_enter(at[0]));
    waits(0, 'a');
    cr_assert(wait_with(3, 'h', PRIORITY_HIGH, ROOM) == PERMITS_WAITS);
    permits_release(at[0]);
    deliver(3);
    cr_expect_str_eq(told, "h");
    permits_release(at[3]);
    deliver(0);
    cr_expect_str_eq(told, "ha");
    permits_release(at[0]);
    close_permits();
}

Test(permits, a_permit_that_finds_nobody_goes_on)
{
    open_permits(1);
    cr_assert(permits_enter(at[0]));
    waits(1, 'a');
    waits(2, 'b');
    permits_release(at[0]);
    permits_leave(at[1], &visitors[0].waiter);
    deliver(1);
    deliver(2);
    cr_expect_str_eq(told, "b");
    permits_release(at[2]);
    cr_expect(permits_enter(at[3]));
    permits_release(at[3]);
    close_permits();
}

/* --- a full room ------------------------------------------------------------------------------ */

Test(permits, the_room_is_bounded_over_all_workers)
{
    open_permits(1);
    cr_assert(permits_enter(at[0]));
    cr_expect(wait_with(0, 'a', PRIORITY_NORMAL, 2) == PERMITS_WAITS);
    cr_expect(wait_with(1, 'b', PRIORITY_NORMAL, 2) == PERMITS_WAITS);
    cr_expect(wait_with(0, 'c', PRIORITY_NORMAL, 2) == PERMITS_FULL);
    cr_expect(wait_with(2, 'd', PRIORITY_LOW, 2) == PERMITS_FULL);
    cr_expect(wait_with(2, 'd', PRIORITY_NORMAL, 0) == PERMITS_FULL);
    for (int i = 0; i < 3; i++) {
        permits_release(at[i & 1]);
        deliver(0);
        deliver(1);
    }
    cr_expect_str_eq(told, "ab");
    close_permits();
}

Test(permits, the_lowest_priority_makes_room)
{
    open_permits(1);
    cr_assert(permits_enter(at[0]));
    cr_expect(wait_with(0, 'a', PRIORITY_LOW, 2) == PERMITS_WAITS);
    cr_expect(wait_with(0, 'b', PRIORITY_LOW, 2) == PERMITS_WAITS);
    cr_expect(wait_with(0, 'c', PRIORITY_HIGH, 2) == PERMITS_WAITS);
    cr_expect_str_eq(told, "B");
    cr_expect(load_now().waiting[PRIORITY_LOW] == 1 && load_now().waiting[PRIORITY_HIGH] == 1);
    for (int i = 0; i < 3; i++)
        permits_release(at[0]);
    cr_expect_str_eq(told, "Bca");
    close_permits();
}

Test(permits, also_on_another_worker)
{
    open_permits(1);
    cr_assert(permits_enter(at[0]));
    cr_expect(wait_with(1, 'a', PRIORITY_LOW, 1) == PERMITS_WAITS);
    cr_expect(wait_with(0, 'c', PRIORITY_HIGH, 1) == PERMITS_WAITS);
    cr_expect(wait_with(0, 'd', PRIORITY_HIGH, 1) == PERMITS_FULL, "it is taken already");
    deliver(1);
    cr_expect_str_eq(told, "A");
    permits_release(at[0]);
    permits_release(at[0]);
    cr_expect_str_eq(told, "Ac");
    close_permits();
}

/* --- the limit -------------------------------------------------------------------------------- */

Test(permits, a_limit_that_falls_takes_permits_back_as_they_end)
{
    open_permits(3);
    for (int i = 0; i < 3; i++)
        cr_assert(permits_enter(at[0]));
    waits(0, 'a');
    const struct permits_rule rule = {.choice = LIMIT_fixed,
                                      .bounds = {.start = 1, .least = 1, .most = 1000}};
    struct permits *again = permits_get(&keep, "shop", &rule);
    cr_assert(again == permits);
    permits_give(again);
    permits_release(at[0]);
    permits_release(at[0]);
    cr_expect_str_eq(told, "");
    permits_release(at[0]);
    cr_expect_str_eq(told, "a");
    permits_release(at[0]);
    close_permits();
}

Test(permits, a_limit_that_rises_is_handed_out_by_control)
{
    open_permits(1);
    cr_assert(permits_enter(at[0]));
    waits(0, 'a');
    waits(1, 'b');
    waits(1, 'c');
    waits(1, 'd');
    const struct permits_rule rule = {.choice = LIMIT_fixed,
                                      .bounds = {.start = 4, .least = 1, .most = 1000}};
    permits_give(permits_get(&keep, "shop", &rule));
    permits_step(permits, 5 * NS_PER_S);
    deliver(0);
    deliver(1);
    cr_expect_str_eq(told, "abc");
    cr_expect(load_now().limit == 4 && load_now().inflight == 4);
    for (int i = 0; i < 5; i++) {
        permits_release(at[0]);
        deliver(1);
    }
    close_permits();
}

Test(permits, targets_may_have_fewer_together)
{
    open_permits(100);
    permits_cap(at[0], 1);
    cr_expect(permits_enter(at[0]) && !permits_enter(at[1]));
    cr_expect(load_now().limit == 1);
    permits_release(at[0]);
    close_permits();
}

/* Control sums what all workers saw; what began before a backoff does not count. */
Test(permits, samples_of_all_workers_move_the_limit)
{
    const struct permits_rule aimd = {.choice = LIMIT_aimd,
                                      .bounds = {.start = 4, .least = 1, .most = 100}};
    open_permits(4);
    permits_give(permits_get(&keep, "shop", &aimd));
    for (int i = 0; i < 4; i++)
        cr_assert(permits_enter(at[i]));
    for (unsigned i = 0; i < 4; i++)
        permits_report(at[i], &(struct permits_sample){1, NS_PER_MS, false});
    permits_step(permits, 10);
    cr_expect(load_now().limit == 5);
    cr_expect(permits_service_ns(at[0]) == NS_PER_MS);
    permits_report(at[2], &(struct permits_sample){1, 0, true});
    permits_step(permits, 20);
    cr_expect(load_now().limit == 4);
    permits_report(at[1], &(struct permits_sample){19, NS_PER_MS, true});
    permits_step(permits, 30);
    cr_expect(load_now().limit == 4, "it is the same congestion");
    permits_report(at[1], &(struct permits_sample){20, NS_PER_MS, true});
    permits_step(permits, 40);
    cr_expect(load_now().limit == 3);
    cr_expect_str_eq(load_now().limit_word, "aimd");
    for (int i = 0; i < 4; i++)
        permits_release(at[i]);
    close_permits();
}

Test(permits, expects_a_wait_by_what_is_ahead)
{
    open_permits(2);
    cr_assert(permits_enter(at[0]) && permits_enter(at[0]));
    cr_expect(permits_expected_wait_ns(at[0], 'x', PRIORITY_NORMAL) == 0, "not known yet");
    permits_report(at[0], &(struct permits_sample){1, 10 * NS_PER_MS, false});
    permits_step(permits, 10);
    cr_expect(permits_expected_wait_ns(at[0], 'x', PRIORITY_NORMAL) == 5 * NS_PER_MS);
    waits(0, 'a');
    waits(0, 'a');
    waits(0, 'a');
    cr_expect(permits_expected_wait_ns(at[0], 'a', PRIORITY_NORMAL) == 20 * NS_PER_MS);
    cr_expect(permits_expected_wait_ns(at[0], 'x', PRIORITY_NORMAL) == 10 * NS_PER_MS);
    waits(1, 'b');
    waits(1, 'b');
    waits(1, 'b');
    cr_expect(permits_expected_wait_ns(at[0], 'a', PRIORITY_NORMAL) == 35 * NS_PER_MS,
              "half of the permits go to the others");
    cr_expect(permits_backlog_ns(at[0]) == 35 * NS_PER_MS);
    for (int i = 0; i < 8; i++) {
        permits_release(at[0]);
        deliver(0);
        deliver(1);
    }
    close_permits();
}

/* A message may still be under way when nobody names the service any more. */
Test(permits, a_late_message_finds_its_memory)
{
    open_permits(1);
    cr_assert(permits_enter(at[0]));
    waits(1, 'a');
    permits_release(at[0]);
    permits_leave(at[1], &visitors[0].waiter);
    permits_give(permits);
    deliver(1);
    keep_fini(&keep);
}

/* --- threads ---------------------------------------------------------------------------------- */

/* Each worker is a thread with a real loop. Its visitors come again and again: each enters or
 * waits, keeps its permit for a turn or two, and comes once more. */
enum { THREAD_WORKERS = 3, THREAD_VISITORS = 40, VISITS = 300 };

struct guest {
    struct permits_waiter waiter; /* first */
    struct post           post;   /* the end of its stay */
    struct thread        *thread;
    unsigned              visits_count;
    unsigned              turns_left;
    bool                  is_in;
};

struct thread {
    pthread_t              id;
    struct loop            loop;
    struct worker          worker;
    struct permits_worker *permits;
    struct guest           guests[THREAD_VISITORS];
    unsigned               left_count; /* guests who have not had all their visits */
    struct post            begin;
};

static struct thread threads[THREAD_WORKERS];
static _Atomic uint32_t inside, inside_most;
static _Atomic unsigned running;

static void visit(struct guest *guest);

static void stay(struct guest *guest)
{
    uint32_t now = atomic_fetch_add(&inside, 1) + 1, most = atomic_load(&inside_most);
    while (most < now && !atomic_compare_exchange_weak(&inside_most, &most, now))
        ;
    guest->is_in = true;
    guest->turns_left = guest->visits_count % 3;
    loop_post(&guest->thread->loop, &guest->post);
}

static void stayed(struct post *post)
{
    struct guest *guest = list_item(post, struct guest, post);
    struct thread *thread = guest->thread;
    if (guest->turns_left > 0) {
        guest->turns_left--;
        loop_post(&thread->loop, post);
        return;
    }
    guest->is_in = false;
    guest->visits_count++;
    atomic_fetch_sub(&inside, 1);
    permits_release(thread->permits);
    if (guest->visits_count < VISITS)
        visit(guest);
    else if (--thread->left_count == 0)
        atomic_fetch_sub(&running, 1);
}

static void guest_admitted(struct permits_waiter *self)
{
    stay((struct guest *)(void *)self);
}

static void guest_refused(struct permits_waiter *self)
{
    (void)self;
    cr_assert_fail("nobody is shed: the room is large");
}

static void visit(struct guest *guest)
{
    struct thread *thread = guest->thread;
    if (permits_enter(thread->permits)) {
        stay(guest);
        return;
    }
    guest->waiter = (struct permits_waiter){
        .waiter = {.client = 1 + guest->visits_count % 5,
                   .since_ns = clock_monotonic_ns(),
                   .priority = PRIORITY_NORMAL},
        .admitted = guest_admitted,
        .refused = guest_refused,
    };
    cr_assert(permits_wait(thread->permits, &guest->waiter, ROOM, false) == PERMITS_WAITS);
}

static void begin(struct post *post)
{
    struct thread *thread = list_item(post, struct thread, begin);
    for (int i = 0; i < THREAD_VISITORS; i++)
        visit(&thread->guests[i]);
}

static void *turn(void *argument)
{
    struct thread *thread = argument;
    while (atomic_load(&running) > 0)
        loop_turn(&thread->loop, clock_monotonic_ns() + NS_PER_MS);
    return NULL;
}

static void open_thread(struct thread *thread, unsigned index)
{
    struct err e;
    cr_assert(loop_open(&thread->loop, "epoll", &e) == ERR_NONE);
    thread->worker = (struct worker){.index = index, .loop = &thread->loop};
    thread->permits = permits_join(permits, &thread->worker);
    thread->left_count = THREAD_VISITORS;
    thread->begin.call = begin;
    for (int i = 0; i < THREAD_VISITORS; i++)
        thread->guests[i] = (struct guest){.post = {.call = stayed}, .thread = thread};
}

/* @limit permits: every guest of every worker has all its visits, and never are more inside. Nobody
 * helps: control does not step. */
static void run_threads(uint32_t limit)
{
    const struct permits_rule rule = {.choice = LIMIT_fixed,
                                      .bounds = {.start = limit, .least = 1, .most = 1000}};
    keep_init(&keep);
    permits = permits_get(&keep, "shop", &rule);
    memset(threads, 0, sizeof threads);
    atomic_store(&inside_most, 0);
    atomic_store(&running, THREAD_WORKERS);
    for (unsigned i = 0; i < THREAD_WORKERS; i++)
        open_thread(&threads[i], i);
    for (unsigned i = 0; i < THREAD_WORKERS; i++) {
        loop_post(&threads[i].loop, &threads[i].begin);
        cr_assert(pthread_create(&threads[i].id, NULL, turn, &threads[i]) == 0);
    }
    for (unsigned i = 0; i < THREAD_WORKERS; i++)
        pthread_join(threads[i].id, NULL);
    for (unsigned i = 0; i < THREAD_WORKERS; i++)
        loop_turn(&threads[i].loop, 0); /* a message that was late */
    cr_expect(atomic_load(&inside) == 0 && load_now().inflight == 0);
    cr_expect(atomic_load(&inside_most) <= limit, "%u at once", atomic_load(&inside_most));
    permits_give(permits);
    for (unsigned i = 0; i < THREAD_WORKERS; i++)
        loop_close(&threads[i].loop);
    keep_fini(&keep);
}

Test(permits, one_permit_and_several_workers_starve_nobody, .timeout = 120)
{
    run_threads(1);
}

Test(permits, several_permits_and_several_workers, .timeout = 120)
{
    run_threads(5);
}
