/* SPDX-License-Identifier: Apache-2.0 */
/* store/keys/key_table_grow.c - buckets are halved and joined, one at a time. */
#include "store/keys/key_table.h"

#include <assert.h>

enum { CHUNK_BYTES = KEY_TABLE_CHUNK * sizeof(struct key_bucket) };

/* Positions have 32 bits, and the split buckets have one bit more than the level. */
static unsigned level_max(const struct key_table *table)
{
    return KEY_TABLE_POSITION_BITS - 1u - table->prefix_bits;
}

/* A chunk is aligned, for which the heap may add a little. */
static size_t chunk_bytes_max(void)
{
    return mem_held_bytes_max(CHUNK_BYTES + 2 * MEM_LINE_BYTES);
}

static size_t directory_bytes(unsigned level)
{
    return sizeof(struct key_bucket *) << (level - KEY_TABLE_LEVEL_MIN);
}

static struct key_bucket *chunk_new(struct key_table *table)
{
    struct key_bucket *chunk = mem_alloc_lines(CHUNK_BYTES);
    if (chunk != NULL)
        table->bytes += mem_held_bytes(chunk);
    return chunk;
}

static struct key_bucket **directory_new(struct key_table *table, unsigned level)
{
    struct key_bucket **directory = mem_alloc(directory_bytes(level));
    if (directory != NULL)
        table->bytes += mem_held_bytes(directory);
    return directory;
}

static void let_go(struct key_table *table, void *block)
{
    if (block != NULL)
        table->bytes -= mem_held_bytes(block);
    mem_free(block);
}

struct key_bucket *key_table__more(struct key_table *table)
{
    struct key_bucket *more = mem_alloc(sizeof *more);
    if (more != NULL)
        table->bytes += mem_held_bytes(more);
    return more;
}

void key_table__free_more(struct key_table *table, struct key_bucket *more)
{
    let_go(table, more);
}

bool key_table__begin(struct key_table *table)
{
    table->low = directory_new(table, KEY_TABLE_LEVEL_MIN);
    if (table->low == NULL)
        return false;
    table->low[0] = chunk_new(table);
    if (table->low[0] == NULL) {
        let_go(table, table->low);
        table->low = NULL;
        return false;
    }
    table->level = KEY_TABLE_LEVEL_MIN;
    return true;
}

static struct key_bucket *at(struct key_bucket **directory, uint64_t index)
{
    return &directory[index / KEY_TABLE_CHUNK][index % KEY_TABLE_CHUNK];
}

/* ---- growing ---- */

static bool is_crowded(const struct key_table *table)
{
    return table->count >= KEY_TABLE_LOAD * key_table__buckets(table);
}

size_t key_table__grow_bytes(const struct key_table *table)
{
    if (table->low == NULL)
        return chunk_bytes_max() + mem_held_bytes_max(directory_bytes(KEY_TABLE_LEVEL_MIN));
    if (!is_crowded(table))
        return 0;
    const bool is_level_done = table->split == (uint64_t)1 << table->level;
    const unsigned level = table->level + is_level_done;
    const uint64_t split = is_level_done ? 0 : table->split;
    if (level > level_max(table))
        return 0;
    return (2 * split % KEY_TABLE_CHUNK == 0 ? chunk_bytes_max() : 0) +
           (split == 0 ? mem_held_bytes_max(directory_bytes(level + 1)) : 0);
}

/* All of low was halved: high is the new low. */
static void next_level(struct key_table *table)
{
    let_go(table, table->low);
    table->low = table->high;
    table->high = NULL;
    table->split = 0;
    table->level++;
}

/* Chunk and directory for the halves of the next bucket. */
static bool prepare_halves(struct key_table *table)
{
    if (table->high == NULL) {
        table->high = directory_new(table, table->level + 1u);
        if (table->high == NULL)
            return false;
    }
    struct key_bucket **chunk = &table->high[2 * table->split / KEY_TABLE_CHUNK];
    if (*chunk == NULL)
        *chunk = chunk_new(table);
    return *chunk != NULL;
}

/* Adds @word to a chain; @spare are buckets of the chain that it came from. */
static void add(struct key_bucket *bucket, uint64_t word, struct key_bucket **spare)
{
    while (bucket->more != NULL)
        bucket = bucket->more;
    unsigned used = 0;
    while (used < KEY_TABLE_SLOTS && bucket->slots[used] != 0)
        used++;
    if (used == KEY_TABLE_SLOTS) {
        struct key_bucket *more = *spare;
        assert(more != NULL);
        *spare = more->more;
        *more = (struct key_bucket){0};
        bucket->more = more;
        bucket = more;
        used = 0;
    }
    bucket->slots[used] = word;
}

/* Where words go: to the one or the other bucket, as bit @bit of their hashes says. */
struct target {
    struct key_bucket *buckets[2];
    unsigned           bit;
};

static void add_all(const struct target *target, const struct key_bucket *words,
                    struct key_bucket **spare)
{
    for (unsigned i = 0; i < KEY_TABLE_SLOTS && words->slots[i] != 0; i++) {
        const uint32_t hash = key_table__entry(words->slots[i])->hash;
        add(target->buckets[(hash >> target->bit) & 1], words->slots[i], spare);
    }
}

