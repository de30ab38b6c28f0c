/* SPDX-License-Identifier: Apache-2.0 */
/* loop/loop_uring.c - the back end with the fewest system calls: io_uring.
 *
 * One io_uring_enter() a turn submits all sends and receives and fetches all completions
 * (DEFER_TASKRUN: the kernel's part of the work happens there, not at random). It returns early for
 * nothing that nobody waits for: sends are quiet where they can be, and one alarm serves all timers
 * (docs/decisions/0013). Buffers are taken from a ring when bytes come, so a receive that waits
 * holds none. Receives are single: a multishot one saves no measurable time when receives are
 * submitted together, and takes up to 32 buffers before it can be called off. Nothing newer than
 * Linux 6.1 is used. */
#include "loop/loop.h"

#include "core/mem.h"
#include "core/units.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    SQ_ENTRIES = 1024,
    CQ_ENTRIES = 8192,
    SMALL_COUNT = 256, /* 2 MiB a worker, touched only as far as they are filled */
    LARGE_COUNT = 128, /* 4 MiB a worker, the same */
};

/* The low bits of user_data say whose completion it is. */
enum { IS_RECEIVE, IS_SEND, IS_CONNECT, IS_ACCEPT, IS_WAKE, IS_ALARM, IS_NOBODY, IS_MASK = 7 };

struct ring {
    struct io_uring_buf_ring *ring;
    struct buf               *bufs; /* one per entry */
    uint8_t                  *bytes;
    uint32_t                  count;
    uint32_t                  each_bytes;
    uint32_t                  out_count; /* with us, not with the kernel */
    uint16_t                  group;
    bool                      is_registered;
    struct uring_back        *back;
};

struct uring_back {
    struct io_uring          io;
    struct ring              rings[2]; /* by enum sock_receive, less one */
    struct list              starved;  /* sockets whose receive found no buffer */
    struct list              quiet;    /* sockets whose send tells only that it fell short */
    uint64_t                 woken;    /* what the eventfd is read into */
    struct loop             *loop;
    bool                     has_alarm;
    struct __kernel_timespec alarm; /* lent until the next submission */
};

static struct uring_back *back_of(struct loop *loop)
{
    return loop->back;
}

static struct io_uring_sqe *take_sqe(struct uring_back *back)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&back->io);
    while (sqe == NULL) {
        io_uring_submit(&back->io);
        sqe = io_uring_get_sqe(&back->io);
    }
    return sqe;
}

static void tag(struct io_uring_sqe *sqe, const void *item, unsigned whose)
{
    io_uring_sqe_set_data64(sqe, (uint64_t)(uintptr_t)item | whose);
}

static void *item_of(const struct io_uring_cqe *cqe)
{
    return (void *)(uintptr_t)(cqe->user_data & ~(uint64_t)IS_MASK);
}

/* --- buffer rings
 * ---------------------------------------------------------------------------------------------- */

static void arm(struct sock *sock);

static void give_back(struct ring *ring, struct buf *buf)
{
    io_uring_buf_ring_add(ring->ring, buf->data, ring->each_bytes, (unsigned short)buf->index,
                          io_uring_buf_ring_mask(ring->count), 0);
    io_uring_buf_ring_advance(ring->ring, 1);
    ring->out_count--;
}

static void release_buf(struct buf *buf)
{
    struct ring *ring = buf->owner;
    give_back(ring, buf);
    struct list_link *link = list_first(&ring->back->starved);
    if (link == NULL)
        return;
    list_remove(link);
    arm(list_item(link, struct sock, ready));
}

static size_t entries_bytes(uint32_t count)
{
    return 4096 * ((count * sizeof(struct io_uring_buf) + 4095) / 4096);
}

static void close_ring(struct uring_back *back, struct ring *ring)
{
    if (ring->is_registered)
        (void)io_uring_unregister_buf_ring(&back->io, ring->group);
    mem_unmap(ring->ring, entries_bytes(ring->count));
    mem_unmap(ring->bytes, (size_t)ring->count * ring->each_bytes);
    mem_free(ring->bufs);
    *ring = (struct ring){0};
}

