/* SPDX-License-Identifier: Apache-2.0 */
/* store/policy/s3_fifo.c - what was asked for once leaves first; a scan does no harm (Yang et al.,
 * "FIFO queues are all you need for cache eviction", SOSP 2023).
 *
 * A newcomer stands in a small queue, a tenth of the bytes. At its end it goes on to the main queue
 * if it was asked for meanwhile, else it leaves. At the end of the main queue, what was asked for
 * goes round once more. No hit moves anything.
 *
 * In place of the ghost queue a sketch counts admissions: who comes again goes to the main queue at
 * once. While nothing was evicted yet, what the small queue has no room for does too. */
#include "store/policy/policy.h"

enum { SMALL = 1, MAIN = 2, SMALL_PERCENT = 10, PROMOTED_FROM = 2, SEEN_BEFORE = 2 };

static uint64_t small_max(const struct policy *policy)
{
    return policy->capacity_bytes / 100 * SMALL_PERCENT;
}

static uint64_t bytes_of(const struct policy *policy, uint8_t queue)
{
    return policy->queues[queue - 1].bytes;
}

static void move(struct policy *policy, struct store_entry *entry, uint8_t queue, uint8_t uses)
{
    policy_pull(policy, entry);
    policy_push(policy, queue, entry);
    policy_set_uses(entry, uses);
}

/* Whether it goes on from the end of its queue, and there it goes. */
static bool goes_on(struct policy *policy, struct store_entry *entry)
{
    const uint8_t uses = policy_uses(entry);
    const bool stays = entry->queue == SMALL ? uses >= PROMOTED_FROM : uses > 0;
    if (!stays && !policy_is_held(entry))
        return false;
    if (entry->queue == SMALL)
        move(policy, entry, stays ? MAIN : SMALL, stays ? 0 : uses);
    else
        move(policy, entry, MAIN, stays ? uses - 1 : 0);
    return true;
}

/* Uses fall as entries go round, so it ends, but for what is held. */
static struct store_entry *evict(struct policy *policy)
{
    for (int held = 0; held < POLICY_HELD_MAX;) {
        const bool main_is_full =
            bytes_of(policy, MAIN) > policy->capacity_bytes - small_max(policy);
        struct store_entry *entry = policy_tail(policy, SMALL);
        if (entry == NULL || main_is_full)
            entry = policy_tail(policy, MAIN);
        if (entry == NULL)
            return NULL;
        held += policy_is_held(entry);
        if (!goes_on(policy, entry)) {
            policy_pull(policy, entry);
            policy->has_evicted = true;
            return entry;
        }
    }
    return NULL;
}

static uint8_t place_for(struct policy *policy, const struct store_entry *entry)
{
    const bool fits = bytes_of(policy, SMALL) + entry->charged_bytes <= small_max(policy);
    if (!policy->has_evicted)
        return fits ? SMALL : MAIN;
    return sketch_count(&policy->sketch, entry->hash) >= SEEN_BEFORE ? MAIN : SMALL;
}

static bool admit(struct policy *policy, struct store_entry *entry, struct list *victims,
                  uint8_t queue)
{
    sketch_add(&policy->sketch, entry->hash);
    (void)!policy_make_room(policy, entry->charged_bytes, victims);
    policy_push(policy, queue != 0 ? queue : place_for(policy, entry), entry);
    return true;
}

const struct policy_kind policy_s3_fifo = {
    .needs_sketch = true,
    .admit = admit,
    .evict = evict,
    .order = {SMALL, MAIN},
};
