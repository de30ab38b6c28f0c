/* SPDX-License-Identifier: Apache-2.0 */
/* main/faults_test.c - the whole path in one process while the n-th allocation, or the n-th
 * completion, fails.
 *
 * A real client and a real server, over loopback sockets, talk through front, a cache, a waiting
 * room with one permit, guard, balance, gate and engine. For every n, until a
 * run is left untouched: nothing crashes, nothing hangs, every byte that the client gets is right,
 * and in the end every
 * slab is empty (slab_fini() asserts it). */
#include "balance/balance_stage.h"
#include "breaker/concurrency/concurrency_stage.h"
#include "breaker/gate_stage.h"
#include "breaker/guard_stage.h"
#include "cache/cache_stage.h"
#include "core/mem.h"
#include "core/units.h"
#include "main/worker_thread.h"
#include "path/journal.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of an answer that the cache keeps, in one of two variants. */
#define KEPT "Cache-Control: max-age=60\r\nVary: X-Kind\r\n"

enum { N_MOST = 2000, ANSWER_BYTES = 40000, PATIENCE_MS = 400, PIECES_APART_US = 500 };

static int listen_on_loopback(struct sockaddr_in *address)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t bytes = sizeof *address;
    *address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    cr_assert(bind(fd, (struct sockaddr *)address, sizeof *address) == 0);
    cr_assert(listen(fd, 64) == 0);
    cr_assert(getsockname(fd, (struct sockaddr *)address, &bytes) == 0);
    return fd;
}

static void be_patient(int fd)
{
    const struct timeval patience = {.tv_usec = PATIENCE_MS * 1000};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

/* --- a server that knows three answers
 * ----------------------------------------------------------------------------- */

static uint8_t byte_at(size_t i)
{
    return (uint8_t)('a' + i % 23);
}

static bool send_all(int fd, const void *at, size_t bytes)
{
    return send(fd, at, bytes, MSG_NOSIGNAL) == (ssize_t)bytes;
}

/* Reads one request with whatever body, as far as Pando's own writing of it needs. False: the
 * connection is over. */
static bool take_request(int fd, char *text, size_t room)
{
    size_t used = 0;
    for (;;) {
        const ssize_t got = recv(fd, text + used, room - 1 - used, 0);
        if (got <= 0)
            return false;
        used += (size_t)got;
        text[used] = '\0';
        const char *end = strstr(text, "\r\n\r\n");
        if (end == NULL)
            continue;
        if (strstr(text, "chunked") != NULL) {
            if (strstr(end, "\r\n0\r\n\r\n") != NULL)
                return true;
            continue;
        }
        const char *length = strstr(text, "Content-Length: ");
        const size_t body = length == NULL ? 0 : strtoul(length + 16, NULL, 10);
        if (used - (size_t)(end + 4 - text) >= body)
            return true;
    }
}

static void *serve_one(void *argument)
{
    const int fd = (int)(intptr_t)argument;
    static _Thread_local char text[65536];
    while (take_request(fd, text, sizeof text)) {
        if (strncmp(text, "GET /long", 9) == 0) {
            static _Thread_local char answer[ANSWER_BYTES + 128];
            const int head =
                sprintf(answer, "HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n",
                        strncmp(text, "GET /long/kept", 14) == 0 ? KEPT : "", ANSWER_BYTES);
            for (size_t i = 0; i < ANSWER_BYTES; i++)
                answer[(size_t)head + i] = (char)byte_at(i);
            if (!send_all(fd, answer, (size_t)head + ANSWER_BYTES))
                break;
        } else {
            /* In two pieces, the cut inside a head. */
            static const char chunks[] = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
                                         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                         "3\r\nabc\r\n4\r\ndefg\r\n0\r\nETag: \"t\"\r\n\r\n";
            const size_t first = strncmp(text, "GET /1", 6) == 0 ? 30 : 80;
            if (!send_all(fd, chunks, first))
                break;
            usleep(PIECES_APART_US);
            if (!send_all(fd, chunks + first, sizeof chunks - 1 - first))
                break;
        }
    }
    close(fd);
    return NULL;
}

static void *serve(void *argument)
{
    const int listener = (int)(intptr_t)argument;
    for (int fd; (fd = accept(listener, NULL, NULL)) >= 0;) {
        pthread_t id;
        if (pthread_create(&id, NULL, serve_one, (void *)(intptr_t)fd) == 0)
            pthread_detach(id);
    }
    return NULL;
}

/* --- a client
 * ---------------------------------------------------------------------------------------------- */

/* All that comes until the connection ends or nothing more does. */
static size_t talk(const struct sockaddr_in *address, const char *request, char *out, size_t room)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t used = 0;
    be_patient(fd);
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 &&
        send_all(fd, request, strlen(request)))
        for (ssize_t got; used < room && (got = recv(fd, out + used, room - used, 0)) > 0;)
            used += (size_t)got;
    close(fd);
    return used;
}

