/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/keys/lay.c - what a backup has is laid as the configuration says.
 *
 * The backup says first which keyspaces it has, so what cannot be is refused before anything is
 * made. All is laid aside, and is put in its place when the backup was read to its end. */
#include "main/command/keys/lay.h"

#include "codec/backup/backup_read.h"
#include "core/mem.h"
#include "core/units.h"
#include "main/command/keys/laid.h"
#include "main/directory/facts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

struct restore {
    const struct keys_only *only;
    const struct settings  *settings;
    const char             *path;
    int                     fd;
    int                     error; /* errno of a read that failed */
    struct backup_reader    reader;
    struct laid_folder      folder;
    struct laid            *laids; /* as many as keyspaces are in the settings */
    size_t                  count;
    struct laid            *now; /* whose keys come; NULL: they are passed over */
    bool                    has_begun;
    uint64_t                instant_ms;
};

static ptrdiff_t get(void *self, uint8_t *at, size_t bytes)
{
    struct restore *restore = self;
    for (;;) {
        const ssize_t got = read(restore->fd, at, bytes);
        if (got < 0 && errno == EINTR)
            continue;
        restore->error = got < 0 ? errno : 0;
        return got;
    }
}

/* ---- what is wanted ---- */

static bool is_wanted(const struct keys_only *only, struct bytes name)
{
    for (size_t i = 0; i < only->count; i++)
        if (bytes_equal(bytes_of(only->names[i]), name))
            return true;
    return only->count == 0;
}

static const struct settings_keyspace *keyspace_of(const struct settings *settings,
                                                   struct bytes name)
{
    for (size_t i = 0; i < settings->keyspaces_count; i++)
        if (bytes_equal(bytes_of(settings->keyspaces[i].name), name))
            return &settings->keyspaces[i];
    return NULL;
}

static struct laid *laid_of(struct restore *restore, struct bytes name)
{
    for (size_t i = 0; i < restore->count; i++)
        if (bytes_equal(bytes_of(restore->laids[i].keyspace->name), name))
            return &restore->laids[i];
    return NULL;
}

/* What commands said of a directory in the folder is of other keys than these: they are laid as the
 * configuration says. */
static enum err_kind has_no_facts(const struct settings *settings, const char *keyspace,
                                  struct err *e)
{
    struct facts facts;
    facts_init(&facts);
    enum err_kind kind = facts_load(&facts, settings->data_path, e);
    list_each(&facts.list, link, after)
    {
        const struct fact *fact = list_item(link, struct fact, link);
        if (kind == ERR_NONE && strcmp(fact->keyspace, keyspace) == 0)
            kind = err_set(e, ERR_INPUT,
                           "%.200s/facts has entries of the directory of %s, which `pando "
                           "directory` set for other keys: restore into another data folder",
                           settings->data_path, keyspace);
    }
    facts_fini(&facts);
    return kind;
}

static enum err_kind plan(struct restore *restore, const struct backup_item *item, struct err *e)
{
    const struct settings_keyspace *keyspace = keyspace_of(restore->settings, item->name);
    const int bytes = item->name.count < 63 ? (int)item->name.count : 63;
    if (!is_wanted(restore->only, item->name))
        return ERR_NONE;
    if (item->kind == 0) {
        if (restore->only->count == 0)
            return ERR_NONE;
        return err_set(e, ERR_INPUT, "keyspace %.*s is not in the backup: it was on engine memory",
                       bytes, (const char *)item->name.at);
    }
    if (keyspace == NULL)
        return err_set(e, ERR_INPUT,
                       "the backup has a keyspace %.*s and the configuration has none: add it "
                       "there, or name those that are wanted with --only",
                       bytes, (const char *)item->name.at);
    if (laid_of(restore, item->name) != NULL)
        return err_set(e, ERR_INPUT, "the backup names keyspace %s twice", keyspace->name);
    restore->laids[restore->count++] = (struct laid){.settings = restore->settings,
                                                     .keyspace = keyspace,
                                                     .folder = &restore->folder,
                                                     .now_ms = clock_wall_ns() / NS_PER_MS};
    const enum err_kind failed = has_no_facts(restore->settings, keyspace->name, e);
    return failed != ERR_NONE ? failed : laid_may_open(keyspace, &restore->folder, e);
}

/* Is all there that --only asks for? */
static enum err_kind check_plan(struct restore *restore, struct err *e)
{
    const struct keys_only *only = restore->only;
    for (size_t i = 0; i < only->count; i++)
        if (laid_of(restore, bytes_of(only->names[i])) == NULL)
            return err_set(e, ERR_INPUT, "--only %.63s: the backup has no such keyspace",
                           only->names[i]);
    return restore->count > 0 ? ERR_NONE : err_set(e, ERR_INPUT, "the backup has no keyspaces");
}

/* ---- items ---- */

static enum err_kind begin_keyspace(struct restore *restore, const struct backup_item *item,
                                    struct err *e)
{
    enum err_kind kind = restore->has_begun ? ERR_NONE : check_plan(restore, e);
    restore->has_begun = true;
    restore->now = laid_of(restore, item->name);
    if (kind != ERR_NONE || restore->now == NULL)
        return kind;
    return restore->now->lays == NULL
               ? laid_open(restore->now, e)
               : err_set(e, ERR_INPUT, "keyspace %s comes twice", restore->now->keyspace->name);
}

