/* SPDX-License-Identifier: Apache-2.0 */
/* loop/loop_test.c - sockets and listeners: the same promises on both back ends. */
#include "loop/loop_testing.h"

#include "core/random.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { BIG_BYTES = 3 * 1024 * 1024, TRACE_MAX = 4096 };

/* A socket that notes what it is told; received bytes are checked against testing_byte(). */
struct peer {
    struct sock sock; /* first */
    size_t      received_bytes;
    unsigned    received_count, sent_count, connected_count, ended_count, closed_count;
    int         sent_error, connected_error, ended_error;
    bool        checks_bytes;
    bool        may_receive;      /* false: a byte that comes is a failure */
    char        trace[TRACE_MAX]; /* r received, s sent, c connected, e ended, x closed */
    size_t      trace_bytes;
    void (*act)(struct peer *peer, char event); /* may be NULL */
};

static void note(struct peer *peer, char event)
{
    cr_assert(peer->closed_count == 0, "told '%c' after it was closed", event);
    cr_assert(!peer->sock.closing || event == 's' || event == 'x', "told '%c' after sock_close",
              event);
    if (peer->trace_bytes < TRACE_MAX - 1)
        peer->trace[peer->trace_bytes++] = event;
    if (peer->act != NULL)
        peer->act(peer, event);
}

static void on_received(struct sock *sock, struct buf *buf, uint8_t *at, uint32_t bytes)
{
    struct peer *peer = (struct peer *)(void *)sock;
    cr_assert(bytes > 0 && at >= buf->data && at + bytes <= buf->data + buf->capacity);
    cr_assert(peer->may_receive, "received while off");
    for (uint32_t i = 0; peer->checks_bytes && i < bytes; i++)
        cr_assert(at[i] == testing_byte(peer->received_bytes + i), "byte %zu is another",
                  peer->received_bytes + i);
    peer->received_bytes += bytes;
    peer->received_count++;
    note(peer, 'r');
}

static void on_ended(struct sock *sock, int error)
{
    struct peer *peer = (struct peer *)(void *)sock;
    peer->ended_count++;
    peer->ended_error = error;
    note(peer, 'e');
}

static void on_sent(struct sock *sock, int error)
{
    struct peer *peer = (struct peer *)(void *)sock;
    peer->sent_count++;
    peer->sent_error = error;
    note(peer, 's');
}

static void on_connected(struct sock *sock, int error)
{
    struct peer *peer = (struct peer *)(void *)sock;
    peer->connected_count++;
    peer->connected_error = error;
    note(peer, 'c');
}

static void on_closed(struct sock *sock)
{
    struct peer *peer = (struct peer *)(void *)sock;
    note(peer, 'x');
    peer->closed_count++;
}

static const struct sock_events events = {
    .received = on_received,
    .ended = on_ended,
    .sent = on_sent,
    .connected = on_connected,
    .closed = on_closed,
};

static bool sends_can_wait;

static void open_peer(struct peer *peer, int fd)
{
    *peer = (struct peer){.checks_bytes = true, .may_receive = true};
    sock_open(&peer->sock, &loop, &events, fd);
    peer->sock.sent_can_wait = sends_can_wait;
}

