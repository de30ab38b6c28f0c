/* SPDX-License-Identifier: Apache-2.0 */
/* main/supervisor/sockets.c - making listening sockets, and keeping account of them. */
#include "main/supervisor/sockets.h"

#include "core/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the kernel holds for a client that does not read; unbounded it would be megabytes. */
enum { UNSENT_BYTES_MAX = 131072 };

/* Folders on the way to a control socket that were not there are for its owner alone. */
#define FOLDER_MODE 0700

/* Closes @fd and keeps errno; returns -1, so that giving up is one statement. */
static int give_up(int fd)
{
    const int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* ---- why not ---- */

static enum err_kind explain_unix(struct err *e, const char *path, int error)
{
    struct stat file;
    switch (error) {
    case EADDRINUSE:
        if (lstat(path, &file) == 0 && !S_ISSOCK(file.st_mode))
            return err_set(e, ERR_SYSTEM,
                           "%s is there already and is no socket; remove it, or name another "
                           "control socket by --control PATH",
                           path);
        return err_set(e, ERR_SYSTEM,
                       "another Pando answers on %s; stop it, or name another control socket by "
                       "--control PATH",
                       path);
    case EACCES:
    case EPERM:
    case EROFS:
    case ENOENT:
    case ENOTDIR:
        return err_set(e, ERR_SYSTEM,
                       "%s cannot be made there (%s); name another control socket by "
                       "--control PATH",
                       path, strerror(error));
    default: break;
    }
    errno = error;
    return err_set_errno(e, "listen on %s", path);
}

static enum err_kind explain_tcp(struct err *e, const struct supervisor_message *message, int error)
{
    const char *address = message->key + strcspn(message->key, " ");
    address += *address == ' ';
    const int bytes = (int)strcspn(address, " ");
    const unsigned port =
        ntohs(((const struct sockaddr_in *)(const void *)&message->address)->sin_port);
    switch (error) {
    case EADDRINUSE:
        return err_set(e, ERR_SYSTEM,
                       "%.*s: another process listens there (`ss -ltnp 'sport = :%u'` shows "
                       "which); stop it, or choose another address",
                       bytes, address, port);
    case EACCES:
        return err_set(e, ERR_SYSTEM,
                       "%.*s: not allowed for this user; choose a port from 1024 up, or give the "
                       "program the right (setcap cap_net_bind_service=+ep, or "
                       "AmbientCapabilities= in its unit)",
                       bytes, address);
    case EADDRNOTAVAIL:
        return err_set(e, ERR_SYSTEM,
                       "%.*s: this machine has no such address (`ip address` lists those it has)",
                       bytes, address);
    default: break;
    }
    errno = error;
    return err_set_errno(e, "listen on %.*s", bytes, address);
}

/* ---- TCP ---- */

static void set_option(int fd, int level, int option, int value)
{
    (void)setsockopt(fd, level, option, &value, sizeof value);
}

static uint16_t port_of(const struct sockaddr_storage *address)
{
    /* The port lies at the same place in both families. */
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
    return ntohs(in->sin_port); /* NOLINT(clang-analyzer-core.CallAndMessage): it was filled */
}

/* A socket bound to the address of @message; with @is_shared others of ours may have it too. */
static int bind_tcp(const struct supervisor_message *message, bool is_shared)
{
    const int family = message->address.ss_family;
    const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (is_shared)
        set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (family == AF_INET6)
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, message->every == 0);
    if (bind(fd, (const struct sockaddr *)&message->address, message->address_bytes) != 0)
        return give_up(fd);
    return fd;
}

static bool holds_port(const struct supervisor_sockets *sockets, uint16_t port)
{
    for (size_t i = 0; i < sockets->count; i++)
        if (sockets->at[i].port == port)
            return true;
    return false;
}

/* With SO_REUSEPORT a second Pando of the same user would silently take a share of our connections
 * instead of being refused. So a port that we do not hold yet is first bound without it. */
static int try_alone(const struct supervisor_sockets *sockets,
                     const struct supervisor_message *message)
{
    const uint16_t port = port_of(&message->address);
    if (port == 0 || holds_port(sockets, port))
        return 0;
    const int fd = bind_tcp(message, false);
    if (fd < 0)
        return -1;
    return close(fd);
}

