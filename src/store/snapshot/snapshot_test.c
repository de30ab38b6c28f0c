/* SPDX-License-Identifier: Apache-2.0 */
/* store/snapshot/snapshot_test.c - what was saved is there again, and nothing torn ever is. */
#include "store/store_testing.h"

#include "core/mem.h"

#include <stdlib.h>
#include <sys/stat.h>

enum { FORMAT = 3 };
static char folder[] = "/tmp/pando-store-XXXXXX";
static char path[64];
static struct store *store;

static void start(uint64_t memory_bytes)
{
    if (path[0] == 0) {
        cr_assert(mkdtemp(folder) != NULL);
        snprintf(path, sizeof path, "%s/snapshot", folder);
    }
    store = testing_store(memory_bytes, STORE_S3_FIFO);
}

static void clean(void)
{
    unlink(path);
    rmdir(folder);
}

static uint64_t save(void)
{
    uint64_t count = 0;
    struct err e = {0};
    cr_assert(store_save(store, path, FORMAT, &count, &e) == ERR_NONE, "%s", e.story);
    return count;
}

static uint64_t load(uint32_t format)
{
    uint64_t count = 0;
    struct err e = {0};
    cr_assert(store_load(store, path, format, NULL, NULL, &count, &e) == ERR_NONE, "%s", e.story);
    return count;
}

/* A number's entry has always the same form. */
static uint32_t front_of(uint64_t number)
{
    return (uint32_t)(number * 37 % 900);
}

static size_t body_of(uint64_t number)
{
    return number % 3 == 0 ? (size_t)(number * 971 % 60000 + 1) : 0;
}

static void expect_right(uint64_t number)
{
    struct store_entry *entry = testing_find(store, number);
    cr_assert(entry != NULL, "%llu is missing", (unsigned long long)number);
    cr_assert(entry->front_bytes == front_of(number));
    cr_assert(testing_is_of(store_entry_front(entry), number, 0, entry->front_bytes));
    cr_assert((entry->body != NULL) == (body_of(number) != 0));
    if (entry->body != NULL) {
        cr_assert(entry->body->state == STORE_BODY_WHOLE);
        cr_assert(entry->body->ready_bytes == body_of(number));
        cr_assert(testing_body_is_of(entry->body, number, 0));
    }
    store_entry_unref(entry);
}

Test(snapshot, gives_back_what_was_saved_with_its_uses)
{
    start(16 * TESTING_MIB);
    for (uint64_t number = 0; number < 300; number++)
        cr_assert(testing_add(store, number, front_of(number), body_of(number)));
    for (int i = 0; i < 5; i++)
        cr_assert(testing_has(store, 7));
    struct store_entry *grows = testing_put(store, 1000, 10, 0);
    cr_expect(save() == 300, "what is not settled is not saved");
    store_entry_unref(grows);
    store_free(store);

    start(16 * TESTING_MIB);
    cr_expect(load(FORMAT) == 300);
    struct testing_key key;
    struct store_entry *wanted = store_find_surely(store, testing_key(&key, 7));
    cr_expect(wanted != NULL && wanted->uses == 3);
    store_entry_unref(wanted);
    for (uint64_t number = 0; number < 300; number++)
        expect_right(number);
    cr_expect_not(testing_has(store, 1000));
    store_free(store);
    clean();
}

Test(snapshot, of_another_format_or_none_at_all_gives_nothing)
{
    start(TESTING_MIB);
    cr_expect(load(FORMAT) == 0, "there is no file");
    cr_assert(testing_add(store, 1, 100, 0));
    cr_expect(save() == 1);
    store_free(store);
    start(TESTING_MIB);
    cr_expect(load(FORMAT + 1) == 0);
    cr_expect_not(testing_has(store, 1));
    cr_expect(load(FORMAT) == 1);
    store_free(store);
    clean();
}

static size_t read_file(uint8_t *at, size_t room)
{
    FILE *file = fopen(path, "rb");
    cr_assert(file != NULL);
    const size_t bytes = fread(at, 1, room, file);
    fclose(file);
    return bytes;
}

static void write_file(const uint8_t *at, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    cr_assert(file != NULL && fwrite(at, 1, bytes, file) == bytes);
    fclose(file);
}

