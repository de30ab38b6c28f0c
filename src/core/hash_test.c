/* SPDX-License-Identifier: Apache-2.0 */
/* core/hash_test.c - SipHash-1-3 as others compute it. */
#include "core/hash.h"

#include "core/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* The key 00 01 .. 0f, and the first @bytes of 00 01 02 ..: the results,
 * as Rust's tests of its standard library have them. */
Test(hash, sip13_of_known_messages)
{
    const struct {
        size_t bytes;
        uint64_t wanted;
    } rows[] = {
        {0, 0xabac0158050fc4dc},  {1, 0xc9f49bf37d57ca93},  {7, 0xd3927d989bb11140},
        {8, 0x369095118d299a8e},  {15, 0xd320d86d2a519956}, {16, 0xcc4fdd1a7d908b66},
        {17, 0x9cf2689063dbd80c}, {63, 0x9d199062b7bbb3a8},
    };
    const struct hash_key key = {.k = {0x0706050403020100, 0x0f0e0d0c0b0a0908}};
    uint8_t message[64];
    for (int i = 0; i < 64; i++)
        message[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_expect(hash_sip13(&key, message, rows[i].bytes) == rows[i].wanted, "%zu bytes",
                  rows[i].bytes);
}

/* At the very end of a heap block, so that a sanitizer sees
 * any read beyond it; and at an odd address. */
Test(hash, reads_no_byte_too_many_at_any_alignment)
{
    const struct hash_key key = {.k = {1, 2}};
    for (size_t bytes = 1; bytes < 40; bytes++) {
        uint8_t *exact = malloc(bytes);
        uint8_t *odd = malloc(bytes + 1);
        memset(exact, 0x5a, bytes);
        memset(odd, 0x5a, bytes + 1);
        cr_expect(hash_sip13(&key, exact, bytes) == hash_sip13(&key, odd + 1, bytes));
        free(exact);
        free(odd);
    }
}

/* Every bit of message and key changes about half of the bits of the result. */
Test(hash, every_bit_matters)
{
    uint8_t message[16] = {0};
    struct hash_key key = {.k = {3, 4}};
    const uint64_t before = hash_sip13(&key, message, sizeof message);
    for (int bit = 0; bit < 128; bit++) {
        message[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        const int changed = __builtin_popcountll(before ^ hash_sip13(&key, message, 16));
        cr_expect(changed > 10 && changed < 54, "bit %d of the message: %d", bit, changed);
        message[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        key.k[bit / 64] ^= 1ull << (bit % 64);
        const int by_key = __builtin_popcountll(before ^ hash_sip13(&key, message, 16));
        cr_expect(by_key > 10 && by_key < 54, "bit %d of the key: %d", bit, by_key);
        key.k[bit / 64] ^= 1ull << (bit % 64);
    }
}
