/* SPDX-License-Identifier: Apache-2.0 */
/* main/server.c - the life of the server process.
 *
 * start:   open loops -> services and targets -> sockets from the supervisor -> paths and fronts on every worker -> ready
 * reload:  load and check -> new sockets -> registry -> new paths on every worker -> old listeners close
 * stop:    not ready -> (unready-for) -> fronts close, requests end -> (drain-for) cut -> pools -> threads -> exit */
#include "main/server.h"

#include "admin/admin_stage.h"
#include "breaker/pause.h"
#include "control/registry.h"
#include "core/mem.h"
#include "core/units.h"
#include "main/assemble.h"
#include "main/supervisor_client.h"
#include "main/worker_thread.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum {
    LISTENERS_MAX = 64,
    READY_LOOK_MS = 50,
    DESCRIPTORS_SILENCE_S = 5, /* between two warnings that they run out */
};

/* One listening address of the configuration, and its sockets: one per worker, or one for the control thread. */
struct listening {
    char name[64];
    char text[128]; /* the address, as the settings say it */
    bool is_admin;
    int  fds[WORKERS_MAX];
};

/* A worker's word that all its fronts are closed. */
struct drained_note {
    struct post    post;
    struct server *server;
};

struct server {
    const struct settings_request *request;
    struct supervisor_client      *client;
    struct events                 *events;
    struct log                    *log;
    struct registry               *registry;
    struct admin                  *admin;
    struct admin_facts             facts;
    struct admit                   admit;
    struct admission               open_door;     /* for admin listeners and the control socket: always in */
    struct generation             *generation;    /* the newest */
    unsigned                       workers_count;
    struct worker_thread          *workers;
    struct worker                 *worker_pointers[WORKERS_MAX];
    struct worker_row             *rows;          /* one per worker and one for control */
    struct worker_row             *row_pointers[WORKERS_MAX + 1];
    struct worker_thread           control;       /* this thread */
    struct listening               listening[LISTENERS_MAX];
    size_t                         listening_count;
    int                            control_fd;    /* the control socket; -1: none */
    struct http_router             admin_routers[2]; /* for listeners, for the control socket */
    struct http_route              admin_routes[2];
    struct http_service_settings   admin_service; /* a copy: a reload's own request outlives the settings it came under */
    char                           reload_message[512];
    pthread_t                      signal_thread;
    int                            signal_fd;
    int                            signal_stop_fds[2];
    struct post                    terminate_post, hangup_post, orphan_post;
    _Atomic bool                   terminate_posted, hangup_posted;
    struct timer                   stop_timer;
    struct timer                   ready_timer;
    struct drained_note            drained_notes[WORKERS_MAX];
    unsigned                       draining_count; /* workers that still have fronts */
    _Atomic uint64_t               descriptors_told_ns;
    bool                           is_stopping, is_draining, is_cut;
    int                            status;
};

static void tell_change(struct server *server, const char *text)
{
    events_tell(server->events, LOG_LEVEL_INFO, "%s", text);
}

/* --- figures of the process ------------------------------------------------------------------------------------- */

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

static void say_nothing(struct admission *self, bool pauses)
{
    (void)self, (void)pauses;
}

/* As many descriptors as the system lets us have. */
static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static unsigned count_workers(const struct settings *settings)
{
    if (settings->workers_count != 0)
        return settings->workers_count < WORKERS_MAX ? settings->workers_count : WORKERS_MAX;
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores > WORKERS_MAX ? WORKERS_MAX : (unsigned)cores;
}

/* --- what the registry and the pages are lent ------------------------------------------------------------------- */

/* On a worker's thread; events may be told from any. At most one pair in a few seconds, however it flutters. */
static void told_of_descriptors(void *self, bool pauses)
{
    struct server *server = self;
    const uint64_t now_ns = clock_monotonic_ns();
    if (pauses && now_ns < atomic_load(&server->descriptors_told_ns) + DESCRIPTORS_SILENCE_S * NS_PER_S)
        return;
    if (pauses) {
        atomic_store(&server->descriptors_told_ns, now_ns);
        events_tell(server->events, LOG_LEVEL_WARNING,
                    "accepting pauses: all but limits.descriptors-kept of the descriptors are in use; raise `ulimit -n` "
                    "(LimitNOFILE), or lower limits.connections");
    } else {
        events_tell(server->events, LOG_LEVEL_INFO, "accepting goes on: descriptors are free again");
    }
}

