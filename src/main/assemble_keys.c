/* SPDX-License-Identifier: Apache-2.0 */
/* main/assemble_keys.c - the path of a key, from the engine up. */
#include "main/assemble_keys.h"

#include "core/mem.h"
#include "main/assemble.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { WAITING_MAX = 65536 }; /* writes of a shard, of all workers; more are BUSY */

/* What the process takes of the machine's memory; 0 if the system does not say. */
static uint64_t resident_bytes(void)
{
    unsigned long long size, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%llu %llu", &size, &resident) != 2)
        resident = 0;
    (void)fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void add_channels(struct pubsub_hub *hub, struct resp_figures *figures)
{
    struct pubsub_figures seen;
    pubsub_hub_count(hub, &seen);
    figures->pubsub_channels = seen.channels;
    figures->pubsub_patterns = seen.patterns;
    figures->pubsub_shard_channels = seen.shard_channels;
}

/* Of INFO: what all keyspaces come to. */
static void add_figures(struct resp_path *resp, struct resp_figures *figures)
{
    const struct key_path *path = list_item(resp, struct key_path, resp);
    add_channels(path->generation->pubsub, figures);
    for (uint32_t i = 0; i < path->count; i++) {
        struct keyspace_figures seen;
        kept_keyspace_count(path->generation->keyspaces[i], &seen);
        figures->memory_bytes += seen.used_bytes;
        figures->memory_bytes_max += seen.limit_bytes;
        figures->keys += seen.keys;
        figures->keys_expired += seen.expired;
        figures->keys_evicted += seen.evicted;
        figures->hits += seen.hits;
        figures->misses += seen.misses;
    }
    const struct settings *settings = path->generation->settings;
    figures->connections_max = settings->limits.connections;
    for (size_t i = 0; figures->tcp_port == 0 && i < settings->listeners_count; i++)
        if (settings->listeners[i].dialect == LISTENER_REDIS)
            figures->tcp_port = settings->listeners[i].address->port;
    struct rusage usage = {0};
    (void)getrusage(RUSAGE_SELF, &usage);
    figures->memory_rss_bytes = resident_bytes();
    figures->memory_peak_bytes = (uint64_t)usage.ru_maxrss * 1024; /* of the whole process */
    figures->process_id = (uint64_t)getpid();
    figures->system_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static const char *partition_name(const struct kept_keyspace *kept)
{
    return kept->partition->strategy->name;
}

/* Of INFO's section Keyspace: a line for each, beside db0, which is all of them. */
static void add_lines(struct resp_path *resp, const char *section, struct resp_out *text)
{
    const struct key_path *path = list_item(resp, struct key_path, resp);
    char line[512];
    for (uint32_t i = 0; i < path->count && strcmp(section, "Keyspace") == 0; i++) {
        const struct kept_keyspace *kept = path->generation->keyspaces[i];
        struct keyspace_figures seen;
        kept_keyspace_count(kept, &seen);
        const int bytes = snprintf(
            line, sizeof line,
            "keyspace_%s:engine=%s,partition=%s,shards=%u,keys=%" PRIu64 ",used_bytes=%" PRIu64
            ",limit_bytes=%" PRIu64 ",commands=%" PRIu64 ",hits=%" PRIu64 ",misses=%" PRIu64
            ",expired=%" PRIu64 ",evicted=%" PRIu64 "\r\n",
            path->generation->settings->keyspaces[i].name, kept_keyspace_engine(kept),
            partition_name(kept), kept->partition->shards_count, seen.keys, seen.used_bytes,
            seen.limit_bytes, seen.commands, seen.hits, seen.misses, seen.expired, seen.evicted);
        resp_raw(text, (struct bytes){(const uint8_t *)line, (size_t)bytes});
    }
}

static int by_name(const void *a, const void *b)
{
    const struct keyspace *one = a, *other = b;
    return strcmp(one->name, other->name);
}

static uint32_t shard_of(const void *layout, struct bytes key)
{
    return partition_shard_of(layout, key);
}

/* False: no memory. */
static bool build_memory(struct key_path *path, struct worker_thread *thread,
                         const struct kept_keyspace *kept, struct keyspace *keyspace)
{
    struct memory_stage *stage = &path->memory[keyspace - path->keyspaces];
    const struct memory_stage_options options = {
        .engine = kept->memory,
        .random = &thread->worker.random,
        .value_bytes_max = kept->value_bytes_max,
        .shard_of = shard_of,
        .layout = kept->partition,
    };
    keyspace->doors[0] = &stage->door;
    keyspace->holds_several = true;
    return memory_stage_init(stage, &options);
}

static void build_lmdb(struct key_path *path, struct worker_thread *thread,
                       const struct kept_keyspace *kept, struct keyspace *keyspace)
{
    struct lmdb_stage *stages = &path->lmdb[keyspace->doors - path->doors];
    for (uint32_t i = 0; i < kept->shards_open; i++) {
        const struct lmdb_stage_options options = {
            .shard = &kept->shards[i],
            .writer = &kept->writers[i],
            .loop = &thread->loop,
            .waiting_max = WAITING_MAX,
            .value_bytes_max = kept->value_bytes_max,
            .seed = random_next(&thread->worker.random),
        };
        lmdb_stage_init(&stages[i], &options);
        keyspace->doors[i] = &stages[i].door;
    }
}

/* Puts the cache before the doors of the engine. False: no memory. */
static bool build_cache(struct key_path *path, struct worker_thread *thread,
                        const struct kept_keyspace *kept, struct keyspace *keyspace)
{
    struct memory_stage *store = &path->memory[keyspace - path->keyspaces];
    struct key_cache_stage *stages = &path->caches[keyspace->doors - path->doors];
    const struct memory_stage_options options = {
        .engine = kept->cache_store,
        .random = &thread->worker.random,
        .value_bytes_max = kept_keyspace_cache_value_bytes(kept),
    };
    if (!memory_stage_init(store, &options))
        return false;
    for (uint32_t i = 0; i < kept->shards_open; i++) {
        key_cache_stage_init(&stages[i], &(struct key_cache_stage_options){
                                             .cache = kept->cache,
                                             .behind = keyspace->doors[i],
                                             .store = &store->door,
                                             .loop = &thread->loop,
                                         });
        keyspace->doors[i] = &stages[i].door;
    }
    return true;
}

/* False: no memory. */
static bool build_keyspaces(struct key_path *path, struct worker_thread *thread)
{
    uint32_t shard = 0;
    for (uint32_t i = 0; i < path->count; i++) {
        const struct kept_keyspace *kept = path->generation->keyspaces[i];
        path->keyspaces[i] = (struct keyspace){
            .name = path->generation->settings->keyspaces[i].name,
            .partition = kept->partition,
            .doors = &path->doors[shard],
        };
        shard += kept->partition->shards_count;
        if (kept->engine == KEYSPACE_LMDB)
            build_lmdb(path, thread, kept, &path->keyspaces[i]);
        else if (!build_memory(path, thread, kept, &path->keyspaces[i]))
            return false;
        if (kept->cache != NULL && !build_cache(path, thread, kept, &path->keyspaces[i]))
            return false;
    }
    qsort(path->keyspaces, path->count, sizeof *path->keyspaces, by_name);
    return true;
}

bool key_path_init(struct key_path *path, struct worker_thread *thread,
                   struct generation *generation)
{
    const uint32_t count = (uint32_t)generation->settings->keyspaces_count;
    *path = (struct key_path){.generation = generation, .count = count};
    for (uint32_t i = 0; i < count; i++)
        path->shards_count += generation->keyspaces[i]->partition->shards_count;
    path->keyspaces = mem_alloc((count + 1) * sizeof *path->keyspaces);
    path->memory = mem_alloc((count + 1) * sizeof *path->memory);
    path->lmdb = mem_alloc((path->shards_count + 1) * sizeof *path->lmdb);
    path->caches = mem_alloc((path->shards_count + 1) * sizeof *path->caches);
    path->doors = mem_alloc((path->shards_count + 1) * sizeof(struct key_door *));
    if (path->keyspaces == NULL || path->memory == NULL || path->lmdb == NULL ||
        path->caches == NULL || path->doors == NULL || !build_keyspaces(path, thread)) {
        key_path_fini(path);
        return false;
    }
    /* Redis clients are with workers alone; the control thread has keys over HTTP. */
    const bool has_clients = thread->worker.index != WORKER_CONTROL;
    if (has_clients)
        pubsub_worker_open(&thread->pubsub, generation->pubsub, thread->worker.index,
                           &thread->loop);
    struct keyspaces keyspaces;
    keyspaces_init(&keyspaces, path->keyspaces, count);
    partition_stage_init(&path->partition, &keyspaces, &thread->worker.random);
    path->resp = (struct resp_path){
        .refs_count = 1,
        .door = &path->partition.door,
        .clients_count = generation->clients_count,
        .pubsub = has_clients ? &thread->pubsub : NULL,
        .node = generation->node,
        .figures = add_figures,
        .info = add_lines,
    };
    return true;
}

void key_path_fini(struct key_path *path)
{
    for (uint32_t i = 0; path->caches != NULL && i < path->shards_count; i++)
        key_cache_stage_fini(&path->caches[i]);
    for (uint32_t i = 0; path->memory != NULL && i < path->count; i++)
        memory_stage_fini(&path->memory[i]);
    for (uint32_t i = 0; path->lmdb != NULL && i < path->shards_count; i++)
        lmdb_stage_fini(&path->lmdb[i]);
    mem_free(path->keyspaces);
    mem_free(path->memory);
    mem_free(path->lmdb);
    mem_free(path->caches);
    mem_free((void *)path->doors);
    *path = (struct key_path){0};
}