/* Four tests: on both back ends, `sent` is told at once or may wait. */
#define ON_BOTH_EITHER_WAY(suite, name)                                                            \
    static void suite##_##name##_either_way(void);                                                 \
    ON_BOTH(suite, name)                                                                           \
    {                                                                                              \
        suite##_##name##_either_way();                                                             \
    }                                                                                              \
    ON_BOTH(suite, name##_and_sent_can_wait)                                                       \
    {                                                                                              \
        sends_can_wait = true;                                                                     \
        suite##_##name##_either_way();                                                             \
    }                                                                                              \
    static void suite##_##name##_either_way(void)

static void close_peer(struct peer *peer)
{
    sock_close(&peer->sock);
    TURN_UNTIL(peer->closed_count == 1);
}

/* Two peers of one loop, joined. */
static void open_two(struct peer *one, struct peer *other)
{
    int fds[2];
    testing_pair(fds);
    if (!(loop.kind->socket_flags & SOCK_NONBLOCK))
        cr_assert(fcntl(fds[1], F_SETFL, 0) == 0);
    open_peer(one, fds[0]);
    open_peer(other, fds[1]);
}

/* Writes @bytes bytes of the stream from @from on; how many the kernel took. */
static size_t write_stream(int fd, size_t from, size_t bytes)
{
    uint8_t *memory = malloc(bytes);
    for (size_t i = 0; i < bytes; i++)
        memory[i] = testing_byte(from + i);
    const ssize_t written = send(fd, memory, bytes, MSG_NOSIGNAL);
    free(memory);
    return written < 0 ? 0 : (size_t)written;
}

/* Reads what there is and checks it; the new place in the stream. */
static size_t read_stream(int fd, size_t from)
{
    static uint8_t memory[65536];
    for (ssize_t got; (got = recv(fd, memory, sizeof memory, 0)) > 0; from += (size_t)got)
        for (ssize_t i = 0; i < got; i++)
            cr_assert(memory[i] == testing_byte(from + (size_t)i));
    return from;
}

static uint8_t stream[BIG_BYTES];

static void fill_stream(void)
{
    for (size_t i = 0; i < BIG_BYTES; i++)
        stream[i] = testing_byte(i);
}

/* --- a loop
 * -------------------------------------------------------------------------------------- */

Test(loop, there_is_no_such_kind)
{
    struct err e;
    cr_expect(loop_open(&loop, "kqueue", &e) == ERR_INPUT);
    loop_close(&loop);
}

Test(loop, auto_finds_one)
{
    struct err e;
    cr_assert(loop_open(&loop, "auto", &e) == ERR_NONE, "%s", e.story);
    turn_once();
    loop_close(&loop);
    cr_expect(mem_mapped_bytes() == 0);
}

struct hook {
    struct loop_hook hook; /* first */
    int              calls;
};

static void count_call(struct loop_hook *hook)
{
    ((struct hook *)(void *)hook)->calls++;
}

ON_BOTH(loop, calls_hooks_once_a_turn)
{
    struct hook hook = {.hook.call = count_call};
    list_add_last(&loop.turn_hooks, &hook.hook.link);
    loop_turn(&loop, 0);
    loop_turn(&loop, 0);
    cr_expect(hook.calls == 2);
    list_remove(&hook.hook.link);
}

static void stop_at(struct timer *timer)
{
    (void)timer;
    loop_stop(&loop);
}

/* A wait without limit ends for a timer, and not before its time. */
ON_BOTH(loop, a_timer_ends_the_wait)
{
    struct timer timer;
    timer_init(&timer, stop_at);
    const uint64_t deadline_ns = loop.now_ns + 5 * NS_PER_MS;
    timer_set(&loop.timers, &timer, deadline_ns);
    loop_run(&loop);
    cr_expect(loop.now_ns >= deadline_ns);
}

struct counted {
    struct timer timer; /* first */
    unsigned     count;
};

static void count_up(struct timer *timer)
{
    ((struct counted *)(void *)timer)->count++;
}

/* A peer that ends waits without limit by the bytes that come to it. */
struct waker {
    struct peer peer;
    int         fd;
};

static void open_waker(struct waker *waker)
{
    int fds[2];
    testing_pair(fds);
    open_peer(&waker->peer, fds[0]);
    waker->fd = fds[1];
    sock_receive(&waker->peer.sock, SOCK_RECEIVE_WATCH);
}

static void wake_up(struct waker *waker)
{
    const unsigned before = waker->peer.received_count;
    cr_assert(write_stream(waker->fd, waker->peer.received_bytes, 1) == 1);
    while (waker->peer.received_count == before)
        loop_turn(&loop, UINT64_MAX);
}

static void close_waker(struct waker *waker)
{
    close_peer(&waker->peer);
    close(waker->fd);
}

ON_BOTH(loop, an_earlier_timer_ends_a_wait_that_was_meant_to_be_long)
{
    struct waker waker;
    struct counted far = {0};
    struct timer near;
    timer_init(&far.timer, count_up);
    timer_init(&near, stop_at);
    open_waker(&waker);
    timer_set(&loop.timers, &far.timer, loop.now_ns + 20 * NS_PER_S);
    do /* the wheel looks at far timers every few seconds: not just now */
        wake_up(&waker);
    while (loop.alarm_ns == UINT64_MAX || loop.alarm_ns < clock_monotonic_ns() + NS_PER_S);
    const uint64_t alarm_ns = loop.alarm_ns;
    timer_set(&loop.timers, &near, clock_monotonic_ns() + 5 * NS_PER_MS);
    loop_run(&loop);
    cr_expect(far.count == 0 && loop.now_ns < alarm_ns);
    timer_clear(&far.timer);
    close_waker(&waker);
}

ON_BOTH(loop, a_timer_that_was_cleared_ends_nothing)
{
    struct waker waker;
    struct counted first = {0};
    struct timer last;
    timer_init(&first.timer, count_up);
    timer_init(&last, stop_at);
    open_waker(&waker);
    timer_set(&loop.timers, &first.timer, loop.now_ns + 40 * NS_PER_MS);
    wake_up(&waker);
    const unsigned count = first.count; /* a busy machine may be late */
    const uint64_t deadline_ns = loop.now_ns + 60 * NS_PER_MS;
    timer_clear(&first.timer);
    timer_set(&loop.timers, &last, deadline_ns);
    loop_run(&loop);
    cr_expect(loop.now_ns >= deadline_ns && first.count == count);
    close_waker(&waker);
}

/* --- posts
 * --------------------------------------------------------------------------------------- */

struct message {
    struct post post; /* first */
    int         number;
};

enum { MESSAGES = 2000 };

static struct message messages[MESSAGES];
static int next_number;

static void on_message(struct post *post)
{
    cr_assert(((struct message *)(void *)post)->number == next_number);
    if (++next_number == MESSAGES)
        loop_stop(&loop);
}

/* Now and then the loop has time to fall asleep. */
static void *post_all(void *argument)
{
    (void)argument;
    for (int i = 0; i < MESSAGES; i++) {
        messages[i] = (struct message){.post.call = on_message, .number = i};
        loop_post(&loop, &messages[i].post);
        if (i % 100 == 0)
            sched_yield();
    }
    return NULL;
}

ON_BOTH(loop, a_post_from_another_thread_wakes_it)
{
    pthread_t thread;
    cr_assert(pthread_create(&thread, NULL, post_all, NULL) == 0);
    loop_run(&loop); /* waits without limit: ends only if every wake-up comes */
    pthread_join(thread, NULL);
    cr_expect(next_number == MESSAGES);
}

static void *stop_it(void *argument)
{
    (void)argument;
    loop_stop(&loop);
    return NULL;
}

ON_BOTH(loop, stops_from_another_thread)
{
    pthread_t thread;
    cr_assert(pthread_create(&thread, NULL, stop_it, NULL) == 0);
    loop_run(&loop);
    pthread_join(thread, NULL);
}

/* --- receiving
 * ----------------------------------------------------------------------------------- */

ON_BOTH(sock, receives_nothing_before_it_wants_to)
{
    struct peer peer;
    int fds[2];
    testing_pair(fds);
    open_peer(&peer, fds[0]);
    peer.may_receive = false;
    cr_assert(write_stream(fds[1], 0, 100) == 100);
    turn_idle();
    peer.may_receive = true;
    sock_receive(&peer.sock, SOCK_RECEIVE_WATCH);
    cr_expect(peer.received_count == 0, "no callback comes from inside a call");
    TURN_UNTIL(peer.received_bytes == 100);
    close_peer(&peer);
    close(fds[1]);
}

static void receive_much(enum sock_receive want)
{
    struct peer peer;
    int fds[2];
    size_t written = 0;
    testing_pair(fds);
    open_peer(&peer, fds[0]);
    sock_receive(&peer.sock, want);
    while (written < BIG_BYTES) {
        written += write_stream(fds[1], written,
                                BIG_BYTES - written < 100000 ? BIG_BYTES - written : 100000);
        turn_once();
    }
    TURN_UNTIL(peer.received_bytes == BIG_BYTES);
    close_peer(&peer);
    close(fds[1]);
}

ON_BOTH(sock, watches_a_flood_in_order)
{
    receive_much(SOCK_RECEIVE_WATCH);
}

ON_BOTH(sock, streams_a_body_in_order)
{
    receive_much(SOCK_RECEIVE_STREAM);
}

ON_BOTH(sock, bytes_that_come_while_off_are_kept_in_order)
{
    struct peer peer;
    int fds[2];
    size_t written = 0;
    testing_pair(fds);
    open_peer(&peer, fds[0]);
    sock_receive(&peer.sock, SOCK_RECEIVE_WATCH);
    turn_idle();
    /* Under io_uring the receive is under way, and what it
     * brings before it is called off is late. */
    sock_receive(&peer.sock, SOCK_RECEIVE_OFF);
    peer.may_receive = false;
    for (int i = 0; i < 12; i++) {
        written += write_stream(fds[1], written, 9000);
        if (i >= 10)
            turn_idle();
    }
    turn_idle();
    peer.may_receive = true;
    sock_receive(&peer.sock, SOCK_RECEIVE_STREAM);
    TURN_UNTIL(peer.received_bytes == written);
    cr_expect(peer.sock.late_bytes == 0);
    close_peer(&peer);
    close(fds[1]);
}

/* Random changes of what is wanted while bytes come: all arrive, in order, none while off. */
ON_BOTH(sock, any_change_of_want_loses_nothing)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct peer peer;
        struct random random;
        int fds[2];
        size_t written = 0;
        random_init(&random, seed);
        testing_pair(fds);
        open_peer(&peer, fds[0]);
        for (int step = 0; step < 400; step++) {
            const uint32_t what = random_below(random_next(&random), 6);
            if (what < 3) {
                peer.may_receive = what != SOCK_RECEIVE_OFF;
                sock_receive(&peer.sock, (enum sock_receive)what);
            } else if (what < 5) {
                written +=
                    write_stream(fds[1], written, 1 + random_below(random_next(&random), 20000));
            } else {
                loop_turn(&loop, 0);
            }
        }
        peer.may_receive = true;
        sock_receive(&peer.sock, SOCK_RECEIVE_WATCH);
        TURN_UNTIL(peer.received_bytes == written);
        close_peer(&peer);
        close(fds[1]);
    }
}

