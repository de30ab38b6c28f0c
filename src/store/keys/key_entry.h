/* SPDX-License-Identifier: Apache-2.0 */
/* store/keys/key_entry.h - one key with what it holds, in one block of the heap.
 *
 *     string      head (12 bytes) . expiry (8, where it has one) . key . string . mark (1, where it
 *                 has one)
 *     collection  head (12 bytes) . nothing (4) . expiry (8) . one or two trees . key
 *
 * so a small string takes its own bytes and 20 more, and a collection never moves when it gets an
 * expiry. What a type and a mark mean is the owner's; the entry knows strings from collections.
 *
 * Memory:  key_entry_new() to key_entry_free(); what it holds in bytes is key_entry_bytes().
 * Threads: whoever holds the table that it is in.
 * Errors:  NULL where there is no memory. */
#ifndef PANDO_STORE_KEYS_KEY_ENTRY_H
#define PANDO_STORE_KEYS_KEY_ENTRY_H

#include "core/mem.h"
#include "store/keys/key_tree.h"

enum {
    KEY_ENTRY_HEAD_BYTES = 12,
    KEY_ENTRY_EXPIRY_BYTES = 8,
    KEY_ENTRY_LINK_AT = 16, /* of a collection: where its expiry is */
    KEY_ENTRY_TREES_AT = 24,
    KEY_ENTRY_GENERATIONS = 1 << 11,
    KEY_ENTRY_TREES_MAX = 2,
    KEY_ENTRY_STRING_BYTES_MAX = INT32_MAX,
};

struct key_entry {
    uint32_t hash;             /* the upper half of the key's */
    uint32_t value_bytes : 31; /* of a string; of a collection: how many trees */
    uint32_t has_mark : 1;     /* a string's layout: its mark stands behind it */
    uint16_t key_bytes;
    uint16_t type : 3; /* the owner's */
    uint16_t is_collection : 1;
    uint16_t has_expiry : 1;  /* a string's layout: the expiry stands before the key */
    uint16_t generation : 11; /* of the table, when it was last used */
};

/* What a new entry is to be. */
struct key_entry_plan {
    struct bytes key;
    uint32_t     hash;
    uint8_t      type;
    uint8_t      trees; /* 0: a string */
    uint8_t      mark;  /* of a string; 0: none */
    size_t       string_bytes;
    uint64_t     expires_ms; /* 0: never */
};

/* Bytes of the block that a plan asks for, without what the heap adds. */
size_t key_entry_plan_bytes(const struct key_entry_plan *plan);

/* The string's bytes are the caller's to write, then key_entry_set_string(); trees are empty. */
struct key_entry *key_entry_new(const struct key_entry_plan *plan) must_check;

/* With the trees. */
void key_entry_free(struct key_entry *entry);

/* The same for a collection, @*members members at most, as key_tree_clear_some(). True: it is freed
 * whole. */
bool key_entry_free_some(struct key_entry *entry, size_t *members);

/* What it holds, trees included. */
uint64_t key_entry_bytes(struct key_entry *entry);

static inline uint8_t *key_entry__at(const struct key_entry *entry, size_t offset)
{
    return (uint8_t *)(uintptr_t)entry + offset;
}

/* Where the key begins. */
static inline size_t key_entry_key_at(const struct key_entry *entry)
{
    if (entry->is_collection)
        return KEY_ENTRY_TREES_AT + entry->value_bytes * sizeof(struct key_tree);
    return entry->has_expiry ? KEY_ENTRY_HEAD_BYTES + KEY_ENTRY_EXPIRY_BYTES : KEY_ENTRY_HEAD_BYTES;
}

static inline struct bytes key_entry_key(const struct key_entry *entry)
{
    return (struct bytes){key_entry__at(entry, key_entry_key_at(entry)), entry->key_bytes};
}

/* Of a string: where it lies. */
static inline uint8_t *key_entry_string_at(const struct key_entry *entry)
{
    return key_entry__at(entry, key_entry_key_at(entry) + entry->key_bytes);
}

/* Bytes of the block that are in use. */
static inline size_t key_entry_used_bytes(const struct key_entry *entry)
{
    return key_entry_key_at(entry) + entry->key_bytes +
           (entry->is_collection ? 0 : (size_t)entry->value_bytes + entry->has_mark);
}

/* Of a string: 0: it has none. */
static inline uint8_t key_entry_mark(const struct key_entry *entry)
{
    return entry->has_mark ? key_entry_string_at(entry)[entry->value_bytes] : 0;
}

/* The string that was written is @bytes long and has @mark; the block has room for both. */
static inline void key_entry_set_string(struct key_entry *entry, size_t bytes, uint8_t mark)
{
    entry->value_bytes = (uint32_t)bytes & KEY_ENTRY_STRING_BYTES_MAX;
    entry->has_mark = mark != 0;
    if (mark != 0)
        key_entry_string_at(entry)[bytes] = mark;
}

/* Of a collection. */
static inline struct key_tree *key_entry_tree(const struct key_entry *entry, unsigned index)
{
    return (struct key_tree *)(void *)key_entry__at(entry, KEY_ENTRY_TREES_AT) + index;
}

/* Of a collection that is in no table: a link for whoever has it, in place of the expiry. */
static inline struct key_entry **key_entry_link(struct key_entry *entry)
{
    return (struct key_entry **)(void *)key_entry__at(entry, KEY_ENTRY_LINK_AT);
}

/* 0: never. */
static inline uint64_t key_entry_expires_ms(const struct key_entry *entry)
{
    uint64_t expires_ms = 0;
    if (entry->has_expiry)
        memcpy(
            &expires_ms,
            key_entry__at(entry, entry->is_collection ? KEY_ENTRY_LINK_AT : KEY_ENTRY_HEAD_BYTES),
            sizeof expires_ms);
    return expires_ms;
}

/* Is there room in the block to give it an expiry, or does it not need any? */
bool key_entry_can_expire(const struct key_entry *entry);

/* Sets it where key_entry_can_expire(); 0 takes it away, which is always possible. */
void key_entry_set_expiry(struct key_entry *entry, uint64_t expires_ms);

#endif
