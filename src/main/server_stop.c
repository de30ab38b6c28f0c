/* SPDX-License-Identifier: Apache-2.0 */
/* main/server_stop.c - signals, and the drain.
 *
 * not ready -> (unready-for) -> fronts close, requests end -> (drain-for) what is left is cut ->
 * pools -> the loop ends */
#include "core/units.h"
#include "main/face/beside.h"
#include "main/server_inside.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* --- stop
 * ---------------------------------------------------------------------------------------------- */

static void end_loop(void *self)
{
    struct server *server = self;
    loop_stop(&server->control.loop);
}

static void all_drained(struct server *server)
{
    timer_set(&server->control.loop.timers, &server->stop_timer, 0);
    server__stop_circuits(server);
    registry_stop(server->registry, end_loop, server);
}

static void control_drained(struct worker_thread *thread)
{
    struct server *server = thread->self;
    beside_release(server->beside);
    server->beside = NULL;
    all_drained(server);
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
        worker_front_abort(list_item(link, struct worker_front, link));
}

/* What is still in progress is cut. */
static void cut(struct server *server)
{
    server->is_cut = true;
    server__tell_change(server, "drain-for is over: what was still in progress is cut");
    for (unsigned i = 0; i < server->workers_count; i++)
        worker_thread_run(&server->workers[i], abort_fronts, NULL);
    abort_fronts(&server->control, NULL);
}

static void close_all(struct server *server)
{
    const struct settings *settings = server->generation->settings;
    server__tell_change(server, "stopping: no new connections, requests in progress may end");
    supervisor_stopping(server->client);
    server->is_draining = true;
    server->draining_count = server->workers_count;
    timer_set(&server->control.loop.timers, &server->stop_timer,
              server->control.loop.now_ns + settings->drain_for_ns + 1);
    for (unsigned i = 0; i < server->workers_count; i++)
        worker_thread_run(&server->workers[i], drain_worker, server);
    /* Who connects from now on is refused, instead of waiting in a backlog that nobody empties. */
    for (size_t i = 0; i < server->listening_count; i++)
        if (server->listening[i].dialect != LISTENER_ADMIN)
            server__close_listening(server, &server->listening[i]);
}

/* First /readyz has said no for a while, so that balancers before us look elsewhere; then the
 * drain has its time. */
void server__stop_timer_fired(struct timer *timer)
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

/* --- signals
 * ---------------------------------------------------------------------------------------------- */

static void on_terminate(struct post *post)
{
    begin_stop(list_item(post, struct server, terminate_post));
}

static void on_hangup(struct post *post)
{
    struct server *server = list_item(post, struct server, hangup_post);
    atomic_store(&server->hangup_posted, false);
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    if (out == NULL)
        return;
    (void)server__reload(server, out);
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
        /* More of them change nothing: a service manager signals us and the supervisor, which
         * passes it on. The
         * supervisor it is that takes a second one for "now". */
        loop_post(&server->control.loop, &server->terminate_post);
    }
}

/* Waits for signals and for the supervisor's end; the loops know neither. */
void *server__watch_signals(void *argument)
{
    struct server *server = argument;
    struct pollfd fds[] = {
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

enum err_kind server__start_signals(struct server *server, struct err *e)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* threads that start later inherit it */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a disk that is full */
    server->terminate_post.call = on_terminate;
    server->hangup_post.call = on_hangup;
    server->orphan_post.call = on_orphaned;
    server->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
    if (server->signal_fd < 0 || pipe(server->signal_stop_fds) != 0)
        return err_set_errno(e, "signalfd");
    return ERR_NONE;
}
