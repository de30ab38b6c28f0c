/* SPDX-License-Identifier: Apache-2.0 */
/* main/worker_thread.c - threads and what runs on them. */
#include "main/worker_thread.h"

#include "core/http.h"
#include "core/mem.h"
#include "core/units.h"

#include <limits.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum {
    PUBLISH_MS = 250,   /* figures are this old at most, and so is the Date */
    CLOSING_S_MAX = 10, /* longer, and it is a fault of ours that is better seen */
    CENSUS_EVERY = 8,   /* publishings: walking all connections is done every 2 s */
};

static void set(_Atomic uint64_t *figure, uint64_t value)
{
    atomic_store_explicit(figure, value, memory_order_relaxed);
}

/* Adds what the connections of @front come to. */
static void count_front(const struct worker_front *front, struct http_front_census *all)
{
    struct resp_front_census resp = {0};
    if (front->http != NULL) {
        http_front_count(front->http, all);
        return;
    }
    resp_front_count(front->resp, &resp);
    all->connections += resp.connections;
    all->charged_bytes += resp.charged_bytes;
    if (resp.charged_bytes_max > all->charged_bytes_max)
        all->charged_bytes_max = resp.charged_bytes_max;
}

static void publish_census(struct worker_thread *thread)
{
    struct http_front_census all = {0};
    list_each(&thread->fronts, link, after)
    {
        struct worker_front *front = list_item(link, struct worker_front, link);
        const uint64_t before = all.connections;
        count_front(front, &all);
        set(&front->connections, all.connections - before);
    }
    set(&thread->row->charged_bytes, all.charged_bytes);
    set(&thread->row->charged_bytes_max, all.charged_bytes_max);
    set(&thread->row->connections_tunnels, all.tunnels);
}

static void publish_figures(struct worker_thread *thread)
{
    struct worker_row *row = thread->row;
    const uint32_t *states = thread->hub.receive_counts;
    const struct loop_counters *counters = &thread->loop.counters;
    uint64_t open = 0;
    for (int i = 0; i < CONN_RECEIVE_CLOSED; i++)
        open += states[i];
    set(&row->connections_open, open);
    set(&row->connections_idle, states[CONN_RECEIVE_IDLE]);
    set(&row->connections_head, states[CONN_RECEIVE_HEAD]);
    set(&row->connections_body, states[CONN_RECEIVE_BODY]);
    set(&row->connections_paused, states[CONN_RECEIVE_PAUSED]);
    set(&row->connections_lingering, states[CONN_RECEIVE_DISCARD]);
    set(&row->ops_inflight, thread->worker.ops.taken_count);
    set(&row->upstream_open, thread->engine.open_count);
    set(&row->upstream_idle, thread->engine.idle_count);
    set(&row->slab_bytes, slab_bytes(&thread->worker.ops) + slab_bytes(&thread->worker.requests) +
                              slab_bytes(&thread->hub.heads) +
                              slab_bytes(&thread->engine.upstreams));
    set(&row->loop_turns, counters->turns);
    set(&row->loop_receives, counters->receives);
    set(&row->loop_sends, counters->sends);
    set(&row->loop_late_copies, counters->late_copies);
    set(&row->loop_starved, counters->starved);
}

static void all_back(struct worker *worker);

static void publish(struct timer *timer)
{
    struct worker_thread *thread = list_item(timer, struct worker_thread, publish);
    const uint64_t wall_s = clock_wall_ns() / NS_PER_S;
    if (wall_s != thread->worker.wall_s) {
        thread->worker.wall_s = wall_s;
        http_date_write(thread->worker.date, (int64_t)wall_s);
    }
    publish_figures(thread);
    if (thread->publish_count++ % CENSUS_EVERY == 0)
        publish_census(thread);
    timer_set(&thread->loop.timers, &thread->publish, thread->loop.now_ns + PUBLISH_MS * NS_PER_MS);
}

