/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/keys/laid.c - the folder that is laid, the shard of each key, the rename. */
#include "main/command/keys/laid.h"

#include "core/mem.h"
#include "main/kept_keyspace.h"

#include <assert.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_SHOWN_MAX = 60, FOLDERS_OPEN_MAX = 8 };

/* ---- folders ---- */

static enum err_kind make_folder(const char *path, struct err *e)
{
    return mkdir(path, 0700) == 0 || errno == EEXIST
               ? ERR_NONE
               : err_set_errno(e, "make the folder %.180s", path);
}

static int remove_one(const char *path, const struct stat *file, int flag, struct FTW *where)
{
    (void)file, (void)flag, (void)where;
    return remove(path);
}

/* All that is in it, and itself. */
static void remove_folder(const char *path)
{
    (void)nftw(path, remove_one, FOLDERS_OPEN_MAX, FTW_DEPTH | FTW_PHYS);
}

static enum err_kind sync_folder(const char *path, struct err *e)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool is_synced = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return is_synced ? ERR_NONE : err_set_errno(e, "sync %.180s", path);
}

static enum err_kind lock_stage(struct laid_folder *folder, struct err *e)
{
    enum err_kind kind = make_folder(folder->stage, e);
    if (kind != ERR_NONE)
        return kind;
    folder->fd = open(folder->stage, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder->fd < 0)
        return err_set_errno(e, "open %.180s", folder->stage);
    if (flock(folder->fd, LOCK_EX | LOCK_NB) == 0)
        return ERR_NONE;
    close(folder->fd);
    folder->fd = -1;
    return err_set(e, ERR_LIMIT, "another `pando restore` is at work in %.150s", folder->keys);
}

