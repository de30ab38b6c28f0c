/* SPDX-License-Identifier: Apache-2.0 */
/* core/secret/secret.c - libsodium, or its absence. */
#include "core/secret/secret.h"

#include <assert.h>

static int digit_of(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool secret_digest_read(struct bytes text, struct secret_digest *digest)
{
    if (text.count != SECRET_DIGEST_CHARACTERS)
        return false;
    for (size_t i = 0; i < sizeof digest->bytes; i++) {
        const int high = digit_of(text.at[2 * i]), low = digit_of(text.at[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        digest->bytes[i] = (uint8_t)(high * 16 + low);
    }
    return true;
}

void secret_digest_write(const struct secret_digest *digest,
                         char text[SECRET_DIGEST_CHARACTERS + 1])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof digest->bytes; i++) {
        text[2 * i] = digits[digest->bytes[i] >> 4];
        text[2 * i + 1] = digits[digest->bytes[i] & 15];
    }
    text[SECRET_DIGEST_CHARACTERS] = '\0';
}

#ifdef PANDO_SODIUM
#include <sodium.h>

_Static_assert(SECRET_DIGEST_BYTES == crypto_hash_sha256_BYTES, "libsodium's SHA-256");

bool secret_is_there(void)
{
    return sodium_init() >= 0;
}

void secret_digest(struct bytes secret, struct secret_digest *digest)
{
    (void)crypto_hash_sha256(digest->bytes, secret.at, secret.count);
}

bool secret_equal(const struct secret_digest *one, const struct secret_digest *other)
{
    return sodium_memcmp(one->bytes, other->bytes, sizeof one->bytes) == 0;
}

void secret_draw(char text[SECRET_DRAWN_CHARACTERS + 1])
{
    static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789"; /* without l, o, 0, 1 */
    _Static_assert(sizeof letters == 32 + 1, "5 bits of a draw are one of them");
    uint8_t draws[SECRET_DRAWN_CHARACTERS];
    randombytes_buf(draws, sizeof draws);
    for (size_t i = 0; i < sizeof draws; i++)
        text[i] = letters[draws[i] & 31];
    text[SECRET_DRAWN_CHARACTERS] = '\0';
    sodium_memzero(draws, sizeof draws);
}

#else

bool secret_is_there(void)
{
    return false;
}

void secret_digest(struct bytes secret, struct secret_digest *digest)
{
    (void)secret, (void)digest;
    assert(!"built without libsodium");
}

bool secret_equal(const struct secret_digest *one, const struct secret_digest *other)
{
    (void)one, (void)other;
    return false;
}

void secret_draw(char text[SECRET_DRAWN_CHARACTERS + 1])
{
    (void)text;
    assert(!"built without libsodium");
}

#endif
