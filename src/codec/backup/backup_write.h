/* SPDX-License-Identifier: Apache-2.0 */
/* codec/backup/backup_write.h - writes a backup, item by item, in blocks.
 *
 * Memory:  a block, from backup_write_begin() to backup_write_fini().
 * Threads: one.
 * Errors:  remembered: backup_write_end() says false, and `failed` is set at once. */
#ifndef PANDO_CODEC_BACKUP_BACKUP_WRITE_H
#define PANDO_CODEC_BACKUP_BACKUP_WRITE_H

#include "codec/backup/backup_format.h"

/* Takes what is to be written; false: it cannot be. */
typedef bool backup_put(void *self, const uint8_t *at, size_t bytes);

struct backup_writer {
    backup_put          *put;
    void                *self;
    uint64_t             id, number; /* of the next block */
    uint64_t             owed;       /* bytes of the item's value that were announced */
    struct backup_counts counts;
    bool                 failed;
    size_t               used;
    uint8_t             *block; /* with its head */
};

/* Begins a file. @id is drawn by chance. */
void backup_write_begin(struct backup_writer *writer, uint64_t id, backup_put *put, void *self);

/* Writes an item other than END. */
void backup_write_item(struct backup_writer *writer, const struct backup_item *item);

/* The same of one whose value of @value_bytes comes in parts, with backup_write_part(). */
void backup_write_long(struct backup_writer *writer, const struct backup_item *item,
                       uint64_t value_bytes);

/* The next part of the value. */
void backup_write_part(struct backup_writer *writer, struct bytes part);

/* Writes END. False: something was not written. */
bool backup_write_end(struct backup_writer *writer) must_check;

/* Accepts zero. */
void backup_write_fini(struct backup_writer *writer);

#endif
