/* SPDX-License-Identifier: Apache-2.0 */
/* path/client_key_test.c - who counts as one client, and who does not. */
#include "path/client_key.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const struct hash_key key = {.k = {1, 2}};
static struct request request;
static struct http_field fields[4];
static char text[256];

static uint64_t by_address(const char *origin)
{
    const struct client_key_rule rule = {.kind = CLIENT_KEY_ADDRESS};
    struct request from = {.origin = origin};
    return client_key_of(&rule, &key, &from);
}

/* A request from 10.0.0.1 with one field. */
static uint64_t with_field(const char *rule_text, const char *name, const char *value)
{
    struct client_key_rule rule;
    cr_assert(client_key_read(rule_text, &rule));
    snprintf(text, sizeof text, "%s%s", name, value);
    fields[0] =
        (struct http_field){.name_bytes = (uint16_t)strlen(name),
                            .value_at = (uint32_t)strlen(name),
                            .value_bytes = (uint32_t)strlen(value),
                            .id = (uint8_t)http_field_find((const uint8_t *)name, strlen(name))};
    request = (struct request){
        .origin = "10.0.0.1",
        .head = {.base = (const uint8_t *)text, .fields = fields, .fields_count = 1}};
    if (fields[0].id != 0)
        request.head.present[fields[0].id >> 6] |= 1ull << (fields[0].id & 63);
    return client_key_of(&rule, &key, &request);
}

Test(client_key, an_address_is_a_client)
{
    cr_expect(by_address("10.0.0.1") == by_address("10.0.0.1"));
    cr_expect(by_address("10.0.0.1") != by_address("10.0.0.2"));
    cr_expect(by_address("::ffff:10.0.0.1") == by_address("10.0.0.1"));
}

Test(client_key, an_ipv6_network_of_64_bits_is_one_client)
{
    cr_expect(by_address("2001:db8::1") == by_address("2001:db8::ffff:1"));
    cr_expect(by_address("2001:db8:0:1::1") != by_address("2001:db8:0:2::1"));
}

Test(client_key, a_header_in_any_case_of_its_name_is_a_client)
{
    const uint64_t one = with_field("header:X-Key", "x-key", "one");
    cr_expect(one == with_field("header:x-key", "X-KEY", "one"));
    cr_expect(one != with_field("header:X-Key", "X-Key", "two"));
}

Test(client_key, without_the_header_or_cookie_the_address_counts)
{
    cr_expect(with_field("header:X-Key", "X-Other", "one") == by_address("10.0.0.1"));
    cr_expect(with_field("header:X-Key", "X-Key", "") == by_address("10.0.0.1"));
    cr_expect(with_field("cookie:id", "Cookie", "other=1; idx=2") == by_address("10.0.0.1"));
    cr_expect(with_field("header:X-Key", "X-Key", "10.0.0.1") != by_address("10.0.0.1"));
}

Test(client_key, a_cookie_is_found_among_others)
{
    const uint64_t seven = with_field("cookie:id", "Cookie", "id=7");
    cr_expect(seven == with_field("cookie:id", "Cookie", "a=b; id=7; c=d"));
    cr_expect(seven == with_field("cookie:id", "Cookie", "aid=9;id=7"));
    cr_expect(seven != with_field("cookie:id", "Cookie", "id=8"));
}

Test(client_key, a_rule_is_address_header_or_cookie)
{
    struct client_key_rule rule;
    cr_expect(client_key_read("address", &rule) && rule.kind == CLIENT_KEY_ADDRESS);
    cr_expect(client_key_read("header:X-Key", &rule) && rule.name_bytes == 5);
    cr_expect_not(client_key_read("header:", &rule));
    cr_expect_not(client_key_read("header:X Key", &rule));
    cr_expect_not(client_key_read("path", &rule));
}

/* --- what is routed by ------------------------------------------------------------------------ */

static uint64_t route_of(const char *rule_text, const char *path)
{
    struct client_key_rule rule;
    cr_assert(client_key_read_route(rule_text, &rule));
    const struct request asked = {.origin = "10.0.0.1",
                                  .head = {.base = (const uint8_t *)path,
                                           .path = {.at = 0, .bytes = (uint32_t)strlen(path)}}};
    return client_key_route(&rule, &asked);
}

Test(client_key, a_path_is_routed_without_its_query)
{
    cr_expect(route_of("path", "/a") == route_of("path", "/a?x=1"));
    cr_expect(route_of("path", "/a") != route_of("path", "/b"));
}

Test(client_key, a_parameter_is_found_by_its_whole_name)
{
    const uint64_t address = route_of("address", "/");
    cr_expect(route_of("query:id", "/a?id=7") == route_of("query:id", "/b?x=1&id=7&y"));
    cr_expect(route_of("query:id", "/a?id=7") != route_of("query:id", "/a?id=8"));
    cr_expect(route_of("query:id", "/a?xid=7") == address);
    cr_expect(route_of("query:id", "/a?id") == address);
    cr_expect(route_of("query:id", "/a?id=&") == address, "an empty one is none");
    cr_expect(route_of("query:id", "/id=7") == address);
    cr_expect(route_of("query:id", "/a?&&id=7") != address);
}

Test(client_key, a_rate_has_no_path)
{
    struct client_key_rule rule;
    cr_expect(!client_key_read("path", &rule) && !client_key_read("query:id", &rule));
    cr_expect(!client_key_read_route("query:", &rule) && !client_key_read_route("paths", &rule));
}
