/* SPDX-License-Identifier: Apache-2.0 */
/* partition/hash.c - 16384 slots by CRC16, laid on the shards in equal runs. */
#include "core/slot.h"
#include "partition/partition.h"

void partition_slots_of_shard(uint32_t shards_count, uint32_t shard, uint32_t *first,
                              uint32_t *last)
{
    /* The slots s with s * shards_count / 16384 == shard. */
    *first = (shard * SLOTS_COUNT + shards_count - 1) / shards_count;
    *last = ((shard + 1) * SLOTS_COUNT + shards_count - 1) / shards_count - 1;
}

static uint32_t shard_of(const struct partition *partition, struct bytes rest)
{
    return slot_of(rest) * partition->shards_count / SLOTS_COUNT;
}

static void explain(const struct partition *partition, struct bytes rest, FILE *out)
{
    uint32_t first, last;
    partition_slots_of_shard(partition->shards_count, shard_of(partition, rest), &first, &last);
    fprintf(out, "slot %u, of the slots %u to %u", slot_of(rest), first, last);
}

const struct partition_strategy partition_hash = {
    .name = "hash",
    .shard_of = shard_of,
    .explain = explain,
};
