/* SPDX-License-Identifier: Apache-2.0 */
/* bench/floor.c - the least work that a relay costs on this kernel: bytes in, the same bytes out.
 *
 *     floor --io epoll|io_uring --listen PORT --to PORT --relay      one client, one upstream
 *     floor --io epoll|io_uring --listen PORT --answer [--body BYTES]   answers from memory
 *     --buffer BYTES   size of a receive buffer     --buffers COUNT   how many (io_uring; power of 2)
 *     --workers COUNT  so many processes that share the port (SO_REUSEPORT) and nothing else
 *     (presets: what was cheapest for 1 GiB streams; small requests do not care)
 *
 * Nothing is parsed. A relay binds every client connection to an upstream connection of its own and
 * sends on what it receives; an answerer sends one fixed answer for every block of bytes received,
 * so its client must not pipeline. When either end closes, what is queued is sent and both are
 * closed. Loopback only, one thread each. It is a yardstick, not a proxy: a real one cannot be cheaper.
 *
 * io_uring: one enter per turn submits everything and waits. Receives and the accept are multishot,
 * with one buffer ring. A send does not wait (MSG_DONTWAIT) and its success is silent
 * (CQE_SKIP_SUCCESS): when the enter returns it is over, so its buffers go back with no completion
 * read, and it wakes nobody. Only what did not fit into the socket is sent again by a send that waits.
 * Direct descriptors were tried: no difference on kept connections, within the noise of 2 %.
 * epoll: edge triggered, each socket registered once for both directions; a read that did not fill
 * the buffer has emptied the socket, so there is no second read just to see EAGAIN. */
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define LISTEN_BACKLOG    4096
#define EPOLL_EVENTS_MAX  256
#define SUBMISSIONS_COUNT 4096
#define COMPLETIONS_COUNT 32768 /* multishot receives may complete many times in one turn */
#define REAP_MAX          1024
#define VECTORS_COUNT     4096 /* of one turn; a send beyond them takes one buffer only */
#define VECTORS_PER_SEND  64
#define BUFFER_GROUP      0
#define BUFFER_STAGGER    192 /* keeps the starts of buffers off the same cache sets */

struct settings {
    bool     uring;
    bool     answer; /* otherwise relay */
    uint16_t listen_port;
    uint16_t upstream_port;
    size_t   buffer_bytes;
    uint32_t buffers_count;
    unsigned workers;
    size_t   body_bytes;
    char    *reply; /* the fixed answer, head and body */
    size_t   reply_bytes;
};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void *must_have(void *memory)
{
    if (memory == NULL)
        die("memory");
    return memory;
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* Accepted sockets inherit TCP_NODELAY from the listener, which saves a call for each. */
static int listen_on(uint16_t port)
{
    const struct sockaddr_in address = loopback(port);
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, LISTEN_BACKLOG) != 0)
        die("listen");
    return fd;
}

/* A socket on its way to the upstream, or -1. With SOCK_NONBLOCK in @flags it may still be
 * connecting; without, the call returns connected, and over loopback without sleeping. */
static int connect_to(uint16_t port, int flags)
{
    const struct sockaddr_in address = loopback(port);
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

    if (fd < 0)
        return -1;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0 &&
         errno != EINPROGRESS)) {
        close(fd);
        return -1;
    }
    return fd;
}

static void reply_make(struct settings *settings)
{
    char head[128];
    int head_bytes = snprintf(head, sizeof head,
                              "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                              "Content-Length: %zu\r\n\r\n",
                              settings->body_bytes);

    settings->reply_bytes = (size_t)head_bytes + settings->body_bytes;
    settings->reply = must_have(malloc(settings->reply_bytes));
    memcpy(settings->reply, head, (size_t)head_bytes);
    memset(settings->reply + head_bytes, 'x', settings->body_bytes);
}

/* ---- epoll ---- */

