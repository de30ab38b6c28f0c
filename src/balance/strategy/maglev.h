/* SPDX-License-Identifier: Apache-2.0 */
/* balance/strategy/maglev.h - a table from hashes of keys to targets that hardly moves when the set
 * does.
 *
 * Maglev's (Eisenbud and others, NSDI 2016): every target has an order of all places of its own,
 * made from its name alone, and takes the next free one when its turn comes; one of weight w has
 * w / (largest w) turns a round. So every node and worker makes the same table, every target has
 * its share of the places to within a few of them, and of n targets one that leaves moves its own
 * keys (1/n of them) and a few more, about as many again for small n.
 *
 * Time:    filling walks each target's order: some 3 ms for 65,537 places.
 * Memory:  part of a strategy's state: 2 bytes a place, at least 65,537 places and at least 100 a
 *          target: 128 KiB up to 655 targets, 1 MiB for the most that a service has.
 * Threads: its worker's. */
#ifndef PANDO_BALANCE_STRATEGY_MAGLEV_H
#define PANDO_BALANCE_STRATEGY_MAGLEV_H

#include "balance/balance.h"

struct balance_maglev {
    uint32_t  places_count; /* a prime */
    uint16_t *at;           /* in the same memory, behind this: indexes into the set */
};

/* What balance__maglev_fill() needs, its notes included. */
size_t balance__maglev_bytes(uint32_t targets_count);

/* @memory is zeroed and has balance__maglev_bytes(). Returns @memory. The set may be empty: then
 * nothing may be found. */
struct balance_maglev *balance__maglev_fill(void *memory, const struct target_set *set);

/* The index of the target that has @hash. */
static inline size_t balance__maglev_find(const struct balance_maglev *maglev, uint64_t hash)
{
    return maglev->at[hash % maglev->places_count];
}

#endif
