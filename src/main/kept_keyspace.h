/* SPDX-License-Identifier: Apache-2.0 */
/* main/kept_keyspace.h - a keyspace with its engine, kept by its name over reloads.
 *
 * It keeps the layout and the cache that it was made with: what a reload says otherwise holds after
 * a restart.
 * The entries of a directory are those of the file with DATA/facts over them, which commands change
 * (directory/change.h).
 *
 * Memory:  counted; the last holder frees engine and keys. Threads: any. */
#ifndef PANDO_MAIN_KEPT_KEYSPACE_H
#define PANDO_MAIN_KEPT_KEYSPACE_H

#include "cache/keys/key_cache.h"
#include "engine/lmdb/lmdb_writer.h"
#include "engine/memory/memory_engine.h"
#include "main/settings.h"
#include "path/command/keyspace_row.h"
#include "path/keep.h"

struct kept_keyspace {
    struct kept           kept;      /* first */
    struct partition     *partition; /* owned */
    enum keyspace_engine  engine;
    struct memory_engine *memory;  /* of engine memory; NULL: it is another */
    struct lmdb_shard    *shards;  /* of engine lmdb, one for each shard, open; NULL: another */
    struct lmdb_writer   *writers; /* theirs, running */
    uint32_t              shards_open, writers_running;
    struct key_cache     *cache;       /* before the engine; NULL: there is none */
    struct memory_engine *cache_store; /* where its answers are */
    uint64_t              limit_bytes; /* 0: none */
    uint64_t              readers_checked_ms;
    uint64_t              value_bytes_max;
    char                 *data;        /* the folder of its files; owned */
    pthread_mutex_t       layout_lock; /* partition->table: held by who changes it, and by who reads
                                          it on a thread whose turns are not waited for
                                          (directory/passed.h) */
};

/* The keyspace of that name, or a new one, whose files lie in the folder @data/keys/NAME. NULL: @e
 * says why. To be given back. */
struct kept_keyspace *kept_keyspace_get(struct keep *keep, const struct settings_keyspace *settings,
                                        const char *data, struct err *e) must_check;

/* Accepts NULL. */
void kept_keyspace_give(struct kept_keyspace *keyspace);

/* Most bytes of a value in the cache's store. */
uint64_t kept_keyspace_cache_value_bytes(const struct kept_keyspace *keyspace);
/* Visits each key of @shard that is there at @now_ms; false of @visit ends the walk. On a thread
 * that may take its time. Not OK: the disk could not be read. */
enum space_result kept_keyspace_visit(struct kept_keyspace *keyspace, uint32_t shard,
                                      uint64_t now_ms, space_visit *visit, void *self) must_check;

/* A slice of what has to be done in the background, at @now_ms of Unix time. */
void kept_keyspace_tend(struct kept_keyspace *keyspace, uint64_t now_ms);

/* What it holds and did. */
void kept_keyspace_count(const struct kept_keyspace *keyspace, struct keyspace_figures *out);

/* How the keys of the shard @index lie by @partition, as its file says it. */
void kept_keyspace_layout(const struct partition *partition, uint32_t index,
                          char out[LMDB_LAYOUT_MAX]);

/* Would a restart refuse its files, since @partition is another layout than that of its keys? */
bool kept_keyspace_is_laid_otherwise(const struct kept_keyspace *keyspace,
                                     const struct partition *partition);

/* The words of its engine and partition; static. */
const char *kept_keyspace_engine(const struct kept_keyspace *keyspace);

#endif
