/* SPDX-License-Identifier: Apache-2.0 */
/* store/keys/key_table_walk.c - all entries in their order, one by chance, one to evict, one that
 * is expired; and all of them let go. */
#include "core/random.h"
#include "store/keys/key_table.h"

#include <assert.h>

/* The first position behind all of the stripe. */
static uint64_t end_of(const struct key_table *table)
{
    return table->begin + (KEY_TABLE_END >> table->prefix_bits);
}

/* The bucket that @position, one of the stripe, falls into, and the first position behind it. */
static struct key_bucket *bucket_at(const struct key_table *table, uint64_t position, uint64_t *end)
{
    const uint64_t hash = position << 32;
    const uint64_t rest = hash << table->prefix_bits;
    const bool is_halved = rest >> (64 - table->level) < table->split;
    const unsigned below = key_table__bits_below(table, is_halved);
    *end = ((position >> below) + 1) << below;
    return key_table__bucket(table, hash);
}

/* ---- in order ---- */

/* The lowest position in the chain that is @from or above; KEY_TABLE_END: there is none. */
static uint64_t lowest(const struct key_bucket *bucket, uint64_t from)
{
    uint64_t found = KEY_TABLE_END;
    for (; bucket != NULL; bucket = bucket->more)
        for (unsigned i = 0; i < KEY_TABLE_SLOTS && bucket->slots[i] != 0; i++) {
            const uint64_t position = key_table__entry(bucket->slots[i])->hash;
            if (position >= from && position < found)
                found = position;
        }
    return found;
}

/* Visits those at @position. Returns how many; *@is_over: the visitor has enough. */
static size_t visit_all_at(const struct key_bucket *bucket, uint64_t position,
                           key_table_visit *visit, void *self, bool *is_over)
{
    size_t count = 0;
    for (; bucket != NULL; bucket = bucket->more)
        for (unsigned i = 0; i < KEY_TABLE_SLOTS && bucket->slots[i] != 0; i++) {
            struct key_entry *entry = key_table__entry(bucket->slots[i]);
            if (entry->hash != position)
                continue;
            *is_over |= !visit(self, entry);
            count++;
        }
    return count;
}

/* Buckets that are empty count too, or a walk over an empty table had no bound. */
void key_table_scan(struct key_table *table, uint64_t *position, size_t budget,
                    key_table_visit *visit, void *self)
{
    const uint64_t last = end_of(table);
    uint64_t from = *position > table->begin ? *position : table->begin;
    bool is_over = false;
    while (table->count > 0 && from < last && budget > 0 && !is_over) {
        uint64_t end;
        const struct key_bucket *bucket = bucket_at(table, from, &end);
        const uint64_t found = lowest(bucket, from);
        if (found == KEY_TABLE_END) {
            from = end;
            budget--;
            continue;
        }
        const size_t count = visit_all_at(bucket, found, visit, self, &is_over);
        budget -= count < budget ? count : budget;
        from = found + 1;
    }
    *position = table->count == 0 || from >= last ? KEY_TABLE_END : from;
}

/* ---- by chance ---- */

static bool is_live(const struct key_entry *entry, uint64_t now_ms)
{
    const uint64_t expires_ms = key_entry_expires_ms(entry);
    return expires_ms == 0 || expires_ms > now_ms;
}

static struct key_bucket *bucket_by_number(const struct key_table *table, uint64_t number)
{
    if (number < 2 * table->split)
        return &table->high[number / KEY_TABLE_CHUNK][number % KEY_TABLE_CHUNK];
    number -= table->split;
    return &table->low[number / KEY_TABLE_CHUNK][number % KEY_TABLE_CHUNK];
}

/* The entry in slot @number of a chain, if there is one that lives. */
static struct key_entry *live_in_slot(const struct key_bucket *bucket, unsigned number,
                                      uint64_t now_ms)
{
    for (; bucket != NULL && number >= KEY_TABLE_SLOTS; number -= KEY_TABLE_SLOTS)
        bucket = bucket->more;
    if (bucket == NULL || bucket->slots[number] == 0)
        return NULL;
    struct key_entry *entry = key_table__entry(bucket->slots[number]);
    return is_live(entry, now_ms) ? entry : NULL;
}

/* The first of a chain that lives. */
static struct key_entry *live_in(const struct key_bucket *bucket, uint64_t now_ms)
{
    for (; bucket != NULL; bucket = bucket->more)
        for (unsigned slot = 0; slot < KEY_TABLE_SLOTS; slot++) {
            struct key_entry *entry = live_in_slot(bucket, slot, now_ms);
            if (entry != NULL)
                return entry;
        }
    return NULL;
}

/* The first one that lives, from bucket @number on and around. */
static struct key_entry *live_from(const struct key_table *table, uint64_t number, uint64_t now_ms)
{
    const uint64_t buckets = key_table__buckets(table);
    for (uint64_t i = 0; i < buckets; i++) {
        struct key_entry *entry = live_in(bucket_by_number(table, (number + i) % buckets), now_ms);
        if (entry != NULL)
            return entry;
    }
    return NULL;
}

