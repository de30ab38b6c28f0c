/* SPDX-License-Identifier: Apache-2.0 */
/* path/client_place.c - an address, and the few that were looked up before. */
#include "path/client_place.h"

#include <arpa/inet.h>
#include <string.h>
#include <xxhash.h>

/* IPv4 as ::ffff:a.b.c.d. False: it is no address ("unix", or what a proxy made up). */
static bool read_address(const char *text, struct in6_addr *address)
{
    if (strchr(text, ':') != NULL)
        return inet_pton(AF_INET6, text, address) == 1;
    *address = (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff}};
    return inet_pton(AF_INET, text, address->s6_addr + 12) == 1;
}

bool client_place_find(struct client_places *places, const struct request *request,
                       struct geo_place *place)
{
    struct in6_addr address;
    const char *origin = request->origin != NULL ? request->origin : request->client;
    *place = (struct geo_place){0};
    if (places->file == NULL || !read_address(origin, &address))
        return false;
    struct client_place *known =
        &places->at[XXH3_64bits(&address, sizeof address) % CLIENT_PLACES_COUNT];
    if (!known->is_taken || memcmp(&known->address, &address, sizeof address) != 0) {
        *known = (struct client_place){.address = address, .is_taken = true};
        geo_file_find(places->file, &address, &known->place);
    }
    *place = known->place;
    return geo_is_known(place);
}
