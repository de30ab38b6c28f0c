/* SPDX-License-Identifier: Apache-2.0 */
/* admit/admit_test.c - the limits on connections and clients, against a model that only counts. */
#include "admit/admit.h"

#include "core/mem.h"
#include "core/random.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

static struct admit admit;
static struct admit_settings settings;
static struct admission *door = &admit.admission;

static void start(uint32_t connections, uint32_t per_client)
{
    settings = (struct admit_settings){
        .connections = connections,
        .connections_per_client = per_client,
        .descriptors_kept = 8,
    };
    cr_assert(admit_init(&admit, &settings, (struct hash_key){.k = {1, 2}}));
}

static struct sockaddr_storage address(const char *text)
{
    struct sockaddr_storage storage = {0};
    struct sockaddr_in *in = (void *)&storage;
    struct sockaddr_in6 *in6 = (void *)&storage;
    if (inet_pton(AF_INET, text, &in->sin_addr) == 1)
        in->sin_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1)
        in6->sin6_family = AF_INET6;
    else
        storage.ss_family = AF_UNIX;
    return storage;
}

static enum err_kind enter(const char *text)
{
    const struct sockaddr_storage peer = address(text);
    return door->connection(door, (const struct sockaddr *)&peer);
}

static void leave(const char *text)
{
    const struct sockaddr_storage peer = address(text);
    door->left(door, (const struct sockaddr *)&peer);
}

Test(admit, lets_in_up_to_its_limit)
{
    start(2, 100);
    cr_expect(enter("10.0.0.1") == ERR_NONE);
    cr_expect(enter("10.0.0.2") == ERR_NONE);
    cr_expect(enter("10.0.0.3") == ERR_LIMIT);
    leave("10.0.0.1");
    cr_expect(enter("10.0.0.3") == ERR_NONE);
    cr_expect(admit.connections == 2 && admit.clients_count == 2);
    admit_fini(&admit);
}

Test(admit, one_client_cannot_take_all)
{
    start(100, 2);
    cr_expect(enter("10.0.0.1") == ERR_NONE);
    cr_expect(enter("10.0.0.1") == ERR_NONE);
    cr_expect(enter("10.0.0.1") == ERR_CLIENT_LIMIT);
    cr_expect(admit.connections == 2, "a refused one does not count");
    cr_expect(enter("10.0.0.2") == ERR_NONE);
    leave("10.0.0.1");
    cr_expect(enter("10.0.0.1") == ERR_NONE);
    admit_fini(&admit);
}

/* Who is given a /64 has 2^64 addresses; it is one client. */
Test(admit, an_ipv6_client_is_its_64)
{
    start(100, 2);
    cr_expect(enter("2001:db8::1") == ERR_NONE);
    cr_expect(enter("2001:db8::ffff:ffff:ffff:ffff") == ERR_NONE);
    cr_expect(enter("2001:db8::2") == ERR_CLIENT_LIMIT);
    cr_expect(enter("2001:db8:0:1::1") == ERR_NONE, "another network");
    leave("2001:db8::abcd");
    cr_expect(enter("2001:db8::3") == ERR_NONE);
    admit_fini(&admit);
}

Test(admit, a_mapped_ipv4_address_is_that_address)
{
    start(100, 1);
    cr_expect(enter("10.0.0.1") == ERR_NONE);
    cr_expect(enter("::ffff:10.0.0.1") == ERR_CLIENT_LIMIT);
    cr_expect(enter("::ffff:10.0.0.2") == ERR_NONE);
    leave("::ffff:10.0.0.1");
    cr_expect(admit.clients_count == 1);
    admit_fini(&admit);
}

Test(admit, those_of_a_unix_socket_are_one_client)
{
    start(100, 2);
    cr_expect(enter("unix") == ERR_NONE);
    cr_expect(enter("unix") == ERR_NONE);
    cr_expect(enter("unix") == ERR_CLIENT_LIMIT);
    admit_fini(&admit);
}

Test(admit, limits_may_change_while_clients_are_in)
{
    start(10, 10);
    for (int i = 0; i < 5; i++)
        cr_assert(enter("10.0.0.1") == ERR_NONE);
    settings.connections = 3;
    admit_change(&admit, &settings);
    cr_expect(enter("10.0.0.2") == ERR_LIMIT);
    for (int i = 0; i < 3; i++)
        leave("10.0.0.1");
    cr_expect(enter("10.0.0.2") == ERR_NONE);
    settings.connections = 10;
    settings.connections_per_client = 1;
    admit_change(&admit, &settings);
    cr_expect(enter("10.0.0.2") == ERR_CLIENT_LIMIT);
    admit_fini(&admit);
}

Test(admit, leaving_without_having_entered_is_a_bug, .signal = SIGABRT)
{
    start(10, 10);
    leave("10.0.0.1");
}

Test(admit, fini_accepts_zero)
{
    struct admit zero = {0};
    admit_fini(&zero);
}

/* --- the table
 * ------------------------------------------------------------------------------------ */

