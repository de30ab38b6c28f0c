/* SPDX-License-Identifier: Apache-2.0 */
/* loop/loop.c - what the two back ends share: turns, posting, and telling sockets in order. */
#include "loop/loop.h"

#include "core/mem.h"
#include "core/units.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static const struct loop_kind *const kinds[] = {
#define X(symbol, name, gist) &loop_##symbol,
    LOOP_KINDS(X)
#undef X
};

enum { FLUSHES_PER_TURN_MAX = 4 /* then others have their turn */ };

enum { KINDS_COUNT = sizeof kinds / sizeof kinds[0] };

static enum err_kind open_as(struct loop *loop, const struct loop_kind *kind, struct err *e)
{
    loop->kind = kind;
    const enum err_kind failed = kind->open(loop, e);
    if (failed != ERR_NONE) {
        loop->kind = NULL;
        return err_wrap(e, "%s", kind->name);
    }
    return ERR_NONE;
}

static enum err_kind open_kind(struct loop *loop, const char *name, struct err *e)
{
    if (strcmp(name, "auto") == 0) {
        for (size_t i = 0; i < KINDS_COUNT; i++)
            if (open_as(loop, kinds[i], e) == ERR_NONE)
                return ERR_NONE;
        return e->kind;
    }
    for (size_t i = 0; i < KINDS_COUNT; i++)
        if (strcmp(name, kinds[i]->name) == 0)
            return open_as(loop, kinds[i], e);
    return err_set(e, ERR_INPUT, "no such kind of I/O: %s", name);
}

enum err_kind loop_open(struct loop *loop, const char *kind, struct err *e)
{
    *loop = (struct loop){.now_ns = clock_monotonic_ns(), .alarm_ns = UINT64_MAX, .wake_fd = -1};
    timer_wheel_init(&loop->timers, loop->now_ns);
    post_queue_init(&loop->posts);
    list_init(&loop->told);
    list_init(&loop->turn_hooks);
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->wake_fd < 0)
        return err_set_errno(e, "eventfd");
    const enum err_kind failed = open_kind(loop, kind, e);
    if (failed != ERR_NONE) {
        close(loop->wake_fd);
        loop->wake_fd = -1;
    }
    return failed;
}

void loop_close(struct loop *loop)
{
    if (loop->kind == NULL)
        return;
    loop->kind->close(loop);
    close(loop->wake_fd);
    *loop = (struct loop){0};
}

/* --- posting
 * ---------------------------------------------------------------------------------------------- */

static void wake(struct loop *loop)
{
    if (!atomic_load(&loop->asleep))
        return;
    const uint64_t one = 1;
    (void)!write(loop->wake_fd, &one, sizeof one);
}

void loop_post(struct loop *loop, struct post *post)
{
    post_queue_put(&loop->posts, post);
    wake(loop);
}

void loop_stop(struct loop *loop)
{
    atomic_store(&loop->stopping, true);
    wake(loop);
}

static void run_posts(struct loop *loop)
{
    for (struct post *post; (post = post_queue_take(&loop->posts)) != NULL;)
        post->call(post);
}

/* --- telling
 * ---------------------------------------------------------------------------------------------- */

void loop__tell(struct sock *sock)
{
    if (!link_is_in_list(&sock->told))
        list_add_last(&sock->loop->told, &sock->told);
}

/* One receive is under way at most, so hardly more than one buffer is ever late. */
static void keep_late(struct sock *sock, struct buf *buf, uint32_t bytes)
{
    struct buf *kept = buf_ref(buf);
    kept->used_bytes = bytes;
    kept->next = NULL;
    if (sock->late_last != NULL)
        sock->late_last->next = kept;
    else
        sock->late_first = kept;
    sock->late_last = kept;
    sock->late_bytes += bytes;
}

void loop__received(struct sock *sock, struct buf *buf, uint32_t bytes)
{
    sock->loop->counters.receives++;
    if (sock->closing || sock->end_seen)
        return;
    if (fault_strikes(FAULT_COMPLETION)) {
        loop__ended(sock, ECONNRESET);
        return;
    }
    if (sock->want == SOCK_RECEIVE_OFF || sock->late_first != NULL) {
        keep_late(sock, buf, bytes);
        if (sock->want != SOCK_RECEIVE_OFF)
            loop__tell(sock);
        return;
    }
    sock->events->received(sock, buf, buf->data, bytes);
}

