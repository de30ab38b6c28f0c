/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys_http/address_test.c - targets to keys and back. */
#include "engine/keys_http/address.h"

#include <criterion/criterion.h>

static bool is(struct bytes bytes, const char *text)
{
    return bytes_equal(bytes, bytes_of(text));
}

Test(address, names_keyspace_key_and_query)
{
    uint8_t room[64];
    struct address address;
    cr_assert(address_read(bytes_of("/kv/carts/a%20b?x=1"), room, &address));
    cr_expect(is(address.keyspace, "carts") && is(address.key, "a b"));
    cr_expect(is(address.whole, "carts:a b") && is(address.query, "x=1"));
    cr_assert(address_read(bytes_of("/kv/c/a/b?/c"), room, &address));
    cr_expect(is(address.key, "a/b") && is(address.query, "/c"));
    cr_assert(address_read(bytes_of("/kv/c%2Fd/%25"), room, &address));
    cr_expect(is(address.keyspace, "c/d") && is(address.key, "%"));
}

Test(address, may_be_of_the_keyspace_itself_or_of_nothing)
{
    uint8_t room[64];
    struct address address;
    cr_assert(address_read(bytes_of("/kv/carts/"), room, &address));
    cr_expect(is(address.keyspace, "carts") && address.key.count == 0);
    cr_assert(address_read(bytes_of("/kv/carts?from=a"), room, &address));
    cr_expect(is(address.keyspace, "carts") && is(address.query, "from=a"));
    cr_assert(address_read(bytes_of("/kv"), room, &address));
    cr_expect(address.keyspace.count == 0 && address.key.count == 0);
}

Test(address, with_half_a_percent_sign_is_none)
{
    static const char *const wrong[] = {"/kv/%", "/kv/a/%", "/kv/a/%4", "/kv/a/%g1", "/kv/a/%1g"};
    uint8_t room[64];
    struct address address;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        cr_expect(!address_read(bytes_of(wrong[i]), room, &address), "%s", wrong[i]);
}

Test(address, gives_the_members_of_a_query)
{
    uint8_t room[64], *at = room;
    struct bytes query = bytes_of("from=a+b%2B&&reverse&=x&to="), name, value;
    cr_assert(address_next_member(&query, &at, &name, &value));
    cr_expect(is(name, "from") && is(value, "a b+"));
    cr_assert(address_next_member(&query, &at, &name, &value));
    cr_expect(is(name, "reverse") && value.count == 0);
    cr_assert(address_next_member(&query, &at, &name, &value));
    cr_expect(name.count == 0 && is(value, "x"));
    query = bytes_of("to=%1");
    cr_expect(!address_next_member(&query, &at, &name, &value));
}

/* Whatever a key is made of. */
Test(address, that_is_written_is_read_as_the_same_key)
{
    uint8_t key[256], target[8 + 3 * 256], room[sizeof target + 1];
    struct address address;
    for (unsigned i = 0; i < 256; i++)
        key[i] = (uint8_t)i;
    memcpy(target, "/kv/c/", 6);
    const size_t bytes = 6 + address_write(target + 6, (struct bytes){key, sizeof key});
    cr_assert(address_read((struct bytes){target, bytes}, room, &address));
    cr_expect(bytes_equal(address.key, (struct bytes){key, sizeof key}));
    cr_expect(address.query.count == 0);
}
