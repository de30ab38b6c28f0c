/* SPDX-License-Identifier: Apache-2.0 */
/* partition/hash.c - 16384 slots by CRC16, laid on the shards in equal runs. */
#include "core/crc16.h"
#include "partition/partition.h"

uint32_t partition_slot_of(struct bytes key)
{
    const uint8_t *open = key.count == 0 ? NULL : memchr(key.at, '{', key.count);
    if (open != NULL) {
        const size_t behind = key.count - (size_t)(open + 1 - key.at);
        const uint8_t *shut = behind == 0 ? NULL : memchr(open + 1, '}', behind);
        if (shut != NULL && shut > open + 1)
            key = (struct bytes){open + 1, (size_t)(shut - open - 1)};
    }
    return crc16(key.at, key.count) % PARTITION_SLOTS;
}

void partition_slots_of_shard(uint32_t shards_count, uint32_t shard, uint32_t *first,
                              uint32_t *last)
{
    /* The slots s with s * shards_count / 16384 == shard. */
    *first = (shard * PARTITION_SLOTS + shards_count - 1) / shards_count;
    *last = ((shard + 1) * PARTITION_SLOTS + shards_count - 1) / shards_count - 1;
}

static uint32_t shard_of(const struct partition *partition, struct bytes rest)
{
    return partition_slot_of(rest) * partition->shards_count / PARTITION_SLOTS;
}

static void explain(const struct partition *partition, struct bytes rest, FILE *out)
{
    uint32_t first, last;
    partition_slots_of_shard(partition->shards_count, shard_of(partition, rest), &first, &last);
    fprintf(out, "slot %u, of the slots %u to %u", partition_slot_of(rest), first, last);
}

const struct partition_strategy partition_hash = {
    .name = "hash",
    .shard_of = shard_of,
    .explain = explain,
};