static void told(void *self, enum registry_tone tone, const char *text)
{
    struct server *server = self;
    events_tell(server->events, tone == REGISTRY_TELL_TROUBLE ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "%s", text);
}

static struct registry_verdict judge(const struct registry_case *now, bool ok, uint64_t now_ns)
{
    const struct pause_settings settings = {now->pause_first_ns, now->pause_most_ns};
    const struct pause          before = {now->state, now->retry_at_ns, now->failures_in_a_row};
    const struct pause after = pause_step(&before, &settings, ok ? PAUSE_CONNECTED : PAUSE_FAILED, now_ns, now->draw);
    return (struct registry_verdict){after.state, after.retry_at_ns, after.failures_in_a_row};
}

static void close_pool(void *self, struct worker *worker, struct target *target, void (*done)(void *token), void *token)
{
    (void)self;
    struct worker_thread *thread = list_item(worker, struct worker_thread, worker);
    http_engine_forget(&thread->engine, target);
    done(token);
}

static bool service_at(void *self, size_t index, struct admin_service *out)
{
    const struct server   *server = self;
    const struct settings *settings = server->generation->settings;
    const struct service  *service = registry_service_at(server->registry, index);
    if (service == NULL)
        return false;
    *out = (struct admin_service){.service = service, .balance = "", .trouble = registry_trouble(service)};
    for (size_t i = 0; i < settings->services_count; i++)
        if (strcmp(settings->services[i].name, service->name) == 0)
            out->balance = settings_balances[settings->services[i].balance].name;
    return true;
}

static const struct target *target_at(void *self, const struct service *service, size_t index)
{
    (void)self;
    return registry_target_at(service, index);
}

static uint64_t count_connections(struct server *server, const struct listening *listening)
{
    if (listening->is_admin) {
        const struct worker_front *front = worker_front_find(&server->control, listening->name);
        return front == NULL ? 0 : atomic_load_explicit(&front->connections, memory_order_relaxed);
    }
    uint64_t open = 0;
    for (unsigned i = 0; i < server->workers_count; i++)
        open += atomic_load_explicit(&server->rows[i].connections_open, memory_order_relaxed);
    return open;
}

static bool listener_at(void *self, size_t index, struct admin_listener *out)
{
    struct server *server = self;
    if (index >= server->listening_count)
        return false;
    const struct listening *listening = &server->listening[index];
    *out = (struct admin_listener){
        .name = listening->name,
        .address = listening->text,
        .dialect = listening->is_admin ? "admin" : "http",
        .connections = count_connections(server, listening),
    };
    return true;
}

/* --- sockets ---------------------------------------------------------------------------------------------------- */

static struct listening *find_listening(struct server *server, const char *name)
{
    for (size_t i = 0; i < server->listening_count; i++)
        if (strcmp(server->listening[i].name, name) == 0)
            return &server->listening[i];
    return NULL;
}

static void close_listening(struct server *server, const struct listening *listening)
{
    const unsigned count = listening->is_admin ? 1 : server->workers_count;
    for (unsigned i = 0; i < count; i++)
        if (listening->fds[i] >= 0)
            supervisor_release(server->client, listening->fds[i]);
}

/* Asks the supervisor for the sockets of one listener. */
static enum err_kind open_listening(struct server *server, const struct listener_settings *settings,
                                    struct listening *listening, struct err *e)
{
    const unsigned count = settings->dialect == LISTENER_ADMIN ? 1 : server->workers_count;
    *listening = (struct listening){.is_admin = settings->dialect == LISTENER_ADMIN};
    (void)snprintf(listening->name, sizeof listening->name, "%s", settings->name);
    (void)snprintf(listening->text, sizeof listening->text, "%s", settings->address->text);
    for (unsigned i = 0; i < WORKERS_MAX; i++)
        listening->fds[i] = -1;
    for (unsigned i = 0; i < count; i++) {
        const enum err_kind failed = supervisor_listen(server->client, settings->address, i,
                                                       (int)settings->backlog, &listening->fds[i], e);
        if (failed != ERR_NONE) {
            close_listening(server, listening);
            return err_wrap(e, "listener %s", settings->name);
        }
    }
    return ERR_NONE;
}

/* --- paths and fronts on a worker -------------------------------------------------------------------------------- */

struct change {
    struct server     *server;
    struct generation *generation;
    bool               ok;
};

