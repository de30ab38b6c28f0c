/* SPDX-License-Identifier: Apache-2.0 */
/* codec/backup/backup_read.h - reads a backup, item by item; each was checked before it is given.
 *
 * Memory:  a block, and the item that was given last; it grows with what has come and not with what
 *          an item says of its length.
 * Threads: one.
 * Errors:  a verdict, and then the same one for ever. */
#ifndef PANDO_CODEC_BACKUP_BACKUP_READ_H
#define PANDO_CODEC_BACKUP_BACKUP_READ_H

#include "codec/backup/backup_format.h"

#define BACKUP_VERDICTS(X)                                                                         \
    X(ITEM, "")                                                                                    \
    X(END, "")                                                                                     \
    X(FOREIGN, "it is no backup of Pando")                                                         \
    X(NEWER, "it was written by a newer Pando, in a format that this one does not know")           \
    X(CUT, "it is cut: its end is missing")                                                        \
    X(DAMAGED, "it is damaged: the sum of a block is wrong")                                       \
    X(NONSENSE, "it is damaged: its items are not in their order, or not as many as it says")      \
    X(UNREADABLE, "it cannot be read")                                                             \
    X(MEMORY, "there is no memory for one of its values")

enum backup_verdict {
#define X(name, sentence) BACKUP_READ_##name,
    BACKUP_VERDICTS(X)
#undef X
    BACKUP_VERDICTS_COUNT
};

/* Gives at most @bytes of the file; 0 at its end, below 0 if it cannot. */
typedef ptrdiff_t backup_get(void *self, uint8_t *at, size_t bytes);

struct backup_reader {
    backup_get          *get;
    void                *self;
    uint64_t             id, number; /* of the next block */
    uint64_t             offset;     /* in the file, of what comes next */
    uint64_t             block_at;   /* where the block begins that is being read */
    enum backup_verdict  over;       /* not ITEM: for ever */
    uint8_t              last_tag;   /* 0: none yet */
    uint64_t             members_due;
    struct backup_counts counts;
    size_t               used, at; /* bytes of items in the block, and of those, read */
    uint8_t             *block;
    uint8_t             *item;
    size_t               item_room;
};

/* Ready; backup_read_next() reads the file's head too. */
void backup_read_begin(struct backup_reader *reader, backup_get *get, void *self);

/* The next item, END not among them; its bytes stay until the next call. */
enum backup_verdict backup_read_next(struct backup_reader *reader, struct backup_item *item)
    must_check;

/* What a verdict that is neither ITEM nor END means; static. */
const char *backup_read_sentence(enum backup_verdict verdict);

/* Accepts zero. */
void backup_read_fini(struct backup_reader *reader);

#endif
