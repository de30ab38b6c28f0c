/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/keys/look.c - finding and opening the shards of a keyspace, read only. */
#include "main/command/keys/look.h"

#include "core/mem.h"
#include "engine/lmdb/check/lmdb_check.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { NUMBER_DIGITS = 4 };

/* The number of a shard's folder; -1: it is none. */
static long number_of(const char *name)
{
    char *end;
    const unsigned long number = strtoul(name, &end, 10);
    return strlen(name) == NUMBER_DIGITS && *end == '\0' && name[0] >= '0' && name[0] <= '9'
               ? (long)number
               : -1;
}

enum err_kind look_find(struct look *look, const struct settings_keyspace *settings,
                        const char *data, struct err *e)
{
    *look = (struct look){.settings = settings};
    const int bytes =
        snprintf(look->folder, sizeof look->folder, "%s/keys/%s", data, settings->name);
    if (bytes < 0 || (size_t)bytes >= sizeof look->folder)
        return err_set(e, ERR_INPUT, "the name of the folder is too long");
    DIR *folder = opendir(look->folder);
    if (folder == NULL)
        return errno == ENOENT ? ERR_NONE : err_set_errno(e, "look into %.180s", look->folder);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        const long number = number_of(entry->d_name);
        if (number >= (long)look->count)
            look->count = (uint32_t)number + 1;
    }
    closedir(folder);
    return ERR_NONE;
}

struct lmdb_settings look_settings(const struct look *look, uint32_t number)
{
    return (struct lmdb_settings){.folder = look->folder,
                                  .number = number,
                                  .name_bytes = look->settings->partition.name_bytes};
}

/* What is behind the end of a file that is too short cannot even be looked for. */
static enum err_kind check_length(struct lmdb_shard *shard, struct err *e)
{
    struct lmdb_checked checked;
    if (!lmdb_shard_is_short(shard))
        return ERR_NONE;
    const enum err_kind kind = lmdb_check(shard, NULL, NULL, &checked, e);
    if (kind != ERR_NONE || checked.findings == 0)
        return kind;
    return err_set(e, ERR_INPUT, "%.120s/data.mdb is damaged: `pando check --deep` says where",
                   shard->path);
}

static enum err_kind open_shard(struct look *look, uint32_t number, struct err *e)
{
    struct lmdb_backup_part *part = &look->parts[number];
    const struct lmdb_settings with = look_settings(look, number);
    enum err_kind kind = lmdb_shard_look(&look->shards[number], &with, e);
    if (kind != ERR_NONE)
        return kind;
    kind = check_length(&look->shards[number], e);
    part->shard = &look->shards[number];
    if (kind == ERR_NONE)
        kind = lmdb_backup_begin(part, 1, e);
    return kind == ERR_NONE ? lmdb_shard_enter(part->shard, part->txn, look->layouts[number], e)
                            : kind;
}

enum err_kind look_open(struct look *look, struct err *e)
{
    enum err_kind kind = ERR_NONE;
    look->shards = mem_alloc((look->count + 1) * sizeof *look->shards);
    look->parts = mem_alloc((look->count + 1) * sizeof *look->parts);
    look->layouts = mem_alloc((look->count + 1) * sizeof *look->layouts);
    if (look->shards == NULL || look->parts == NULL || look->layouts == NULL)
        return err_set(e, ERR_MEMORY, "no memory");
    for (uint32_t i = 0; i < look->count && kind == ERR_NONE; i++)
        kind = open_shard(look, i, e);
    return kind;
}

void look_close(struct look *look)
{
    if (look->parts != NULL)
        lmdb_backup_end(look->parts, look->count);
    for (uint32_t i = 0; look->shards != NULL && i < look->count; i++)
        lmdb_shard_close(&look->shards[i]);
    mem_free(look->shards);
    mem_free(look->parts);
    mem_free((void *)look->layouts);
    *look = (struct look){0};
}

int look_holder(const struct look *look)
{
    int holder = 0;
    for (uint32_t i = 0; i < look->count && holder == 0; i++) {
        const struct lmdb_settings with = look_settings(look, i);
        holder = lmdb_shard_holder(&with);
    }
    return holder;
}
