/* SPDX-License-Identifier: Apache-2.0 */
/* loop/conn_test.c - what a dialect may rely on: contiguous
 * bytes, a bounded queue, lingering, deadlines. */
#include "loop/conn.h"

#include "core/random.h"
#include "loop/loop_testing.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { PATIENCE_NS = 400 * 1000 * 1000 }; /* longer than a busy machine stands still */

static struct conn_hub hub;

/* A dialect of lines: it consumes whole lines and remembers them. */
struct talker {
    struct conn  conn;  /* first */
    char        *lines; /* all that was consumed */
    size_t       lines_bytes;
    unsigned     offers_count, drained_count, ended_count, closed_count;
    unsigned     receive_expired_count, send_expired_count, connected_count;
    int          ended_error, connected_error;
    uint32_t     offered_bytes; /* by the last offer */
    unsigned     refuse_count;  /* offers that consume nothing and ask for another */
    uint32_t     left_count;    /* pieces that drained() still queues */
    uint32_t     queued_count;
    bool         one_line; /* an offer consumes one line at most, and no more until resumed */
    bool         paused;
    bool         keeps_slices; /* every line is kept as a slice, and compared at the end */
    struct slice kept[512];
    size_t       kept_count;
};

static struct talker *talker_of(struct conn *conn)
{
    return (struct talker *)(void *)conn;
}

static void keep_line(struct talker *talker, struct buf *buf, const uint8_t *at, uint32_t bytes)
{
    talker->lines = realloc(talker->lines, talker->lines_bytes + bytes);
    memcpy(talker->lines + talker->lines_bytes, at, bytes);
    talker->lines_bytes += bytes;
    if (talker->keeps_slices && talker->kept_count < 512)
        talker->kept[talker->kept_count++] = (struct slice){buf_ref(buf), at, bytes};
}

static uint32_t on_received(struct conn *conn, struct buf *buf, uint8_t *at, uint32_t bytes)
{
    struct talker *talker = talker_of(conn);
    cr_assert(bytes > 0 && at >= buf->data && at + bytes <= buf->data + buf->capacity);
    talker->offers_count++;
    talker->offered_bytes = bytes;
    if (talker->refuse_count > 0) {
        talker->refuse_count--;
        conn_resume(conn);
        return 0;
    }
    if (talker->paused)
        return 0;
    uint32_t consumed = 0;
    for (const uint8_t *end; (end = memchr(at + consumed, '\n', bytes - consumed)) != NULL;) {
        const uint32_t line_bytes = (uint32_t)(end - (at + consumed)) + 1;
        keep_line(talker, buf, at + consumed, line_bytes);
        consumed += line_bytes;
        if (talker->one_line) {
            talker->paused = true;
            break;
        }
    }
    return consumed;
}

static void on_ended(struct conn *conn, int error)
{
    talker_of(conn)->ended_count++;
    talker_of(conn)->ended_error = error;
}

static uint8_t pieces[100000];

/* A piece of 1 + number bytes, which begins with its number. */
static void queue_more(struct talker *talker)
{
    while (talker->left_count > 0 && conn_out_room(&talker->conn) > 0) {
        const struct slice slice = {NULL, pieces, 1 + talker->queued_count % 1000};
        conn_put(&talker->conn, slice);
        talker->queued_count++;
        talker->left_count--;
    }
}

static void on_drained(struct conn *conn)
{
    talker_of(conn)->drained_count++;
    queue_more(talker_of(conn));
}

static void on_receive_expired(struct conn *conn)
{
    talker_of(conn)->receive_expired_count++;
}

static void on_send_expired(struct conn *conn)
{
    talker_of(conn)->send_expired_count++;
}

static void on_connected(struct conn *conn, int error)
{
    talker_of(conn)->connected_count++;
    talker_of(conn)->connected_error = error;
}

static void on_closed(struct conn *conn)
{
    cr_assert(talker_of(conn)->closed_count == 0);
    talker_of(conn)->closed_count++;
}