/* What one that was killed left behind. */
static void empty_stage(const struct laid_folder *folder)
{
    DIR *stage = opendir(folder->stage);
    char path[LMDB_PATH_MAX + 300];
    for (const struct dirent *entry; stage != NULL && (entry = readdir(stage)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", folder->stage, entry->d_name);
        remove_folder(path);
    }
    if (stage != NULL)
        closedir(stage);
}

enum err_kind laid_folder_open(struct laid_folder *folder, const char *data, struct err *e)
{
    *folder = (struct laid_folder){.fd = -1};
    (void)snprintf(folder->keys, sizeof folder->keys, "%s/keys", data);
    const int bytes =
        snprintf(folder->stage, sizeof folder->stage, "%.*s/keys/.restore", LMDB_PATH_MAX, data);
    if (bytes < 0 || (size_t)bytes + KEYSPACE_NAME_BYTES_MAX + 32 > sizeof folder->stage)
        return err_set(e, ERR_INPUT, "the name of the data folder is too long");
    enum err_kind kind = make_folder(data, e);
    if (kind == ERR_NONE)
        kind = make_folder(folder->keys, e);
    if (kind == ERR_NONE)
        kind = lock_stage(folder, e);
    if (kind == ERR_NONE)
        empty_stage(folder);
    return kind;
}

void laid_folder_close(struct laid_folder *folder)
{
    if (folder->fd < 0)
        return;
    empty_stage(folder);
    (void)rmdir(folder->stage);
    close(folder->fd);
    folder->fd = -1;
}

static void name_folder(const struct settings_keyspace *keyspace, const char *folder,
                        char path[2 * LMDB_PATH_MAX])
{
    (void)snprintf(path, (size_t)2 * LMDB_PATH_MAX, "%s/%s", folder, keyspace->name);
}

enum err_kind laid_may_open(const struct settings_keyspace *keyspace,
                            const struct laid_folder *folder, struct err *e)
{
    char path[2 * LMDB_PATH_MAX];
    name_folder(keyspace, folder->keys, path);
    if (keyspace->engine != KEYSPACE_LMDB)
        return err_set(e, ERR_INPUT,
                       "keyspaces.%.63s is on engine memory, which nothing can be restored into: "
                       "its keys would be gone at the next start",
                       keyspace->name);
    if (rmdir(path) == 0 || errno == ENOENT) /* an empty one goes */
        return ERR_NONE;
    return err_set(e, ERR_INPUT,
                   "%.150s is there already: a restore goes where no keys are; name another folder "
                   "with --data, or move this one away",
                   path);
}

/* ---- shards ---- */

static enum err_kind open_shard(struct laid *laid, const char *folder, uint32_t index,
                                struct err *e)
{
    const struct partition *partition = &laid->keyspace->partition;
    char layout[LMDB_LAYOUT_MAX];
    const struct lmdb_settings with = {
        .folder = folder,
        .number = index,
        .layout = layout,
        .is_ordered = partition->strategy->is_ordered,
        .name_bytes = partition->name_bytes,
        .disk_bytes_max = laid->keyspace->disk_bytes / partition->shards_count,
    };
    kept_keyspace_layout(partition, index, layout);
    const enum err_kind kind = lmdb_lay_open(&laid->lays[index], &with, e);
    if (kind == ERR_NONE)
        laid->lays_open++;
    return kind;
}

enum err_kind laid_open(struct laid *laid, struct err *e)
{
    char folder[2 * LMDB_PATH_MAX];
    const uint32_t count = laid->keyspace->partition.shards_count;
    enum err_kind kind = ERR_NONE;
    name_folder(laid->keyspace, laid->folder->stage, folder);
    assert(strlen(folder) < LMDB_PATH_MAX);
    laid->lays = mem_alloc(count * sizeof *laid->lays);
    if (laid->lays == NULL)
        return err_set(e, ERR_MEMORY, "no memory");
    for (uint32_t i = 0; i < count && kind == ERR_NONE; i++)
        kind = open_shard(laid, folder, i, e);
    return kind;
}

/* ---- keys ---- */

static const char *show(struct bytes name, char shown[NAME_SHOWN_MAX + 1])
{
    size_t count = 0;
    for (; count < name.count && count < NAME_SHOWN_MAX; count++)
        shown[count] = (char)(isprint(name.at[count]) ? name.at[count] : '?');
    shown[count] = '\0';
    return shown;
}

static bool begins_with_name(struct bytes key, const char *keyspace)
{
    const size_t bytes = strlen(keyspace);
    return key.count > bytes && key.at[bytes] == ':' && memcmp(key.at, keyspace, bytes) == 0;
}

/* Would a client who asks for @key be led here? */
static bool is_of(const struct laid *laid, struct bytes key)
{
    const struct settings *settings = laid->settings;
    if (strcmp(laid->keyspace->name, KEYSPACE_DEFAULT) != 0)
        return begins_with_name(key, laid->keyspace->name);
    for (size_t i = 0; i < settings->keyspaces_count; i++)
        if (strcmp(settings->keyspaces[i].name, KEYSPACE_DEFAULT) != 0 &&
            begins_with_name(key, settings->keyspaces[i].name))
            return false;
    return true;
}

static enum err_kind lay_key(struct laid *laid, const struct backup_item *item, struct err *e)
{
    char shown[NAME_SHOWN_MAX + 1];
    laid->collection = NULL;
    if (item->number != 0 && item->number <= laid->now_ms) {
        laid->expired++;
        return ERR_NONE;
    }
    if (!is_of(laid, item->name))
        return err_set(e, ERR_INPUT,
                       "'%s' of keyspace %.63s would be hidden by another keyspace of the "
                       "configuration, which begins so",
                       show(item->name, shown), laid->keyspace->name);
    struct lmdb_lay *lay = &laid->lays[partition_shard_of(&laid->keyspace->partition, item->name)];
    laid->keys++;
    laid->collection = item->tag == BACKUP_COLLECTION ? lay : NULL;
    return lmdb_lay_item(lay, item, e);
}

enum err_kind laid_lay(struct laid *laid, const struct backup_item *item, struct err *e)
{
    if (item->tag != BACKUP_MEMBER)
        return lay_key(laid, item, e);
    if (laid->collection == NULL)
        return ERR_NONE; /* of a key that has expired */
    laid->members++;
    return lmdb_lay_item(laid->collection, item, e);
}

/* ---- the end ---- */

enum err_kind laid_end(struct laid *laid, struct err *e)
{
    char folder[2 * LMDB_PATH_MAX];
    enum err_kind kind = ERR_NONE;
    name_folder(laid->keyspace, laid->folder->stage, folder);
    for (uint32_t i = 0; i < laid->lays_open && kind == ERR_NONE; i++) {
        kind = lmdb_lay_end(&laid->lays[i], e);
        if (kind == ERR_NONE)
            kind = sync_folder(laid->lays[i].shard.path, e);
        lmdb_lay_close(&laid->lays[i]);
    }
    return kind == ERR_NONE ? sync_folder(folder, e) : kind;
}

enum err_kind laid_publish(struct laid *laid, struct err *e)
{
    char from[2 * LMDB_PATH_MAX], to[2 * LMDB_PATH_MAX];
    name_folder(laid->keyspace, laid->folder->stage, from);
    name_folder(laid->keyspace, laid->folder->keys, to);
    if (rename(from, to) != 0)
        return err_set_errno(e, "rename %.180s", from);
    laid->is_published = true;
    return sync_folder(laid->folder->keys, e);
}

void laid_take_back(struct laid *laid)
{
    char from[2 * LMDB_PATH_MAX], to[2 * LMDB_PATH_MAX];
    if (!laid->is_published)
        return;
    name_folder(laid->keyspace, laid->folder->keys, from);
    name_folder(laid->keyspace, laid->folder->stage, to);
    (void)rename(from, to);
    laid->is_published = false;
}

void laid_close(struct laid *laid)
{
    for (uint32_t i = 0; i < laid->lays_open; i++)
        lmdb_lay_close(&laid->lays[i]);
    mem_free(laid->lays);
    *laid = (struct laid){0};
}
