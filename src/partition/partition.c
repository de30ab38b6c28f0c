/* SPDX-License-Identifier: Apache-2.0 */
/* partition/partition.c - the strategies' list, what makes a layout good, and its fingerprint. */
#include "partition/partition.h"

#include "core/mem.h"

#include <stdlib.h>
#include <xxhash.h>

static int by_prefix(const void *a, const void *b)
{
    const struct partition_entry *one = a, *other = b;
    return bytes_compare(one->prefix, other->prefix);
}

static bool begins_with(struct bytes bytes, struct bytes prefix)
{
    return bytes.count >= prefix.count &&
           bytes_equal((struct bytes){bytes.at, prefix.count}, prefix);
}

/* Sorted, so what an entry lies in is among those before it: the nearest, or what that lies in. */
void partition__nest(struct partition_entry *entries, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t outer = i;
        while (outer > 0 && !begins_with(entries[i].prefix, entries[outer - 1].prefix))
            outer = entries[outer - 1].outer;
        entries[i].outer = outer;
    }
}

static const char *check_entries(struct partition *partition)
{
    if (partition->entries_count > 0)
        qsort(partition->entries, partition->entries_count, sizeof *partition->entries, by_prefix);
    for (uint32_t i = 0; i < partition->entries_count; i++) {
        if (partition->entries[i].shard >= partition->shards_count)
            return "an entry of the directory names a shard that is not there";
        if (i > 0 && bytes_equal(partition->entries[i - 1].prefix, partition->entries[i].prefix))
            return "two entries of the directory are the same";
    }
    partition__nest(partition->entries, partition->entries_count);
    return NULL;
}

const char *partition_check(struct partition *partition)
{
    if (partition->shards_count == 0 || partition->shards_count > PARTITION_SHARDS_MAX)
        return "the number of shards is out of range";
    if (partition->entries_count > 0 && partition->strategy != &partition_directory)
        return "only a directory has entries";
    if (partition->splits != NULL && partition->strategy != &partition_range)
        return "only ranges have splits";
    if (partition->strategy != &partition_range)
        return check_entries(partition);
    if (partition->splits == NULL && partition->shards_count > 1)
        return "ranges need splits, one fewer than shards";
    for (uint32_t i = 1; i + 1 < partition->shards_count; i++)
        if (bytes_compare(partition->splits[i - 1], partition->splits[i]) >= 0)
            return "splits must ascend";
    return NULL;
}

static struct bytes copy_text(uint8_t **room, struct bytes text)
{
    uint8_t *at = *room;
    if (text.count > 0)
        memcpy(at, text.at, text.count);
    *room += text.count;
    return (struct bytes){at, text.count};
}

struct partition *partition_copy(const struct partition *partition)
{
    const uint32_t splits_count = partition->splits == NULL ? 0 : partition->shards_count - 1;
    size_t text_bytes = 0;
    for (uint32_t i = 0; i < splits_count; i++)
        text_bytes += partition->splits[i].count;
    for (uint32_t i = 0; i < partition->entries_count; i++)
        text_bytes += partition->entries[i].prefix.count;
    struct partition *copy =
        mem_alloc(sizeof *copy + splits_count * sizeof *copy->splits +
                  partition->entries_count * sizeof *copy->entries + text_bytes);
    if (copy == NULL)
        return NULL;
    struct bytes *splits = (struct bytes *)(void *)(copy + 1);
    struct partition_entry *entries = (struct partition_entry *)(void *)(splits + splits_count);
    uint8_t *text = (uint8_t *)(entries + partition->entries_count);
    *copy = *partition;
    copy->splits = partition->splits == NULL ? NULL : splits;
    copy->entries = entries;
    atomic_init(&copy->table, NULL);
    for (uint32_t i = 0; i < splits_count; i++)
        splits[i] = copy_text(&text, partition->splits[i]);
    for (uint32_t i = 0; i < partition->entries_count; i++) {
        entries[i] = partition->entries[i];
        entries[i].prefix = copy_text(&text, partition->entries[i].prefix);
    }
    return copy;
}

static uint64_t mix(uint64_t seed, struct bytes bytes)
{
    return XXH3_64bits_withSeed(bytes.at, bytes.count, seed ^ bytes.count);
}

uint64_t partition_fingerprint(const struct partition *partition)
{
    uint64_t seed = mix(partition->shards_count, bytes_of(partition->strategy->name));
    for (uint32_t i = 0; partition->splits != NULL && i + 1 < partition->shards_count; i++)
        seed = mix(seed, partition->splits[i]);
    for (uint32_t i = 0; i < partition->entries_count; i++)
        seed = mix(seed + partition->entries[i].shard, partition->entries[i].prefix);
    return seed;
}
