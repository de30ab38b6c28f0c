/* SPDX-License-Identifier: Apache-2.0 */
/* sim/model/chance.h - draws from the distributions that the model needs.
 *
 * Threads: as core/random.h. The same seed gives the same draws where log() does. */
#ifndef PANDO_SIM_MODEL_CHANCE_H
#define PANDO_SIM_MODEL_CHANCE_H

#include "core/random.h"

#include <math.h>

/* Over 0, at most 1. */
static inline double sim_uniform(struct random *random)
{
    return (double)((random_next(random) >> 11) + 1) * 0x1p-53;
}

/* Exponential with this mean: times between events that know nothing of one another. */
static inline double sim_exponential(struct random *random, double mean)
{
    return -mean * log(sim_uniform(random));
}

/* A generator of its own for one purpose, so that more draws for one do not shift those of the
 * others. */
static inline struct random sim_stream(uint64_t seed, uint64_t purpose)
{
    struct random random;
    uint64_t mixed = seed;
    random_init(&random, random_mix(&mixed) ^ (purpose * 0x9e3779b97f4a7c15u));
    return random;
}

#endif
