/* SPDX-License-Identifier: Apache-2.0 */
/* loop/loop_epoll.c - the back end that runs everywhere: epoll, edge-triggered.
 *
 * A socket is registered once, for both directions. A read that gives less than asked has emptied
 * the socket, and new
 * bytes make a new edge, so no read is made only to be told EAGAIN; a FIN that came along is
 * remembered. */
#include "loop/loop.h"

#include "core/mem.h"
#include "core/units.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum {
    EVENTS_MAX = 256,
    READS_PER_TURN_MAX = 4, /* of one socket, so that one flood does not starve the others */
    ACCEPTS_PER_TURN_MAX = 64,
    SPARE_MAX = 256, /* buffers that nobody uses; of each only what was filled is memory */
};

/* The low bits of epoll's data pointer say what it points at. */
enum { IS_SOCK = 0, IS_LISTENER = 1, IS_WAKE = 2, IS_ALARM = 3, IS_MASK = 7 };

struct epoll_back {
    int         fd;
    int         alarm_fd;
    struct list sends;     /* sockets whose send was asked for in this turn */
    struct list readable;  /* sockets with bytes that are wanted */
    struct list listeners; /* with connections that are wanted */
    struct buf *spare;     /* buffers that nobody uses */
    uint32_t    spare_count;
};

static struct epoll_back *back_of(struct loop *loop)
{
    return loop->back;
}

/* --- buffers
 * ---------------------------------------------------------------------------------------------- */

/* All are large: one read then empties most sockets, and a buffer is back in the next moment, warm
 * in the cache. What is kept
 * for longer is copied if it is small (buf_slice). */
static void release_buf(struct buf *buf)
{
    struct epoll_back *back = buf->owner;
    if (back->spare_count >= SPARE_MAX) {
        mem_unmap(buf, LOOP_LARGE_BYTES);
        return;
    }
    buf->next = back->spare;
    back->spare = buf;
    back->spare_count++;
}

static struct buf *take_buf(struct epoll_back *back)
{
    struct buf *buf = back->spare;
    if (buf != NULL) {
        back->spare = buf->next;
        back->spare_count--;
    } else {
        buf = mem_map(LOOP_LARGE_BYTES);
        if (buf == NULL)
            return NULL;
    }
    *buf = (struct buf){
        .data = (uint8_t *)(buf + 1),
        .capacity = LOOP_LARGE_BYTES - sizeof *buf,
        .refs_count = 1,
        .released = release_buf,
        .owner = back,
    };
    return buf;
}

/* --- open and close
 * --------------------------------------------------------------------------------------------- */

