/* SPDX-License-Identifier: Apache-2.0 */
/* main/save/save.c - the file, its pace, and what is in it. */
#include "main/save/save.h"

#include "core/units.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define PART_SUFFIX ".part"

enum { NAP_NS_MAX = 100 * 1000 * 1000 };

struct output {
    struct save         *save;
    struct backup_writer writer;
    int                  fd;
    int                  error; /* errno of what was not written */
    uint64_t             begun_ns;
    char                 part[SAVE_PATH_MAX + sizeof PART_SUFFIX];
};

/* ---- bytes ---- */

/* Sleeps while the file is ahead of its pace. */
static void keep_pace(const struct output *output)
{
    const struct save *save = output->save;
    if (save->bytes_per_second == 0)
        return;
    const double due_s = (double)atomic_load(&save->bytes) / (double)save->bytes_per_second;
    const uint64_t due_ns = output->begun_ns + (uint64_t)(due_s * (double)NS_PER_S);
    for (uint64_t now_ns = clock_monotonic_ns();
         now_ns < due_ns && !atomic_load(&save->is_cancelled); now_ns = clock_monotonic_ns()) {
        const uint64_t left_ns = due_ns - now_ns;
        const struct timespec nap = {.tv_nsec =
                                         (long)(left_ns < NAP_NS_MAX ? left_ns : NAP_NS_MAX)};
        (void)nanosleep(&nap, NULL);
    }
}

static bool put(void *self, const uint8_t *at, size_t bytes)
{
    struct output *output = self;
    struct save *save = output->save;
    for (size_t done = 0; done < bytes;) {
        const ssize_t part = write(output->fd, at + done, bytes - done);
        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0) {
            output->error = errno;
            return false;
        }
        done += (size_t)part;
    }
    atomic_fetch_add(&save->bytes, bytes);
    atomic_store(&save->keys, output->writer.counts.keys);
    atomic_store(&save->members, output->writer.counts.members);
    keep_pace(output);
    return !atomic_load(&save->is_cancelled);
}

/* ---- the file ---- */

enum err_kind save_may_replace(const char *path, struct err *e)
{
    char magic[BACKUP_MAGIC_BYTES];
    struct stat file;
    if (stat(path, &file) != 0)
        return errno == ENOENT ? ERR_NONE : err_set_errno(e, "%.200s", path);
    const int fd = S_ISREG(file.st_mode) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    const ssize_t got = fd < 0 ? 0 : read(fd, magic, sizeof magic);
    if (fd >= 0)
        close(fd);
    if (got == sizeof magic && memcmp(magic, BACKUP_MAGIC, sizeof magic) == 0)
        return ERR_NONE;
    return err_set(e, ERR_INPUT, "%.150s is there and is no backup: it is not replaced", path);
}

