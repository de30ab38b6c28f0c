/* SPDX-License-Identifier: Apache-2.0 */
/* main/kept_keyspace.c - a keyspace's engine from its settings, its upkeep and its figures. */
#include "main/kept_keyspace.h"

#include "core/mem.h"

#include <sys/random.h>

enum {
    STRIPES_MOST = 32, /* of a shard: far more than workers, so that two seldom want one */
    STRIPES_ALL_MOST = 1024,
    TEND_ROUNDS = 8, /* at once, while there is more to do; some milliseconds at most */
};

static void drop(struct kept *kept)
{
    struct kept_keyspace *keyspace = (struct kept_keyspace *)(void *)kept;
    memory_engine_unref(keyspace->memory);
    mem_free(keyspace->partition);
    mem_free(keyspace);
}

static uint32_t count_stripes(const struct partition *partition)
{
    uint32_t count = partition->strategy->is_ordered ? 1 : STRIPES_MOST;
    while (count > 1 && count * partition->shards_count > STRIPES_ALL_MOST)
        count /= 2;
    return count;
}

/* NULL: no memory, or none of the system's randomness. */
static struct memory_engine *make_memory(const struct settings_keyspace *settings,
                                         const struct partition *partition)
{
    struct memory_engine_options options = {
        .shards_count = partition->shards_count,
        .stripes_count = count_stripes(partition),
        .is_ordered = partition->strategy->is_ordered,
        .evicts = settings->eviction == MEMORY_EVICTION_SIEVE,
        .bytes_max = settings->memory_bytes,
    };
    if (getrandom(&options.hash_key, sizeof options.hash_key, 0) != sizeof options.hash_key)
        return NULL;
    return memory_engine_new(&options);
}

static struct kept_keyspace *make(const struct settings_keyspace *settings)
{
    struct kept_keyspace *keyspace = mem_alloc(sizeof *keyspace);
    if (keyspace == NULL)
        return NULL;
    keyspace->engine = settings->engine;
    keyspace->memory_bytes = settings->memory_bytes;
    keyspace->value_bytes_max = settings->value_bytes_max;
    keyspace->partition = partition_copy(&settings->partition);
    if (keyspace->partition != NULL)
        keyspace->memory = make_memory(settings, keyspace->partition);
    if (keyspace->memory == NULL) {
        mem_free(keyspace->partition);
        mem_free(keyspace);
        return NULL;
    }
    return keyspace;
}

struct kept_keyspace *kept_keyspace_get(struct keep *keep, const struct settings_keyspace *settings)
{
    struct kept *kept = keep_find(keep, settings->name);
    if (kept != NULL)
        return (struct kept_keyspace *)(void *)kept;
    struct kept_keyspace *keyspace = make(settings);
    if (keyspace != NULL)
        keep_add(keep, &keyspace->kept, settings->name, drop);
    return keyspace;
}

void kept_keyspace_give(struct kept_keyspace *keyspace)
{
    if (keyspace != NULL)
        kept_unref(&keyspace->kept);
}

void kept_keyspace_tend(struct kept_keyspace *keyspace, uint64_t now_ms)
{
    for (unsigned i = 0; i < TEND_ROUNDS && memory_engine_tick(keyspace->memory, now_ms); i++)
        ;
}

void kept_keyspace_count(const struct kept_keyspace *keyspace, struct keyspace_figures *out)
{
    struct memory_counts counts = {0};
    memory_engine_count(keyspace->memory, &counts);
    *out = (struct keyspace_figures){
        .keys = counts.keys,
        .used_bytes = counts.bytes,
        .limit_bytes = keyspace->memory_bytes,
        .commands = counts.commands,
        .hits = counts.hits,
        .misses = counts.misses,
        .expired = counts.expired,
        .evicted = counts.evicted,
    };
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
