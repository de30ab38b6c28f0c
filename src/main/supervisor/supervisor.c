/* SPDX-License-Identifier: Apache-2.0 */
/* main/supervisor/supervisor.c - servers, signals and the loop.
 *
 * The happy path: start() forks the first server; it claims its sockets and says READY; nothing
 * happens for months; SIGTERM is passed on, the server says STOPPING, ends, and so do we. */
#include "main/supervisor/supervisor.h"

#include "admin/events.h"
#include "core/units.h"
#include "main/supervisor/notify.h"
#include "main/supervisor/program.h"
#include "main/supervisor/restart.h"
#include "main/supervisor/sockets.h"
#include "main/supervisor/wire.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    BOOT_MOST_MS = 60000,   /* a server that does not serve by then is killed */
    RELOAD_MOST_MS = 10000, /* then the service manager is told that the reload is over */
    FORK_AGAIN_MS = 1000,   /* after a fork that failed */
};

#define TO(state) (1u << SERVER_##state)

/* What a server is up to. */
#define SERVER_STATES(X)                                                                           \
    /* state    may go on to                  what it means                     */                 \
    X(FREE,     TO(BOOTING),                  "nobody is at this place")                           \
    X(BOOTING,  TO(SERVING) | TO(LEAVING) | TO(FREE), "it was started and has not said READY")     \
    X(SERVING,  TO(LEAVING) | TO(FREE),       "it said READY")                                     \
    X(LEAVING,  TO(FREE),                     "it was told to end, or said that it does")

enum server_state {
#define X(state, next, gist) SERVER_##state,
    SERVER_STATES(X)
#undef X
};

static const unsigned server_next[] = {
#define X(state, next, gist) [SERVER_##state] = next,
    SERVER_STATES(X)
#undef X
};

struct server_process {
    enum server_state state;
    pid_t             pid;
    int               socket;  /* our end of the pair; -1 once it hung up */
    int               program; /* what it was started from; its own descriptor */
    bool              has_served;
    uint64_t          started_ns;
};

struct supervisor {
    char *const              *arguments;
    struct events            *events;
    char                      program[PATH_MAX];
    int                       current_program; /* what a crashed server is started from again */
    int                       signals;
    struct server_process     servers[SUPERVISOR_PLACES];
    struct server_process    *current; /* serves, or is to; NULL between two */
    struct supervisor_sockets sockets;
    bool                      is_stopping;
    bool                      ever_served;
    unsigned                  quick_count;     /* quick deaths in a row */
    uint64_t                  start_at_ns;     /* of the next server; 0: none is due */
    uint64_t                  reload_until_ns; /* 0: no reload is under way */
    int                       status;
};

static unsigned place_of(const struct supervisor *s, const struct server_process *server)
{
    return (unsigned)(server - s->servers);
}

/* The only place where a server changes state. */
static void move_to(struct server_process *server, enum server_state to)
{
    assert(server_next[server->state] & (1u << to));
    server->state = to;
}

static unsigned count_of(const struct supervisor *s, enum server_state state)
{
    unsigned count = 0;
    for (unsigned i = 0; i < SUPERVISOR_PLACES; i++)
        count += s->servers[i].state == state;
    return count;
}

/* ---- starting ---- */

/* In the child, between fork and exec. */
static void become_server(const struct supervisor *s, int socket, int program, pid_t parent)
{
    char number[16];
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    /* A group of its own: Ctrl-C then comes to us alone, and reaches it once, as SIGTERM. */
    (void)setpgid(0, 0);
    (void)signal(SIGTTOU, SIG_IGN); /* which may not keep it from writing to the terminal */
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) /* gone before that call */
        _exit(EXIT_FAILURE);
    (void)snprintf(number, sizeof number, "%d", socket);
    (void)setenv(SUPERVISOR_FD_VARIABLE, number, 1);
    (void)unsetenv("NOTIFY_SOCKET"); /* we speak for it */
    program_become(s->program, program, s->arguments);
    events_tell(s->events, LOG_LEVEL_ERROR, "cannot start %s: %s", s->program, strerror(errno));
    _exit(EXIT_FAILURE);
}

