/* SPDX-License-Identifier: Apache-2.0 */
/* main/kept_keyspace.c - a keyspace's engine from its settings, its upkeep and its figures. */
#include "main/kept_keyspace.h"

#include "core/mem.h"
#include "engine/lmdb/lmdb_visit.h"
#include "main/directory/facts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

enum {
    STRIPES_MOST = 32, /* of a shard: far more than workers, so that two seldom want one */
    STRIPES_ALL_MOST = 1024,
    READERS_MS = 5000, /* between two looks for readers of dead processes */
    TEND_ROUNDS = 8,   /* at once, while there is more to do; some milliseconds at most */
};

static void free_keyspace(struct kept_keyspace *keyspace)
{
    for (uint32_t i = 0; i < keyspace->writers_running; i++)
        lmdb_writer_stop(&keyspace->writers[i]);
    for (uint32_t i = 0; i < keyspace->shards_open; i++)
        lmdb_shard_close(&keyspace->shards[i]);
    mem_free(keyspace->writers);
    mem_free(keyspace->shards);
    key_cache_free(keyspace->cache);
    memory_engine_unref(keyspace->cache_store);
    memory_engine_unref(keyspace->memory);
    if (keyspace->partition != NULL)
        mem_free((void *)(uintptr_t)partition_table(keyspace->partition));
    mem_free(keyspace->partition);
    mem_free(keyspace->data);
    pthread_mutex_destroy(&keyspace->layout_lock);
    mem_free(keyspace);
}

static void drop(struct kept *kept)
{
    free_keyspace((struct kept_keyspace *)(void *)kept);
}

/* ---- memory ---- */

static uint32_t count_stripes(const struct partition *partition)
{
    uint32_t count = partition->strategy->is_ordered ? 1 : STRIPES_MOST;
    while (count > 1 && count * partition->shards_count > STRIPES_ALL_MOST)
        count /= 2;
    return count;
}

static enum err_kind make_memory(struct kept_keyspace *keyspace,
                                 const struct settings_keyspace *settings, struct err *e)
{
    struct memory_engine_options options = {
        .shards_count = keyspace->partition->shards_count,
        .stripes_count = count_stripes(keyspace->partition),
        .is_ordered = keyspace->partition->strategy->is_ordered,
        .evicts = settings->eviction == MEMORY_EVICTION_SIEVE,
        .bytes_max = settings->memory_bytes,
    };
    if (getrandom(&options.hash_key, sizeof options.hash_key, 0) != sizeof options.hash_key)
        return err_set_errno(e, "getrandom");
    keyspace->limit_bytes = settings->memory_bytes;
    keyspace->memory = memory_engine_new(&options);
    return keyspace->memory != NULL ? ERR_NONE : err_set(e, ERR_MEMORY, "no memory");
}

/* ---- the cache before an engine ---- */

enum { CACHE_VALUE_EXTRA_BYTES = 64 }; /* beside the answer, in the store */

uint64_t kept_keyspace_cache_value_bytes(const struct kept_keyspace *keyspace)
{
    return keyspace->cache->options.answer_bytes_max + CACHE_VALUE_EXTRA_BYTES;
}

static enum err_kind make_cache(struct kept_keyspace *keyspace,
                                const struct key_cache_settings *settings, struct err *e)
{
    struct memory_engine_options store = {.shards_count = 1,
                                          .stripes_count = STRIPES_MOST,
                                          .evicts = true,
                                          .bytes_max = settings->memory_bytes};
    struct key_cache_options cache = {
        .for_ns = settings->for_ns,
        .answer_bytes_max = settings->memory_bytes / KEY_CACHE_ANSWERS_PER_CACHE,
        .waiters_max = KEY_CACHE_WAITERS_MAX,
    };
    if (getrandom(&store.hash_key, sizeof store.hash_key, 0) != sizeof store.hash_key ||
        getrandom(&cache.hash_key, sizeof cache.hash_key, 0) != sizeof cache.hash_key)
        return err_set_errno(e, "getrandom");
    keyspace->cache = key_cache_new(&cache);
    keyspace->cache_store = memory_engine_new(&store);
    if (keyspace->cache == NULL || keyspace->cache_store == NULL)
        return err_set(e, ERR_MEMORY, "no memory");
    return ERR_NONE;
}

/* ---- the disk ---- */

static enum err_kind make_folder(const char *path, struct err *e)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        return ERR_NONE;
    return err_set_errno(e, "make the folder %s", path);
}

void kept_keyspace_layout(const struct partition *partition, uint32_t index,
                          char out[LMDB_LAYOUT_MAX])
{
    (void)snprintf(out, LMDB_LAYOUT_MAX, "%s, shard %u of %u, %016" PRIx64,
                   partition->strategy->name, index, partition->shards_count,
                   partition_fingerprint(partition));
}

