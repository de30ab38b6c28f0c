/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/resp_front_test.c - the order of answers, the bounds, and ends, over socket pairs
 * and a door that answers at once or keeps an op for as long as a test likes. */
#include "front/resp/resp_front.h"

#include "front/resp/resp_conn.h"
#include "loop/loop_testing.h"
#include "path/worker_row.h"

#include <stdio.h>

enum { HEARD_MAX = 4 * 1024 * 1024 };

static struct conn_hub hub;
static struct worker_row row;
static struct worker worker;

/* ---- below the front ---- */

static struct list kept; /* ops that wait */
static unsigned submitted_count;
static struct key_door below;

/* GET answers its key as often as "GET key*5" says, MGET its keys, EXEC all of its parts. */
static void answer(struct key_op *op)
{
    if (op->what == KEY_OP_EXEC) {
        resp_array(op->out, op->parts_count);
        for (uint32_t i = 0; i < op->parts_count; i++)
            answer(op->parts[i]);
    } else if (op->what == KEY_OP_COMMAND && op->command->number == COMMAND_IS_MGET) {
        resp_array(op->out, op->args_count - 1);
        for (uint32_t i = 1; i < op->args_count; i++)
            resp_bulk(op->out, op->args[i]);
    } else if (op->what == KEY_OP_COMMAND && op->command->number == COMMAND_IS_STRLEN) {
        resp_integer(op->out, (int64_t)op->args[1].count);
    } else if (op->what == KEY_OP_COMMAND) {
        resp_bulk(op->out, op->args[1]);
    } else {
        op->watch->place = op->what == KEY_OP_WATCH ? op->watch : NULL;
    }
}

/* A key that begins with a w waits; so does what may not overtake. */
static bool waits(const struct key_op *op)
{
    if (op->what == KEY_OP_EXEC)
        return waits(op->parts[0]);
    const uint8_t *key = op->what == KEY_OP_COMMAND ? op->args[1].at : op->watch->key;
    return key[0] == 'w' || op->is_behind;
}

static void submit(struct key_door *self, struct key_op *op)
{
    (void)self;
    submitted_count++;
    if (!waits(op)) {
        answer(op);
    } else if (op->is_apart || op->set_apart(op)) {
        list_add_last(&kept, &op->link);
        return;
    } else {
        resp_error(op->out, "OOM out of memory");
    }
    op->done(op);
}

static void finish_one(void)
{
    struct key_op *op = list_item(list_first(&kept), struct key_op, link);
    list_remove(&op->link);
    answer(op);
    op->done(op);
}

static unsigned released_count;
static void released(struct resp_path *path)
{
    (void)path;
    released_count++;
}

static _Atomic uint64_t clients_count;
static const struct hash_key hash_key = {{5, 6}};
static struct pubsub_hub channels;
static struct pubsub_worker pubsub;
static struct resp_node node;
static struct resp_path path = {
    .refs_count = 1,
    .released = released,
    .door = &below,
    .clients_count = &clients_count,
    .pubsub = &pubsub,
    .node = &node,
};

/* ---- beside it ---- */

static unsigned admitted_count;

static enum err_kind let_in(struct admission *self, const struct sockaddr *peer)
{
    (void)self;
    (void)peer;
    admitted_count++;
    return ERR_NONE;
}

static void left(struct admission *self, const struct sockaddr *peer)
{
    (void)self;
    (void)peer;
    admitted_count--;
}

static bool is_short(struct admission *self, int fd)
{
    (void)self;
    (void)fd;
    return false;
}

static void told(struct admission *self, bool pauses)
{
    (void)self;
    (void)pauses;
}

static struct admission admission = {let_in, left, is_short, told};

static struct resp_settings settings = {
#define X(field, name, kind, lowest, highest, preset, when, help) .field = preset,
    RESP_SETTINGS(X)
#undef X
};

/* ---- the front and its clients ---- */

static struct resp_front *front;
static int listening_fd;
static unsigned closed_count;

