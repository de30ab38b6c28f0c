/* SPDX-License-Identifier: Apache-2.0 */
/* core/seal.c - libsodium, or its absence. */
#include "core/seal.h"

#include <assert.h>
#include <string.h>

#ifdef PANDO_SODIUM
#include <sodium.h>

enum {
    NONCE_BYTES = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    SEALED_BYTES_MAX = SEAL_PLAIN_BYTES_MAX + SEAL_EXTRA_BYTES,
    TEXT_BYTES_MAX = SEAL_TEXT_BYTES(SEAL_PLAIN_BYTES_MAX),
};

_Static_assert(SEAL_KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "libsodium's key");
_Static_assert(SEAL_EXTRA_BYTES == NONCE_BYTES + crypto_aead_xchacha20poly1305_ietf_ABYTES,
               "nonce and tag");

bool seal_is_there(void)
{
    return sodium_init() >= 0;
}

void seal_write(const struct seal_key *key, struct seal_span about, struct seal_span plain,
                char *out)
{
    uint8_t sealed[SEALED_BYTES_MAX];
    char text[TEXT_BYTES_MAX + 1];
    unsigned long long bytes = 0;
    assert(plain.bytes <= SEAL_PLAIN_BYTES_MAX);
    randombytes_buf(sealed, NONCE_BYTES);
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + NONCE_BYTES, &bytes, plain.at,
                                                     plain.bytes, about.at, about.bytes, NULL,
                                                     sealed, key->bytes);
    (void)sodium_bin2base64(text, sizeof text, sealed, NONCE_BYTES + (size_t)bytes,
                            sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    memcpy(out, text, SEAL_TEXT_BYTES(plain.bytes));
}

/* libsodium 1.0.18 takes some bytes above 127 for letters. */
static bool is_ascii(struct seal_span text)
{
    uint8_t all = 0;
    for (size_t i = 0; i < text.bytes; i++)
        all |= ((const uint8_t *)text.at)[i];
    return all < 128;
}

bool seal_read(const struct seal_key *key, struct seal_span about, struct seal_span text, void *out,
               size_t out_bytes)
{
    uint8_t sealed[SEALED_BYTES_MAX];
    size_t bytes = 0;
    unsigned long long opened = 0;
    if (out_bytes > SEAL_PLAIN_BYTES_MAX || text.bytes != SEAL_TEXT_BYTES(out_bytes) ||
        !is_ascii(text) ||
        sodium_base642bin(sealed, sizeof sealed, text.at, text.bytes, NULL, &bytes, NULL,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
        bytes != out_bytes + SEAL_EXTRA_BYTES)
        return false;
    return crypto_aead_xchacha20poly1305_ietf_decrypt(out, &opened, NULL, sealed + NONCE_BYTES,
                                                      bytes - NONCE_BYTES, about.at, about.bytes,
                                                      sealed, key->bytes) == 0 &&
           opened == out_bytes;
}

#else

bool seal_is_there(void)
{
    return false;
}

void seal_write(const struct seal_key *key, struct seal_span about, struct seal_span plain,
                char *out)
{
    (void)key, (void)about, (void)plain, (void)out;
    assert(!"built without libsodium");
}

bool seal_read(const struct seal_key *key, struct seal_span about, struct seal_span text, void *out,
               size_t out_bytes)
{
    (void)key, (void)about, (void)text, (void)out, (void)out_bytes;
    return false;
}

#endif
