/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/space/record_test.c - keys that are cut, positions, sums. */
#include "engine/lmdb/space/record.h"

#include <criterion/criterion.h>

static const struct bytes prefix = {(const uint8_t *)"1234", 4};

static struct bytes letters(uint8_t *room, size_t count, char last)
{
    memset(room, 'k', count);
    room[count - 1] = (uint8_t)last;
    return (struct bytes){room, count};
}

Test(record, a_key_that_fits_stays_as_it_is)
{
    uint8_t room[600];
    struct record_key key;
    record_key_make(&key, prefix, letters(room, 506, 'z'), 7);
    cr_expect(key.count == 510 && !record_is_cut(record_key_bytes(&key)));
    cr_expect(memcmp(key.at, "1234k", 5) == 0 && key.at[509] == 'z');
    record_key_make(&key, prefix, (struct bytes){NULL, 0}, 7);
    cr_expect(bytes_equal(record_key_bytes(&key), prefix));
}

Test(record, a_longer_one_is_cut_and_ends_in_its_hash)
{
    uint8_t room[1000];
    struct record_key a, b, c, d;
    record_key_make(&a, prefix, letters(room, 507, 'z'), 7);
    record_key_make(&b, prefix, letters(room, 507, 'y'), 7);
    record_key_make(&c, prefix, letters(room, 507, 'z'), 7);
    record_key_make(&d, prefix, letters(room, 507, 'z'), 8);
    cr_expect(a.count == 511 && record_is_cut(record_key_bytes(&a)));
    cr_expect(memcmp(a.at, b.at, 495) == 0 && memcmp(a.at, b.at, 511) != 0);
    cr_expect(memcmp(a.at, c.at, 511) == 0);
    cr_expect(memcmp(a.at, d.at, 511) != 0, "the secret does not matter");
}

Test(record, a_position_is_the_slot_and_a_hash)
{
    /* "123456789" has slot 0x31c3; what is between braces decides. */
    cr_expect(record_position(bytes_of("123456789"), 0, 1) >> RECORD_HASH_BITS == 0x31c3);
    cr_expect(record_position(bytes_of("a{123456789}b"), 0, 1) >> RECORD_HASH_BITS == 0x31c3);
    cr_expect(record_position(bytes_of("a:123456789"), 2, 1) >> RECORD_HASH_BITS == 0x31c3);
    cr_expect(record_position(bytes_of("{}123456789"), 0, 1) >> RECORD_HASH_BITS != 0x31c3);
    cr_expect(record_position(bytes_of("{123456789"), 0, 1) >> RECORD_HASH_BITS != 0x31c3);
    cr_expect(record_position(bytes_of("{t}a"), 0, 1) != record_position(bytes_of("{t}b"), 0, 1));
    cr_expect(record_position(bytes_of("a"), 0, 1) != record_position(bytes_of("a"), 0, 2));
    cr_expect(record_position(bytes_of(""), 5, 1) >> RECORD_HASH_BITS == 0);
}

Test(record, is_read_as_it_was_written)
{
    uint8_t out[200];
    struct record record = {.type = KEY_STRING, .expires_ms = 77, .version = {5, 6}}, read;
    const struct bytes key = bytes_of("key");
    record.payload = bytes_of("payload");
    cr_assert(record_bytes(&record) == RECORD_HEAD_BYTES + 7);
    record_write(&record, out, key);
    const struct bytes value = {out, record_bytes(&record)};
    cr_assert(record_read(&read, value, key));
    cr_expect(read.type == KEY_STRING && read.expires_ms == 77 && read.version[1] == 6);
    cr_expect(bytes_equal(read.payload, record.payload) && read.name.count == 0);
    cr_expect(!record_read(&read, value, bytes_of("kez")), "it was moved to another key");
}

Test(record, any_flipped_bit_is_damage)
{
    uint8_t out[100];
    struct record record = {.type = KEY_HASH}, read;
    const uint64_t pair[2] = {1, 2};
    const struct bytes key = bytes_of("key");
    record.payload = (struct bytes){(const uint8_t *)pair, sizeof pair};
    record_write(&record, out, key);
    const struct bytes value = {out, record_bytes(&record)};
    cr_assert(record_read(&read, value, key));
    for (size_t bit = 0; bit < 8 * value.count; bit++) {
        out[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_expect(!record_read(&read, value, key), "bit %zu", bit);
        out[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t bytes = 0; bytes < value.count; bytes++)
        cr_expect(!record_read(&read, (struct bytes){out, bytes}, key));
}

Test(record, a_member_that_is_cut_has_its_whole_name)
{
    uint8_t room[1000], out[1100];
    struct record_key key;
    struct bytes name, bytes;
    const struct bytes long_name = letters(room, 900, 'z');
    record_key_make(&key, prefix, long_name, 7);
    const struct bytes at = record_key_bytes(&key);
    cr_assert(record_member_head(at, 900) == RECORD_SUM_BYTES + 4 + 900);
    record_write_member(out, long_name, bytes_of("value"), at);
    cr_assert(record_read_member((struct bytes){out, 917}, at, 4, &name, &bytes));
    cr_expect(bytes_equal(name, long_name) && bytes_equal(bytes, bytes_of("value")));
    cr_expect(!record_read_member((struct bytes){out, 916}, at, 4, &name, &bytes));
}