bool loop__sent(struct sock *sock, ssize_t result)
{
    if (fault_strikes(FAULT_COMPLETION))
        result = -EPIPE;
    if (result < 0 || sock->closing) {
        sock->sent_error = result < 0 ? (int)-result : ECANCELED;
        return false;
    }
    size_t left = (size_t)result;
    sock->sent_bytes += left;
    while (sock->iov_count > 0 && left >= sock->iov->iov_len) {
        left -= sock->iov->iov_len;
        sock->iov++;
        sock->iov_count--;
    }
    if (sock->iov_count == 0) {
        sock->sent_error = 0;
        return false;
    }
    sock->iov->iov_base = (uint8_t *)sock->iov->iov_base + left;
    sock->iov->iov_len -= left;
    return true;
}

void loop__connected(struct sock *sock, int error)
{
    sock->connected_error = error == 0 && fault_strikes(FAULT_COMPLETION) ? ECONNREFUSED : error;
    loop__tell(sock);
}

void loop__accepted(struct listener *listener, int result, const struct sockaddr *peer,
                    socklen_t peer_bytes)
{
    if (result >= 0 && fault_strikes(FAULT_COMPLETION)) {
        close(result);
        return;
    }
    if (result >= 0) {
        listener->loop->counters.accepts++;
        listener->events->accepted(listener, result, peer, peer_bytes);
        return;
    }
    const int error = -result;
    /* Whatever else accept() may say (ECONNABORTED, EPROTO, ...) is about one connection that is
     * gone. */
    if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM) {
        listener->wanted = false;
        listener->events->exhausted(listener, error);
    }
}

void loop__ended(struct sock *sock, int error)
{
    if (sock->end_seen)
        return;
    sock->end_seen = true;
    sock->end_error = error;
    loop__tell(sock);
}

static void drop_late(struct sock *sock)
{
    for (struct buf *buf; (buf = sock->late_first) != NULL;) {
        sock->late_first = buf->next;
        buf_unref(buf);
    }
    sock->late_last = NULL;
    sock->late_bytes = 0;
}

static void tell_late(struct sock *sock)
{
    while (sock->late_first != NULL && sock->want != SOCK_RECEIVE_OFF && !sock->closing) {
        struct buf *buf = sock->late_first;
        sock->late_first = buf->next;
        if (sock->late_first == NULL)
            sock->late_last = NULL;
        sock->late_bytes -= buf->used_bytes;
        sock->events->received(sock, buf, buf->data, buf->used_bytes);
        buf_unref(buf);
    }
}

/* What a socket is told, in order: its send, late bytes, the end; last of all that it is closed. */
void loop__tell_now(struct sock *sock)
{
    if (sock->connected_error >= 0) {
        const int error = sock->connected_error;
        sock->connected_error = -1;
        sock->connecting = false;
        if (!sock->closing)
            sock->events->connected(sock, error);
    }
    if (sock->sent_error >= 0) {
        const int error = sock->sent_error;
        sock->sent_error = -1;
        sock->sending = false;
        sock->events->sent(sock, error);
    }
    tell_late(sock);
    /* An error (a reset) is told at once; a FIN waits behind the bytes before it. */
    if (sock->end_seen && !sock->ended && !sock->closing &&
        (sock->end_error != 0 || (sock->late_first == NULL && sock->want != SOCK_RECEIVE_OFF))) {
        sock->ended = true;
        sock->events->ended(sock, sock->end_error);
    }
    if (sock->closing && !sock->closed && sock->outstanding == 0 && sock->fd < 0 &&
        !sock->sending) {
        sock->closed = true;
        drop_late(sock);
        list_remove(&sock->told);
        sock->events->closed(sock);
    }
}

void loop__tell_all(struct loop *loop)
{
    for (struct list_link *link; (link = list_first(&loop->told)) != NULL;) {
        list_remove(link);
        loop__tell_now(list_item(link, struct sock, told));
    }
}

/* --- turns
 * ---------------------------------------------------------------------------------------------- */

