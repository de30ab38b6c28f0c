/* SPDX-License-Identifier: Apache-2.0 */
/* cache/tier.c - the second tier: what memory lets go of is written, what is asked for again comes
 * back.
 *
 * A request waits for the disk as it waits for a fetch, so that many wait for one read. */
#include "cache/tier.h"

#include "cache/cache_inside.h"
#include "core/mem.h"
#include "core/units.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
    QUEUE_SHARE = 8, /* of the memory, what may wait to be written: it is evicted, and yet there */
    PATH_BYTES_MAX = 4096,
};

#define QUEUE_BYTES_MAX (32 * MIB)

/* --- the disk --------------------------------------------------------------------------------- */

/* Another version may number fields otherwise, or lay objects out otherwise. */
static uint32_t format_of_objects(void)
{
    char text[128];
    const int bytes =
        snprintf(text, sizeof text, "%s %d %zu %zu %d", PANDO_VERSION, (int)CACHE_OBJECT_FORMAT,
                 sizeof(struct cache_object), sizeof(struct http_field), (int)HTTP_FIELDS_COUNT);
    return (uint32_t)XXH3_64bits(text, (size_t)bytes);
}

/* A service may have any name; a file not. */
static bool write_path(const struct cache_wish *wish, char path[PATH_BYTES_MAX])
{
    int bytes = snprintf(path, PATH_BYTES_MAX, "%s/cache/", wish->data_path);
    for (const char *at = wish->service; *at != '\0' && bytes > 0 && bytes + 8 < PATH_BYTES_MAX;
         at++)
        bytes += snprintf(path + bytes, 4,
                          isalnum((unsigned char)*at) || *at == '-' || *at == '_' ? "%c" : "%%%02X",
                          (unsigned char)*at);
    if (bytes <= 0 || bytes + 8 >= PATH_BYTES_MAX)
        return false;
    memcpy(path + bytes, ".disk", sizeof ".disk");
    return true;
}

void cache_disk_open(struct cache *cache, const struct cache_wish *wish, struct cache *before)
{
    const uint64_t queue_bytes = wish->settings->memory_bytes / QUEUE_SHARE;
    char path[PATH_BYTES_MAX];
    struct disk_options options = {
        .path = path,
        .limit_bytes = wish->settings->disk_bytes,
        .queue_bytes = queue_bytes < QUEUE_BYTES_MAX ? queue_bytes : QUEUE_BYTES_MAX,
        .format = format_of_objects(),
    };
    if (before != NULL && before->disk != NULL) {
        cache->key = before->key;
        cache->disk = disk_ref(before->disk);
        return;
    }
    if (!write_path(wish, path)) {
        if (options.limit_bytes > 0)
            (void)err_set(&cache->disk_error, ERR_LIMIT, "the path of its file is too long");
        return;
    }
    if (options.limit_bytes == 0) { /* one of before would miss what is invalidated from now on */
        (void)unlink(path);
        return;
    }
    (void)!disk_read_key(path, options.format, &cache->key);
    options.key = cache->key;
    cache->disk = disk_open(&options, &cache->disk_error);
}

void cache_disk_close(struct cache *cache)
{
    cache_disk_sweep_end(cache);
    if (cache->disk != NULL)
        disk_drain(cache->disk); /* another cache may go on with it */
    disk_unref(cache->disk);
    cache->disk = NULL;
}

/* --- on the way down -------------------------------------------------------------------------- */

static uint64_t now_ms(const struct cache *cache)
{
    return clock_monotonic_ns() / NS_PER_MS + cache->clock_ms;
}

/* May it be of use to anybody later? A server that is asked whether it holds saves its body. */
static bool is_useful(const struct cache *cache, struct cache_object *object)
{
    const struct cache_meta *meta = &object->meta;
    const uint64_t stale_ms = meta->swr_ms > meta->sie_ms ? meta->swr_ms : meta->sie_ms;
    if (!atomic_load(&object->is_over) ||
        atomic_load_explicit(&object->stale_ms, memory_order_relaxed) == CACHE_PURGED_HARD)
        return false;
    if (object->kind == CACHE_OBJECT_VARIES)
        return true;
    if (object->kind != CACHE_OBJECT_ANSWER)
        return false;
    if (meta->etag_bytes > 0 || meta->last_modified_s >= 0)
        return true;
    return atomic_load_explicit(&object->stale_ms, memory_order_relaxed) == 0 &&
           now_ms(cache) + meta->initial_age_ms < meta->received_ms + meta->lifetime_ms + stale_ms;
}

/* What differs where a front does, but for what purges note in it. */
static uint32_t version_of(struct cache_object *object)
{
    const uint64_t facts[] = {
        object->meta.received_ms,
        object->generation,
        atomic_load_explicit(&object->stale_ms, memory_order_relaxed),
        atomic_load_explicit(&object->variants_count, memory_order_relaxed),
        atomic_load_explicit(&object->total_bytes, memory_order_relaxed),
        object->part_first,
    };
    return (uint32_t)XXH3_64bits(facts, sizeof facts);
}

void cache_disk_evicted(void *self, struct store_entry *entry)
{
    struct cache *cache = self;
    struct cache_object *object = cache_object_of(entry);
    if (cache->disk != NULL && is_useful(cache, object) && !cache_purge_means(cache, entry))
        disk_put(cache->disk, entry, object->meta.received_ms, version_of(object));
}

void cache__put(struct cache *cache, struct store_entry *entry)
{
    if (cache->disk != NULL)
        disk_replace(cache->disk, entry->hash);
    store_put(cache->store, entry);
}

