/* SPDX-License-Identifier: Apache-2.0 */
/* store/policy/policy.c - the table of policies, and what they have in common. */
#include "store/policy/policy.h"

#include <assert.h>

/* To add a policy: write policy/<name>.c, its row in STORE_POLICIES, and its line here. */
static const struct policy_kind *const kinds[STORE_POLICIES_COUNT] = {
    [STORE_S3_FIFO] = &policy_s3_fifo,
    [STORE_LRU] = &policy_lru,
    [STORE_SIEVE] = &policy_sieve,
    [STORE_TINYLFU] = &policy_tinylfu,
};

const struct policy_kind *policy_kind_of(enum store_policy policy)
{
    assert(policy < STORE_POLICIES_COUNT && kinds[policy] != NULL);
    return kinds[policy];
}

void policy_init(struct policy *policy, const struct policy_kind *kind)
{
    *policy = (struct policy){.kind = kind};
    for (int i = 0; i < POLICY_QUEUES; i++)
        list_init(&policy->queues[i].list);
}

void policy_push(struct policy *policy, uint8_t queue, struct store_entry *entry)
{
    assert(entry->queue == 0 && queue > 0 && queue <= POLICY_QUEUES);
    entry->queue = queue;
    policy->queues[queue - 1].bytes += entry->charged_bytes;
    list_add_first(&policy->queues[queue - 1].list, &entry->link);
}

void policy_pull(struct policy *policy, struct store_entry *entry)
{
    assert(entry->queue != 0);
    policy->queues[entry->queue - 1].bytes -= entry->charged_bytes;
    list_remove(&entry->link);
    entry->queue = 0;
}

void policy_leave(struct policy *policy, struct store_entry *entry)
{
    if (entry->queue == 0)
        return;
    if (policy->kind->forget != NULL)
        policy->kind->forget(policy, entry);
    policy_pull(policy, entry);
}

struct store_entry *policy_tail(const struct policy *policy, uint8_t queue)
{
    const struct list *list = &policy->queues[queue - 1].list;
    return list_is_empty(list) ? NULL : list_item(list->head.previous, struct store_entry, link);
}

bool policy_make_room(struct policy *policy, uint64_t bytes, struct list *victims)
{
    while (policy_bytes(policy) + bytes > policy->capacity_bytes) {
        struct store_entry *victim = policy->kind->evict(policy);
        if (victim == NULL)
            return false;
        list_add_last(victims, &victim->link);
    }
    return true;
}