/* --- the end
 * ------------------------------------------------------------------------------------- */

ON_BOTH(sock, tells_a_fin_once_and_after_the_bytes)
{
    struct peer peer;
    int fds[2];
    testing_pair(fds);
    open_peer(&peer, fds[0]);
    sock_receive(&peer.sock, SOCK_RECEIVE_WATCH);
    cr_assert(write_stream(fds[1], 0, 50000) == 50000);
    close(fds[1]);
    TURN_UNTIL(peer.ended_count == 1);
    turn_idle();
    cr_expect(peer.received_bytes == 50000);
    cr_expect(peer.ended_error == 0 && peer.ended_count == 1);
    cr_expect(peer.trace[peer.trace_bytes - 1] == 'e');
    close_peer(&peer);
}

ON_BOTH(sock, a_fin_waits_while_receiving_is_off)
{
    struct peer peer;
    int fds[2];
    testing_pair(fds);
    open_peer(&peer, fds[0]);
    sock_receive(&peer.sock, SOCK_RECEIVE_WATCH);
    turn_idle();
    sock_receive(&peer.sock, SOCK_RECEIVE_OFF);
    peer.may_receive = false;
    cr_assert(write_stream(fds[1], 0, 10) == 10);
    close(fds[1]);
    turn_idle();
    cr_expect(peer.ended_count == 0);
    peer.may_receive = true;
    sock_receive(&peer.sock, SOCK_RECEIVE_STREAM);
    TURN_UNTIL(peer.ended_count == 1);
    cr_expect(peer.received_bytes == 10 && peer.ended_error == 0);
    cr_expect_str_eq(peer.trace, "re");
    close_peer(&peer);
}

