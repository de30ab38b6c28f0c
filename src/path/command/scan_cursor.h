/* SPDX-License-Identifier: Apache-2.0 */
/* path/command/scan_cursor.h - the number that SCAN answers: where the walk over all keys goes on.
 *
 * It says keyspace, shard and position, holds for as long as the layout is what it was, also over a
 * restart, and nothing is kept for it. 12 of its bits are a check of the rest and of the layout, so
 * that a number from elsewhere is refused instead of being walked on from (all but one in 4095). It
 * has 52 bits, since clients in JavaScript read it as a double.
 *
 *     bits 0-11 check    12-33 position, in grains    34-43 shard    44-51 keyspace
 *
 * Threads: pure. */
#ifndef PANDO_PATH_COMMAND_SCAN_CURSOR_H
#define PANDO_PATH_COMMAND_SCAN_CURSOR_H

#include "core/bytes.h"

#define SCAN_CURSOR_INVALID "ERR invalid cursor"

enum {
    SCAN_KEYSPACES_MAX = 256,
    SCAN_SHARDS_MAX = 1024,
};

struct scan_place {
    uint32_t keyspace; /* its number, below SCAN_KEYSPACES_MAX */
    uint32_t shard;    /* below SCAN_SHARDS_MAX */
    uint64_t position; /* in the shard: a multiple of KEY_SCAN_GRAIN, below KEY_SCAN_END */
};

/* Never 0. @layout: a fingerprint of whatever must be unchanged for the place to mean the same. */
uint64_t scan_cursor_of(const struct scan_place *place, uint64_t layout);

/* What a client says: 0 is the beginning, all 0, whatever the layout. False: the number is not one
 * that scan_cursor_of() made with @layout. */
bool scan_cursor_read(struct bytes text, uint64_t layout, struct scan_place *place) must_check;

#endif
