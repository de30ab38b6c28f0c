/* SPDX-License-Identifier: Apache-2.0 */
/* control/wanted.c - settings and DNS answers become a list of targets. */
#include "control/wanted.h"

#include "core/hash.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

void wanted_write_name(char name[128], const struct sockaddr_storage *address, socklen_t bytes)
{
    char host[INET6_ADDRSTRLEN] = "";
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)address;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(name, 128, "%s:%u", host, ntohs(in->sin_port));
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const void *)address;
        inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof host);
        snprintf(name, 128, "[%s]:%u", host, ntohs(in->sin6_port));
    } else {
        const struct sockaddr_un *un = (const void *)address;
        const size_t head = offsetof(struct sockaddr_un, sun_path);
        const size_t room = bytes > head ? bytes - head : 0;
        snprintf(name, 128, "unix:%.*s", (int)strnlen(un->sun_path, room), un->sun_path);
    }
}

uint64_t wanted_identity(const char *service, const char *name)
{
    static const struct hash_key key; /* not secret: settings and DNS are ours */
    char text[256];
    const int bytes = snprintf(text, sizeof text, "%s\n%s", service, name);
    return hash_sip13(&key, text, (size_t)bytes < sizeof text ? (size_t)bytes : sizeof text - 1);
}

static size_t addresses_of(const struct wanted_source *source)
{
    if (source->socket != NULL)
        return 1;
    return source->answer == NULL ? 0 : source->answer->count;
}

size_t wanted_count_max(const struct wanted_source *sources, size_t count)
{
    size_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += addresses_of(&sources[i]);
    return sum;
}

static bool is_listed(const struct wanted *list, size_t count, const struct wanted *one)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i].identity == one->identity && strcmp(list[i].name, one->name) == 0)
            return true;
    }
    return false;
}

static void fill(struct wanted *one, const struct wanted_source *source, size_t index)
{
    const struct dns_address *address = source->socket == NULL ? &source->answer->at[index] : NULL;
    *one = (struct wanted){
        .weight = (uint16_t)source->weight,
        .place = source->place,
        .address = address == NULL ? *source->socket : address->address,
        .address_bytes = address == NULL ? source->socket_bytes : address->bytes,
    };
    if (address != NULL && address->weight > 0)
        one->weight = address->weight;
    snprintf(one->zone, sizeof one->zone, "%s", source->zone);
    wanted_write_name(one->name, &one->address, one->address_bytes);
}

size_t wanted_list(const char *service, const struct wanted_source *sources, size_t count,
                   struct wanted *out, size_t most)
{
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        const size_t addresses = addresses_of(&sources[i]);
        for (size_t k = 0; k < addresses && used < most; k++) {
            fill(&out[used], &sources[i], k);
            out[used].identity = wanted_identity(service, out[used].name);
            if (!is_listed(out, used, &out[used]))
                used++;
        }
    }
    return used;
}
