/* SPDX-License-Identifier: Apache-2.0 */
/* cache/snapshot.c - writing what is kept to a file, and reading it back. */
#include "cache/snapshot.h"

#include "cache/object.h"
#include "core/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4352 };

static void write_path(char path[PATH_BYTES], const char *folder, const char *service,
                       const char *sort)
{
    (void)snprintf(path, PATH_BYTES, "%s/cache/%s.%s", folder, service, sort);
}

static enum err_kind make_folder(const char *folder, struct err *e)
{
    char path[PATH_BYTES];
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return err_set_errno(e, "create %s", folder);
    (void)snprintf(path, sizeof path, "%s/cache", folder);
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return err_set_errno(e, "create %s", path);
    return ERR_NONE;
}

/* --- whose it is --- */

static void claim(struct cache *cache, const char *folder, const char *service)
{
    char path[PATH_BYTES];
    write_path(path, folder, service, "owner");
    cache->owner = clock_wall_ns();
    FILE *file = fopen(path, "we");
    if (file == NULL)
        return; /* then nothing is written at the end either, and that says why */
    (void)fprintf(file, "%" PRIu64 "\n", cache->owner);
    (void)fclose(file);
}

static bool is_ours(const struct cache *cache, const char *folder, const char *service)
{
    char path[PATH_BYTES];
    uint64_t owner = 0;
    write_path(path, folder, service, "owner");
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    const bool is_read = fscanf(file, "%" SCNu64, &owner) == 1;
    (void)fclose(file);
    return is_read && owner == cache->owner;
}

/* --- writing and reading --- */

/* The ring of a sign's variants has hashes of the process that wrote it. */
static bool accepts(void *self, struct store_entry *entry)
{
    (void)self;
    struct cache_object *object = cache_object_of(entry);
    if (entry->front_bytes < sizeof *object || object->kind == CACHE_OBJECT_PASSES ||
        !atomic_load(&object->is_over))
        return false;
    if (object->kind == CACHE_OBJECT_VARIES) {
        memset(cache_object_at(object, object->variants_at), 0, object->variants_max * 8ul);
        atomic_store(&object->variants_count, 0);
    }
    return true;
}

enum err_kind cache_warm(struct cache *cache, const char *folder, const char *service,
                         uint64_t *count, struct err *e)
{
    char path[PATH_BYTES];
    *count = 0;
    if (cache->is_warm)
        return ERR_NONE;
    cache->is_warm = true;
    if (make_folder(folder, e) != ERR_NONE)
        return e->kind;
    claim(cache, folder, service);
    write_path(path, folder, service, "snapshot");
    const enum err_kind failed =
        store_load(cache->store, path, CACHE_OBJECT_FORMAT, accepts, NULL, count, e);
    (void)unlink(path);
    return failed;
}

enum err_kind cache_save(struct cache *cache, const char *folder, const char *service,
                         uint64_t *count, struct err *e)
{
    char path[PATH_BYTES];
    *count = 0;
    /* Nothing is being fetched any more, so each walk ends its rules. */
    while (cache_purges_step(cache, clock_monotonic_ns()))
        ;
    if (!is_ours(cache, folder, service))
        return ERR_NONE;
    write_path(path, folder, service, "snapshot");
    const enum err_kind failed = store_save(cache->store, path, CACHE_OBJECT_FORMAT, count, e);
    if (!is_ours(cache, folder, service)) { /* somebody looked for it just now */
        (void)unlink(path);
        *count = 0;
    }
    return failed;
}
