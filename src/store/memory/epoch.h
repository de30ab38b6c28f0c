/* SPDX-License-Identifier: Apache-2.0 */
/* store/memory/epoch.h - when memory that a reader without a lock may stand on can be used again.
 *
 * A reader writes the current epoch into its own slot, looks, and writes 0. What was taken out of
 * the index is tagged with the epoch of that moment, and is free when every slot is 0 or newer.
 *
 * Why that is enough: taking out, reading the epoch for the tag, moving the epoch on, writing a
 * slot, reading slots and reading the chains are all sequentially consistent, so they have one
 * order. A slot that is seen as 0 was not written before: its reader will see the shortened chain.
 * A slot that is newer than the tag read an epoch that came after the tag was read, so after the
 * entry was out. (No fences: ThreadSanitizer does not know them.)
 *
 * Threads: a slot belongs to one thread; the rest to any. */
#ifndef PANDO_STORE_MEMORY_EPOCH_H
#define PANDO_STORE_MEMORY_EPOCH_H

#include "store/store.h"

struct epoch_slot {
    _Alignas(64) _Atomic uint64_t entered; /* 0: not reading */
};

struct epochs {
    _Alignas(64) _Atomic uint64_t current; /* from 1 on */
    struct epoch_slot slots[STORE_THREADS_MAX];
};

static inline void epoch_enter(struct epochs *epochs, unsigned thread)
{
    atomic_store(&epochs->slots[thread].entered, atomic_load(&epochs->current));
}

static inline void epoch_leave(struct epochs *epochs, unsigned thread)
{
    atomic_store_explicit(&epochs->slots[thread].entered, 0, memory_order_release);
}

/* What is tagged below this is free. */
static inline uint64_t epoch_oldest(const struct epochs *epochs, unsigned threads_count)
{
    uint64_t oldest = UINT64_MAX;
    for (unsigned i = 0; i < threads_count; i++) {
        const uint64_t entered = atomic_load(&epochs->slots[i].entered);
        oldest = entered != 0 && entered < oldest ? entered : oldest;
    }
    return oldest;
}

/* So that readers to come are newer than @tag. */
static inline void epoch_pass(struct epochs *epochs, uint64_t tag)
{
    uint64_t expected = tag;
    atomic_compare_exchange_strong(&epochs->current, &expected, tag + 1);
}

#endif
