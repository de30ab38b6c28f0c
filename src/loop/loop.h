/* SPDX-License-Identifier: Apache-2.0 */
/* loop/loop.h - the event loop: ask for bytes, be called with bytes. One header, two back ends.
 *
 * epoll runs everywhere; io_uring takes the fewest system calls. Callbacks come in the same order
 * from both:
 * in a turn first posted messages, then timers, then completions, then the turn's end, where sends
 * that were asked for
 * in the turn leave together. No callback comes from inside a call of the socket it is about.
 *
 * A socket's life:
 *     sock_connect -> connected | accepted by a listener
 *     sock_receive(WATCH or STREAM) -> received, received, ... -> ended (FIN or an error), once
 *     sock_send -> sent, once per send, also after sock_close() (then with an error)
 *     sock_close -> closed, once, last: only then may the memory go
 *
 * Memory:  a struct sock is embedded in its connection. Received buffers are lent for the callback;
 * buf_ref() keeps
 *          them. Sent memory is lent until `sent`.
 * Threads: a loop and its sockets belong to one thread; only loop_post() and loop_stop() may be
 * called from others.
 * Errors:  in callbacks, as errno values. */
#ifndef PANDO_LOOP_LOOP_H
#define PANDO_LOOP_LOOP_H

#include "core/buf.h"
#include "core/err.h"
#include "core/list.h"
#include "loop/post.h"
#include "loop/timer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

struct sock;
struct loop;
struct listener;

/* One row per back end: the name for --io, and a sentence for --help. */
#define LOOP_KINDS(X)                                                                              \
    X(uring, "io_uring", "io_uring with rings of buffers (Linux 6.1 or newer)") \
    X(epoll, "epoll", "epoll, on every Linux")

enum {
    /* A head and a small body fit. */
    LOOP_SMALL_BYTES = 8192,
    /* A body that streams: two of these fill the preset of a pipe (64 KiB). */
    LOOP_LARGE_BYTES = 32768,
    LOOP_SEND_SLICES_MAX = 16,
};

enum sock_receive {
    SOCK_RECEIVE_OFF,
    SOCK_RECEIVE_WATCH,  /* into a small buffer: requests */
    SOCK_RECEIVE_STREAM, /* into a large one: answers, and bodies for which there is room */
};

struct sock_events {
    /* @bytes > 0 of @buf, lent; they begin at @at. */
    void (*received)(struct sock *sock, struct buf *buf, uint8_t *at, uint32_t bytes);
    /* No more will be received: 0 for FIN, else an errno. Once; also while receiving is off if
     * the back end knows. */
    void (*ended)(struct sock *sock, int error);
    /* All of what sock_send() was given is with the kernel (error 0), or an errno. */
    void (*sent)(struct sock *sock, int error);
    void (*connected)(struct sock *sock, int error);
    void (*closed)(struct sock *sock);
};

struct sock {
    const struct sock_events *events;
    struct loop              *loop;
    int                       fd;
    uint8_t                   want;  /* enum sock_receive: what the owner asked for */
    uint8_t                   armed; /* enum sock_receive: what the back end has under way */
    bool     readable; /* epoll: an edge that is not used up; io_uring: more is there */
    bool     hung_up;  /* epoll: a FIN or an error waits behind what is readable */
    bool     attached; /* epoll: registered */
    bool     connecting, sending, closing, closed, ended;
    bool     end_seen; /* the end is known, but a FIN is not told while receiving is off */
    int      end_error;
    int      sent_error;      /* to be told; -1: nothing */
    int      connected_error; /* to be told; -1: nothing */
    uint32_t outstanding;     /* completions that the kernel still owes */
    uint32_t late_bytes;      /* received while off; charged to the connection */
    bool sent_can_wait; /* the owner's, of its next send: nobody waits for what it does in `sent`,
                         * which may be told when the loop wakes for something else */
    uint32_t         receive_most; /* bytes of one receive; the owner's; 0: as the buffer holds */
    struct buf      *late_first, *late_last;
    uint16_t         iov_count;
    struct iovec    *iov;        /* of the send under way; the caller's, advanced as bytes leave */
    uint64_t         sent_bytes; /* ever; tells a slow reader from a dead one */
    struct msghdr    message;
    struct list_link told;   /* in loop.told */
    struct list_link ready;  /* epoll: readable and wanted; io_uring: waits for a buffer */
    struct list_link unsent; /* epoll: its send leaves at the turn's end; io_uring: it is quiet */
};

struct listener_events {
    /* A connection; @fd is the callee's, close-on-exec. @peer: the other side's address of
     * @peer_bytes; NULL where the back end was not told it. */
    void (*accepted)(struct listener *listener, int fd, const struct sockaddr *peer,
                     socklen_t peer_bytes);
    /* The descriptors have run out (EMFILE, ENFILE) or memory has; accepting stopped until
     * listener_start(). */
    void (*exhausted)(struct listener *listener, int error);
};

struct listener {
    const struct listener_events *events;
    struct loop                  *loop;
    int                           fd;
    bool                          wanted, armed, cancelling, readable, closing;
    uint32_t                      outstanding;
    void (*closed)(struct listener *listener); /* after listener_stop(); may be NULL */
    struct list_link ready;
};