static void closed(void *self)
{
    (void)self;
    closed_count++;
    front = NULL;
}

static void open_front(void)
{
    struct sockaddr_in address;
    const struct resp_front_settings with = {.name = "data", .resp = &settings};
    list_init(&kept);
    below.submit = submit;
    conn_hub_init(&hub, &loop);
    pubsub_hub_init(&channels, &hash_key, 1);
    pubsub_worker_open(&pubsub, &channels, 0, &loop);
    worker = (struct worker){.loop = &loop, .hub = &hub, .now_ns = &loop.now_ns, .row = &row};
    listening_fd = testing_listen(&address);
    resp_node_init(&node);
    front = resp_front_new(&worker, &with, &path, &admission, listening_fd);
    cr_assert(front != NULL);
}

static void close_front(void)
{
    if (front != NULL)
        resp_front_stop(front, closed, NULL); /* the front may be gone after this */
    if (front != NULL)
        resp_front_abort(front);
    TURN_UNTIL(closed_count == 1);
    cr_expect(path.refs_count == 1 && released_count == 0 && admitted_count == 0);
    resp_node_fini(&node);
    conn_hub_fini(&hub);
    pubsub_worker_close(&pubsub);
    pubsub_hub_fini(&channels);
    close(listening_fd);
}

/* A client: the test's end of a pair whose other end has come in. */
static int connect_client(void)
{
    const struct sockaddr_storage peer = {.ss_family = AF_UNIX};
    int fds[2];
    testing_pair(fds);
    admitted_count++;
    cr_assert(front->door.kind->enter(&front->door, fds[0], &peer) != NULL);
    return fds[1];
}

static void say_bytes(int fd, const void *at, size_t bytes)
{
    cr_assert(send(fd, at, bytes, MSG_NOSIGNAL) == (ssize_t)bytes);
}

static void say(int fd, const char *text)
{
    say_bytes(fd, text, strlen(text));
}

/* GET of a key, as an array. */
static void say_get(int fd, const char *key)
{
    char text[128];
    (void)snprintf(text, sizeof text, "*2\r\n$3\r\nGET\r\n$%zu\r\n%s\r\n", strlen(key), key);
    say(fd, text);
}

static char *heard;
static size_t heard_bytes;

static void hear(int fd)
{
    if (heard == NULL)
        heard = (char *)testing_zeros(HEARD_MAX);
    const ssize_t count = recv(fd, heard + heard_bytes, HEARD_MAX - 1 - heard_bytes, 0);
    if (count > 0)
        heard_bytes += (size_t)count;
    heard[heard_bytes] = 0;
}

/* What the client gets next is just @text. */
static void expect_heard(int fd, const char *text)
{
    const size_t bytes = strlen(text);
    heard_bytes = 0;
    TURN_UNTIL((hear(fd), heard_bytes >= bytes));
    turn_once();
    hear(fd);
    cr_expect(strcmp(heard, text) == 0, "%.200s", heard);
}

static bool has_ended(int fd)
{
    char byte;
    return recv(fd, &byte, 1, 0) == 0;
}

ON_BOTH(resp_front, answers_in_the_order_of_the_commands)
{
    open_front();
    const int fd = connect_client();
    say_get(fd, "a");
    say_get(fd, "wait");
    say(fd, "PING\r\n");
    say_get(fd, "b");
    expect_heard(fd, "$1\r\na\r\n");
    cr_expect(submitted_count == 3 && front->waiting == 2, "what is behind may not overtake");
    finish_one();
    expect_heard(fd, "$4\r\nwait\r\n+PONG\r\n");
    finish_one();
    expect_heard(fd, "$1\r\nb\r\n");
    close(fd);
    close_front();
}