static int listen_tcp(const struct supervisor_sockets *sockets,
                      const struct supervisor_message *message)
{
    if (try_alone(sockets, message) != 0)
        return -1;
    const int fd = bind_tcp(message, true);
    if (fd < 0)
        return -1;
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1); /* accepted connections inherit it, and this: */
    set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES_MAX);
    return listen(fd, (int)message->backlog) == 0 ? fd : give_up(fd);
}

/* Port 0 lets the kernel choose; the sockets of one address must then all have the same. */
static void follow_port(const struct supervisor_sockets *sockets,
                        struct supervisor_message *message)
{
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)&message->address;
    const size_t bytes = strcspn(message->key, "#");
    for (size_t i = 0; in->sin_port == 0 && i < sockets->count; i++)
        if (strncmp(sockets->at[i].key, message->key, bytes) == 0)
            in->sin_port = htons(sockets->at[i].port);
}

static int open_tcp(const struct supervisor_sockets *sockets,
                    const struct supervisor_message *asked)
{
    struct supervisor_message message = *asked;
    follow_port(sockets, &message);
    const int fd = listen_tcp(sockets, &message);
    if (fd >= 0 || !message.every || (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL))
        return fd;
    /* A machine without IPv6: every address is then every IPv4 address. */
    const struct sockaddr_in any = {.sin_family = AF_INET,
                                    .sin_port = htons(port_of(&message.address))};
    memcpy(&message.address, &any, sizeof any);
    message.address_bytes = sizeof any;
    return listen_tcp(sockets, &message);
}

/* ---- unix ---- */

/* Removes a socket file on which nobody answers: a process that was killed left it behind. */
static void remove_stale(const struct sockaddr_un *address)
{
    struct stat file;
    if (lstat(address->sun_path, &file) != 0 || !S_ISSOCK(file.st_mode))
        return;
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 &&
        errno == ECONNREFUSED)
        (void)unlink(address->sun_path);
    close(fd);
}