/* A half-closed connection can still be answered. */
ON_BOTH_EITHER_WAY(sock, sends_after_the_others_fin)
{
    struct peer peer;
    int fds[2];
    struct iovec iov = {stream, 1000};
    fill_stream();
    testing_pair(fds);
    open_peer(&peer, fds[0]);
    sock_receive(&peer.sock, SOCK_RECEIVE_WATCH);
    cr_assert(shutdown(fds[1], SHUT_WR) == 0);
    TURN_UNTIL(peer.ended_count == 1);
    sock_send(&peer.sock, &iov, 1);
    TURN_UNTIL(peer.sent_count == 1);
    cr_expect(peer.sent_error == 0 && read_stream(fds[1], 0) == 1000);
    close_peer(&peer);
    close(fds[1]);
}

/* --- sending
 * ------------------------------------------------------------------------------------- */

ON_BOTH_EITHER_WAY(sock, gathers_sixteen_slices)
{
    struct peer peer;
    struct iovec iov[LOOP_SEND_SLICES_MAX];
    size_t bytes = 0;
    int fds[2];
    fill_stream();
    testing_pair(fds);
    open_peer(&peer, fds[0]);
    for (size_t i = 0; i < LOOP_SEND_SLICES_MAX; i++) {
        iov[i] = (struct iovec){stream + bytes, 1 + i * 10};
        bytes += iov[i].iov_len;
    }
    sock_send(&peer.sock, iov, LOOP_SEND_SLICES_MAX);
    cr_expect(peer.sent_count == 0);
    TURN_UNTIL(peer.sent_count == 1);
    cr_expect(peer.sent_error == 0 && peer.sock.sent_bytes == bytes);
    cr_expect(read_stream(fds[1], 0) == bytes);
    close_peer(&peer);
    close(fds[1]);
}

/* More than the socket buffer: `sent` comes once, when the last byte
 * has left, however slowly the other side reads. */
ON_BOTH_EITHER_WAY(sock, sends_more_than_the_kernel_takes_at_once)
{
    struct peer peer;
    struct iovec iov[4];
    size_t read_bytes = 0;
    int fds[2];
    fill_stream();
    testing_pair(fds);
    open_peer(&peer, fds[0]);
    for (size_t i = 0; i < 4; i++)
        iov[i] = (struct iovec){stream + i * (BIG_BYTES / 4), BIG_BYTES / 4};
    sock_send(&peer.sock, iov, 4);
    turn_idle();
    cr_expect(peer.sent_count == 0 && peer.sock.sent_bytes < BIG_BYTES);
    while (read_bytes < BIG_BYTES) {
        turn_once();
        read_bytes = read_stream(fds[1], read_bytes);
    }
    TURN_UNTIL(peer.sent_count == 1);
    turn_idle();
    cr_expect(peer.sent_error == 0 && peer.sent_count == 1);
    cr_expect(peer.sock.sent_bytes == BIG_BYTES);
    close_peer(&peer);
    close(fds[1]);
}

