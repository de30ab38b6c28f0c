/* SPDX-License-Identifier: Apache-2.0 */
/* partition/partition.h - which shard owns a key: by hash, by range, or by a directory.
 *
 * A strategy sees the key without its keyspace's name ("42" of "carts:42"; in the keyspace
 * `default` the whole key).
 *
 * Memory:  a struct partition borrows its splits and entries; whoever fills it keeps them.
 * Threads: pure; constant once partition_check() was content, but for `table`.
 * Errors:  partition_check() says what is wrong with a layout. */
#ifndef PANDO_PARTITION_PARTITION_H
#define PANDO_PARTITION_PARTITION_H

#include "core/bytes.h"

#include <stdatomic.h>
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
    /* directory: what commands made of its entries; NULL: nothing */
    _Atomic(const struct partition_table *) table;
};

/* The entries of a directory in force; constant once a partition points to it (table.c). */
struct partition_table {
    uint32_t number; /* of changes before it: what was laid by another one lies elsewhere */
    bool     is_fenced;
    struct bytes
             fence; /* what begins so must not be touched for a moment, since its place changes */
    uint32_t entries_count;
    struct partition_entry entries[];
};

/* What a command says of a prefix. */
struct partition_change {
    struct bytes prefix;
    uint32_t     shard; /* PARTITION_NO_SHARD: the prefix has no entry any more */
};

#define PARTITION_NO_SHARD UINT32_MAX

/* Is it a layout? Sorts the entries. A sentence of what is wrong, static; NULL: nothing. */
const char *partition_check(struct partition *partition);

/* A copy with splits and entries of its own, in one block to be given to mem_free(); NULL: no
 * memory. */
struct partition *partition_copy(const struct partition *partition) must_check;

/* The partition's own entries with @changes over them, each of another prefix; in one block to be
 * given to mem_free(). @fence may be NULL. NULL: no memory. */
struct partition_table *partition_table_new(const struct partition *partition,
                                            const struct partition_change *changes, uint32_t count,
                                            const struct bytes *fence) must_check;

/* The entry that has @rest, by @table or, where it is NULL, by the partition's own ones; NULL: none
 * has, so it goes by hash. */
const struct partition_entry *partition_entry_find(const struct partition *partition,
                                                   const struct partition_table *table,
                                                   struct bytes rest);

/* The shard of @rest by @table, as above. */
uint32_t partition_table_shard_of(const struct partition *partition,
                                  const struct partition_table *table, struct bytes rest);

static inline const struct partition_table *partition_table(const struct partition *partition)
{
    return atomic_load_explicit(&partition->table, memory_order_acquire);
}

/* How often its directory was changed. */
static inline uint32_t partition_number(const struct partition *partition)
{
    const struct partition_table *table = partition_table(partition);
    return table == NULL ? 0 : table->number;
}

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

/* Must @key be left alone for a moment? To be asked before partition_shard_of(), so that a change
 * is over before its end is seen. */
static inline bool partition_is_fenced(const struct partition *partition, struct bytes key)
{
    const struct partition_table *table = partition_table(partition);
    if (table == NULL || !table->is_fenced)
        return false;
    const struct bytes rest = partition_rest(partition, key);
    return rest.count >= table->fence.count &&
           bytes_equal((struct bytes){rest.at, table->fence.count}, table->fence);
}

/* The first and the last slot of @shard among @shards_count. */
void partition_slots_of_shard(uint32_t shards_count, uint32_t shard, uint32_t *first,
                              uint32_t *last);

/* The same for the same layout, also after a restart; other ones differ as good as surely. What
 * commands made of a directory is not in it: no key moves by that. */
uint64_t partition_fingerprint(const struct partition *partition);

/* --- inside the room ------------------------------------------------------------------------ */

/* Says of each of @count entries, which ascend, in which other one it lies. */
void partition__nest(struct partition_entry *entries, uint32_t count);

#endif
