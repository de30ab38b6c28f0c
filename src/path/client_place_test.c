/* SPDX-License-Identifier: Apache-2.0 */
/* path/client_place_test.c - who is looked up, and that what is remembered is nobody else's. */
#include "path/client_place.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct client_places places;

static void open_file(void)
{
    struct geo_file *file;
    struct err e = {0};
    if (!geo_file_is_there())
        cr_skip("built without libmaxminddb");
    cr_assert(geo_file_open(&file, PANDO_SOURCE_ROOT "/tests/unit/geo/city.mmdb", NULL, &e) ==
                  ERR_NONE,
              "%s", e.story);
    places.file = file;
}

static void close_file(void)
{
    geo_file_unref((struct geo_file *)(uintptr_t)places.file);
}

TestSuite(client_place, .init = open_file, .fini = close_file);

/* @wanted: where it is; NULL: nobody knows. */
static void expect_at(const char *origin, const char *wanted)
{
    const struct request request = {.client = "192.0.2.1", .origin = origin};
    struct geo_place place = {1, 1, 1}, other = {0};
    const bool is_found = client_place_find(&places, &request, &place);
    cr_expect(is_found == (wanted != NULL), "%s", origin);
    cr_expect(wanted == NULL || geo_place_read(wanted, &other));
    cr_expect(geo_is_same(&place, &other), "%s is not at %s", origin, wanted);
}

Test(client_place, addresses_are_found)
{
    for (int i = 0; i < 3; i++) { /* also when they are remembered */
        expect_at("192.0.2.7", "52.52,13.4");
        expect_at("192.0.2.130", "-33.87,151.2");
        expect_at("::ffff:192.0.2.7", "52.52,13.4");
        expect_at("2001:db8::5", "40.71,-74.01");
        expect_at("198.51.100.1", "JP");
        expect_at("10.0.0.1", NULL);
        expect_at("127.0.0.1", NULL);
        expect_at("203.0.113.9", NULL);
    }
}

Test(client_place, what_is_no_address_is_nowhere)
{
    static const char *const odd[] = {"",           "unix",         "192.0.2",       "192.0.2.7:80",
                                      "192.0.2.7 ", "_hidden",      "[2001:db8::5]", "2001:db8::g",
                                      "0x7f.1",     "192.0.2.7, 8", "fe80::1%eth0"};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
        expect_at(odd[i], NULL);
}

Test(client_place, without_a_proxy_the_peer_counts)
{
    expect_at(NULL, "52.52,13.4");
}

/* Many more than are remembered, twice, so that they push each other out. */
Test(client_place, nobody_gets_the_place_of_another)
{
    char address[32];
    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = 0; i < 4 * CLIENT_PLACES_COUNT; i++) {
            const bool is_known = i % 2 == 0;
            snprintf(address, sizeof address, "%s.%u", is_known ? "192.0.2" : "10.0.0",
                     i / 8 % 256);
            expect_at(address, !is_known           ? NULL
                               : i / 8 % 256 < 128 ? "52.52,13.4"
                                                   : "-33.87,151.2");
        }
}

Test(client_place, without_a_file_nobody_is_found)
{
    const struct geo_file *file = places.file;
    places.file = NULL;
    expect_at("192.0.2.7", NULL);
    places.file = file;
}