/* Moves what is in the chain of @first. The first bucket's words go last, since the others are
 * spare as soon as their words are out. */
static void pour(struct key_bucket *first, const struct target *target, struct key_bucket **spare)
{
    const struct key_bucket first_words = *first;
    *first = (struct key_bucket){0};
    for (struct key_bucket *bucket = first_words.more, *more; bucket != NULL; bucket = more) {
        const struct key_bucket words = *bucket;
        more = words.more;
        bucket->more = *spare;
        *spare = bucket;
        add_all(target, &words, spare);
    }
    add_all(target, &first_words, spare);
}

static void free_all_more(struct key_table *table, struct key_bucket *more)
{
    while (more != NULL) {
        struct key_bucket *after = more->more;
        key_table__free_more(table, more);
        more = after;
    }
}

/* Two halves never need more buckets beyond their first than the whole did. */
bool key_table__grow(struct key_table *table)
{
    if (!is_crowded(table))
        return false;
    if (table->split == (uint64_t)1 << table->level)
        next_level(table);
    if (table->level > level_max(table) || !prepare_halves(table))
        return false;
    struct key_bucket *halves = at(table->high, 2 * table->split);
    struct key_bucket *spare = NULL;
    const struct target target = {{halves, halves + 1}, key_table__bits_below(table, true)};
    pour(at(table->low, table->split), &target, &spare);
    free_all_more(table, spare);
    table->split++;
    if (table->split % KEY_TABLE_CHUNK == 0) {
        struct key_bucket **chunk = &table->low[table->split / KEY_TABLE_CHUNK - 1];
        let_go(table, *chunk);
        *chunk = NULL;
    }
    return true;
}

/* ---- shrinking ---- */

/* Nothing of low is halved: low becomes high, all of it halves. */
static bool previous_level(struct key_table *table)
{
    struct key_bucket **low = directory_new(table, table->level - 1u);
    if (low == NULL)
        return false;
    let_go(table, table->high);
    table->high = table->low;
    table->low = low;
    table->level--;
    table->split = (uint64_t)1 << table->level;
    return true;
}

static unsigned count_of(const struct key_bucket *bucket, unsigned *buckets)
{
    unsigned count = 0;
    *buckets = 0;
    for (; bucket != NULL; bucket = bucket->more, (*buckets)++)
        for (unsigned i = 0; i < KEY_TABLE_SLOTS && bucket->slots[i] != 0; i++)
            count++;
    return count;
}

/* Buckets beyond the first that both chains have too few of, together: 0 or 1. False: no memory. */
static bool spare_for(struct key_table *table, const struct key_bucket *halves,
                      struct key_bucket **spare)
{
    unsigned buckets[2];
    const unsigned count = count_of(halves, &buckets[0]) + count_of(halves + 1, &buckets[1]);
    *spare = NULL;
    if ((count + KEY_TABLE_SLOTS - 1) / KEY_TABLE_SLOTS <= buckets[0] + buckets[1] - 1)
        return true;
    *spare = key_table__more(table);
    return *spare != NULL;
}

/* The chunk for what two halves become. */
static bool prepare_whole(struct key_table *table, uint64_t index)
{
    struct key_bucket **chunk = &table->low[index / KEY_TABLE_CHUNK];
    if (*chunk == NULL)
        *chunk = chunk_new(table);
    return *chunk != NULL;
}

/* Joins the last two halves. */
static bool join(struct key_table *table)
{
    if (table->split == 0 && !previous_level(table))
        return false;
    const uint64_t index = table->split - 1;
    struct key_bucket *halves = at(table->high, 2 * index);
    struct key_bucket *spare;
    if (!spare_for(table, halves, &spare) || !prepare_whole(table, index)) {
        free_all_more(table, spare);
        return false;
    }
    struct key_bucket *whole = at(table->low, index);
    const struct target target = {{whole, whole}, 0};
    pour(halves, &target, &spare);
    pour(halves + 1, &target, &spare);
    free_all_more(table, spare);
    table->split = index;
    if (2 * index % KEY_TABLE_CHUNK == 0) {
        let_go(table, table->high[2 * index / KEY_TABLE_CHUNK]);
        table->high[2 * index / KEY_TABLE_CHUNK] = NULL;
    }
    return true;
}

static bool is_sparse(const struct key_table *table)
{
    const uint64_t buckets = key_table__buckets(table);
    return buckets > KEY_TABLE_CHUNK && table->count < KEY_TABLE_LOAD_MIN * buckets;
}

size_t key_table_tend_bytes(const struct key_table *table)
{
    if (table->low == NULL)
        return 0;
    if (is_crowded(table))
        return key_table__grow_bytes(table) + mem_held_bytes_max(sizeof(struct key_bucket));
    return is_sparse(table)
               ? chunk_bytes_max() + mem_held_bytes_max(directory_bytes(table->level)) +
                     mem_held_bytes_max(sizeof(struct key_bucket))
               : 0;
}

bool key_table_tend(struct key_table *table)
{
    if (table->low == NULL)
        return false;
    return is_crowded(table) ? key_table__grow(table) : is_sparse(table) && join(table);
}