static bool open_ring(struct uring_back *back, struct ring *ring, uint16_t group, uint32_t count,
                      uint32_t each_bytes)
{
    *ring = (struct ring){.count = count, .each_bytes = each_bytes, .group = group, .back = back};
    ring->ring = mem_map(entries_bytes(count));
    ring->bufs = mem_alloc(count * sizeof *ring->bufs);
    ring->bytes = mem_map((size_t)count * each_bytes);
    if (ring->ring == NULL || ring->bufs == NULL || ring->bytes == NULL) {
        errno = ENOMEM;
        return false;
    }
    struct io_uring_buf_reg registration = {
        .ring_addr = (uint64_t)(uintptr_t)ring->ring,
        .ring_entries = count,
        .bgid = group,
    };
    const int failed = io_uring_register_buf_ring(&back->io, &registration, 0);
    if (failed != 0) {
        errno = -failed;
        return false;
    }
    ring->is_registered = true;
    io_uring_buf_ring_init(ring->ring);
    ring->out_count = count;
    for (uint32_t i = 0; i < count; i++) {
        ring->bufs[i] = (struct buf){
            .data = ring->bytes + (size_t)i * each_bytes,
            .capacity = each_bytes,
            .released = release_buf,
            .owner = ring,
            .index = i,
        };
        give_back(ring, &ring->bufs[i]);
    }
    return true;
}

/* --- open and close
 * --------------------------------------------------------------------------------------------- */

static void read_wake(struct uring_back *back)
{
    struct io_uring_sqe *sqe = take_sqe(back);
    io_uring_prep_read(sqe, back->loop->wake_fd, &back->woken, sizeof back->woken, 0);
    tag(sqe, NULL, IS_WAKE);
}

static must_check enum err_kind set_up(struct uring_back *back, struct err *e)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE |
                 IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP,
        .cq_entries = CQ_ENTRIES,
    };
    const int failed = io_uring_queue_init_params(SQ_ENTRIES, &back->io, &params);
    if (failed != 0) {
        errno = -failed;
        return err_set_errno(e, "io_uring_setup");
    }
    if (!open_ring(back, &back->rings[0], 0, SMALL_COUNT, LOOP_SMALL_BYTES) ||
        !open_ring(back, &back->rings[1], 1, LARGE_COUNT, LOOP_LARGE_BYTES))
        return err_set_errno(e, "a ring of buffers");
    return ERR_NONE;
}

static void close_back(struct loop *loop)
{
    struct uring_back *back = back_of(loop);
    if (back->io.ring_fd > 0) {
        for (int i = 0; i < 2; i++)
            close_ring(back, &back->rings[i]);
        io_uring_queue_exit(&back->io);
    }
    mem_free(back);
    loop->back = NULL;
}

static enum err_kind open_back(struct loop *loop, struct err *e)
{
    struct uring_back *back = mem_alloc(sizeof *back);
    if (back == NULL)
        return err_set(e, ERR_MEMORY, "no memory for a loop");
    loop->back = back;
    back->loop = loop;
    list_init(&back->starved);
    list_init(&back->quiet);
    const enum err_kind failed = set_up(back, e);
    if (failed != ERR_NONE) {
        close_back(loop);
        return failed;
    }
    read_wake(back);
    return ERR_NONE;
}

/* --- sockets
 * ---------------------------------------------------------------------------------------------- */