enum err_kind worker_thread_init(struct worker_thread *thread, unsigned index, const char *io,
                                 struct worker_row *row, struct journal *journal, struct err *e)
{
    memset(thread, 0, sizeof *thread);
    const enum err_kind failed = loop_open(&thread->loop, io, e);
    if (failed != ERR_NONE)
        return failed;
    uint64_t seed = thread->loop.now_ns;
    (void)!getrandom(&seed, sizeof seed, 0);
    (void)snprintf(thread->io, sizeof thread->io, "%s", thread->loop.kind->name);
    thread->row = row;
    thread->worker = (struct worker){
        .index = index,
        .loop = &thread->loop,
        .hub = &thread->hub,
        .now_ns = &thread->loop.now_ns,
        .descriptors_most = INT_MAX,
        .descriptors_kept_most = INT_MAX,
        .journal = journal,
        .row = row,
    };
    random_init(&thread->worker.random, seed);
    thread->worker.all_back = all_back;
    list_init(&thread->worker.ends);
    slab_init(&thread->worker.ops, "ops", sizeof(struct op), 0);
    slab_init(&thread->worker.requests, "requests", sizeof(struct request), 0);
    conn_hub_init(&thread->hub, &thread->loop);
    http_engine_worker_init(&thread->engine, &thread->worker);
    prober_init(&thread->prober, &thread->worker);
    list_init(&thread->fronts);
    timer_init(&thread->publish, publish);
    publish(&thread->publish);
    return ERR_NONE;
}

/* A connection to a target that was closed is told so in a later turn, on io_uring when the kernel
 * has let go of it, and the loop may have ended before that. */
static void await_closed(struct worker_thread *thread)
{
    struct loop *loop = &thread->loop;
    const uint64_t until_ns = clock_monotonic_ns() + CLOSING_S_MAX * NS_PER_S;
    while (thread->engine.open_count > 0 && loop->now_ns < until_ns)
        loop_turn(loop, until_ns);
}

void worker_thread_fini(struct worker_thread *thread)
{
    if (thread->loop.kind == NULL)
        return;
    timer_clear(&thread->publish);
    await_closed(thread);
    pubsub_worker_close(&thread->pubsub);
    http_engine_worker_fini(&thread->engine);
    conn_hub_fini(&thread->hub);
    slab_fini(&thread->worker.ops);
    slab_fini(&thread->worker.requests);
    loop_close(&thread->loop);
}

/* --- threads
 * ---------------------------------------------------------------------------------------------- */

struct birth {
    struct worker_thread *thread;
    unsigned              index;
    const char           *io;
    struct worker_row    *row;
    struct journal       *journal;
    enum err_kind         failed;
    struct err           *e;
    sem_t                 ready;
};

static void *thread_main(void *argument)
{
    struct birth *birth = argument;
    struct worker_thread *thread = birth->thread;
    const pthread_t self = thread->thread;
    birth->failed =
        worker_thread_init(thread, birth->index, birth->io, birth->row, birth->journal, birth->e);
    thread->thread = self;
    const bool ok = birth->failed == ERR_NONE;
    if (ok)
        sem_init(&thread->stopped, 0, 0);
    sem_post(&birth->ready); /* @birth is gone after this */
    if (!ok)
        return NULL;
    loop_run(&thread->loop);
    /* Who stopped the loop may still be about to wake it; its descriptor would be another's
     * then. */
    while (sem_wait(&thread->stopped) != 0)
        ;
    worker_thread_fini(thread);
    return NULL;
}

enum err_kind worker_thread_start(struct worker_thread *thread, unsigned index, const char *io,
                                  struct worker_row *row, struct journal *journal, struct err *e)
{
    struct birth birth = {thread, index, io, row, journal, ERR_NONE, e, {{0}}};
    sem_init(&birth.ready, 0, 0);
    pthread_t id;
    if (pthread_create(&id, NULL, thread_main, &birth) != 0)
        return err_set(e, ERR_SYSTEM, "a thread could not be started");
    while (sem_wait(&birth.ready) != 0)
        ;
    sem_destroy(&birth.ready);
    if (birth.failed != ERR_NONE) {
        pthread_join(id, NULL);
        return birth.failed;
    }
    thread->thread = id;
    thread->has_thread = true;
    char name[16];
    (void)snprintf(name, sizeof name, "worker-%u", index);
    pthread_setname_np(id, name);
    return ERR_NONE;
}

void worker_thread_join(struct worker_thread *thread)
{
    if (!thread->has_thread)
        return;
    loop_stop(&thread->loop);
    sem_post(&thread->stopped);
    pthread_join(thread->thread, NULL);
    sem_destroy(&thread->stopped);
    thread->has_thread = false;
}