static const struct conn_dialect lines = {
    .name = "lines",
    .received = on_received,
    .ended = on_ended,
    .drained = on_drained,
    .receive_expired = on_receive_expired,
    .send_expired = on_send_expired,
    .connected = on_connected,
    .closed = on_closed,
};

/* A talker on one end of a socket pair; the other end is the test's. */
static int open_talker(struct talker *talker)
{
    int fds[2];
    if (hub.loop == NULL)
        conn_hub_init(&hub, &loop);
    testing_pair(fds);
    memset(talker, 0, sizeof *talker);
    conn_open(&talker->conn, &hub, &lines, fds[0], true);
    conn_receive_move(&talker->conn, CONN_RECEIVE_HEAD, 0);
    conn_receive(&talker->conn, SOCK_RECEIVE_WATCH);
    return fds[1];
}

/* All that it held must have gone with it. */
static void close_talker(struct talker *talker, int fd)
{
    for (size_t i = 0; i < talker->kept_count; i++)
        buf_unref(talker->kept[i].buf);
    conn_close(&talker->conn);
    TURN_UNTIL(talker->closed_count == 1);
    for (int i = 0; i < CONN_RECEIVE_STATES_COUNT; i++)
        cr_expect(hub.receive_counts[i] == 0);
    close(fd);
    free(talker->lines);
    conn_hub_fini(&hub);
    hub = (struct conn_hub){0};
}

