/* SPDX-License-Identifier: Apache-2.0 */
/* store/keys/key_table.c - entries are found, put in and taken out. */
#include "store/keys/key_table.h"

#include "core/mem.h"

#include <assert.h>

static_assert(sizeof(struct key_bucket) == MEM_LINE_BYTES, "a bucket is a cache line");

/* What is beside the address in a word. */
static uint64_t tag_of(uint64_t hash)
{
    return (hash & 0x7fff) << 48;
}

static uint64_t word_of(struct key_entry *entry, uint64_t tag)
{
    assert(((uintptr_t)entry & 0xffff00000000000fu) == 0);
    return (uintptr_t)entry | tag | (entry->has_expiry ? KEY_TABLE__EXPIRES : 0);
}

void key_table_init(struct key_table *table, unsigned prefix_bits, uint32_t prefix)
{
    assert(prefix_bits <= 16 && prefix < (uint32_t)1 << prefix_bits);
    const uint64_t begin = (uint64_t)prefix << (KEY_TABLE_POSITION_BITS - prefix_bits);
    *table = (struct key_table){
        .begin = begin, .hand = begin, .sweep = begin, .prefix_bits = (uint8_t)prefix_bits};
}

struct key_entry *key_table_find(struct key_table *table, uint64_t hash, struct bytes key)
{
    if (table->count == 0)
        return NULL;
    const uint64_t tag = hash & 0x7fff;
    struct key_bucket *bucket = key_table__bucket(table, hash);
    for (; bucket != NULL; bucket = bucket->more)
        for (unsigned i = 0; i < KEY_TABLE_SLOTS && bucket->slots[i] != 0; i++) {
            if (((bucket->slots[i] >> 48) & 0x7fff) != tag)
                continue;
            struct key_entry *entry = key_table__entry(bucket->slots[i]);
            if (!bytes_equal(key_entry_key(entry), key))
                continue;
            bucket->slots[i] |= KEY_TABLE__USED;
            key_table_pin(table, entry);
            return entry;
        }
    return NULL;
}

enum { FETCHED_LINES = 3 }; /* of an entry: a small key with a hundred bytes */

void key_table_fetch_bucket(const struct key_table *table, uint64_t hash)
{
    if (table->count > 0)
        __builtin_prefetch(key_table__bucket(table, hash), 1);
}

/* Chains are not followed: few keys lie in one. */
void key_table_fetch_entry(const struct key_table *table, uint64_t hash)
{
    if (table->count == 0)
        return;
    const struct key_bucket *bucket = key_table__bucket(table, hash);
    for (unsigned i = 0; i < KEY_TABLE_SLOTS && bucket->slots[i] != 0; i++)
        if (((bucket->slots[i] >> 48) & 0x7fff) == (hash & 0x7fff)) {
            const uint8_t *entry = (const uint8_t *)key_table__entry(bucket->slots[i]);
            for (unsigned line = 0; line < FETCHED_LINES; line++)
                __builtin_prefetch(entry + (size_t)line * MEM_LINE_BYTES, 1);
        }
}

size_t key_table_insert_bytes(const struct key_table *table)
{
    return mem_held_bytes_max(sizeof(struct key_bucket)) + key_table__grow_bytes(table);
}

/* The last bucket of a chain, and in *@used how many of its slots are. */
static struct key_bucket *last_of(struct key_bucket *bucket, unsigned *used)
{
    while (bucket->more != NULL)
        bucket = bucket->more;
    *used = 0;
    while (*used < KEY_TABLE_SLOTS && bucket->slots[*used] != 0)
        (*used)++;
    return bucket;
}

bool key_table_insert(struct key_table *table, uint64_t hash, struct key_entry *entry)
{
    if (table->low == NULL && !key_table__begin(table))
        return false;
    key_table__grow(table); /* longer chains are what comes of failing */
    unsigned used;
    struct key_bucket *last = last_of(key_table__bucket(table, hash), &used);
    if (used == KEY_TABLE_SLOTS) {
        last->more = key_table__more(table);
        if (last->more == NULL)
            return false;
        last = last->more;
        used = 0;
    }
    last->slots[used] = word_of(entry, tag_of(hash));
    key_table_pin(table, entry);
    table->count++;
    table->expiring_count += entry->has_expiry;
    return true;
}

/* The slot of @entry, whose address alone is looked at and which is there; *@bucket is its
 * bucket. */
static uint64_t *slot_of(const struct key_table *table, uint32_t hash, const void *entry,
                         struct key_bucket **bucket)
{
    *bucket = key_table__bucket(table, (uint64_t)hash << 32);
    for (;; *bucket = (*bucket)->more) {
        assert(*bucket != NULL);
        for (unsigned i = 0; i < KEY_TABLE_SLOTS && (*bucket)->slots[i] != 0; i++)
            if (key_table__entry((*bucket)->slots[i]) == entry)
                return &(*bucket)->slots[i];
    }
}

void key_table_replace(struct key_table *table, const void *old, struct key_entry *entry)
{
    struct key_bucket *bucket = NULL;
    uint64_t *slot = slot_of(table, entry->hash, old, &bucket);
    const bool had_expiry = (*slot & KEY_TABLE__EXPIRES) != 0;
    *slot = word_of(entry, *slot & tag_of(UINT64_MAX)) | (*slot & KEY_TABLE__USED);
    table->expiring_count += (uint64_t)entry->has_expiry - had_expiry;
    key_table_pin(table, entry);
}

/* The last word of the chain takes the place, so that slots are filled from the first. */
void key_table_take(struct key_table *table, const struct key_entry *entry)
{
    struct key_bucket *bucket = NULL;
    uint64_t *slot = slot_of(table, entry->hash, entry, &bucket);
    table->count--;
    table->expiring_count -= (*slot & KEY_TABLE__EXPIRES) != 0;
    struct key_bucket *before = NULL;
    struct key_bucket *last = bucket;
    for (; last->more != NULL; last = last->more)
        before = last;
    unsigned used = 0;
    while (used < KEY_TABLE_SLOTS && last->slots[used] != 0)
        used++;
    *slot = last->slots[used - 1];
    last->slots[used - 1] = 0;
    if (used > 1)
        return;
    if (before == NULL) { /* it is the first bucket of the chain, or the one before is further up */
        before = key_table__bucket(table, (uint64_t)entry->hash << 32);
        if (before == last)
            return;
        while (before->more != last)
            before = before->more;
    }
    before->more = NULL;
    key_table__free_more(table, last);
}