static bool add(struct loop *loop, int fd, uint32_t events, void *tagged)
{
    struct epoll_event event = {.events = events, .data.ptr = tagged};
    return epoll_ctl(back_of(loop)->fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void close_back(struct loop *loop)
{
    struct epoll_back *back = back_of(loop);
    if (back->alarm_fd >= 0)
        close(back->alarm_fd);
    if (back->fd >= 0)
        close(back->fd);
    for (struct buf *buf; (buf = back->spare) != NULL;) {
        back->spare = buf->next;
        mem_unmap(buf, LOOP_LARGE_BYTES);
    }
    mem_free(back);
    loop->back = NULL;
}

static enum err_kind open_back(struct loop *loop, struct err *e)
{
    struct epoll_back *back = mem_alloc(sizeof *back);
    if (back == NULL)
        return err_set(e, ERR_MEMORY, "no memory for a loop");
    loop->back = back;
    list_init(&back->sends);
    list_init(&back->readable);
    list_init(&back->listeners);
    back->fd = epoll_create1(EPOLL_CLOEXEC);
    back->alarm_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (back->fd < 0 || back->alarm_fd < 0 ||
        !add(loop, loop->wake_fd, EPOLLIN | EPOLLET, (void *)(uintptr_t)IS_WAKE) ||
        !add(loop, back->alarm_fd, EPOLLIN | EPOLLET, (void *)(uintptr_t)IS_ALARM)) {
        const enum err_kind kind = err_set_errno(e, "epoll");
        close_back(loop);
        return kind;
    }
    return ERR_NONE;
}

/* --- sockets
 * ---------------------------------------------------------------------------------------------- */

static void attach(struct sock *sock)
{
    if (sock->attached)
        return;
    if (add(sock->loop, sock->fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, sock))
        sock->attached = true;
    else
        loop__ended(sock, errno);
}

static void queue(struct list *list, struct list_link *link)
{
    list_remove(link);
    list_add_last(list, link);
}

static void receive(struct sock *sock)
{
    attach(sock);
    if (sock->want != SOCK_RECEIVE_OFF && sock->readable)
        queue(&back_of(sock->loop)->readable, &sock->ready);
}

static void send_later(struct sock *sock)
{
    attach(sock);
    queue(&back_of(sock->loop)->sends, &sock->unsent);
}

static void connect_sock(struct sock *sock, const struct sockaddr *address, socklen_t bytes)
{
    if (connect(sock->fd, address, bytes) != 0 && errno != EINPROGRESS) {
        /* A unix socket whose backlog is full says EAGAIN: it is as good as refused. */
        loop__connected(sock, errno == EAGAIN ? ECONNREFUSED : errno);
        return;
    }
    attach(sock); /* the edge of being writable tells the result */
}

static void close_sock(struct sock *sock)
{
    close(sock->fd);
    sock->fd = -1;
    if (sock->sending && sock->sent_error < 0)
        sock->sent_error = ECANCELED;
    list_remove(&sock->ready);
    list_remove(&sock->unsent);
}

static void try_send(struct sock *sock)
{
    for (;;) {
        sock->message = (struct msghdr){.msg_iov = sock->iov, .msg_iovlen = sock->iov_count};
        const ssize_t sent = sock->iov_count == 1 ? send(sock->fd, sock->iov->iov_base,
                                                         sock->iov->iov_len, MSG_NOSIGNAL)
                                                  : sendmsg(sock->fd, &sock->message, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN)
            return; /* an edge will come */
        if (!loop__sent(sock, sent < 0 ? -errno : sent))
            break;
    }
    loop__tell(sock);
}

static bool flush(struct loop *loop)
{
    struct epoll_back *back = back_of(loop);
    struct list now;
    list_init(&now);
    list_take_all(&now, &back->sends);
    for (struct list_link *link; (link = list_first(&now)) != NULL;) {
        list_remove(link);
        try_send(list_item(link, struct sock, unsent));
    }
    loop__tell_all(loop);
    return !list_is_empty(&back->sends) || !list_is_empty(&back->readable) ||
           !list_is_empty(&back->listeners);
}

/* One read. False: nothing more to read now. */
static bool read_once(struct sock *sock)
{
    struct buf *buf = take_buf(back_of(sock->loop));
    if (buf == NULL) {
        loop__ended(sock, ENOMEM);
        return false;
    }
    const uint32_t most =
        sock->receive_most - 1u < buf->capacity ? sock->receive_most : (uint32_t)buf->capacity;
    const ssize_t got = recv(sock->fd, buf->data, most, 0);
    if (got < (ssize_t)most && !(got > 0 && sock->hung_up))
        sock->readable = false;
    if (got > 0)
        loop__received(sock, buf, (uint32_t)got);
    else if (got == 0)
        loop__ended(sock, 0);
    else if (errno == EINTR)
        sock->readable = true;
    else if (errno != EAGAIN)
        loop__ended(sock, errno);
    buf_unref(buf);
    return sock->readable && !sock->closing && sock->want != SOCK_RECEIVE_OFF && !sock->end_seen;
}

static void read_sock(struct sock *sock)
{
    for (int i = 0; i < READS_PER_TURN_MAX; i++)
        if (!read_once(sock))
            break;
    if (sock->readable && !sock->closing && sock->want != SOCK_RECEIVE_OFF && !sock->end_seen)
        queue(&back_of(sock->loop)->readable, &sock->ready);
}

static int socket_error(int fd)
{
    int error = 0;
    socklen_t bytes = sizeof error;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) == 0 ? error : errno;
}

static void on_sock_event(struct sock *sock, uint32_t events)
{
    struct epoll_back *back = back_of(sock->loop);
    if (sock->closing)
        return;
    if (sock->connecting) {
        if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
            loop__connected(sock, socket_error(sock->fd));
        if (events & EPOLLIN)
            sock->readable = true;
        if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
            sock->hung_up = true;
        return;
    }
    if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) && sock->sending && sock->sent_error < 0)
        queue(&back->sends, &sock->unsent);
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        sock->readable = true;
        if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
            sock->hung_up = true;
        if (sock->want != SOCK_RECEIVE_OFF) {
            queue(&back->readable, &sock->ready);
        } else if (events & EPOLLERR) {
            loop__ended(sock, socket_error(sock->fd));
        }
    }
}