/* One socket of a pair, and what waits to be sent to it. An answerer has no upstream side. */
struct esocket {
    int             fd;   /* -1 once closed */
    struct esocket *peer; /* NULL in an answerer */
    uint8_t        *rest; /* NULL unless a send was short; owned */
    size_t          rest_from;
    size_t          rest_to;
};

struct epair {
    struct esocket client;
    struct esocket upstream;
    struct epair  *next_closed;
};

struct eloop {
    const struct settings *settings;
    int                    epoll_fd;
    int                    listen_fd;
    uint8_t               *buffer;
    struct epair          *closed; /* freed at the end of the turn: later events may name them */
};

static struct epair *epair_of(struct esocket *s)
{
    if (s->peer == NULL || s < s->peer)
        return (struct epair *)((char *)s - offsetof(struct epair, client));
    return (struct epair *)((char *)s - offsetof(struct epair, upstream));
}

static void epair_close(struct eloop *loop, struct epair *pair)
{
    if (pair->client.fd < 0)
        return;
    close(pair->client.fd);
    if (pair->upstream.fd >= 0)
        close(pair->upstream.fd);
    pair->client.fd = pair->upstream.fd = -1;
    free(pair->client.rest);
    free(pair->upstream.rest);
    pair->client.rest = pair->upstream.rest = NULL;
    pair->next_closed = loop->closed;
    loop->closed = pair;
}

/* Sends, or keeps what did not fit. False if the connection is gone. */
static bool esocket_send(struct esocket *s, const void *bytes, size_t count)
{
    ssize_t sent = send(s->fd, bytes, count, MSG_NOSIGNAL);

    if (sent < 0) {
        if (errno != EAGAIN)
            return false;
        sent = 0;
    }
    if ((size_t)sent == count)
        return true;
    s->rest_from = 0;
    s->rest_to = count - (size_t)sent;
    s->rest = must_have(malloc(s->rest_to));
    memcpy(s->rest, (const uint8_t *)bytes + sent, s->rest_to);
    return true;
}

/* Reads until the socket is empty or the other side takes no more. */
static void esocket_receive(struct eloop *loop, struct esocket *s, bool until_end)
{
    struct esocket *to = s->peer != NULL ? s->peer : s;
    size_t most = loop->settings->buffer_bytes;

    while (s->fd >= 0 && to->rest == NULL) {
        ssize_t count = recv(s->fd, loop->buffer, most, 0);
        bool fine;

        if (count < 0 && errno == EAGAIN)
            return;
        if (count <= 0) {
            epair_close(loop, epair_of(s));
            return;
        }
        if (s->peer == NULL)
            fine = esocket_send(s, loop->settings->reply, loop->settings->reply_bytes);
        else
            fine = esocket_send(to, loop->buffer, (size_t)count);
        if (!fine) {
            epair_close(loop, epair_of(s));
            return;
        }
        if ((size_t)count < most && !until_end)
            return;
    }
}

static void esocket_send_rest(struct eloop *loop, struct esocket *s)
{
    ssize_t sent = send(s->fd, s->rest + s->rest_from, s->rest_to - s->rest_from, MSG_NOSIGNAL);

    if (sent < 0) {
        if (errno != EAGAIN)
            epair_close(loop, epair_of(s));
        return;
    }
    s->rest_from += (size_t)sent;
    if (s->rest_from < s->rest_to)
        return;
    free(s->rest);
    s->rest = NULL;
    /* Its edge may have passed while nothing was read. */
    esocket_receive(loop, s->peer != NULL ? s->peer : s, false);
}

static bool esocket_watch(struct eloop *loop, struct esocket *s)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = s};

    return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, s->fd, &event) == 0;
}

