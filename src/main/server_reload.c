/* SPDX-License-Identifier: Apache-2.0 */
/* main/server_reload.c - a configuration on its way to the threads: sockets, services, paths,
 * fronts.
 *
 * load and check -> sockets of new listeners -> registry -> a new path on every worker -> old
 * listeners close */
#include "core/mem.h"
#include "core/units.h"
#include "main/face/beside.h"
#include "main/server_inside.h"
#include "main/users/users_file.h"

#include <string.h>

/* --- sockets
 * ---------------------------------------------------------------------------------------------- */

struct listening *server__find_listening(struct server *server, const char *name)
{
    for (size_t i = 0; i < server->listening_count; i++)
        if (strcmp(server->listening[i].name, name) == 0)
            return &server->listening[i];
    return NULL;
}

void server__close_listening(struct server *server, const struct listening *listening)
{
    const unsigned count = listening->dialect == LISTENER_ADMIN ? 1 : server->workers_count;
    for (unsigned i = 0; i < count; i++)
        if (listening->fds[i] >= 0)
            supervisor_release(server->client, listening->fds[i]);
}

/* Asks the supervisor for the sockets of one listener. */
enum err_kind server__open_listening(struct server *server,
                                     const struct listener_settings *settings,
                                     struct listening *listening, struct err *e)
{
    const unsigned count = settings->dialect == LISTENER_ADMIN ? 1 : server->workers_count;
    *listening = (struct listening){.dialect = settings->dialect};
    (void)snprintf(listening->name, sizeof listening->name, "%s", settings->name);
    (void)snprintf(listening->text, sizeof listening->text, "%s", settings->address->text);
    for (unsigned i = 0; i < WORKERS_MAX; i++)
        listening->fds[i] = -1;
    for (unsigned i = 0; i < count; i++) {
        const enum err_kind failed = supervisor_listen(
            server->client, settings->address, i, (int)settings->backlog, &listening->fds[i], e);
        if (failed != ERR_NONE) {
            server__close_listening(server, listening);
            return err_wrap(e, "listener %s", settings->name);
        }
        sock_limit_receive_buffer(listening->fds[i], settings->receive_buffer_bytes);
    }
    return ERR_NONE;
}

/* --- paths and fronts on a worker
 * -------------------------------------------------------------------------------- */

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

/* What fronts of this thread stand before. */
struct below {
    struct path        *path;   /* a worker's; NULL on the control thread */
    struct http_router *admin;  /* of admin listeners; NULL on workers */
    struct beside      *beside; /* likewise; NULL: none of them has keys */
};

static struct http_router *router_below(const struct below *below, const char *listener)
{
    if (below->path != NULL)
        return path_router(below->path, listener);
    struct http_router *beside = beside_router(below->beside, listener);
    return beside != NULL ? beside : below->admin;
}

/* Opens or changes the front of @listener. False: no memory. */
static bool change_front(struct worker_thread *thread, const struct change *change,
                         const struct listener_settings *listener, const struct below *below)
{
    struct server *server = change->server;
    const struct settings *settings = change->generation->settings;
    const bool is_control = thread->worker.index == WORKER_CONTROL;
    const struct listening *listening = server__find_listening(server, listener->name);
    struct admission *admission = is_control ? &server->open_door : &server->admit.admission;
    if (!is_for(thread, listener) || listening == NULL)
        return true;
    struct worker_front *front = worker_front_find(thread, listener->name);
    const int fd = listening->fds[is_control ? 0 : thread->worker.index];
    if (listener->dialect == LISTENER_REDIS) {
        const struct resp_front_settings with = {
            .name = listener->name, .resp = &settings->redis, .users = listener->users};
        if (front == NULL)
            return worker_front_open_resp(thread, &with, path_keys(below->path), admission, fd);
        resp_front_change(front->resp, &with, path_keys(below->path));
        return true;
    }
    const struct http_front_settings with = front_settings(settings, listener);
    struct http_router *router = router_below(below, listener->name);
    if (front == NULL)
        return worker_front_open(thread, &with, router, admission, fd);
    http_front_change(front->http, &with, router);
    return true;
}