struct errand {
    struct post           post;
    struct worker_thread *thread;
    void (*call)(struct worker_thread *thread, void *argument);
    void *argument;
    sem_t done;
};

static void run_errand(struct post *post)
{
    struct errand *errand = list_item(post, struct errand, post);
    errand->call(errand->thread, errand->argument);
    sem_post(&errand->done);
}

void worker_thread_run(struct worker_thread *thread,
                       void (*call)(struct worker_thread *thread, void *argument), void *argument)
{
    if (!thread->has_thread) {
        call(thread, argument);
        return;
    }
    struct errand errand = {
        .post = {.call = run_errand}, .thread = thread, .call = call, .argument = argument};
    sem_init(&errand.done, 0, 0);
    loop_post(&thread->loop, &errand.post);
    while (sem_wait(&errand.done) != 0)
        ;
    sem_destroy(&errand.done);
}

/* --- fronts
 * ---------------------------------------------------------------------------------------------- */

struct worker_front *worker_front_find(struct worker_thread *thread, const char *name)
{
    list_each(&thread->fronts, link, after)
    {
        struct worker_front *front = list_item(link, struct worker_front, link);
        if (strcmp(front->name, name) == 0)
            return front;
    }
    return NULL;
}

static struct worker_front *new_front(struct worker_thread *thread, const char *name)
{
    struct worker_front *front = mem_alloc(sizeof *front);
    if (front == NULL)
        return NULL;
    front->thread = thread;
    (void)snprintf(front->name, sizeof front->name, "%s", name);
    return front;
}

/* Lists it, unless what it is for could not be made. */
static bool keep_front(struct worker_front *front)
{
    if (front->http == NULL && front->resp == NULL) {
        mem_free(front);
        return false;
    }
    list_add_last(&front->thread->fronts, &front->link);
    return true;
}

bool worker_front_open(struct worker_thread *thread, const struct http_front_settings *settings,
                       struct http_router *router, struct admission *admission, int fd)
{
    struct worker_front *front = new_front(thread, settings->name);
    if (front == NULL)
        return false;
    front->http = http_front_new(&thread->worker, settings, router, admission, fd);
    return keep_front(front);
}

bool worker_front_open_resp(struct worker_thread *thread,
                            const struct resp_front_settings *settings, struct resp_path *path,
                            struct admission *admission, int fd)
{
    struct worker_front *front = new_front(thread, settings->name);
    if (front == NULL)
        return false;
    front->resp = resp_front_new(&thread->worker, settings, path, admission, fd);
    return keep_front(front);
}

static void tell_if_drained(struct worker_thread *thread)
{
    if (!thread->is_draining || !list_is_empty(&thread->fronts) || thread->worker.awaited_count > 0)
        return;
    list_each(&thread->worker.ends, link, after)
    {
        struct worker_end *end = list_item(link, struct worker_end, link);
        end->call(end);
    }
    http_engine_worker_stop(&thread->engine);
    publish_figures(thread);
    publish_census(thread);
    void (*drained)(struct worker_thread *) = thread->drained;
    thread->drained = NULL; /* told once */
    if (drained != NULL)
        drained(thread);
}

static void all_back(struct worker *worker)
{
    tell_if_drained(list_item(worker, struct worker_thread, worker));
}

static void front_closed(void *self)
{
    struct worker_front *front = self;
    struct worker_thread *thread = front->thread;
    list_remove(&front->link);
    mem_free(front);
    tell_if_drained(thread);
}

void worker_front_close(struct worker_front *front)
{
    if (front->http != NULL)
        http_front_stop(front->http, front_closed, front);
    else
        resp_front_stop(front->resp, front_closed, front);
}

void worker_front_abort(struct worker_front *front)
{
    if (front->http != NULL)
        http_front_abort(front->http);
    else
        resp_front_abort(front->resp);
}

void worker_thread_drain(struct worker_thread *thread)
{
    thread->is_draining = true;
    thread->worker.stopping = true;
    /* Each close may take its front out of the list, at once or later. */
    list_each(&thread->fronts, link, after)
        worker_front_close(list_item(link, struct worker_front, link));
    tell_if_drained(thread);
}
