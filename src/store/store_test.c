/* SPDX-License-Identifier: Apache-2.0 */
/* store/store_test.c - what is put is found, what leaves lives on, and the limit is a limit. */
#include "store/store.h"

#include "core/mem.h"
#include "store/store_testing.h"

static struct store *store;

static void start(uint64_t memory_bytes, enum store_policy policy)
{
    store = testing_store(memory_bytes, policy);
}

Test(store, what_is_put_is_found_and_what_is_removed_is_not)
{
    start(TESTING_MIB, STORE_S3_FIFO);
    struct store_entry *entry = testing_put(store, 1, 100, 0);
    cr_assert(entry != NULL);
    struct store_entry *found = testing_find(store, 1);
    cr_expect(found == entry, "found before it is settled");
    cr_expect(testing_is_of(store_entry_front(found), 1, 0, 100));
    cr_expect(store_settle(store, entry));
    cr_expect_not(testing_has(store, 2));
    cr_expect(store_remove(store, entry));
    cr_expect_not(store_remove(store, entry), "once");
    cr_expect_not(testing_has(store, 1));
    store_entry_unref(entry);
    cr_expect(testing_is_of(store_entry_front(found), 1, 0, 100), "it is still read");
    store_entry_unref(found);
    const struct store_figures figures = testing_figures(store);
    cr_expect(figures.entries == 0 && figures.inserted == 1 && figures.removed == 1);
    cr_expect(figures.pinned_bytes == 0);
    store_free(store);
}

Test(store, keys_of_the_same_hash_are_told_apart)
{
    start(TESTING_MIB, STORE_LRU);
    const struct store_key keys[] = {{.hash = 7, .at = (const uint8_t *)"one", .bytes = 3},
                                     {.hash = 7, .at = (const uint8_t *)"two", .bytes = 3},
                                     {.hash = 7, .at = (const uint8_t *)"twoo", .bytes = 4}};
    struct store_entry *entries[3];
    for (int i = 0; i < 3; i++) {
        entries[i] = store_entry_new(store, &keys[i], 0);
        store_put(store, entries[i]);
    }
    for (int i = 0; i < 3; i++) {
        struct store_entry *found = store_find(store, 0, &keys[i]);
        cr_expect(found == entries[i]);
        store_entry_unref(found);
        store_entry_unref(entries[i]);
    }
    cr_expect(testing_figures(store).entries == 3);
    store_free(store);
}

Test(store, a_newer_one_takes_the_place_and_the_older_lives_until_it_is_let_go)
{
    start(TESTING_MIB, STORE_S3_FIFO);
    cr_assert(testing_add(store, 1, 10, 5000));
    struct store_entry *older = testing_find(store, 1);
    cr_assert(testing_add(store, 1, 20, 0));
    struct store_entry *newer = testing_find(store, 1);
    cr_expect(newer != older && newer->front_bytes == 20);
    cr_expect(testing_body_is_of(older->body, 1, 0));
    cr_expect(testing_figures(store).pinned_bytes > 5000);
    store_entry_unref(older);
    cr_expect(testing_figures(store).pinned_bytes == 0);
    cr_expect(testing_figures(store).replaced == 1);
    store_entry_unref(newer);
    store_free(store);
}

Test(store, one_that_was_replaced_while_it_grew_does_not_settle)
{
    start(TESTING_MIB, STORE_S3_FIFO);
    struct store_entry *older = testing_put(store, 1, 10, 0);
    cr_assert(testing_add(store, 1, 20, 0));
    cr_expect_not(store_settle(store, older));
    store_entry_unref(older);
    cr_expect(testing_has(store, 1));
    store_free(store);
}

Test(store, thousands_of_entries_are_found_while_the_index_grows)
{
    start(64 * TESTING_MIB, STORE_S3_FIFO);
    for (uint64_t number = 0; number < 30000; number++) {
        cr_assert(testing_add(store, number, 200, 0));
        cr_assert(testing_has(store, number));
        cr_assert(testing_has(store, number / 2));
    }
    for (uint64_t number = 0; number < 30000; number++) {
        struct store_entry *entry = testing_find(store, number);
        cr_assert(entry != NULL && testing_is_of(store_entry_front(entry), number, 0, 200));
        store_entry_unref(entry);
    }
    cr_expect(testing_figures(store).entries == 30000);
    store_free(store);
}