/* Opens or changes every front of this thread. */
static bool change_fronts(struct worker_thread *thread, const struct change *change,
                          const struct below *below)
{
    const struct settings *settings = change->generation->settings;
    bool ok = true;
    for (size_t i = 0; i < settings->listeners_count; i++)
        ok = change_front(thread, change, &settings->listeners[i], below) && ok;
    return ok;
}

/* A listener that is gone from the settings, or whose address changed (its sockets are others),
 * closes. */
static void close_fronts(struct worker_thread *thread, const struct settings *settings)
{
    list_each(&thread->fronts, link, after)
    {
        struct worker_front *front = list_item(link, struct worker_front, link);
        bool named = strcmp(front->name, "control") == 0 && thread->worker.index == WORKER_CONTROL;
        for (size_t i = 0; i < settings->listeners_count; i++)
            if (is_for(thread, &settings->listeners[i]) &&
                strcmp(settings->listeners[i].name, front->name) == 0)
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
    struct path *path = path_new(thread, change->generation);
    if (path == NULL) {
        change->ok = false;
        return;
    }
    /* A quarter of the descriptors that are kept is the admin listener's own; when half of them
     * is used, nothing is kept idle. */
    const int limit = (int)change->server->admit.descriptors_limit;
    const int kept = (int)change->generation->settings->limits.descriptors_kept;
    thread->worker.descriptors_most = limit - kept / 4;
    thread->worker.descriptors_kept_most = limit - kept / 2;
    struct path *old = thread->path;
    thread->path = path;
    change->ok = change_fronts(thread, change, &(struct below){.path = path});
    close_fronts(thread, change->generation->settings);
    path_release(old);
}

void server__take_admin_settings(struct server *server, const struct settings *settings)
{
    server->admin_service = settings->http_service;
    server->admin_service.via = "pando"; /* the settings' own text goes with them */
}

static void change_control(struct worker_thread *thread, void *argument)
{
    struct change *change = argument;
    struct server *server = change->server;
    struct below below = {.admin = &server->admin_routers[0]};
    server__take_admin_settings(server, change->generation->settings);
    const bool wants_keys = beside_is_wanted(change->generation->settings);
    if (wants_keys)
        below.beside = beside_new(thread, change->generation, below.admin);
    change->ok = change_fronts(thread, change, &below) && (!wants_keys || below.beside != NULL);
    beside_release(server->beside);
    server->beside = below.beside;
    close_fronts(thread, change->generation->settings);
    struct worker_front *control = worker_front_find(thread, "control");
    if (control != NULL) {
        static const struct config_networks nobody = {0};
        const struct http_front_settings with = {
            .name = "control",
            .scheme = "http",
            .http = &change->generation->settings->http,
            .service = &change->generation->settings->http_service,
            .trust = &nobody,
        };
        http_front_change(control->http, &with, &change->server->admin_routers[1]);
    }
}

/* Brings the generation to every thread. False: some thread had no memory; it keeps what it has. */
bool server__bring(struct server *server, struct generation *generation)
{
    struct change change = {.server = server, .generation = generation};
    bool ok = true;
    change_control(&server->control, &change);
    ok = ok && change.ok;
    for (unsigned i = 0; i < server->workers_count; i++) {
        worker_thread_run(&server->workers[i], change_worker, &change);
        ok = ok && change.ok;
    }
    return ok;
}

/* --- services
 * ---------------------------------------------------------------------------------------------- */

enum err_kind server__apply_services(struct server *server, const struct settings *settings,
                                     struct err *e)
{
    size_t targets_count = 0;
    for (size_t i = 0; i < settings->services_count; i++)
        targets_count += settings->services[i].targets_count;
    struct registry_service_spec *services =
        mem_alloc((settings->services_count + 1) * sizeof *services);
    struct registry_target_spec *targets = mem_alloc((targets_count + 1) * sizeof *targets);
    struct circuit_rules *circuits = mem_alloc((settings->services_count + 1) * sizeof *circuits);
    enum err_kind failed = services == NULL || targets == NULL || circuits == NULL
                               ? err_set(e, ERR_MEMORY, "no memory")
                               : ERR_NONE;
    size_t used = 0;
    for (size_t i = 0; failed == ERR_NONE && i < settings->services_count; i++) {
        const struct settings_service *service = &settings->services[i];
        circuits[i] = circuit_rules_of(&service->breaker.target);
        services[i] = (struct registry_service_spec){
            .name = service->name,
            .targets = targets + used,
            .targets_count = service->targets_count,
            .pause_first_ns = service->breaker.pause_first_ns,
            .pause_most_ns = service->breaker.pause_most_ns,
            .health = &service->health,
            .outlier = &service->outlier,
            .circuit = service->breaker.target.enabled ? &circuits[i] : NULL,
            .agent = &service->agent,
        };
        for (size_t j = 0; j < service->targets_count; j++)
            targets[used++] = (struct registry_target_spec){
                &service->targets[j].address, service->targets[j].weight, service->targets[j].zone,
                service->targets[j].place};
    }
    if (failed == ERR_NONE)
        failed = registry_apply(server->registry, services, settings->services_count, e);
    mem_free(services);
    mem_free(targets);
    mem_free(circuits);
    return failed;
}

/* --- reload
 * ---------------------------------------------------------------------------------------------- */

/* Gives back the sockets among the first @count of @next that were opened just now. */
static void close_new_listeners(struct server *server, const struct listening *next, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct listening *old = server__find_listening(server, next[i].name);
        if (old == NULL || old->fds[0] != next[i].fds[0])
            server__close_listening(server, &next[i]);
    }
}

