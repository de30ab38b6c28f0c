/* SPDX-License-Identifier: Apache-2.0 */
/* store/policy/sketch.h - about how often a hash was seen lately, in half a byte.
 *
 * A count-min sketch of 4-bit counters, depth 4, all four in one cache line (as Caffeine's): 16
 * counters for each entry it is made for. When it has counted ten times as often as that, all
 * counters are halved, so what was wanted long ago is forgotten.
 *
 * It doubles in place: a word's copy lies where its hashes will look from then on, so nothing that
 * was counted is lost.
 *
 * Memory:  a reserve of address space; sketch_bytes() of it are in use.
 * Threads: sketch_add() may run beside all others; a count may be lost then. Growing and beginning
 *          under the shard's lock. */
#ifndef PANDO_STORE_POLICY_SKETCH_H
#define PANDO_STORE_POLICY_SKETCH_H

#include "core/err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sketch {
    _Atomic uint64_t *words; /* 16 counters each; NULL: none, and everything counts 0 */
    uint64_t          words_max;
    _Atomic uint64_t  words_count; /* a power of two */
    _Atomic uint64_t  added_count; /* since it was last halved */
};

/* For 512 entries at first, at most @entries_max. False: no memory. */
bool sketch_init(struct sketch *sketch, uint64_t entries_max) must_check;

/* Accepts zero. */
void sketch_fini(struct sketch *sketch);

/* It was seen once more. */
void sketch_add(struct sketch *sketch, uint64_t hash);

/* 0 to 15; at least what was counted for it since, perhaps more. */
unsigned sketch_count(const struct sketch *sketch, uint64_t hash);

/* For twice as many entries; takes sketch_bytes() more. */
void sketch_grow(struct sketch *sketch);

/* Whether it was made for fewer than @entries entries, and can grow. */
bool sketch_is_small(const struct sketch *sketch, uint64_t entries);

/* Memory that it takes. */
size_t sketch_bytes(const struct sketch *sketch);

#endif