Test(store, surely_finds_from_any_thread_and_counts_no_use)
{
    struct testing_key key;
    start(TESTING_MIB, STORE_S3_FIFO);
    cr_assert(testing_add(store, 1, 10, 0));
    struct store_entry *entry = store_find_surely(store, testing_key(&key, 1));
    cr_expect(entry != NULL && entry->uses == 0);
    store_entry_unref(entry);
    cr_expect(store_find_surely(store, testing_key(&key, 2)) == NULL);
    store_free(store);
}

/* --- The limit ------------------------------------------------------------------------------ */

enum { HELD_MAX = 64 };

static void expect_within_limit(void)
{
    const struct store_figures figures = testing_figures(store);
    cr_assert(figures.used_bytes <= figures.limit_bytes, "%llu of %llu bytes",
              (unsigned long long)figures.used_bytes, (unsigned long long)figures.limit_bytes);
    cr_assert(figures.overhead_bytes + figures.pinned_bytes <= figures.used_bytes);
}

static void work_at_random(uint64_t seed, int turns)
{
    struct store_entry *held[HELD_MAX] = {0};
    struct random random;
    random_init(&random, seed);
    for (int turn = 0; turn < turns; turn++) {
        const uint64_t number = random_next(&random) % 5000, draw = random_next(&random);
        struct store_entry *entry = testing_find(store, number);
        if (entry == NULL)
            (void)!testing_add(store, number, (uint32_t)(draw % (1u << draw % 14)),
                               draw % 3 == 0 ? draw % (1u << draw % 18) : 0);
        store_entry_unref(held[turn % HELD_MAX]);
        held[turn % HELD_MAX] = entry;
        if (turn % 64 == 0)
            expect_within_limit();
    }
    for (int i = 0; i < HELD_MAX; i++) {
        if (held[i] != NULL && held[i]->body != NULL) {
            struct testing_key key;
            memcpy(&key.number, store_entry_key(held[i]), sizeof key.number);
            cr_assert(testing_body_is_of(held[i]->body, key.number, 0));
        }
        store_entry_unref(held[i]);
    }
}

Test(store, never_takes_more_than_the_limit_whatever_the_policy)
{
    for (enum store_policy policy = 0; policy < STORE_POLICIES_COUNT; policy++) {
        start(4 * TESTING_MIB, policy);
        work_at_random(policy, 20000);
        const struct store_figures figures = testing_figures(store);
        cr_expect(figures.pinned_bytes == 0 && figures.evicted + figures.rejected > 1000);
        cr_expect(figures.used_bytes > 3 * TESTING_MIB, "and uses what it may");
        cr_expect(figures.entries == figures.inserted - figures.replaced - figures.removed -
                                         figures.rejected - figures.evicted);
        store_free(store);
    }
}

Test(store, what_it_counts_is_what_the_kernel_counts)
{
    if (PANDO_SANITIZED)
        return; /* shadow memory counts there too */
    const size_t before = testing_resident_bytes();
    start(24 * TESTING_MIB, STORE_S3_FIFO);
    for (uint64_t number = 0; number < 60000; number++)
        (void)!testing_add(store, number, (uint32_t)(number % 1500), 0);
    work_at_random(5, 20000);
    const size_t grown = testing_resident_bytes() - before;
    cr_expect(grown <= 24 * TESTING_MIB + TESTING_MIB / 2, "%zu bytes", grown);
    cr_expect(grown >= 20 * TESTING_MIB, "%zu bytes", grown);
    store_free(store);
}

Test(store, a_full_store_of_held_entries_admits_nothing_and_recovers)
{
    static struct store_entry *held[10000];
    size_t count = 0;
    start(2 * TESTING_MIB, STORE_S3_FIFO);
    while (count < 10000 && (held[count] = testing_put(store, count, 1000, 0)) != NULL) {
        (void)!store_settle(store, held[count]);
        count++;
    }
    cr_expect(count > 1700 && count < 1821, "%zu", count);
    expect_within_limit();
    cr_expect(testing_figures(store).refused > 0);
    cr_expect(testing_find(store, 0) == held[0], "what is held is not thrown out in vain");
    store_entry_unref(held[0]);
    for (size_t i = 0; i < count; i++)
        store_entry_unref(held[i]);
    size_t added = 0;
    for (uint64_t number = 10000; number < 13000; number++)
        added += testing_add(store, number, 1000, 0);
    cr_expect(added > 2000, "there is room again: %zu", added);
    store_free(store);
}

Test(store, what_is_too_large_is_rejected)
{
    start(2 * TESTING_MIB, STORE_S3_FIFO);
    const size_t most = store_object_bytes_max(store);
    cr_expect_not(testing_add(store, 1, 100, most));
    cr_expect_not(testing_has(store, 1));
    cr_expect(testing_add(store, 2, 100, most - 4096));
    cr_expect(testing_figures(store).rejected == 1);
    store_free(store);
}

