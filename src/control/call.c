/* SPDX-License-Identifier: Apache-2.0 */
/* control/call.c - the socket and the clock of one question. */
#include "control/call.h"

#include "core/units.h"

#include <stdio.h>
#include <string.h>

static struct call *call_of(struct sock *sock)
{
    return list_item(sock, struct call, sock);
}

void call_end(struct call *call, const char *why)
{
    if (call->is_over)
        return;
    call->is_over = true;
    timer_clear(&call->patience);
    sock_close(&call->sock);
    call->events->over(call, why);
}

static void end_with_errno(struct call *call, const char *what, int error)
{
    char why[CALL_WHY_BYTES], text[64];
    (void)snprintf(why, sizeof why, "%s: %s", what, strerror_r(error, text, sizeof text));
    call_end(call, why);
}

static void on_received(struct sock *sock, struct buf *buf, uint8_t *at, uint32_t bytes)
{
    struct call *call = call_of(sock);
    (void)buf;
    if (!call->is_over)
        call->events->received(call, at, bytes);
}

static void on_ended(struct sock *sock, int error)
{
    struct call *call = call_of(sock);
    if (call->is_over)
        return;
    if (error != 0)
        end_with_errno(call, "the connection broke", error);
    else
        call->events->hung_up(call);
}

/* Who is asked may answer and close before it has read all; what it said is read first. */
static void on_sent(struct sock *sock, int error)
{
    (void)sock, (void)error;
}

static void on_connected(struct sock *sock, int error)
{
    struct call *call = call_of(sock);
    if (call->is_over)
        return;
    if (error != 0) {
        end_with_errno(call, "connect", error);
        return;
    }
    sock_receive(sock, SOCK_RECEIVE_WATCH);
    if (call->out.iov_len > 0)
        sock_send(sock, &call->out, 1);
    if (call->events->connected != NULL)
        call->events->connected(call);
}

static void on_closed(struct sock *sock)
{
    struct call *call = call_of(sock);
    call->events->closed(call);
}

static void on_late(struct timer *timer)
{
    struct call *call = list_item(timer, struct call, patience);
    char why[CALL_WHY_BYTES];
    (void)snprintf(why, sizeof why, "no answer within %llu ms",
                   (unsigned long long)(call->timeout_ns / NS_PER_MS));
    call_end(call, why);
}

static const struct sock_events sock_events = {
    .received = on_received,
    .ended = on_ended,
    .sent = on_sent,
    .connected = on_connected,
    .closed = on_closed,
};

bool call_start(struct call *call, const struct call_events *events,
                const struct call_options *options)
{
    struct loop *loop = options->loop;
    const int fd = socket(options->address->sa_family,
                          SOCK_STREAM | SOCK_CLOEXEC | loop->kind->socket_flags, 0);
    if (fd < 0)
        return false;
    call->events = events;
    call->is_over = false;
    call->timeout_ns = options->timeout_ns;
    call->out = (struct iovec){(void *)(uintptr_t)options->send, options->send_bytes};
    memcpy(&call->address, options->address, options->address_bytes);
    timer_init(&call->patience, on_late);
    sock_open(&call->sock, loop, &sock_events, fd);
    timer_set(&loop->timers, &call->patience, loop->now_ns + options->timeout_ns);
    sock_connect(&call->sock, (const struct sockaddr *)&call->address, options->address_bytes);
    return true;
}