static struct http_front_settings front_settings(const struct settings *settings,
                                                 const struct listener_settings *listener)
{
    return (struct http_front_settings){
        .name = listener->name,
        .scheme = "http",
        .http = &settings->http,
        .service = &settings->http_service,
        .trust = &listener->trust,
    };
}

static bool is_for(const struct worker_thread *thread, const struct listener_settings *listener)
{
    return (listener->dialect == LISTENER_ADMIN) == (thread->worker.index == WORKER_CONTROL);
}

/* Opens or changes every front of this thread, and closes those that are no longer named. */
static bool change_fronts(struct worker_thread *thread, const struct change *change, struct http_router *router)
{
    struct server         *server = change->server;
    const struct settings *settings = change->generation->settings;
    const bool             is_control = thread->worker.index == WORKER_CONTROL;
    bool                   ok = true;
    for (size_t i = 0; i < settings->listeners_count; i++) {
        const struct listener_settings *listener = &settings->listeners[i];
        const struct listening         *listening = find_listening(server, listener->name);
        if (!is_for(thread, listener) || listening == NULL)
            continue;
        const struct http_front_settings with = front_settings(settings, listener);
        struct worker_front             *front = worker_front_find(thread, listener->name);
        if (front != NULL)
            http_front_change(front->front, &with, router);
        else if (!worker_front_open(thread, &with, router,
                                    is_control ? &server->open_door : &server->admit.admission,
                                    listening->fds[is_control ? 0 : thread->worker.index]))
            ok = false;
    }
    return ok;
}

/* A listener that is gone from the settings, or whose address changed (its sockets are others), closes. */
static void close_fronts(struct worker_thread *thread, const struct settings *settings)
{
    list_each(&thread->fronts, link, after)
    {
        struct worker_front *front = list_item(link, struct worker_front, link);
        bool                 named = strcmp(front->name, "control") == 0 && thread->worker.index == WORKER_CONTROL;
        for (size_t i = 0; i < settings->listeners_count; i++)
            if (is_for(thread, &settings->listeners[i]) && strcmp(settings->listeners[i].name, front->name) == 0)
                named = true;
        if (!named) {
            front->name[0] = '\0';
            worker_front_close(front);
        }
    }
}

static void change_worker(struct worker_thread *thread, void *argument)
{
    struct change *change = argument;
    struct path   *path = path_new(thread, change->generation);
    if (path == NULL) {
        change->ok = false;
        return;
    }
    /* A quarter of the descriptors that are kept is the admin listener's own; when half of them is used, nothing is kept idle. */
    const int limit = (int)change->server->admit.descriptors_limit;
    const int kept = (int)change->generation->settings->limits.descriptors_kept;
    thread->worker.descriptors_most = limit - kept / 4;
    thread->worker.descriptors_kept_most = limit - kept / 2;
    struct path *old = thread->path;
    thread->path = path;
    change->ok = change_fronts(thread, change, path_router(path));
    close_fronts(thread, change->generation->settings);
    path_release(old);
}

static void take_admin_settings(struct server *server, const struct settings *settings)
{
    server->admin_service = settings->http_service;
    server->admin_service.via = "pando"; /* the settings' own text goes with them */
}

static void change_control(struct worker_thread *thread, void *argument)
{
    struct change *change = argument;
    take_admin_settings(change->server, change->generation->settings);
    change->ok = change_fronts(thread, change, &change->server->admin_routers[0]);
    close_fronts(thread, change->generation->settings);
    struct worker_front *control = worker_front_find(thread, "control");
    if (control != NULL) {
        static const struct config_networks nobody = {0};
        const struct http_front_settings    with = {
               .name = "control",
               .scheme = "http",
               .http = &change->generation->settings->http,
               .service = &change->generation->settings->http_service,
               .trust = &nobody,
        };
        http_front_change(control->front, &with, &change->server->admin_routers[1]);
    }
}

/* Brings the generation to every thread. False: some thread had no memory; it keeps what it has. */
static bool bring(struct server *server, struct generation *generation)
{
    struct change change = {.server = server, .generation = generation};
    bool          ok = true;
    change_control(&server->control, &change);
    ok = ok && change.ok;
    for (unsigned i = 0; i < server->workers_count; i++) {
        worker_thread_run(&server->workers[i], change_worker, &change);
        ok = ok && change.ok;
    }
    return ok;
}

