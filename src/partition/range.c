/* SPDX-License-Identifier: Apache-2.0 */
/* partition/range.c - by the order of keys: each shard from one split to the next. */
#include "core/quote.h"
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

/* The lower end is in the range, the upper one is not. */
static void explain(const struct partition *partition, struct bytes rest, FILE *out)
{
    const uint32_t last = partition->shards_count - 1;
    const uint32_t shard = last == 0 ? 0 : shard_of(partition, rest);
    fputs("range ", out);
    if (shard == 0)
        fputs(last == 0 ? "of all keys" : "up", out);
    else
        quote_write(out, partition->splits[shard - 1]);
    if (shard == last) {
        fputs(last == 0 ? "" : " and up", out);
        return;
    }
    fputs(" to ", out);
    quote_write(out, partition->splits[shard]);
}

const struct partition_strategy partition_range = {
    .name = "range",
    .is_ordered = true,
    .shard_of = shard_of,
    .explain = explain,
};
