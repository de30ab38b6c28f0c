/* SPDX-License-Identifier: Apache-2.0 */
/* main/worker_thread.h - one thread with its loop, and what runs on it: fronts, a path, an engine.
 *
 * Workers carry the traffic. The control thread is one of them too, with the index WORKER_CONTROL,
 * whose fronts are the
 * admin listeners and the control socket.
 *
 * Threads: worker_thread_run() is called by others and waits; everything it runs is on the
 * worker's own thread. */
#ifndef PANDO_MAIN_WORKER_THREAD_H
#define PANDO_MAIN_WORKER_THREAD_H

#include "balance/probe/prober.h"
#include "engine/http/http_engine.h"
#include "engine/keys_http/keys_http.h"
#include "front/http/http_front.h"
#include "front/listener_settings.h"
#include "front/resp/pubsub/pubsub_worker.h"
#include "front/resp/resp_front.h"
#include "loop/conn.h"
#include "path/worker.h"
#include "path/worker_row.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

struct path;

/* A front of this worker: one of the two. */
struct worker_front {
    struct list_link      link;
    struct http_front    *http; /* also of an admin listener; NULL: it speaks Redis */
    struct resp_front    *resp;
    struct worker_thread *thread;
    char                  name[64];    /* of the listener */
    _Atomic uint64_t      connections; /* published for the status page */
};

struct worker_thread {
    struct worker             worker;
    struct loop               loop;
    struct conn_hub           hub;
    struct http_engine_worker engine;
    struct prober             prober; /* for strategies that want reports */
    struct pubsub_worker      pubsub; /* opened with the first path */
    struct worker_row        *row;
    pthread_t                 thread;
    bool                      has_thread; /* false for the control thread, which is the caller's */
    sem_t                     stopped;    /* posted once loop_stop() has let go of the loop */
    char                      io[16];
    struct timer              publish;
    unsigned                  publish_count;
    struct keys_http_held     kv_held;
    struct list               fronts;
    struct path              *path;                /* the newest; NULL for control */
    void (*drained)(struct worker_thread *thread); /* all fronts are closed; on this thread */
    void *self;                                    /* drained()'s */
    bool  is_draining;
};

/* Opens the loop on the calling thread and everything that needs no settings. */
must_check enum err_kind worker_thread_init(struct worker_thread *thread, unsigned index,
                                            const char *io, struct worker_row *row,
                                            struct journal *journal, struct err *e);
void worker_thread_fini(struct worker_thread *thread);

/* Starts a thread that inits and then turns its loop until loop_stop(). Waits until it is ready. */
must_check enum err_kind worker_thread_start(struct worker_thread *thread, unsigned index,
                                             const char *io, struct worker_row *row,
                                             struct journal *journal, struct err *e);
void worker_thread_join(struct worker_thread *thread);

/* Runs @call(thread, argument) on the worker's thread and waits for it. On the control thread: a
 * plain call. */
void worker_thread_run(struct worker_thread *thread,
                       void (*call)(struct worker_thread *thread, void *argument), void *argument);

/* On the thread itself. */
struct worker_front *worker_front_find(struct worker_thread *thread, const char *name);
bool worker_front_open(struct worker_thread *thread, const struct http_front_settings *settings,
                       struct http_router *router, struct admission *admission, int fd) must_check;
/* The same for clients of the Redis protocol. */
bool worker_front_open_resp(struct worker_thread *thread,
                            const struct resp_front_settings *settings, struct resp_path *path,
                            struct admission *admission, int fd) must_check;
void worker_front_close(struct worker_front *front);
/* Cancels what is left in it. */
void worker_front_abort(struct worker_front *front);

/* Stops all fronts; drained() follows. */
void worker_thread_drain(struct worker_thread *thread);

#endif