/* Starts a server from @program (taken over). NULL: it was said why not. */
static struct server_process *start(struct supervisor *s, int program)
{
    struct server_process *server = s->servers;
    const pid_t parent = getpid();
    int pair[2] = {-1, -1};
    assert(count_of(s, SERVER_FREE) > 0);
    while (server->state != SERVER_FREE)
        server++;
    pid_t pid = -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0)
        pid = fork();
    if (pid < 0) {
        events_tell(s->events, LOG_LEVEL_ERROR, "a server could not be started: %s",
                    strerror(errno));
        if (pair[0] >= 0) {
            close(pair[0]);
            close(pair[1]);
        }
        close(program);
        return NULL;
    }
    if (pid == 0) {
        const int kept = dup(pair[1]); /* without close-on-exec */
        become_server(s, kept, program, parent);
    }
    close(pair[1]);
    move_to(server, SERVER_BOOTING);
    server->pid = pid;
    server->socket = pair[0];
    server->program = program;
    server->has_served = false;
    server->started_ns = clock_monotonic_ns();
    return server;
}

/* One more descriptor of what crashed servers are started from; -1: none could be had. */
static int again_program(const struct supervisor *s)
{
    return fcntl(s->current_program, F_DUPFD_CLOEXEC, 0);
}

static void start_current(struct supervisor *s)
{
    s->start_at_ns = 0;
    s->current = start(s, again_program(s));
    if (s->current == NULL)
        s->start_at_ns = clock_monotonic_ns() + FORK_AGAIN_MS * NS_PER_MS;
}

/* ---- ending ---- */

/* Told once only: to a server a second SIGTERM may mean to end at once. */
static void tell_to_leave(struct server_process *server)
{
    if (server->state != SERVER_BOOTING && server->state != SERVER_SERVING)
        return;
    move_to(server, SERVER_LEAVING);
    (void)kill(server->pid, SIGTERM);
}

static void stop(struct supervisor *s)
{
    if (!s->is_stopping) {
        s->is_stopping = true;
        s->start_at_ns = 0;
        notify_stopping();
        for (unsigned i = 0; i < SUPERVISOR_PLACES; i++)
            tell_to_leave(&s->servers[i]);
        return;
    }
    events_tell(s->events, LOG_LEVEL_WARNING,
                "told to end a second time: what was in progress is cut");
    for (unsigned i = 0; i < SUPERVISOR_PLACES; i++)
        if (s->servers[i].state != SERVER_FREE)
            (void)kill(s->servers[i].pid, SIGKILL);
    s->status = EXIT_FAILURE;
}

