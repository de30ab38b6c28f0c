/* SPDX-License-Identifier: Apache-2.0 */
/* codec/backup/backup_format.h - a backup of keyspaces as one file: format 1.
 *
 *     file     "PANDOBAK" format (4) 0 (4) id (8), then blocks to the end
 *     block    sum (8) bytes (4) 0 (4), then that many bytes of one stream of items
 *     item     tag (1) kind (1) 0 (2) name_bytes (4) number (8) value_bytes (8) name value
 *
 * Items in their order:
 *     HEAD         number: Unix time in ms; name: the program's version
 *     KEYSPACE     one for each of the configuration; kind 1: it is in here, 0: left out;
 *                  number: its shards; name; value: its layout in words
 *     BEGIN        name: a keyspace of kind 1, whose keys follow, in any order
 *       STRING     kind: its media type (path/command/media.h), 0 is none; number: expiry in ms, 0 is
 *                  none; name: the key; value
 *       COLLECTION kind: its type; number: expiry; name: the key; value: how many members (8)
 *         MEMBER   kind: tree; name; value; those of tree 0 are as many as the collection says
 *     END          value: keyspaces (8) keys (8) members (8) that came
 *
 * So it says nothing of shards, and can be laid anew. Numbers are little-endian. A block's sum is
 * the XXH3-64 of all that follows it in the block, seeded with the file's id (drawn for each file)
 * and the block's number: one that is damaged, missing, twice or of another file is found. A file
 * that was cut has no END.
 *
 * Memory:  nothing here. Threads: pure. */
#ifndef PANDO_CODEC_BACKUP_BACKUP_FORMAT_H
#define PANDO_CODEC_BACKUP_BACKUP_FORMAT_H

#include "core/bytes.h"

enum {
    BACKUP_FORMAT = 1,
    BACKUP_MAGIC_BYTES = 8,
    BACKUP_FILE_HEAD_BYTES = 24,
    BACKUP_BLOCK_HEAD_BYTES = 16,
    BACKUP_BLOCK_BYTES = 256 * 1024, /* most bytes of items in one */
    BACKUP_ITEM_HEAD_BYTES = 24,
    BACKUP_TREES = 2,
};

#define BACKUP_MAGIC "PANDOBAK"

#define BACKUP_TAGS(X)                                                                             \
    X(HEAD, 'H')                                                                                   \
    X(KEYSPACE, 'K')                                                                               \
    X(BEGIN, 'B')                                                                                  \
    X(STRING, 's')                                                                                 \
    X(COLLECTION, 'c')                                                                             \
    X(MEMBER, 'm')                                                                                 \
    X(END, 'E')

enum backup_tag {
#define X(name, letter) BACKUP_##name = letter,
    BACKUP_TAGS(X)
#undef X
};

struct backup_item {
    uint8_t      tag, kind; /* enum backup_tag */
    uint64_t     number;
    struct bytes name, value;
};

/* What came, or was written. */
struct backup_counts {
    uint64_t keyspaces, keys, members;
};

/* The sum of a block of @bytes bytes, its head counted, that is the @number th of file @id. */
uint64_t backup_sum(const uint8_t *block, size_t bytes, uint64_t id, uint64_t number);

#endif
