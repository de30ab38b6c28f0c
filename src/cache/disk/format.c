/* SPDX-License-Identifier: Apache-2.0 */
/* cache/disk/format.c - checksums of what lies in the file. */
#include "cache/disk/format.h"

#include <xxhash.h>

static uint64_t header_sum(const struct disk_header *header)
{
    return XXH3_64bits(header, offsetof(struct disk_header, sum));
}

void disk__header_seal(struct disk_header *header)
{
    header->sum = header_sum(header);
}

bool disk__header_is_right(const struct disk_header *header)
{
    return header->magic == DISK_MAGIC && header->format == DISK_FORMAT &&
           header->sum == header_sum(header);
}

static uint32_t record_sum(const struct disk_record *record, uint64_t id)
{
    return (uint32_t)XXH3_64bits_withSeed(record, offsetof(struct disk_record, sum), id);
}

void disk__record_seal(struct disk_record *record, uint64_t id)
{
    record->sum = record_sum(record, id);
}

bool disk__record_is_right(const struct disk_record *record, uint64_t id)
{
    return record->magic == DISK_RECORD_MAGIC && record->sum == record_sum(record, id) &&
           (record->kind == DISK_OBJECT || record->kind == DISK_FORGOTTEN);
}

static uint64_t footer_sum(const struct disk_footer *footer, uint64_t id)
{
    return XXH3_64bits_withSeed(footer, offsetof(struct disk_footer, sum), id);
}

static uint64_t items_sum(const struct disk_footer *footer, const struct disk_item *items,
                          uint64_t id)
{
    return XXH3_64bits_withSeed(items, footer->items_count * sizeof *items, id);
}

void disk__footer_seal(struct disk_footer *footer, const struct disk_item *items, uint64_t id)
{
    footer->magic = DISK_FOOTER_MAGIC;
    footer->items_sum = items_sum(footer, items, id);
    footer->sum = footer_sum(footer, id);
}

bool disk__footer_is_right(const struct disk_footer *footer, uint64_t id)
{
    return footer->magic == DISK_FOOTER_MAGIC && footer->sum == footer_sum(footer, id);
}

bool disk__items_are_right(const struct disk_footer *footer, const struct disk_item *items,
                           uint64_t id)
{
    return footer->items_sum == items_sum(footer, items, id);
}
