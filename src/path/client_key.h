/* SPDX-License-Identifier: Apache-2.0 */
/* path/client_key.h - whose request is it? One number for a client, by address, header or cookie;
 * or, to route by, also for what is asked for, by path or query parameter.
 *
 * client_key_of() is a SipHash under the process's key, so no client can choose that of another,
 * and nothing a client sent is kept. client_key_route() is an XXH3 without a key: the same in every
 * process and on every node. A request without the header, cookie or parameter counts for its
 * address, so that leaving it out gains nothing.
 *
 * Memory:  a rule borrows its text. Threads: pure. */
#ifndef PANDO_PATH_CLIENT_KEY_H
#define PANDO_PATH_CLIENT_KEY_H

#include "core/hash.h"
#include "path/op.h"

enum client_key_kind {
    CLIENT_KEY_ADDRESS, /* the peer, or whom a believed proxy names; IPv6: its /64 */
    CLIENT_KEY_HEADER,
    CLIENT_KEY_COOKIE,
    CLIENT_KEY_PATH,  /* without the query */
    CLIENT_KEY_QUERY, /* a parameter, as it is spelled */
};

struct client_key_rule {
    enum client_key_kind kind;
    const char          *name; /* of the header or cookie; borrowed */
    uint32_t             name_bytes;
};

/* "address", "header:X-Api-Key" or "cookie:session". False: it is none of them. */
bool client_key_read(const char *text, struct client_key_rule *rule) must_check;

/* One of these, or "path" or "query:id". False: it is none of them. */
bool client_key_read_route(const char *text, struct client_key_rule *rule) must_check;

/* The client of @request; never 0. @rule is of client_key_read(). */
uint64_t client_key_of(const struct client_key_rule *rule, const struct hash_key *key,
                       const struct request *request);

/* What @request is routed by; never 0. @rule is of client_key_read_route(). */
uint64_t client_key_route(const struct client_key_rule *rule, const struct request *request);

#endif
