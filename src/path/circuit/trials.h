/* SPDX-License-Identifier: Apache-2.0 */
/* path/circuit/trials.h - how many requests may try what was passed over: one word for all workers.
 *
 * Whoever decides (control, with the breaker room's machines) opens an epoch with so many trials.
 * Workers claim them by compare-and-swap, so that exactly so many are admitted in total, and each
 * reports how its trial went, or gives it back if nothing was learned. Both carry the epoch: a word
 * of an epoch that is over is not heard.
 *
 *     decides:  trials_open(&trials, TRIALS_BY_ANSWER, 10) ... trials_results(&trials)
 *     worker:   trials_claim(&trials, &epoch) ... trials_report(&trials, epoch, ...)
 *                                             or trials_give_back(&trials, epoch)
 *
 * Memory:  plain atomics; they lie in whatever is tried, and need no end.
 * Threads: one decides; all others any number. Errors: none. */
#ifndef PANDO_PATH_CIRCUIT_TRIALS_H
#define PANDO_PATH_CIRCUIT_TRIALS_H

#include "path/circuit/circuit.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { TRIALS_MAX = 1000 };

/* What the word says to workers. */
enum trials_mode {
    TRIALS_FREE,       /* closed: everybody may pass, nobody claims */
    TRIALS_SHUT,       /* open: nobody may */
    TRIALS_BY_CONNECT, /* those with a claim; it has passed once it is connected */
    TRIALS_BY_ANSWER,  /* those with a claim; its answer says how it went */
};

struct trials {
    _Atomic uint64_t word;    /* epoch, 32 bits; left, 16; mode, 16 */
    _Atomic uint64_t results; /* epoch, 32 bits; slow, failed and all, 10 each from bit 0 */
};

static inline uint64_t trials_word(uint32_t epoch, uint32_t left, enum trials_mode mode)
{
    return (uint64_t)epoch << 32 | (uint64_t)left << 16 | (uint64_t)mode;
}

static inline enum trials_mode trials_mode_of(uint64_t word)
{
    return (enum trials_mode)(word & 0xffff);
}

static inline uint32_t trials_left_of(uint64_t word)
{
    return (uint32_t)(word >> 16 & 0xffff);
}

static inline uint32_t trials_epoch_of(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

static inline uint64_t trials_read(const struct trials *trials)
{
    return atomic_load_explicit(&trials->word, memory_order_acquire);
}

/* Begins the next epoch; by the one who decides. */
static inline void trials_open(struct trials *trials, enum trials_mode mode, uint32_t count)
{
    const uint32_t epoch = trials_epoch_of(trials_read(trials)) + 1;
    assert(count <= TRIALS_MAX);
    atomic_store_explicit(&trials->results, (uint64_t)epoch << 32, memory_order_relaxed);
    atomic_store_explicit(&trials->word, trials_word(epoch, count, mode), memory_order_release);
}

/* Takes one of the trials that are left. Then one report or one giving back must follow, with
 * *@epoch; *@mode is what it is judged by. */
static inline bool trials_claim(struct trials *trials, uint32_t *epoch, enum trials_mode *mode)
{
    uint64_t word = trials_read(trials);
    while (trials_left_of(word) > 0) {
        *epoch = trials_epoch_of(word);
        *mode = trials_mode_of(word);
        if (atomic_compare_exchange_weak_explicit(&trials->word, &word, word - (1u << 16),
                                                  memory_order_acq_rel, memory_order_acquire))
            return true;
    }
    return false;
}

/* Nothing was learned: somebody else may try. */
static inline void trials_give_back(struct trials *trials, uint32_t epoch)
{
    uint64_t word = trials_read(trials);
    while (trials_epoch_of(word) == epoch &&
           !atomic_compare_exchange_weak_explicit(&trials->word, &word, word + (1u << 16),
                                                  memory_order_acq_rel, memory_order_acquire))
        ;
}

/* How it went. */
static inline void trials_report(struct trials *trials, uint32_t epoch, bool failed, bool slow)
{
    const uint64_t by = (uint64_t)1 << 20 | (uint64_t)failed << 10 | (uint64_t)slow;
    uint64_t results = atomic_load_explicit(&trials->results, memory_order_relaxed);
    while ((uint32_t)(results >> 32) == epoch &&
           !atomic_compare_exchange_weak_explicit(&trials->results, &results, results + by,
                                                  memory_order_release, memory_order_relaxed))
        ;
}

/* What was reported in this epoch. */
static inline struct circuit_counts trials_results(const struct trials *trials)
{
    const uint64_t results = atomic_load_explicit(&trials->results, memory_order_acquire);
    return (struct circuit_counts){.all = (uint32_t)(results >> 20 & 0x3ff),
                                   .failed = (uint32_t)(results >> 10 & 0x3ff),
                                   .slow = (uint32_t)(results & 0x3ff)};
}

#endif
