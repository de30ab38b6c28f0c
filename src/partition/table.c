/* SPDX-License-Identifier: Apache-2.0 */
/* partition/table.c - the entries of a directory with what commands changed. */
#include "core/mem.h"
#include "partition/partition.h"

#include <stdlib.h>

/* What the file says comes before what a command says of the same prefix; `outer` holds which. */
static int by_prefix_then_word(const void *a, const void *b)
{
    const struct partition_entry *one = a, *other = b;
    const int order = bytes_compare(one->prefix, other->prefix);
    return order != 0 ? order : (one->outer > other->outer) - (one->outer < other->outer);
}

/* Leaves the last of each prefix, unless it takes the entry away. Returns how many are left. */
static uint32_t settle(struct partition_entry *entries, uint32_t count)
{
    uint32_t left = 0;
    if (count > 0)
        qsort(entries, count, sizeof *entries, by_prefix_then_word);
    for (uint32_t i = 0; i < count; i++) {
        const bool is_last =
            i + 1 == count || !bytes_equal(entries[i].prefix, entries[i + 1].prefix);
        if (is_last && entries[i].shard != PARTITION_NO_SHARD)
            entries[left++] = entries[i];
    }
    partition__nest(entries, left);
    return left;
}

static struct bytes copy_text(uint8_t **room, struct bytes text)
{
    uint8_t *at = *room;
    if (text.count > 0)
        memcpy(at, text.at, text.count);
    *room += text.count;
    return (struct bytes){at, text.count};
}

struct partition_table *partition_table_new(const struct partition *partition,
                                            const struct partition_change *changes, uint32_t count,
                                            const struct bytes *fence)
{
    const uint32_t own_count = partition->entries_count;
    size_t text_bytes = fence == NULL ? 0 : fence->count;
    for (uint32_t i = 0; i < own_count; i++)
        text_bytes += partition->entries[i].prefix.count;
    for (uint32_t i = 0; i < count; i++)
        text_bytes += changes[i].prefix.count;
    struct partition_table *table = mem_alloc(
        sizeof *table + ((size_t)own_count + count) * sizeof *table->entries + text_bytes);
    if (table == NULL)
        return NULL;
    uint8_t *text = (uint8_t *)(table->entries + own_count + count);
    *table = (struct partition_table){.is_fenced = fence != NULL};
    if (fence != NULL)
        table->fence = copy_text(&text, *fence);
    for (uint32_t i = 0; i < own_count; i++)
        table->entries[i] =
            (struct partition_entry){.prefix = copy_text(&text, partition->entries[i].prefix),
                                     .shard = partition->entries[i].shard};
    for (uint32_t i = 0; i < count; i++)
        table->entries[own_count + i] = (struct partition_entry){
            .prefix = copy_text(&text, changes[i].prefix), .shard = changes[i].shard, .outer = 1};
    table->entries_count = settle(table->entries, own_count + count);
    return table;
}