ON_BOTH(resp_front, keeps_the_arguments_of_an_op_that_waits)
{
    open_front();
    const int fd = connect_client();
    say(fd, "*4\r\n$4\r\nMGET\r\n$1\r\nw\r\n$0\r\n\r\n$3\r\nxyz\r\n");
    TURN_UNTIL(front->waiting == 1);
    say(fd, "*2\r\n$4\r\nECHO\r\n$3\r\n---\r\n"); /* over the bytes that were received */
    turn_idle();
    finish_one();
    expect_heard(fd, "*3\r\n$1\r\nw\r\n$0\r\n\r\n$3\r\nxyz\r\n$3\r\n---\r\n");
    close(fd);
    close_front();
}

ON_BOTH(resp_front, runs_commands_that_come_in_crumbs)
{
    static const char text[] = "*2\r\n$3\r\nGET\r\n$1\r\na\r\nPING\r\n";
    open_front();
    const int fd = connect_client();
    for (size_t i = 0; i < sizeof text - 1; i++) {
        say_bytes(fd, text + i, 1);
        turn_once();
    }
    expect_heard(fd, "$1\r\na\r\n+PONG\r\n");
    close(fd);
    close_front();
}

ON_BOTH(resp_front, gathers_a_large_argument_and_hands_it_on)
{
    enum { BYTES = 300000 };
    open_front();
    const int fd = connect_client();
    uint8_t *value = testing_zeros(BYTES);
    memset(value, 'w', BYTES);
    say(fd, "*2\r\n$6\r\nSTRLEN\r\n$300000\r\n");
    for (size_t at = 0; at < BYTES; at += 30000) {
        say_bytes(fd, value + at, 30000);
        turn_once();
    }
    struct resp_front_census census = {0};
    resp_front_count(front, &census);
    cr_expect(census.charged_bytes >= BYTES && census.charged_bytes < 3 * BYTES);
    say(fd, "\r\nPING\r\n");
    TURN_UNTIL(front->waiting == 1);
    finish_one();
    expect_heard(fd, ":300000\r\n+PONG\r\n");
    census = (struct resp_front_census){0};
    resp_front_count(front, &census);
    cr_expect(census.charged_bytes < 10000 && census.commands == 2);
    close(fd);
    munmap(value, BYTES);
    close_front();
}

ON_BOTH(resp_front, weaves_its_own_answers_into_those_of_a_transaction)
{
    open_front();
    const int fd = connect_client();
    for (int i = 0; i < 2; i++) {
        say(fd, "*1\r\n$5\r\nMULTI\r\n*2\r\n$4\r\nECHO\r\n$1\r\n1\r\n");
        say_get(fd, i == 0 ? "a" : "w");
        say(fd, "*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nEXEC\r\n");
        if (i == 1) {
            TURN_UNTIL(front->waiting == 1);
            finish_one();
        }
        expect_heard(fd, i == 0 ? "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n"
                                  "*3\r\n$1\r\n1\r\n$1\r\na\r\n+PONG\r\n"
                                : "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n"
                                  "*3\r\n$1\r\n1\r\n$1\r\nw\r\n+PONG\r\n");
    }
    close(fd);
    close_front();
}

ON_BOTH(resp_front, answers_an_error_for_an_answer_that_is_too_large)
{
    static const char error[] =
        "-ERR the answer is larger than 'answer-bytes' allows, or than there is memory for\r\n";
    char twice[2 * sizeof error];
    settings.answer_bytes = 200;
    open_front();
    const int fd = connect_client();
    char key[301];
    memset(key, 'a', 300);
    key[300] = 0;
    char text[400];
    (void)snprintf(text, sizeof text, "*2\r\n$3\r\nGET\r\n$300\r\n%s\r\nPING\r\n", key);
    say(fd, text);
    (void)snprintf(twice, sizeof twice, "%s+PONG\r\n", error);
    expect_heard(fd, twice);
    text[4 + 9 + 6] = 'w'; /* the same from one that waits */
    say(fd, text);
    TURN_UNTIL(front->waiting == 1);
    finish_one();
    expect_heard(fd, twice);
    close(fd);
    close_front();
}

