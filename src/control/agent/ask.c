/* SPDX-License-Identifier: Apache-2.0 */
/* control/agent/ask.c - connect, perhaps send, read a line, close; at every step the clock may
 * win. */
#include "control/agent/ask.h"

#include "core/mem.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct agent_ask {
    struct sock             sock; /* first */
    struct agent_question   question;
    struct sockaddr_storage address;
    struct timer            patience;
    struct iovec            out;
    bool                    is_over;
    size_t                  used;
    char                    send[AGENT_SEND_BYTES_MAX + 2];
    char                    line[AGENT_LINE_BYTES_MAX];
};

static struct agent_ask *ask_of(struct sock *sock)
{
    return list_item(sock, struct agent_ask, sock);
}

/* The one way out: with a line, or with why there is none. */
static void finish(struct agent_ask *ask, const char *why)
{
    if (ask->is_over)
        return;
    ask->is_over = true;
    timer_clear(&ask->patience);
    sock_close(&ask->sock);
    if (ask->question.answered != NULL)
        ask->question.answered(ask->question.self, why == NULL ? ask->line : NULL, ask->used, why);
}

static void finish_with_errno(struct agent_ask *ask, const char *what, int error)
{
    char why[AGENT_WHY_BYTES], text[64];
    (void)snprintf(why, sizeof why, "%s: %s", what, strerror_r(error, text, sizeof text));
    finish(ask, why);
}

/* A line that is too long is none; perhaps it is no agent that answers. */
static void on_received(struct sock *sock, struct buf *buf, uint8_t *at, uint32_t bytes)
{
    struct agent_ask *ask = ask_of(sock);
    const size_t room = sizeof ask->line - ask->used;
    (void)buf;
    if (ask->is_over)
        return;
    const bool has_end = memchr(at, '\n', bytes < room ? bytes : room) != NULL;
    memcpy(ask->line + ask->used, at, bytes < room ? bytes : room);
    ask->used += bytes < room ? bytes : room;
    if (has_end)
        finish(ask, NULL);
    else if (bytes >= room)
        finish(ask, "its line is longer than an agent's may be");
}

static void on_ended(struct sock *sock, int error)
{
    struct agent_ask *ask = ask_of(sock);
    if (ask->is_over)
        return;
    if (error != 0)
        finish_with_errno(ask, "the connection broke", error);
    else
        finish(ask, ask->used > 0 ? NULL : "the connection ended without a line");
}

/* An agent may answer without having read; what it said is read first. */
static void on_sent(struct sock *sock, int error)
{
    (void)sock, (void)error;
}

static void on_connected(struct sock *sock, int error)
{
    struct agent_ask *ask = ask_of(sock);
    if (ask->is_over)
        return;
    if (error != 0) {
        finish_with_errno(ask, "connect", error);
        return;
    }
    sock_receive(sock, SOCK_RECEIVE_WATCH);
    if (ask->send[0] == '\0')
        return;
    ask->out = (struct iovec){ask->send, strlen(ask->send)};
    sock_send(sock, &ask->out, 1);
}

static void on_closed(struct sock *sock)
{
    struct agent_ask *ask = ask_of(sock);
    void (*ended)(void *owner) = ask->question.ended;
    void *owner = ask->question.owner;
    mem_free(ask);
    ended(owner);
}

static const struct sock_events events = {
    .received = on_received,
    .ended = on_ended,
    .sent = on_sent,
    .connected = on_connected,
    .closed = on_closed,
};

static void on_late(struct timer *timer)
{
    struct agent_ask *ask = list_item(timer, struct agent_ask, patience);
    char why[AGENT_WHY_BYTES];
    (void)snprintf(why, sizeof why, "no answer within %llu ms",
                   (unsigned long long)(ask->question.timeout_ns / 1000000));
    finish(ask, why);
}

struct agent_ask *agent_ask_start(const struct agent_question *question)
{
    struct loop *loop = question->loop;
    struct agent_ask *ask = mem_alloc(sizeof *ask);
    if (ask == NULL)
        return NULL;
    const int fd = socket(question->address->sa_family,
                          SOCK_STREAM | SOCK_CLOEXEC | loop->kind->socket_flags, 0);
    if (fd < 0) {
        mem_free(ask);
        return NULL;
    }
    ask->question = *question;
    memcpy(&ask->address, question->address, question->address_bytes);
    if (question->send[0] != '\0')
        (void)snprintf(ask->send, sizeof ask->send, "%s\n", question->send);
    ask->question.send = NULL; /* the asker's */
    timer_init(&ask->patience, on_late);
    sock_open(&ask->sock, loop, &events, fd);
    timer_set(&loop->timers, &ask->patience, loop->now_ns + question->timeout_ns);
    sock_connect(&ask->sock, (const struct sockaddr *)&ask->address, question->address_bytes);
    return ask;
}

void agent_ask_cancel(struct agent_ask *ask)
{
    if (ask == NULL || ask->is_over)
        return;
    ask->question.answered = NULL;
    finish(ask, NULL);
}
