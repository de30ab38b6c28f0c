/* SPDX-License-Identifier: Apache-2.0 */
/* store/keys/key_table.h - the keys of one stripe: a hash table in the order of its hashes that
 * grows a bucket at a time.
 *
 * A bucket is a cache line: seven words (an entry's address, 15 more bits of its hash, whether it
 * has an expiry, whether it was used lately) and the address of a bucket for what does not fit. The
 * first bits of the hash say which bucket, so the order of the buckets is the order of the hashes,
 * and a walk that stopped at a hash goes on there whatever has grown meanwhile.
 *
 * Linear hashing: the buckets below `split` are halved already and lie in `high`, the others in
 * `low`. Each insertion halves the next one while there are over KEY_TABLE_LOAD keys a bucket, so
 * the load is the same at every size and no insertion costs more than another. Both are kept in
 * chunks of 4 KiB, so memory goes from the one to the other as the split goes on.
 *
 * Eviction is SIEVE's rule without its queue: a hand walks the buckets, takes the mark from what
 * was used since it last came by, and evicts the first that has none. A queue would cost two more
 * pointers a key, and more misses of the processor's cache at every change; the order of hashes is
 * as good as random, so the hand finds keys of all ages, and what is used again and again stays.
 *
 * Memory:  entries in it are its own until key_table_take(). `bytes` counts what it holds beside
 *          them.
 * Threads: whoever holds the stripe.
 * Errors:  false where there is no memory; nothing has changed then. */
#ifndef PANDO_STORE_KEYS_KEY_TABLE_H
#define PANDO_STORE_KEYS_KEY_TABLE_H

#include "store/keys/key_entry.h"

enum {
    KEY_TABLE_SLOTS = 7,
    KEY_TABLE_LOAD = 5,      /* keys a bucket: one in eight has a second bucket then */
    KEY_TABLE_LOAD_MIN = 2,  /* below it buckets are joined again */
    KEY_TABLE_CHUNK = 64,    /* buckets */
    KEY_TABLE_LEVEL_MIN = 6, /* one chunk */
    KEY_TABLE_POSITION_BITS = 32,
    KEY_TABLE_PASSED_MAX = 512, /* marks that the hand takes away before it evicts without asking */
};

#define KEY_TABLE_END ((uint64_t)1 << KEY_TABLE_POSITION_BITS)

struct key_bucket {
    uint64_t           slots[KEY_TABLE_SLOTS]; /* filled from the first; 0: none */
    struct key_bucket *more;
};

struct key_table {
    struct key_bucket **low;  /* chunks; NULL: nothing was ever in it */
    struct key_bucket **high; /* NULL while split is 0 */
    uint64_t            split;
    uint64_t            count;          /* of entries */
    uint64_t            expiring_count; /* of those with an expiry */
    uint64_t            bytes;          /* of buckets and chunks */
    uint64_t            hand, sweep;    /* positions */
    uint64_t            begin;          /* the first position of the stripe */
    uint32_t            hand_slot;      /* within its bucket */
    uint16_t            generation;     /* what was used in this one is not evicted */
    uint8_t             level;          /* 2^level buckets in low */
    uint8_t             prefix_bits;    /* of the hash, the same for all keys here */
};

/* Of the keys whose hash begins with the @prefix_bits (0 to 16) bits of @prefix. */
void key_table_init(struct key_table *table, unsigned prefix_bits, uint32_t prefix);

/* Frees all entries too. Accepts zero, and is ready for entries again. */
void key_table_clear(struct key_table *table);

/* The entry of @key, whose hash is @hash; marks it as used. NULL: there is none. */
struct key_entry *key_table_find(struct key_table *table, uint64_t hash, struct bytes key);

/* Two steps towards a later key_table_find(), with time for other keys between them: the processor
 * fetches the bucket of @hash, then the entries in it that may be meant. */
void key_table_fetch_bucket(const struct key_table *table, uint64_t hash);
void key_table_fetch_entry(const struct key_table *table, uint64_t hash);

/* The most that the next key_table_insert() adds to `bytes`. */
size_t key_table_insert_bytes(const struct key_table *table);