/* How much is submitted stays bounded, and goes on when the client reads. */
ON_BOTH(resp_front, does_not_read_from_a_client_that_does_not_read)
{
    enum { COUNT = 4000, KEY = 100 };
    settings.unread_bytes = 20000;
    open_front();
    const int fd = connect_client();
    char key[KEY + 1];
    memset(key, 'k', KEY);
    key[KEY] = 0;
    unsigned said = 0;
    for (unsigned quiet = 0; quiet < 20 && said < COUNT;) {
        char text[KEY + 64];
        const int bytes = snprintf(text, sizeof text, "*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n", KEY, key);
        if (send(fd, text, (size_t)bytes, MSG_NOSIGNAL) == bytes)
            said++, quiet = 0;
        else
            turn_once(), quiet++;
    }
    struct resp_front_census census = {0};
    resp_front_count(front, &census);
    cr_expect(census.charged_bytes < 128 * 1024, "%lu", (unsigned long)census.charged_bytes);
    cr_expect(submitted_count < said && said < COUNT);
    size_t got = 0;
    TURN_UNTIL((heard_bytes = 0, hear(fd), got += heard_bytes, got == said * (KEY + 8)));
    cr_expect(submitted_count == said);
    close(fd);
    close_front();
}

ON_BOTH(resp_front, keeps_no_more_ops_under_way_than_it_may)
{
    settings.pipeline_depth = 4;
    open_front();
    const int fd = connect_client();
    for (int i = 0; i < 20; i++)
        say_get(fd, "w");
    TURN_UNTIL(front->waiting == 4);
    turn_idle();
    cr_expect(front->waiting == 4 && submitted_count == 4);
    for (unsigned answered = 0; answered < 20; answered++) {
        TURN_UNTIL(!list_is_empty(&kept));
        finish_one();
    }
    heard_bytes = 0;
    TURN_UNTIL((hear(fd), heard_bytes == 20 * strlen("$1\r\nw\r\n")));
    close(fd);
    close_front();
}

ON_BOTH(resp_front, ends_a_connection_whose_framing_is_lost)
{
    open_front();
    const int fd = connect_client();
    say_get(fd, "w");
    say(fd, "*1\r\n$-1\r\n*1\r\n$4\r\nPING\r\n");
    TURN_UNTIL(front->waiting == 1);
    finish_one();
    expect_heard(fd, "$1\r\nw\r\n-ERR Protocol error: invalid bulk length\r\n");
    TURN_UNTIL(has_ended(fd));
    close(fd);
    close_front();
}

ON_BOTH(resp_front, answers_what_was_asked_before_a_half_close)
{
    open_front();
    const int fd = connect_client();
    say_get(fd, "w");
    say(fd, "PING\r\n*2\r\n$3\r\nGE");
    cr_assert(shutdown(fd, SHUT_WR) == 0);
    TURN_UNTIL(front->waiting == 1);
    turn_idle();
    finish_one();
    expect_heard(fd, "$1\r\nw\r\n+PONG\r\n");
    TURN_UNTIL(has_ended(fd));
    close(fd);
    close_front();
}

ON_BOTH(resp_front, survives_a_client_that_goes_while_its_ops_wait)
{
    open_front();
    const int fd = connect_client();
    say(fd, "*2\r\n$5\r\nWATCH\r\n$1\r\nw\r\n");
    say_get(fd, "w");
    say(fd, "*1\r\n$5\r\nMULTI\r\n");
    say_get(fd, "w");
    say(fd, "*1\r\n$4\r\nEXEC\r\n");
    TURN_UNTIL(submitted_count == 3);
    say(fd, "PING\r\n");
    const int other = connect_client();
    say(other, "*2\r\n$6\r\nCLIENT\r\n$4\r\nLIST\r\n*4\r\n$6\r\nCLIENT\r\n$4\r\nKILL\r\n$2\r\n"
               "ID\r\n$1\r\n1\r\n");
    TURN_UNTIL(has_ended(fd));
    close(fd);
    close(other);
    TURN_UNTIL(front->door.guests_count == 0);
    resp_front_stop(front, closed, NULL);
    turn_idle();
    cr_expect(closed_count == 0, "its ops are under way");
    while (!list_is_empty(&kept))
        finish_one();
    close_front();
}

