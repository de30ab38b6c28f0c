/* SPDX-License-Identifier: Apache-2.0 */
/* partition/range.c - by the order of keys: each shard from one split to the next. */
#include "partition/partition.h"

/* The first shard whose upper split is above the key. */
static uint32_t shard_of(const struct partition *partition, struct bytes rest)
{
    uint32_t low = 0, high = partition->shards_count - 1;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (bytes_compare(rest, partition->splits[middle]) < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void write_split(struct bytes split, FILE *out)
{
    (void)fwrite(split.at, 1, split.count, out);
}

static void explain(const struct partition *partition, struct bytes rest, FILE *out)
{
    const uint32_t shard = partition->shards_count == 1 ? 0 : shard_of(partition, rest);
    fputs("range from ", out);
    if (shard == 0)
        fputs("the lowest key", out);
    else
        write_split(partition->splits[shard - 1], out);
    if (shard + 1 == partition->shards_count) {
        fputs(" to the highest", out);
        return;
    }
    fputs(" to below ", out);
    write_split(partition->splits[shard], out);
}

const struct partition_strategy partition_range = {
    .name = "range",
    .is_ordered = true,
    .shard_of = shard_of,
    .explain = explain,
};
