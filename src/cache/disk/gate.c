/* SPDX-License-Identifier: Apache-2.0 */
/* cache/disk/gate.c - what was forgotten lately. */
#include "cache/disk/gate.h"

#include "core/units.h"

/* The longest that an evicted entry may be on its way: a thread that is not let run. */
#define MOMENT_NS (10 * NS_PER_S)

void gate_close(struct gate *gate, uint64_t hash, uint64_t born_ms, uint64_t now_ns)
{
    struct gate_set *set = &gate->sets[hash % GATE_SETS];
    uint32_t way = set->next;
    for (uint32_t i = 0; i < GATE_WAYS; i++)
        if (set->hashes[i] == hash && set->counts[i] != 0)
            way = i;
    if (way == set->next)
        set->next = (set->next + 1) % GATE_WAYS;
    if (set->counts[way] != 0 && set->hashes[way] != hash) {
        set->lost_count = set->counts[way];
        set->lost_born_ms = set->born_ms[way];
        set->lost_ns = now_ns;
    }
    set->hashes[way] = hash;
    set->counts[way] = ++gate->count;
    set->born_ms[way] = born_ms;
    set->closed_ns[way] = now_ns;
}

bool gate_admits(const struct gate *gate, uint64_t hash, uint64_t count)
{
    const struct gate_set *set = &gate->sets[hash % GATE_SETS];
    for (uint32_t i = 0; i < GATE_WAYS; i++)
        if (set->hashes[i] == hash && set->counts[i] > count)
            return false;
    return set->lost_count <= count;
}

bool gate_admits_new(const struct gate *gate, uint64_t hash, uint64_t born_ms, uint64_t now_ns)
{
    const struct gate_set *set = &gate->sets[hash % GATE_SETS];
    for (uint32_t i = 0; i < GATE_WAYS; i++)
        if (set->hashes[i] == hash && set->counts[i] != 0 && born_ms <= set->born_ms[i] &&
            now_ns - set->closed_ns[i] < MOMENT_NS)
            return false;
    return born_ms > set->lost_born_ms || set->lost_count == 0 ||
           now_ns - set->lost_ns >= MOMENT_NS;
}
