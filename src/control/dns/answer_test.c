/* SPDX-License-Identifier: Apache-2.0 */
/* control/dns/answer_test.c - DNS messages, records and answers. */
#include "control/dns/answer.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* A question for _h._tcp.x, answered by an alias and two records; the second's host is a pointer
 * into the first. */
static const uint8_t message[] = {
    0x12, 0x34, 0x81, 0x80, 0,    1,    0,    3,   0, 0,   0, 0,              /* 0: header */
    2,    '_',  'h',  4,    '_',  't',  'c',  'p', 1, 'x', 0, 0,  33, 0,   1, /* 12: question */
    0xc0, 12,   0,    5,    0,    1,    0,    0,   0, 9,   0, 4,  1,  'y', 0xc0,
    20,                                                           /* 27: alias, TTL 9 */
    0xc0, 12,   0,    33,   0,    1,    0,    0,   0, 60,  0, 11, /* 43: SRV, TTL 60 */
    0,    1,    0,    5,    0x1f, 0x90, 1,    'a', 1, 'x', 0,     /* 55: 1 5 8080 a.x */
    0xc0, 12,   0,    33,   0,    1,    0,    0,   0, 30,  0, 8,  /* 66: SRV, TTL 30 */
    0,    2,    0,    0,    0,    80,   0xc0, 61,                 /* 78: 2 0 80 a.x */
};

Test(dns_records, are_read_with_pointers_and_the_least_ttl)
{
    struct dns_record records[4];
    cr_assert_eq(dns_read_records(message, sizeof message, records, 4), 2);
    cr_expect_str_eq(records[0].host, "a.x");
    cr_expect(records[0].priority == 1 && records[0].weight == 5 && records[0].port == 8080);
    cr_expect_str_eq(records[1].host, "a.x");
    cr_expect(records[1].priority == 2 && records[1].port == 80);
    cr_expect_eq(records[0].ttl_s, 9, "the alias is forgotten first");
    cr_expect_eq(dns_read_records(message, sizeof message, records, 1), 1);
}

/* However it is cut or bent, reading ends, within its bytes (the sanitizers look on). */
Test(dns_records, broken_messages_are_refused)
{
    struct dns_record records[4];
    for (size_t bytes = 0; bytes < sizeof message; bytes++) {
        uint8_t *cut = malloc(bytes + 1);
        memcpy(cut, message, bytes);
        cr_expect_eq(dns_read_records(cut, bytes, records, 4), -1, "cut at %zu", bytes);
        free(cut);
    }
    for (size_t at = 0; at < sizeof message; at++) {
        uint8_t bent[sizeof message];
        for (unsigned value = 0; value < 256; value++) {
            memcpy(bent, message, sizeof message);
            bent[at] = (uint8_t)value;
            cr_assert_leq(dns_read_records(bent, sizeof bent, records, 4), 3);
        }
    }
}

Test(dns_records, a_pointer_to_itself_is_refused)
{
    uint8_t bent[sizeof message];
    struct dns_record records[4];
    memcpy(bent, message, sizeof message);
    bent[sizeof bent - 1] = sizeof bent - 2;
    cr_expect_eq(dns_read_records(bent, sizeof bent, records, 4), -1);
}

Test(dns_records, the_lowest_priority_is_chosen)
{
    struct dns_record records[] = {{.priority = 2, .port = 1},
                                   {.priority = 1, .port = 2, .weight = 3},
                                   {.priority = 1, .port = 3, .weight = 0}};
    cr_assert_eq(dns_choose_records(records, 3), 2);
    cr_expect(records[0].port == 2 && records[0].weight == 3);
    cr_expect(records[1].port == 3 && records[1].weight == 1, "0 still means a few");
}

Test(dns_records, large_weights_keep_their_proportion)
{
    struct dns_record records[] = {{.weight = 60000}, {.weight = 30000}, {.weight = 1}};
    cr_assert_eq(dns_choose_records(records, 3), 3);
    cr_expect(records[0].weight == 256 && records[1].weight == 128 && records[2].weight == 1);
}

Test(dns_records, no_weights_leave_it_to_the_file)
{
    struct dns_record records[] = {{.port = 1}, {.port = 2}};
    cr_assert_eq(dns_choose_records(records, 2), 2);
    cr_expect(records[0].weight == 0 && records[1].weight == 0);
    cr_expect_eq(dns_choose_records(records, 0), 0);
}

static struct dns_address address(uint32_t host, uint16_t port)
{
    struct dns_address address = {.bytes = sizeof(struct sockaddr_in)};
    struct sockaddr_in *in = (void *)&address.address;
    in->sin_family = AF_INET;
    in->sin_addr.s_addr = htonl(host);
    in->sin_port = htons(port);
    return address;
}

/* Servers rotate their answers; that is no change. */
Test(dns_answer, order_and_doubles_do_not_matter)
{
    struct dns_answer one = {0}, other = {0};
    for (uint32_t i = 0; i < 20; i++) {
        const struct dns_address a = address(i, 80), b = address(19 - i, 80);
        cr_assert(dns_answer_add(&one, &a) && dns_answer_add(&other, &b) &&
                  dns_answer_add(&other, &b));
    }
    dns_answer_sort(&one);
    dns_answer_sort(&other);
    cr_expect_eq(other.count, 20);
    cr_expect(dns_answer_same(&one, &other));
    other.at[3].weight = 2;
    cr_expect_not(dns_answer_same(&one, &other));
    dns_answer_fini(&one);
    dns_answer_fini(&other);
}

Test(dns_answer, no_more_than_its_bound)
{
    struct dns_answer answer = {0};
    for (uint32_t i = 0; i < DNS_ADDRESSES_MAX; i++) {
        const struct dns_address a = address(i, 80);
        cr_assert(dns_answer_add(&answer, &a));
    }
    const struct dns_address more = address(1, 81);
    cr_expect_not(dns_answer_add(&answer, &more));
    dns_answer_fini(&answer);
}

Test(dns_answer, times_are_bounded)
{
    cr_expect_eq(dns_ttl_bounded(-1), DNS_TTL_S_MIN);
    cr_expect_eq(dns_ttl_bounded(0), DNS_TTL_S_MIN);
    cr_expect_eq(dns_ttl_bounded(30), 30);
    cr_expect_eq(dns_ttl_bounded(INT32_MAX), DNS_TTL_S_MAX);
    cr_expect_eq(dns_retry_s(1), 1);
    cr_expect_eq(dns_retry_s(4), 8);
    cr_expect_eq(dns_retry_s(UINT32_MAX), DNS_RETRY_S_MAX);
}
