/* SPDX-License-Identifier: Apache-2.0 */
/* core/seal.h - bytes that others keep for us and can neither read nor change.
 *
 * XChaCha20-Poly1305 of libsodium with a random nonce, as base64url text without padding. What is
 * sealed is bound to a context (`about`): sealed for one purpose, it does not open for another.
 * Built without libsodium (the build option `sodium`), seal_is_there() is false and the rest must
 * not be called.
 *
 * Memory:  the caller's, in and out.
 * Threads: any; pure but for the system's randomness. */
#ifndef PANDO_CORE_SEAL_H
#define PANDO_CORE_SEAL_H

#include "core/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SEAL_KEY_BYTES = 32,
    SEAL_EXTRA_BYTES = 24 + 16, /* nonce and tag */
    SEAL_PLAIN_BYTES_MAX = 128,
};

/* How many characters sealed text of @plain_bytes has, without a NUL. */
#define SEAL_TEXT_BYTES(plain_bytes) ((((plain_bytes) + SEAL_EXTRA_BYTES) * 4 + 2) / 3)

struct seal_key {
    uint8_t bytes[SEAL_KEY_BYTES];
};

struct seal_span {
    const void *at;
    size_t      bytes;
};

/* Was Pando built with libsodium, and is it in order? Any thread, any number of times. */
bool seal_is_there(void);

/* Seals @plain (at most SEAL_PLAIN_BYTES_MAX) into @out, which has room for
 * SEAL_TEXT_BYTES(plain.bytes) and gets no NUL. */
void seal_write(const struct seal_key *key, struct seal_span about, struct seal_span plain,
                char *out);

/* Opens @text into @out, which has exactly @out_bytes. False: it was not sealed with @key for
 * @about, or is of another length. */
bool seal_read(const struct seal_key *key, struct seal_span about, struct seal_span text, void *out,
               size_t out_bytes) must_check;

#endif
