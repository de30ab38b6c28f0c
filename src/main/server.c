/* SPDX-License-Identifier: Apache-2.0 */
/* main/server.c - the life of the server process.
 *
 * start:   open loops -> services and targets -> sockets from the supervisor -> paths and fronts on
 * every worker -> ready
 * reload:  server_reload.c     stop: server_stop.c */
#include "main/server_inside.h"

#include "breaker/circuit/circuit.h"
#include "breaker/pause.h"
#include "core/mem.h"
#include "core/units.h"
#include "main/directory/server_directory.h"
#include "main/explain/server_explain.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

void server__tell_change(struct server *server, const char *text)
{
    events_tell(server->events, LOG_LEVEL_INFO, "%s", text);
}

/* --- figures of the process
 * ------------------------------------------------------------------------------------- */

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

/* --- what the registry and the pages are lent
 * ------------------------------------------------------------------- */

/* On a worker's thread; events may be told from any. At most one pair in a few seconds, however
 * it flutters. */
static void told_of_descriptors(void *self, bool pauses)
{
    struct server *server = self;
    const uint64_t now_ns = clock_monotonic_ns();
    if (pauses &&
        now_ns < atomic_load(&server->descriptors_told_ns) + DESCRIPTORS_SILENCE_S * NS_PER_S)
        return;
    if (pauses) {
        atomic_store(&server->descriptors_told_ns, now_ns);
        events_tell(
            server->events, LOG_LEVEL_WARNING,
            "accepting pauses: all but limits.descriptors-kept of the descriptors are in use; "
            "raise `ulimit -n` (LimitNOFILE), or lower limits.connections");
    } else {
        events_tell(server->events, LOG_LEVEL_INFO,
                    "accepting goes on: descriptors are free again");
    }
}

static void told(void *self, enum registry_tone tone, const char *text)
{
    struct server *server = self;
    events_tell(server->events, tone == REGISTRY_TELL_TROUBLE ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO,
                "%s", text);
}

static struct registry_verdict judge(const struct registry_case *now, bool ok, uint64_t now_ns)
{
    const struct pause_settings settings = {now->pause_first_ns, now->pause_most_ns};
    const struct pause before = {now->state, now->retry_at_ns, now->failures_in_a_row};
    const struct pause after =
        pause_step(&before, &settings, ok ? PAUSE_CONNECTED : PAUSE_FAILED, now_ns, now->draw);
    return (struct registry_verdict){after.state, after.retry_at_ns, after.failures_in_a_row};
}

static void close_pool(void *self, struct worker *worker, struct target *target,
                       void (*done)(void *token), void *token)
{
    (void)self;
    struct worker_thread *thread = list_item(worker, struct worker_thread, worker);
    http_engine_forget(&thread->engine, target);
    prober_close(&thread->prober, target, done, token);
}

static bool order(void *self, const struct admin_order *order, FILE *out)
{
    struct server *server = self;
    static const enum registry_order_sort sorts[] = {
        [ADMIN_ORDER_DRAIN] = REGISTRY_ORDER_DRAIN,
        [ADMIN_ORDER_UNDRAIN] = REGISTRY_ORDER_UNDRAIN,
        [ADMIN_ORDER_WEIGHT] = REGISTRY_ORDER_WEIGHT,
    };
    const struct registry_order given = {sorts[order->sort], order->service, order->target,
                                         order->weight};
    const struct target *target;
    struct err e = {0};
    if (registry_order(server->registry, &given, &target, &e) != ERR_NONE) {
        fprintf(out, "error: %s\nnothing was changed\n", e.story);
        return false;
    }
    if (order->sort == ADMIN_ORDER_WEIGHT)
        fprintf(out, "%s/%s has weight %u\n", order->service, target->name, target->weight_said);
    else
        fprintf(out, "%s/%s is %s; %u in flight\n", order->service, target->name,
                target_state_word(target_shown_state(target)), target->inflight);
    if (e.story[0] != '\0')
        fprintf(out, "warning: it would not survive a restart: %s\n", e.story);
    return true;
}

static bool service_at(void *self, size_t index, struct admin_service *out)
{
    const struct server *server = self;
    const struct settings *settings = server->generation->settings;
    const struct service *service = registry_service_at(server->registry, index);
    if (service == NULL)
        return false;
    *out = (struct admin_service){
        .service = service, .balance = "", .trouble = registry_trouble(service)};
    generation_load(server->generation, service->name, &out->load);
    for (size_t i = 0; i < settings->services_count; i++)
        if (strcmp(settings->services[i].name, service->name) == 0) {
            out->balance = balance_words[settings->services[i].balance.strategy].name;
            server__show_circuit(server->generation->circuits[i], &out->circuit);
        }
    return true;
}