/* --- listeners
 * ---------------------------------------------------------------------------------------------- */

static void accept_some(struct listener *listener)
{
    struct loop *loop = listener->loop;
    for (int i = 0; i < ACCEPTS_PER_TURN_MAX && listener->wanted; i++) {
        struct sockaddr_storage peer;
        socklen_t peer_bytes = sizeof peer;
        const int fd = accept4(listener->fd, (struct sockaddr *)&peer, &peer_bytes,
                               SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && errno == EAGAIN) {
            listener->readable = false;
            return;
        }
        loop__accepted(listener, fd < 0 ? -errno : fd, (struct sockaddr *)&peer, peer_bytes);
    }
    if (listener->wanted)
        queue(&back_of(loop)->listeners, &listener->ready);
}

static void listen_change(struct listener *listener)
{
    struct epoll_back *back = back_of(listener->loop);
    if (listener->closing) {
        if (listener->armed)
            (void)epoll_ctl(back->fd, EPOLL_CTL_DEL, listener->fd, NULL);
        list_remove(&listener->ready);
        if (listener->closed != NULL)
            listener->closed(listener);
        return;
    }
    if (!listener->wanted) {
        list_remove(&listener->ready);
        return;
    }
    if (!listener->armed) {
        (void)fcntl(listener->fd, F_SETFL, O_NONBLOCK);
        listener->armed = add(listener->loop, listener->fd, EPOLLIN | EPOLLET,
                              (void *)((uintptr_t)listener | IS_LISTENER));
    }
    queue(&back->listeners, &listener->ready); /* one may be waiting since before */
}

static void on_event(struct loop *loop, const struct epoll_event *event)
{
    const uintptr_t tagged = (uintptr_t)event->data.ptr;
    void *item = (void *)(tagged & ~(uintptr_t)IS_MASK);
    switch (tagged & IS_MASK) {
    case IS_SOCK: on_sock_event(item, event->events); break;
    case IS_LISTENER: {
        struct listener *listener = item;
        listener->readable = true;
        if (listener->wanted)
            queue(&back_of(loop)->listeners, &listener->ready);
        break;
    }
    case IS_ALARM: /* an edge each time: nothing is read */ loop->alarm_ns = UINT64_MAX; break;
    default: {
        uint64_t drained;
        (void)!read(loop->wake_fd, &drained, sizeof drained);
    }
    }
}

/* --- waiting
 * ---------------------------------------------------------------------------------------------- */

static void set_alarm(struct loop *loop)
{
    const struct itimerspec at = {.it_value = {.tv_sec = (time_t)(loop->alarm_ns / NS_PER_S),
                                               .tv_nsec = (long)(loop->alarm_ns % NS_PER_S)}};
    (void)timerfd_settime(back_of(loop)->alarm_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

static void wait_events(struct loop *loop, bool sleeps)
{
    struct epoll_back *back = back_of(loop);
    struct epoll_event events[EVENTS_MAX];
    const int count = epoll_wait(back->fd, events, EVENTS_MAX, sleeps ? -1 : 0);
    loop->counters.waits++;
    atomic_store_explicit(&loop->asleep, false, memory_order_relaxed);
    loop->now_ns = clock_monotonic_ns();
    for (int i = 0; i < count; i++)
        on_event(loop, &events[i]);
    struct list now;
    list_init(&now);
    list_take_all(&now, &back->listeners);
    for (struct list_link *link; (link = list_first(&now)) != NULL;) {
        list_remove(link);
        accept_some(list_item(link, struct listener, ready));
    }
    list_take_all(&now, &back->readable);
    for (struct list_link *link; (link = list_first(&now)) != NULL;) {
        list_remove(link);
        read_sock(list_item(link, struct sock, ready));
    }
}

const struct loop_kind loop_epoll = {
    .name = "epoll",
    .gist = "epoll, on every Linux",
    .socket_flags = SOCK_NONBLOCK,
    .open = open_back,
    .close = close_back,
    .flush = flush,
    .set_alarm = set_alarm,
    .wait = wait_events,
    .receive = receive,
    .send = send_later,
    .connect = connect_sock,
    .close_sock = close_sock,
    .listen = listen_change,
};