ON_BOTH_EITHER_WAY(sock, sending_to_a_reader_that_left_is_an_error_not_a_signal)
{
    struct peer peer;
    struct iovec iov = {stream, 100};
    int fds[2];
    testing_pair(fds);
    open_peer(&peer, fds[0]);
    close(fds[1]);
    sock_send(&peer.sock, &iov, 1);
    TURN_UNTIL(peer.sent_count == 1);
    cr_expect(peer.sent_error == EPIPE || peer.sent_error == ECONNRESET, "%d", peer.sent_error);
    close_peer(&peer);
}

static uint64_t sent_ns;

static void note_time(struct peer *peer, char event)
{
    (void)peer;
    if (event == 's')
        sent_ns = loop.now_ns;
}

/* It ends no wait, and what its owner does by the clock in `sent` counts from when it left. */
ON_BOTH(sock, a_send_that_can_wait_is_told_when_the_loop_wakes)
{
    struct peer peer;
    struct iovec iov = {stream, 100};
    int fds[2];
    testing_pair(fds);
    sends_can_wait = true;
    open_peer(&peer, fds[0]);
    peer.act = note_time;
    sock_receive(&peer.sock, SOCK_RECEIVE_WATCH);
    do /* what the loop has to do with a new socket, and an alarm from before, are over */
        turn_once();
    while (loop.alarm_ns != UINT64_MAX);
    sock_send(&peer.sock, &iov, 1);
    const uint64_t until_ns = clock_monotonic_ns() + 20 * NS_PER_MS;
    loop_turn(&loop, until_ns);
    cr_expect(peer.sent_count == 1 && peer.sent_error == 0);
    cr_expect(loop.now_ns >= until_ns && sent_ns < until_ns);
    close_peer(&peer);
    close(fds[1]);
}

static struct iovec answer_iov;

/* Sends a byte back for each message. */
static void answer(struct peer *peer, char event)
{
    if (event != 'r')
        return;
    answer_iov = (struct iovec){stream, 1};
    sock_send(&peer->sock, &answer_iov, 1);
}

/* Whoever waits for an answer knows by then that his question has left: engines count on it. */
ON_BOTH_EITHER_WAY(sock, sent_is_told_before_the_answer)
{
    struct peer client, server;
    open_two(&client, &server);
    client.checks_bytes = server.checks_bytes = false;
    server.act = answer;
    sock_receive(&client.sock, SOCK_RECEIVE_WATCH);
    sock_receive(&server.sock, SOCK_RECEIVE_WATCH);
    for (unsigned i = 1; i <= 50; i++) {
        struct iovec iov = {stream, 100};
        sock_send(&client.sock, &iov, 1);
        TURN_UNTIL(client.received_count == i && server.sent_count == i);
        cr_assert(client.trace_bytes == i * 2);
        cr_assert(client.trace[i * 2 - 2] == 's' && client.trace[i * 2 - 1] == 'r');
    }
    close_peer(&client);
    close_peer(&server);
}

static struct iovec piece_iov;

/* The next hundred bytes, five times in all. */
static void send_on(struct peer *peer, char event)
{
    if (event != 's' || peer->sent_count == 5)
        return;
    piece_iov = (struct iovec){stream + (size_t)peer->sent_count * 100, 100};
    sock_send(&peer->sock, &piece_iov, 1);
}

ON_BOTH_EITHER_WAY(sock, may_send_again_inside_sent)
{
    struct peer peer;
    struct iovec iov = {stream, 100};
    int fds[2];
    fill_stream();
    testing_pair(fds);
    open_peer(&peer, fds[0]);
    peer.act = send_on;
    sock_send(&peer.sock, &iov, 1);
    size_t read_bytes = 0;
    for (unsigned told = 0; told < 5; told = peer.sent_count) {
        TURN_UNTIL(peer.sent_count > told);
        read_bytes = read_stream(fds[1], read_bytes);
        cr_expect(read_bytes >= (size_t)peer.sent_count * 100, "told before it left");
    }
    cr_expect(peer.sent_error == 0 && read_stream(fds[1], read_bytes) == 500);
    close_peer(&peer);
    close(fds[1]);
}

/* --- closing
 * ------------------------------------------------------------------------------------- */

ON_BOTH_EITHER_WAY(sock, closing_calls_everything_off)
{
    struct peer peer;
    struct iovec iov = {stream, BIG_BYTES};
    int fds[2];
    testing_pair(fds);
    open_peer(&peer, fds[0]);
    sock_receive(&peer.sock, SOCK_RECEIVE_WATCH);
    sock_send(&peer.sock, &iov, 1);
    turn_idle();
    cr_assert(peer.sent_count == 0);
    sock_close(&peer.sock);
    sock_close(&peer.sock);
    cr_expect(peer.sent_count == 0 && peer.closed_count == 0, "not from inside the call");
    TURN_UNTIL(peer.closed_count == 1);
    cr_expect(peer.sent_error != 0);
    cr_expect_str_eq(peer.trace, "sx");
    close(fds[1]);
}