static const char *how_it_ended(int status, char text[96])
{
    if (WIFSIGNALED(status))
        (void)snprintf(text, 96, "was ended by signal %d (%s)", WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
    else
        (void)snprintf(text, 96, "ended with status %d", WEXITSTATUS(status));
    return text;
}

/* The server that was to serve is gone, and nobody asked it to go. */
static void replace_current(struct supervisor *s, const struct server_process *was, int status)
{
    char how[96];
    const struct restart_death death = {
        .by_signal = WIFSIGNALED(status),
        .code = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
        .has_served = was->has_served,
        .ever_served = s->ever_served,
        .lived_ms = (clock_monotonic_ns() - was->started_ns) / NS_PER_MS,
        .quick_count = s->quick_count,
    };
    const struct restart_sequel sequel = restart_judge(&death);
    s->quick_count = sequel.quick_count;
    s->current = NULL;
    if (sequel.ends) {
        s->status = sequel.status;
        if (death.by_signal)
            events_tell(s->events, LOG_LEVEL_ERROR,
                        "the server (pid %d) %s, %u times before it served; giving up", was->pid,
                        how_it_ended(status, how), sequel.quick_count);
        stop(s);
        return;
    }
    s->start_at_ns = clock_monotonic_ns() + sequel.pause_ms * NS_PER_MS;
    events_tell(s->events, LOG_LEVEL_ERROR,
                "the server (pid %d) %s; it is started again %s, on the same sockets", was->pid,
                how_it_ended(status, how), sequel.pause_ms == 0 ? "now" : "after a pause");
}

/* A server that was to take over is gone before it served. */
static void give_up_upgrade(struct supervisor *s, const struct server_process *was, int status)
{
    char how[96];
    events_tell(s->events, LOG_LEVEL_ERROR,
                "the new server (pid %d) %s before it served; the old one %s", was->pid,
                how_it_ended(status, how), s->current != NULL ? "goes on" : "is started again");
}

/* A server that was told to end, or said that it does, has. */
static void end_leaving(struct supervisor *s, const struct server_process *was, bool was_current,
                        int status)
{
    char how[96];
    /* One that was still starting may not have been able to take SIGTERM otherwise. */
    const bool is_well =
        status == 0 || (!was->has_served && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    if (!is_well)
        events_tell(s->events, LOG_LEVEL_WARNING, "the server (pid %d) %s while it drained",
                    was->pid, how_it_ended(status, how));
    if (was_current)
        s->current = NULL;
    if (was_current && !s->is_stopping) /* somebody told the server itself: all is to end */
        stop(s);
    if (s->is_stopping && !is_well)
        s->status = EXIT_FAILURE;
}

static void on_death(struct supervisor *s, struct server_process *server, int status)
{
    const struct server_process was = *server;
    const bool was_current = s->current == server;
    if (was.socket >= 0)
        close(was.socket);
    close(was.program);
    move_to(server, SERVER_FREE);
    supervisor__sockets_drop(&s->sockets, place_of(s, server));
    if (was.state == SERVER_LEAVING)
        end_leaving(s, &was, was_current, status);
    else if (was_current)
        replace_current(s, &was, status);
    else
        give_up_upgrade(s, &was, status);
}

/* ---- messages ---- */

/* What no server claims is closed; not while one is about to start, or starting: it may ask. */
static void sweep(struct supervisor *s)
{
    if (s->start_at_ns == 0 && s->current != NULL && count_of(s, SERVER_BOOTING) == 0)
        supervisor__sockets_sweep(&s->sockets);
}

static void on_listen(struct supervisor *s, struct server_process *server,
                      const struct supervisor_message *message)
{
    struct err e = {0};
    int fd = -1;
    struct supervisor_message answer = {
        .version = SUPERVISOR_WIRE_VERSION, .word = SUPERVISOR_SOCKET, .serial = message->serial};
    answer.kind = supervisor__sockets_claim(&s->sockets, message, place_of(s, server), &fd, &e);
    (void)snprintf(answer.story, sizeof answer.story, "%s", e.story);
    /* If it cannot be sent, the server is gone, or gives up waiting and says so. */
    (void)supervisor_send(server->socket, &answer, fd, MSG_DONTWAIT);
}

static void on_ready(struct supervisor *s, struct server_process *server)
{
    if (server->state != SERVER_BOOTING)
        return;
    move_to(server, SERVER_SERVING);
    server->has_served = true;
    s->ever_served = true;
    struct server_process *old = s->current;
    s->current = server;
    if (old != NULL && old != server) {
        events_tell(s->events, LOG_LEVEL_INFO,
                    "the new server (pid %d) serves; the old one (pid %d) drains", server->pid,
                    old->pid);
        tell_to_leave(old);
    }
    const int program = fcntl(server->program, F_DUPFD_CLOEXEC, 0);
    if (program >= 0) {
        close(s->current_program);
        s->current_program = program;
    }
    s->start_at_ns = 0; /* of one that died meanwhile */
    notify_ready();
    sweep(s);
}

static void end_reload(struct supervisor *s)
{
    if (s->reload_until_ns != 0)
        notify_ready();
    s->reload_until_ns = 0;
}

static void on_message(struct supervisor *s, struct server_process *server,
                       const struct supervisor_message *message)
{
    switch ((enum supervisor_word)message->word) {
    case SUPERVISOR_LISTEN: on_listen(s, server, message); break;
    case SUPERVISOR_RELEASE:
        supervisor__sockets_release(&s->sockets, message->key, place_of(s, server));
        sweep(s);
        break;
    case SUPERVISOR_READY: on_ready(s, server); break;
    case SUPERVISOR_RELOADED: end_reload(s); break;
    case SUPERVISOR_STOPPING:
        /* Connections must not wait on sockets that only a server has which accepts no more. */
        supervisor__sockets_retire(&s->sockets, place_of(s, server));
        if (server->state == SERVER_SERVING)
            move_to(server, SERVER_LEAVING);
        sweep(s);
        break;
    case SUPERVISOR_FAILED: /* it ends now, and its status says the rest */
    case SUPERVISOR_SOCKET:
    case SUPERVISOR_NONE: break;
    }
}

static void read_messages(struct supervisor *s, struct server_process *server)
{
    struct supervisor_message message;
    while (server->socket >= 0) {
        int fd;
        const enum supervisor_got got =
            supervisor_receive(server->socket, &message, &fd, MSG_DONTWAIT);
        if (fd >= 0)
            close(fd);
        if (got == SUPERVISOR_GOT_MESSAGE)
            on_message(s, server, &message);
        else if (got == SUPERVISOR_GOT_NOTHING)
            return;
        else if (got == SUPERVISOR_GOT_END) {
            close(server->socket); /* its end comes as SIGCHLD */
            server->socket = -1;
        }
    }
}

/* ---- signals ---- */

static void reap(struct supervisor *s)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (unsigned i = 0; i < SUPERVISOR_PLACES; i++)
            if (s->servers[i].state != SERVER_FREE && s->servers[i].pid == pid) {
                read_messages(s, &s->servers[i]); /* its last words */
                on_death(s, &s->servers[i], status);
            }
    sweep(s);
}

static void reload(struct supervisor *s)
{
    if (s->current == NULL || s->current->state != SERVER_SERVING) {
        events_tell(s->events, LOG_LEVEL_WARNING,
                    "SIGHUP: no server serves now; it will read the "
                    "configuration anew when it starts");
        return;
    }
    const uint64_t now_ns = clock_monotonic_ns();
    s->reload_until_ns = now_ns + RELOAD_MOST_MS * NS_PER_MS;
    notify_reloading(now_ns);
    (void)kill(s->current->pid, SIGHUP);
}

static void upgrade(struct supervisor *s)
{
    struct err e = {0};
    int program;
    const char *why = NULL;
    if (s->is_stopping || s->current == NULL || s->current->state == SERVER_LEAVING)
        why = "the server is stopping, or is just started again";
    else if (count_of(s, SERVER_BOOTING) > 0)
        why = "a server is starting already";
    else if (count_of(s, SERVER_FREE) == 0)
        why = "too many old servers still drain";
    else if (program_open(s->program, &program, &e) != ERR_NONE)
        why = e.story;
    if (why != NULL) {
        events_tell(s->events, LOG_LEVEL_WARNING, "SIGUSR2: no new server is started: %s", why);
        return;
    }
    const struct server_process *next = start(s, program);
    if (next != NULL)
        events_tell(s->events, LOG_LEVEL_INFO, "SIGUSR2: a new server (pid %d) is started from %s",
                    next->pid, s->program);
}

static void on_signals(struct supervisor *s)
{
    struct signalfd_siginfo seen;
    while (read(s->signals, &seen, sizeof seen) == (ssize_t)sizeof seen) {
        switch ((int)seen.ssi_signo) {
        case SIGCHLD: reap(s); break;
        case SIGHUP: reload(s); break;
        case SIGUSR2: upgrade(s); break;
        default: stop(s); break;
        }
    }
}

/* ---- time ---- */

static void sooner(uint64_t *next_ns, uint64_t at_ns)
{
    if (at_ns != 0 && (*next_ns == 0 || at_ns < *next_ns))
        *next_ns = at_ns;
}

static uint64_t boot_until_ns(const struct server_process *server)
{
    return server->state == SERVER_BOOTING ? server->started_ns + BOOT_MOST_MS * NS_PER_MS : 0;
}

/* For poll(): milliseconds until something is due; -1: nothing is. */
static int wait_ms(const struct supervisor *s)
{
    const uint64_t now_ns = clock_monotonic_ns();
    uint64_t next_ns = 0;
    if (count_of(s, SERVER_BOOTING) == 0)
        sooner(&next_ns, s->start_at_ns);
    sooner(&next_ns, s->reload_until_ns);
    for (unsigned i = 0; i < SUPERVISOR_PLACES; i++)
        sooner(&next_ns, boot_until_ns(&s->servers[i]));
    if (next_ns == 0)
        return -1;
    return next_ns <= now_ns ? 0 : (int)((next_ns - now_ns) / NS_PER_MS) + 1;
}

static void do_what_is_due(struct supervisor *s)
{
    const uint64_t now_ns = clock_monotonic_ns();
    for (unsigned i = 0; i < SUPERVISOR_PLACES; i++) {
        struct server_process *server = &s->servers[i];
        if (server->state != SERVER_BOOTING || now_ns < boot_until_ns(server))
            continue;
        events_tell(s->events, LOG_LEVEL_ERROR,
                    "the server (pid %d) does not come to serve; it is killed", server->pid);
        (void)kill(server->pid, SIGKILL);
        server->started_ns = now_ns; /* should that fail, it is not tried in a circle */
    }
    if (s->reload_until_ns != 0 && now_ns >= s->reload_until_ns)
        end_reload(s);
    /* If an upgrade is starting, it will serve; only if it does not, the old one comes again. */
    if (s->start_at_ns != 0 && now_ns >= s->start_at_ns && count_of(s, SERVER_BOOTING) == 0)
        start_current(s);
}

static void turn(struct supervisor *s)
{
    struct pollfd fds[SUPERVISOR_PLACES + 1];
    for (unsigned i = 0; i < SUPERVISOR_PLACES; i++)
        fds[i] = (struct pollfd){
            .fd = s->servers[i].state == SERVER_FREE ? -1 : s->servers[i].socket, .events = POLLIN};
    fds[SUPERVISOR_PLACES] = (struct pollfd){.fd = s->signals, .events = POLLIN};
    (void)poll(fds, SUPERVISOR_PLACES + 1, wait_ms(s));
    for (unsigned i = 0; i < SUPERVISOR_PLACES; i++)
        if (s->servers[i].state != SERVER_FREE)
            read_messages(s, &s->servers[i]);
    on_signals(s);
    do_what_is_due(s);
}

/* ---- the whole ---- */

static enum err_kind take_signals(struct supervisor *s, struct err *e)
{
    const int numbers[] = {SIGCHLD, SIGHUP, SIGUSR2, SIGTERM, SIGINT};
    sigset_t set;
    (void)sigemptyset(&set);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        (void)sigaddset(&set, numbers[i]);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return s->signals < 0 ? err_set_errno(e, "signalfd") : ERR_NONE;
}

/* One socket for each worker and listener may be more than the usual 1024 descriptors. */
static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int supervisor_run(char *const arguments[])
{
    struct err e = {0};
    struct supervisor s = {.arguments = arguments, .current_program = -1, .signals = -1};
    s.events = events_new(STDERR_FILENO, LOG_LEVEL_INFO);
    raise_descriptors();
    if (take_signals(&s, &e) != ERR_NONE || program_find(s.program, arguments[0], &e) != ERR_NONE ||
        program_open(s.program, &s.current_program, &e) != ERR_NONE) {
        events_tell(s.events, LOG_LEVEL_ERROR, "cannot supervise a server: %s", e.story);
        s.status = EXIT_FAILURE;
    } else {
        start_current(&s);
        while (!s.is_stopping || count_of(&s, SERVER_FREE) < SUPERVISOR_PLACES)
            turn(&s);
    }
    supervisor__sockets_fini(&s.sockets);
    if (s.current_program >= 0)
        close(s.current_program);
    if (s.signals >= 0)
        close(s.signals);
    events_free(s.events);
    return s.status;
}