bool kept_keyspace_is_laid_otherwise(const struct kept_keyspace *keyspace,
                                     const struct partition *partition)
{
    return keyspace->engine == KEYSPACE_LMDB &&
           partition_fingerprint(keyspace->partition) != partition_fingerprint(partition);
}

/* Opens the shard @index and starts its writer. */
static enum err_kind open_shard(struct kept_keyspace *keyspace, uint32_t index,
                                const struct lmdb_settings *settings, struct err *e)
{
    char layout[LMDB_LAYOUT_MAX];
    struct lmdb_settings with = *settings;
    uint64_t seed = 0;
    (void)!getrandom(&seed, sizeof seed, 0); /* of draws by chance only */
    kept_keyspace_layout(keyspace->partition, index, layout);
    with.number = index;
    with.layout = layout;
    const enum err_kind failed = lmdb_shard_open(&keyspace->shards[index], &with, e);
    if (failed != ERR_NONE)
        return failed;
    keyspace->shards_open++;
    lmdb_writer_init(&keyspace->writers[index], &keyspace->shards[index], keyspace->value_bytes_max,
                     seed);
    keyspace->writers_running++; /* lmdb_writer_stop() is due from here on */
    return lmdb_writer_start(&keyspace->writers[index], e);
}

static enum err_kind make_lmdb(struct kept_keyspace *keyspace,
                               const struct settings_keyspace *settings, const char *data,
                               struct err *e)
{
    char folder[LMDB_PATH_MAX];
    const uint32_t count = keyspace->partition->shards_count;
    const struct lmdb_settings with = {
        .folder = folder,
        .is_ordered = keyspace->partition->strategy->is_ordered,
        .sync = (uint8_t)settings->sync,
        .sync_interval_ns = settings->sync_interval_ns,
        .name_bytes = keyspace->partition->name_bytes,
        .disk_bytes_max = settings->disk_bytes / count,
    };
    enum err_kind failed = make_folder(data, e);
    (void)snprintf(folder, sizeof folder, "%s/keys", data);
    if (failed == ERR_NONE)
        failed = make_folder(folder, e);
    (void)snprintf(folder, sizeof folder, "%s/keys/%s", data, settings->name);
    keyspace->limit_bytes = settings->disk_bytes;
    keyspace->shards = mem_alloc(count * sizeof *keyspace->shards);
    keyspace->writers = mem_alloc(count * sizeof *keyspace->writers);
    if (failed == ERR_NONE && (keyspace->shards == NULL || keyspace->writers == NULL))
        failed = err_set(e, ERR_MEMORY, "no memory");
    for (uint32_t i = 0; failed == ERR_NONE && i < count; i++)
        failed = open_shard(keyspace, i, &with, e);
    return failed;
}

/* ---- both ---- */

/* What commands said of its directory. */
static enum err_kind take_facts(struct kept_keyspace *keyspace, const char *name, const char *data,
                                struct err *e)
{
    struct facts facts;
    struct partition_table *table = NULL;
    if (keyspace->partition->strategy != &partition_directory)
        return ERR_NONE;
    enum err_kind failed = facts_load(&facts, data, e);
    if (failed != ERR_NONE)
        return failed;
    if (facts.count > 0)
        failed =
            facts_table(&facts, &(struct facts_layout){name, keyspace->partition, NULL}, &table, e);
    facts_fini(&facts);
    atomic_store(&keyspace->partition->table, table);
    return failed;
}

static struct kept_keyspace *make(const struct settings_keyspace *settings, const char *data,
                                  struct err *e)
{
    struct kept_keyspace *keyspace = mem_alloc(sizeof *keyspace);
    enum err_kind failed = keyspace == NULL ? err_set(e, ERR_MEMORY, "no memory") : ERR_NONE;
    if (failed == ERR_NONE) {
        keyspace->engine = settings->engine;
        pthread_mutex_init(&keyspace->layout_lock, NULL);
        keyspace->value_bytes_max = settings->value_bytes_max;
        keyspace->partition = partition_copy(&settings->partition);
        keyspace->data = mem_alloc(strlen(data) + 1);
        if (keyspace->data != NULL)
            memcpy(keyspace->data, data, strlen(data));
        if (keyspace->partition == NULL || keyspace->data == NULL)
            failed = err_set(e, ERR_MEMORY, "no memory");
    }
    if (failed == ERR_NONE)
        failed = take_facts(keyspace, settings->name, data, e);
    if (failed == ERR_NONE)
        failed = keyspace->engine == KEYSPACE_MEMORY ? make_memory(keyspace, settings, e)
                                                     : make_lmdb(keyspace, settings, data, e);
    if (failed == ERR_NONE && settings->cache.memory_bytes != CONFIG_NONE)
        failed = make_cache(keyspace, &settings->cache, e);
    if (failed == ERR_NONE)
        return keyspace;
    (void)err_wrap(e, "keyspace %s", settings->name);
    if (keyspace != NULL)
        free_keyspace(keyspace);
    return NULL;
}

