/* SPDX-License-Identifier: Apache-2.0 */
/* main/assemble_keys.h - the path of a key on one worker, put together in walking order:
 *
 *     front/resp > partition > cache/keys > engine
 *
 * front      front/resp: what is being asked? One per listener and worker.
 * partition  partition/: which shard owns it? Split and merged where it is several.
 * cache      cache/keys: is the answer known? Where the keyspace has a cache; its store is an
 *            engine/memory of its own.
 * engine     engine/memory, engine/lmdb: who holds it?
 *
 * Memory:  a part of struct path, which frees it when nothing holds `resp` any more.
 * Threads: its worker's. */
#ifndef PANDO_MAIN_ASSEMBLE_KEYS_H
#define PANDO_MAIN_ASSEMBLE_KEYS_H

#include "cache/keys/key_cache_stage.h"
#include "engine/lmdb/lmdb_stage.h"
#include "front/resp/resp_path.h"
#include "main/kept_keyspace.h"
#include "partition/partition_stage.h"

struct generation;
struct worker_thread;

struct key_path {
    struct resp_path       resp; /* what fronts hold */
    struct partition_stage partition;
    struct generation     *generation;
    struct keyspace       *keyspaces; /* by name */
    struct memory_stage   *memory;    /* of each of them: its engine, or its cache's store */
    struct lmdb_stage     *lmdb;      /* of each shard of all of them; likewise */
    struct key_door      **doors;     /* of each shard of all of them */
    uint32_t               count;
    uint32_t               shards_count; /* of all of them */
    /* Of each shard of all keyspaces; zero where there is no cache. */
    struct key_cache_stage *caches;
};

/* Builds it over the keyspaces of @generation. resp.released and resp.path are the caller's to set.
 * False: no memory; nothing has to be given back. */
must_check bool key_path_init(struct key_path *path, struct worker_thread *thread,
                              struct generation *generation);

/* Accepts zero. */
void key_path_fini(struct key_path *path);

#endif
