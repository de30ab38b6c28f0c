/* SPDX-License-Identifier: Apache-2.0 */
/* main/server_inside.h - inside the server process: what its three parts share.
 *
 * server.c starts and ends it, server_reload.c brings configurations to the threads, server_stop.c
 * hears signals and
 * drains. Threads: the control thread, but where a line says otherwise. */
#ifndef PANDO_MAIN_SERVER_INSIDE_H
#define PANDO_MAIN_SERVER_INSIDE_H

#include "admin/admin_stage.h"
#include "main/assemble.h"
#include "main/server.h"
#include "main/supervisor_client.h"
#include "main/worker_thread.h"

#include <stdio.h>

enum {
    LISTENERS_MAX = 64,
    READY_LOOK_MS = 50,
    LIMITS_STEP_MS = 100,
    DESCRIPTORS_SILENCE_S = 5, /* between two warnings that they run out */
};

struct beside;

/* One listening address of the configuration, and its sockets: one per worker, or one for the
 * control thread. */
struct listening {
    char                  name[64];
    char                  text[128]; /* the address, as the settings say it */
    enum listener_dialect dialect;
    int                   fds[WORKERS_MAX];
};

/* A worker's word that all its fronts are closed. */
struct drained_note {
    struct post    post;
    struct server *server;
};

struct server_backup; /* server_backup.c */

/* What was ordered of one service's cache. */
struct server_purge_part {
    char                   service[64];
    struct cache          *cache; /* a reference; NULL once it is done */
    struct cache_purge_sum sum;
};

/* A purge that was ordered; kept until its place is needed. */
struct server_purge {
    uint64_t                  id;      /* 0: none */
    bool                      is_told; /* it is done */
    struct server_purge_part *parts;
    size_t                    parts_count;
};

enum { SERVER_PURGES_KEPT = 64 };

struct server_directory; /* directory/server_directory.h */

struct server {
    const struct settings_request *request;
    struct supervisor_client      *client;
    struct events                 *events;
    struct log                    *log;
    struct registry               *registry;
    struct admin                  *admin;
    struct admin_facts             facts;
    struct admit                   admit;
    struct keeps                   keeps;
    struct admission      open_door;  /* for admin listeners and the control socket: always in */
    struct generation    *generation; /* the newest */
    unsigned              workers_count;
    struct worker_thread *workers;
    struct worker        *worker_pointers[WORKERS_MAX];
    struct worker_row    *rows; /* one per worker and one for control */
    struct worker_row    *row_pointers[WORKERS_MAX + 1];
    struct worker_thread  control; /* this thread */
    struct listening      listening[LISTENERS_MAX];
    size_t                listening_count;
    int                   control_fd;       /* the control socket; -1: none */
    struct http_router    admin_routers[2]; /* for listeners, for the control socket */
    struct http_route     admin_routes[2];
    struct http_service_settings
         admin_service; /* a copy: a reload's own request outlives the settings it came under */
    char reload_message[512];
    char orders_path[4128]; /* the registry's; data and a name */
    pthread_t                signal_thread;
    int                      signal_fd;
    int                      signal_stop_fds[2];
    struct post              terminate_post, hangup_post, orphan_post;
    _Atomic bool             terminate_posted, hangup_posted;
    struct timer             stop_timer;
    struct timer             ready_timer;
    struct timer             circuits_timer;
    struct timer             limits_timer;
    struct timer             purges_timer;
    struct server_purge      purges[SERVER_PURGES_KEPT];
    uint64_t                 purges_count; /* ever */
    struct server_directory *directory;    /* changes of directories; NULL: none yet */
    struct drained_note      drained_notes[WORKERS_MAX];
    unsigned                 draining_count; /* workers that still have fronts */
    _Atomic uint64_t         descriptors_told_ns;
    struct beside           *beside; /* keys on admin listeners; NULL: none */
    bool                     is_stopping, is_draining, is_cut;
    int                      status;
    /* The last one; NULL: there was none. How many were ordered, ever. */
    struct server_backup *backup;
    uint64_t              backups_count;
};

/* Tells people of a change of state. */
void server__tell_change(struct server *server, const char *text);

/* --- server_reload.c --- */

/* The sockets of the listener of that name, or NULL. */
struct listening *server__find_listening(struct server *server, const char *name);

/* Asks the supervisor for the sockets of one listener; gives them back. */
must_check enum err_kind server__open_listening(struct server *server,
                                                const struct listener_settings *settings,
                                                struct listening *listening, struct err *e);
void server__close_listening(struct server *server, const struct listening *listening);

/* Gives the registry the services of @settings. */
must_check enum err_kind server__apply_services(struct server *server,
                                                const struct settings *settings, struct err *e);

/* What the admin pages' own exchanges go by; they outlive the settings that they came under. */
void server__take_admin_settings(struct server *server, const struct settings *settings);

/* Brings the generation to every thread. False: some thread had no memory; it keeps what it has. */
bool server__bring(struct server *server, struct generation *generation);

/* Reads the configuration anew; writes to @out what changed or what is wrong. False: refused
 * whole. */
bool server__reload(void *self, FILE *out);

/* --- server_circuits.c --- */

/* Looks at the circuit breakers of services from now on; until server__stop_circuits(). */
void server__start_circuits(struct server *server);
void server__stop_circuits(struct server *server);

/* What is shown of one. Accepts NULL: leaves @out as it is. */
void server__show_circuit(const struct service_circuit *circuit, struct admin_circuit *out);

/* --- server_caches.c --- */

/* Walks for purges from now on. */
void server__start_purges(struct server *server);

/* No loop turns any more. */
void server__end_purges(struct server *server);

/* Reads back what the caches of @generation had before a restart, those that were not looked for
 * yet. What fails is told as an event, and the caches are empty, or will be. */
void server__warm_caches(struct server *server, const struct generation *generation);

/* Writes what they have, at a clean stop. */
void server__save_caches(struct server *server, const struct generation *generation);

/* Of struct admin_sources: `cache_of`. */
bool server__cache_of(void *self, const struct service *service, struct admin_cache *out);

/* Likewise: `purge`, `purged`, `explain`. */
unsigned server__purge(void *self, const struct admin_query *query, FILE *out);

/* Whether a purge is over, by its number. */
unsigned server__purged(void *self, const struct admin_query *query, FILE *out);

/* What would become of a request. */
unsigned server__explain(void *self, const struct admin_query *query, FILE *out);

/* --- server_backup.c --- */

/* Of struct admin_sources: `backup`, `backed_up`. */
unsigned server__backup(void *self, const struct admin_query *query, FILE *out);

/* How far a backup is, by its number. */
unsigned server__backed_up(void *self, const struct admin_query *query, FILE *out);

/* Calls off what is under way, and waits for its end. */
void server__end_backup(struct server *server);

/* --- server_stop.c --- */

/* Of server->stop_timer: the next step of a stop. */
void server__stop_timer_fired(struct timer *timer);

/* Blocks the signals for all threads that start later. */
must_check enum err_kind server__start_signals(struct server *server, struct err *e);

/* A thread: waits for signals and for the supervisor's end. */
void *server__watch_signals(void *argument);

#endif