ON_BOTH_EITHER_WAY(sock, closing_at_once_after_asking)
{
    struct peer peer;
    struct iovec iov = {stream, 10};
    int fds[2];
    testing_pair(fds);
    open_peer(&peer, fds[0]);
    sock_receive(&peer.sock, SOCK_RECEIVE_STREAM);
    sock_send(&peer.sock, &iov, 1);
    close_peer(&peer);
    cr_expect_str_eq(peer.trace, "sx");
    close(fds[1]);
}

/* Late bytes and their buffers go with the socket. */
ON_BOTH(sock, closing_drops_late_bytes)
{
    struct peer peer;
    int fds[2];
    testing_pair(fds);
    open_peer(&peer, fds[0]);
    sock_receive(&peer.sock, SOCK_RECEIVE_WATCH);
    turn_idle();
    sock_receive(&peer.sock, SOCK_RECEIVE_OFF);
    peer.may_receive = false;
    cr_assert(write_stream(fds[1], 0, 60000) == 60000);
    turn_idle();
    close_peer(&peer);
    close(fds[1]);
}

static char close_at;

static void close_on(struct peer *peer, char event)
{
    if (event == close_at)
        sock_close(&peer->sock);
}

/* The other side of `peer` has written, reads, and left: every
 * event comes unless the socket closes before. */
static void close_inside(char event)
{
    struct peer peer;
    struct iovec iov = {stream, 10};
    int fds[2];
    testing_pair(fds);
    open_peer(&peer, fds[0]);
    peer.act = close_on;
    close_at = event;
    cr_assert(write_stream(fds[1], 0, 40000) == 40000);
    cr_assert(shutdown(fds[1], SHUT_WR) == 0);
    sock_receive(&peer.sock, SOCK_RECEIVE_WATCH);
    sock_send(&peer.sock, &iov, 1);
    TURN_UNTIL(peer.closed_count == 1);
    cr_expect(peer.sent_count == 1);
    close(fds[1]);
}

ON_BOTH(sock, may_be_closed_inside_received)
{
    close_inside('r');
}

ON_BOTH_EITHER_WAY(sock, may_be_closed_inside_sent)
{
    close_inside('s');
}

ON_BOTH(sock, may_be_closed_inside_ended)
{
    close_inside('e');
}

/* --- TCP: connecting, accepting, resets
 * ----------------------------------------------------------- */

struct door {
    struct listener listener; /* first */
    struct peer     peers[8];
    unsigned        accepted_count, exhausted_count, closed_count;
    int             exhausted_error;
};

static void on_accepted(struct listener *listener, int fd, const struct sockaddr *peer_address,
                        socklen_t peer_bytes)
{
    cr_assert(peer_address == NULL ||
              (peer_bytes >= sizeof(sa_family_t) && peer_address->sa_family == AF_INET));
    struct door *door = (struct door *)(void *)listener;
    cr_assert(door->accepted_count < 8);
    cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    struct peer *peer = &door->peers[door->accepted_count++];
    open_peer(peer, fd);
    sock_receive(&peer->sock, SOCK_RECEIVE_WATCH);
}

static void on_exhausted(struct listener *listener, int error)
{
    struct door *door = (struct door *)(void *)listener;
    door->exhausted_count++;
    door->exhausted_error = error;
}

static void on_listener_closed(struct listener *listener)
{
    ((struct door *)(void *)listener)->closed_count++;
}

static const struct listener_events door_events = {on_accepted, on_exhausted};

static void open_door(struct door *door, struct sockaddr_in *address)
{
    *door = (struct door){0};
    listener_open(&door->listener, &loop, &door_events, testing_listen(address));
    door->listener.closed = on_listener_closed;
    listener_start(&door->listener);
}

static void close_door(struct door *door)
{
    listener_stop(&door->listener);
    TURN_UNTIL(door->closed_count == 1);
    close(door->listener.fd);
    for (unsigned i = 0; i < door->accepted_count; i++)
        close_peer(&door->peers[i]);
}

static void connect_peer(struct peer *peer, const struct sockaddr_in *address)
{
    open_peer(peer, testing_socket());
    sock_connect(&peer->sock, (const struct sockaddr *)address, sizeof *address);
}

ON_BOTH_EITHER_WAY(tcp, connects_is_accepted_and_talks)
{
    struct door door;
    struct sockaddr_in address;
    struct peer client;
    struct iovec iov = {stream, 5000};
    fill_stream();
    open_door(&door, &address);
    connect_peer(&client, &address);
    cr_expect(client.connected_count == 0, "not from inside the call");
    TURN_UNTIL(client.connected_count == 1 && door.accepted_count == 1);
    cr_assert(client.connected_error == 0);
    sock_send(&client.sock, &iov, 1);
    TURN_UNTIL(door.peers[0].received_bytes == 5000);
    close_peer(&client);
    TURN_UNTIL(door.peers[0].ended_count == 1);
    cr_expect(door.peers[0].ended_error == 0);
    close_door(&door);
}