ON_BOTH(resp_front, stops_without_waiting_for_a_command_that_came_in_part)
{
    open_front();
    const int idle = connect_client(), half = connect_client(), busy = connect_client();
    say(half, "*2\r\n$3\r\nGET\r\n$100000\r\nabc");
    say_get(busy, "w");
    TURN_UNTIL(front->waiting == 1);
    resp_front_stop(front, closed, NULL);
    TURN_UNTIL(has_ended(idle) && has_ended(half));
    cr_expect(closed_count == 0);
    finish_one();
    expect_heard(busy, "$1\r\nw\r\n");
    close(idle);
    close(half);
    close(busy);
    close_front();
}

ON_BOTH(resp_front, changes_its_path_while_ops_are_under_way)
{
    struct resp_path other = path;
    const struct resp_front_settings with = {.name = "data", .resp = &settings};
    open_front();
    const int fd = connect_client();
    say_get(fd, "w");
    TURN_UNTIL(front->waiting == 1);
    resp_front_change(front, &with, &other);
    cr_expect(path.refs_count == 2 && other.refs_count == 2);
    finish_one();
    cr_expect(path.refs_count == 1, "the last op of the old path has let go of it");
    expect_heard(fd, "$1\r\nw\r\n");
    close(fd);
    close_front();
    cr_expect(other.refs_count == 1);
}

/* ---- messages ---- */

static void say_publish(int fd, const char *text)
{
    char words[256];
    (void)snprintf(words, sizeof words, "*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$%zu\r\n%s\r\n",
                   strlen(text), text);
    say(fd, words);
}

#define SUBSCRIBED "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n"
#define MESSAGE    "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n"

ON_BOTH(resp_front, puts_messages_behind_the_answers_that_are_due)
{
    open_front();
    const int fd = connect_client(), other = connect_client();
    say_get(fd, "w");
    say(fd, "*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nc\r\n");
    TURN_UNTIL(front->waiting == 1 && pubsub.subscriptions.count == 1);
    say_publish(other, "x");
    expect_heard(other, ":1\r\n");
    heard_bytes = 0;
    turn_idle();
    hear(fd);
    cr_expect(heard_bytes == 0, "GET is still under way");
    finish_one();
    expect_heard(fd, "$1\r\nw\r\n" SUBSCRIBED MESSAGE "$1\r\nx\r\n");
    say_publish(other, "y");
    expect_heard(fd, MESSAGE "$1\r\ny\r\n");
    close(fd);
    close(other);
    close_front();
}

ON_BOTH(resp_front, tells_who_publishes_to_himself_before_it_answers)
{
    open_front();
    const int fd = connect_client();
    say(fd, "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nc\r\n");
    TURN_UNTIL((hear(fd), heard_bytes > 4 && strcmp(heard + heard_bytes - 4, ":1\r\n") == 0));
    say_get(fd, "a");
    say_publish(fd, "x");
    say_get(fd, "b");
    expect_heard(fd, "$1\r\na\r\n>3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nx\r\n:1\r\n$1\r\nb\r\n");
    close(fd);
    close_front();
}

