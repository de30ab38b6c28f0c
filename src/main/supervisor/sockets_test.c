/* SPDX-License-Identifier: Apache-2.0 */
/* main/supervisor/sockets_test.c - claims on listening sockets, with unix sockets in a folder of
 * their own, and the messages that ask for them. */
#include "main/supervisor/sockets.h"

#include "core/mem.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static void make_folder(void)
{
    (void)snprintf(folder, sizeof folder, "/tmp/pando-sockets-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

static void remove_folder(void)
{
    char command[96];
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(supervisor_sockets, .init = make_folder, .fini = remove_folder);

/* Asks for the unix socket @name in the folder. */
static struct supervisor_message asks_for(const char *name)
{
    struct supervisor_message message = {.version = SUPERVISOR_WIRE_VERSION,
                                         .word = SUPERVISOR_LISTEN,
                                         .address_bytes = sizeof(struct sockaddr_un),
                                         .backlog = 8,
                                         .mode = 0600};
    struct sockaddr_un *address = (struct sockaddr_un *)(void *)&message.address;
    address->sun_family = AF_UNIX;
    (void)snprintf(address->sun_path, sizeof address->sun_path, "%s/%s", folder, name);
    (void)snprintf(message.key, sizeof message.key, "unix %s", address->sun_path);
    return message;
}

static const char *path_of(const struct supervisor_message *message)
{
    return ((const struct sockaddr_un *)(const void *)&message->address)->sun_path;
}

static int claim(struct supervisor_sockets *sockets, const struct supervisor_message *message,
                 unsigned place)
{
    struct err e = {0};
    int fd = -1;
    cr_assert_eq(supervisor__sockets_claim(sockets, message, place, &fd, &e), ERR_NONE, "%s",
                 e.story);
    return fd;
}

static bool can_connect(const struct supervisor_message *message)
{
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const bool ok =
        connect(fd, (const struct sockaddr *)&message->address, message->address_bytes) == 0;
    close(fd);
    return ok;
}

Test(supervisor_sockets, gives_the_same_socket_to_all_who_ask)
{
    struct supervisor_sockets sockets = {0};
    const struct supervisor_message message = asks_for("a");
    const int fd = claim(&sockets, &message, 0);
    cr_expect_eq(claim(&sockets, &message, 1), fd);
    cr_expect(can_connect(&message));
    supervisor__sockets_fini(&sockets);
}

/* The server that held it died; the next one is to find it. */
Test(supervisor_sockets, keeps_a_socket_until_the_sweep)
{
    struct supervisor_sockets sockets = {0};
    const struct supervisor_message message = asks_for("a");
    const int fd = claim(&sockets, &message, 0);
    supervisor__sockets_drop(&sockets, 0);
    cr_expect(can_connect(&message));
    cr_expect_eq(claim(&sockets, &message, 1), fd);
    supervisor__sockets_sweep(&sockets);
    cr_expect(can_connect(&message));
    supervisor__sockets_drop(&sockets, 1);
    supervisor__sockets_sweep(&sockets);
    cr_expect_eq(access(path_of(&message), F_OK), -1);
    supervisor__sockets_fini(&sockets);
}

/* A listener that is renamed in a reload asks for its address a second time before it lets go. */
Test(supervisor_sockets, counts_the_claims_of_one_server)
{
    struct supervisor_sockets sockets = {0};
    const struct supervisor_message message = asks_for("a");
    (void)claim(&sockets, &message, 2);
    (void)claim(&sockets, &message, 2);
    supervisor__sockets_release(&sockets, message.key, 2);
    supervisor__sockets_sweep(&sockets);
    cr_expect(can_connect(&message));
    supervisor__sockets_release(&sockets, message.key, 2);
    supervisor__sockets_release(&sockets, message.key, 2);
    supervisor__sockets_sweep(&sockets);
    cr_expect_not(can_connect(&message));
    supervisor__sockets_fini(&sockets);
}

/* So that one may watch over the control socket how a server ends. */
Test(supervisor_sockets, leaves_a_draining_server_its_unix_socket)
{
    struct supervisor_sockets sockets = {0};
    const struct supervisor_message message = asks_for("a");
    (void)claim(&sockets, &message, 0);
    supervisor__sockets_retire(&sockets, 0);
    supervisor__sockets_sweep(&sockets);
    cr_expect(can_connect(&message));
    supervisor__sockets_fini(&sockets);
}

Test(supervisor_sockets, makes_folders_and_a_file_for_its_owner_alone)
{
    struct supervisor_sockets sockets = {0};
    const struct supervisor_message message = asks_for("run/pando/a");
    struct stat file;
    (void)claim(&sockets, &message, 0);
    cr_assert_eq(stat(path_of(&message), &file), 0);
    cr_expect_eq(file.st_mode & 0777, 0600);
    supervisor__sockets_fini(&sockets);
}

Test(supervisor_sockets, replaces_what_a_killed_process_left)
{
    struct supervisor_sockets dead = {0}, sockets = {0};
    const struct supervisor_message message = asks_for("a");
    close(claim(&dead, &message, 0)); /* closed, but its file is there still */
    cr_expect_eq(access(path_of(&message), F_OK), 0);
    (void)claim(&sockets, &message, 0);
    cr_expect(can_connect(&message));
    supervisor__sockets_fini(&sockets);
    mem_free(dead.at);
}

Test(supervisor_sockets, refuses_a_path_on_which_another_answers)
{
    struct supervisor_sockets other = {0}, sockets = {0};
    const struct supervisor_message message = asks_for("a");
    struct err e = {0};
    int fd = -1;
    (void)claim(&other, &message, 0);
    cr_expect_neq(supervisor__sockets_claim(&sockets, &message, 0, &fd, &e), ERR_NONE);
    cr_expect(strstr(e.story, "another Pando answers on ") == e.story, "%s", e.story);
    supervisor__sockets_fini(&sockets);
    cr_expect(can_connect(&message));
    supervisor__sockets_fini(&other);
}

Test(supervisor_sockets, never_removes_a_file_that_is_no_socket)
{
    struct supervisor_sockets sockets = {0};
    const struct supervisor_message message = asks_for("a");
    struct err e = {0};
    int fd = open(path_of(&message), O_CREAT | O_WRONLY, 0600);
    close(fd);
    cr_expect_neq(supervisor__sockets_claim(&sockets, &message, 0, &fd, &e), ERR_NONE);
    cr_expect_not_null(strstr(e.story, "is no socket"), "%s", e.story);
    cr_expect_eq(access(path_of(&message), F_OK), 0);
    supervisor__sockets_fini(&sockets);
}

/* Another process took the path meanwhile: its file is not ours to remove. */
Test(supervisor_sockets, leaves_the_file_of_a_successor)
{
    struct supervisor_sockets sockets = {0}, successor = {0};
    const struct supervisor_message message = asks_for("a");
    (void)claim(&sockets, &message, 0);
    cr_assert_eq(unlink(path_of(&message)), 0);
    (void)claim(&successor, &message, 0);
    supervisor__sockets_fini(&sockets);
    cr_expect(can_connect(&message));
    supervisor__sockets_fini(&successor);
}

/* The message comes from another process, whose every byte may be wrong. */
Test(supervisor_sockets, refuses_addresses_that_it_does_not_understand)
{
    struct supervisor_sockets sockets = {0};
    struct supervisor_message message = asks_for("a");
    struct sockaddr_un *address = (struct sockaddr_un *)(void *)&message.address;
    int fd = -1;
    memset(address->sun_path, 'x', sizeof address->sun_path); /* no end */
    cr_expect_eq(supervisor__sockets_claim(&sockets, &message, 0, &fd, NULL), ERR_INPUT);
    address->sun_path[0] = '\0';
    cr_expect_eq(supervisor__sockets_claim(&sockets, &message, 0, &fd, NULL), ERR_INPUT);
    message.address.ss_family = AF_INET;
    message.address_bytes = sizeof(struct sockaddr_in) - 1;
    cr_expect_eq(supervisor__sockets_claim(&sockets, &message, 0, &fd, NULL), ERR_INPUT);
    message.address.ss_family = AF_PACKET;
    cr_expect_eq(supervisor__sockets_claim(&sockets, &message, 0, &fd, NULL), ERR_INPUT);
    supervisor__sockets_fini(&sockets);
}
