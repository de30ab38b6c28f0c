/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/keys/files.c - opens the files of all keyspaces, read only, and saves them. */
#include "main/command/keys/files.h"

#include "core/mem.h"
#include "main/command/keys/look.h"
#include "main/save/save.h"

#include <stdio.h>

struct files {
    struct look             *looks;
    struct save_keyspace    *keyspaces;
    struct lmdb_backup_part *parts;
    size_t                   count, parts_count;
};

static void close_files(struct files *files)
{
    for (size_t i = 0; files->looks != NULL && i < files->count; i++)
        look_close(&files->looks[i]);
    mem_free(files->looks);
    mem_free(files->keyspaces);
    mem_free(files->parts);
}

/* "range, shard 0 of 3, ..." is "range over 3 shards"; all of them must be there. */
static enum err_kind read_layout(const struct look *look, char out[64], struct err *e)
{
    char strategy[24];
    unsigned number = 0, count = 0;
    if (sscanf(look->layouts[0], "%23[^,], shard %u of %u", strategy, &number, &count) != 3)
        return err_set(e, ERR_INPUT, "%.100s has a layout that this Pando does not know",
                       look->folder);
    if (count != look->count)
        return err_set(e, ERR_INPUT, "%.100s has %u shards and should have %u", look->folder,
                       look->count, count);
    save_layout(out, strategy, count);
    return ERR_NONE;
}

/* A server whose control socket is elsewhere would write on meanwhile, so that the shards would not
 * be of one instant. */
static enum err_kind refuse_holder(const struct look *look, struct err *e)
{
    const int holder = look_holder(look);
    char who[32] = "another process";
    if (holder == 0)
        return ERR_NONE;
    if (holder > 0)
        (void)snprintf(who, sizeof who, "process %d", holder);
    return err_set(e, ERR_LIMIT,
                   "%s has the keys open, and does not hear on its control socket: name that with "
                   "--control, or its file, or stop it first",
                   who);
}

static enum err_kind open_keyspace(struct look *look, const struct settings_keyspace *settings,
                                   const char *data, char layout[64], struct err *e)
{
    enum err_kind kind = look_find(look, settings, data, e);
    if (kind == ERR_NONE && look->count == 0)
        kind = err_set(e, ERR_NO_TARGET, "there is nothing in %.150s", look->folder);
    if (kind == ERR_NONE)
        kind = refuse_holder(look, e);
    if (kind == ERR_NONE)
        kind = look_open(look, e);
    return kind == ERR_NONE ? read_layout(look, layout, e) : kind;
}

static enum err_kind add_keyspace(struct files *files, const struct settings_keyspace *settings,
                                  const char *data, struct err *e)
{
    struct save_keyspace *keyspace = &files->keyspaces[files->count];
    struct look *look = &files->looks[files->count++];
    *keyspace = (struct save_keyspace){.name = settings->name,
                                       .parts_from = files->parts_count,
                                       .is_left_out = settings->engine != KEYSPACE_LMDB};
    if (keyspace->is_left_out) {
        keyspace->shards_count = settings->shards_count;
        save_layout(keyspace->layout, settings->partition.strategy->name, settings->shards_count);
        return ERR_NONE;
    }
    const enum err_kind kind = open_keyspace(look, settings, data, keyspace->layout, e);
    if (kind != ERR_NONE)
        return err_wrap(e, "keyspaces.%s", settings->name);
    struct lmdb_backup_part *parts =
        mem_resize(files->parts, (files->parts_count + look->count) * sizeof *parts);
    if (parts == NULL)
        return err_set(e, ERR_MEMORY, "no memory");
    memcpy(parts + files->parts_count, look->parts, look->count * sizeof *parts);
    for (uint32_t i = 0; i < look->count; i++)
        look->parts[i].txn = NULL; /* they are the others' now */
    files->parts = parts;
    files->parts_count += look->count;
    keyspace->shards_count = look->count;
    return ERR_NONE;
}

static enum err_kind open_files(struct files *files, const struct settings *settings, struct err *e)
{
    enum err_kind kind = ERR_NONE;
    files->looks = mem_alloc((settings->keyspaces_count + 1) * sizeof *files->looks);
    files->keyspaces = mem_alloc((settings->keyspaces_count + 1) * sizeof *files->keyspaces);
    if (files->looks == NULL || files->keyspaces == NULL)
        return err_set(e, ERR_MEMORY, "no memory");
    for (size_t i = 0; i < settings->keyspaces_count && kind == ERR_NONE; i++)
        kind = add_keyspace(files, &settings->keyspaces[i], settings->data_path, e);
    if (kind == ERR_NONE && files->parts_count == 0)
        kind = err_set(e, ERR_INPUT, "there is nothing to back up: no keyspace is on engine lmdb");
    return kind;
}

enum err_kind keys_save_files(const struct settings *settings, const char *path, uint64_t throttle,
                              struct keys_saved *saved, struct err *e)
{
    struct files files = {0};
    enum err_kind kind = open_files(&files, settings, e);
    struct save save = {.path = path,
                        .bytes_per_second = throttle,
                        .keyspaces = files.keyspaces,
                        .keyspaces_count = files.count,
                        .parts = files.parts,
                        .parts_count = files.parts_count};
    if (kind == ERR_NONE)
        kind = save_write(&save, e);
    *saved = (struct keys_saved){.keys = atomic_load(&save.keys),
                                 .members = atomic_load(&save.members),
                                 .bytes = atomic_load(&save.bytes),
                                 .instant_ms = atomic_load(&save.instant_ms)};
    for (size_t i = 0; i < files.count; i++)
        saved->keyspaces += !files.keyspaces[i].is_left_out;
    lmdb_backup_end(files.parts, files.parts_count);
    close_files(&files);
    return kind;
}
