/* SPDX-License-Identifier: Apache-2.0 */
/* session/sticky.h - a target's name in a sealed cookie. Pure but for the nonce.
 *
 * What is sealed is the target's identity (a hash of its service and address, the same on every
 * node and after every restart) and when it expires, bound to the cookie's and the service's name.
 * A client learns nothing from it and can make none.
 *
 * Time:    seconds since 1970, passed in.
 * Memory:  borrows its keys and names. Threads: pure. */
#ifndef PANDO_SESSION_STICKY_H
#define PANDO_SESSION_STICKY_H

#include "core/http.h"
#include "session/keys.h"
#include "session/session_settings.h"

enum {
    STICKY_PLAIN_BYTES = 16,
    STICKY_TEXT_BYTES = SEAL_TEXT_BYTES(STICKY_PLAIN_BYTES), /* of a cookie's value */
    STICKY_NAME_BYTES_MAX = 64,
    STICKY_FIELD_BYTES_MAX = STICKY_NAME_BYTES_MAX + STICKY_TEXT_BYTES + 128,
};

struct sticky {
    const struct session_keys    *keys;
    const struct sticky_settings *settings;
    char                          about[160]; /* what a cookie is bound to */
    size_t                        about_bytes;
};

/* A cookie that was opened. */
struct sticky_ticket {
    uint64_t identity; /* of the target; 0: there was no cookie that holds */
    bool is_old; /* half of its time is over, or it was sealed with another key than the first */
};

/* @service: its name. All is borrowed. */
void sticky_init(struct sticky *sticky, const struct session_keys *keys,
                 const struct sticky_settings *settings, const char *service);

/* Opens a cookie's value. One that is forged, for another service, or expired holds nothing. */
struct sticky_ticket sticky_read(const struct sticky *sticky, const uint8_t *value, size_t bytes,
                                 uint64_t now_s);

/* Writes the field line that sets the cookie, with CRLF; @out has STICKY_FIELD_BYTES_MAX. Returns
 * how many bytes. */
size_t sticky_write(const struct sticky *sticky, uint64_t identity, uint64_t now_s, bool is_secure,
                    char *out);

/* Finds the value of the cookie in @head and takes the cookie out of it, so that it is not passed
 * on; copies what fits to @value, which has STICKY_TEXT_BYTES. Returns how many bytes; 0: none. */
size_t sticky_take(const struct sticky *sticky, struct http_head *head, uint8_t *value);

#endif