/* Sockets for listeners that are new or whose address changed. They replace the old ones in
 * @next. */
static enum err_kind open_new_listeners(struct server *server, const struct settings *settings,
                                        struct listening *next, struct err *e)
{
    for (size_t i = 0; i < settings->listeners_count; i++) {
        const struct listener_settings *listener = &settings->listeners[i];
        const struct listening *old = server__find_listening(server, listener->name);
        const bool same = old != NULL && strcmp(old->text, listener->address->text) == 0 &&
                          old->dialect == listener->dialect;
        if (same) {
            next[i] = *old;
            continue;
        }
        const enum err_kind failed = server__open_listening(server, listener, &next[i], e);
        if (failed != ERR_NONE) {
            close_new_listeners(server, next, i);
            return failed;
        }
    }
    return ERR_NONE;
}

/* A front closes on its own thread, which alone knows whether it is still there. One that goes on
 * at another address closes before the new one opens under the same name. */
static void retire_front(struct worker_thread *thread, void *argument)
{
    const struct listening *listening = argument;
    struct worker_front *front = worker_front_find(thread, listening->name);
    if (front == NULL)
        return;
    front->name[0] = '\0';
    worker_front_close(front);
}

static void retire_fronts(struct server *server, struct listening *listening)
{
    retire_front(&server->control, listening);
    for (unsigned i = 0; i < server->workers_count; i++)
        worker_thread_run(&server->workers[i], retire_front, listening);
}