ON_BOTH(tcp, a_refused_connection_says_so)
{
    struct sockaddr_in address;
    struct peer client;
    close(testing_listen(&address));
    connect_peer(&client, &address);
    TURN_UNTIL(client.connected_count == 1);
    cr_expect(client.connected_error == ECONNREFUSED);
    close_peer(&client);
    cr_expect_str_eq(client.trace, "cx");
}

ON_BOTH(tcp, may_be_closed_while_connecting)
{
    struct sockaddr_in address;
    struct peer client, other;
    const int fd = testing_listen(&address);
    connect_peer(&client, &address);
    close_peer(&client);
    connect_peer(&other, &address);
    loop_turn(&loop, 0);
    close_peer(&other);
    close(fd);
}

/* A server that talks first: bytes and FIN that are there when
 * the connection is made are not overlooked. */
ON_BOTH(tcp, what_came_with_the_connection_is_received)
{
    struct sockaddr_in address;
    struct peer client;
    const int fd = testing_listen(&address);
    connect_peer(&client, &address);
    loop_turn(&loop, 0);
    const int served = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    cr_assert(served >= 0);
    cr_assert(write_stream(served, 0, 3000) == 3000);
    close(served);
    TURN_UNTIL(client.connected_count == 1);
    sock_receive(&client.sock, SOCK_RECEIVE_WATCH);
    TURN_UNTIL(client.ended_count == 1);
    cr_expect(client.received_bytes == 3000 && client.ended_error == 0);
    close_peer(&client);
    close(fd);
}

static void reset(int fd)
{
    const struct linger linger = {.l_onoff = 1, .l_linger = 0};
    cr_assert(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0);
    close(fd);
}

ON_BOTH(tcp, tells_a_reset)
{
    struct sockaddr_in address;
    struct peer client;
    const int fd = testing_listen(&address);
    connect_peer(&client, &address);
    TURN_UNTIL(client.connected_count == 1);
    sock_receive(&client.sock, SOCK_RECEIVE_WATCH);
    turn_idle();
    reset(accept4(fd, NULL, NULL, SOCK_CLOEXEC));
    TURN_UNTIL(client.ended_count == 1);
    cr_expect(client.ended_error == ECONNRESET);
    close_peer(&client);
    close(fd);
}

ON_BOTH_EITHER_WAY(tcp, a_reset_ends_a_send_that_waits)
{
    struct sockaddr_in address;
    struct peer client;
    const size_t much = 16 * 1024 * 1024;
    struct iovec iov = {testing_zeros(much), much};
    const int fd = testing_listen(&address);
    connect_peer(&client, &address);
    TURN_UNTIL(client.connected_count == 1);
    sock_send(&client.sock, &iov, 1);
    turn_idle();
    cr_assert(client.sent_count == 0);
    reset(accept4(fd, NULL, NULL, SOCK_CLOEXEC));
    TURN_UNTIL(client.sent_count == 1);
    cr_expect(client.sent_error == ECONNRESET || client.sent_error == EPIPE);
    close_peer(&client);
    close(fd);
}

ON_BOTH(tcp, a_paused_listener_leaves_them_waiting)
{
    struct door door;
    struct sockaddr_in address;
    struct peer clients[3];
    open_door(&door, &address);
    turn_idle();
    listener_pause(&door.listener);
    turn_idle();
    for (int i = 0; i < 3; i++)
        connect_peer(&clients[i], &address);
    TURN_UNTIL(
        clients[0].connected_count + clients[1].connected_count + clients[2].connected_count == 3);
    turn_idle();
    cr_expect(door.accepted_count == 0);
    listener_start(&door.listener);
    TURN_UNTIL(door.accepted_count == 3);
    for (int i = 0; i < 3; i++)
        close_peer(&clients[i]);
    close_door(&door);
}

ON_BOTH(tcp, pausing_and_starting_in_one_turn_goes_on)
{
    struct door door;
    struct sockaddr_in address;
    struct peer client;
    open_door(&door, &address);
    turn_idle();
    for (int i = 0; i < 3; i++) {
        listener_pause(&door.listener);
        listener_start(&door.listener);
    }
    turn_idle();
    connect_peer(&client, &address);
    TURN_UNTIL(door.accepted_count == 1);
    close_peer(&client);
    close_door(&door);
}

ON_BOTH(tcp, a_listener_may_be_stopped_in_any_state)
{
    struct door door;
    struct sockaddr_in address;
    open_door(&door, &address); /* not one turn */
    close_door(&door);
    open_door(&door, &address);
    turn_idle();
    listener_pause(&door.listener);
    close_door(&door); /* the pause is still under way */
    open_door(&door, &address);
    listener_pause(&door.listener);
    turn_idle();
    close_door(&door);
}

