/* SPDX-License-Identifier: Apache-2.0 */
/* main/supervisor_client.c - asking for sockets. */
#include "main/supervisor_client.h"

#include "core/mem.h"
#include "main/supervisor_wire.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

enum { SOCKETS_MAX = 65536 };

/* Which key a descriptor was asked for with. */
struct held {
    int  fd;
    char key[160];
};

struct supervisor_client {
    int          socket;
    struct held *held;
    size_t       held_count, held_room;
};

struct supervisor_client *supervisor_client_new(void)
{
    const char *text = getenv(SUPERVISOR_FD_VARIABLE);
    if (text == NULL)
        return NULL;
    struct supervisor_client *client = mem_alloc(sizeof *client);
    if (client == NULL)
        return NULL;
    client->socket = atoi(text);
    (void)fcntl(client->socket, F_SETFD, FD_CLOEXEC);
    (void)unsetenv(SUPERVISOR_FD_VARIABLE);
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

static void tell(struct supervisor_client *client, enum supervisor_word word, const char *key)
{
    struct supervisor_message message = {.version = SUPERVISOR_WIRE_VERSION, .word = word};
    if (key != NULL)
        (void)snprintf(message.key, sizeof message.key, "%s", key);
    (void)supervisor_send(client->socket, &message, -1); /* if it is gone the watch says so */
}

static bool remember(struct supervisor_client *client, int fd, const char *key)
{
    if (client->held_count == client->held_room) {
        const size_t room = client->held_room == 0 ? 16 : client->held_room * 2;
        struct held *held = room > SOCKETS_MAX ? NULL : mem_resize(client->held, room * sizeof *held);
        if (held == NULL)
            return false;
        client->held = held;
        client->held_room = room;
    }
    struct held *held = &client->held[client->held_count++];
    held->fd = fd;
    (void)snprintf(held->key, sizeof held->key, "%s", key);
    return true;
}

static enum err_kind ask(struct supervisor_client *client, struct supervisor_message *message, int *fd, struct err *e)
{
    struct supervisor_message answer;
    message->version = SUPERVISOR_WIRE_VERSION;
    message->word = SUPERVISOR_LISTEN;
    *fd = -1;
    if (!supervisor_send(client->socket, message, -1) || !supervisor_receive(client->socket, &answer, fd))
        return err_set(e, ERR_SYSTEM, "the supervisor does not answer");
    if (answer.kind != ERR_NONE || *fd < 0)
        return err_set(e, answer.kind == ERR_NONE ? ERR_SYSTEM : (enum err_kind)answer.kind, "%s", answer.story);
    if (!remember(client, *fd, message->key)) {
        close(*fd);
        *fd = -1;
        return err_set(e, ERR_MEMORY, "no memory for one more listening socket");
    }
    return ERR_NONE;
}

enum err_kind supervisor_listen(struct supervisor_client *client, const struct config_address *address, unsigned index,
                                int backlog, int *fd, struct err *e)
{
    struct supervisor_message message = {
        .address = address->socket,
        .address_bytes = address->socket_bytes,
        .backlog = (uint32_t)backlog,
        .every = address->every,
    };
    (void)snprintf(message.key, sizeof message.key, "tcp %s #%u", address->text, index);
    return ask(client, &message, fd, e);
}

enum err_kind supervisor_listen_unix(struct supervisor_client *client, const char *path, unsigned mode, int *fd,
                                     struct err *e)
{
    struct supervisor_message message = {.backlog = 128, .mode = mode};
    struct sockaddr_un       *address = (struct sockaddr_un *)(void *)&message.address;
    address->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof address->sun_path)
        return err_set(e, ERR_INPUT, "the path of a unix socket may have %zu bytes: %s", sizeof address->sun_path - 1,
                       path);
    (void)snprintf(address->sun_path, sizeof address->sun_path, "%s", path);
    message.address_bytes = sizeof *address;
    (void)snprintf(message.key, sizeof message.key, "unix %s", path);
    return ask(client, &message, fd, e);
}

void supervisor_release(struct supervisor_client *client, int fd)
{
    for (size_t i = 0; i < client->held_count; i++) {
        if (client->held[i].fd != fd)
            continue;
        tell(client, SUPERVISOR_RELEASE, client->held[i].key);
        client->held[i] = client->held[--client->held_count];
        break;
    }
    close(fd);
}

void supervisor_ready(struct supervisor_client *client)
{
    tell(client, SUPERVISOR_READY, NULL);
}

void supervisor_stopping(struct supervisor_client *client)
{
    tell(client, SUPERVISOR_STOPPING, NULL);
}

void supervisor_failed(struct supervisor_client *client, const char *story)
{
    (void)story; /* it was told already */
    tell(client, SUPERVISOR_FAILED, NULL);
}

int supervisor_watch_fd(const struct supervisor_client *client)
{
    return client->socket;
}
