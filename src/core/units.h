/* SPDX-License-Identifier: Apache-2.0 */
/* core/units.h - units of time and size, and the two clocks. Policy never reads a clock; edges
 * do, once a turn. */
#ifndef PANDO_CORE_UNITS_H
#define PANDO_CORE_UNITS_H

#include <stdint.h>
#include <time.h>

#define NS_PER_US 1000ull
#define NS_PER_MS 1000000ull
#define NS_PER_S  1000000000ull
#define KIB       1024ull
#define MIB       (1024ull * 1024ull)

/* Whole seconds, rounded up; at least one, as what a client is told to wait. */
static inline uint64_t seconds_up(uint64_t ns)
{
    return ns <= NS_PER_S ? 1 : (ns + NS_PER_S - 1) / NS_PER_S;
}

/* Monotonic; deadlines and durations. */
static inline uint64_t clock_monotonic_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* Wall clock; dates that people and protocols read. */
static inline uint64_t clock_wall_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

#endif