/* Takes over @entry, whose key is not there. */
bool key_table_insert(struct key_table *table, uint64_t hash, struct key_entry *entry) must_check;

/* @entry, of the same key and hash, stands from now on where @old stood, an address that is not
 * looked into. Also after the expiry of an entry came or went, with @old = @entry. */
void key_table_replace(struct key_table *table, const void *old, struct key_entry *entry);

/* Takes @entry out; it is the caller's. */
void key_table_take(struct key_table *table, const struct key_entry *entry);

/* From now on another generation is used: what was used before may be evicted. */
static inline void key_table_next_generation(struct key_table *table)
{
    table->generation = (uint16_t)((table->generation + 1u) % KEY_ENTRY_GENERATIONS);
}

/* Marks an entry as used in this generation, so that it is not evicted for another. */
static inline void key_table_pin(const struct key_table *table, struct key_entry *entry)
{
    entry->generation = table->generation & (KEY_ENTRY_GENERATIONS - 1u);
}

/* The most that key_table_tend() adds to `bytes`; 0: there is nothing to do. */
size_t key_table_tend_bytes(const struct key_table *table);

/* One step towards the size that is right for the count. False: there was nothing to do, or no
 * memory to do it. */
bool key_table_tend(struct key_table *table);

/* ---- walks ---- */

typedef bool key_table_visit(void *self, struct key_entry *entry);

/* Visits entries in the order of their positions, which are the upper halves of their hashes, from
 * @*position on; those of one position together. After @budget entries, or at the end of a position
 * at which @visit was false, it stops: *@position is where to go on then, or KEY_TABLE_END. */
void key_table_scan(struct key_table *table, uint64_t *position, size_t budget,
                    key_table_visit *visit, void *self);

/* An entry that is not expired at @now_ms, by chance; NULL: there is none. */
struct key_entry *key_table_random(struct key_table *table, uint64_t draw, uint64_t now_ms);

/* Who is to go next; it is still in the table. NULL: nobody but those of this generation. */
struct key_entry *key_table_victim(struct key_table *table);

/* The next entry that is expired at @now_ms; it is still in the table. *@budget falls by one for
 * each bucket that was looked at; NULL: it is used up, or no entry has an expiry. */
struct key_entry *key_table_expired(struct key_table *table, uint64_t now_ms, size_t *budget);

/* ---- within the folder ---- */

static inline struct key_entry *key_table__entry(uint64_t word)
{
    return (struct key_entry *)(uintptr_t)(word & 0x0000fffffffffff0u); // NOLINT: a tagged pointer
}

#define KEY_TABLE__USED    ((uint64_t)1)
#define KEY_TABLE__EXPIRES ((uint64_t)1 << 63)

/* Buckets there are. */
static inline uint64_t key_table__buckets(const struct key_table *table)
{
    return table->low == NULL ? 0 : ((uint64_t)1 << table->level) + table->split;
}

/* The bucket of a hash; the table has buckets. */
static inline struct key_bucket *key_table__bucket(const struct key_table *table, uint64_t hash)
{
    const uint64_t rest = hash << table->prefix_bits;
    uint64_t index = rest >> (64 - table->level);
    if (index >= table->split)
        return &table->low[index / KEY_TABLE_CHUNK][index % KEY_TABLE_CHUNK];
    index = rest >> (63 - table->level);
    return &table->high[index / KEY_TABLE_CHUNK][index % KEY_TABLE_CHUNK];
}

/* Bits of a position below those that say which bucket. */
static inline unsigned key_table__bits_below(const struct key_table *table, bool is_halved)
{
    return (unsigned)KEY_TABLE_POSITION_BITS - table->prefix_bits - table->level - is_halved;
}

/* A bucket for what does not fit, counted. NULL: no memory. */
struct key_bucket *key_table__more(struct key_table *table) must_check;
void key_table__free_more(struct key_table *table, struct key_bucket *more);

/* Makes the first buckets. */
bool key_table__begin(struct key_table *table) must_check;

/* What key_table__grow() adds to `bytes` at most; 0: nothing. */
size_t key_table__grow_bytes(const struct key_table *table);

/* Halves the next bucket if there are too few. False: it did not, for want of memory too. */
bool key_table__grow(struct key_table *table);

#endif