struct kept_keyspace *kept_keyspace_get(struct keep *keep, const struct settings_keyspace *settings,
                                        const char *data, struct err *e)
{
    struct kept *kept = keep_find(keep, settings->name);
    if (kept != NULL)
        return (struct kept_keyspace *)(void *)kept;
    struct kept_keyspace *keyspace = make(settings, data, e);
    if (keyspace != NULL)
        keep_add(keep, &keyspace->kept, settings->name, drop);
    return keyspace;
}

void kept_keyspace_give(struct kept_keyspace *keyspace)
{
    if (keyspace != NULL)
        kept_unref(&keyspace->kept);
}

enum space_result kept_keyspace_visit(struct kept_keyspace *keyspace, uint32_t shard,
                                      uint64_t now_ms, space_visit *visit, void *self)
{
    if (keyspace->engine == KEYSPACE_LMDB)
        return lmdb_shard_visit(&keyspace->shards[shard], now_ms, visit, self);
    memory_engine_visit(keyspace->memory, shard, now_ms, visit, self);
    return SPACE_OK;
}

static void tend_memory(struct memory_engine *engine, uint64_t now_ms)
{
    for (unsigned i = 0; i < TEND_ROUNDS && memory_engine_tick(engine, now_ms); i++)
        ;
}

static void tend_lmdb(struct kept_keyspace *keyspace, uint64_t now_ms)
{
    const bool is_due = now_ms - keyspace->readers_checked_ms >= READERS_MS;
    for (uint32_t i = 0; i < keyspace->writers_running; i++) {
        lmdb_writer_tick(&keyspace->writers[i], now_ms);
        if (is_due)
            lmdb_shard_check_readers(&keyspace->shards[i]);
    }
    if (is_due)
        keyspace->readers_checked_ms = now_ms;
}

void kept_keyspace_tend(struct kept_keyspace *keyspace, uint64_t now_ms)
{
    if (keyspace->engine == KEYSPACE_MEMORY)
        tend_memory(keyspace->memory, now_ms);
    else
        tend_lmdb(keyspace, now_ms);
    if (keyspace->cache != NULL)
        tend_memory(keyspace->cache_store, now_ms);
}

static void count_memory(const struct kept_keyspace *keyspace, struct keyspace_figures *out)
{
    struct memory_counts counts = {0};
    memory_engine_count(keyspace->memory, &counts);
    out->keys = counts.keys;
    out->used_bytes = counts.bytes;
    out->commands = counts.commands;
    out->hits = counts.hits;
    out->misses = counts.misses;
    out->expired = counts.expired;
    out->evicted = counts.evicted;
}

static uint64_t seen(const _Atomic uint64_t *figure)
{
    return atomic_load_explicit(figure, memory_order_relaxed);
}

static void count_lmdb(const struct kept_keyspace *keyspace, struct keyspace_figures *out)
{
    for (uint32_t i = 0; i < keyspace->shards_open; i++) {
        const struct lmdb_figures *figures = &keyspace->shards[i].figures;
        out->keys += seen(&figures->keys);
        out->used_bytes += seen(&figures->used_bytes);
        out->writes += seen(&figures->ops);
        out->commits += seen(&figures->commits);
        out->expired += seen(&figures->expired);
        out->commands += seen(&figures->commands);
        out->hits += seen(&figures->hits);
        out->misses += seen(&figures->misses);
    }
}

static void count_cache(const struct kept_keyspace *keyspace, struct keyspace_figures *out)
{
    struct key_cache_counts counts;
    struct memory_counts held;
    key_cache_count(keyspace->cache, &counts);
    memory_engine_count(keyspace->cache_store, &held);
    out->cache_hits = counts.hits;
    out->cache_misses = counts.misses;
    out->cache_joined = counts.joined;
    out->cache_invalidated = counts.invalidated;
    out->cache_used_bytes = held.bytes;
}

void kept_keyspace_count(const struct kept_keyspace *keyspace, struct keyspace_figures *out)
{
    *out = (struct keyspace_figures){.limit_bytes = keyspace->limit_bytes};
    if (keyspace->engine == KEYSPACE_MEMORY)
        count_memory(keyspace, out);
    else
        count_lmdb(keyspace, out);
    if (keyspace->cache != NULL)
        count_cache(keyspace, out);
}

const char *kept_keyspace_engine(const struct kept_keyspace *keyspace)
{
    static const char *const words[] = {
#define X(enumerator, name, gist) [enumerator] = name,
        KEYSPACE_ENGINES(X)
#undef X
    };
    return words[keyspace->engine];
}
