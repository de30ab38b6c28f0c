/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys_http/fields.h - what request fields say: entity tags, times to live, credentials.
 *
 * Memory:  slices into the head, but for what is decoded into the caller's room.
 * Threads: pure. */
#ifndef PANDO_ENGINE_KEYS_HTTP_FIELDS_H
#define PANDO_ENGINE_KEYS_HTTP_FIELDS_H

#include "core/bytes.h"
#include "core/http.h"

enum { FIELDS_TAGS_MAX = 16 }; /* of If-Match, or of If-None-Match; more are refused */

/* The entity tags that a condition names. */
struct fields_tags {
    bool         is_said;
    uint32_t     count;
    struct bytes at[FIELDS_TAGS_MAX]; /* without quotes; "*" is whatever is there */
};

/* Reads If-Match or If-None-Match; @takes_weak: tags that are W/"weak" count as well. False: it is
 * no list of tags, has too many, or "*" stands beside others. */
bool fields_read_tags(const struct http_head *head, enum http_field_id id, bool takes_weak,
                      struct fields_tags *tags) must_check;

/* How long a value is to live. */
enum fields_life { FIELDS_LIFE_FOREVER, FIELDS_LIFE_FOR, FIELDS_LIFE_KEPT };

#define FIELDS_EXPIRES_IN "Pando-Expires-In"

/* Reads the field "Pando-Expires-In: 60s", or "keep" for what the key has left. @ms: of LIFE_FOR.
 * False: it is neither, or is said twice. */
bool fields_read_life(const struct http_head *head, enum fields_life *life, uint64_t *ms)
    must_check;

/* A name and a password, decoded into @room of as many bytes as the field has. */
struct fields_credentials {
    bool         is_said;
    struct bytes name, password;
};

/* Reads "Authorization: Basic ...". False: it is something else. */
bool fields_read_credentials(const struct http_head *head, uint8_t *room,
                             struct fields_credentials *credentials) must_check;

/* Does @head ask an address, or localhost? */
bool fields_ask_address(const struct http_head *head);

/* Does a browser say that a page of another site asks? */
bool fields_come_from_elsewhere(const struct http_head *head);

#endif