/* --- services --------------------------------------------------------------------------------------------------- */

static enum err_kind apply_services(struct server *server, const struct settings *settings, struct err *e)
{
    size_t targets_count = 0;
    for (size_t i = 0; i < settings->services_count; i++)
        targets_count += settings->services[i].targets_count;
    struct registry_service_spec *services = mem_alloc((settings->services_count + 1) * sizeof *services);
    struct registry_target_spec  *targets = mem_alloc((targets_count + 1) * sizeof *targets);
    enum err_kind failed = services == NULL || targets == NULL ? err_set(e, ERR_MEMORY, "no memory") : ERR_NONE;
    size_t        used = 0;
    for (size_t i = 0; failed == ERR_NONE && i < settings->services_count; i++) {
        const struct settings_service *service = &settings->services[i];
        services[i] = (struct registry_service_spec){
            .name = service->name,
            .targets = targets + used,
            .targets_count = service->targets_count,
            .pause_first_ns = service->breaker.pause_first_ns,
            .pause_most_ns = service->breaker.pause_most_ns,
        };
        for (size_t j = 0; j < service->targets_count; j++)
            targets[used++] = (struct registry_target_spec){
                &service->targets[j].address, service->targets[j].weight, service->targets[j].zone};
    }
    if (failed == ERR_NONE)
        failed = registry_apply(server->registry, services, settings->services_count, e);
    mem_free(services);
    mem_free(targets);
    return failed;
}

/* --- reload ----------------------------------------------------------------------------------------------------- */

/* Sockets for listeners that are new or whose address changed. They replace the old ones in @next. */
static enum err_kind open_new_listeners(struct server *server, const struct settings *settings,
                                        struct listening *next, struct err *e)
{
    enum err_kind failed = ERR_NONE;
    size_t        i = 0;
    for (; failed == ERR_NONE && i < settings->listeners_count; i++) {
        const struct listener_settings *listener = &settings->listeners[i];
        const struct listening         *old = find_listening(server, listener->name);
        const bool                      same = old != NULL && strcmp(old->text, listener->address->text) == 0 &&
                          old->is_admin == (listener->dialect == LISTENER_ADMIN);
        if (same)
            next[i] = *old;
        else
            failed = open_listening(server, listener, &next[i], e);
    }
    if (failed == ERR_NONE)
        return ERR_NONE;
    for (size_t j = 0; j + 1 < i; j++) { /* those that were opened just now are given back */
        const struct listening *old = find_listening(server, next[j].name);
        if (old == NULL || old->fds[0] != next[j].fds[0])
            close_listening(server, &next[j]);
    }
    return failed;
}

/* Fronts of listeners that go on at another address close before the new ones open under the same name. */
static void retire_moved(struct worker_thread *thread, void *argument)
{
    worker_front_close(argument);
    (void)thread;
}

static void retire_fronts(struct server *server, const char *name)
{
    for (unsigned i = 0; i <= server->workers_count; i++) {
        struct worker_thread *thread = i < server->workers_count ? &server->workers[i] : &server->control;
        struct worker_front  *front = worker_front_find(thread, name);
        if (front == NULL)
            continue;
        front->name[0] = '\0';
        worker_thread_run(thread, retire_moved, front);
    }
}

static void replace_listeners(struct server *server, const struct listening *next, size_t count)
{
    for (size_t i = 0; i < server->listening_count; i++) {
        const struct listening *old = &server->listening[i];
        bool                    kept = false;
        for (size_t j = 0; j < count; j++)
            kept = kept || (strcmp(next[j].name, old->name) == 0 && next[j].fds[0] == old->fds[0]);
        if (kept)
            continue;
        retire_fronts(server, old->name);
        close_listening(server, old);
    }
    memcpy(server->listening, next, count * sizeof *next);
    server->listening_count = count;
}

static bool refuse_reload(struct server *server, FILE *out, const char *story)
{
    fprintf(out, "error: %s\nnothing was changed\n", story);
    (void)snprintf(server->reload_message, sizeof server->reload_message, "%s", story);
    events_tell(server->events, LOG_LEVEL_ERROR, "reload refused: %s", story);
    return false;
}

