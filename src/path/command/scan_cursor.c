/* SPDX-License-Identifier: Apache-2.0 */
/* path/command/scan_cursor.c - where SCAN goes on, packed into a number and checked. */
#include "path/command/scan_cursor.h"

#include "core/random.h"
#include "path/command/key_op.h"

#include <assert.h>

enum { CHECK_BITS = 12, POSITION_BITS = 22, SHARD_BITS = 10, KEYSPACE_BITS = 8 };

/* 1 to 4095: a cursor is never the 0 that means the end. */
static uint64_t check(uint64_t rest, uint64_t layout)
{
    uint64_t seed = layout;
    seed = random_mix(&seed) ^ rest;
    return 1 + random_mix(&seed) % ((1u << CHECK_BITS) - 1);
}

uint64_t scan_cursor_of(const struct scan_place *place, uint64_t layout)
{
    assert(place->keyspace < SCAN_KEYSPACES_MAX && place->shard < SCAN_SHARDS_MAX);
    assert(place->position < KEY_SCAN_END && place->position % KEY_SCAN_GRAIN == 0);
    const uint64_t rest = ((uint64_t)place->keyspace << SHARD_BITS | place->shard)
                              << POSITION_BITS |
                          place->position / KEY_SCAN_GRAIN;
    return rest << CHECK_BITS | check(rest, layout);
}

bool scan_cursor_read(struct bytes text, uint64_t layout, struct scan_place *place)
{
    uint64_t cursor = 0;
    *place = (struct scan_place){0};
    if (!bytes_read_uint64(text, &cursor))
        return false;
    if (cursor == 0)
        return true;
    const uint64_t rest = cursor >> CHECK_BITS;
    if ((cursor & ((1u << CHECK_BITS) - 1)) != check(rest, layout) ||
        rest >> (POSITION_BITS + SHARD_BITS + KEYSPACE_BITS) != 0)
        return false;
    *place = (struct scan_place){
        .keyspace = (uint32_t)(rest >> (POSITION_BITS + SHARD_BITS)),
        .shard = (uint32_t)(rest >> POSITION_BITS) & (SCAN_SHARDS_MAX - 1),
        .position = (rest & ((1u << POSITION_BITS) - 1)) * KEY_SCAN_GRAIN,
    };
    return true;
}