bool cache_disk_forget(struct cache *cache, uint64_t hash)
{
    return cache->disk != NULL && disk_forget(cache->disk, hash, now_ms(cache));
}

/* --- purges: what is on the disk is walked by a thread of its own ----------------------------- */

static enum store_visit visit(struct disk_walk *walk, const struct disk_seen *seen)
{
    struct cache_sweep *sweep = list_item(walk, struct cache_sweep, walk);
    _Alignas(16) uint8_t front[sizeof(struct cache_object)];
    struct cache_object *object = (struct cache_object *)(void *)front;
    if (seen->front_bytes < sizeof front)
        return STORE_REMOVE;
    memcpy(front, seen->front, sizeof front); /* it may lie at any address */
    uint64_t tags[CACHE_TAGS_MAX];
    const uint32_t tags_count =
        object->tags_count < CACHE_TAGS_MAX ? object->tags_count : CACHE_TAGS_MAX;
    if (object->kind != CACHE_OBJECT_ANSWER ||
        object->tags_at + (uint64_t)tags_count * sizeof *tags > seen->front_bytes)
        return STORE_KEEP;
    memcpy(tags, seen->front + object->tags_at, tags_count * sizeof *tags);
    const struct cache_purge_facts facts = {
        .seen = object->purges_seen,
        .url = seen->key.at,
        .url_bytes = object->url_bytes,
        .tags = tags,
        .tags_count = tags_count,
    };
    return cache_purges_apply(sweep->cache, &facts) == CACHE_PURGE_NOT ? STORE_KEEP : STORE_REMOVE;
}

static void *sweep_all(void *self)
{
    struct cache_sweep *sweep = self;
    disk_walk(sweep->cache->disk, &sweep->walk);
    atomic_store(&sweep->is_over, true);
    return NULL;
}

bool cache_disk_sweep_begin(struct cache *cache)
{
    struct cache_sweep *sweep = &cache->sweep;
    if (cache->disk == NULL)
        return false;
    *sweep =
        (struct cache_sweep){.cache = cache, .walk = {.visit = visit, .now_ms = now_ms(cache)}};
    sweep->is_running = pthread_create(&sweep->thread, NULL, sweep_all, sweep) == 0;
    return true;
}

bool cache_disk_sweep_is_over(struct cache *cache)
{
    struct cache_sweep *sweep = &cache->sweep;
    if (!sweep->is_running) /* no thread could be started: all of it goes, which is never wrong */
        disk_clear(cache->disk);
    else if (!atomic_load(&sweep->is_over))
        return false;
    cache_disk_sweep_end(cache);
    return true;
}

void cache_disk_sweep_end(struct cache *cache)
{
    if (!cache->sweep.is_running)
        return;
    atomic_store(&cache->sweep.walk.stops, true);
    pthread_join(cache->sweep.thread, NULL);
    cache->sweep.is_running = false;
}

/* --- on the way up ---------------------------------------------------------------------------- */

struct recall {
    struct disk_read   read;
    struct cache_side *side; /* a reference */
    struct cache_fill *fill; /* likewise */
    struct cache_path  path; /* held, so that the loop is there */
};

/* What was read is one of ours, as the checksum says; whether it is fresh is looked at in use.
 * It is not there for those who look before the rules have spoken. */
static bool accepts(struct disk_read *read, struct store_entry *entry)
{
    const struct recall *recall = (const struct recall *)(const void *)read;
    if (entry->front_bytes < sizeof(struct cache_object))
        return false;
    const struct cache_object *object = cache_object_of(entry);
    return (object->kind == CACHE_OBJECT_ANSWER || object->kind == CACHE_OBJECT_VARIES) &&
           !cache_purge_means(recall->side->cache, entry);
}

bool cache__is_on_disk(const struct cache *cache, const struct cache_look *look)
{
    return cache->disk != NULL && look->entry == NULL && look->key.bytes > 0 &&
           disk_find(cache->disk, look->key.hash);
}

/* On the fill's owner. Takes over both references. */
static void tell(struct cache_fill *fill, struct store_entry *entry)
{
    fill->entry = entry;
    fill->is_recalled = true;
    cache_fill_hide(fill);
    atomic_store(&fill->state, CACHE_FILL_OPEN);
    cache_fill_wake(fill);
    cache_fill_unref(fill);
}

static void recalled(struct disk_read *read, struct store_entry *entry)
{
    struct recall *recall = (struct recall *)(void *)read;
    struct cache_side *side = recall->side;
    const struct cache_path path = recall->path;
    if (entry != NULL && atomic_load(&recall->fill->is_doomed)) {
        (void)store_remove(side->cache->store, entry);
        store_entry_unref(entry);
        entry = NULL;
    }
    tell(recall->fill, entry);
    mem_free(recall);
    if (path.release != NULL)
        path.release(path.path);
    cache_side_unref(side);
}

void cache__recall(struct cache_stage *stage, struct cache_fill *fill)
{
    struct cache_side *side = stage->side;
    struct recall *recall = mem_alloc(sizeof *recall);
    if (recall == NULL) {
        tell(fill, NULL);
        return;
    }
    *recall = (struct recall){
        .read = {.key = {fill->hash, fill->key, fill->key_bytes},
                 .store = side->cache->store,
                 .loop = side->worker->loop,
                 .accepts = accepts,
                 .done = recalled},
        .side = side,
        .fill = fill,
        .path = stage->path,
    };
    if (stage->path.hold != NULL)
        stage->path.hold(stage->path.path);
    cache_side_ref(side);
    if (!disk_get(side->cache->disk, &recall->read))
        recalled(&recall->read, NULL);
}