static enum err_kind take(struct restore *restore, const struct backup_item *item, struct err *e)
{
    switch (item->tag) {
    case BACKUP_HEAD: restore->instant_ms = item->number; return ERR_NONE;
    case BACKUP_KEYSPACE: return plan(restore, item, e);
    case BACKUP_BEGIN: return begin_keyspace(restore, item, e);
    default: return restore->now == NULL ? ERR_NONE : laid_lay(restore->now, item, e);
    }
}

/* What is wrong with the file, and where. */
static enum err_kind refuse_file(const struct restore *restore, enum backup_verdict verdict,
                                 struct err *e)
{
    if (verdict == BACKUP_READ_UNREADABLE) {
        errno = restore->error;
        return err_set_errno(e, "read %.180s", restore->path);
    }
    if (verdict == BACKUP_READ_FOREIGN || verdict == BACKUP_READ_NEWER)
        return err_set(e, ERR_INPUT, "%.150s: %s", restore->path, backup_read_sentence(verdict));
    return err_set(e, ERR_INPUT, "%.120s, block %" PRIu64 " at byte %" PRIu64 ": %s", restore->path,
                   restore->reader.number, restore->reader.block_at, backup_read_sentence(verdict));
}

static enum err_kind read_all(struct restore *restore, struct err *e)
{
    struct backup_item item;
    enum err_kind kind = ERR_NONE;
    enum backup_verdict verdict;
    backup_read_begin(&restore->reader, get, restore);
    while ((verdict = backup_read_next(&restore->reader, &item)) == BACKUP_READ_ITEM) {
        kind = take(restore, &item, e);
        if (kind != ERR_NONE)
            return kind;
    }
    if (verdict != BACKUP_READ_END)
        return refuse_file(restore, verdict, e);
    for (size_t i = 0; i < restore->count; i++)
        if (restore->laids[i].lays == NULL)
            return err_set(e, ERR_INPUT, "the keys of keyspace %s are not in it",
                           restore->laids[i].keyspace->name);
    return restore->has_begun ? ERR_NONE : check_plan(restore, e);
}

/* ---- the end ---- */

static enum err_kind publish(struct restore *restore, struct err *e)
{
    enum err_kind kind = ERR_NONE;
    for (size_t i = 0; i < restore->count && kind == ERR_NONE; i++)
        kind = laid_end(&restore->laids[i], e);
    for (size_t i = 0; i < restore->count && kind == ERR_NONE; i++)
        kind = laid_publish(&restore->laids[i], e);
    for (size_t i = 0; i < restore->count && kind != ERR_NONE; i++)
        laid_take_back(&restore->laids[i]);
    return kind;
}

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

static void tell(const struct restore *restore)
{
    char when[64] = "";
    const time_t instant = (time_t)(restore->instant_ms / 1000);
    struct tm parts;
    if (gmtime_r(&instant, &parts) != NULL)
        (void)strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S UTC", &parts);
    for (size_t i = 0; i < restore->count; i++) {
        const struct laid *laid = &restore->laids[i];
        const uint32_t shards = laid->keyspace->partition.shards_count;
        printf("%s: %" PRIu64 " key%s and %" PRIu64 " member%s, by %s on %u shard%s",
               laid->keyspace->name, laid->keys, plural(laid->keys), laid->members,
               plural(laid->members), laid->keyspace->partition.strategy->name, shards,
               plural(shards));
        if (laid->expired > 0)
            printf("; %" PRIu64 " had expired and %s left out", laid->expired,
                   laid->expired == 1 ? "was" : "were");
        putchar('\n');
    }
    printf("restored into %s, as of %s\n", restore->folder.keys, when);
}

static enum err_kind open_all(struct restore *restore, struct err *e)
{
    restore->fd = open(restore->path, O_RDONLY | O_CLOEXEC);
    if (restore->fd < 0)
        return err_set_errno(e, "open %.180s", restore->path);
    restore->laids = mem_alloc((restore->settings->keyspaces_count + 1) * sizeof *restore->laids);
    if (restore->laids == NULL)
        return err_set(e, ERR_MEMORY, "no memory");
    if (!lmdb_is_built)
        return err_set(e, ERR_INPUT, "engine lmdb is not in this build");
    return laid_folder_open(&restore->folder, restore->settings->data_path, e);
}

static void close_all(struct restore *restore)
{
    for (size_t i = 0; restore->laids != NULL && i < restore->count; i++)
        laid_close(&restore->laids[i]);
    laid_folder_close(&restore->folder);
    backup_read_fini(&restore->reader);
    mem_free(restore->laids);
    if (restore->fd >= 0)
        close(restore->fd);
}

enum err_kind keys_restore(const struct settings *settings, const char *path,
                           const struct keys_only *only, struct err *e)
{
    struct restore restore = {
        .only = only, .settings = settings, .path = path, .fd = -1, .folder.fd = -1};
    enum err_kind kind = open_all(&restore, e);
    if (kind == ERR_NONE)
        kind = read_all(&restore, e);
    if (kind == ERR_NONE)
        kind = publish(&restore, e);
    if (kind == ERR_NONE)
        tell(&restore);
    close_all(&restore);
    return kind;
}
