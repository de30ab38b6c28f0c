/* SPDX-License-Identifier: Apache-2.0 */
/* store/keys/key_entry.c - entries are cut, filled and let go. */
#include "store/keys/key_entry.h"

#include <assert.h>

static_assert(sizeof(struct key_entry) == KEY_ENTRY_HEAD_BYTES, "the head is packed");
static_assert(KEY_ENTRY_TREES_AT % 8 == 0, "trees are aligned in the block");

size_t key_entry_plan_bytes(const struct key_entry_plan *plan)
{
    if (plan->trees > 0)
        return KEY_ENTRY_TREES_AT + plan->trees * sizeof(struct key_tree) + plan->key.count;
    return KEY_ENTRY_HEAD_BYTES + (plan->expires_ms > 0 ? (size_t)KEY_ENTRY_EXPIRY_BYTES : 0) +
           plan->key.count + plan->string_bytes + (plan->mark != 0);
}

struct key_entry *key_entry_new(const struct key_entry_plan *plan)
{
    assert(plan->key.count <= UINT16_MAX && plan->string_bytes <= KEY_ENTRY_STRING_BYTES_MAX &&
           plan->type < 8);
    struct key_entry *entry = mem_take(key_entry_plan_bytes(plan));
    if (entry == NULL)
        return NULL;
    *entry = (struct key_entry){
        .hash = plan->hash,
        .value_bytes = plan->trees & KEY_ENTRY_STRING_BYTES_MAX,
        .key_bytes = (uint16_t)plan->key.count,
        .type = plan->type & 7u,
        .is_collection = plan->trees > 0,
        .has_expiry = plan->expires_ms > 0,
    };
    for (unsigned i = 0; i < plan->trees; i++)
        *key_entry_tree(entry, i) = (struct key_tree){0};
    if (plan->expires_ms > 0)
        key_entry_set_expiry(entry, plan->expires_ms);
    if (plan->key.count > 0)
        memcpy(key_entry__at(entry, key_entry_key_at(entry)), plan->key.at, plan->key.count);
    if (plan->trees == 0)
        key_entry_set_string(entry, plan->string_bytes, plan->mark);
    return entry;
}

void key_entry_free(struct key_entry *entry)
{
    if (entry != NULL && entry->is_collection)
        for (unsigned i = 0; i < entry->value_bytes; i++)
            key_tree_clear(key_entry_tree(entry, i));
    mem_free(entry);
}

bool key_entry_free_some(struct key_entry *entry, size_t *members)
{
    for (unsigned i = 0; i < entry->value_bytes; i++)
        if (!key_tree_clear_some(key_entry_tree(entry, i), members))
            return false;
    mem_free(entry);
    return true;
}

uint64_t key_entry_bytes(struct key_entry *entry)
{
    uint64_t bytes = mem_held_bytes(entry);
    if (entry->is_collection)
        for (unsigned i = 0; i < entry->value_bytes; i++)
            bytes += key_entry_tree(entry, i)->bytes;
    return bytes;
}

bool key_entry_can_expire(const struct key_entry *entry)
{
    return entry->is_collection || entry->has_expiry ||
           key_entry_used_bytes(entry) + KEY_ENTRY_EXPIRY_BYTES <=
               mem_usable_bytes((void *)(uintptr_t)entry);
}

/* A string's key and bytes move when the expiry before them comes or goes. */
void key_entry_set_expiry(struct key_entry *entry, uint64_t expires_ms)
{
    const bool has_expiry = expires_ms > 0;
    if (!entry->is_collection && entry->has_expiry != has_expiry) {
        const uint8_t *from = key_entry__at(entry, key_entry_key_at(entry));
        const size_t bytes = (size_t)entry->key_bytes + entry->value_bytes + entry->has_mark;
        entry->has_expiry = has_expiry;
        memmove(key_entry__at(entry, key_entry_key_at(entry)), from, bytes);
    }
    entry->has_expiry = has_expiry;
    if (has_expiry)
        memcpy(
            key_entry__at(entry, entry->is_collection ? KEY_ENTRY_LINK_AT : KEY_ENTRY_HEAD_BYTES),
            &expires_ms, sizeof expires_ms);
}
