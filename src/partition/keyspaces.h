/* SPDX-License-Identifier: Apache-2.0 */
/* partition/keyspaces.h - the keyspaces as one worker's path sees them: which one has a key, and
 * the doors to its shards.
 *
 * A key belongs to the keyspace whose name stands before its first colon, else to `default`, if
 * that is there.
 *
 * Memory:  borrowed from the path that fills it; names and layouts outlive it.
 * Threads: its worker's. */
#ifndef PANDO_PARTITION_KEYSPACES_H
#define PANDO_PARTITION_KEYSPACES_H

#include "partition/partition.h"
#include "path/command/key_op.h"

struct keyspace {
    const char             *name;
    uint32_t                name_bytes;
    uint32_t                number; /* its place in the table */
    const struct partition *partition;
    /* Its engine can hold several shards at once, so that a command over them is atomic, and has
     * one door for all of them; it answers within submit(). */
    bool              holds_several;
    struct key_door **doors; /* one per shard, or one */
};

struct keyspaces {
    struct keyspace *at; /* by name, ascending */
    uint32_t         count;
    struct keyspace *fallback;    /* `default`; NULL: there is none */
    uint64_t         fingerprint; /* of all names and layouts: what a cursor must fit */
};

/* Numbers them, finds the fallback; @at is sorted by name already. */
void keyspaces_init(struct keyspaces *keyspaces, struct keyspace *at, uint32_t count);

/* The keyspace of @key; NULL: none has it. */
struct keyspace *keyspaces_find(const struct keyspaces *keyspaces, struct bytes key);

/* The one of that name, or NULL. */
struct keyspace *keyspaces_named(const struct keyspaces *keyspaces, struct bytes name);

/* The door that leads to @shard, or, with KEY_SHARD_SEVERAL, to all of them. */
static inline struct key_door *keyspace_door(const struct keyspace *keyspace, uint32_t shard)
{
    return keyspace->holds_several ? keyspace->doors[0] : keyspace->doors[shard];
}

#endif