/* Throws at slots until one is hit, so that each key is as likely as any other; where nearly none
 * is left, the next. */
struct key_entry *key_table_random(struct key_table *table, uint64_t draw, uint64_t now_ms)
{
    enum { THROWS = 128, SLOTS = 3 * KEY_TABLE_SLOTS };
    if (table->count == 0)
        return NULL;
    const uint64_t buckets = key_table__buckets(table);
    assert(buckets > 0);
    for (unsigned i = 0; i < THROWS; i++) {
        const uint64_t thrown = random_mix(&draw);
        const struct key_bucket *bucket = bucket_by_number(table, (thrown >> 8) % buckets);
        struct key_entry *entry =
            live_in_slot(bucket, random_below(random_mix(&draw), SLOTS), now_ms);
        if (entry != NULL)
            return entry;
    }
    return live_from(table, draw % buckets, now_ms);
}

/* ---- one to evict ---- */

/* In what is left of the chain from slot @*slot on: the first that may go. */
static struct key_entry *victim_in(const struct key_table *table, struct key_bucket *bucket,
                                   uint32_t *slot, unsigned *passed)
{
    uint32_t number = 0;
    for (; bucket != NULL; bucket = bucket->more)
        for (unsigned i = 0; i < KEY_TABLE_SLOTS && bucket->slots[i] != 0; i++, number++) {
            if (number < *slot)
                continue;
            struct key_entry *entry = key_table__entry(bucket->slots[i]);
            const bool is_used = (bucket->slots[i] & KEY_TABLE__USED) != 0;
            bucket->slots[i] &= ~KEY_TABLE__USED;
            if (entry->generation == table->generation ||
                (is_used && ++*passed <= KEY_TABLE_PASSED_MAX))
                continue;
            *slot = number;
            return entry;
        }
    *slot = 0;
    return NULL;
}

/* Twice around at most: the first time takes the marks away. */
struct key_entry *key_table_victim(struct key_table *table)
{
    if (table->count == 0)
        return NULL;
    unsigned passed = 0;
    for (uint64_t left = 2 * key_table__buckets(table) + 2; left > 0; left--) {
        uint64_t end;
        struct key_bucket *bucket = bucket_at(table, table->hand, &end);
        struct key_entry *entry = victim_in(table, bucket, &table->hand_slot, &passed);
        if (entry != NULL)
            return entry;
        table->hand = end >= end_of(table) ? table->begin : end;
    }
    return NULL;
}

/* ---- one that is expired ---- */

static struct key_entry *expired_in(const struct key_bucket *bucket, uint64_t now_ms)
{
    for (; bucket != NULL; bucket = bucket->more)
        for (unsigned i = 0; i < KEY_TABLE_SLOTS && bucket->slots[i] != 0; i++) {
            if ((bucket->slots[i] & KEY_TABLE__EXPIRES) == 0)
                continue;
            struct key_entry *entry = key_table__entry(bucket->slots[i]);
            if (!is_live(entry, now_ms))
                return entry;
        }
    return NULL;
}

struct key_entry *key_table_expired(struct key_table *table, uint64_t now_ms, size_t *budget)
{
    for (; *budget > 0 && table->expiring_count > 0; (*budget)--) {
        uint64_t end;
        const struct key_bucket *bucket = bucket_at(table, table->sweep, &end);
        struct key_entry *entry = expired_in(bucket, now_ms);
        if (entry != NULL)
            return entry;
        table->sweep = end >= end_of(table) ? table->begin : end;
    }
    return NULL;
}

/* ---- all let go ---- */

static void clear_bucket(struct key_table *table, struct key_bucket *first)
{
    for (struct key_bucket *bucket = first, *more; bucket != NULL; bucket = more) {
        more = bucket->more;
        for (unsigned i = 0; i < KEY_TABLE_SLOTS && bucket->slots[i] != 0; i++)
            key_entry_free(key_table__entry(bucket->slots[i]));
        if (bucket != first)
            key_table__free_more(table, bucket);
    }
}

static void clear_directory(struct key_table *table, struct key_bucket **directory, unsigned level)
{
    for (uint64_t i = 0; directory != NULL && i < (uint64_t)1 << (level - KEY_TABLE_LEVEL_MIN);
         i++) {
        for (unsigned j = 0; directory[i] != NULL && j < KEY_TABLE_CHUNK; j++)
            clear_bucket(table, &directory[i][j]);
        mem_free(directory[i]);
    }
    mem_free(directory);
}

void key_table_clear(struct key_table *table)
{
    if (table->low != NULL) {
        clear_directory(table, table->low, table->level);
        clear_directory(table, table->high, table->level + 1u);
    }
    const unsigned prefix_bits = table->prefix_bits;
    const uint16_t generation = table->generation;
    key_table_init(table, prefix_bits,
                   (uint32_t)(table->begin >> (KEY_TABLE_POSITION_BITS - prefix_bits)));
    table->generation = generation;
}
