/* SPDX-License-Identifier: Apache-2.0 */
/* partition/directory.c - by a table of prefixes, such as tenants; the rest by hash. */
#include "core/quote.h"
#include "partition/partition.h"

static size_t common_bytes(struct bytes a, struct bytes b)
{
    const size_t most = a.count < b.count ? a.count : b.count;
    size_t same = 0;
    while (same < most && a.at[same] == b.at[same])
        same++;
    return same;
}

/* Entries up to and with the last that is not above @rest. */
static uint32_t count_not_above(const struct partition_entry *entries, uint32_t count,
                                struct bytes rest)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (bytes_compare(entries[middle].prefix, rest) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The longest entry that is a prefix of @rest. All that are lie in one another, and the nearest
 * below @rest lies in them or is one. */
const struct partition_entry *partition_entry_find(const struct partition *partition,
                                                   const struct partition_table *table,
                                                   struct bytes rest)
{
    const struct partition_entry *entries = table == NULL ? partition->entries : table->entries;
    const uint32_t count = table == NULL ? partition->entries_count : table->entries_count;
    uint32_t at = count_not_above(entries, count, rest);
    if (at == 0)
        return NULL;
    const size_t common = common_bytes(entries[at - 1].prefix, rest);
    while (at > 0 && entries[at - 1].prefix.count > common)
        at = entries[at - 1].outer;
    return at == 0 ? NULL : &entries[at - 1];
}

uint32_t partition_table_shard_of(const struct partition *partition,
                                  const struct partition_table *table, struct bytes rest)
{
    const struct partition_entry *entry = partition_entry_find(partition, table, rest);
    return entry != NULL ? entry->shard : partition_hash.shard_of(partition, rest);
}

static uint32_t shard_of(const struct partition *partition, struct bytes rest)
{
    return partition_table_shard_of(partition, partition_table(partition), rest);
}

static void explain(const struct partition *partition, struct bytes rest, FILE *out)
{
    const struct partition_entry *entry =
        partition_entry_find(partition, partition_table(partition), rest);
    if (entry == NULL) {
        fputs("no entry of the directory; by hash: ", out);
        partition_hash.explain(partition, rest, out);
        return;
    }
    fputs("directory entry ", out);
    quote_write(out, entry->prefix);
}

const struct partition_strategy partition_directory = {
    .name = "directory",
    .shard_of = shard_of,
    .explain = explain,
};
