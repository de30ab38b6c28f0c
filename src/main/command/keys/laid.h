/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/keys/laid.h - a keyspace that is being restored: under DATA/keys/.restore until
 * all of it is on the disk, then renamed to where the server looks for it.
 *
 * Memory:  laid_open() to laid_close(). Threads: one.
 * Errors:  with the story; what was laid is removed by laid_close(), unless it was published. */
#ifndef PANDO_MAIN_COMMAND_KEYS_LAID_H
#define PANDO_MAIN_COMMAND_KEYS_LAID_H

#include "engine/lmdb/backup/lmdb_lay.h"
#include "main/settings.h"

struct laid_folder {
    int  fd; /* locked: one restore at a time */
    char keys[LMDB_PATH_MAX], stage[LMDB_PATH_MAX];
};

struct laid {
    const struct settings          *settings; /* all, to see which keys others would hide */
    const struct settings_keyspace *keyspace;
    const struct laid_folder       *folder;
    struct lmdb_lay                *lays; /* one for each shard */
    uint32_t                        lays_open;
    struct lmdb_lay                *collection; /* where members go; NULL: they are passed over */
    uint64_t                        now_ms;     /* what is over by then is left out */
    uint64_t                        keys, members, expired;
    bool                            is_published;
};

/* Makes DATA/keys/.restore, with nothing in it. */
must_check enum err_kind laid_folder_open(struct laid_folder *folder, const char *data,
                                          struct err *e);

/* Removes it. Accepts one that was not opened, with an fd of -1. */
void laid_folder_close(struct laid_folder *folder);

/* May the keyspace be restored? Nothing may be where it goes. */
must_check enum err_kind laid_may_open(const struct settings_keyspace *keyspace,
                                       const struct laid_folder *folder, struct err *e);

/* Makes the shards of laid->keyspace. */
must_check enum err_kind laid_open(struct laid *laid, struct err *e);

/* Lays a STRING, a COLLECTION or a MEMBER. */
must_check enum err_kind laid_lay(struct laid *laid, const struct backup_item *item, struct err *e);

/* All is laid: brings it to the disk. */
must_check enum err_kind laid_end(struct laid *laid, struct err *e);

/* Puts it where the server looks for it, or back. */
must_check enum err_kind laid_publish(struct laid *laid, struct err *e);
void laid_take_back(struct laid *laid);

/* Accepts zero. */
void laid_close(struct laid *laid);

#endif
