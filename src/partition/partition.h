/* SPDX-License-Identifier: Apache-2.0 */
/* partition/partition.h - which shard owns a key: by hash, by range, or by a directory.
 *
 * A strategy sees the key without its keyspace's name ("42" of "carts:42"; in the keyspace
 * `default` the whole key).
 *
 * Memory:  a struct partition borrows its splits and entries; whoever fills it keeps them.
 * Threads: pure; constant once partition_check() was content.
 * Errors:  partition_check() says what is wrong with a layout. */
#ifndef PANDO_PARTITION_PARTITION_H
#define PANDO_PARTITION_PARTITION_H

#include "core/bytes.h"

#include <stdio.h>

enum {
    PARTITION_SHARDS_MAX = 1024,
    KEYSPACES_MAX = 250, /* a SCAN cursor has eight bits for their number */
    KEYSPACE_NAME_BYTES_MAX = 63,
};

/* The keyspace of all keys that are of no other. */
#define KEYSPACE_DEFAULT "default"

struct partition;

struct partition_strategy {
    const char *name;       /* as in the file */
    bool        is_ordered; /* keys of a shard are asked for in their order */
    /* Below partition->shards_count. */
    uint32_t (*shard_of)(const struct partition *partition, struct bytes rest);
    /* Writes for people why @rest is where it is: "slot 866". */
    void (*explain)(const struct partition *partition, struct bytes rest, FILE *out);
};

/* To add a strategy: write partition/<name>.c and add its line here. */
#define PARTITION_STRATEGIES(X)                                                                    \
    X(hash, "by CRC16 into 16384 slots, which lie on the shards in equal runs; keys with one "     \
            "{tag} stay together")                                                                 \
    X(range, "by the order of the keys, cut at `splits`; PANDO.RANGE reads them in their order")   \
    X(directory, "by a table of prefixes, such as tenants; what has no entry goes by hash")

#define X(name, gist) extern const struct partition_strategy partition_##name;
PARTITION_STRATEGIES(X)
#undef X

/* What begins with `prefix` is on `shard`; of several that fit the longest wins. */
struct partition_entry {
    struct bytes prefix;
    uint32_t     shard;
    uint32_t     outer; /* index + 1 of the longest other entry that is a prefix of it; 0: none */
};

struct partition {
    const struct partition_strategy *strategy;
    uint32_t                         name_bytes;    /* of "carts:"; 0 of the keyspace `default` */
    uint32_t                         shards_count;  /* at least 1 */
    const struct bytes              *splits;        /* range: shards_count - 1, ascending */
    struct partition_entry          *entries;       /* directory: ascending */
    uint32_t                         entries_count; /* of them */
};

/* Is it a layout? Sorts the entries. A sentence of what is wrong, static; NULL: nothing. */
const char *partition_check(struct partition *partition);

/* A copy with splits and entries of its own, in one block to be given to mem_free(); NULL: no
 * memory. */
struct partition *partition_copy(const struct partition *partition) must_check;

/* A key without the keyspace's name. */
static inline struct bytes partition_rest(const struct partition *partition, struct bytes key)
{
    const size_t name_bytes = partition->name_bytes < key.count ? partition->name_bytes : key.count;
    return (struct bytes){key.at + name_bytes, key.count - name_bytes};
}

/* The shard of @key, which is of this keyspace. */
static inline uint32_t partition_shard_of(const struct partition *partition, struct bytes key)
{
    if (partition->shards_count == 1)
        return 0;
    return partition->strategy->shard_of(partition, partition_rest(partition, key));
}

/* The first and the last slot of @shard among @shards_count. */
void partition_slots_of_shard(uint32_t shards_count, uint32_t shard, uint32_t *first,
                              uint32_t *last);

/* The same for the same layout, also after a restart; other ones differ as good as surely. */
uint64_t partition_fingerprint(const struct partition *partition);

#endif
