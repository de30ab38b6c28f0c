/* SPDX-License-Identifier: Apache-2.0 */
/* main/supervisor/wire_test.c - messages and descriptors over a pair; the server's end of it. */
#include "main/supervisor/wire.h"

#include "main/supervisor_client.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct pair {
    int ours, theirs;
};

static struct pair open_pair(void)
{
    int fds[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
    return (struct pair){fds[0], fds[1]};
}

/* The server's end, as if the supervisor had started this process. */
static struct supervisor_client *client_of(const struct pair *pair)
{
    char number[16];
    (void)snprintf(number, sizeof number, "%d", pair->theirs);
    (void)setenv(SUPERVISOR_FD_VARIABLE, number, 1);
    struct supervisor_client *client = supervisor_client_new();
    cr_assert_not_null(client);
    return client;
}

static void answer(const struct pair *pair, uint32_t serial, enum err_kind kind, int fd)
{
    struct supervisor_message message = {.version = SUPERVISOR_WIRE_VERSION,
                                         .word = SUPERVISOR_SOCKET,
                                         .serial = serial,
                                         .kind = kind,
                                         .story = "the reason"};
    cr_assert(supervisor_send(pair->ours, &message, fd, 0));
}

static struct supervisor_message next(const struct pair *pair)
{
    struct supervisor_message message = {0};
    int fd;
    cr_assert_eq(supervisor_receive(pair->ours, &message, &fd, MSG_DONTWAIT),
                 SUPERVISOR_GOT_MESSAGE);
    cr_expect_eq(fd, -1);
    return message;
}

static struct config_address address_of(const char *text, char *room)
{
    struct config_address address = {0};
    cr_assert_null(config_address_read(&address, text, CONFIG_ADDRESS_LISTEN, room));
    return address;
}

Test(supervisor_wire, carries_a_descriptor_beside_a_message)
{
    const struct pair pair = open_pair();
    int pipe_fds[2], fd;
    char byte = 0;
    struct supervisor_message message;
    cr_assert_eq(pipe(pipe_fds), 0);
    answer(&pair, 7, ERR_NONE, pipe_fds[1]);
    cr_assert_eq(supervisor_receive(pair.theirs, &message, &fd, 0), SUPERVISOR_GOT_MESSAGE);
    cr_expect_eq(message.serial, 7);
    cr_expect_neq(fd, pipe_fds[1]);
    cr_expect_eq(write(fd, "x", 1), 1);
    cr_expect_eq(read(pipe_fds[0], &byte, 1), 1);
    cr_expect_eq(byte, 'x');
}

Test(supervisor_wire, tells_nothing_nonsense_and_the_end_apart)
{
    const struct pair pair = open_pair();
    struct supervisor_message message = {.version = SUPERVISOR_WIRE_VERSION + 1};
    int fd;
    cr_expect_eq(supervisor_receive(pair.theirs, &message, &fd, MSG_DONTWAIT),
                 SUPERVISOR_GOT_NOTHING);
    message.version = SUPERVISOR_WIRE_VERSION + 1;
    cr_assert(supervisor_send(pair.ours, &message, -1, 0));
    cr_expect_eq(supervisor_receive(pair.theirs, &message, &fd, 0), SUPERVISOR_GOT_NONSENSE);
    cr_assert_eq(send(pair.ours, "short", 5, 0), 5);
    cr_expect_eq(supervisor_receive(pair.theirs, &message, &fd, 0), SUPERVISOR_GOT_NONSENSE);
    close(pair.ours);
    cr_expect_eq(supervisor_receive(pair.theirs, &message, &fd, 0), SUPERVISOR_GOT_END);
    cr_expect_not(supervisor_send(pair.theirs, &message, -1, 0));
}

/* A user's environment may hold anything. */
Test(supervisor_client, is_nothing_without_a_pair)
{
    const char *values[] = {"", "x", "-1", "3x", "99999999999", "0", "250"};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        (void)setenv(SUPERVISOR_FD_VARIABLE, values[i], 1);
        cr_expect_null(supervisor_client_new(), "%s", values[i]);
        cr_expect_null(getenv(SUPERVISOR_FD_VARIABLE));
    }
    cr_expect_null(supervisor_client_new());
}

/* The answers lie in the pair before the question is asked: nothing here waits. */
Test(supervisor_client, asks_by_an_address_in_its_one_spelling)
{
    const struct {
        const char *text, *key;
    } rows[] = {
        {"127.0.0.1:8080", "tcp 127.0.0.1:8080 #3"},
        {"localhost:8080", "tcp 127.0.0.1:8080 #3"},
        {"[::1]:80", "tcp [::1]:80 #3"},
        {"[0:0:0::1]:80", "tcp [::1]:80 #3"},
        {":80", "tcp :80 #3"},
    };
    const struct pair pair = open_pair();
    struct supervisor_client *client = client_of(&pair);
    char room[128];
    int fd;
    for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct config_address address = address_of(rows[i].text, room);
        struct err e = {0};
        answer(&pair, i + 1, ERR_SYSTEM, -1);
        cr_expect_eq(supervisor_listen(client, &address, 3, 64, &fd, &e), ERR_SYSTEM);
        cr_expect_str_eq(e.story, "the reason");
        cr_expect_str_eq(next(&pair).key, rows[i].key);
    }
    supervisor_client_free(client);
}

/* The answer to a question that was given up may still come. */
Test(supervisor_client, passes_over_late_answers)
{
    const struct pair pair = open_pair();
    struct supervisor_client *client = client_of(&pair);
    char room[128];
    const struct config_address address = address_of("127.0.0.1:80", room);
    int fd, zero_fds[2];
    cr_assert_eq(pipe(zero_fds), 0);
    answer(&pair, 0, ERR_NONE, zero_fds[0]);
    answer(&pair, 1, ERR_NONE, zero_fds[1]);
    cr_assert_eq(supervisor_listen(client, &address, 0, 64, &fd, NULL), ERR_NONE);
    cr_expect_eq(write(fd, "x", 1), 1); /* it is the writing end */
    (void)next(&pair);
    supervisor_release(client, fd);
    const struct supervisor_message message = next(&pair);
    cr_expect_eq(message.word, SUPERVISOR_RELEASE);
    cr_expect_str_eq(message.key, "tcp 127.0.0.1:80 #0");
    supervisor_client_free(client);
}

Test(supervisor_client, sees_the_supervisor_go)
{
    const struct pair pair = open_pair();
    struct supervisor_client *client = client_of(&pair);
    struct pollfd watch = {.fd = supervisor_watch_fd(client)};
    char room[128];
    const struct config_address address = address_of("127.0.0.1:80", room);
    struct err e = {0};
    int fd;
    cr_expect_eq(poll(&watch, 1, 0), 0);
    close(pair.ours);
    cr_expect_eq(poll(&watch, 1, 0), 1);
    cr_expect_eq(supervisor_listen(client, &address, 0, 64, &fd, &e), ERR_SYSTEM);
    cr_expect_str_eq(e.story, "the supervisor does not answer");
    supervisor_ready(client); /* nobody hears it; nothing happens */
    supervisor_client_free(client);
}
