/* SPDX-License-Identifier: Apache-2.0 */
/* store/keys/key_table_test.c - the table against a simple model; walks while it grows and shrinks;
 * who is evicted; what memory it takes. */
#include "store/keys/key_table.h"

#include "core/hash.h"
#include "core/mem.h"
#include "core/random.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { KEYS = 8000, STEPS = 20000, NOW_MS = 1000 };

static const struct hash_key hash_key = {{1, 2}};

/* What is in the table, by the key's number. */
struct model {
    struct key_entry *entries[KEYS]; /* NULL: not there */
    uint32_t          visits[KEYS];
    uint64_t          count;
};

static struct model model;

static struct bytes key_of(unsigned number, char text[static 16])
{
    snprintf(text, 16, "key:%u", number);
    return bytes_of(text);
}

/* As the engine does: the first bits are the stripe's, the same for all. */
static uint64_t hash_of(const struct key_table *table, struct bytes key)
{
    const uint64_t hash = hash_sip13(&hash_key, key.at, key.count) >> table->prefix_bits;
    return table->begin << 32 | hash;
}

static bool put(struct key_table *table, unsigned number, uint64_t expires_ms)
{
    char text[16];
    const struct bytes key = key_of(number, text);
    const uint64_t hash = hash_of(table, key);
    const struct key_entry_plan plan = {.key = key,
                                        .hash = (uint32_t)(hash >> 32),
                                        .string_bytes = sizeof number,
                                        .expires_ms = expires_ms};
    struct key_entry *entry = key_entry_new(&plan);
    if (entry == NULL)
        return false;
    memcpy(key_entry_string_at(entry), &number, sizeof number);
    const uint64_t most = table->bytes + key_table_insert_bytes(table);
    const bool is_in = key_table_insert(table, hash, entry);
    cr_assert(table->bytes <= most);
    if (is_in) {
        model.entries[number] = entry;
        model.count++;
    } else {
        key_entry_free(entry);
    }
    cr_assert(table->count == model.count);
    return is_in;
}

static unsigned number_of(const struct key_entry *entry)
{
    unsigned number;
    memcpy(&number, key_entry_string_at(entry), sizeof number);
    return number;
}

static void take(struct key_table *table, unsigned number)
{
    struct key_entry *entry = model.entries[number];
    const uint64_t before = table->bytes;
    key_table_take(table, entry);
    cr_assert(table->bytes <= before);
    key_entry_free(entry);
    model.entries[number] = NULL;
    model.count--;
}

static void expect_all(struct key_table *table)
{
    uint64_t expiring = 0;
    for (unsigned i = 0; i < KEYS; i++) {
        char text[16];
        const struct bytes key = key_of(i, text);
        cr_assert(key_table_find(table, hash_of(table, key), key) == model.entries[i]);
        expiring += model.entries[i] != NULL && model.entries[i]->has_expiry;
    }
    cr_assert(table->count == model.count && table->expiring_count == expiring);
}

static void begin(struct key_table *table, unsigned prefix_bits, uint32_t prefix)
{
    memset(&model, 0, sizeof model);
    key_table_init(table, prefix_bits, prefix);
}

static void walk_at_random(struct key_table *table, struct random *random, unsigned put_percent)
{
    for (unsigned i = 0; i < STEPS; i++) {
        const unsigned number = random_below(random_next(random), KEYS);
        const bool puts = random_below(random_next(random), 100) < put_percent;
        if (puts && model.entries[number] == NULL)
            cr_assert(put(table, number, number % 3 == 0 ? number + 1 : 0));
        else if (!puts && model.entries[number] != NULL)
            take(table, number);
        if (i % 4 == 0)
            key_table_tend(table);
    }
    expect_all(table);
}

Test(key_table, does_what_a_list_does_with_any_prefix)
{
    static const struct {
        unsigned bits;
        uint32_t prefix;
    } prefixes[] = {{0, 0}, {6, 0}, {6, 17}, {6, 63}, {16, 65535}};
    for (unsigned i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        struct key_table table;
        struct random random;
        random_init(&random, i);
        begin(&table, prefixes[i].bits, prefixes[i].prefix);
        expect_all(&table);
        walk_at_random(&table, &random, 80);
        walk_at_random(&table, &random, 50);
        walk_at_random(&table, &random, 5);
        key_table_clear(&table);
        cr_expect(table.bytes == 0 && table.count == 0);
    }
}

/* ---- memory ---- */

/* About 15 bytes a key at every size: a line for five keys, and a second one for one in eight. */
Test(key_table, takes_the_same_for_a_key_at_every_size)
{
    struct key_table table;
    begin(&table, 0, 0);
    for (unsigned i = 0; i < KEYS; i++) {
        cr_assert(put(&table, i, 0));
        const uint64_t begun_chunks = 2 * 4200; /* one where halves come from, one where they go */
        cr_assert(table.bytes < 16 * table.count + begun_chunks, "%lu at %u", table.bytes, i);
    }
    key_table_clear(&table);
}