static void expect_right_bytes(const char *answer, size_t bytes)
{
    static const char mark[] = "Content-Length: 40000\r\n";
    const char *head = memmem(answer, bytes, mark, sizeof mark - 1);
    if (head == NULL)
        return;
    const char *body = memmem(head, bytes - (size_t)(head - answer), "\r\n\r\n", 4);
    if (body == NULL)
        return;
    body += 4;
    for (size_t i = 0; i < ANSWER_BYTES && body + i < answer + bytes; i++)
        cr_assert(body[i] == (char)byte_at(i), "byte %zu of an answer is wrong", i);
}

static void talk_a_while(const struct sockaddr_in *address)
{
    static char answer[4 * ANSWER_BYTES];
    static const char conversations[][400] = {
        "GET /long HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "POST /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
        ("PUT /4 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
         "5\r\nhello\r\n1\r\n!\r\n0\r\nX-Trailer: yes\r\n\r\n"),
        "GET /bad HTTP/1.1\r\n\r\n",
        "GET /long/kept HTTP/1.1\r\nHost: a\r\nX-Kind: 1\r\n\r\n"
        "GET /long/kept HTTP/1.1\r\nHost: a\r\nX-Kind: 2\r\n\r\n"
        "GET /long/kept HTTP/1.1\r\nHost: a\r\nX-Kind: 1\r\nRange: bytes=0-9\r\n"
        "Connection: close\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof conversations / sizeof conversations[0]; i++)
        expect_right_bytes(answer, talk(address, conversations[i], answer, sizeof answer));
}

/* --- the path
 * ---------------------------------------------------------------------------------------------- */

static enum err_kind let_in(struct admission *self, const struct sockaddr *peer)
{
    (void)self, (void)peer;
    return ERR_NONE;
}

static void let_out(struct admission *self, const struct sockaddr *peer)
{
    (void)self, (void)peer;
}

static bool never_short(struct admission *self, int fd)
{
    (void)self, (void)fd;
    return false;
}

static void told_nothing(struct admission *self, bool pauses)
{
    (void)self, (void)pauses;
}

static void write_nothing(struct journal *self, const struct exchange_report *report)
{
    (void)self, (void)report;
}

static void report_nothing(struct service *service, struct target *target, bool ok,
                           const char *reason)
{
    (void)service, (void)target, (void)ok, (void)reason;
}

static void released(struct http_router *router)
{
    (void)router;
}

/* Presets of the rows, without a file. */
#define PRESET(field, name, kind, low, high, preset, live, help) .field = preset,
static const struct http_settings http = {HTTP_SETTINGS(PRESET)};
static const struct http_service_settings http_service = {HTTP_SERVICE_SETTINGS(PRESET)};
static const struct http_engine_settings upstream = {HTTP_ENGINE_SETTINGS(PRESET)};
static const struct breaker_settings breaker = {BREAKER_SETTINGS(PRESET)};
static const struct retry_settings retry = {RETRY_SETTINGS(PRESET)};
static const struct concurrency_settings presets = {CONCURRENCY_SETTINGS(PRESET)};
static const struct cache_settings cache_presets = {CACHE_SETTINGS(PRESET)};
#undef PRESET

struct stage_world {
    struct worker_thread        thread;
    struct worker_row           row;
    struct journal              journal;
    struct admission            admission;
    struct service              service;
    struct service_row          service_row;
    struct target               target;
    struct target_row           target_row;
    struct http_engine_stage    engine;
    struct gate_stage           gate;
    struct balance_stage        balance;
    struct guard_stage          guard;
    struct concurrency_settings concurrency_settings;
    struct keep                 keep;
    struct permits             *permits;
    struct concurrency_stage    concurrency;
    struct cache_settings       cache_settings;
    struct keep                 caches;
    struct cache               *cache; /* NULL: there was no memory for it */
    struct cache_stage          cache_stage;
    int                         holds_count; /* fetches that walk on the path */
    bool                        fronts_closed;
    struct http_route           route;
    struct http_router          router;
    int                         listener;
    bool                        built;
    bool                        ends_at_once; /* the loop, when it has drained */
    _Atomic bool                drained;
};

/* Before the faults begin. */
static void open_permits(struct stage_world *w)
{
    w->concurrency_settings = presets;
    w->concurrency_settings.limit = LIMIT_fixed;
    w->concurrency_settings.start = 1;
    const struct permits_rule rule = {.choice = LIMIT_fixed,
                                      .bounds = concurrency_bounds(&w->concurrency_settings)};
    keep_init(&w->keep);
    w->permits = permits_get(&w->keep, "shop", &rule);
    cr_assert(w->permits != NULL);
}

static void close_permits(struct stage_world *w)
{
    struct service_load load;
    permits_load(w->permits, &load);
    cr_assert(load.inflight == 0, "a permit is lost");
    permits_give(w->permits);
    keep_fini(&w->keep);
}

static bool build_waiting(struct worker_thread *thread, struct stage_world *w)
{
    const struct concurrency_parts parts = {
        .worker = &thread->worker,
        .service = &w->service,
        .permits = w->permits,
        .settings = &w->concurrency_settings,
    };
    return concurrency_stage_init(&w->concurrency, &parts, &w->guard.stage);
}

/* No client is there any more, and no fetch that one left behind. */
static void end_if_unused(struct stage_world *w)
{
    if (!w->fronts_closed || w->holds_count > 0)
        return;
    balance_stage_fini(&w->balance);
    cache_stage_fini(&w->cache_stage);
    if (w->ends_at_once)
        loop_stop(&w->thread.loop);
    atomic_store(&w->drained, true);
}

static void hold_path(void *self)
{
    ((struct stage_world *)self)->holds_count++;
}

static void release_path(void *self)
{
    ((struct stage_world *)self)->holds_count--;
    end_if_unused(self);
}

static bool build_cache(struct worker_thread *thread, struct stage_world *w)
{
    const struct cache_path path = {w, hold_path, release_path};
    w->cache_settings = cache_presets;
    w->cache_settings.memory_bytes = 4 << 20;
    const struct cache_wish wish = {
        .service = "shop", .settings = &w->cache_settings, .data_path = "", .workers_count = 1};
    w->cache = cache_get(&w->caches, &wish);
    return w->cache != NULL && cache_stage_init(&w->cache_stage, w->cache, &thread->worker,
                                                &w->cache_settings, &path, &w->concurrency.stage);
}

static void build(struct worker_thread *thread, void *argument)
{
    static const struct config_networks nobody = {0};
    static const struct balance_settings balance = {.strategy = BALANCE_round_robin};
    static const struct balance_stage_options options = {.settings = &balance, .zone = ""};
    struct stage_world *w = argument;
    if (!http_engine_stage_init(&w->engine, &thread->engine, &upstream))
        return;
    gate_stage_init(&w->gate, &w->service, NULL, &w->engine.stage);
    if (!balance_stage_init(&w->balance, &thread->worker, &w->service, &options, &w->gate.stage))
        return;
    guard_stage_init(&w->guard, &w->service, &(struct guard_settings){&breaker, &retry},
                     &w->balance.stage);
    if (!build_waiting(thread, w) || !build_cache(thread, w))
        return;
    w->route =
        (struct http_route){"", "/", 0, 1, &w->cache_stage.stage, &w->service, &http_service};
    w->router = (struct http_router){
        .routes = &w->route, .count = 1, .refs_count = 1, .released = released};
    const struct http_front_settings with = {"web", "http", &http, &http_service, &nobody};
    w->built = worker_front_open(thread, &with, &w->router, &w->admission, w->listener);
}

static void drained(struct worker_thread *thread)
{
    struct stage_world *w = thread->self;
    w->fronts_closed = true;
    end_if_unused(w);
}

static void abort_all(struct worker_thread *thread, void *argument)
{
    (void)argument;
    list_each(&thread->fronts, link, after)
        worker_front_abort(list_item(link, struct worker_front, link));
}

static void drain(struct worker_thread *thread, void *argument)
{
    thread->self = argument;
    thread->drained = drained;
    worker_thread_drain(thread);
}

static void drain_at_once(struct worker_thread *thread, void *argument)
{
    drain(thread, argument);
    abort_all(thread, NULL);
}

static void count_open(struct worker_thread *thread, void *argument)
{
    *(uint64_t *)argument = thread->engine.open_count;
}

/* The connections to targets are just being closed when the loop ends. */
static void finish_at_once(struct stage_world *w)
{
    w->ends_at_once = true;
    worker_thread_run(&w->thread, drain_at_once, w);
    while (!atomic_load(&w->drained))
        usleep(2000);
    worker_thread_join(&w->thread);
}

static void finish(struct stage_world *w)
{
    fault_fail_nth(FAULT_ALLOCATION, 0);
    worker_thread_run(&w->thread, drain, w);
    worker_thread_run(&w->thread, abort_all, NULL);
    uint64_t open = 1;
    for (int i = 0; i < 400 && !(atomic_load(&w->drained) && open == 0); i++) {
        worker_thread_run(&w->thread, count_open, &open);
        usleep(2000);
    }
    cr_assert(atomic_load(&w->drained), "a connection of a client never closed");
    cr_assert(open == 0, "a connection to a target never closed");
    worker_thread_join(&w->thread);
}

/* One run, ended by @end. Returns whether the fault struck. */
static bool run(const char *io, enum fault_kind kind, uint64_t nth,
                const struct sockaddr_in *origin, void (*end)(struct stage_world *))
{
    struct stage_world *w = aligned_alloc(64, (sizeof *w + 63) / 64 * 64);
    struct target_set *set = calloc(1, sizeof *set + sizeof(struct target *));
    struct sockaddr_in address;
    struct err e = {0};
    memset((void *)w, 0, sizeof *w);
    w->listener = listen_on_loopback(&address);
    w->journal.exchange = write_nothing;
    w->admission = (struct admission){let_in, let_out, never_short, told_nothing};
    w->service.reported = report_nothing;
    w->service.rows = &w->service_row;
    w->service.workers_count = w->target.workers_count = 1;
    w->target.rows = &w->target_row;
    w->target.weight = 1;
    w->target.address_bytes = sizeof *origin;
    memcpy(&w->target.address, origin, sizeof *origin);
    *set = (struct target_set){.refs_count = 1, .count = 1, .weight_sum = 1, .weight_max = 1};
    set->at[0] = &w->target;
    w->service.views[0].set = set;
    list_init(&w->service.views[0].listeners);
    bool struck;
    open_permits(w);
    keep_init(&w->caches);
    fault_fail_nth(kind, nth);
    if (worker_thread_start(&w->thread, 0, io, &w->row, &w->journal, &e) == ERR_NONE) {
        worker_thread_run(&w->thread, build, w);
        if (w->built)
            talk_a_while(&address);
        struck = fault_seen(kind) >= nth;
        end(w);
    } else {
        struck = true;
        fault_fail_nth(FAULT_ALLOCATION, 0);
    }
    close_permits(w);
    cache_give(w->cache);
    keep_fini(&w->caches);
    close(w->listener);
    free(set);
    free(w);
    return struck;
}

struct origin {
    struct sockaddr_in address;
    int                listener;
    pthread_t          thread;
};

static void open_origin(struct origin *origin)
{
    origin->listener = listen_on_loopback(&origin->address);
    cr_assert(pthread_create(&origin->thread, NULL, serve, (void *)(intptr_t)origin->listener) ==
              0);
}

static void close_origin(struct origin *origin)
{
    shutdown(origin->listener, SHUT_RDWR);
    pthread_join(origin->thread, NULL);
    close(origin->listener);
}

static void fail_every(const char *io, enum fault_kind kind)
{
    struct origin origin;
    open_origin(&origin);
    uint64_t n = 1;
    while (n < N_MOST && run(io, kind, n, &origin.address, finish))
        n++;
    cr_assert(n > 5, "only %lu events were seen: the test tests nothing", (unsigned long)n);
    cr_assert(n < N_MOST);
    close_origin(&origin);
}

/* A connection that is closed is told so in a later turn, on io_uring when the kernel has let go of
 * it: the worker turns its loop for so long. */
Test(faults, a_worker_that_ends_waits_for_what_it_closes, .timeout = 60)
{
    struct origin origin;
    open_origin(&origin);
    (void)run("epoll", FAULT_COMPLETION, 0, &origin.address, finish_at_once);
    (void)run("io_uring", FAULT_COMPLETION, 0, &origin.address, finish_at_once);
    close_origin(&origin);
}

Test(faults, the_path_survives_every_failing_completion_on_epoll, .timeout = 120)
{
    fail_every("epoll", FAULT_COMPLETION);
}

Test(faults, the_path_survives_every_failing_completion_on_io_uring, .timeout = 120)
{
    fail_every("io_uring", FAULT_COMPLETION);
}

Test(faults, the_path_survives_every_failing_allocation_on_epoll, .timeout = 120)
{
    fail_every("epoll", FAULT_ALLOCATION);
}

Test(faults, the_path_survives_every_failing_allocation_on_io_uring, .timeout = 120)
{
    fail_every("io_uring", FAULT_ALLOCATION);
}