static void run_hooks(struct loop *loop)
{
    list_each(&loop->turn_hooks, link, after)
    {
        struct loop_hook *hook = list_item(link, struct loop_hook, link);
        hook->call(hook);
    }
}

void loop_turn(struct loop *loop, uint64_t until_ns)
{
    run_posts(loop);
    timer_wheel_turn(&loop->timers, loop->now_ns);
    loop__tell_all(loop);
    /* Sends that complete at once tell their sockets, which may queue more: that leaves in this
     * turn too, or the next one
     * comes at once. */
    bool busy = true;
    for (int i = 0; i < FLUSHES_PER_TURN_MAX && (i == 0 || loop->again); i++) {
        loop->again = false;
        run_hooks(loop);
        busy = loop->kind->flush(loop);
    }
    busy = busy || loop->again;
    const uint64_t timer_ns = timer_wheel_next_ns(&loop->timers);
    if (timer_ns < until_ns)
        until_ns = timer_ns;
    atomic_store(&loop->asleep, true);
    /* A message that was put before `asleep` was seen has no wake-up: look once more. */
    busy = busy || !list_is_empty(&loop->told) || atomic_load(&loop->stopping) ||
           atomic_load(&loop->posts.last) != &loop->posts.nil;
    busy = busy || until_ns <= loop->now_ns;
    /* One that comes too early costs a turn; one for each wait would cost more than the wait. */
    if (!busy && until_ns < loop->alarm_ns) {
        loop->alarm_ns = until_ns;
        loop->kind->set_alarm(loop);
    }
    loop->counters.turns++;
    loop->kind->wait(loop, !busy);
}

void loop_run(struct loop *loop)
{
    while (!atomic_load_explicit(&loop->stopping, memory_order_relaxed))
        loop_turn(loop, UINT64_MAX);
}

/* --- sockets
 * ---------------------------------------------------------------------------------------------- */

void sock_open(struct sock *sock, struct loop *loop, const struct sock_events *events, int fd)
{
    *sock = (struct sock){
        .events = events, .loop = loop, .fd = fd, .sent_error = -1, .connected_error = -1};
    link_init(&sock->told);
    link_init(&sock->ready);
    link_init(&sock->unsent);
}

void sock_receive(struct sock *sock, enum sock_receive want)
{
    assert(!sock->closing);
    if (sock->want == want)
        return;
    sock->want = (uint8_t)want;
    if (want != SOCK_RECEIVE_OFF && (sock->late_first != NULL || sock->end_seen))
        loop__tell(sock);
    sock->loop->kind->receive(sock);
}

void sock_send(struct sock *sock, struct iovec *iov, size_t count)
{
    assert(!sock->sending && !sock->closing && count > 0 && count <= LOOP_SEND_SLICES_MAX);
    sock->sending = true;
    sock->iov = iov;
    sock->iov_count = (uint16_t)count;
    sock->loop->counters.sends++;
    sock->loop->kind->send(sock);
}

void sock_connect(struct sock *sock, const struct sockaddr *address, socklen_t bytes)
{
    sock->connecting = true;
    sock->loop->kind->connect(sock, address, bytes);
}

void sock_close(struct sock *sock)
{
    if (sock->closing)
        return;
    sock->closing = true;
    sock->loop->kind->close_sock(sock);
    loop__tell(sock);
}

/* The kernel takes twice what it is told, since it counts its own structures; data get about half. */
void sock_limit_receive_buffer(int fd, uint64_t bytes)
{
    const int limit = bytes > INT_MAX ? INT_MAX : (int)bytes;
    if (bytes != 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &limit, sizeof limit);
}

void listener_open(struct listener *listener, struct loop *loop,
                   const struct listener_events *events, int fd)
{
    *listener = (struct listener){.events = events, .loop = loop, .fd = fd};
    link_init(&listener->ready);
}

void listener_start(struct listener *listener)
{
    assert(!listener->closing);
    listener->wanted = true;
    listener->loop->kind->listen(listener);
}

void listener_pause(struct listener *listener)
{
    listener->wanted = false;
    listener->loop->kind->listen(listener);
}

void listener_stop(struct listener *listener)
{
    listener->wanted = false;
    listener->closing = true;
    listener->loop->kind->listen(listener);
}
