/* SPDX-License-Identifier: Apache-2.0 */
/* store/policy/sieve.c - what was not asked for since a hand passed by leaves first (Zhang et al.,
 * "SIEVE is simpler than LRU", NSDI 2024).
 *
 * One queue that nobody moves in. A hand goes from the oldest to the newest, takes the mark from
 * what was asked for, and evicts the first without one. */
#include "store/policy/policy.h"

enum { ALL = 1 };

static struct list_link *list_end(struct policy *policy)
{
    return &policy->queues[ALL - 1].list.head;
}

/* Where the hand is; from the newest it goes on to the oldest. */
static struct store_entry *under_hand(struct policy *policy)
{
    struct list_link *end = list_end(policy);
    if (policy->hand == NULL || policy->hand == end)
        policy->hand = end->previous;
    return policy->hand == end ? NULL : list_item(policy->hand, struct store_entry, link);
}

static void forget(struct policy *policy, struct store_entry *entry)
{
    if (policy->hand == &entry->link)
        policy->hand = entry->link.previous;
}

/* Marks fall as the hand goes, so it ends after one round, but for what is held. */
static struct store_entry *evict(struct policy *policy)
{
    for (int held = 0; held < POLICY_HELD_MAX;) {
        struct store_entry *entry = under_hand(policy);
        if (entry == NULL)
            return NULL;
        if (policy_uses(entry) == 0 && !policy_is_held(entry)) {
            forget(policy, entry);
            policy_pull(policy, entry);
            return entry;
        }
        held += policy_uses(entry) == 0;
        policy_set_uses(entry, 0);
        policy->hand = entry->link.previous;
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

const struct policy_kind policy_sieve = {
    .admit = admit,
    .evict = evict,
    .forget = forget,
    .wants_by_uses = true,
    .order = {ALL},
};
