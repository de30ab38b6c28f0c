/* SPDX-License-Identifier: Apache-2.0 */
/* main/supervisor.c - sockets, children, signals. */
#include "main/supervisor.h"

#include "core/mem.h"
#include "core/units.h"
#include "main/supervisor_wire.h"

#include <errno.h>
#include <stdarg.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    SOCKETS_MAX = 8192,         /* listeners times workers */
    QUICK_DEATH_MS = 1000,      /* a server that lives less than this is not started again at once */
    PAUSE_FIRST_MS = 50,
    PAUSE_MOST_MS = 5000,
    TMP_PATH_BYTES = 256,
};

/* Two at most: the one that serves, and during an upgrade the next or the last. */
enum { SERVERS_MAX = 3 };

struct server_process {
    pid_t    pid;     /* 0: a free place */
    int      socket;  /* our end */
    bool     ready, stopping, failed;
    uint64_t started_ns;
};

struct held_socket {
    int      fd;
    char     key[160];
    uint32_t claims; /* bit per place in servers[] */
    bool     is_unix;
    char     path[108];
};

struct supervisor {
    char *const          *arguments;
    char                  program[PATH_MAX];
    int                   signals;
    struct server_process servers[SERVERS_MAX];
    struct held_socket   *sockets;
    size_t                sockets_count, sockets_room;
    struct server_process *current;
    bool                  is_stopping;
    unsigned              quick_deaths;
    uint64_t              start_at_ns; /* a pause before the next start; 0: none */
    int                   status;
};

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("pando: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

/* systemd's protocol: a datagram to the socket that the environment names. */
static void notify_system(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    if (path == NULL || (path[0] != '/' && path[0] != '@'))
        return;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const size_t       length = strlen(path);
    if (length >= sizeof address.sun_path)
        return;
    memcpy(address.sun_path, path, length);
    if (address.sun_path[0] == '@')
        address.sun_path[0] = '\0';
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
    close(fd);
}

/* --- sockets ---------------------------------------------------------------------------------------------------- */

static struct held_socket *find_socket(struct supervisor *s, const char *key)
{
    for (size_t i = 0; i < s->sockets_count; i++)
        if (strcmp(s->sockets[i].key, key) == 0)
            return &s->sockets[i];
    return NULL;
}

static enum err_kind explain_bind(struct err *e, const char *key, int error)
{
    const char *address = strchr(key, ' ') + 1;
    const int   length = (int)strcspn(address, "#");
    if (error == EADDRINUSE)
        return err_set(e, ERR_SYSTEM, "%.*s: another process listens there; stop it, or choose another address",
                       length, address);
    if (error == EACCES)
        return err_set(e, ERR_SYSTEM,
                       "%.*s: not allowed; ports below 1024 need root or CAP_NET_BIND_SERVICE, and a socket file a "
                       "folder that may be written",
                       length, address);
    if (error == EADDRNOTAVAIL)
        return err_set(e, ERR_SYSTEM, "%.*s: this machine has no such address", length, address);
    errno = error;
    return err_set_errno(e, "listen on %.*s", length, address);
}

static void set_on(int fd, int level, int option)
{
    const int on = 1;
    (void)setsockopt(fd, level, option, &on, sizeof on);
}

/* With SO_REUSEPORT a second Pando on the same port would silently take half of the connections: so the first socket of an
 * address is tried without. */
static bool is_taken(const struct supervisor_message *message)
{
    const int fd = socket(message->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    set_on(fd, SOL_SOCKET, SO_REUSEADDR);
    if (message->address.ss_family == AF_INET6 && !message->every)
        set_on(fd, IPPROTO_IPV6, IPV6_V6ONLY);
    const bool taken =
        bind(fd, (const struct sockaddr *)&message->address, message->address_bytes) != 0 && errno == EADDRINUSE;
    close(fd);
    return taken;
}

static bool is_first_of_address(struct supervisor *s, const char *key)
{
    const size_t length = strcspn(key, "#");
    for (size_t i = 0; i < s->sockets_count; i++)
        if (strncmp(s->sockets[i].key, key, length) == 0)
            return false;
    return true;
}

static int open_tcp(struct supervisor *s, const struct supervisor_message *message)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&message->address;
    if (in->sin_port != 0 && is_first_of_address(s, message->key) && is_taken(message)) {
        errno = EADDRINUSE;
        return -1;
    }
    const int fd = socket(message->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    set_on(fd, SOL_SOCKET, SO_REUSEADDR);
    set_on(fd, SOL_SOCKET, SO_REUSEPORT);
    set_on(fd, IPPROTO_TCP, TCP_NODELAY); /* accepted connections inherit it */
    if (message->address.ss_family == AF_INET6) {
        const int only6 = message->every ? 0 : 1;
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only6, sizeof only6);
    }
    if (bind(fd, (const struct sockaddr *)&message->address, message->address_bytes) == 0 &&
        listen(fd, (int)message->backlog) == 0)
        return fd;
    const int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* A socket file on which nobody answers is what a killed process left behind. */
static bool is_stale(const struct sockaddr_un *address)
{
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    const bool refused =
        connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

static void make_folder(const char *path)
{
    char copy[TMP_PATH_BYTES];
    (void)snprintf(copy, sizeof copy, "%s", path);
    (void)mkdir(dirname(copy), 0755); /* if it is there or cannot be made, bind() tells */
}

static int open_unix(const struct supervisor_message *message)
{
    const struct sockaddr_un *address = (const struct sockaddr_un *)(const void *)&message->address;
    const int                 fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    make_folder(address->sun_path);
    if (is_stale(address))
        (void)unlink(address->sun_path);
    const mode_t before = umask((mode_t)(~message->mode & 0777));
    const bool   bound = bind(fd, (const struct sockaddr *)address, sizeof *address) == 0;
    int          error = errno;
    umask(before);
    if (bound && listen(fd, (int)message->backlog) == 0)
        return fd;
    if (bound)
        error = errno;
    close(fd);
    errno = error;
    return -1;
}

static struct held_socket *add_socket(struct supervisor *s)
{
    if (s->sockets_count == s->sockets_room) {
        const size_t        room = s->sockets_room == 0 ? 16 : s->sockets_room * 2;
        struct held_socket *sockets = room > SOCKETS_MAX ? NULL : mem_resize(s->sockets, room * sizeof *sockets);
        if (sockets == NULL)
            return NULL;
        s->sockets = sockets;
        s->sockets_room = room;
    }
    struct held_socket *held = &s->sockets[s->sockets_count++];
    memset(held, 0, sizeof *held);
    return held;
}

static enum err_kind open_socket(struct supervisor *s, const struct supervisor_message *message,
                                 struct held_socket **opened, struct err *e)
{
    const bool is_unix = message->address.ss_family == AF_UNIX;
    const int  fd = is_unix ? open_unix(message) : open_tcp(s, message);
    if (fd < 0)
        return explain_bind(e, message->key, errno);
    struct held_socket *held = add_socket(s);
    if (held == NULL) {
        close(fd);
        return err_set(e, ERR_LIMIT, "more than %d listening sockets", SOCKETS_MAX);
    }
    held->fd = fd;
    held->is_unix = is_unix;
    (void)snprintf(held->key, sizeof held->key, "%s", message->key);
    if (is_unix)
        (void)snprintf(held->path, sizeof held->path, "%s",
                       ((const struct sockaddr_un *)(const void *)&message->address)->sun_path);
    *opened = held;
    return ERR_NONE;
}

static void close_socket(struct supervisor *s, struct held_socket *held)
{
    close(held->fd);
    if (held->is_unix)
        (void)unlink(held->path);
    *held = s->sockets[--s->sockets_count];
}

/* What no server claims is closed; not while one is still starting and may be about to ask. */
static void close_unclaimed(struct supervisor *s)
{
    for (int i = 0; i < SERVERS_MAX; i++)
        if (s->servers[i].pid != 0 && !s->servers[i].ready)
            return;
    for (size_t i = s->sockets_count; i > 0; i--)
        if (s->sockets[i - 1].claims == 0)
            close_socket(s, &s->sockets[i - 1]);
}

static void close_all_sockets(struct supervisor *s)
{
    while (s->sockets_count > 0)
        close_socket(s, &s->sockets[s->sockets_count - 1]);
    mem_free(s->sockets);
}

/* --- servers ---------------------------------------------------------------------------------------------------- */

static uint32_t bit_of(const struct supervisor *s, const struct server_process *server)
{
    return 1u << (server - s->servers);
}

static void become_server(const struct supervisor *s, int socket)
{
    char     number[16];
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    (void)snprintf(number, sizeof number, "%d", socket);
    (void)setenv(SUPERVISOR_FD_VARIABLE, number, 1);
    (void)fcntl(socket, F_SETFD, 0);
    execv(s->program, s->arguments);
    execv("/proc/self/exe", s->arguments); /* the file is gone: go on as what we are */
    say("cannot start %s: %s", s->program, strerror(errno));
    _exit(EXIT_FAILURE);
}

static struct server_process *start_server(struct supervisor *s)
{
    struct server_process *server = NULL;
    for (int i = 0; i < SERVERS_MAX && server == NULL; i++)
        if (s->servers[i].pid == 0)
            server = &s->servers[i];
    int pair[2];
    if (server == NULL || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return NULL;
    const pid_t pid = fork();
    if (pid == 0)
        become_server(s, pair[1]);
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return NULL;
    }
    *server = (struct server_process){.pid = pid, .socket = pair[0], .started_ns = clock_monotonic_ns()};
    return server;
}

static void answer_listen(struct supervisor *s, struct server_process *server, const struct supervisor_message *message)
{
    struct err          e = {0};
    struct held_socket *held = find_socket(s, message->key);
    enum err_kind       kind = ERR_NONE;
    if (held == NULL)
        kind = open_socket(s, message, &held, &e);
    if (held != NULL)
        held->claims |= bit_of(s, server);
    struct supervisor_message answer = {
        .version = SUPERVISOR_WIRE_VERSION, .word = SUPERVISOR_SOCKET, .kind = kind};
    (void)snprintf(answer.story, sizeof answer.story, "%s", e.story);
    (void)supervisor_send(server->socket, &answer, held == NULL ? -1 : held->fd);
}

/* The new one serves: it is the one to restart from now on, and the old one may drain. */
static void on_ready(struct supervisor *s, struct server_process *server)
{
    server->ready = true;
    s->quick_deaths = 0;
    if (s->current != server) {
        if (s->current != NULL && s->current->pid != 0) {
            say("the new server (pid %d) serves; the old one (pid %d) drains", server->pid, s->current->pid);
            s->current->stopping = true;
            kill(s->current->pid, SIGTERM);
        }
        s->current = server;
    }
    notify_system("READY=1\nSTATUS=serving");
    close_unclaimed(s);
}

/* False: it hung up. */
static bool on_message(struct supervisor *s, struct server_process *server)
{
    struct supervisor_message message;
    int                       fd;
    if (!supervisor_receive(server->socket, &message, &fd))
        return false;
    if (fd >= 0)
        close(fd);
    switch ((enum supervisor_word)message.word) {
    case SUPERVISOR_LISTEN:
        answer_listen(s, server, &message);
        break;
    case SUPERVISOR_RELEASE: {
        struct held_socket *held = find_socket(s, message.key);
        if (held != NULL)
            held->claims &= ~bit_of(s, server);
        close_unclaimed(s);
        break;
    }
    case SUPERVISOR_READY:
        on_ready(s, server);
        break;
    case SUPERVISOR_STOPPING:
        server->stopping = true;
        break;
    case SUPERVISOR_FAILED:
        server->failed = true;
        break;
    case SUPERVISOR_SOCKET:
    case SUPERVISOR_NONE:
        break;
    }
    return true;
}

static void tell_death(const struct server_process *server, int status)
{
    if (WIFSIGNALED(status))
        say("the server (pid %d) was ended by signal %d (%s)", server->pid, WTERMSIG(status),
            strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) != 0)
        say("the server (pid %d) ended with status %d", server->pid, WEXITSTATUS(status));
}

static void plan_restart(struct supervisor *s, bool was_ready, uint64_t lived_ns)
{
    if (was_ready && lived_ns >= QUICK_DEATH_MS * NS_PER_MS)
        s->quick_deaths = 0;
    else
        s->quick_deaths++;
    uint64_t pause_ms = 0;
    for (unsigned i = 1; i < s->quick_deaths && pause_ms < PAUSE_MOST_MS; i++)
        pause_ms = pause_ms == 0 ? PAUSE_FIRST_MS : pause_ms * 2;
    s->start_at_ns = clock_monotonic_ns() + pause_ms * NS_PER_MS;
    say(pause_ms == 0 ? "starting it again" : "it dies quickly; it is started again after a pause");
}

static void on_death(struct supervisor *s, struct server_process *server, int status)
{
    const struct server_process was = *server;
    const bool                  is_current = s->current == server;
    const bool                  upgrading = !is_current && s->current != NULL;
    /* Its last words may still lie in the socket. */
    while (on_message(s, server))
        ;
    const bool failed = server->failed || !was.ready;
    tell_death(server, status);
    close(server->socket);
    *server = (struct server_process){0};
    for (size_t i = 0; i < s->sockets_count; i++)
        s->sockets[i].claims &= ~bit_of(s, server);
    if (upgrading) {
        if (failed)
            say("the new server did not get ready; the old one goes on");
        close_unclaimed(s);
        return;
    }
    s->current = NULL;
    s->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    const bool first_start_failed = failed && WIFEXITED(status);
    if (s->is_stopping || first_start_failed || (WIFEXITED(status) && WEXITSTATUS(status) == 0)) {
        s->is_stopping = true;
        return;
    }
    plan_restart(s, was.ready, clock_monotonic_ns() - was.started_ns);
}

static void reap(struct supervisor *s)
{
    int   status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (int i = 0; i < SERVERS_MAX; i++)
            if (s->servers[i].pid == pid)
                on_death(s, &s->servers[i], status);
}

static bool has_servers(const struct supervisor *s)
{
    for (int i = 0; i < SERVERS_MAX; i++)
        if (s->servers[i].pid != 0)
            return true;
    return false;
}

static void signal_all(const struct supervisor *s, int number)
{
    for (int i = 0; i < SERVERS_MAX; i++)
        if (s->servers[i].pid != 0)
            kill(s->servers[i].pid, number);
}

static void upgrade(struct supervisor *s)
{
    if (s->current == NULL || s->is_stopping)
        return;
    if (start_server(s) == NULL)
        say("SIGUSR2: an upgrade is under way already, or a process could not be started; the server goes on");
    else
        say("SIGUSR2: starting a new server from %s", s->program);
}

static void on_signal(struct supervisor *s)
{
    struct signalfd_siginfo seen;
    while (read(s->signals, &seen, sizeof seen) == (ssize_t)sizeof seen) {
        switch ((int)seen.ssi_signo) {
        case SIGCHLD:
            reap(s);
            break;
        case SIGHUP:
            if (s->current != NULL)
                kill(s->current->pid, SIGHUP);
            break;
        case SIGUSR2:
            upgrade(s);
            break;
        default:
            if (!s->is_stopping)
                notify_system("STOPPING=1");
            signal_all(s, s->is_stopping ? SIGKILL : SIGTERM);
            s->is_stopping = true;
        }
    }
}

/* --- the loop --------------------------------------------------------------------------------------------------- */

static int timeout_ms(const struct supervisor *s)
{
    if (s->start_at_ns == 0)
        return -1;
    const uint64_t now_ns = clock_monotonic_ns();
    return s->start_at_ns <= now_ns ? 0 : (int)((s->start_at_ns - now_ns) / NS_PER_MS) + 1;
}

static void start_if_due(struct supervisor *s)
{
    if (s->start_at_ns == 0 || clock_monotonic_ns() < s->start_at_ns || s->is_stopping)
        return;
    s->start_at_ns = 0;
    s->current = start_server(s);
    if (s->current == NULL)
        s->start_at_ns = clock_monotonic_ns() + PAUSE_MOST_MS * NS_PER_MS;
}

static void turn(struct supervisor *s)
{
    struct pollfd fds[SERVERS_MAX + 1] = {{.fd = s->signals, .events = POLLIN}};
    for (int i = 0; i < SERVERS_MAX; i++)
        fds[i + 1] = (struct pollfd){.fd = s->servers[i].pid == 0 ? -1 : s->servers[i].socket, .events = POLLIN};
    if (poll(fds, SERVERS_MAX + 1, timeout_ms(s)) < 0 && errno != EINTR)
        return;
    for (int i = 0; i < SERVERS_MAX; i++)
        if (fds[i + 1].revents & POLLIN && s->servers[i].pid != 0)
            (void)on_message(s, &s->servers[i]);
    if (fds[0].revents & POLLIN)
        on_signal(s);
    else if (!(fds[1].revents | fds[2].revents | fds[3].revents) || fds[1].revents & POLLHUP)
        reap(s); /* a hang-up comes just before its SIGCHLD */
    start_if_due(s);
}

static bool block_signals(struct supervisor *s)
{
    sigset_t set;
    sigemptyset(&set);
    const int numbers[] = {SIGCHLD, SIGHUP, SIGUSR2, SIGTERM, SIGINT};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sigaddset(&set, numbers[i]);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return s->signals >= 0;
}

int supervisor_run(char *const arguments[])
{
    struct supervisor s = {.arguments = arguments};
    const ssize_t     length = readlink("/proc/self/exe", s.program, sizeof s.program - 1);
    if (length < 0 || !block_signals(&s)) {
        say("cannot supervise: %s", strerror(errno));
        return EXIT_FAILURE;
    }
    s.program[length] = '\0';
    s.current = start_server(&s);
    if (s.current == NULL) {
        say("cannot start the server: %s", strerror(errno));
        return EXIT_FAILURE;
    }
    while (!s.is_stopping || has_servers(&s))
        turn(&s);
    close_all_sockets(&s);
    close(s.signals);
    return s.status;
}
