/* SPDX-License-Identifier: Apache-2.0 */
/* cache/disk/gate.h - what was forgotten lately, so that what is on its way to the disk or from it
 * meanwhile does not arrive.
 *
 * Who sets out notes the count; who arrives asks whether his hash was forgotten since. Of each set
 * the last few are known; where more came at once, all that were on their way in it are stopped.
 *
 * Threads: one at a time; the disk's lock. */
#ifndef PANDO_CACHE_DISK_GATE_H
#define PANDO_CACHE_DISK_GATE_H

#include <stdbool.h>
#include <stdint.h>

enum { GATE_SETS = 1024, GATE_WAYS = 7 };

struct gate_set {
    uint64_t hashes[GATE_WAYS];
    uint64_t counts[GATE_WAYS];  /* when it was forgotten; 0: nothing is here */
    uint64_t born_ms[GATE_WAYS]; /* what was made until then is meant */
    uint64_t closed_ns[GATE_WAYS];
    uint64_t lost_count; /* the latest of which the hash is not known any more */
    uint64_t lost_born_ms;
    uint64_t lost_ns;
    uint32_t next;
};

struct gate {
    uint64_t        count; /* of what was ever forgotten */
    struct gate_set sets[GATE_SETS];
};

/* What was made at @born_ms or before under @hash is forgotten. */
void gate_close(struct gate *gate, uint64_t hash, uint64_t born_ms, uint64_t now_ns);

/* May what set out at @count arrive? */
bool gate_admits(const struct gate *gate, uint64_t hash, uint64_t count);

/* May what was made then set out? It may have been on its way here since a moment ago. */
bool gate_admits_new(const struct gate *gate, uint64_t hash, uint64_t born_ms, uint64_t now_ns);

#endif