Test(key_table, gives_memory_back_when_it_empties)
{
    struct key_table table;
    begin(&table, 3, 5);
    for (unsigned i = 0; i < KEYS; i++)
        cr_assert(put(&table, i, 0));
    const uint64_t full = table.bytes;
    for (unsigned i = 100; i < KEYS; i++)
        take(&table, i);
    while (key_table_tend(&table))
        ;
    cr_expect(table.bytes < full / 10, "%lu of %lu", table.bytes, full);
    expect_all(&table);
    for (unsigned i = 100; i < KEYS; i++)
        cr_assert(put(&table, i, 0));
    expect_all(&table);
    key_table_clear(&table);
}

/* ---- walks ---- */

static bool note(void *self, struct key_entry *entry)
{
    uint32_t *last = self;
    if (last != NULL) {
        cr_assert(entry->hash >= *last, "in the order of positions");
        *last = entry->hash;
    }
    model.visits[number_of(entry)]++;
    return true;
}

Test(key_table, is_walked_in_order_each_key_once)
{
    for (unsigned bits = 0; bits <= 6; bits += 6) {
        struct key_table table;
        begin(&table, bits, bits);
        uint64_t position = 0;
        key_table_scan(&table, &position, 10, note, NULL);
        cr_expect(position == KEY_TABLE_END);
        for (unsigned i = 0; i < 3000; i++)
            cr_assert(put(&table, i, 0));
        uint32_t last = 0;
        position = 0;
        for (size_t rounds = 0; position != KEY_TABLE_END; rounds++) {
            cr_assert(rounds < 4000);
            key_table_scan(&table, &position, 7, note, &last);
        }
        for (unsigned i = 0; i < KEYS; i++)
            cr_assert(model.visits[i] == (i < 3000));
        key_table_clear(&table);
    }
}

/* Some are there all the time; others come or go after each step of the walk. */
static void walk_while_it_changes(unsigned from, unsigned to)
{
    enum { THERE = 500 };
    struct key_table table;
    begin(&table, 2, 3);
    for (unsigned i = 0; i < (from > to ? from : THERE); i++)
        cr_assert(put(&table, i, 0));
    unsigned changing = from > to ? from : THERE;
    uint64_t position = 0;
    while (position != KEY_TABLE_END) {
        key_table_scan(&table, &position, 3, note, NULL);
        for (unsigned i = 0; i < 20 && changing != to; i++) {
            if (from < to)
                cr_assert(put(&table, changing++, 0));
            else
                take(&table, --changing);
            key_table_tend(&table);
        }
    }
    for (unsigned i = 0; i < THERE; i++)
        cr_assert(model.visits[i] == 1, "key %u was visited %u times", i, model.visits[i]);
    key_table_clear(&table);
}

Test(key_table, walks_past_nothing_while_it_grows)
{
    walk_while_it_changes(500, KEYS);
}

Test(key_table, walks_past_nothing_while_it_shrinks)
{
    walk_while_it_changes(KEYS, 500);
}

static bool note_and_stop(void *self, struct key_entry *entry)
{
    note(self, entry);
    return false;
}

Test(key_table, goes_on_behind_where_the_visitor_stopped)
{
    struct key_table table;
    begin(&table, 0, 0);
    for (unsigned i = 0; i < 300; i++)
        cr_assert(put(&table, i, 0));
    uint64_t position = 0;
    while (position != KEY_TABLE_END)
        key_table_scan(&table, &position, SIZE_MAX, note_and_stop, NULL);
    for (unsigned i = 0; i < 300; i++)
        cr_assert(model.visits[i] == 1);
    key_table_clear(&table);
}

/* ---- by chance ---- */

Test(key_table, draws_every_key_about_as_often)
{
    enum { THERE = 700, EACH = 200 }; /* between two sizes, so some buckets are halved */
    struct key_table table;
    struct random random;
    random_init(&random, 3);
    begin(&table, 0, 0);
    cr_expect(key_table_random(&table, 1, NOW_MS) == NULL);
    for (unsigned i = 0; i < THERE; i++)
        cr_assert(put(&table, i, i % 2 == 0 ? NOW_MS : 0));
    for (unsigned i = 0; i < THERE / 2 * EACH; i++)
        model.visits[number_of(key_table_random(&table, random_next(&random), NOW_MS))]++;
    double chi_squared = 0;
    for (unsigned i = 0; i < THERE; i++) {
        cr_assert(i % 2 == 1 || model.visits[i] == 0, "expired at this very millisecond");
        if (i % 2 == 1)
            chi_squared +=
                (model.visits[i] - (double)EACH) * (model.visits[i] - (double)EACH) / EACH;
    }
    cr_expect(chi_squared < 460, "%f of 349 degrees of freedom", chi_squared); /* 1 in 30,000 */
    key_table_clear(&table);
}

Test(key_table, draws_the_last_one_left)
{
    struct key_table table;
    begin(&table, 0, 0);
    for (unsigned i = 0; i < KEYS; i++)
        cr_assert(put(&table, i, i == 77 ? 0 : 1));
    for (uint64_t draw = 0; draw < 20; draw++)
        cr_expect(number_of(key_table_random(&table, draw << 50, NOW_MS)) == 77);
    take(&table, 77);
    cr_expect(key_table_random(&table, 5, NOW_MS) == NULL);
    key_table_clear(&table);
}