static void cancel(struct uring_back *back, const void *item, unsigned whose)
{
    struct io_uring_sqe *sqe = take_sqe(back);
    io_uring_prep_cancel64(sqe, (uint64_t)(uintptr_t)item | whose, 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    tag(sqe, NULL, IS_NOBODY);
}

/* Brings what the kernel does in line with what the owner wants. */
static void arm(struct sock *sock)
{
    struct uring_back *back = back_of(sock->loop);
    if (sock->closing || sock->end_seen || sock->connecting)
        return;
    /* One under way is not called off: it brings one buffer at most, which is late then. */
    if (sock->armed != SOCK_RECEIVE_OFF || sock->want == SOCK_RECEIVE_OFF ||
        link_is_in_list(&sock->ready))
        return;
    struct io_uring_sqe *sqe = take_sqe(back);
    io_uring_prep_recv(sqe, sock->fd, NULL, sock->receive_most, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    if (!sock->readable) /* a try now would find nothing */
        sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
    sqe->buf_group = (uint16_t)(sock->want - 1);
    tag(sqe, sock, IS_RECEIVE);
    sock->armed = sock->want;
    sock->outstanding++;
}

/* A quiet send takes what fits and is over when the submission returns. All of it: no completion
 * follows, so none ends the wait that the submission leads to. Less: one tells how much. */
static void submit_send(struct sock *sock, bool quiet)
{
    struct uring_back *back = back_of(sock->loop);
    struct io_uring_sqe *sqe = take_sqe(back);
    const int flags = MSG_NOSIGNAL | (quiet ? MSG_DONTWAIT | MSG_WAITALL : 0);
    if (sock->iov_count == 1) {
        io_uring_prep_send(sqe, sock->fd, sock->iov->iov_base, sock->iov->iov_len, flags);
    } else {
        sock->message = (struct msghdr){.msg_iov = sock->iov, .msg_iovlen = sock->iov_count};
        io_uring_prep_sendmsg(sqe, sock->fd, &sock->message, (unsigned)flags);
    }
    tag(sqe, sock, IS_SEND);
    sock->outstanding++;
    if (!quiet)
        return;
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    list_add_last(&back->quiet, &sock->unsent);
}

static void start_send(struct sock *sock)
{
    submit_send(sock, sock->sent_can_wait);
}

static void connect_sock(struct sock *sock, const struct sockaddr *address, socklen_t bytes)
{
    struct io_uring_sqe *sqe = take_sqe(back_of(sock->loop));
    io_uring_prep_connect(sqe, sock->fd, address, bytes);
    tag(sqe, sock, IS_CONNECT);
    sock->outstanding++;
}

static void close_fd_if_done(struct sock *sock)
{
    if (sock->outstanding > 0 || sock->fd < 0)
        return;
    struct io_uring_sqe *sqe = take_sqe(back_of(sock->loop));
    io_uring_prep_close(sqe, sock->fd);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    tag(sqe, NULL, IS_NOBODY);
    sock->fd = -1;
    loop__tell(sock);
}

static void close_sock(struct sock *sock)
{
    struct uring_back *back = back_of(sock->loop);
    list_remove(&sock->ready);
    if (sock->armed != SOCK_RECEIVE_OFF)
        cancel(back, sock, IS_RECEIVE);
    if (sock->sending && sock->sent_error < 0)
        cancel(back, sock, IS_SEND);
    if (sock->connecting)
        cancel(back, sock, IS_CONNECT);
    close_fd_if_done(sock);
}

static struct ring *ring_of(struct uring_back *back, unsigned armed)
{
    return &back->rings[armed - 1];
}

/* When most of a ring is out, what comes is copied, so that slow readers cannot take the ring
 * from the others. */
static struct buf *take_received(struct ring *ring, const struct io_uring_cqe *cqe)
{
    struct buf *buf = &ring->bufs[cqe->flags >> IORING_CQE_BUFFER_SHIFT];
    buf->refs_count = 1;
    buf->next = NULL;
    ring->out_count++;
    if (ring->out_count <= ring->count / 4 * 3 || cqe->res <= 0)
        return buf;
    struct buf *copy = buf_new_copy(buf->data, (size_t)cqe->res);
    if (copy == NULL)
        return buf;
    ring->back->loop->counters.late_copies++;
    buf_unref(buf);
    return copy;
}

static void on_receive(struct sock *sock, const struct io_uring_cqe *cqe)
{
    struct uring_back *back = back_of(sock->loop);
    struct ring *ring = ring_of(back, sock->armed);
    struct buf *buf = cqe->flags & IORING_CQE_F_BUFFER ? take_received(ring, cqe) : NULL;
    sock->armed = SOCK_RECEIVE_OFF;
    sock->outstanding--;
    sock->readable = (cqe->flags & IORING_CQE_F_SOCK_NONEMPTY) != 0;
    if (cqe->res > 0)
        loop__received(sock, buf, (uint32_t)cqe->res);
    else if (cqe->res == 0)
        loop__ended(sock, 0);
    else if (cqe->res == -ENOBUFS) {
        sock->loop->counters.starved++;
        if (!sock->closing && !link_is_in_list(&sock->ready))
            list_add_last(&back->starved, &sock->ready);
    } else if (cqe->res != -ECANCELED && cqe->res != -EINTR) {
        loop__ended(sock, -cqe->res);
    }
    buf_unref(buf);
    if (link_is_in_list(&sock->ready) && ring->out_count < ring->count)
        list_remove(&sock->ready); /* one came back in the meantime */
    if (sock->closing)
        close_fd_if_done(sock);
    else
        arm(sock);
}

static void on_send(struct sock *sock, ssize_t result)
{
    list_remove(&sock->unsent);
    sock->outstanding--;
    const bool more = loop__sent(sock, result == -EAGAIN ? 0 : result);
    if (sock->closing) {
        loop__tell(sock);
        close_fd_if_done(sock);
    } else if (more) {
        submit_send(sock, false);
    } else {
        loop__tell_now(sock); /* last: the socket may close in there */
    }
}

static void on_connect(struct sock *sock, const struct io_uring_cqe *cqe)
{
    sock->outstanding--;
    loop__connected(sock, -cqe->res);
    if (sock->closing)
        close_fd_if_done(sock);
}

/* --- listeners
 * ---------------------------------------------------------------------------------------------- */

static void listen_change(struct listener *listener)
{
    struct uring_back *back = back_of(listener->loop);
    if (listener->wanted && !listener->armed) {
        /* A non-blocking descriptor would make io_uring answer EAGAIN instead of waiting. */
        (void)fcntl(listener->fd, F_SETFL, 0);
        struct io_uring_sqe *sqe = take_sqe(back);
        io_uring_prep_multishot_accept(sqe, listener->fd, NULL, NULL, SOCK_CLOEXEC);
        tag(sqe, listener, IS_ACCEPT);
        listener->armed = true;
        listener->outstanding++;
    } else if (!listener->wanted && listener->armed && !listener->cancelling) {
        listener->cancelling = true;
        cancel(back, listener, IS_ACCEPT);
    } else if (listener->closing && !listener->armed && listener->closed != NULL) {
        listener->closed(listener);
    }
}

static void on_accept(struct listener *listener, const struct io_uring_cqe *cqe)
{
    if (!(cqe->flags & IORING_CQE_F_MORE)) {
        listener->armed = listener->cancelling = false;
        listener->outstanding--;
    }
    if (cqe->res != -ECANCELED)
        loop__accepted(listener, cqe->res, NULL, 0);
    listen_change(listener);
}

/* --- turns
 * ---------------------------------------------------------------------------------------------- */

static bool flush(struct loop *loop)
{
    (void)loop; /* sends are queued already and leave with the wait */
    return false;
}

/* An alarm that went off in the meantime cannot be moved: its completion has it set anew. */
static void set_alarm(struct loop *loop)
{
    struct uring_back *back = back_of(loop);
    struct io_uring_sqe *sqe = take_sqe(back);
    back->alarm = (struct __kernel_timespec){
        .tv_sec = (long long)(loop->alarm_ns / NS_PER_S),
        .tv_nsec = (long long)(loop->alarm_ns % NS_PER_S),
    };
    if (back->has_alarm) {
        io_uring_prep_timeout_update(sqe, &back->alarm, IS_ALARM, IORING_TIMEOUT_ABS);
        sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
        tag(sqe, NULL, IS_NOBODY);
    } else {
        io_uring_prep_timeout(sqe, &back->alarm, 0, IORING_TIMEOUT_ABS);
        tag(sqe, NULL, IS_ALARM);
        back->has_alarm = true;
    }
}

static void on_alarm(struct loop *loop)
{
    back_of(loop)->has_alarm = false;
    loop->alarm_ns = UINT64_MAX;
}

static void on_completion(struct loop *loop, const struct io_uring_cqe *cqe)
{
    void *item = item_of(cqe);
    switch (cqe->user_data & IS_MASK) {
    case IS_RECEIVE: on_receive(item, cqe); break;
    case IS_SEND: on_send(item, cqe->res); break;
    case IS_CONNECT: on_connect(item, cqe); break;
    case IS_ACCEPT: on_accept(item, cqe); break;
    case IS_WAKE: read_wake(back_of(loop)); break;
    case IS_ALARM: on_alarm(loop); break;
    default: /* a cancel that came too late, or a close that failed */ break;
    }
}

static size_t queued_bytes(const struct sock *sock)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < sock->iov_count; i++)
        bytes += sock->iov[i].iov_len;
    return bytes;
}

