/* SPDX-License-Identifier: Apache-2.0 */
/* path/client_place.h - where the client of a request is, by its address: the peer's, or the one
 * that a believed proxy names, as for client_key.h.
 *
 * The last few hundred addresses are remembered, so that the database is asked once for a client
 * that keeps asking. Addresses that fall on one place in the table push each other out; all that a
 * client can gain by choosing them is that it is looked up again.
 *
 * Memory:  fixed (12 KiB); the file is borrowed.
 * Threads: its worker's.
 * Errors:  none; a client that cannot be found is nowhere. */
#ifndef PANDO_PATH_CLIENT_PLACE_H
#define PANDO_PATH_CLIENT_PLACE_H

#include "core/geo/file.h"
#include "path/op.h"

enum { CLIENT_PLACES_COUNT = 256 };

struct client_place {
    struct in6_addr  address;
    struct geo_place place;
    bool             is_taken;
};

/* Zeroed but for @file. */
struct client_places {
    const struct geo_file *file; /* NULL: nobody is found */
    struct client_place    at[CLIENT_PLACES_COUNT];
};

/* Where the client of @request is. False: not known, and @place is nowhere. */
bool client_place_find(struct client_places *places, const struct request *request,
                       struct geo_place *place);

#endif
