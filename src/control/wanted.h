/* SPDX-License-Identifier: Apache-2.0 */
/* control/wanted.h - the targets a service ought to have, from what settings and DNS say. Pure.
 *
 * Memory:  none of its own; everything is copied. Threads: any. Errors: what is too much is
 *          counted. */
#ifndef PANDO_CONTROL_WANTED_H
#define PANDO_CONTROL_WANTED_H

#include "config/address.h"
#include "control/dns/answer.h"
#include "core/geo/place.h"

/* One line of the settings. */
struct wanted_source {
    const struct sockaddr_storage *socket; /* a literal address; NULL: a name, see answer */
    socklen_t                      socket_bytes;
    const struct dns_answer       *answer; /* what it resolves to; NULL or empty: nothing yet */
    uint32_t                       weight; /* unless the answer's records say one */
    const char                    *zone;   /* "" if not said */
    struct geo_place               place;  /* nowhere if not said */
};

/* One target. */
struct wanted {
    char                    name[128];
    char                    zone[64];
    struct geo_place        place;
    uint64_t                identity;
    uint16_t                weight;
    socklen_t               address_bytes;
    struct sockaddr_storage address;
};

/* Writes an address as people write it: "10.0.0.1:3000", "[::1]:3000", "unix:/run/app.sock". */
void wanted_write_name(char name[128], const struct sockaddr_storage *address, socklen_t bytes);

/* The same for the same service and target name in every process and on every machine. */
uint64_t wanted_identity(const char *service, const char *name);

/* How much room wanted_list() needs at most. */
size_t wanted_count_max(const struct wanted_source *sources, size_t count);

/* Lists the targets in the order of the settings; an address that was there before is left out.
 * Returns how many were written to @out; @most: its room. */
size_t wanted_list(const char *service, const struct wanted_source *sources, size_t count,
                   struct wanted *out, size_t most);

#endif