static void replace_listeners(struct server *server, const struct listening *next, size_t count)
{
    for (size_t i = 0; i < server->listening_count; i++) {
        struct listening *old = &server->listening[i];
        bool has_sockets = false, is_kept = false;
        for (size_t j = 0; j < count; j++) {
            if (strcmp(next[j].name, old->name) != 0 || next[j].fds[0] != old->fds[0])
                continue;
            has_sockets = true; /* also under another dialect */
            is_kept = next[j].dialect == old->dialect;
        }
        if (!is_kept)
            retire_fronts(server, old);
        if (!has_sockets)
            server__close_listening(server, old);
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

/* One line each; returns how many. A file may be another one under the same name. */
static size_t write_changes(const struct settings *old, const struct settings *new, FILE *out)
{
    const size_t changes =
        settings_write_changes(old, new, out) + users_file_write_changes(old, new, out);
    if (new->geo == NULL || new->geo == old->geo || strcmp(new->geo_path, old->geo_path) != 0)
        return changes;
    fprintf(out, "geo-file: %s has changed and was read anew\n", new->geo_path);
    return changes + 1;
}

/* The services in the registry, and a path over them. NULL: no memory, and the registry is put back
 * as it was. */
static struct generation *new_generation(struct server *server, struct settings *settings,
                                         struct err *e)
{
    struct err again = {0};
    if (server__apply_services(server, settings, e) != ERR_NONE)
        return NULL;
    struct generation *generation =
        generation_new(settings, server->registry, &server->admit, &server->keeps, e);
    if (generation == NULL) {
        if (server__apply_services(server, server->generation->settings, &again) != ERR_NONE)
            events_tell(server->events, LOG_LEVEL_ERROR, "the targets could not be put back: %s",
                        again.story);
    } else {
        server__warm_caches(server, generation);
    }
    return generation;
}

/* The keys stay where they are until a restart, and then it is too late to hear of it. */
static void warn_of_layouts(const struct generation *generation, FILE *out)
{
    for (size_t i = 0; i < generation->settings->keyspaces_count; i++)
        if (kept_keyspace_is_laid_otherwise(generation->keyspaces[i],
                                            &generation->settings->keyspaces[i].partition))
            fprintf(out,
                    "warning: keyspaces.%s: its keys lie by another layout, so a restart would be "
                    "refused:\n  put the old one back, or `pando backup`, then `pando restore` "
                    "into a new `data` folder\n",
                    generation->settings->keyspaces[i].name);
}

static bool take_settings(struct server *server, struct settings *settings, FILE *out)
{
    static struct listening next[LISTENERS_MAX]; /* large; the control thread alone reloads */
    struct err e = {0};
    if (settings->listeners_count > LISTENERS_MAX)
        return refuse_reload(server, out, "more than 64 listeners");
    if (open_new_listeners(server, settings, next, &e) != ERR_NONE)
        return refuse_reload(server, out, e.story);
    struct generation *generation = new_generation(server, settings, &e);
    if (generation == NULL) {
        close_new_listeners(server, next, settings->listeners_count);
        return refuse_reload(server, out, e.story);
    }
    if (log_change(server->log, &settings->log, &e) != ERR_NONE)
        fprintf(out, "warning: %s; the old log goes on\n", e.story);
    events_change_level(server->events, settings->log.level);
    admit_change(&server->admit, &settings->limits);
    const size_t changes = write_changes(server->generation->settings, settings, out);
    warn_of_layouts(generation, out);
    replace_listeners(server, next, settings->listeners_count);
    struct generation *old = server->generation;
    server->generation = generation;
    if (!server__bring(server, generation))
        events_tell(server->events, LOG_LEVEL_ERROR,
                    "a worker had no memory for the new configuration");
    server->facts.geo = settings->geo;
    generation_unref(old);
    server->facts.config_revision++;
    server->facts.config_loaded_wall_ns = clock_wall_ns();
    (void)snprintf(server->reload_message, sizeof server->reload_message, "%zu change%s", changes,
                   changes == 1 ? "" : "s");
    if (changes == 0)
        fprintf(out, "nothing has changed\n");
    events_tell(server->events, LOG_LEVEL_INFO, "configuration reloaded: %s",
                server->reload_message);
    return true;
}

bool server__reload(void *self, FILE *out)
{
    struct server *server = self;
    struct config_errors errors = {0};
    struct settings_request request = *server->request;
    request.geo = server->generation->settings->geo;
    struct settings *settings = settings_load(&request, &errors);
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
