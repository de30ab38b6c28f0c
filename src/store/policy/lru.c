/* SPDX-License-Identifier: Apache-2.0 */
/* store/policy/lru.c - what was not asked for longest leaves first.
 *
 * A hit moves its entry to the front, if the lock can be had at once: under contention some hits do
 * not, which makes it a little less exact and never slower. */
#include "store/policy/policy.h"

enum { ALL = 1 };

static struct store_entry *evict(struct policy *policy)
{
    for (int passed = 0; passed < POLICY_HELD_MAX; passed++) {
        struct store_entry *entry = policy_tail(policy, ALL);
        if (entry == NULL)
            return NULL;
        policy_pull(policy, entry);
        if (!policy_is_held(entry))
            return entry;
        policy_push(policy, ALL, entry);
    }
    return NULL;
}

static bool admit(struct policy *policy, struct store_entry *entry, struct list *victims,
                  uint8_t queue)
{
    (void)queue;
    (void)!policy_make_room(policy, entry->charged_bytes, victims);
    policy_push(policy, ALL, entry);
    return true;
}

static void promote(struct policy *policy, struct store_entry *entry)
{
    policy_pull(policy, entry);
    policy_push(policy, ALL, entry);
}

const struct policy_kind policy_lru = {
    .admit = admit,
    .evict = evict,
    .promote = promote,
    .order = {ALL},
};