static const struct target *target_at(void *self, const struct service *service, size_t index)
{
    (void)self;
    return registry_target_at(service, index);
}

static uint64_t count_connections(struct server *server, const struct listening *listening)
{
    if (listening->dialect == LISTENER_ADMIN) {
        const struct worker_front *front = worker_front_find(&server->control, listening->name);
        return front == NULL ? 0 : atomic_load_explicit(&front->connections, memory_order_relaxed);
    }
    uint64_t open = 0;
    for (unsigned i = 0; i < server->workers_count; i++)
        open += atomic_load_explicit(&server->rows[i].connections_open, memory_order_relaxed);
    return open;
}

static bool keyspace_at(void *self, size_t index, struct admin_keyspace *out)
{
    const struct server *server = self;
    const struct generation *generation = server->generation;
    if (index >= generation->settings->keyspaces_count)
        return false;
    const struct kept_keyspace *keyspace = generation->keyspaces[index];
    *out = (struct admin_keyspace){
        .name = keyspace->kept.name,
        .partition = keyspace->partition->strategy->name,
        .engine = kept_keyspace_engine(keyspace),
        .shards_count = keyspace->partition->shards_count,
    };
    kept_keyspace_count(keyspace, &out->figures);
    return true;
}

static void channels_count(void *self, struct pubsub_figures *out)
{
    struct server *server = self;
    pubsub_hub_count(&server->keeps.pubsub, out);
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
        .dialect = listener_dialect_name(listening->dialect),
        .connections = count_connections(server, listening),
    };
    return true;
}

/* --- start
 * ---------------------------------------------------------------------------------------------- */

/* Ready once every name has been answered for, well or not, so that a first request need not
 * fail. */
static void become_ready(struct timer *timer)
{
    struct server *server = list_item(timer, struct server, ready_timer);
    if (server->is_stopping)
        return;
    server->facts.is_ready = registry_is_settled(server->registry);
    server->facts.unready_reason = server->facts.is_ready ? NULL : "names are not resolved yet";
    if (!server->facts.is_ready)
        timer_set(&server->control.loop.timers, timer,
                  server->control.loop.now_ns + READY_LOOK_MS * NS_PER_MS);
}

/* Until the loop ends: what waits when the process stops is served like any other. */
static void step_limits(struct timer *timer)
{
    struct server *server = list_item(timer, struct server, limits_timer);
    const uint64_t now_ns = server->control.loop.now_ns;
    generation_step(server->generation, now_ns, clock_wall_ns());
    timer_set(&server->control.loop.timers, timer, now_ns + LIMITS_STEP_MS * NS_PER_MS);
}

static enum err_kind start_threads(struct server *server, const struct settings *settings,
                                   struct err *e)
{
    const char *io = settings_ios[settings->io].name;
    const unsigned count = server->workers_count;
    server->workers = mem_alloc(count * sizeof *server->workers);
    server->rows = mem_alloc_lines((count + 1) * sizeof *server->rows);
    if (server->workers == NULL || server->rows == NULL)
        return err_set(e, ERR_MEMORY, "no memory for workers");
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

static enum err_kind start_registry(struct server *server, const struct settings *settings,
                                    struct err *e)
{
    (void)snprintf(server->orders_path, sizeof server->orders_path, "%s/targets",
                   settings->data_path);
    const struct registry_sources sources = {
        .orders_path = server->orders_path,
        .loop = &server->control.loop,
        .workers = server->worker_pointers,
        .workers_count = server->workers_count,
        .self = server,
        .told = told,
        .judge = judge,
        .circuit = {.step = circuit_step, .write_cause = circuit_write_cause},
        .close_pool = close_pool,
    };
    server->registry = registry_new(&sources, e);
    if (server->registry == NULL)
        return e->kind;
    const enum err_kind failed = server__apply_services(server, settings, e);
    if (failed == ERR_NONE)
        registry_start(server->registry);
    return failed;
}

static enum err_kind start_admin(struct server *server, const struct settings *settings,
                                 struct err *e)
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
        .keyspace_at = keyspace_at,
        .channels_count = channels_count,
        .order = order,
        .cache_of = server__cache_of,
        .purge = server__purge,
        .purged = server__purged,
        .backup = server__backup,
        .backed_up = server__backed_up,
        .explain = server__explain_any,
        .show_directory = server__show_directory,
        .change_directory = server__change_directory,
        .reload = server__reload,
    };
    server->admin = admin_new(&sources);
    if (server->admin == NULL)
        return err_set(e, ERR_MEMORY, "no memory for the admin pages");
    server__take_admin_settings(server, settings);
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

