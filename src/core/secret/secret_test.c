/* SPDX-License-Identifier: Apache-2.0 */
/* core/secret/secret_test.c - digests are SHA-256, and what is drawn is not drawn again. */
#include "core/secret/secret.h"

#include <criterion/criterion.h>
#include <string.h>

/* The example "abc" of FIPS 180-4. */
#define ABC_DIGEST "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void begin(void)
{
    if (!secret_is_there())
        cr_skip("built without libsodium");
}

Test(secret, digests_as_everybody_else, .init = begin)
{
    struct secret_digest digest;
    char text[SECRET_DIGEST_CHARACTERS + 1];
    secret_digest(bytes_of("abc"), &digest);
    secret_digest_write(&digest, text);
    cr_expect_str_eq(text, ABC_DIGEST);
}

Test(secret, is_equal_only_if_every_bit_is, .init = begin)
{
    struct secret_digest digest, other;
    secret_digest(bytes_of("abc"), &digest);
    for (size_t i = 0; i < 8 * sizeof digest.bytes; i++) {
        other = digest;
        cr_expect(secret_equal(&digest, &other));
        other.bytes[i / 8] ^= (uint8_t)(1u << (i % 8));
        cr_expect_not(secret_equal(&digest, &other));
    }
}

Test(secret, reads_digits_of_either_case)
{
    struct secret_digest digest, upper;
    char text[] = ABC_DIGEST;
    cr_assert(secret_digest_read(bytes_of(text), &digest));
    for (char *at = text; *at != '\0'; at++)
        *at = *at >= 'a' ? (char)(*at - 32) : *at;
    cr_assert(secret_digest_read(bytes_of(text), &upper));
    cr_expect(memcmp(&digest, &upper, sizeof digest) == 0 && digest.bytes[0] == 0xba);
}

Test(secret, refuses_what_is_no_digest)
{
    struct secret_digest digest;
    char text[] = ABC_DIGEST;
    cr_expect_not(secret_digest_read((struct bytes){NULL, 0}, &digest));
    cr_expect_not(secret_digest_read(bytes_of(text + 1), &digest));
    text[63] = 'g';
    cr_expect_not(secret_digest_read(bytes_of(text), &digest));
}

Test(secret, draws_something_else_every_time, .init = begin)
{
    char one[SECRET_DRAWN_CHARACTERS + 1], other[SECRET_DRAWN_CHARACTERS + 1];
    secret_draw(one);
    secret_draw(other);
    cr_expect_eq(strlen(one), SECRET_DRAWN_CHARACTERS);
    cr_expect_eq(strspn(one, "abcdefghijkmnpqrstuvwxyz23456789"), SECRET_DRAWN_CHARACTERS);
    cr_expect(strcmp(one, other) != 0);
}
