/* SPDX-License-Identifier: Apache-2.0 */
/* main/supervisor_client.c - asking for sockets. */
#include "main/supervisor_client.h"

#include "core/mem.h"
#include "main/supervisor/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    WAIT_S = 10,
    HELD_MAX = 65536, /* more than listeners times workers may be */
    UNIX_BACKLOG = 128,
};

/* Which key a descriptor was asked for with. */
struct held {
    int  fd;
    char key[SUPERVISOR_KEY_BYTES];
};

struct supervisor_client {
    int          socket;
    uint32_t     serial; /* of the last question */
    struct held *held;
    size_t       held_count, held_room;
};

/* ---- beginning and end ---- */

/* The descriptor that @text names, if it is our end of a pair; else -1: the variable may have come
 * from anywhere. */
static int find_pair(const char *text)
{
    char *end;
    int type = 0, domain = 0;
    socklen_t type_bytes = sizeof type, domain_bytes = sizeof domain;
    errno = 0;
    const long number = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number < 0 || number > INT32_MAX)
        return -1;
    const int fd = (int)number;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_bytes) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &domain_bytes) != 0 ||
        type != SOCK_SEQPACKET || domain != AF_UNIX)
        return -1;
    return fd;
}

struct supervisor_client *supervisor_client_new(void)
{
    const struct timeval wait = {.tv_sec = WAIT_S};
    const char *text = getenv(SUPERVISOR_FD_VARIABLE);
    const int socket = text == NULL ? -1 : find_pair(text);
    (void)unsetenv(SUPERVISOR_FD_VARIABLE);
    struct supervisor_client *client = socket < 0 ? NULL : mem_alloc(sizeof *client);
    if (client == NULL)
        return NULL;
    client->socket = socket;
    (void)fcntl(socket, F_SETFD, FD_CLOEXEC);
    (void)setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    (void)setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    (void)prctl(PR_SET_NAME, "pando");      /* started from a descriptor it would be called "7" */
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* a program with file capabilities lost it in exec */
    return client;
}

void supervisor_client_free(struct supervisor_client *client)
{
    if (client == NULL)
        return;
    close(client->socket);
    mem_free(client->held);
    mem_free(client);
}

/* ---- asking ---- */

static bool make_room(struct supervisor_client *client)
{
    if (client->held_count < client->held_room)
        return true;
    const size_t room = client->held_room == 0 ? 16 : client->held_room * 2;
    struct held *held = room > HELD_MAX ? NULL : mem_resize(client->held, room * sizeof *held);
    if (held == NULL)
        return false;
    client->held = held;
    client->held_room = room;
    return true;
}

/* The answer to @message; those to earlier questions, which came too late, are passed over. */
static bool receive_answer(struct supervisor_client *client, const struct supervisor_message *asked,
                           struct supervisor_message *answer, int *fd)
{
    while (supervisor_receive(client->socket, answer, fd, 0) == SUPERVISOR_GOT_MESSAGE) {
        if (answer->word == SUPERVISOR_SOCKET && answer->serial == asked->serial)
            return true;
        if (*fd >= 0)
            close(*fd);
    }
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    return false;
}

static enum err_kind ask(struct supervisor_client *client, struct supervisor_message *message,
                         int *fd, struct err *e)
{
    struct supervisor_message answer;
    message->version = SUPERVISOR_WIRE_VERSION;
    message->word = SUPERVISOR_LISTEN;
    message->serial = ++client->serial;
    *fd = -1;
    if (!make_room(client))
        return err_set(e, ERR_MEMORY, "no memory for one more listening socket");
    if (!supervisor_send(client->socket, message, -1, 0) ||
        !receive_answer(client, message, &answer, fd))
        return err_set(e, ERR_SYSTEM, "the supervisor does not answer");
    if (answer.kind != ERR_NONE && answer.kind < ERR_KINDS_COUNT)
        return err_set(e, (enum err_kind)answer.kind, "%s", answer.story);
    if (*fd < 0) /* this process has no descriptor left for it */
        return err_set(e, ERR_LIMIT, "no file descriptor is left for one more listening socket");
    struct held *held = &client->held[client->held_count++];
    held->fd = *fd;
    memcpy(held->key, message->key, sizeof held->key);
    return ERR_NONE;
}

enum err_kind supervisor_listen(struct supervisor_client *client,
                                const struct config_address *address, unsigned index, int backlog,
                                int *fd, struct err *e)
{
    struct supervisor_message message = {
        .address = address->socket,
        .address_bytes = address->socket_bytes,
        .backlog = (uint32_t)backlog,
        .every = address->every,
    };
    /* The host in its one spelling: what is the same address must have the same key. */
    const bool is_bracketed = address->socket.ss_family == AF_INET6 && !address->every;
    (void)snprintf(message.key, sizeof message.key, "tcp %s%s%s:%u #%u", is_bracketed ? "[" : "",
                   address->host, is_bracketed ? "]" : "", address->port, index);
    return ask(client, &message, fd, e);
}

enum err_kind supervisor_listen_unix(struct supervisor_client *client, const char *path,
                                     unsigned mode, int *fd, struct err *e)
{
    struct supervisor_message message = {.backlog = UNIX_BACKLOG, .mode = mode};
    struct sockaddr_un *address = (struct sockaddr_un *)(void *)&message.address;
    address->sun_family = AF_UNIX;
    *fd = -1;
    if (path[0] == '\0' || strlen(path) >= sizeof address->sun_path)
        return err_set(e, ERR_INPUT, "%s: the path of a unix socket has 1 to %zu bytes", path,
                       sizeof address->sun_path - 1);
    (void)snprintf(address->sun_path, sizeof address->sun_path, "%s", path);
    message.address_bytes = sizeof *address;
    (void)snprintf(message.key, sizeof message.key, "unix %s", path);
    return ask(client, &message, fd, e);
}

/* ---- telling ---- */

static void tell(struct supervisor_client *client, enum supervisor_word word, const char *key)
{
    struct supervisor_message message = {.version = SUPERVISOR_WIRE_VERSION, .word = word};
    (void)snprintf(message.key, sizeof message.key, "%s", key);
    (void)supervisor_send(client->socket, &message, -1, 0); /* if it is gone the watch says so */
}

void supervisor_release(struct supervisor_client *client, int fd)
{
    for (size_t i = 0; i < client->held_count; i++)
        if (client->held[i].fd == fd) {
            tell(client, SUPERVISOR_RELEASE, client->held[i].key);
            client->held[i] = client->held[--client->held_count];
            break;
        }
    close(fd);
}

void supervisor_ready(struct supervisor_client *client)
{
    tell(client, SUPERVISOR_READY, "");
}

void supervisor_reloaded(struct supervisor_client *client)
{
    tell(client, SUPERVISOR_RELOADED, "");
}

void supervisor_stopping(struct supervisor_client *client)
{
    tell(client, SUPERVISOR_STOPPING, "");
}

void supervisor_failed(struct supervisor_client *client, const char *story)
{
    (void)story; /* the user has read it; its end says the rest */
    tell(client, SUPERVISOR_FAILED, "");
}

int supervisor_watch_fd(const struct supervisor_client *client)
{
    return client->socket;
}
