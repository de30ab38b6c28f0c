/* SPDX-License-Identifier: Apache-2.0 */
/* core/random.h - xoshiro256++ (Blackman and Vigna 2018), seeded by splitmix64. Not for secrets.
 *
 * Threads: a generator belongs to one thread. The same seed gives the same draws on every
 * machine. */
#ifndef PANDO_CORE_RANDOM_H
#define PANDO_CORE_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t state[4];
};

static inline uint64_t random_mix(uint64_t *seed)
{
    uint64_t z = (*seed += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline void random_init(struct random *random, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        random->state[i] = random_mix(&seed);
}

static inline uint64_t random_rotate(uint64_t x, int by)
{
    return (x << by) | (x >> (64 - by));
}

static inline uint64_t random_next(struct random *random)
{
    uint64_t *s = random->state;
    const uint64_t result = random_rotate(s[0] + s[3], 23) + s[0];
    const uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = random_rotate(s[3], 45);
    return result;
}

/* Maps a draw to 0..below-1 without a division (Lemire 2018; the bias below 2^-32 is accepted).
 * below > 0. */
static inline uint32_t random_below(uint64_t draw, uint32_t below)
{
    return (uint32_t)(((draw >> 32) * below) >> 32);
}

#endif