Test(store, a_lower_limit_holds_at_once_and_a_higher_one_is_used)
{
    start(16 * TESTING_MIB, STORE_LRU);
    for (uint64_t number = 0; number < 20000; number++)
        cr_assert(testing_add(store, number, 1000, 0));
    store_set_limit(store, 4 * TESTING_MIB);
    struct store_figures figures = testing_figures(store);
    cr_expect(figures.limit_bytes == 4 * TESTING_MIB);
    expect_within_limit();
    cr_expect(figures.entries > 500, "pages are given back, not all there is: %llu",
              (unsigned long long)figures.entries);
    cr_expect(testing_has(store, 19999), "what came last stays");
    store_set_limit(store, 32 * TESTING_MIB);
    for (uint64_t number = 0; number < 40000; number++)
        cr_assert(testing_add(store, number, 1000, 0));
    figures = testing_figures(store);
    cr_expect(figures.used_bytes > 30 * TESTING_MIB, "%llu",
              (unsigned long long)figures.used_bytes);
    expect_within_limit();
    store_free(store);
}

/* --- Eviction ------------------------------------------------------------------------------- */

static uint64_t told_count;

static void note_evicted(void *self, struct store_entry *entry)
{
    struct store_entry *gone = NULL;
    struct testing_key key;
    memcpy(&key.number, store_entry_key(entry), sizeof key.number);
    cr_assert(self == &told_count);
    cr_assert(testing_is_of(store_entry_front(entry), key.number, 0, entry->front_bytes));
    /* No lock is held, or this would hang. */
    gone = store_find_surely(store, testing_key(&key, key.number));
    cr_assert(gone == NULL);
    told_count++;
}

Test(store, the_owner_is_told_of_each_that_was_evicted_and_of_no_other)
{
    const struct store_options options = {.memory_bytes = TESTING_MIB,
                                          .policy = STORE_S3_FIFO,
                                          .threads_count = 1,
                                          .evicted = note_evicted,
                                          .self = &told_count};
    told_count = 0;
    store = store_new(&options);
    cr_assert(store != NULL);
    for (uint64_t number = 0; number < 5000; number++)
        (void)!testing_add(store, number, 1000, 0);
    struct store_entry *entry = testing_put(store, 4999, 1000, 0);
    cr_expect(store_remove(store, entry));
    store_entry_unref(entry);
    const struct store_figures figures = testing_figures(store);
    cr_expect(told_count == figures.evicted && told_count + figures.rejected > 3000);
    cr_expect(told_count > 1000 && figures.removed == 1);
    store_free(store);
}

static enum store_visit remove_even(void *self, struct store_entry *entry)
{
    uint64_t number;
    memcpy(&number, store_entry_key(entry), sizeof number);
    ++*(uint64_t *)self;
    return number % 2 == 0 ? STORE_REMOVE : STORE_KEEP;
}

Test(store, a_walk_visits_all_that_is_settled_though_the_index_grows_meanwhile)
{
    uint64_t visits = 0;
    struct store_cursor cursor = {0};
    start(128 * TESTING_MIB, STORE_SIEVE);
    struct store_entry *grows = testing_put(store, 1000000, 10, 0);
    for (uint64_t number = 0; number < 2000; number++)
        cr_assert(testing_add(store, number, 100, 0));
    for (uint64_t more = 2001; !cursor.done; more += 2) {
        store_walk(store, &cursor, 7, remove_even, &visits);
        cr_assert(testing_add(store, more, 100, 0));
    }
    cr_expect(visits >= 2000);
    for (uint64_t number = 0; number < 2000; number++)
        cr_assert(testing_has(store, number) == (number % 2 != 0));
    cr_expect(testing_has(store, 1000000));
    cr_expect(testing_figures(store).removed == 1000);
    store_entry_unref(grows);
    store_free(store);
}

#ifdef PANDO_FAULTS
Test(store, without_memory_there_is_none)
{
    const struct store_options options = {
        .memory_bytes = 128 * TESTING_MIB, .policy = STORE_S3_FIFO, .threads_count = 1};
    for (uint64_t nth = 1;; nth++) {
        fault_fail_nth(FAULT_ALLOCATION, nth);
        store = store_new(&options);
        if (store != NULL)
            break;
        cr_assert(nth < 100);
    }
    cr_expect(fault_seen(FAULT_ALLOCATION) >= 10, "two shards with five reserves each");
    store_free(store);
    fault_fail_nth(FAULT_ALLOCATION, 0);
}
#endif