/* All folders on the way to @path. What cannot be made, bind() tells. */
static void make_folders(const char *path)
{
    char folder[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
    (void)snprintf(folder, sizeof folder, "%s", path);
    for (char *slash = folder; (slash = strchr(slash + 1, '/')) != NULL; *slash = '/') {
        *slash = '\0';
        (void)mkdir(folder, FOLDER_MODE);
    }
}

static int open_unix(const struct supervisor_message *message)
{
    const struct sockaddr_un *address = (const struct sockaddr_un *)(const void *)&message->address;
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    make_folders(address->sun_path);
    remove_stale(address);
    const mode_t before =
        umask((mode_t)(~message->mode & 0777)); /* bind() makes the file with it */
    const int bound = bind(fd, (const struct sockaddr *)address, sizeof *address);
    const int error = errno;
    (void)umask(before);
    errno = error;
    return bound == 0 && listen(fd, (int)message->backlog) == 0 ? fd : give_up(fd);
}

/* ---- account ---- */

static struct supervisor_socket *find(struct supervisor_sockets *sockets, const char *key)
{
    for (size_t i = 0; i < sockets->count; i++)
        if (strcmp(sockets->at[i].key, key) == 0)
            return &sockets->at[i];
    return NULL;
}

static void note_name(struct supervisor_socket *held, const struct supervisor_message *message)
{
    struct sockaddr_storage name = {0};
    socklen_t bytes = sizeof name;
    struct stat file;
    if (message->address.ss_family != AF_UNIX) {
        if (getsockname(held->fd, (struct sockaddr *)&name, &bytes) == 0)
            held->port = port_of(&name);
        return;
    }
    memcpy(held->path, ((const struct sockaddr_un *)(const void *)&message->address)->sun_path,
           sizeof held->path);
    held->path[sizeof held->path - 1] = '\0';
    if (lstat(held->path, &file) == 0) {
        held->device = file.st_dev;
        held->inode = file.st_ino;
    }
}

static bool make_room(struct supervisor_sockets *sockets)
{
    if (sockets->count < sockets->room)
        return true;
    const size_t room = sockets->room == 0 ? 16 : sockets->room * 2;
    if (room > SUPERVISOR_SOCKETS_MAX)
        return false;
    struct supervisor_socket *at = mem_resize(sockets->at, room * sizeof *at);
    if (at == NULL)
        return false;
    sockets->at = at;
    sockets->room = room;
    return true;
}

/* Is the message one that a server of ours would send? Its bytes came from another process. */
static bool is_sound(const struct supervisor_message *message)
{
    const struct sockaddr_un *local = (const struct sockaddr_un *)(const void *)&message->address;
    switch (message->address.ss_family) {
    case AF_INET: return message->address_bytes == sizeof(struct sockaddr_in);
    case AF_INET6: return message->address_bytes == sizeof(struct sockaddr_in6);
    case AF_UNIX:
        return local->sun_path[0] != '\0' &&
               memchr(local->sun_path, '\0', sizeof local->sun_path) != NULL;
    default: return false;
    }
}

static enum err_kind add(struct supervisor_sockets *sockets,
                         const struct supervisor_message *message, struct err *e)
{
    const bool is_unix = message->address.ss_family == AF_UNIX;
    if (!is_sound(message))
        return err_set(e, ERR_INPUT, "an address that the supervisor does not understand");
    if (!make_room(sockets))
        return err_set(e, ERR_LIMIT, "no room for one more listening socket");
    const int fd = is_unix ? open_unix(message) : open_tcp(sockets, message);
    if (fd < 0 && is_unix)
        return explain_unix(
            e, ((const struct sockaddr_un *)(const void *)&message->address)->sun_path, errno);
    if (fd < 0)
        return explain_tcp(e, message, errno);
    struct supervisor_socket *held = &sockets->at[sockets->count++];
    *held = (struct supervisor_socket){.fd = fd};
    memcpy(held->key, message->key, sizeof held->key);
    note_name(held, message);
    return ERR_NONE;
}

enum err_kind supervisor__sockets_claim(struct supervisor_sockets *sockets,
                                        const struct supervisor_message *message, unsigned place,
                                        int *fd, struct err *e)
{
    struct supervisor_socket *held = find(sockets, message->key);
    if (held == NULL) {
        const enum err_kind failed = add(sockets, message, e);
        if (failed != ERR_NONE)
            return failed;
        held = &sockets->at[sockets->count - 1];
    } else {
        (void)listen(held->fd, (int)message->backlog); /* it may have changed */
    }
    if (held->claims[place] == UINT16_MAX)
        return err_set(e, ERR_LIMIT, "one socket was asked for too often");
    held->claims[place]++;
    *fd = held->fd;
    return ERR_NONE;
}

void supervisor__sockets_release(struct supervisor_sockets *sockets, const char *key,
                                 unsigned place)
{
    struct supervisor_socket *held = find(sockets, key);
    if (held != NULL && held->claims[place] > 0)
        held->claims[place]--;
}

void supervisor__sockets_retire(struct supervisor_sockets *sockets, unsigned place)
{
    for (size_t i = 0; i < sockets->count; i++)
        if (sockets->at[i].path[0] == '\0')
            sockets->at[i].claims[place] = 0;
}

void supervisor__sockets_drop(struct supervisor_sockets *sockets, unsigned place)
{
    for (size_t i = 0; i < sockets->count; i++)
        sockets->at[i].claims[place] = 0;
}

static bool is_claimed(const struct supervisor_socket *held)
{
    for (unsigned place = 0; place < SUPERVISOR_PLACES; place++)
        if (held->claims[place] > 0)
            return true;
    return false;
}

static void close_held(const struct supervisor_socket *held)
{
    struct stat file;
    close(held->fd);
    if (held->path[0] != '\0' && lstat(held->path, &file) == 0 && file.st_dev == held->device &&
        file.st_ino == held->inode)
        (void)unlink(held->path);
}

void supervisor__sockets_sweep(struct supervisor_sockets *sockets)
{
    size_t kept = 0;
    for (size_t i = 0; i < sockets->count; i++) {
        if (is_claimed(&sockets->at[i]))
            sockets->at[kept++] = sockets->at[i];
        else
            close_held(&sockets->at[i]);
    }
    sockets->count = kept;
}

void supervisor__sockets_fini(struct supervisor_sockets *sockets)
{
    for (size_t i = 0; i < sockets->count; i++)
        close_held(&sockets->at[i]);
    mem_free(sockets->at);
    *sockets = (struct supervisor_sockets){0};
}