static bool take_settings(struct server *server, struct settings *settings, FILE *out)
{
    static struct listening next[LISTENERS_MAX]; /* large; the control thread alone reloads */
    struct err              e = {0};
    if (settings->listeners_count > LISTENERS_MAX)
        return refuse_reload(server, out, "more than 64 listeners");
    if (open_new_listeners(server, settings, next, &e) != ERR_NONE)
        return refuse_reload(server, out, e.story);
    if (apply_services(server, settings, &e) != ERR_NONE)
        return refuse_reload(server, out, e.story);
    struct generation *generation = generation_new(settings, server->registry, &server->admit);
    if (generation == NULL)
        return refuse_reload(server, out, "no memory for the new configuration");
    if (log_change(server->log, &settings->log, &e) != ERR_NONE)
        fprintf(out, "warning: %s; the old log goes on\n", e.story);
    events_change_level(server->events, settings->log.level);
    admit_change(&server->admit, &settings->limits);
    const size_t changes = settings_write_changes(server->generation->settings, settings, out);
    replace_listeners(server, next, settings->listeners_count);
    struct generation *old = server->generation;
    server->generation = generation;
    if (!bring(server, generation))
        events_tell(server->events, LOG_LEVEL_ERROR, "a worker had no memory for the new configuration");
    generation_unref(old);
    server->facts.config_revision++;
    server->facts.config_loaded_wall_ns = clock_wall_ns();
    (void)snprintf(server->reload_message, sizeof server->reload_message, "%zu change%s", changes,
                   changes == 1 ? "" : "s");
    if (changes == 0)
        fprintf(out, "nothing has changed\n");
    events_tell(server->events, LOG_LEVEL_INFO, "configuration reloaded: %s", server->reload_message);
    return true;
}

static bool reload(void *self, FILE *out)
{
    struct server       *server = self;
    struct config_errors errors = {0};
    struct settings     *settings = settings_load(server->request, &errors);
    server->facts.reload_wall_ns = clock_wall_ns();
    bool ok = false;
    if (settings == NULL) {
        config_errors_write_text(&errors, out);
        (void)refuse_reload(server, out, "the configuration has mistakes");
    } else {
        ok = take_settings(server, settings, out);
        if (!ok)
            settings_free(settings);
    }
    config_errors_free(&errors);
    server->facts.is_reload_ok = ok;
    server->facts.reload_message = server->reload_message;
    return ok;
}

/* --- stop ------------------------------------------------------------------------------------------------------- */

static void end_loop(void *self)
{
    struct server *server = self;
    loop_stop(&server->control.loop);
}

static void all_drained(struct server *server)
{
    timer_set(&server->control.loop.timers, &server->stop_timer, 0);
    registry_stop(server->registry, end_loop, server);
}

static void control_drained(struct worker_thread *thread)
{
    all_drained(thread->self);
}

/* The pages and the control socket go last, so that a drain can be watched. */
static void one_drained(struct server *server)
{
    if (--server->draining_count > 0)
        return;
    admin_stop(server->admin);
    server->control.self = server;
    server->control.drained = control_drained;
    worker_thread_drain(&server->control);
}

static void note_arrived(struct post *post)
{
    one_drained(list_item(post, struct drained_note, post)->server);
}

/* On the worker's thread. */
static void worker_drained(struct worker_thread *thread)
{
    struct server *server = thread->self;
    path_release(thread->path);
    thread->path = NULL;
    struct drained_note *note = &server->drained_notes[thread->worker.index];
    *note = (struct drained_note){.post = {.call = note_arrived}, .server = server};
    loop_post(&server->control.loop, &note->post);
}

static void drain_worker(struct worker_thread *thread, void *argument)
{
    thread->self = argument;
    thread->drained = worker_drained;
    worker_thread_drain(thread);
}

static void abort_fronts(struct worker_thread *thread, void *argument)
{
    (void)argument;
    list_each(&thread->fronts, link, after)
        http_front_abort(list_item(link, struct worker_front, link)->front);
}

/* What is still in progress is cut. */
static void cut(struct server *server)
{
    server->is_cut = true;
    tell_change(server, "drain-for is over: what was still in progress is cut");
    for (unsigned i = 0; i < server->workers_count; i++)
        worker_thread_run(&server->workers[i], abort_fronts, NULL);
    abort_fronts(&server->control, NULL);
}