static void epoll_accept(struct eloop *loop)
{
    struct epair *pair;
    int fd = accept4(loop->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0)
        return;
    pair = must_have(calloc(1, sizeof *pair));
    pair->client.fd = fd;
    pair->upstream.fd = -1;
    if (!loop->settings->answer) {
        pair->client.peer = &pair->upstream;
        pair->upstream.peer = &pair->client;
        pair->upstream.fd = connect_to(loop->settings->upstream_port, SOCK_NONBLOCK);
        if (pair->upstream.fd < 0 || !esocket_watch(loop, &pair->upstream)) {
            epair_close(loop, pair);
            return;
        }
    }
    if (!esocket_watch(loop, &pair->client))
        epair_close(loop, pair);
}

static void epoll_event(struct eloop *loop, struct esocket *s, uint32_t events)
{
    if (s->fd >= 0 && (events & EPOLLOUT) != 0 && s->rest != NULL)
        esocket_send_rest(loop, s);
    if (s->fd >= 0 && (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
        esocket_receive(loop, s, (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
}

static _Noreturn void run_epoll(const struct settings *settings)
{
    struct eloop loop = {.settings = settings,
                         .epoll_fd = epoll_create1(EPOLL_CLOEXEC),
                         .listen_fd = listen_on(settings->listen_port),
                         .buffer = must_have(malloc(settings->buffer_bytes))};
    struct epoll_event listening = {.events = EPOLLIN, .data.ptr = NULL};
    struct epoll_event events[EPOLL_EVENTS_MAX];

    if (loop.epoll_fd < 0 ||
        epoll_ctl(loop.epoll_fd, EPOLL_CTL_ADD, loop.listen_fd, &listening) != 0)
        die("epoll");
    for (;;) {
        int count = epoll_wait(loop.epoll_fd, events, EPOLL_EVENTS_MAX, -1);

        if (count < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL)
                epoll_accept(&loop);
            else
                epoll_event(&loop, events[i].data.ptr, events[i].events);
        }
        while (loop.closed != NULL) {
            struct epair *pair = loop.closed;

            loop.closed = pair->next_closed;
            free(pair);
        }
    }
}

/* ---- io_uring ---- */

/* What a completion is about; the low bits of its user_data, beside the socket's address. */
enum tag { TAG_ACCEPT, TAG_RECEIVE, TAG_SEND, TAG_SEND_WAITING, TAG_SILENT };
#define TAG_MASK 7u

#define BUFFER_NONE UINT32_MAX

struct usocket {
    struct usocket *peer; /* NULL in an answerer */
    int             fd;
    uint32_t        out_first; /* a list of buffers that wait to be sent to it */
    uint32_t        out_last;
    uint32_t        flying_count; /* how many of them this turn's silent send carries */
    int32_t         fallen_short; /* what that send did, if it was not all; else -1 */
    bool            receiving;    /* a multishot receive is armed */
    bool            starved;      /* it ended because no buffer was free */
    bool            waiting;      /* a send that waits is under way */
    bool            marked;       /* in the list of this turn's senders */
    bool            ended;        /* nothing more will come from it */
    struct usocket *next_marked;
};

struct upair {
    struct usocket client;
    struct usocket upstream;
    bool           broken; /* what is queued is dropped */
    bool           closing;
    bool           touched; /* in the list to be looked at when the turn ends */
    struct upair  *next_touched;
};

/* One receive buffer's place in a socket's list. */
struct chunk {
    uint32_t next;
    uint32_t from;
    uint32_t to;
};

struct uloop {
    const struct settings    *settings;
    struct io_uring           ring;
    int                       listen_fd;
    struct io_uring_buf_ring *buffers;
    uint8_t                  *memory;
    size_t                    stride_bytes;
    struct chunk             *chunks;
    uint32_t                  free_count;  /* buffers that the kernel may fill */
    int                       given_count; /* given back, not yet published */
    struct usocket           *marked;      /* have something to send */
    struct usocket           *flying;      /* had a silent send in the last submission */
    struct upair             *touched;
    struct usocket          **starved;
    uint32_t                  starved_count;
    uint32_t                  starved_max;
    struct iovec              vectors[VECTORS_COUNT];
    struct msghdr             messages[VECTORS_COUNT / 2];
    uint32_t                  vectors_count;
    uint32_t                  messages_count;
    bool                      restless; /* the next turn has work that no completion tells */
};

static struct upair *upair_of(struct usocket *s)
{
    if (s->peer == NULL || s < s->peer)
        return (struct upair *)((char *)s - offsetof(struct upair, client));
    return (struct upair *)((char *)s - offsetof(struct upair, upstream));
}

static uint64_t tagged(const void *about, enum tag tag)
{
    return (uint64_t)(uintptr_t)about | (uint64_t)tag;
}

static struct io_uring_sqe *next_sqe(struct uloop *loop)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&loop->ring);

    if (sqe == NULL) {
        io_uring_submit(&loop->ring);
        sqe = io_uring_get_sqe(&loop->ring);
    }
    assert(sqe != NULL);
    return sqe;
}

static uint8_t *buffer_at(struct uloop *loop, uint32_t id)
{
    return loop->memory + (size_t)id * loop->stride_bytes;
}

static void buffer_give(struct uloop *loop, uint32_t id)
{
    io_uring_buf_ring_add(loop->buffers, buffer_at(loop, id),
                          (unsigned)loop->settings->buffer_bytes, (unsigned short)id,
                          io_uring_buf_ring_mask(loop->settings->buffers_count),
                          loop->given_count++);
    loop->free_count++;
}

static void arm_accept(struct uloop *loop)
{
    struct io_uring_sqe *sqe = next_sqe(loop);

    io_uring_prep_multishot_accept(sqe, loop->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    io_uring_sqe_set_data64(sqe, tagged(NULL, TAG_ACCEPT));
}

static void arm_receive(struct uloop *loop, struct usocket *s)
{
    struct io_uring_sqe *sqe = next_sqe(loop);

    io_uring_prep_recv_multishot(sqe, s->fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = BUFFER_GROUP;
    io_uring_sqe_set_data64(sqe, tagged(s, TAG_RECEIVE));
    s->receiving = true;
}

static void touch(struct uloop *loop, struct upair *pair)
{
    if (pair->touched)
        return;
    pair->touched = true;
    pair->next_touched = loop->touched;
    loop->touched = pair;
}

static void mark(struct uloop *loop, struct usocket *s)
{
    if (s->marked)
        return;
    s->marked = true;
    s->next_marked = loop->marked;
    loop->marked = s;
}

static void out_append(struct uloop *loop, struct usocket *s, uint32_t id, uint32_t count)
{
    loop->chunks[id] = (struct chunk){.next = BUFFER_NONE, .from = 0, .to = count};
    if (s->out_first == BUFFER_NONE)
        s->out_first = id;
    else
        loop->chunks[s->out_last].next = id;
    s->out_last = id;
}

/* Forgets @count sent bytes; buffers that are through go back to the kernel. */
static void out_forget(struct uloop *loop, struct usocket *s, size_t count)
{
    while (count > 0) {
        uint32_t id = s->out_first;
        struct chunk *chunk = &loop->chunks[id];
        uint32_t left = chunk->to - chunk->from;

        if (count < left) {
            chunk->from += (uint32_t)count;
            return;
        }
        count -= left;
        s->out_first = chunk->next;
        buffer_give(loop, id);
    }
}

static void out_drop(struct uloop *loop, struct usocket *s)
{
    while (s->out_first != BUFFER_NONE) {
        uint32_t id = s->out_first;

        s->out_first = loop->chunks[id].next;
        buffer_give(loop, id);
    }
}

/* A send of what is queued: one buffer as it is, several by a vector of this turn. */
static uint32_t send_queued(struct uloop *loop, struct usocket *s, int flags, enum tag tag)
{
    struct io_uring_sqe *sqe = next_sqe(loop);
    uint32_t id = s->out_first;
    struct chunk *chunk = &loop->chunks[id];
    uint32_t count = 1;

    flags |= MSG_NOSIGNAL | MSG_WAITALL;
    if (chunk->next == BUFFER_NONE || loop->messages_count == VECTORS_COUNT / 2 ||
        loop->vectors_count + VECTORS_PER_SEND > VECTORS_COUNT) {
        io_uring_prep_send(sqe, s->fd, buffer_at(loop, id) + chunk->from, chunk->to - chunk->from,
                           flags);
    } else {
        struct msghdr *message = &loop->messages[loop->messages_count++];
        struct iovec *vectors = &loop->vectors[loop->vectors_count];

        for (count = 0; id != BUFFER_NONE && count < VECTORS_PER_SEND; count++) {
            chunk = &loop->chunks[id];
            vectors[count] = (struct iovec){.iov_base = buffer_at(loop, id) + chunk->from,
                                            .iov_len = chunk->to - chunk->from};
            id = chunk->next;
        }
        loop->vectors_count += count;
        *message = (struct msghdr){.msg_iov = vectors, .msg_iovlen = count};
        io_uring_prep_sendmsg(sqe, s->fd, message, (unsigned)flags);
    }
    io_uring_sqe_set_data64(sqe, tagged(s, tag));
    if (tag == TAG_SEND)
        sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    return count;
}

static void send_reply(struct uloop *loop, struct usocket *s)
{
    struct io_uring_sqe *sqe = next_sqe(loop);

    io_uring_prep_send(sqe, s->fd, loop->settings->reply, loop->settings->reply_bytes,
                       MSG_NOSIGNAL | MSG_WAITALL);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    io_uring_sqe_set_data64(sqe, tagged(NULL, TAG_SILENT));
}

static void uring_accepted(struct uloop *loop, int fd)
{
    struct upair *pair;

    if (fd < 0)
        return;
    pair = must_have(calloc(1, sizeof *pair));
    pair->client = (struct usocket){.fd = fd, .out_first = BUFFER_NONE, .fallen_short = -1};
    pair->upstream = (struct usocket){.fd = -1, .out_first = BUFFER_NONE, .fallen_short = -1};
    if (!loop->settings->answer) {
        pair->client.peer = &pair->upstream;
        pair->upstream.peer = &pair->client;
        pair->upstream.fd = connect_to(loop->settings->upstream_port, 0);
        if (pair->upstream.fd < 0) {
            close(fd);
            free(pair);
            return;
        }
        arm_receive(loop, &pair->upstream);
    }
    arm_receive(loop, &pair->client);
}

static void uring_received(struct uloop *loop, struct usocket *s, const struct io_uring_cqe *cqe)
{
    struct upair *pair = upair_of(s);

    s->receiving = (cqe->flags & IORING_CQE_F_MORE) != 0;
    if ((cqe->flags & IORING_CQE_F_BUFFER) != 0) {
        uint32_t id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;

        loop->free_count--;
        if (cqe->res > 0 && s->peer != NULL && !pair->broken) {
            out_append(loop, s->peer, id, (uint32_t)cqe->res);
            mark(loop, s->peer);
        } else {
            buffer_give(loop, id);
        }
    }
    if (cqe->res > 0 && s->peer == NULL && !pair->closing)
        send_reply(loop, s);
    if (s->receiving)
        return;
    if (cqe->res == -ENOBUFS && !pair->closing) {
        if (loop->starved_count == loop->starved_max) {
            loop->starved_max = loop->starved_max * 2 + 64;
            loop->starved =
                must_have(realloc(loop->starved, loop->starved_max * sizeof *loop->starved));
        }
        s->starved = true;
        loop->starved[loop->starved_count++] = s;
    } else if (cqe->res > 0 && !pair->closing) {
        arm_receive(loop, s);
    } else {
        s->ended = true;
    }
    touch(loop, pair);
}

static void uring_completed(struct uloop *loop, const struct io_uring_cqe *cqe)
{
    struct usocket *s = (struct usocket *)(uintptr_t)(cqe->user_data & ~(uint64_t)TAG_MASK);

    switch ((enum tag)(cqe->user_data & TAG_MASK)) {
    case TAG_ACCEPT:
        uring_accepted(loop, cqe->res);
        if ((cqe->flags & IORING_CQE_F_MORE) == 0)
            arm_accept(loop);
        break;
    case TAG_RECEIVE: uring_received(loop, s, cqe); break;
    case TAG_SEND:
        s->fallen_short = cqe->res == -EAGAIN ? 0 : cqe->res;
        if (s->fallen_short < 0) {
            s->fallen_short = 0;
            upair_of(s)->broken = true;
        }
        break;
    case TAG_SEND_WAITING:
        s->waiting = false;
        if (cqe->res < 0)
            upair_of(s)->broken = true;
        else
            out_forget(loop, s, (size_t)cqe->res);
        if (s->out_first != BUFFER_NONE)
            mark(loop, s);
        touch(loop, upair_of(s));
        break;
    case TAG_SILENT: break;
    }
}

/* The silent sends of the last submission are over: their buffers go back, or what is left of them
 * is sent by a send that waits. */
static void settle_flying(struct uloop *loop)
{
    while (loop->flying != NULL) {
        struct usocket *s = loop->flying;

        loop->flying = s->next_marked;
        s->marked = false;
        if (s->fallen_short >= 0) {
            out_forget(loop, s, (size_t)s->fallen_short);
            s->fallen_short = -1;
            if (s->out_first != BUFFER_NONE && !upair_of(s)->broken) {
                send_queued(loop, s, 0, TAG_SEND_WAITING);
                s->waiting = true;
            }
        } else {
            for (uint32_t i = 0; i < s->flying_count; i++) {
                uint32_t id = s->out_first;

                s->out_first = loop->chunks[id].next;
                buffer_give(loop, id);
            }
            if (s->out_first != BUFFER_NONE)
                mark(loop, s);
        }
        s->flying_count = 0;
        if (upair_of(s)->broken || (s->peer != NULL && s->peer->ended))
            touch(loop, upair_of(s));
    }
}

static uint32_t last_flying(const struct uloop *loop, const struct usocket *s)
{
    uint32_t id = s->out_first;

    for (uint32_t i = 1; i < s->flying_count; i++)
        id = loop->chunks[id].next;
    return id;
}

static void send_marked(struct uloop *loop)
{
    while (loop->marked != NULL) {
        struct usocket *s = loop->marked;

        loop->marked = s->next_marked;
        s->marked = false;
        if (upair_of(s)->broken)
            touch(loop, upair_of(s));
        if (s->waiting || s->out_first == BUFFER_NONE || upair_of(s)->broken)
            continue;
        s->flying_count = send_queued(loop, s, MSG_DONTWAIT, TAG_SEND);
        if (loop->chunks[last_flying(loop, s)].next != BUFFER_NONE)
            loop->restless = true;
        s->marked = true;
        s->next_marked = loop->flying;
        loop->flying = s;
    }
}

static void cancel_silently(struct uloop *loop, struct usocket *s, enum tag tag)
{
    struct io_uring_sqe *sqe = next_sqe(loop);

    io_uring_prep_cancel64(sqe, tagged(s, tag), 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    io_uring_sqe_set_data64(sqe, tagged(NULL, TAG_SILENT));
}

static void usocket_close(struct uloop *loop, struct usocket *s)
{
    struct io_uring_sqe *sqe;

    if (s->fd < 0)
        return;
    if (s->receiving)
        cancel_silently(loop, s, TAG_RECEIVE);
    if (s->waiting)
        cancel_silently(loop, s, TAG_SEND_WAITING);
    sqe = next_sqe(loop);
    io_uring_prep_close(sqe, s->fd);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    io_uring_sqe_set_data64(sqe, tagged(NULL, TAG_SILENT));
    s->fd = -1;
}

static bool usocket_busy(const struct usocket *s)
{
    return s->receiving || s->waiting || s->marked;
}

/* A pair closes when one end is through and what came from it is sent; it is freed when the last
 * completion that names it has come. */
static void look_at(struct uloop *loop, struct upair *pair)
{
    bool through = (pair->client.ended && pair->upstream.out_first == BUFFER_NONE) ||
                   (pair->upstream.ended && pair->client.out_first == BUFFER_NONE);

    if ((through || pair->broken) && !pair->closing) {
        pair->closing = pair->broken = true;
        usocket_close(loop, &pair->client);
        usocket_close(loop, &pair->upstream);
    }
    if (!pair->closing || usocket_busy(&pair->client) || usocket_busy(&pair->upstream) ||
        pair->client.starved || pair->upstream.starved)
        return;
    out_drop(loop, &pair->client);
    out_drop(loop, &pair->upstream);
    free(pair);
}

static void look_at_touched(struct uloop *loop)
{
    while (loop->touched != NULL) {
        struct upair *pair = loop->touched;

        loop->touched = pair->next_touched;
        pair->touched = false;
        look_at(loop, pair);
    }
}

/* Half of the buffers must be free again, or every returned buffer would end another receive. */
static void feed_starved(struct uloop *loop)
{
    if (loop->starved_count == 0 || loop->free_count < loop->settings->buffers_count / 2)
        return;
    for (uint32_t i = 0; i < loop->starved_count; i++) {
        struct usocket *s = loop->starved[i];

        s->starved = false;
        if (upair_of(s)->closing)
            touch(loop, upair_of(s));
        else
            arm_receive(loop, s);
    }
    loop->starved_count = 0;
}

static void uring_open(struct uloop *loop)
{
    const struct settings *settings = loop->settings;
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
                 IORING_SETUP_CQSIZE,
        .cq_entries = COMPLETIONS_COUNT,
    };
    struct io_uring_buf_reg reg = {.ring_entries = settings->buffers_count, .bgid = BUFFER_GROUP};
    size_t ring_bytes = settings->buffers_count * sizeof(struct io_uring_buf);

    errno = -io_uring_queue_init_params(SUBMISSIONS_COUNT, &loop->ring, &params);
    if (errno != 0)
        die("io_uring");
    io_uring_register_ring_fd(&loop->ring);
    loop->stride_bytes = settings->buffer_bytes + BUFFER_STAGGER;
    loop->memory = must_have(malloc(loop->stride_bytes * settings->buffers_count));
    loop->chunks = must_have(calloc(settings->buffers_count, sizeof *loop->chunks));
    loop->buffers =
        mmap(NULL, ring_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (loop->buffers == MAP_FAILED)
        die("memory");
    reg.ring_addr = (uint64_t)(uintptr_t)loop->buffers;
    errno = -io_uring_register_buf_ring(&loop->ring, &reg, 0);
    if (errno != 0)
        die("buffer ring");
    io_uring_buf_ring_init(loop->buffers);
    for (uint32_t id = 0; id < settings->buffers_count; id++)
        buffer_give(loop, id);
}

static void reap(struct uloop *loop)
{
    struct io_uring_cqe *cqes[REAP_MAX];
    unsigned count;

    do {
        count = io_uring_peek_batch_cqe(&loop->ring, cqes, REAP_MAX);
        for (unsigned i = 0; i < count; i++)
            uring_completed(loop, cqes[i]);
        io_uring_cq_advance(&loop->ring, count);
    } while (count == REAP_MAX);
}

static _Noreturn void run_uring(const struct settings *settings)
{
    static struct uloop loop;

    loop.settings = settings;
    loop.listen_fd = listen_on(settings->listen_port);
    uring_open(&loop);
    arm_accept(&loop);
    for (;;) {
        int submitted;

        io_uring_buf_ring_advance(loop.buffers, loop.given_count);
        loop.given_count = 0;
        /* A silent send that succeeds wakes nobody, so do not sleep where its buffers are awaited. */
        if (loop.restless || (loop.starved_count > 0 && loop.flying != NULL))
            submitted = io_uring_submit_and_get_events(&loop.ring);
        else
            submitted = io_uring_submit_and_wait(&loop.ring, 1);
        loop.restless = false;
        if (submitted < 0 && submitted != -EINTR && submitted != -EBUSY) {
            errno = -submitted;
            die("io_uring enter");
        }
        loop.vectors_count = loop.messages_count = 0;
        reap(&loop);
        /* Should the kernel have refused some, they are not over yet. */
        if (io_uring_sq_ready(&loop.ring) == 0)
            settle_flying(&loop);
        look_at_touched(&loop);
        feed_starved(&loop);
        send_marked(&loop);
    }
}

/* ---- the command line ---- */

static _Noreturn void usage(void)
{
    fputs("usage: floor --io epoll|io_uring --listen PORT (--to PORT --relay | --answer)\n"
          "             [--body BYTES] [--buffer BYTES] [--buffers COUNT] [--workers COUNT]\n",
          stderr);
    exit(2);
}

static unsigned long number_in(const char *text, unsigned long least, unsigned long most)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (*text == '\0' || *end != '\0' || value < least || value > most) {
        fprintf(stderr, "floor: '%s' is not a number from %lu to %lu\n", text, least, most);
        exit(2);
    }
    return value;
}

static struct settings settings_read(int argc, char **argv)
{
    static const struct option options[] = {
        {"io", required_argument, NULL, 'i'},      {"listen", required_argument, NULL, 'l'},
        {"to", required_argument, NULL, 't'},      {"relay", no_argument, NULL, 'r'},
        {"answer", no_argument, NULL, 'a'},        {"body", required_argument, NULL, 'b'},
        {"buffer", required_argument, NULL, 's'},  {"buffers", required_argument, NULL, 'n'},
        {"workers", required_argument, NULL, 'w'}, {NULL, 0, NULL, 0},
    };
    struct settings settings = {.buffers_count = 512, .body_bytes = 100, .workers = 1};
    bool relay = false, io_given = false;
    int letter;

    while ((letter = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (letter == 'i') {
            io_given = true;
            settings.uring = strcmp(optarg, "io_uring") == 0;
            if (!settings.uring && strcmp(optarg, "epoll") != 0)
                usage();
        } else if (letter == 'l') {
            settings.listen_port = (uint16_t)number_in(optarg, 1, 65535);
        } else if (letter == 't') {
            settings.upstream_port = (uint16_t)number_in(optarg, 1, 65535);
        } else if (letter == 'r') {
            relay = true;
        } else if (letter == 'a') {
            settings.answer = true;
        } else if (letter == 'b') {
            settings.body_bytes = number_in(optarg, 0, 1u << 24);
        } else if (letter == 's') {
            settings.buffer_bytes = number_in(optarg, 256, 1u << 24);
        } else if (letter == 'n') {
            settings.buffers_count = (uint32_t)number_in(optarg, 2, 32768);
        } else if (letter == 'w') {
            settings.workers = (unsigned)number_in(optarg, 1, 64);
        } else {
            usage();
        }
    }
    if (!io_given || optind != argc || relay == settings.answer || settings.listen_port == 0 ||
        (relay && settings.upstream_port == 0) ||
        (settings.buffers_count & (settings.buffers_count - 1)) != 0)
        usage();
    if (settings.buffer_bytes == 0)
        settings.buffer_bytes = settings.uring ? 32768 : 131072;
    return settings;
}

/* Returns in each of @count processes; the others end with the first. */
static void fork_workers(unsigned count)
{
    const pid_t first = getpid();

    for (unsigned i = 1; i < count; i++) {
        const pid_t child = fork();
        if (child < 0)
            die("fork");
        if (child != 0)
            continue;
        if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != first)
            exit(1);
        return;
    }
}

int main(int argc, char **argv)
{
    struct settings settings = settings_read(argc, argv);

    reply_make(&settings);
    fork_workers(settings.workers);
    if (settings.uring)
        run_uring(&settings);
    run_epoll(&settings);
}
