/* SPDX-License-Identifier: Apache-2.0 */
/* store/policy/tinylfu.c - what is asked for less often than what comes leaves first (W-TinyLFU:
 * Einziger, Friedman and Manes 2017).
 *
 * A newcomer stands in a small window. What falls out of it has a duel with what would leave the
 * main part: the one that the sketch has counted more often stays. In the main part a hit leads
 * from probation to protection. As in lru.c, a hit moves nothing where the lock is contended; the
 * sketch counts it all the same. */
#include "store/policy/policy.h"

enum { WINDOW = 1, PROBATION = 2, PROTECTED = 3, WINDOW_PERCENT = 1, PROTECTED_PERCENT = 80 };

static uint64_t bytes_of(const struct policy *policy, uint8_t queue)
{
    return policy->queues[queue - 1].bytes;
}

static void move(struct policy *policy, struct store_entry *entry, uint8_t queue)
{
    policy_pull(policy, entry);
    policy_push(policy, queue, entry);
}

/* The last of a queue that nobody holds, or NULL. */
static struct store_entry *last_free(struct policy *policy, uint8_t queue)
{
    for (int passed = 0; passed < POLICY_HELD_MAX; passed++) {
        struct store_entry *entry = policy_tail(policy, queue);
        if (entry == NULL || !policy_is_held(entry))
            return entry;
        move(policy, entry, queue);
    }
    return NULL;
}

static void fill_main_from_window(struct policy *policy)
{
    const uint64_t window_max = policy->capacity_bytes / 100 * WINDOW_PERCENT;
    const uint64_t main_max = policy->capacity_bytes - window_max;
    struct store_entry *entry = policy_tail(policy, WINDOW);
    while (entry != NULL && bytes_of(policy, WINDOW) > window_max &&
           bytes_of(policy, PROBATION) + bytes_of(policy, PROTECTED) + entry->charged_bytes <=
               main_max) {
        move(policy, entry, PROBATION);
        entry = policy_tail(policy, WINDOW);
    }
}

/* The duel. The winner of the window takes the loser's place. */
static struct store_entry *loser(struct policy *policy)
{
    struct store_entry *candidate = last_free(policy, WINDOW);
    struct store_entry *victim = last_free(policy, PROBATION);
    if (victim == NULL)
        victim = last_free(policy, PROTECTED);
    if (candidate == NULL || victim == NULL)
        return candidate != NULL ? candidate : victim;
    const unsigned candidate_count = sketch_count(&policy->sketch, candidate->hash);
    if (candidate_count <= sketch_count(&policy->sketch, victim->hash))
        return candidate;
    move(policy, candidate, PROBATION);
    return victim;
}

static struct store_entry *evict(struct policy *policy)
{
    fill_main_from_window(policy);
    struct store_entry *entry = loser(policy);
    if (entry != NULL)
        policy_pull(policy, entry);
    return entry;
}

static bool admit(struct policy *policy, struct store_entry *entry, struct list *victims,
                  uint8_t queue)
{
    sketch_add(&policy->sketch, entry->hash);
    (void)!policy_make_room(policy, entry->charged_bytes, victims);
    policy_push(policy, queue != 0 ? queue : WINDOW, entry);
    fill_main_from_window(policy);
    return true;
}

static void touch(struct policy *policy, struct store_entry *entry)
{
    sketch_add(&policy->sketch, entry->hash);
}

static void promote(struct policy *policy, struct store_entry *entry)
{
    move(policy, entry, entry->queue == WINDOW ? WINDOW : PROTECTED);
    while (bytes_of(policy, PROTECTED) > policy->capacity_bytes / 100 * PROTECTED_PERCENT)
        move(policy, policy_tail(policy, PROTECTED), PROBATION);
}

const struct policy_kind policy_tinylfu = {
    .needs_sketch = true,
    .admit = admit,
    .evict = evict,
    .touch = touch,
    .promote = promote,
    .order = {WINDOW, PROBATION, PROTECTED},
};
