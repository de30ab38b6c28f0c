/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/keys/look.h - the files of a keyspace of engine lmdb, read only, beside a server or
 * without one.
 *
 * Memory:  look_open() to look_close(). Threads: one.
 * Errors:  with the story; ERR_NO_TARGET: nothing is there; ERR_SYSTEM: it may not be read, or the
 *          like; ERR_INPUT: it is damaged. */
#ifndef PANDO_MAIN_COMMAND_KEYS_LOOK_H
#define PANDO_MAIN_COMMAND_KEYS_LOOK_H

#include "engine/lmdb/backup/lmdb_backup.h"
#include "main/settings.h"

struct look {
    const struct settings_keyspace *settings;
    uint32_t                        count;  /* shards that are there */
    struct lmdb_shard              *shards; /* open once look_open() did it */
    struct lmdb_backup_part        *parts;  /* likewise: with transactions */
    char (*layouts)[LMDB_LAYOUT_MAX];       /* likewise: what each says of itself */
    char folder[LMDB_PATH_MAX];
};

/* Which shards of the keyspace are under @data; none is no error. */
must_check enum err_kind look_find(struct look *look, const struct settings_keyspace *settings,
                                   const char *data, struct err *e);

/* What lmdb_shard_look() needs to know of the shard @number. */
struct lmdb_settings look_settings(const struct look *look, uint32_t number);

/* Opens all shards, and begins to read them one after the other. */
must_check enum err_kind look_open(struct look *look, struct err *e);

/* Accepts zero. */
void look_close(struct look *look);

/* A process that has one of the shards open; 0: none, -1: one that cannot be seen from here. */
int look_holder(const struct look *look);

#endif
