/* SPDX-License-Identifier: Apache-2.0 */
/* cache/disk/format.h - what lies in the file. For this folder only.
 *
 *     header (a page) | segment | segment | ...
 *     segment: record | record | ... | perhaps free | table of contents | footer
 *     record:  struct disk_record | front | key | body | up to a multiple of DISK_UNIT_BYTES
 *
 * A segment that is full ends with a table of its records, so that opening reads a few bytes of
 * each. One that is not is read record by record, as far as they belong to the same lap and are in
 * order. Words are in the machine's order: the file never leaves it. */
#ifndef PANDO_CACHE_DISK_FORMAT_H
#define PANDO_CACHE_DISK_FORMAT_H

#include "core/hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DISK_FORMAT = 1, /* of all in this file; a change counts it up */
    DISK_UNIT_BYTES = 64,
    DISK_HEADER_BYTES = 4096,
};

#define DISK_MAGIC        0x6b73694f646e6150ull /* "PandOisk" */
#define DISK_RECORD_MAGIC 0x72646e50u
#define DISK_FOOTER_MAGIC 0x66646e50u

struct disk_header {
    uint64_t        magic;
    uint32_t        format;
    uint32_t        owner_format;
    uint64_t        segment_bytes;
    struct hash_key key;
    uint64_t        id;           /* drawn when the file was made; in every checksum */
    uint32_t        is_untrusted; /* something was forgotten that the records do not say */
    uint32_t        padding;
    uint64_t        sum;
};

enum disk_kind {
    DISK_OBJECT = 1,
    DISK_FORGOTTEN, /* what is before it under its hash is gone; nothing follows the record */
};

struct disk_record {
    uint32_t magic;
    uint8_t  kind; /* enum disk_kind */
    uint8_t  has_body;
    uint16_t padding;
    uint64_t lap; /* counts the segments that were begun */
    uint64_t hash;
    uint64_t born_ms;
    uint32_t front_bytes;
    uint32_t key_bytes;
    uint64_t body_bytes;
    uint64_t content_sum; /* of front, key and body */
    uint32_t version;     /* of the front, to tell whether it has changed */
    uint32_t sum;         /* of the record before here */
};

/* Of a record, in the table of contents. */
struct disk_item {
    uint64_t hash;
    uint32_t at_units; /* in the segment */
    uint32_t units;
    uint32_t version;
    uint32_t kind;
};

struct disk_footer {
    uint32_t magic;
    uint32_t items_count;
    uint64_t lap;
    uint64_t items_sum;
    uint64_t padding[4];
    uint64_t sum;
};

_Static_assert(sizeof(struct disk_record) == DISK_UNIT_BYTES, "a unit");
_Static_assert(sizeof(struct disk_footer) == DISK_UNIT_BYTES, "a unit");
_Static_assert(sizeof(struct disk_header) <= DISK_HEADER_BYTES, "a page");

static inline uint64_t disk_units(uint64_t bytes)
{
    return (bytes + DISK_UNIT_BYTES - 1) / DISK_UNIT_BYTES;
}

static inline uint64_t disk_record_units(const struct disk_record *record)
{
    return disk_units(sizeof *record + (uint64_t)record->front_bytes + record->key_bytes +
                      record->body_bytes);
}

/* So many bytes of a segment's end hold the table of @items_count records and the footer. */
static inline uint64_t disk_table_bytes(uint64_t items_count)
{
    return items_count * sizeof(struct disk_item) + sizeof(struct disk_footer);
}

/* Sets or compares their checksums; @id is the file's. */
void disk__header_seal(struct disk_header *header);
bool disk__header_is_right(const struct disk_header *header);
void disk__record_seal(struct disk_record *record, uint64_t id);
bool disk__record_is_right(const struct disk_record *record, uint64_t id);
void disk__footer_seal(struct disk_footer *footer, const struct disk_item *items, uint64_t id);
bool disk__footer_is_right(const struct disk_footer *footer, uint64_t id);
bool disk__items_are_right(const struct disk_footer *footer, const struct disk_item *items,
                           uint64_t id);

#endif