/* What it gets is whole messages, and its memory is bounded; those who read lose nothing. */
ON_BOTH(resp_front, closes_a_subscriber_that_does_not_read)
{
    struct pubsub_figures figures;
    struct resp_front_census census = {0};
    settings.unread_messages_bytes = 40000;
    open_front();
    const int slow = connect_client(), other = connect_client();
    char text[201];
    memset(text, 'm', 200);
    text[200] = 0;
    say(slow, "*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nc\r\n");
    expect_heard(slow, SUBSCRIBED);
    for (unsigned i = 0; i < 20000 && pubsub.subscriptions.count == 1; i++) {
        say_publish(other, text);
        heard_bytes = 0;
        TURN_UNTIL((hear(other), heard_bytes > 0));
        census = (struct resp_front_census){0};
        resp_front_count(front, &census);
        cr_assert(census.charged_bytes_max < 120000, "%lu",
                  (unsigned long)census.charged_bytes_max);
    }
    pubsub_hub_count(&channels, &figures);
    cr_expect(figures.closed == 1 && figures.subscriptions == 0);
    say_publish(other, text);
    expect_heard(other, ":0\r\n");
    close(slow);
    close(other);
    close_front();
}

ON_BOTH(resp_front, shares_a_large_message)
{
    enum { BYTES = 400000, READERS = 5 };
    int fds[READERS];
    open_front();
    for (unsigned i = 0; i < READERS; i++) {
        fds[i] = connect_client();
        say(fds[i], "*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nc\r\n");
        expect_heard(fds[i], SUBSCRIBED);
    }
    uint8_t *large = testing_zeros(BYTES);
    memset(large, 'l', BYTES);
    const struct pubsub_text text = {
        PUBSUB_CHANNEL, {(const uint8_t *)"c", 1}, {large, BYTES}, true};
    struct pubsub_subscriber nobody;
    uint64_t count;
    pubsub_subscriber_init(&nobody, NULL);
    cr_assert(pubsub_publish(&pubsub, &nobody, &text, &count) && count == READERS);
    pubsub_hand_on(&pubsub);
    for (unsigned i = 0; i < READERS; i++) {
        const size_t head_bytes = sizeof MESSAGE - 1 + strlen("$400000\r\n");
        heard_bytes = 0;
        TURN_UNTIL((hear(fds[i]), heard_bytes >= head_bytes + BYTES + 2));
        cr_expect(heard_bytes == head_bytes + BYTES + 2);
        cr_expect(memcmp(heard, MESSAGE "$400000\r\n", head_bytes) == 0);
        cr_expect(memcmp(heard + head_bytes, large, BYTES) == 0);
        close(fds[i]);
    }
    munmap(large, BYTES);
    close_front();
}

#ifdef PANDO_FAULTS
/* It gets the message whole, or nothing and is closed. */
ON_BOTH(resp_front, closes_a_subscriber_whose_message_finds_no_memory)
{
    enum { BYTES = 20000 };
    struct pubsub_subscriber nobody;
    unsigned closed_here = 0;
    uint64_t count, seen = 0;
    uint8_t *large = testing_zeros(BYTES);
    const struct pubsub_text text = {
        PUBSUB_CHANNEL, {(const uint8_t *)"c", 1}, {large, BYTES}, true};
    memset(large, 'l', BYTES);
    pubsub_subscriber_init(&nobody, NULL);
    open_front();
    for (uint64_t nth = 1; nth == 1 || seen >= nth - 1; nth++) {
        const int fd = connect_client();
        say(fd, "*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nc\r\n");
        expect_heard(fd, SUBSCRIBED);
        fault_fail_nth(FAULT_ALLOCATION, nth);
        if (pubsub_publish(&pubsub, &nobody, &text, &count))
            pubsub_hand_on(&pubsub);
        seen = fault_seen(FAULT_ALLOCATION);
        fault_fail_nth(FAULT_ALLOCATION, 0);
        const bool is_closed = pubsub.subscriptions.count == 0;
        closed_here += is_closed;
        heard_bytes = 0;
        if (is_closed)
            TURN_UNTIL(has_ended(fd));
        else if (nth > 1) /* the first is the message itself */
            TURN_UNTIL(
                (hear(fd), heard_bytes == sizeof MESSAGE - 1 + BYTES + strlen("$20000\r\n\r\n")));
        close(fd);
        TURN_UNTIL(front->door.guests_count == 0);
    }
    cr_expect(closed_here >= 2, "%u", closed_here);
    munmap(large, BYTES);
    close_front();
}
#endif