static void close_all(struct server *server)
{
    const struct settings *settings = server->generation->settings;
    tell_change(server, "stopping: no new connections, requests in progress may end");
    supervisor_stopping(server->client);
    server->is_draining = true;
    server->draining_count = server->workers_count;
    timer_set(&server->control.loop.timers, &server->stop_timer,
              server->control.loop.now_ns + settings->drain_for_ns + 1);
    for (unsigned i = 0; i < server->workers_count; i++)
        worker_thread_run(&server->workers[i], drain_worker, server);
    /* Who connects from now on is refused, instead of waiting in a backlog that nobody empties. */
    for (size_t i = 0; i < server->listening_count; i++)
        if (!server->listening[i].is_admin)
            close_listening(server, &server->listening[i]);
}

/* First /readyz has said no for a while, so that balancers before us look elsewhere; then the drain has its time. */
static void stop_timer_fired(struct timer *timer)
{
    struct server *server = list_item(timer, struct server, stop_timer);
    if (!server->is_draining)
        close_all(server);
    else if (!server->is_cut)
        cut(server);
}

static void begin_stop(struct server *server)
{
    if (server->is_stopping)
        return;
    server->is_stopping = true;
    server->facts.is_stopping = true;
    server->facts.is_ready = false;
    server->facts.unready_reason = "stopping";
    timer_set(&server->control.loop.timers, &server->stop_timer,
              server->control.loop.now_ns + server->generation->settings->unready_for_ns + 1);
}

/* --- signals ---------------------------------------------------------------------------------------------------- */

static void on_terminate(struct post *post)
{
    begin_stop(list_item(post, struct server, terminate_post));
}

static void on_hangup(struct post *post)
{
    struct server *server = list_item(post, struct server, hangup_post);
    atomic_store(&server->hangup_posted, false);
    char  *text = NULL;
    size_t bytes = 0;
    FILE  *out = open_memstream(&text, &bytes);
    if (out == NULL)
        return;
    (void)reload(server, out);
    fclose(out);
    if (bytes > 0)
        (void)!write(STDERR_FILENO, text, bytes);
    free(text);
    supervisor_reloaded(server->client);
}

/* The supervisor is gone: nobody would restart us or hold our sockets, so we end. */
static void on_orphaned(struct post *post)
{
    struct server *server = list_item(post, struct server, orphan_post);
    events_tell(server->events, LOG_LEVEL_ERROR, "the supervisor is gone; stopping");
    begin_stop(server);
}

static void on_signal(struct server *server)
{
    struct signalfd_siginfo seen;
    if (read(server->signal_fd, &seen, sizeof seen) != sizeof seen)
        return;
    if (seen.ssi_signo == SIGHUP) {
        if (!atomic_exchange(&server->hangup_posted, true))
            loop_post(&server->control.loop, &server->hangup_post);
    } else if (!atomic_exchange(&server->terminate_posted, true)) {
        /* More of them change nothing: a service manager signals us and the supervisor, which passes it on. The
         * supervisor it is that takes a second one for "now". */
        loop_post(&server->control.loop, &server->terminate_post);
    }
}

/* Waits for signals and for the supervisor's end; the loops know neither. */
static void *watch_signals(void *argument)
{
    struct server *server = argument;
    struct pollfd  fds[] = {
         {.fd = server->signal_fd, .events = POLLIN},
         {.fd = server->signal_stop_fds[0], .events = POLLIN},
         {.fd = supervisor_watch_fd(server->client), .events = 0}, /* only its hanging up */
    };
    for (;;) {
        if (poll(fds, 3, -1) < 0 && errno != EINTR)
            return NULL;
        if (fds[1].revents != 0)
            return NULL;
        if (fds[0].revents & POLLIN)
            on_signal(server);
        if (fds[2].fd >= 0 && fds[2].revents != 0) {
            fds[2].fd = -1;
            loop_post(&server->control.loop, &server->orphan_post);
        }
    }
}

static enum err_kind start_signals(struct server *server, struct err *e)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* threads that start later inherit it */
    (void)signal(SIGPIPE, SIG_IGN);
    server->terminate_post.call = on_terminate;
    server->hangup_post.call = on_hangup;
    server->orphan_post.call = on_orphaned;
    server->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
    if (server->signal_fd < 0 || pipe(server->signal_stop_fds) != 0)
        return err_set_errno(e, "signalfd");
    return ERR_NONE;
}

