/* SPDX-License-Identifier: Apache-2.0 */
/* bench/sizes.h - what is at a path, as its server (sized.c) and its readers (crowd.c) both know it.
 *
 *     /any/NUMBER    100 bytes to 1 MiB, log-uniform by a hash of path and variant
 *     /vary/NUMBER   the same, another answer for each value of X-Kind
 *     /slow/NUMBER   128 to 512 KiB, for those who read slowly
 *
 * A body begins with 16 hexadecimal digits of that hash, so whoever reads it knows whether it is the one
 * that he asked for; the rest is "x". */
#ifndef PANDO_BENCH_SIZES_H
#define PANDO_BENCH_SIZES_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define SIZES_LEAST 100.0
#define SIZES_MOST  1048576.0
#define SIZES_MARK  16 /* digits at the beginning of a body */

/* Of a path and the value of X-Kind, 0 where answers do not differ by it: FNV-1a, then the mixer of
 * splitmix64 (Steele 2014), since FNV leaves the high bits of short texts alike. */
static inline uint64_t sizes_hash(const char *path, size_t bytes, uint32_t kind)
{
    uint64_t hash = 0xcbf29ce484222325u ^ kind;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ (uint8_t)path[i]) * 0x100000001b3u;
    hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9u;
    hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebu;
    return hash ^ (hash >> 31);
}

static inline int sizes_is_under(const char *path, size_t bytes, const char *folder)
{
    return bytes > strlen(folder) && memcmp(path, folder, strlen(folder)) == 0;
}

/* Of the body that @hash stands for. */
static inline uint64_t sizes_body_bytes(const char *path, size_t bytes, uint64_t hash)
{
    const double draw = (double)(hash >> 11) * 0x1p-53;
    if (sizes_is_under(path, bytes, "/slow/"))
        return 131072 + (uint64_t)(draw * 393216);
    return (uint64_t)(SIZES_LEAST * pow(SIZES_MOST / SIZES_LEAST, draw));
}

#endif
