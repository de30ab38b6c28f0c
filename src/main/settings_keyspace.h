/* SPDX-License-Identifier: Apache-2.0 */
/* main/settings_keyspace.h - one keyspace as the file says it.
 *
 *     keyspaces:
 *       users: {partition: range, shards: 3, splits: [h, o], engine: lmdb}
 *
 * Memory: as struct settings. */
#ifndef PANDO_MAIN_SETTINGS_KEYSPACE_H
#define PANDO_MAIN_SETTINGS_KEYSPACE_H

#include "cache/keys/key_cache_settings.h"
#include "engine/lmdb/lmdb_settings.h"
#include "engine/memory/memory_settings.h"
#include "partition/partition.h"

#define KEYSPACE_ENGINES(X)                                                                        \
    X(KEYSPACE_LMDB, "lmdb", "on this machine's disk: what was answered survives a kill")          \
    X(KEYSPACE_MEMORY, "memory", "in this process: a cache whose loss is promised")

enum keyspace_engine {
#define X(enumerator, name, gist) enumerator,
    KEYSPACE_ENGINES(X)
#undef X
};

struct settings_split {
    const char *key;
};

struct settings_directory_entry {
    const char *prefix;
    uint32_t    shard;
};

#define KEYSPACE_SETTINGS(X)                                                                       \
    X(strategy, "partition", CHOICE, keyspace_partitions, 0, 0, START,                             \
      "which shard has a key")                                                                     \
    X(shards_count, "shards", COUNT, 1, PARTITION_SHARDS_MAX, 1, START,                            \
      "parts that its keys are laid on")                                                           \
    X(engine, "engine", CHOICE, keyspace_engines, 0, KEYSPACE_LMDB, START,                        \
      "what holds the keys")                                                                       \
    X(value_bytes_max, "value-bytes", SIZE, CONFIG_KIB(1), CONFIG_GIB(1), CONFIG_MIB(512), START,  \
      "longest string that a command may make")

struct settings_keyspace {
    const char                      *name; /* letters, digits, - and _ */
    struct settings_split           *splits;
    size_t                           splits_count;
    struct settings_directory_entry *directory;
    size_t                           directory_count;
    KEYSPACE_SETTINGS(CONFIG_FIELD)
    MEMORY_ENGINE_SETTINGS(CONFIG_FIELD)
    LMDB_ENGINE_SETTINGS(CONFIG_FIELD)
    struct key_cache_settings cache;
    /* Worked out from the above by settings_check(): */
    struct partition partition; /* its splits and entries lie in the configuration's memory */
};

#endif