/* Ready once every name has been answered for, well or not, so that a first request need not fail. */
static void become_ready(struct timer *timer)
{
    struct server *server = list_item(timer, struct server, ready_timer);
    if (server->is_stopping)
        return;
    server->facts.is_ready = registry_is_settled(server->registry);
    server->facts.unready_reason = server->facts.is_ready ? NULL : "names are not resolved yet";
    if (!server->facts.is_ready)
        timer_set(&server->control.loop.timers, timer, server->control.loop.now_ns + READY_LOOK_MS * NS_PER_MS);
}

/* --- start ------------------------------------------------------------------------------------------------------ */

static enum err_kind start_threads(struct server *server, const struct settings *settings, struct err *e)
{
    const char   *io = settings_ios[settings->io].name;
    const unsigned count = server->workers_count;
    server->workers = mem_alloc(count * sizeof *server->workers);
    server->rows = aligned_alloc(64, (count + 1) * sizeof *server->rows);
    if (server->workers == NULL || server->rows == NULL)
        return err_set(e, ERR_MEMORY, "no memory for workers");
    memset((void *)server->rows, 0, (count + 1) * sizeof *server->rows);
    for (unsigned i = 0; i <= count; i++)
        server->row_pointers[i] = &server->rows[i];
    server->log = log_new(&settings->log, count, server->events, e);
    if (server->log == NULL)
        return e->kind;
    enum err_kind failed =
        worker_thread_init(&server->control, WORKER_CONTROL, io, &server->rows[count],
                           log_journal(server->log, WORKER_CONTROL, &server->rows[count]), e);
    for (unsigned i = 0; failed == ERR_NONE && i < count; i++) {
        failed = worker_thread_start(&server->workers[i], i, io, &server->rows[i],
                                     log_journal(server->log, i, &server->rows[i]), e);
        server->worker_pointers[i] = &server->workers[i].worker;
    }
    return failed == ERR_NONE ? ERR_NONE : err_wrap(e, "starting the event loops");
}

static enum err_kind start_registry(struct server *server, const struct settings *settings, struct err *e)
{
    const struct registry_sources sources = {
        .loop = &server->control.loop,
        .workers = server->worker_pointers,
        .workers_count = server->workers_count,
        .self = server,
        .told = told,
        .judge = judge,
        .close_pool = close_pool,
    };
    server->registry = registry_new(&sources, e);
    if (server->registry == NULL)
        return e->kind;
    const enum err_kind failed = apply_services(server, settings, e);
    if (failed == ERR_NONE)
        registry_start(server->registry);
    return failed;
}

static enum err_kind start_admin(struct server *server, const struct settings *settings, struct err *e)
{
    const struct admin_sources sources = {
        .version = PANDO_VERSION,
        .io = server->control.io,
        .started_wall_ns = clock_wall_ns(),
        .started_ns = clock_monotonic_ns(),
        .loop = &server->control.loop,
        .workers_count = server->workers_count,
        .rows = server->row_pointers,
        .facts = &server->facts,
        .events = server->events,
        .log = server->log,
        .self = server,
        .service_at = service_at,
        .target_at = target_at,
        .listener_at = listener_at,
        .reload = reload,
    };
    server->admin = admin_new(&sources);
    if (server->admin == NULL)
        return err_set(e, ERR_MEMORY, "no memory for the admin pages");
    take_admin_settings(server, settings);
    for (int i = 0; i < 2; i++) {
        server->admin_routes[i] = (struct http_route){
            .host = "",
            .path = "/",
            .path_bytes = 1,
            .top = admin_stage(server->admin, i == 1),
            .settings = &server->admin_service,
        };
        /* The server's own reference keeps these for ever. */
        server->admin_routers[i] =
            (struct http_router){.routes = &server->admin_routes[i], .count = 1, .refs_count = 1};
    }
    return ERR_NONE;
}

static enum err_kind start_listeners(struct server *server, const struct settings *settings, struct err *e)
{
    if (settings->listeners_count > LISTENERS_MAX)
        return err_set(e, ERR_LIMIT, "more than %d listeners", LISTENERS_MAX);
    for (size_t i = 0; i < settings->listeners_count; i++) {
        const enum err_kind failed =
            open_listening(server, &settings->listeners[i], &server->listening[i], e);
        if (failed != ERR_NONE)
            return failed;
        server->listening_count++;
    }
    return supervisor_listen_unix(server->client, settings->control_path, 0600, &server->control_fd, e);
}

