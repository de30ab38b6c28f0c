/* SPDX-License-Identifier: Apache-2.0 */
/* core/secret/secret.h - passwords: their SHA-256, compared without telling anything, and drawn.
 *
 * By libsodium. Built without it (the build option `sodium`), secret_is_there() is false and the
 * rest must not be called.
 *
 * Memory:  the caller's, in and out.
 * Threads: any; pure but for the system's randomness. */
#ifndef PANDO_CORE_SECRET_SECRET_H
#define PANDO_CORE_SECRET_SECRET_H

#include "core/bytes.h"

enum {
    SECRET_DIGEST_BYTES = 32,
    SECRET_DIGEST_CHARACTERS = 2 * SECRET_DIGEST_BYTES, /* in hexadecimal digits */
    SECRET_DRAWN_CHARACTERS = 32,                       /* 5 bits each: nobody tries them all */
};

struct secret_digest {
    uint8_t bytes[SECRET_DIGEST_BYTES];
};

/* Was Pando built with libsodium, and is it in order? */
bool secret_is_there(void);

/* The SHA-256 of @secret. */
void secret_digest(struct bytes secret, struct secret_digest *digest);

/* Are they the same? Takes as long wherever they differ. */
bool secret_equal(const struct secret_digest *one, const struct secret_digest *other);

/* Reads 64 hexadecimal digits; needs no libsodium. False: it is something else. */
bool secret_digest_read(struct bytes text, struct secret_digest *digest) must_check;

/* Writes 64 digits and a NUL; needs no libsodium. */
void secret_digest_write(const struct secret_digest *digest,
                         char text[SECRET_DIGEST_CHARACTERS + 1]);

/* A password of letters and digits that are not taken for one another, and a NUL. */
void secret_draw(char text[SECRET_DRAWN_CHARACTERS + 1]);

#endif