/* What a process that was killed left behind is written over; what another one writes is not. */
static enum err_kind open_part(struct output *output, struct err *e)
{
    const enum err_kind kind = save_may_replace(output->save->path, e);
    if (kind != ERR_NONE)
        return kind;
    (void)snprintf(output->part, sizeof output->part, "%s" PART_SUFFIX, output->save->path);
    output->fd = open(output->part, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (output->fd < 0)
        return err_set_errno(e, "write %.180s", output->part);
    if (flock(output->fd, LOCK_EX | LOCK_NB) != 0) {
        close(output->fd);
        output->fd = -1;
        return err_set(e, ERR_LIMIT, "another backup is writing %.180s", output->part);
    }
    return ftruncate(output->fd, 0) == 0 ? ERR_NONE
                                         : err_set_errno(e, "write %.180s", output->part);
}

/* A rename is on the disk once its folder is. */
static enum err_kind sync_folder(const char *path, struct err *e)
{
    char folder[SAVE_PATH_MAX];
    const char *slash = strrchr(path, '/');
    const int bytes = slash == NULL || slash == path ? 1 : (int)(slash - path);
    (void)snprintf(folder, sizeof folder, "%.*s", bytes, slash == NULL ? "." : path);
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool is_synced = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return is_synced ? ERR_NONE : err_set_errno(e, "sync %.180s", folder);
}

static enum err_kind publish(const struct output *output, struct err *e)
{
    if (fsync(output->fd) != 0)
        return err_set_errno(e, "sync %.180s", output->part);
    if (rename(output->part, output->save->path) != 0)
        return err_set_errno(e, "rename %.180s", output->part);
    return sync_folder(output->save->path, e);
}

/* ---- what is in it ---- */

void save_layout(char out[64], const char *strategy, uint32_t shards_count)
{
    (void)snprintf(out, 64, "%s over %u shard%s", strategy, shards_count,
                   shards_count == 1 ? "" : "s");
}

static void write_head(struct output *output)
{
    const struct save *save = output->save;
    backup_write_item(&output->writer,
                      &(struct backup_item){.tag = BACKUP_HEAD,
                                            .number = atomic_load(&save->instant_ms),
                                            .name = bytes_of(PANDO_VERSION)});
    for (size_t i = 0; i < save->keyspaces_count; i++) {
        const struct save_keyspace *keyspace = &save->keyspaces[i];
        const struct backup_item item = {.tag = BACKUP_KEYSPACE,
                                         .kind = !keyspace->is_left_out,
                                         .number = keyspace->shards_count,
                                         .name = bytes_of(keyspace->name),
                                         .value = bytes_of(keyspace->layout)};
        backup_write_item(&output->writer, &item);
    }
}

static enum err_kind write_keyspace(struct output *output, const struct save_keyspace *keyspace,
                                    struct err *e)
{
    enum err_kind kind = ERR_NONE;
    backup_write_item(&output->writer,
                      &(struct backup_item){.tag = BACKUP_BEGIN, .name = bytes_of(keyspace->name)});
    for (uint32_t i = 0; i < keyspace->shards_count && kind == ERR_NONE; i++)
        kind =
            lmdb_backup_write(&output->save->parts[keyspace->parts_from + i], &output->writer, e);
    return kind;
}

static enum err_kind write_all(struct output *output, struct err *e)
{
    struct save *save = output->save;
    enum err_kind kind = ERR_NONE;
    write_head(output);
    for (size_t i = 0; i < save->keyspaces_count && kind == ERR_NONE; i++)
        if (!save->keyspaces[i].is_left_out)
            kind = write_keyspace(output, &save->keyspaces[i], e);
    if (kind != ERR_NONE)
        return kind;
    if (backup_write_end(&output->writer))
        return ERR_NONE;
    if (atomic_load(&save->is_cancelled))
        return err_set(e, ERR_STOPPING, "the backup was called off");
    if (output->error == 0)
        return err_set(e, ERR_MEMORY, "no memory");
    errno = output->error;
    return err_set_errno(e, "write %.180s", output->part);
}

static enum err_kind begin_and_write(struct output *output, struct err *e)
{
    struct save *save = output->save;
    uint64_t id;
    if (getrandom(&id, sizeof id, 0) != sizeof id)
        return err_set_errno(e, "getrandom");
    const enum err_kind kind = lmdb_backup_begin(save->parts, save->parts_count, e);
    if (kind != ERR_NONE)
        return kind;
    atomic_store(&save->instant_ms, clock_wall_ns() / NS_PER_MS);
    output->begun_ns = clock_monotonic_ns();
    backup_write_begin(&output->writer, id, put, output);
    const enum err_kind written = write_all(output, e);
    lmdb_backup_end(save->parts, save->parts_count);
    backup_write_fini(&output->writer);
    return written;
}

enum err_kind save_write(struct save *save, struct err *e)
{
    struct output output = {.save = save, .fd = -1};
    enum err_kind kind = open_part(&output, e);
    if (output.fd < 0)
        return kind;
    if (kind == ERR_NONE)
        kind = begin_and_write(&output, e);
    if (kind == ERR_NONE)
        kind = publish(&output, e);
    if (kind != ERR_NONE)
        (void)unlink(output.part);
    close(output.fd);
    return kind;
}
