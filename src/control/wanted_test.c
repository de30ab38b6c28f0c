/* SPDX-License-Identifier: Apache-2.0 */
/* control/wanted_test.c - what settings and DNS say becomes a list of targets. */
#include "control/wanted.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

static struct sockaddr_storage ip4(const char *host, uint16_t port)
{
    struct sockaddr_storage address = {0};
    struct sockaddr_in *in = (void *)&address;
    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    cr_assert(inet_pton(AF_INET, host, &in->sin_addr) == 1);
    return address;
}

static struct sockaddr_storage ip6(const char *host, uint16_t port)
{
    struct sockaddr_storage address = {0};
    struct sockaddr_in6 *in = (void *)&address;
    in->sin6_family = AF_INET6;
    in->sin6_port = htons(port);
    cr_assert(inet_pton(AF_INET6, host, &in->sin6_addr) == 1);
    return address;
}

Test(wanted, names_are_written_as_people_write_them)
{
    char name[128];
    const struct sockaddr_storage four = ip4("10.0.0.1", 3000), six = ip6("fd00::1", 80);
    struct sockaddr_storage path = {0};
    struct sockaddr_un *un = (void *)&path;
    un->sun_family = AF_UNIX;
    memset(un->sun_path, 'x', sizeof un->sun_path); /* as long as can be, without a NUL */
    wanted_write_name(name, &four, sizeof(struct sockaddr_in));
    cr_expect_str_eq(name, "10.0.0.1:3000");
    wanted_write_name(name, &six, sizeof(struct sockaddr_in6));
    cr_expect_str_eq(name, "[fd00::1]:80");
    wanted_write_name(name, &path, sizeof *un);
    cr_expect_eq(strlen(name), strlen("unix:") + sizeof un->sun_path);
}

Test(wanted, an_identity_is_of_service_and_address)
{
    const uint64_t one = wanted_identity("shop", "10.0.0.1:3000");
    cr_expect_eq(one, wanted_identity("shop", "10.0.0.1:3000"));
    cr_expect_neq(one, wanted_identity("shop", "10.0.0.1:3001"));
    cr_expect_neq(one, wanted_identity("blog", "10.0.0.1:3000"));
}

/* The order of the file, names in between, an address only once, records' weights before the
 * file's. */
Test(wanted, literals_and_names_make_one_list)
{
    const struct sockaddr_storage literal = ip4("10.0.0.2", 3000);
    struct dns_address at[] = {
        {ip4("10.0.0.1", 3000), sizeof(struct sockaddr_in), 7},
        {ip4("10.0.0.2", 3000), sizeof(struct sockaddr_in), 0},
        {ip6("::1", 3000), sizeof(struct sockaddr_in6), 0},
    };
    const struct dns_answer answer = {.at = at, .count = 3}, nothing_yet = {0};
    const struct wanted_source sources[] = {
        {.answer = &answer, .weight = 2, .zone = "eu/a", .place = {1, 0, 0}},
        {.answer = &nothing_yet, .weight = 1, .zone = ""},
        {.answer = NULL, .weight = 1, .zone = ""},
        {.socket = &literal, .socket_bytes = sizeof(struct sockaddr_in), .weight = 9, .zone = ""},
    };
    struct wanted list[8];
    cr_expect_eq(wanted_count_max(sources, 4), 4);
    cr_assert_eq(wanted_list("shop", sources, 4, list, 8), 3);
    cr_expect_str_eq(list[0].name, "10.0.0.1:3000");
    cr_expect_eq(list[0].weight, 7);
    cr_expect_str_eq(list[0].zone, "eu/a");
    cr_expect(list[0].place.x == 1);
    cr_expect_str_eq(list[1].name, "10.0.0.2:3000");
    cr_expect_eq(list[1].weight, 2, "the first line that names it counts");
    cr_expect_str_eq(list[2].name, "[::1]:3000");
    cr_expect_eq(wanted_list("shop", sources, 4, list, 2), 2, "no more than there is room");
}