static enum err_kind start_listeners(struct server *server, const struct settings *settings,
                                     struct err *e)
{
    if (settings->listeners_count > LISTENERS_MAX)
        return err_set(e, ERR_LIMIT, "more than %d listeners", LISTENERS_MAX);
    for (size_t i = 0; i < settings->listeners_count; i++) {
        const enum err_kind failed =
            server__open_listening(server, &settings->listeners[i], &server->listening[i], e);
        if (failed != ERR_NONE)
            return failed;
        server->listening_count++;
    }
    return supervisor_listen_unix(server->client, settings->control_path, 0600, &server->control_fd,
                                  e);
}

static enum err_kind start_control_front(struct server *server, struct err *e)
{
    static const struct config_networks nobody = {0};
    const struct settings *settings = server->generation->settings;
    const struct http_front_settings with = {
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
    keeps_init(&server->keeps, server->workers_count, &key);
    server->keeps.events = server->events;
    enum err_kind failed = server__start_signals(server, e);
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
    server->generation =
        generation_new(settings, server->registry, &server->admit, &server->keeps, e);
    if (server->generation == NULL)
        return e->kind;
    server__warm_caches(server, server->generation);
    server->facts = (struct admin_facts){
        .config_file = server->request->file,
        .config_revision = 1,
        .config_loaded_wall_ns = clock_wall_ns(),
        .geo = settings->geo,
    };
    if (!server__bring(server, server->generation))
        return err_set(e, ERR_MEMORY, "no memory for the first path");
    server__start_circuits(server);
    timer_init(&server->ready_timer, become_ready);
    become_ready(&server->ready_timer);
    timer_init(&server->limits_timer, step_limits);
    step_limits(&server->limits_timer);
    server__start_purges(server);
    failed = start_control_front(server, e);
    if (failed != ERR_NONE)
        return failed;
    if (pthread_create(&server->signal_thread, NULL, server__watch_signals, server) != 0)
        return err_set(e, ERR_SYSTEM, "a thread could not be started");
    return ERR_NONE;
}

static void end(struct server *server)
{
    (void)!write(server->signal_stop_fds[1], "x", 1);
    pthread_join(server->signal_thread, NULL);
    server__end_directory(server);
    for (unsigned i = 0; i < server->workers_count; i++)
        worker_thread_join(&server->workers[i]);
    server__end_backup(server); /* its thread posts to the control thread's loop */
    admin_free(server->admin);
    worker_thread_fini(&server->control);
    server__end_purges(server);
    if (server->generation != NULL)
        server__save_caches(server, server->generation);
    generation_unref(server->generation); /* gives its services back */
    keeps_fini(&server->keeps);
    registry_free(server->registry);
    log_free(server->log);
    admit_fini(&server->admit);
    mem_free(server->workers);
    mem_free(server->rows);
    close(server->signal_fd);
    close(server->signal_stop_fds[0]);
    close(server->signal_stop_fds[1]);
    events_free(server->events);
}

static void say_where(const struct server *server)
{
    for (size_t i = 0; i < server->listening_count; i++)
        events_tell(server->events, LOG_LEVEL_INFO, "%s listens on %s (%s)",
                    server->listening[i].name, server->listening[i].text,
                    listener_dialect_name(server->listening[i].dialect));
    events_tell(server->events, LOG_LEVEL_INFO, "ready: %u worker%s on %s, control socket %s",
                server->workers_count, server->workers_count == 1 ? "" : "s", server->control.io,
                server->generation->settings->control_path);
}

int server_run(struct settings *settings, const struct settings_request *request,
               struct supervisor_client *client)
{
    struct server *server = mem_alloc(sizeof *server); /* large, and lives as long as the process */
    struct err e = {0};
    if (server == NULL)
        return EXIT_FAILURE;
    raise_descriptors();
    server->request = request;
    server->client = client;
    server->control_fd = -1;
    server->open_door = (struct admission){let_in, let_out, never_short, say_nothing};
    server->workers_count = count_workers(settings);
    server->events = events_new(STDERR_FILENO, settings->log.level);
    timer_init(&server->stop_timer, server__stop_timer_fired);
    if (start(server, settings, &e) != ERR_NONE) {
        events_tell(server->events, LOG_LEVEL_ERROR, "%s", e.story);
        supervisor_failed(client, e.story);
        return EXIT_FAILURE; /* the process ends, and with it what was begun */
    }
    supervisor_ready(client);
    say_where(server);
    loop_run(&server->control.loop);
    server__tell_change(server, "stopped");
    end(server);
    mem_free(server);
    return EXIT_SUCCESS;
}