/* Leaves room for no new descriptor. io_uring takes the limit when accepting starts. */
static void use_up_descriptors(struct rlimit *before)
{
    cr_assert(getrlimit(RLIMIT_NOFILE, before) == 0);
    const int lowest = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    close(lowest);
    const struct rlimit low = {.rlim_cur = (rlim_t)lowest, .rlim_max = before->rlim_max};
    cr_assert(setrlimit(RLIMIT_NOFILE, &low) == 0);
}

ON_BOTH(tcp, without_descriptors_accepting_stops_and_goes_on_later)
{
    struct door door;
    struct sockaddr_in address;
    struct peer client;
    struct rlimit limit;
    open_door(&door, &address);
    turn_idle();
    listener_pause(&door.listener);
    turn_idle();
    connect_peer(&client, &address);
    use_up_descriptors(&limit);
    listener_start(&door.listener);
    TURN_UNTIL(door.exhausted_count == 1);
    turn_idle();
    cr_expect(door.exhausted_count == 1 && door.exhausted_error == EMFILE);
    cr_expect(door.accepted_count == 0);
    cr_assert(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    listener_start(&door.listener);
    TURN_UNTIL(door.accepted_count == 1);
    close_peer(&client);
    close_door(&door);
}

/* --- faults
 * -------------------------------------------------------------------------------------- */

#ifdef PANDO_FAULTS
static struct iovec talk_iov;

static void close_on_trouble(struct peer *peer, char event)
{
    if (event == 'e' || (event == 's' && peer->sent_error != 0) ||
        (event == 'c' && peer->connected_error != 0))
        sock_close(&peer->sock);
}

/* A client that says 20,000 bytes, a server that is there or not:
 * whatever failed, both are closed in the end. */
static void talk(void)
{
    struct door door;
    struct sockaddr_in address;
    struct peer client;
    open_door(&door, &address);
    connect_peer(&client, &address);
    client.act = close_on_trouble;
    for (int i = 0; i < 6; i++)
        loop_turn(&loop, clock_monotonic_ns() + 2 * NS_PER_MS);
    if (!client.sock.closing && client.connected_count == 1) {
        talk_iov = (struct iovec){stream, 20000};
        sock_send(&client.sock, &talk_iov, 1);
        sock_receive(&client.sock, SOCK_RECEIVE_WATCH);
        for (int i = 0; i < 6; i++)
            loop_turn(&loop, clock_monotonic_ns() + 2 * NS_PER_MS);
    }
    if (!client.sock.closing)
        sock_close(&client.sock);
    TURN_UNTIL(client.closed_count == 1);
    for (unsigned i = 0; i < door.accepted_count; i++)
        if (!door.peers[i].sock.closing && door.peers[i].ended_count == 0)
            turn_idle();
    close_door(&door);
}

static unsigned open_descriptors(void)
{
    unsigned count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void fail_every(enum fault_kind kind)
{
    uint64_t nth = 0;
    fill_stream();
    talk(); /* warm: what stays open for the loop's sake is open now */
    const unsigned before = open_descriptors();
    do {
        fault_fail_nth(kind, ++nth);
        talk();
    } while (fault_seen(kind) >= nth && nth < 100);
    fault_fail_nth(kind, 0);
    if (kind == FAULT_COMPLETION)
        cr_expect(nth >= 4, "a connect, an accept, a send and a receive, at least");
    cr_expect(open_descriptors() == before);
}

ON_BOTH_EITHER_WAY(faults, every_completion_may_fail)
{
    fail_every(FAULT_COMPLETION);
}

ON_BOTH_EITHER_WAY(faults, every_allocation_may_fail)
{
    fail_every(FAULT_ALLOCATION);
}

/* Opening either works or says why and leaves nothing behind. */
static void fail_opening(const char *kind)
{
    const unsigned before = open_descriptors();
    struct err e;
    enum err_kind failed = ERR_MEMORY;
    uint64_t nth = 0;
    for (; failed != ERR_NONE && nth < 20; nth++) {
        fault_fail_nth(FAULT_ALLOCATION, nth + 1);
        failed = loop_open(&loop, kind, &e);
        if (failed != ERR_NONE) {
            cr_expect(e.story[0] != '\0');
            cr_expect(mem_mapped_bytes() == 0, "allocation %d", (int)nth + 1);
            cr_expect(open_descriptors() == before, "allocation %d", (int)nth + 1);
        }
    }
    fault_fail_nth(FAULT_ALLOCATION, 0);
    cr_assert(failed == ERR_NONE);
    cr_expect(nth >= 2);
    loop_close(&loop);
    cr_expect(mem_mapped_bytes() == 0 && open_descriptors() == before);
}

Test(faults_epoll, opening_without_memory)
{
    fail_opening("epoll");
}

Test(faults_uring, opening_without_memory)
{
    testing_open("io_uring");
    testing_close();
    fail_opening("io_uring");
}
#endif
