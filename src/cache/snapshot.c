/* SPDX-License-Identifier: Apache-2.0 */
/* cache/snapshot.c - writing what is kept to a file, and reading it back. */
#include "cache/snapshot.h"

#include "cache/object.h"
#include "core/units.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4352 };

static void write_path(char path[PATH_BYTES], const char *folder, const char *service)
{
    (void)snprintf(path, PATH_BYTES, "%s/cache/%s.snapshot", folder, service);
}

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
    write_path(path, folder, service);
    const enum err_kind failed =
        store_load(cache->store, path, CACHE_OBJECT_FORMAT, accepts, NULL, count, e);
    (void)unlink(path);
    return failed;
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

enum err_kind cache_save(struct cache *cache, const char *folder, const char *service,
                         uint64_t *count, struct err *e)
{
    char path[PATH_BYTES];
    *count = 0;
    /* Nothing is being fetched any more, so each walk ends its rules. */
    while (cache_purges_step(cache, clock_monotonic_ns()))
        ;
    if (make_folder(folder, e) != ERR_NONE)
        return e->kind;
    write_path(path, folder, service);
    return store_save(cache->store, path, CACHE_OBJECT_FORMAT, count, e);
}
