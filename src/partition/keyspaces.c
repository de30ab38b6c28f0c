/* SPDX-License-Identifier: Apache-2.0 */
/* partition/keyspaces.c - which keyspace has a key. */
#include "partition/keyspaces.h"

#include <xxhash.h>

void keyspaces_init(struct keyspaces *keyspaces, struct keyspace *at, uint32_t count)
{
    *keyspaces = (struct keyspaces){.at = at, .count = count};
    for (uint32_t i = 0; i < count; i++) {
        at[i].number = i;
        at[i].name_bytes = (uint32_t)strlen(at[i].name);
        keyspaces->fingerprint =
            XXH3_64bits_withSeed(at[i].name, at[i].name_bytes,
                                 keyspaces->fingerprint ^ partition_fingerprint(at[i].partition));
        if (strcmp(at[i].name, KEYSPACE_DEFAULT) == 0)
            keyspaces->fallback = &at[i];
    }
}

struct keyspace *keyspaces_named(const struct keyspaces *keyspaces, struct bytes name)
{
    uint32_t low = 0, high = keyspaces->count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        struct keyspace *keyspace = &keyspaces->at[middle];
        const int order = bytes_compare(
            name, (struct bytes){(const uint8_t *)keyspace->name, keyspace->name_bytes});
        if (order == 0)
            return keyspace;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

struct keyspace *keyspaces_find(const struct keyspaces *keyspaces, struct bytes key)
{
    if (keyspaces->count == 1 && keyspaces->fallback != NULL)
        return keyspaces->fallback;
    const size_t most =
        key.count <= KEYSPACE_NAME_BYTES_MAX ? key.count : KEYSPACE_NAME_BYTES_MAX + 1;
    const uint8_t *colon = most == 0 ? NULL : memchr(key.at, ':', most);
    struct keyspace *found = NULL;
    if (colon != NULL)
        found = keyspaces_named(keyspaces, (struct bytes){key.at, (size_t)(colon - key.at)});
    return found != NULL ? found : keyspaces->fallback;
}
