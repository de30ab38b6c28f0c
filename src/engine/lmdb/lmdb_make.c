/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/lmdb_make.c - a new file, which is there whole or not at all, whenever the power
 * fails.
 *
 * It is made under another name, with its databases and its META, closed (its commit has synced
 * it), and renamed. Then every folder above it is synced, since a file whose name is lost is lost,
 * whatever was synced of what is in it. */
#include "engine/lmdb/lmdb_shard.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEW_NAME "data.new"

enum { PATH_ROOM = LMDB_PATH_MAX + 32 };

static const char *path_of(const struct lmdb_shard *shard, const char *name, char path[PATH_ROOM])
{
    (void)snprintf(path, PATH_ROOM, "%s/%s", shard->path, name);
    return path;
}

/* One that we may not read is not one that we have made. */
static bool sync_folder(const char *path)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return true;
    const bool is_good = fsync(fd) == 0 || errno == EINVAL || errno == EROFS;
    close(fd);
    return is_good;
}

/* The folder and all above it: which of them are new is not known any more. */
static bool sync_folders(const struct lmdb_shard *shard)
{
    char path[LMDB_PATH_MAX];
    memcpy(path, shard->path, sizeof path);
    for (char *slash; (slash = strrchr(path, '/')) != NULL && slash != path; *slash = '\0')
        if (!sync_folder(path))
            return false;
    return sync_folder(path) && sync_folder(path[0] == '/' ? "/" : ".");
}

/* What a process that was killed while it made one has left goes. */
static void remove_remains(const struct lmdb_shard *shard)
{
    char path[PATH_ROOM];
    (void)unlink(path_of(shard, NEW_NAME, path));
    (void)unlink(path_of(shard, NEW_NAME "-lock", path));
}

bool lmdb__is_made(const struct lmdb_shard *shard)
{
    char path[PATH_ROOM];
    struct stat file;
    return stat(path_of(shard, "data.mdb", path), &file) == 0 && file.st_size > 0;
}

const char *lmdb__begin_making(const struct lmdb_shard *shard, char *path, size_t room)
{
    remove_remains(shard);
    (void)snprintf(path, room, "%s/%s", shard->path, NEW_NAME);
    return path;
}

enum err_kind lmdb__end_making(const struct lmdb_shard *shard, struct err *e)
{
    char from[PATH_ROOM], to[PATH_ROOM];
    int error = renameat2(AT_FDCWD, path_of(shard, NEW_NAME, from), AT_FDCWD,
                          path_of(shard, "data.mdb", to), RENAME_NOREPLACE);
    if (error != 0 && !lmdb__is_made(shard)) /* else another process was faster: its file stays */
        error = rename(from, to);            /* over an empty one, or where flags are not known */
    if (error != 0 && !lmdb__is_made(shard))
        return err_set_errno(e, "name %.160s", to);
    remove_remains(shard);
    if (!sync_folders(shard))
        return err_set_errno(e, "sync the folders of %.150s", to);
    return ERR_NONE;
}
