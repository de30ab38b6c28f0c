/* SPDX-License-Identifier: Apache-2.0 */
/* main/save/save.h - a backup of keyspaces to a file: under a name of its own until it is whole and
 * on the disk, then under the one that was asked for.
 *
 * Memory:  what it is given is borrowed; a block of the format.
 * Threads: one writes; progress is read, and is_cancelled set, on any.
 * Errors:  with the story; the file that was there before stays then. */
#ifndef PANDO_MAIN_SAVE_SAVE_H
#define PANDO_MAIN_SAVE_SAVE_H

#include "engine/lmdb/backup/lmdb_backup.h"

#include <stdatomic.h>

enum { SAVE_PATH_MAX = 4096 };

struct save_keyspace {
    const char *name;
    char        layout[64]; /* in words: "range over 3 shards" */
    uint32_t    shards_count;
    size_t      parts_from;  /* of save->parts, its shards */
    bool        is_left_out; /* it is on no disk */
};

struct save {
    const char                 *path;             /* absolute */
    uint64_t                    bytes_per_second; /* 0: as fast as it goes */
    const struct save_keyspace *keyspaces;
    size_t                      keyspaces_count;
    struct lmdb_backup_part    *parts; /* shards of all of them */
    size_t                      parts_count;

    _Atomic uint64_t bytes, keys, members; /* written by now */
    _Atomic uint64_t instant_ms;           /* Unix time of what is in it; 0: not yet */
    _Atomic bool     is_cancelled;
};

/* Writes it. */
must_check enum err_kind save_write(struct save *save, struct err *e);

/* "hash over 4 shards". */
void save_layout(char out[64], const char *strategy, uint32_t shards_count);

/* May a backup be written to @path? A file that is there is replaced only if it is one. */
must_check enum err_kind save_may_replace(const char *path, struct err *e);

#endif