static enum err_kind start_control_front(struct server *server, struct err *e)
{
    static const struct config_networks nobody = {0};
    const struct settings              *settings = server->generation->settings;
    const struct http_front_settings    with = {
           .name = "control",
           .scheme = "http",
           .http = &settings->http,
           .service = &settings->http_service,
           .trust = &nobody,
    };
    return worker_front_open(&server->control, &with, &server->admin_routers[1], &server->open_door,
                             server->control_fd)
               ? ERR_NONE
               : err_set(e, ERR_MEMORY, "no memory for the control socket");
}

static enum err_kind start(struct server *server, struct settings *settings, struct err *e)
{
    struct hash_key key;
    if (getrandom(&key, sizeof key, 0) != sizeof key)
        return err_set_errno(e, "getrandom");
    enum err_kind failed = start_signals(server, e);
    if (failed == ERR_NONE && !admit_init(&server->admit, &settings->limits, key))
        failed = err_set(e, ERR_MEMORY, "no memory");
    server->admit.told = told_of_descriptors;
    server->admit.told_self = server;
    if (failed == ERR_NONE)
        failed = start_threads(server, settings, e);
    if (failed == ERR_NONE)
        failed = start_registry(server, settings, e);
    if (failed == ERR_NONE)
        failed = start_admin(server, settings, e);
    if (failed == ERR_NONE)
        failed = start_listeners(server, settings, e);
    if (failed != ERR_NONE)
        return failed;
    server->generation = generation_new(settings, server->registry, &server->admit);
    if (server->generation == NULL)
        return err_set(e, ERR_MEMORY, "no memory for the configuration");
    server->facts = (struct admin_facts){
        .config_file = server->request->file,
        .config_revision = 1,
        .config_loaded_wall_ns = clock_wall_ns(),
    };
    if (!bring(server, server->generation))
        return err_set(e, ERR_MEMORY, "no memory for the first path");
    timer_init(&server->ready_timer, become_ready);
    become_ready(&server->ready_timer);
    failed = start_control_front(server, e);
    if (failed != ERR_NONE)
        return failed;
    if (pthread_create(&server->signal_thread, NULL, watch_signals, server) != 0)
        return err_set(e, ERR_SYSTEM, "a thread could not be started");
    return ERR_NONE;
}

static void end(struct server *server)
{
    (void)!write(server->signal_stop_fds[1], "x", 1);
    pthread_join(server->signal_thread, NULL);
    for (unsigned i = 0; i < server->workers_count; i++)
        worker_thread_join(&server->workers[i]);
    admin_free(server->admin);
    worker_thread_fini(&server->control);
    generation_unref(server->generation); /* gives its services back */
    registry_free(server->registry);
    log_free(server->log);
    admit_fini(&server->admit);
    mem_free(server->workers);
    free((void *)server->rows);
    close(server->signal_fd);
    close(server->signal_stop_fds[0]);
    close(server->signal_stop_fds[1]);
    events_free(server->events);
}

static void say_where(const struct server *server)
{
    for (size_t i = 0; i < server->listening_count; i++)
        events_tell(server->events, LOG_LEVEL_INFO, "%s listens on %s (%s)", server->listening[i].name,
                    server->listening[i].text, server->listening[i].is_admin ? "admin" : "http");
    events_tell(server->events, LOG_LEVEL_INFO, "ready: %u worker%s on %s, control socket %s",
                server->workers_count, server->workers_count == 1 ? "" : "s", server->control.io,
                server->generation->settings->control_path);
}

int server_run(struct settings *settings, const struct settings_request *request, struct supervisor_client *client)
{
    struct server *server = mem_alloc(sizeof *server); /* large, and lives as long as the process */
    struct err     e = {0};
    if (server == NULL)
        return EXIT_FAILURE;
    raise_descriptors();
    server->request = request;
    server->client = client;
    server->control_fd = -1;
    server->open_door = (struct admission){let_in, let_out, never_short, say_nothing};
    server->workers_count = count_workers(settings);
    server->events = events_new(STDERR_FILENO, settings->log.level);
    timer_init(&server->stop_timer, stop_timer_fired);
    if (start(server, settings, &e) != ERR_NONE) {
        events_tell(server->events, LOG_LEVEL_ERROR, "%s", e.story);
        supervisor_failed(client, e.story);
        return EXIT_FAILURE; /* the process ends, and with it what was begun */
    }
    supervisor_ready(client);
    say_where(server);
    loop_run(&server->control.loop);
    tell_change(server, "stopped");
    end(server);
    mem_free(server);
    return EXIT_SUCCESS;
}