enum { CLIENTS = 400, STEPS = 100000 };

static const char *client_name(uint32_t client)
{
    static char text[64];
    snprintf(text, sizeof text, "10.%u.%u.1", client / 256, client % 256);
    return text;
}

/* Every client's count in the table is the model's, and it is found from where its hash points. */
static void check_table(const uint32_t counts[CLIENTS])
{
    uint32_t in_table = 0, in_model = 0;
    for (uint32_t i = 0; i < admit.table_size; i++)
        in_table += admit.table[i].count > 0;
    for (uint32_t i = 0; i < CLIENTS; i++)
        in_model += counts[i] > 0;
    cr_assert(in_table == in_model && in_table == admit.clients_count);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        uint8_t key[16] = {[10] = 0xff, [11] = 0xff, [12] = 10};
        key[13] = (uint8_t)(i / 256);
        key[14] = (uint8_t)(i % 256);
        key[15] = 1;
        uint32_t place = (uint32_t)hash_sip13(&admit.key, key, 16) & (admit.table_size - 1);
        while (admit.table[place].count > 0 && memcmp(admit.table[place].address, key, 16) != 0)
            place = (place + 1) & (admit.table_size - 1);
        cr_assert(admit.table[place].count == counts[i], "client %u", i);
    }
}

/* Removal moves what follows into the hole: no client is
 * lost or counted twice, and no place leaks. */
Test(admit, the_table_agrees_with_a_model)
{
    static uint32_t counts[CLIENTS];
    struct random random;
    random_init(&random, 1);
    start(1000000, 3);
    for (int step = 0; step < STEPS; step++) {
        /* The crowd grows and shrinks, so that the table is crossed in every direction. */
        const uint32_t likely = step / 10000 % 2 == 0 ? 6 : 4;
        const uint32_t client = random_below(random_next(&random), CLIENTS);
        if (random_below(random_next(&random), 10) < likely) {
            const enum err_kind kind = enter(client_name(client));
            cr_assert(kind == (counts[client] < 3 ? ERR_NONE : ERR_CLIENT_LIMIT));
            counts[client] += kind == ERR_NONE;
        } else if (counts[client] > 0) {
            leave(client_name(client));
            counts[client]--;
        }
        if (step % 1000 == 0)
            check_table(counts);
    }
    check_table(counts);
    for (uint32_t i = 0; i < CLIENTS; i++)
        for (; counts[i] > 0; counts[i]--)
            leave(client_name(i));
    cr_expect(admit.clients_count == 0 && admit.connections == 0);
    for (uint32_t i = 0; i < admit.table_size; i++)
        cr_expect(admit.table[i].count == 0);
    admit_fini(&admit);
}

Test(admit, the_table_is_at_most_half_full)
{
    start(1000000, 1);
    for (uint32_t i = 0; i < 5000; i++) {
        cr_assert(enter(client_name(i)) == ERR_NONE);
        cr_assert(admit.clients_count <= admit.table_size / 2);
    }
    admit_fini(&admit);
}

#ifdef PANDO_FAULTS
/* A table that cannot grow refuses new clients and nobody else. */
Test(admit, without_memory_the_known_clients_still_come_in)
{
    start(1000000, 100);
    uint32_t known = 0;
    for (; admit.clients_count < admit.table_size / 2; known++)
        cr_assert(enter(client_name(known)) == ERR_NONE);
    const uint32_t before = admit.connections;
    fault_fail_nth(FAULT_ALLOCATION, 1);
    cr_expect(enter(client_name(known)) == ERR_MEMORY);
    cr_expect(admit.connections == before && admit.clients_count == known);
    cr_expect(enter(client_name(0)) == ERR_NONE);
    cr_expect(enter(client_name(known)) == ERR_NONE, "memory is there again");
    admit_fini(&admit);
}

Test(admit, init_without_memory)
{
    settings = (struct admit_settings){.connections = 1};
    fault_fail_nth(FAULT_ALLOCATION, 1);
    cr_expect(!admit_init(&admit, &settings, (struct hash_key){0}));
    admit_fini(&admit);
}
#endif

/* --- descriptors
 * ---------------------------------------------------------------------------------- */

Test(admit, knows_when_descriptors_run_short)
{
    struct rlimit before;
    cr_assert(getrlimit(RLIMIT_NOFILE, &before) == 0);
    const struct rlimit limit = {100, before.rlim_max};
    cr_assert(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    start(10, 10); /* the limit is the one at the start */
    cr_expect(!door->is_short_of_descriptors(door, 91));
    cr_expect(door->is_short_of_descriptors(door, 92));
    cr_expect(!door->is_short_of_descriptors(door, -1), "few are open");
    for (int i = 0; i < 100; i++)
        if (dup(STDERR_FILENO) < 0)
            break;
    cr_expect(door->is_short_of_descriptors(door, -1), "none is left");
    cr_assert(setrlimit(RLIMIT_NOFILE, &before) == 0); /* the search for leaks needs some */
    admit_fini(&admit);
}
