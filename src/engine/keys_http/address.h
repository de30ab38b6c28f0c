/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys_http/address.h - which key a request's target names, and the members of its query.
 *
 * /kv/carts/a%20b is the key `carts:a b`; in keyspace `default` it is `a b`. All that follows the
 * second slash is the key, slashes included, and no segment means anything but itself.
 *
 * Memory:  what is decoded lies in the caller's room.
 * Threads: pure. */
#ifndef PANDO_ENGINE_KEYS_HTTP_ADDRESS_H
#define PANDO_ENGINE_KEYS_HTTP_ADDRESS_H

#include "core/bytes.h"

struct address {
    struct bytes keyspace; /* empty: none is named */
    struct bytes key;      /* without the keyspace's name; empty: the keyspace itself is meant */
    struct bytes whole;    /* keyspace, colon, key: as it is called outside `default` */
    struct bytes query;    /* as it came; empty: none */
};

/* Reads @target, a path and perhaps a query, which begins with KEYS_HTTP_PREFIX. @room: of
 * target.count + 1 bytes. False: a percent sign without two hexadecimal digits. */
bool address_read(struct bytes target, uint8_t *room, struct address *address) must_check;

/* Takes the first member "name=value" off @query, decoded into *@room, which is moved behind it;
 * as many bytes as the member has are enough. False: malformed. *@name is empty at the end. */
bool address_next_member(struct bytes *query, uint8_t **room, struct bytes *name,
                         struct bytes *value) must_check;

/* Writes @bytes so that address_read() gives them again; of out are 3 * bytes.count needed. Returns
 * how many were written. */
size_t address_write(uint8_t *out, struct bytes bytes);

#endif