struct loop_counters {
    uint64_t turns, waits, receives, sends, accepts, late_copies, starved;
};

/* What a back end is. All calls on the loop's thread but wake. */
struct loop_kind {
    const char *name;
    const char *gist;
    int socket_flags; /* for socket() and accept4(): SOCK_NONBLOCK where the back end needs it */
    must_check enum err_kind (*open)(struct loop *loop, struct err *e);
    void (*close)(struct loop *loop);
    bool (*flush)(
        struct loop *loop); /* the turn's sends leave; true if there is more to do at once */
    /* The wait ends at loop->alarm_ns, which is earlier than it was; UINT64_MAX once it has. */
    void (*set_alarm)(struct loop *loop);
    /* Gets completions and runs their callbacks; @sleeps: there is at least one, or the alarm. */
    void (*wait)(struct loop *loop, bool sleeps);
    void (*receive)(struct sock *sock); /* `want` changed */
    void (*send)(struct sock *sock);
    void (*connect)(struct sock *sock, const struct sockaddr *address, socklen_t bytes);
    void (*close_sock)(struct sock *sock);
    void (*listen)(struct listener *listener); /* `wanted` or `closing` changed */
};

struct loop {
    const struct loop_kind *kind;
    void                   *back;     /* the back end's own */
    uint64_t                now_ns;   /* monotonic, taken once per turn */
    uint64_t                alarm_ns; /* when the kernel ends a wait; UINT64_MAX: never */
    struct timer_wheel      timers;
    struct post_queue       posts;
    int                     wake_fd; /* eventfd */
    _Atomic bool            asleep;
    _Atomic bool            stopping;
    struct list             told;       /* sockets with a completion to be told */
    struct list             turn_hooks; /* struct loop_hook */
    bool again; /* a hook has work that came after it was called; it must not wait */
    struct loop_counters counters;
};

/* Called at every turn's end, before sends leave. */
struct loop_hook {
    struct list_link link;
    void (*call)(struct loop_hook *hook);
};

/* Opens a loop of @kind, "auto" for the best that this kernel and container allow. The loop may
 * not move afterwards. */
must_check enum err_kind loop_open(struct loop *loop, const char *kind, struct err *e);

/* All sockets must be closed. Accepts zero. */
void loop_close(struct loop *loop);

/* Turns until loop_stop(). */
void loop_run(struct loop *loop);

/* One turn that waits until @until_ns at the latest. */
void loop_turn(struct loop *loop, uint64_t until_ns);

/* From any thread: run @post on the loop's thread. */
void loop_post(struct loop *loop, struct post *post);
void loop_stop(struct loop *loop);

/* Takes over @fd, which was made with loop->kind->socket_flags. */
void sock_open(struct sock *sock, struct loop *loop, const struct sock_events *events, int fd);

/* Changes what is received. Bytes that came while off are given first, in a later turn phase,
 * never from here. */
void sock_receive(struct sock *sock, enum sock_receive want);

/* Sends all of @iov (at most LOOP_SEND_SLICES_MAX); one send at a time. @iov and what it points at
 * are lent until `sent`, and
 * @iov is changed. The bytes leave at the turn's end. */
void sock_send(struct sock *sock, struct iovec *iov, size_t count);

/* @address is borrowed until `connected`. */
void sock_connect(struct sock *sock, const struct sockaddr *address, socklen_t bytes);

/* Calls everything off; `sent` comes if a send was under way, then `closed`. Nothing else comes. */
void sock_close(struct sock *sock);

/* Bounds what the kernel takes from the other side of @fd, or of the connections that the listening
 * @fd gives, before it is read; 0: the kernel decides. Before it is connected, so that the window
 * is agreed on. */
void sock_limit_receive_buffer(int fd, uint64_t bytes);

/* @fd listens already and is borrowed. Accepting begins with listener_start(). */
void listener_open(struct listener *listener, struct loop *loop,
                   const struct listener_events *events, int fd);
void listener_start(struct listener *listener);
void listener_pause(struct listener *listener);
/* Calls accepting off for good; `closed` comes later. */
void listener_stop(struct listener *listener);

/* --- for the back ends
 * ---------------------------------------------------------------------------------------- */

#define X(symbol, name, gist) extern const struct loop_kind loop_##symbol;
LOOP_KINDS(X)
#undef X

/* Gives received bytes on, or keeps them while receiving is off. @ring: the buffer is one of a
 * kernel's ring. */
void loop__received(struct sock *sock, struct buf *buf, uint32_t bytes);
void loop__ended(struct sock *sock, int error);
/* Puts the socket on the list of those to be told: late bytes, an end, a send that completed. */
void loop__tell(struct sock *sock);
/* Tells now; only from the loop itself, never from inside a call of the socket. */
void loop__tell_now(struct sock *sock);
void loop__tell_all(struct loop *loop);
/* The result of a system call: bytes that left, or -errno. True: the rest must be sent. */
bool loop__sent(struct sock *sock, ssize_t result);
void loop__connected(struct sock *sock, int error);
/* accept() gave @result, a descriptor or -errno. */
void loop__accepted(struct listener *listener, int result, const struct sockaddr *peer,
                    socklen_t peer_bytes);

#endif
