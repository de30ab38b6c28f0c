/* SPDX-License-Identifier: Apache-2.0 */
/* bench/sized.c - a server whose answers have sizes of their own and may be kept: see sizes.h.
 *
 *     sized --port PORT
 *
 * Every path is good for ten minutes; what is under /vary/ says Vary: X-Kind. /small answers 100 bytes that
 * are not to be kept, and what is under /wait/ is never answered. Bodies leave from one block of memory, so that it costs little. Loopback only, one
 * thread, no pipelining; ends at SIGTERM, or with the process that started it. */
#include "sizes.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define CLIENTS_MAX    16384
#define HEAD_BYTES_MAX 4096
#define EVENTS_MAX     256

/* A connection, by its descriptor. */
struct client {
    size_t   head_bytes; /* of the request */
    size_t   out_bytes;  /* of `out`, of which out_sent have left */
    size_t   out_sent;
    uint64_t body_left;
    bool     is_sending;
    char     head[HEAD_BYTES_MAX + 1];
    char     out[256]; /* the answer's head and the mark of its body */
};

static struct {
    int epoll_fd, listener;
    struct client clients[CLIENTS_MAX];
    char body[(size_t)SIZES_MOST];
} server;

static void leave(int fd)
{
    close(fd);
}

/* True: all of it has left. */
static bool send_some(int fd, struct client *client)
{
    while (client->out_sent < client->out_bytes || client->body_left > 0) {
        const size_t head = client->out_bytes - client->out_sent;
        struct iovec parts[] = {
            {client->out + client->out_sent, head},
            {server.body, client->body_left < sizeof server.body ? (size_t)client->body_left
                                                                 : sizeof server.body},
        };
        const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
        const ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0)
            return false;
        const size_t of_head = (size_t)sent < head ? (size_t)sent : head;
        client->out_sent += of_head;
        client->body_left -= (size_t)sent - of_head;
    }
    return true;
}

static uint32_t kind_of(const char *head)
{
    const char *field = strcasestr(head, "\r\nx-kind:");
    return field == NULL ? 0 : (uint32_t)strtoul(field + 9, NULL, 10);
}

static bool make_answer(struct client *client)
{
    const char *path = client->head + 4, *end = strchr(path, ' ');
    if (strncmp(client->head, "GET /", 5) != 0 || end == NULL)
        return false;
    const size_t bytes = (size_t)(end - path);
    const bool varies = sizes_is_under(path, bytes, "/vary/");
    const bool is_small = bytes == 6 && memcmp(path, "/small", 6) == 0;
    const uint64_t hash = sizes_hash(path, bytes, varies ? kind_of(client->head) : 0);
    const uint64_t body = is_small ? 100 : sizes_body_bytes(path, bytes, hash);
    client->out_bytes = (size_t)snprintf(
        client->out, sizeof client->out,
        "HTTP/1.1 200 OK\r\nCache-Control: %s\r\n%sContent-Length: %" PRIu64 "\r\n\r\n%016" PRIx64,
        is_small ? "no-store" : "max-age=600", varies ? "Vary: X-Kind\r\n" : "", body, hash);
    client->out_sent = 0;
    client->body_left = body - SIZES_MARK;
    return true;
}

static void serve_client(int fd)
{
    struct client *client = &server.clients[fd];
    if (client->is_sending) {
        if (!send_some(fd, client)) {
            if (errno != EAGAIN && errno != EINTR)
                leave(fd);
            return;
        }
        client->is_sending = false;
    }
    for (;;) {
        const ssize_t got = recv(fd, client->head + client->head_bytes,
                                 HEAD_BYTES_MAX - client->head_bytes, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got <= 0)
            break;
        client->head_bytes += (size_t)got;
        client->head[client->head_bytes] = '\0';
        if (strstr(client->head, "\r\n\r\n") == NULL)
            continue;
        client->head_bytes = 0;
        if (strncmp(client->head, "GET /wait/", 10) == 0)
            continue;
        if (!make_answer(client))
            break;
        if (!send_some(fd, client)) {
            if (errno != EAGAIN && errno != EINTR)
                break;
            client->is_sending = true;
            return;
        }
    }
    leave(fd);
}

static void accept_some(void)
{
    for (int fd; (fd = accept4(server.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        const int on = 1;
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.fd = fd};
        if (fd >= CLIENTS_MAX) {
            close(fd);
            continue;
        }
        server.clients[fd].head_bytes = 0;
        server.clients[fd].is_sending = false;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (epoll_ctl(server.epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
            close(fd);
    }
}

static void serve(void)
{
    struct epoll_event events[EVENTS_MAX];
    for (;;) {
        const int count = epoll_wait(server.epoll_fd, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == server.listener)
                accept_some();
            else
                serve_client(events[i].data.fd);
        }
    }
}

static void listen_on(uint16_t port)
{
    const int on = 1;
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    server.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    server.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)setsockopt(server.listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = server.listener};
    if (bind(server.listener, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(server.listener, 4096) != 0 ||
        epoll_ctl(server.epoll_fd, EPOLL_CTL_ADD, server.listener, &event) != 0) {
        perror("sized");
        exit(1);
    }
}

int main(int count, char **words)
{
    static const struct option options[] = {{"port", required_argument, NULL, 'p'}, {0}};
    unsigned long port = 0;
    for (int option; (option = getopt_long(count, words, "", options, NULL)) != -1;)
        if (option == 'p')
            port = strtoul(optarg, NULL, 10);
    if (port == 0 || port > UINT16_MAX) {
        fprintf(stderr, "usage: sized --port PORT\n");
        return 2;
    }
    (void)prctl(PR_SET_PDEATHSIG, 15);
    memset(server.body, 'x', sizeof server.body);
    listen_on((uint16_t)port);
    serve();
}