/* ---- eviction ---- */

static void use(struct key_table *table, unsigned number)
{
    char text[16];
    const struct bytes key = key_of(number, text);
    cr_assert(key_table_find(table, hash_of(table, key), key) != NULL);
}

Test(key_table, evicts_what_is_not_used)
{
    enum { THERE = 1000, USED = 100 };
    struct key_table table;
    begin(&table, 0, 0);
    cr_expect(key_table_victim(&table) == NULL);
    for (unsigned i = 0; i < THERE; i++)
        cr_assert(put(&table, i, 0));
    for (unsigned evicted = 0; evicted < THERE - USED; evicted++) {
        for (unsigned i = 0; i < USED && evicted % 50 == 0; i++)
            use(&table, i);
        key_table_next_generation(&table);
        const struct key_entry *victim = key_table_victim(&table);
        cr_assert(victim != NULL && number_of(victim) >= USED, "%u was used", number_of(victim));
        take(&table, number_of(victim));
    }
    for (unsigned i = 0; i < USED; i++)
        cr_expect(model.entries[i] != NULL);
    key_table_clear(&table);
}

Test(key_table, never_evicts_what_this_command_used)
{
    struct key_table table;
    begin(&table, 0, 0);
    for (unsigned i = 0; i < 20; i++)
        cr_assert(put(&table, i, 0));
    cr_expect(key_table_victim(&table) == NULL, "all were put in this generation");
    key_table_next_generation(&table);
    use(&table, 3);
    for (unsigned i = 0; i < 19; i++) {
        const struct key_entry *victim = key_table_victim(&table);
        cr_assert(victim != NULL && number_of(victim) != 3);
        take(&table, number_of(victim));
    }
    cr_expect(key_table_victim(&table) == NULL);
    key_table_clear(&table);
}

/* ---- expiry ---- */

Test(key_table, finds_all_that_is_expired)
{
    struct key_table table;
    begin(&table, 0, 0);
    for (unsigned i = 0; i < KEYS; i++)
        cr_assert(put(&table, i, i % 2 == 0 ? i : 0));
    unsigned expired = 0;
    for (unsigned rounds = 0; rounds < KEYS; rounds++) {
        size_t budget = 10;
        const struct key_entry *entry = key_table_expired(&table, NOW_MS, &budget);
        if (entry == NULL) {
            cr_assert(budget == 0);
            continue;
        }
        cr_assert(number_of(entry) % 2 == 0 && number_of(entry) <= NOW_MS);
        take(&table, number_of(entry));
        expired++;
    }
    cr_expect(expired == NOW_MS / 2, "all but 0, which is never"); /* 2, 4, ... 1000 */
    expect_all(&table);
    key_table_clear(&table);
}

Test(key_table, looks_at_nothing_where_nothing_expires)
{
    struct key_table table;
    begin(&table, 0, 0);
    for (unsigned i = 0; i < 100; i++)
        cr_assert(put(&table, i, 0));
    size_t budget = 10;
    cr_expect(key_table_expired(&table, NOW_MS, &budget) == NULL && budget == 10);
    take(&table, 5);
    cr_assert(put(&table, 5, 9));
    cr_expect(table.expiring_count == 1);
    budget = 1000;
    cr_expect(key_table_expired(&table, NOW_MS, &budget) == model.entries[5]);
    key_entry_set_expiry(model.entries[5], 0);
    key_table_replace(&table, model.entries[5], model.entries[5]);
    cr_expect(table.expiring_count == 0 && number_of(model.entries[5]) == 5);
    expect_all(&table);
    key_table_clear(&table);
}

#ifdef PANDO_FAULTS
Test(key_table, stays_whole_when_memory_fails)
{
    struct key_table table;
    struct random random;
    random_init(&random, 5);
    begin(&table, 4, 9);
    for (unsigned i = 0; i < STEPS; i++) {
        const unsigned number = random_below(random_next(&random), KEYS);
        fault_fail_nth(FAULT_ALLOCATION, 1 + random_below(random_next(&random), 4));
        if (model.entries[number] == NULL)
            (void)!put(&table, number, number % 5);
        else if (i % 3 == 0)
            take(&table, number);
        if (i > STEPS / 2)
            key_table_tend(&table);
        fault_fail_nth(FAULT_ALLOCATION, 0);
    }
    expect_all(&table);
    key_table_clear(&table);
    cr_expect(table.bytes == 0);
}

/* Every allocation fails: growth stops, chains get longer, and all are found. */
Test(key_table, works_on_without_room_to_grow)
{
    struct key_table table;
    begin(&table, 0, 0);
    for (unsigned i = 0; i < 400; i++)
        cr_assert(put(&table, i, 0));
    for (unsigned i = 400; i < KEYS; i++) {
        fault_fail_nth(FAULT_ALLOCATION, 2); /* behind the entry's own: the table's first */
        (void)!put(&table, i, 0);
        fault_fail_nth(FAULT_ALLOCATION, 0);
    }
    expect_all(&table);
    key_table_clear(&table);
}
#endif