/* Loads what is at @path; whatever is found must be right. */
static uint64_t load_and_expect_right(uint64_t numbers)
{
    start(TESTING_MIB);
    const uint64_t count = load(FORMAT);
    for (uint64_t number = 0; number < numbers; number++) {
        if (testing_has(store, number))
            expect_right(number);
    }
    cr_assert(testing_figures(store).entries == count);
    cr_assert(testing_figures(store).pinned_bytes == 0);
    store_free(store);
    return count;
}

static size_t save_five(uint8_t *bytes, size_t room)
{
    start(TESTING_MIB);
    for (uint64_t number = 0; number < 5; number++)
        cr_assert(testing_add(store, number, front_of(number), body_of(number)));
    cr_assert(save() == 5);
    store_free(store);
    return read_file(bytes, room);
}

Test(snapshot, that_was_cut_off_anywhere_gives_what_was_whole_before)
{
    static uint8_t bytes[65536];
    const size_t all = save_five(bytes, sizeof bytes);
    uint64_t last = 0;
    cr_assert(all < sizeof bytes);
    for (size_t cut = 0; cut <= all; cut += cut % 64 < 48 ? 1 : 13) {
        write_file(bytes, cut);
        const uint64_t count = load_and_expect_right(5);
        cr_assert(count >= last && (cut == all || count < 5), "%zu of %zu", cut, all);
        last = count;
    }
    clean();
}

Test(snapshot, with_a_wrong_byte_anywhere_gives_nothing_wrong)
{
    static uint8_t bytes[65536];
    const size_t all = save_five(bytes, sizeof bytes);
    for (size_t at = 0; at < all; at += at < 400 ? 1 : 17) {
        bytes[at] ^= 0x41;
        write_file(bytes, all);
        cr_assert(load_and_expect_right(5) < 5, "the byte at %zu is guarded by a checksum", at);
        bytes[at] ^= 0x41;
    }
    clean();
}

Test(snapshot, into_less_memory_keeps_what_was_wanted_most)
{
    start(8 * TESTING_MIB);
    for (uint64_t number = 0; number < 6000; number++) {
        cr_assert(testing_add(store, number, 1000, 0));
        for (uint64_t hot = 0; hot < 100 && hot <= number; hot++)
            cr_assert(testing_has(store, hot));
    }
    cr_expect(save() == 6000);
    store_free(store);
    start(2 * TESTING_MIB);
    const uint64_t count = load(FORMAT);
    cr_expect(count > 1000);
    for (uint64_t hot = 0; hot < 100; hot++)
        cr_expect(testing_has(store, hot), "%llu", (unsigned long long)hot);
    cr_expect(testing_figures(store).used_bytes <= 2 * TESTING_MIB);
    store_free(store);
    clean();
}

static bool accept_odd(void *self, struct store_entry *entry)
{
    uint64_t number;
    (void)self;
    memcpy(&number, store_entry_key(entry), sizeof number);
    return number % 2 != 0;
}

Test(snapshot, gives_only_what_its_owner_accepts)
{
    uint64_t count = 0;
    struct err e;
    start(TESTING_MIB);
    for (uint64_t number = 0; number < 10; number++)
        cr_assert(testing_add(store, number, 100, 0));
    cr_assert(save() == 10);
    store_free(store);
    start(TESTING_MIB);
    cr_expect(store_load(store, path, FORMAT, accept_odd, NULL, &count, &e) == ERR_NONE);
    cr_expect(count == 5 && testing_has(store, 1) && !testing_has(store, 2));
    store_free(store);
    clean();
}

Test(snapshot, that_cannot_be_written_is_an_error_and_leaves_the_old_one)
{
    uint64_t count = 7;
    struct err e;
    start(TESTING_MIB);
    cr_expect(store_save(store, "/nowhere/at/all", FORMAT, &count, &e) == ERR_SYSTEM);
    cr_expect(count == 0 && strstr(e.story, "/nowhere/at/all") != NULL);
    cr_assert(testing_add(store, 1, 100, 0));
    cr_assert(save() == 1);
#ifdef PANDO_FAULTS
    fault_fail_nth(FAULT_ALLOCATION, 1);
    cr_expect(store_save(store, path, FORMAT, &count, &e) == ERR_MEMORY);
    fault_fail_nth(FAULT_ALLOCATION, 0);
#endif
    char fresh[80];
    snprintf(fresh, sizeof fresh, "%s.new", path);
    cr_expect(access(fresh, F_OK) != 0, "nothing half-written is left");
    cr_expect(load(FORMAT) == 1);
    store_free(store);
    clean();
}
