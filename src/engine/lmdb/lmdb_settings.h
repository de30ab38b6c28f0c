/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/lmdb_settings.h - a keyspace on the disk: how large it may become, and when a write
 * is answered.
 *
 * Columns: config/config.h. */
#ifndef PANDO_ENGINE_LMDB_LMDB_SETTINGS_H
#define PANDO_ENGINE_LMDB_LMDB_SETTINGS_H

#include "config/config.h"

/* When a write is answered. */
#define LMDB_SYNCS(X)                                                                              \
    X(ALWAYS, "always", "after the disk has it: a power cut loses nothing that was answered")      \
    X(INTERVAL, "interval",                                                                        \
      "after the kernel has it, and the disk is asked every `sync-interval`: kill -9 loses "       \
      "nothing, a power cut what was written since, and the rest is whole")                        \
    X(NEVER, "never",                                                                              \
      "after the kernel has it: kill -9 loses nothing, but a power cut loses what the kernel had " \
      "not written yet, and may damage the whole file, which then is restored from a backup")

enum lmdb_sync_when {
#define X(symbol, name, gist) LMDB_SYNC_##symbol,
    LMDB_SYNCS(X)
#undef X
    LMDB_SYNCS_COUNT
};

#define LMDB_ENGINE_SETTINGS(X)                                                                    \
    X(disk_bytes, "disk", SIZE_OR_NONE, CONFIG_MIB(1), CONFIG_GIB(256), CONFIG_NONE, START,        \
      "engine lmdb: most bytes of all its shards together; at it writes that need more are "       \
      "refused, and reads go on")                                                                  \
    X(sync, "sync", CHOICE, keyspace_syncs, 0, LMDB_SYNC_ALWAYS, START,                            \
      "engine lmdb: when a write is answered")                                                     \
    X(sync_interval_ns, "sync-interval", DURATION, CONFIG_MS(10), CONFIG_SECONDS(60),              \
      CONFIG_MS(100), START, "engine lmdb, `sync: interval`: how often the disk is asked")

#endif