static void say(int fd, const char *text)
{
    cr_assert(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

static bool has_lines(const struct talker *talker, const char *text)
{
    return talker->lines_bytes == strlen(text) &&
           (talker->lines_bytes == 0 || memcmp(talker->lines, text, talker->lines_bytes) == 0);
}

static size_t read_all(int fd, uint8_t *memory, size_t bytes)
{
    size_t got = 0;
    for (ssize_t n; got < bytes && (n = recv(fd, memory + got, bytes - got, 0)) > 0;)
        got += (size_t)n;
    return got;
}

/* --- receiving
 * ----------------------------------------------------------------------------------- */

ON_BOTH(conn, what_is_not_consumed_is_made_contiguous_with_the_next)
{
    static struct talker talker;
    const int fd = open_talker(&talker);
    say(fd, "a\nbc");
    TURN_UNTIL(talker.offers_count == 2);
    cr_expect(has_lines(&talker, "a\n") && talker.conn.carry_bytes == 2);
    say(fd, "d");
    TURN_UNTIL(talker.offered_bytes == 3);
    say(fd, "\ne\n");
    TURN_UNTIL(talker.lines_bytes == 8);
    cr_expect(has_lines(&talker, "a\nbcd\ne\n"));
    cr_expect(talker.conn.carry == NULL && conn_charged_bytes(&talker.conn, 0) == 0,
              "an idle connection holds no buffer");
    close_talker(&talker, fd);
}

/* A head in crumbs: the copies stay logarithmic, the bytes stay right. */
ON_BOTH(conn, a_line_may_come_byte_by_byte)
{
    static struct talker talker;
    char line[3001];
    const int fd = open_talker(&talker);
    for (int i = 0; i < 2999; i++)
        line[i] = (char)('a' + i % 26);
    line[2999] = '\n';
    line[3000] = '\0';
    const uint64_t before = mem_count();
    for (uint32_t i = 0; i < 3000; i++) {
        const char crumb[2] = {line[i], '\0'};
        say(fd, crumb);
        if (i % 10 == 9)
            TURN_UNTIL(talker.offered_bytes == i + 1);
    }
    TURN_UNTIL(talker.lines_bytes == 3000);
    cr_expect(has_lines(&talker, line));
    cr_expect(mem_count() - before < 10, "%d allocations", (int)(mem_count() - before));
    close_talker(&talker, fd);
}

/* Slices that a dialect keeps are never written over by what comes after them. */
ON_BOTH(conn, kept_slices_keep_their_bytes)
{
    static struct talker talker;
    struct random random;
    char text[40];
    const int fd = open_talker(&talker);
    random_init(&random, 1);
    talker.keeps_slices = true;
    for (int i = 0; i < 500; i++) {
        snprintf(text, sizeof text, "line %d of many\n%s", i, i % 3 == 0 ? "par" : "");
        say(fd, text);
        if (random_below(random_next(&random), 3) == 0)
            loop_turn(&loop, 0);
    }
    say(fd, "end\n");
    TURN_UNTIL(talker.lines_bytes > 4 &&
               memcmp(talker.lines + talker.lines_bytes - 4, "end\n", 4) == 0);
    size_t at = 0;
    for (size_t i = 0; i < talker.kept_count; i++) {
        cr_assert(memcmp(talker.kept[i].at, talker.lines + at, talker.kept[i].bytes) == 0,
                  "slice %zu has changed", i);
        at += talker.kept[i].bytes;
    }
    close_talker(&talker, fd);
}

ON_BOTH(conn, resuming_inside_received_offers_once_more)
{
    static struct talker talker;
    const int fd = open_talker(&talker);
    talker.refuse_count = 1;
    say(fd, "a\n");
    TURN_UNTIL(talker.lines_bytes == 2);
    cr_expect(talker.offers_count == 2);
    close_talker(&talker, fd);
}

ON_BOTH(conn, resuming_later_offers_at_once)
{
    static struct talker talker;
    const int fd = open_talker(&talker);
    talker.one_line = true;
    say(fd, "a\nb\nc");
    TURN_UNTIL(talker.lines_bytes == 2);
    turn_idle();
    cr_expect(has_lines(&talker, "a\n") && talker.conn.carry_bytes == 3);
    talker.paused = false;
    conn_resume(&talker.conn);
    cr_expect(has_lines(&talker, "a\nb\n"));
    talker.paused = false;
    conn_resume(&talker.conn);
    cr_expect(has_lines(&talker, "a\nb\n") && talker.conn.carry_bytes == 1);
    close_talker(&talker, fd);
}

ON_BOTH(conn, resuming_without_anything_left_is_harmless)
{
    static struct talker talker;
    const int fd = open_talker(&talker);
    conn_resume(&talker.conn);
    cr_expect(talker.offers_count == 0);
    close_talker(&talker, fd);
    conn_resume(&talker.conn);
}

ON_BOTH(conn, tells_the_end)
{
    static struct talker talker;
    const int fd = open_talker(&talker);
    say(fd, "a\n");
    cr_assert(shutdown(fd, SHUT_WR) == 0);
    TURN_UNTIL(talker.ended_count == 1);
    cr_expect(talker.ended_error == 0 && has_lines(&talker, "a\n"));
    close_talker(&talker, fd);
}

/* --- states and deadlines
 * ------------------------------------------------------------------------- */

ON_BOTH(conn, states_are_counted_as_they_change)
{
    static struct talker talker;
    const int fd = open_talker(&talker);
    cr_expect(hub.receive_counts[CONN_RECEIVE_HEAD] == 1);
    conn_receive_move(&talker.conn, CONN_RECEIVE_BODY, 0);
    cr_expect(hub.receive_counts[CONN_RECEIVE_HEAD] == 0);
    cr_expect(hub.receive_counts[CONN_RECEIVE_BODY] == 1);
    conn_receive_move(&talker.conn, CONN_RECEIVE_BODY, 0);
    cr_expect(hub.receive_counts[CONN_RECEIVE_BODY] == 1);
    close_talker(&talker, fd);
}

Test(conn, every_state_has_a_name_of_its_own)
{
    cr_expect_str_eq(conn_receive_state_name(CONN_RECEIVE_IDLE), "IDLE");
    cr_expect_str_eq(conn_receive_state_name(CONN_RECEIVE_CLOSED), "CLOSED");
    cr_expect_str_eq(conn_send_state_name(CONN_SEND_SHUT), "SHUT");
}

Test(conn, a_move_that_the_table_does_not_name_is_a_bug, .signal = SIGABRT)
{
    static struct talker talker;
    testing_open("epoll");
    (void)open_talker(&talker);
    conn_receive_move(&talker.conn, CONN_RECEIVE_DISCARD, 0);
    conn_receive_move(&talker.conn, CONN_RECEIVE_HEAD, 0);
}

ON_BOTH(conn, patience_ends_once_and_a_move_sets_it_anew)
{
    static struct talker talker;
    const int fd = open_talker(&talker);
    conn_receive_move(&talker.conn, CONN_RECEIVE_HEAD, 5 * NS_PER_MS);
    conn_receive_move(&talker.conn, CONN_RECEIVE_BODY, 0);
    turn_idle();
    conn_receive_move(&talker.conn, CONN_RECEIVE_HEAD, 5 * NS_PER_MS);
    cr_expect(talker.receive_expired_count == 0, "a state without patience has no deadline");
    TURN_UNTIL(talker.receive_expired_count == 1);
    turn_idle();
    cr_expect(talker.receive_expired_count == 1 && talker.closed_count == 0,
              "what to do is the dialect's");
    close_talker(&talker, fd);
}

/* --- sending
 * ------------------------------------------------------------------------------------- */

ON_BOTH(conn, queues_more_than_sixteen_slices_over_time)
{
    static struct talker talker;
    static uint8_t got[600000];
    size_t got_bytes = 0, wanted_bytes = 0;
    const int fd = open_talker(&talker);
    for (size_t i = 0; i < sizeof pieces; i++)
        pieces[i] = (uint8_t)i;
    for (unsigned i = 0; i < 1000; i++)
        wanted_bytes += 1 + i % 1000;
    talker.left_count = 1000;
    queue_more(&talker);
    cr_expect(talker.queued_count == CONN_OUT_MAX && conn_out_room(&talker.conn) == 0);
    while (got_bytes < wanted_bytes) {
        turn_once();
        got_bytes += read_all(fd, got + got_bytes, sizeof got - got_bytes);
    }
    TURN_UNTIL(talker.conn.out_count == 0);
    cr_expect(got_bytes == wanted_bytes && talker.conn.out_bytes == 0);
    cr_expect(talker.conn.send_state == CONN_SEND_IDLE);
    size_t at = 0;
    for (unsigned i = 0; i < 1000; i++)
        for (size_t byte = 0; byte < 1 + i % 1000; byte++)
            cr_assert(got[at++] == (uint8_t)byte);
    close_talker(&talker, fd);
}

static unsigned released_count;

static void count_release(struct buf *buf)
{
    (void)buf;
    released_count++;
}

/* The reference is the connection's from conn_put() on, sent or not. */
ON_BOTH(conn, slices_are_let_go_when_sent_and_when_closed)
{
    static struct talker talker;
    struct buf bufs[3];
    const int fd = open_talker(&talker);
    for (int i = 0; i < 3; i++)
        bufs[i] = (struct buf){.refs_count = 1, .released = count_release};
    conn_put(&talker.conn, (struct slice){&bufs[0], pieces, 100});
    TURN_UNTIL(released_count == 1);
    conn_put(&talker.conn, (struct slice){&bufs[1], pieces, 100});
    conn_put(&talker.conn, (struct slice){&bufs[2], pieces, 100});
    close_talker(&talker, fd);
    cr_expect(released_count == 3);
}

ON_BOTH(conn, heads_are_gathered_in_one_slice_and_one_buffer)
{
    static struct talker talker;
    static char got[8192];
    const int fd = open_talker(&talker);
    for (int i = 0; i < 10; i++) {
        uint8_t *at = conn_head_room(&talker.conn, 200);
        cr_assert(at != NULL);
        memset(at, 'a' + i, 150);
        conn_head_done(&talker.conn, 150); /* less than asked for */
    }
    conn_head_done(&talker.conn, 0);
    cr_expect(talker.conn.out_count == 1 && talker.conn.out_bytes == 1500);
    cr_expect(hub.heads.taken_count == 1);
    TURN_UNTIL(talker.conn.out_count == 0);
    cr_expect(read_all(fd, (uint8_t *)got, sizeof got) == 1500);
    for (int i = 0; i < 1500; i++)
        cr_assert(got[i] == 'a' + i / 150);
    cr_expect(hub.heads.taken_count == 0, "an idle connection holds no buffer");
    close_talker(&talker, fd);
}

/* A small body goes out in one piece with its head, and its buffer is free at once; a large one,
 * or one behind a head that is with the kernel, stays where it is. */
ON_BOTH(conn, a_small_slice_is_copied_behind_its_head)
{
    static struct talker talker;
    static uint8_t got[4096];
    struct buf bufs[3];
    const int fd = open_talker(&talker);
    released_count = 0;
    for (int i = 0; i < 3; i++)
        bufs[i] = (struct buf){.refs_count = 1, .released = count_release};
    uint8_t *at = conn_head_room(&talker.conn, 1700);
    cr_assert(at != NULL);
    memset(at, 'h', 1000);
    conn_head_done(&talker.conn, 1000);
    conn_put(&talker.conn, (struct slice){&bufs[0], pieces, 512});
    cr_expect(released_count == 1 && talker.conn.out_count == 1 && talker.conn.out_bytes == 1512);
    conn_put(&talker.conn, (struct slice){&bufs[1], pieces, 513});
    cr_expect(released_count == 1 && talker.conn.out_count == 2 && talker.conn.out_bytes == 2025);
    hub.hook.call(&hub.hook); /* both are with the loop now */
    cr_assert(conn_head_room(&talker.conn, 100) == at + 1512);
    memset(at + 1512, 'i', 100);
    conn_head_done(&talker.conn, 100);
    cr_expect(talker.conn.out_count == 3, "what leaves does not grow");
    conn_put(&talker.conn, (struct slice){&bufs[2], pieces, 100});
    cr_expect(released_count == 2 && talker.conn.out_count == 3);
    TURN_UNTIL(talker.conn.out_count == 0);
    cr_expect(released_count == 3);
    cr_expect(read_all(fd, got, sizeof got) == 2225);
    for (size_t i = 0; i < 2225; i++) {
        const bool head = i < 1000 || (i >= 2025 && i < 2125);
        const size_t from = i < 1512 ? 1000 : i < 2025 ? 1512 : 2125;
        cr_assert(got[i] == (head ? (i < 1000 ? 'h' : 'i') : pieces[i - from]));
    }
    cr_expect(hub.heads.taken_count == 0);
    close_talker(&talker, fd);
}

/* A head that does not fit beside the one before begins a new
 * buffer; one larger than any lies on the heap. */
ON_BOTH(conn, head_room_grows)
{
    static struct talker talker;
    static uint8_t got[65536];
    const uint32_t sizes[] = {1500, 1500, CONN_HEAD_BYTES, 20000, 100};
    const int fd = open_talker(&talker);
    size_t wanted_bytes = 0;
    for (int i = 0; i < 5; i++) {
        uint8_t *at = conn_head_room(&talker.conn, sizes[i]);
        cr_assert(at != NULL);
        memset(at, 'a' + i, sizes[i]);
        conn_head_done(&talker.conn, sizes[i]);
        wanted_bytes += sizes[i];
    }
    size_t got_bytes = 0;
    while (got_bytes < wanted_bytes) {
        turn_once();
        got_bytes += read_all(fd, got + got_bytes, sizeof got - got_bytes);
    }
    for (size_t at = 0, i = 0; i < 5; at += sizes[i++])
        for (size_t byte = 0; byte < sizes[i]; byte++)
            cr_assert(got[at + byte] == 'a' + i);
    TURN_UNTIL(talker.conn.out_count == 0);
    cr_expect(hub.heads.taken_count == 0);
    close_talker(&talker, fd);
}

/* A head that is written while the one before is with the
 * kernel must not change what is being sent. */
ON_BOTH(conn, a_head_behind_one_that_leaves_is_a_slice_of_its_own)
{
    static struct talker talker;
    static uint8_t got[1000];
    const int fd = open_talker(&talker);
    for (int i = 0; i < 2; i++) {
        uint8_t *at = conn_head_room(&talker.conn, 100);
        cr_assert(at != NULL);
        memset(at, 'a' + i, 100);
        conn_head_done(&talker.conn, 100);
        if (i == 0)
            hub.hook.call(&hub.hook); /* it is with the loop now */
    }
    cr_expect(talker.conn.out_count == 2 && talker.conn.out_sending == 1);
    TURN_UNTIL(talker.conn.out_count == 0);
    cr_expect(read_all(fd, got, sizeof got) == 200 && got[99] == 'a' && got[100] == 'b');
    close_talker(&talker, fd);
}

ON_BOTH(conn, takes_half_of_a_body_from_its_pipe)
{
    static struct talker talker;
    struct pipe pipe = {.bytes_max = 1000};
    const int fd = open_talker(&talker);
    for (int i = 0; i < 10; i++)
        cr_assert(pipe_put(&pipe, (struct slice){NULL, pieces, 300}));
    cr_expect(conn_out_takes(&talker.conn, &pipe, 0) == 3, "900 of 1000 bytes");
    pipe.bytes_max = 100;
    cr_expect(conn_out_takes(&talker.conn, &pipe, 0) == 1, "one slice always may");
    pipe.bytes_max = 1000000;
    cr_expect(conn_out_takes(&talker.conn, &pipe, 0) == 10);
    for (unsigned i = 0; i < 8; i++)
        conn_put(&talker.conn, (struct slice){NULL, pieces, 1});
    cr_expect(conn_out_takes(&talker.conn, &pipe, 2) == CONN_OUT_MAX - 8 - 2 - 1);
    cr_expect(conn_out_takes(&talker.conn, &pipe, 7) == 0);
    hub.hook.call(&hub.hook);
    cr_expect(!talker.conn.sock.sent_can_wait, "what is in the pipe waits for it");
    TURN_UNTIL(talker.conn.out_count == 0);
    pipe_fini(&pipe);
    cr_expect(conn_out_takes(&talker.conn, &pipe, 0) == 0);
    conn_put(&talker.conn, (struct slice){NULL, pieces, 1});
    hub.hook.call(&hub.hook);
    cr_expect(talker.conn.sock.sent_can_wait);
    conn_finish(&talker.conn, NS_PER_S);
    TURN_UNTIL(talker.conn.out_count == 0);
    close_talker(&talker, fd);
}

/* --- finishing
 * ----------------------------------------------------------------------------------- */

ON_BOTH(conn, finishing_sends_what_is_queued_then_a_fin_then_waits_for_theirs)
{
    static struct talker talker;
    uint8_t got[200];
    const int fd = open_talker(&talker);
    conn_put(&talker.conn, (struct slice){NULL, pieces, 100});
    conn_finish(&talker.conn, 3600 * NS_PER_S);
    cr_expect(conn_out_room(&talker.conn) == 0);
    TURN_UNTIL(talker.conn.send_state == CONN_SEND_SHUT);
    cr_expect(read_all(fd, got, sizeof got) == 100);
    cr_expect(recv(fd, got, sizeof got, 0) == 0, "the FIN");
    say(fd, "too late\n");
    turn_idle();
    cr_expect(talker.offers_count == 0 && talker.closed_count == 0);
    cr_assert(shutdown(fd, SHUT_WR) == 0);
    TURN_UNTIL(talker.closed_count == 1);
    cr_expect(talker.ended_count == 0, "the dialect is done with it");
    close_talker(&talker, fd);
}

ON_BOTH(conn, lingering_has_a_limit_of_time)
{
    static struct talker talker;
    const int fd = open_talker(&talker);
    conn_finish(&talker.conn, 10 * NS_PER_MS);
    TURN_UNTIL(talker.closed_count == 1);
    close_talker(&talker, fd);
}

ON_BOTH(conn, lingering_has_a_limit_of_bytes)
{
    static struct talker talker;
    size_t sent_bytes = 0;
    const int fd = open_talker(&talker);
    conn_finish(&talker.conn, 3600 * NS_PER_S);
    for (int i = 0; i < 100000 && talker.closed_count == 0; i++) {
        const ssize_t sent = send(fd, pieces, sizeof pieces, MSG_NOSIGNAL);
        sent_bytes += sent > 0 ? (size_t)sent : 0;
        turn_once();
    }
    cr_expect(talker.closed_count == 1 && sent_bytes > CONN_LINGER_BYTES_MAX);
    cr_expect(sent_bytes < 2 * CONN_LINGER_BYTES_MAX);
    close_talker(&talker, fd);
}

ON_BOTH(conn, finishing_after_their_fin_needs_no_lingering)
{
    static struct talker talker;
    const int fd = open_talker(&talker);
    cr_assert(shutdown(fd, SHUT_WR) == 0);
    TURN_UNTIL(talker.ended_count == 1);
    conn_put(&talker.conn, (struct slice){NULL, pieces, 100});
    conn_finish(&talker.conn, 3600 * NS_PER_S);
    TURN_UNTIL(talker.closed_count == 1);
    uint8_t got[200];
    cr_expect(read_all(fd, got, sizeof got) == 100);
    close_talker(&talker, fd);
}

/* The end of one direction of a tunnel. */
ON_BOTH(conn, shutting_after_sending_leaves_the_other_direction)
{
    static struct talker talker;
    uint8_t got[200];
    const int fd = open_talker(&talker);
    conn_put(&talker.conn, (struct slice){NULL, pieces, 100});
    conn_shut_after_send(&talker.conn);
    conn_shut_after_send(&talker.conn);
    TURN_UNTIL(talker.conn.send_state == CONN_SEND_SHUT);
    cr_expect(read_all(fd, got, sizeof got) == 100 && recv(fd, got, sizeof got, 0) == 0);
    say(fd, "a\n");
    TURN_UNTIL(talker.lines_bytes == 2);
    cr_assert(shutdown(fd, SHUT_WR) == 0);
    TURN_UNTIL(talker.ended_count == 1);
    close_talker(&talker, fd);
}

/* --- a slow reader, and a dead one
 * ----------------------------------------------------------------- */

ON_BOTH(conn, slow_is_not_dead)
{
    static struct talker talker;
    static uint8_t got[20000];
    const unsigned much = 4 * 1024 * 1024;
    const int fd = open_talker(&talker);
    int bytes = 4096;
    (void)setsockopt(talker.conn.sock.fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    talker.conn.send_patience_ns = PATIENCE_NS;
    conn_put(&talker.conn, (struct slice){NULL, testing_zeros(much), much});
    const uint64_t start_ns = clock_monotonic_ns();
    /* For twice the patience the reader takes little, but something. */
    for (uint64_t read_ns = 0; clock_monotonic_ns() < start_ns + 2 * PATIENCE_NS;) {
        if (clock_monotonic_ns() >= read_ns + PATIENCE_NS / 10) {
            (void)!read_all(fd, got, sizeof got);
            read_ns = clock_monotonic_ns();
        }
        turn_once();
    }
    cr_expect(talker.send_expired_count == 0 && talker.closed_count == 0);
    /* Now it takes nothing. */
    TURN_UNTIL(talker.closed_count == 1);
    cr_expect(talker.send_expired_count == 1);
    close_talker(&talker, fd);
}

/* --- connecting
 * ----------------------------------------------------------------------------------- */

ON_BOTH(conn, what_is_queued_before_it_is_connected_leaves_then)
{
    static struct talker talker;
    struct sockaddr_in address;
    uint8_t got[200];
    const int listening = testing_listen(&address);
    conn_hub_init(&hub, &loop);
    memset(&talker, 0, sizeof talker);
    conn_connect(&talker.conn, &hub, &lines, testing_socket(), (struct sockaddr *)&address,
                 sizeof address);
    conn_put(&talker.conn, (struct slice){NULL, pieces, 100});
    TURN_UNTIL(talker.connected_count == 1);
    cr_assert(talker.connected_error == 0);
    TURN_UNTIL(talker.conn.out_count == 0);
    const int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    cr_expect(read_all(fd, got, sizeof got) == 100);
    close(listening);
    close_talker(&talker, fd);
}

ON_BOTH(conn, a_refused_connection_is_told_and_closed_like_any_other)
{
    static struct talker talker;
    struct sockaddr_in address;
    close(testing_listen(&address));
    conn_hub_init(&hub, &loop);
    memset(&talker, 0, sizeof talker);
    conn_connect(&talker.conn, &hub, &lines, testing_socket(), (struct sockaddr *)&address,
                 sizeof address);
    conn_put(&talker.conn, (struct slice){NULL, pieces, 100});
    TURN_UNTIL(talker.connected_count == 1);
    cr_expect(talker.connected_error == ECONNREFUSED);
    close_talker(&talker, -1);
}

/* --- faults
 * -------------------------------------------------------------------------------------- */

#ifdef PANDO_FAULTS
static void do_without_memory(uint64_t nth)
{
    static struct talker talker;
    const int fd = open_talker(&talker);
    fault_fail_nth(FAULT_ALLOCATION, nth);
    say(fd, "first\nsec");
    turn_idle();
    say(fd, "ond\nthi");
    turn_idle();
    if (!talker.conn.sock.closing && talker.ended_count == 0) {
        uint8_t *at = conn_head_room(&talker.conn, 100);
        if (at != NULL) {
            memset(at, 'h', 100);
            conn_head_done(&talker.conn, 100);
        }
        at = conn_head_room(&talker.conn, 10000);
        if (at != NULL) {
            memset(at, 'h', 10000);
            conn_head_done(&talker.conn, 10000);
        }
        turn_idle();
    }
    if (talker.ended_count == 0)
        cr_expect(has_lines(&talker, "first\nsecond\n"), "allocation %d", (int)nth);
    else
        cr_expect(talker.ended_error == ENOMEM);
    fault_fail_nth(FAULT_ALLOCATION, 0);
    close_talker(&talker, fd);
}

/* A connection without memory ends with ENOMEM, or goes on if it
 * can; it never leaks, and is always closed. */
ON_BOTH(conn, every_allocation_may_fail)
{
    for (uint64_t nth = 1; nth <= 8; nth++)
        do_without_memory(nth);
}

ON_BOTH(conn, every_completion_may_fail)
{
    for (uint64_t nth = 1; nth <= 6; nth++) {
        static struct talker talker;
        const int fd = open_talker(&talker);
        fault_fail_nth(FAULT_COMPLETION, nth);
        say(fd, "first\n");
        turn_idle();
        for (int i = 0; i < 2 && talker.ended_count == 0; i++) {
            conn_put(&talker.conn, (struct slice){NULL, pieces, 100});
            turn_idle();
            say(fd, "more\n");
            turn_idle();
        }
        cr_expect((talker.ended_count > 0) == (nth <= 5), "completion %d", (int)nth);
        fault_fail_nth(FAULT_COMPLETION, 0);
        close_talker(&talker, fd);
    }
}
#endif
