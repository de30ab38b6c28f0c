/* SPDX-License-Identifier: Apache-2.0 */
/* control/set.c - building sets and letting them go. */
#include "control/set.h"

#include "core/mem.h"

struct target_set *set_new(struct target *const *targets, size_t count, size_t draining_count,
                           uint64_t version)
{
    struct target_set *set = mem_alloc(sizeof *set + (count + draining_count) * sizeof(void *));
    if (set == NULL)
        return NULL;
    atomic_init(&set->refs_count, 1);
    set->version = version;
    for (size_t i = 0; i < count; i++) {
        struct target *target = targets[i];
        target_ref(target);
        set->at[set->count++] = target;
        const uint32_t weight = target->weight;
        set->weight_sum += weight;
        if (weight > set->weight_max)
            set->weight_max = weight;
    }
    for (size_t i = count; i < count + draining_count; i++) {
        target_ref(targets[i]);
        set->at[i] = targets[i];
        set->draining++;
    }
    return set;
}

void set_ref(struct target_set *set)
{
    atomic_fetch_add_explicit(&set->refs_count, 1, memory_order_relaxed);
}

void set_unref(struct target_set *set)
{
    if (set == NULL || atomic_fetch_sub_explicit(&set->refs_count, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < set->count + set->draining; i++)
        target_unref(set->at[i]);
    mem_free(set);
}