/* Those that fell short have a completion, which is for later; the others were over before the wait
 * began, and so does the clock say that they are told by. While completions lack a place, or the
 * kernel has not taken all submissions, nobody knows which is which: then after the next wait. */
static void tell_quiet_sends(struct uring_back *back)
{
    if (list_is_empty(&back->quiet) || io_uring_sq_ready(&back->io) > 0 ||
        io_uring_cq_has_overflow(&back->io))
        return;
    unsigned head;
    struct io_uring_cqe *cqe;
    io_uring_for_each_cqe(&back->io, head, cqe)
    {
        if ((cqe->user_data & IS_MASK) == IS_SEND)
            list_remove(&((struct sock *)item_of(cqe))->unsent);
    }
    struct list now;
    list_init(&now);
    list_take_all(&now, &back->quiet);
    for (struct list_link *link; (link = list_first(&now)) != NULL;) {
        struct sock *sock = list_item(link, struct sock, unsent);
        on_send(sock, (ssize_t)queued_bytes(sock));
    }
}

static void wait_events(struct loop *loop, bool sleeps)
{
    struct uring_back *back = back_of(loop);
    if (sleeps)
        io_uring_submit_and_wait(&back->io, 1);
    else
        io_uring_submit_and_get_events(&back->io);
    loop->counters.waits++;
    atomic_store_explicit(&loop->asleep, false, memory_order_relaxed);
    tell_quiet_sends(back);
    loop->now_ns = clock_monotonic_ns();
    /* Only what is there now: callbacks may make more, which has its turn after posts and
     * timers. */
    const unsigned count = io_uring_cq_ready(&back->io);
    for (unsigned i = 0; i < count; i++) {
        struct io_uring_cqe *cqe;
        if (io_uring_peek_cqe(&back->io, &cqe) != 0)
            break;
        const struct io_uring_cqe seen = *cqe;
        io_uring_cqe_seen(&back->io, cqe);
        on_completion(loop, &seen);
    }
}

const struct loop_kind loop_uring = {
    .name = "io_uring",
    .gist = "io_uring with rings of buffers (Linux 6.1 or newer)",
    .socket_flags = 0,
    .open = open_back,
    .close = close_back,
    .flush = flush,
    .set_alarm = set_alarm,
    .wait = wait_events,
    .receive = arm,
    .send = start_send,
    .connect = connect_sock,
    .close_sock = close_sock,
    .listen = listen_change,
};
