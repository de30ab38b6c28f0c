/* SPDX-License-Identifier: Apache-2.0 */
/* engine/memory/memory_space_test.c - a stripe as a space: values, members, moves, expiry, watches,
 * and no memory. Limits are in memory_limit_test.c. */
#include "engine/memory/memory_space.h"

#include "core/random.h"
#include "engine/memory/memory_testing.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct space_value find(struct memory_space *space, const char *key)
{
    struct space_value value;
    cr_assert(space->space.kind->find(&space->space, bytes_of(key), &value) == SPACE_OK);
    return value;
}

static void expect_string(struct memory_space *space, const char *key, const char *string)
{
    const struct space_value value = find(space, key);
    cr_assert(value.type == KEY_STRING, "%s is a string", key);
    cr_assert(bytes_equal(value.string, bytes_of(string)), "%s is %.*s, not %s", key,
              (int)value.string.count, (const char *)value.string.at, string);
}

static enum space_result put(struct memory_space *space, const char *key, const char *string)
{
    return space->space.kind->put(&space->space, bytes_of(key), bytes_of(string), 0);
}

static bool remove_key(struct memory_space *space, const char *key)
{
    return space->space.kind->remove(&space->space, bytes_of(key));
}

/* A hash of @count members at a key that has nothing. */
static enum space_result fill(struct memory_space *space, const char *key, unsigned count)
{
    const struct space_kind *kind = space->space.kind;
    struct space_value value;
    enum space_result result = kind->create(&space->space, bytes_of(key), KEY_HASH, &value);
    if (result != SPACE_OK)
        return result;
    for (unsigned i = 0; i < count && result == SPACE_OK; i++) {
        char name[24];
        bool is_new;
        snprintf(name, sizeof name, "member%04u", i);
        result = kind->tree_put(&value, 0, bytes_of(name), bytes_of("v"), &is_new);
    }
    cr_assert(kind->settle(&space->space, bytes_of(key), &value) == SPACE_OK);
    return result;
}

/* ---- strings ---- */

Test(memory_space, keeps_strings_of_any_length)
{
    struct memory_space *space = memory_testing_new(0, false);
    static char text[3000];
    cr_expect(find(space, "a").type == KEY_NONE);
    for (size_t count = 0; count < 3000; count = count * 3 / 2 + 1) {
        memset(text, 'x', count);
        text[count] = 0;
        cr_assert(put(space, "a", text) == SPACE_OK);
        expect_string(space, "a", text);
    }
    for (size_t count = 2999; count > 0; count = count * 2 / 3) {
        text[count] = 0;
        cr_assert(put(space, "a", text) == SPACE_OK);
        expect_string(space, "a", text);
    }
    cr_expect(memory_space_bytes(space) < 4600, "a short string has a short block again");
    cr_expect(remove_key(space, "a") && !remove_key(space, "a"));
    cr_expect(find(space, "a").type == KEY_NONE);
    memory_space_free(space);
}

Test(memory_space, overwrites_a_string_in_place)
{
    struct memory_space *space = memory_testing_new(0, false);
    cr_assert(put(space, "key", "0123456789") == SPACE_OK);
    const uint64_t before = mem_count();
    cr_assert(put(space, "key", "9876543210") == SPACE_OK);
    cr_assert(put(space, "key", "short") == SPACE_OK);
    cr_expect(mem_count() == before);
    expect_string(space, "key", "short");
    memory_space_free(space);
}

/* What is put may be a part of what is there, under the same key too, with an expiry or without. */
Test(memory_space, puts_bytes_that_lie_in_it)
{
    struct memory_space *space = memory_testing_new(0, false);
    const struct space_kind *kind = space->space.kind;
    for (uint64_t first_ms = 0; first_ms <= 5000; first_ms += 5000)
        for (uint64_t then_ms = 0; then_ms <= 6000; then_ms += 6000)
            for (size_t from = 0; from < 10; from++) {
                cr_assert(kind->put(&space->space, bytes_of("key"), bytes_of("0123456789"),
                                    first_ms) == SPACE_OK);
                struct bytes part = find(space, "key").string;
                part.at += from;
                part.count -= from;
                cr_assert(kind->put(&space->space, bytes_of("key"), part, then_ms) == SPACE_OK);
                expect_string(space, "key", &"0123456789"[from]);
                cr_assert(find(space, "key").expires_ms == then_ms);
                cr_assert(kind->put(&space->space, bytes_of("other"), find(space, "key").string,
                                    0) == SPACE_OK);
                expect_string(space, "other", &"0123456789"[from]);
            }
    memory_space_free(space);
}

Test(memory_space, edits_in_place_with_zeros_behind)
{
    struct memory_space *space = memory_testing_new(0, false);
    const struct space_kind *kind = space->space.kind;
    struct space_value value = find(space, "key");
    uint8_t *at = NULL;
    cr_assert(kind->edit(&space->space, bytes_of("key"), &value, 3, &at) == SPACE_OK);
    cr_expect(memcmp(at, "\0\0\0", 3) == 0);
    memcpy(at, "abc", 3);
    cr_assert(kind->edited(&space->space, bytes_of("key"), &value) == SPACE_OK);
    expect_string(space, "key", "abc");
    uint64_t moves = 0;
    for (size_t bytes = 4; bytes < 20000; bytes++) {
        value = find(space, "key");
        const void *place = value.place;
        cr_assert(kind->edit(&space->space, bytes_of("key"), &value, bytes, &at) == SPACE_OK);
        cr_assert(at[bytes - 1] == 0 && memcmp(at, "abc", 3) == 0);
        at[bytes - 1] = 'z';
        moves += value.place != place;
        cr_assert(value.string.at == at && value.string.count == bytes);
        cr_assert(kind->edited(&space->space, bytes_of("key"), &value) == SPACE_OK);
    }
    cr_expect(moves < 20, "what grew once grows again: it moved %lu times", moves);
    value = find(space, "key");
    cr_assert(kind->edit(&space->space, bytes_of("key"), &value, 2, &at) == SPACE_OK);
    expect_string(space, "key", "ab");
    cr_expect(memory_space_bytes(space) < 4600);
    memory_space_free(space);
}

/* ---- expiry ---- */

Test(memory_space, forgets_what_is_expired)
{
    struct memory_space *space = memory_testing_new(0, false);
    const struct space_kind *kind = space->space.kind;
    memory_space_begin(space, 1000, true);
    cr_assert(kind->put(&space->space, bytes_of("a"), bytes_of("1"), 2000) == SPACE_OK);
    cr_assert(put(space, "b", "2") == SPACE_OK && fill(space, "c", 3) == SPACE_OK);
    struct space_value value = find(space, "c");
    cr_assert(kind->expire(&space->space, bytes_of("c"), &value, 2000) == SPACE_OK);
    memory_space_begin(space, 1999, true);
    expect_string(space, "a", "1");
    cr_expect(find(space, "a").expires_ms == 2000 && find(space, "c").count == 3);
    memory_space_begin(space, 2000, true);
    cr_expect(find(space, "a").type == KEY_NONE && !remove_key(space, "c"));
    cr_expect(find(space, "b").type == KEY_STRING);
    cr_expect(kind->count(&space->space) == 1);
    cr_expect(space->counts.expired == 2);
    memory_space_free(space);
}

Test(memory_space, sets_and_takes_away_an_expiry)
{
    struct memory_space *space = memory_testing_new(0, false);
    const struct space_kind *kind = space->space.kind;
    static char text[200];
    for (size_t count = 0; count < sizeof text - 1; count++) {
        text[count] = (char)('a' + count % 26);
        cr_assert(put(space, "key", text) == SPACE_OK);
        struct space_value value = find(space, "key");
        cr_assert(kind->expire(&space->space, bytes_of("key"), &value, 77000) == SPACE_OK);
        cr_assert(value.expires_ms == 77000 && bytes_equal(value.string, bytes_of(text)));
        expect_string(space, "key", text);
        cr_assert(space->table.expiring_count == 1);
        value = find(space, "key");
        cr_assert(kind->expire(&space->space, bytes_of("key"), &value, 0) == SPACE_OK);
        expect_string(space, "key", text);
        cr_assert(find(space, "key").expires_ms == 0 && space->table.expiring_count == 0);
    }
    memory_space_free(space);
}

Test(memory_space, sweeps_in_the_background)
{
    struct memory_space *space = memory_testing_new(0, false);
    const struct space_kind *kind = space->space.kind;
    memory_space_begin(space, 1000, false);
    for (unsigned i = 0; i < 2000; i++) {
        char key[16];
        snprintf(key, sizeof key, "key%u", i);
        cr_assert(kind->put(&space->space, bytes_of(key), bytes_of("v"), i < 1900 ? 2000 : 0) ==
                  SPACE_OK);
    }
    const uint64_t full = memory_space_bytes(space);
    memory_space_tend(space, 1999, 1000);
    cr_expect(kind->count(&space->space) == 2000);
    cr_expect(memory_space_tend(space, 2000, 64), "a slice leaves more to do");
    for (unsigned i = 0; i < 200; i++)
        memory_space_tend(space, 2000, 64);
    cr_expect(kind->count(&space->space) == 100);
    cr_expect(!memory_space_tend(space, 2000, 64));
    cr_expect(memory_space_bytes(space) < full / 8, "%lu of %lu", memory_space_bytes(space), full);
    memory_space_free(space);
}

/* ---- members ---- */

Test(memory_space, keeps_members_and_removes_what_is_empty)
{
    struct memory_space *space = memory_testing_new(0, false);
    const struct space_kind *kind = space->space.kind;
    const uint64_t empty = memory_space_bytes(space);
    cr_assert(fill(space, "h", 500) == SPACE_OK);
    struct space_value value = find(space, "h");
    cr_assert(value.type == KEY_HASH && value.count == 500);
    struct bytes found;
    bool is_there, was_there, is_new;
    cr_assert(kind->tree_get(&value, 0, bytes_of("member0042"), &found, &is_there) == SPACE_OK);
    cr_expect(is_there && bytes_equal(found, bytes_of("v")));
    struct space_cursor cursor = {.space = &space->space, .value = &value};
    kind->seek(&cursor, bytes_of("member0042x"));
    cr_expect(cursor.is_there && bytes_equal(cursor.key, bytes_of("member0043")));
    cr_expect(kind->rank(&cursor) == 43);
    kind->prev(&cursor);
    cr_expect(bytes_equal(cursor.key, bytes_of("member0042")));
    kind->seek_rank(&cursor, 499);
    kind->next(&cursor);
    cr_expect(!cursor.is_there && kind->rank(&cursor) == 500);
    kind->seek_end(&cursor);
    kind->prev(&cursor);
    cr_expect(bytes_equal(cursor.key, bytes_of("member0499")));
    cr_assert(kind->tree_put(&value, 0, bytes_of("m"), bytes_of("w"), &is_new) == SPACE_OK);
    cr_expect(is_new && value.count == 501);
    kind->seek_rank(&cursor, 0);
    while (cursor.is_there) {
        cr_assert(kind->tree_remove(&value, 0, cursor.key, &was_there) == SPACE_OK);
        cr_assert(was_there);
        kind->seek_rank(&cursor, 0);
    }
    cr_assert(kind->settle(&space->space, bytes_of("h"), &value) == SPACE_OK);
    cr_expect(value.type == KEY_NONE && find(space, "h").type == KEY_NONE);
    cr_expect(memory_space_bytes(space) - empty == space->table.bytes);
    memory_space_free(space);
}

/* A large one is gone at once, and its memory bit by bit, or when it is needed. */
Test(memory_space, frees_large_collections_bit_by_bit)
{
    struct memory_space *space = memory_testing_new(0, false);
    cr_assert(fill(space, "removed", 5000) == SPACE_OK &&
              fill(space, "put over", 5000) == SPACE_OK);
    cr_assert(fill(space, "renamed over", 5000) == SPACE_OK && fill(space, "h", 5000) == SPACE_OK);
    const uint64_t full = memory_space_bytes(space);
    cr_expect(remove_key(space, "removed") && put(space, "put over", "x") == SPACE_OK);
    cr_expect(space->space.kind->rename(&space->space, bytes_of("h"), &space->space,
                                        bytes_of("renamed over")) == SPACE_OK);
    cr_expect(find(space, "removed").type == KEY_NONE && find(space, "renamed over").count == 5000);
    expect_string(space, "put over", "x");
    cr_expect(memory_space_bytes(space) > full * 9 / 10);
    unsigned slices = 0;
    while (memory_space_tend(space, 1, 16)) {
        memory_testing_expect_counted(space);
        slices++;
    }
    cr_expect(slices > 50 && memory_space_bytes(space) < full * 3 / 10, "%u slices", slices);
    cr_expect(remove_key(space, "renamed over"));
    space->own_budget.bytes_max = memory_space_bytes(space) + 1000;
    memory_space_end(space);
    static const uint8_t large[50000];
    cr_expect(space->space.kind->put(&space->space, bytes_of("large"),
                                     (struct bytes){large, sizeof large}, 0) == SPACE_OK,
              "there is room for it in what is doomed");
    memory_testing_expect_counted(space);
    memory_space_free(space);
}

Test(memory_space, has_two_trees_for_a_sorted_set)
{
    struct memory_space *space = memory_testing_new(0, false);
    const struct space_kind *kind = space->space.kind;
    struct space_value value;
    bool is_new;
    cr_assert(kind->create(&space->space, bytes_of("z"), KEY_ZSET, &value) == SPACE_OK);
    cr_assert(kind->tree_put(&value, 1, bytes_of("1a"), bytes_of(""), &is_new) == SPACE_OK);
    cr_expect(value.count == 0, "members are those of tree 0");
    cr_assert(kind->tree_put(&value, 0, bytes_of("a"), bytes_of("1"), &is_new) == SPACE_OK);
    cr_expect(value.count == 1);
    cr_assert(kind->settle(&space->space, bytes_of("z"), &value) == SPACE_OK);
    cr_expect(remove_key(space, "z"));
    memory_space_free(space);
}

/* ---- moves ---- */

Test(memory_space, moves_a_value_under_another_name)
{
    struct memory_space *space = memory_testing_new(0, false);
    struct memory_space *other = memory_testing_new(0, false);
    const struct space_kind *kind = space->space.kind;
    struct memory_space *targets[] = {space, other};
    for (unsigned i = 0; i < 2; i++) {
        struct memory_space *to = targets[i];
        cr_assert(kind->put(&space->space, bytes_of("a"), bytes_of("string"), 9000) == SPACE_OK);
        cr_assert(put(to, "b", "goes") == SPACE_OK && fill(to, "c", 10) == SPACE_OK);
        cr_assert(kind->rename(&space->space, bytes_of("a"), &to->space, bytes_of("b")) ==
                  SPACE_OK);
        cr_expect(find(space, "a").type == KEY_NONE);
        expect_string(to, "b", "string");
        cr_expect(find(to, "b").expires_ms == 9000);
        cr_assert(fill(space, "h", 1000) == SPACE_OK);
        struct space_value value = find(space, "h");
        struct bytes before, after;
        bool is_there;
        cr_assert(kind->expire(&space->space, bytes_of("h"), &value, 8000) == SPACE_OK);
        (void)kind->tree_get(&value, 0, bytes_of("member0500"), &before, &is_there);
        cr_assert(kind->rename(&space->space, bytes_of("h"), &to->space, bytes_of("c")) ==
                  SPACE_OK);
        value = find(to, "c");
        cr_expect(value.type == KEY_HASH && value.count == 1000 && value.expires_ms == 8000);
        (void)kind->tree_get(&value, 0, bytes_of("member0500"), &after, &is_there);
        cr_expect(is_there && after.at == before.at, "members are not copied");
        cr_expect(find(space, "h").type == KEY_NONE);
        memory_testing_expect_counted(space);
        memory_testing_expect_counted(to);
    }
    cr_assert(kind->rename(&other->space, bytes_of("b"), &other->space, bytes_of("b")) == SPACE_OK);
    expect_string(other, "b", "string");
    memory_space_free(space);
    memory_space_free(other);
}

/* ---- all keys ---- */

static bool count_visit(void *self, struct bytes key, const struct space_value *value)
{
    (void)key;
    (void)value;
    ++*(unsigned *)self;
    return true;
}

Test(memory_space, shows_and_clears_all_keys_that_live)
{
    struct memory_space *space = memory_testing_new(0, true);
    const struct space_kind *kind = space->space.kind;
    memory_space_begin(space, 1000, false);
    for (unsigned i = 0; i < 300; i++) {
        char key[16];
        snprintf(key, sizeof key, "key%03u", i);
        cr_assert(kind->put(&space->space, bytes_of(key), bytes_of("v"), i % 3 == 0 ? 1000 : 0) ==
                  SPACE_OK);
    }
    unsigned visited = 0;
    uint64_t position = 0;
    while (position != SPACE_SCAN_END)
        kind->scan(&space->space, &position, 5, count_visit, &visited);
    cr_expect(visited == 200);
    struct bytes key;
    cr_expect(kind->random(&space->space, 99, &key));
    cr_expect(kind->beside(&space->space, bytes_of("key000"), false, false, &key) &&
              bytes_equal(key, bytes_of("key001")));
    cr_expect(kind->beside(&space->space, bytes_of("key001"), false, true, &key) &&
              bytes_equal(key, bytes_of("key002")));
    cr_expect(kind->beside(&space->space, bytes_of("key002"), false, true, &key) &&
                  bytes_equal(key, bytes_of("key004")),
              "what is expired is passed over");
    cr_expect(kind->beside(&space->space, bytes_of("key004"), true, true, &key) &&
              bytes_equal(key, bytes_of("key002")));
    cr_expect(kind->beside(&space->space, bytes_of("key0025"), true, false, &key) &&
              bytes_equal(key, bytes_of("key002")));
    cr_expect(kind->beside(&space->space, bytes_of("z"), true, false, &key) &&
              bytes_equal(key, bytes_of("key299")));
    cr_expect(!kind->beside(&space->space, bytes_of("z"), false, false, &key));
    cr_expect(!kind->beside(&space->space, bytes_of("key001"), true, true, &key));
    memory_testing_expect_counted(space);
    kind->clear(&space->space);
    cr_expect(memory_space_bytes(space) == 0 && kind->count(&space->space) == 0);
    cr_expect(!kind->random(&space->space, 99, &key));
    cr_expect(put(space, "again", "1") == SPACE_OK);
    memory_space_free(space);
}

/* ---- hits ---- */

Test(memory_space, counts_hits_of_commands_that_read)
{
    struct memory_space *space = memory_testing_new(0, false);
    cr_assert(put(space, "a", "1") == SPACE_OK);
    memory_space_begin(space, 1, true);
    find(space, "a");
    find(space, "a");
    find(space, "b");
    memory_space_begin(space, 1, false);
    find(space, "a");
    struct memory_counts counts = {0};
    memory_space_count(space, &counts);
    cr_expect(counts.hits == 2 && counts.misses == 1 && counts.keys == 1);
    cr_expect(counts.bytes == memory_space_bytes(space));
    memory_space_free(space);
}

/* ---- watches ---- */

static struct key_watch *watch(struct memory_space *space, const char *key)
{
    const size_t bytes = strlen(key);
    struct key_watch *made = mem_alloc(sizeof *made + bytes);
    cr_assert(made != NULL);
    made->key_bytes = (uint32_t)bytes;
    memcpy(made->key, key, bytes);
    link_init(&made->watched);
    memory_space_watch(space, made);
    return made;
}

static void change(struct memory_space *space, unsigned how)
{
    const struct space_kind *kind = space->space.kind;
    struct space_value value = find(space, how >= 5 && how <= 6 ? "h" : "a");
    uint8_t *at;
    bool is_new;
    switch (how) {
    case 0: cr_assert(put(space, "a", "2") == SPACE_OK); break;
    case 1:
        cr_assert(kind->edit(&space->space, bytes_of("a"), &value, 1, &at) == SPACE_OK);
        cr_assert(kind->edited(&space->space, bytes_of("a"), &value) == SPACE_OK);
        break;
    case 2: cr_assert(remove_key(space, "a")); break;
    case 3: cr_assert(kind->expire(&space->space, bytes_of("a"), &value, 5000) == SPACE_OK); break;
    case 4: kind->clear(&space->space); break;
    case 5:
        cr_assert(kind->tree_put(&value, 0, bytes_of("m"), bytes_of(""), &is_new) == SPACE_OK);
        cr_assert(kind->settle(&space->space, bytes_of("h"), &value) == SPACE_OK);
        break;
    case 6:
        cr_assert(kind->tree_remove(&value, 0, bytes_of("member0000"), &is_new) == SPACE_OK);
        cr_assert(kind->settle(&space->space, bytes_of("h"), &value) == SPACE_OK);
        break;
    case 7:
        cr_assert(kind->rename(&space->space, bytes_of("a"), &space->space, bytes_of("new")) ==
                  SPACE_OK);
        break;
    case 8:
        cr_assert(kind->rename(&space->space, bytes_of("other"), &space->space, bytes_of("a")) ==
                  SPACE_OK);
        break;
    default: cr_assert(fill(space, "none", 1) == SPACE_OK);
    }
}

Test(memory_space, tells_watchers_of_every_change)
{
    static const char *const changed[] = {"a", "a", "a", "a", "a", "h", "h", "a", "a", "none"};
    for (unsigned how = 0; how < sizeof changed / sizeof *changed; how++) {
        struct memory_space *space = memory_testing_new(0, false);
        cr_assert(put(space, "a", "1") == SPACE_OK && put(space, "other", "1") == SPACE_OK);
        cr_assert(fill(space, "h", 1) == SPACE_OK && put(space, "same", "1") == SPACE_OK);
        struct key_watch *first = watch(space, changed[how]);
        struct key_watch *second = watch(space, changed[how]);
        struct key_watch *same = watch(space, how == 4 ? "never" : "same");
        cr_expect(!memory_space_is_touched(space, first));
        find(space, "a");
        find(space, "h");
        cr_assert(put(space, "else", "1") == SPACE_OK);
        cr_expect(!first->touched && !second->touched && !same->touched);
        change(space, how);
        cr_expect(memory_space_is_touched(space, first) && second->touched, "change %u", how);
        cr_expect(!memory_space_is_touched(space, same), "change %u", how);
        memory_space_unwatch(first);
        memory_space_unwatch(second);
        cr_expect(first->place == NULL);
        memory_space_unwatch(same);
        mem_free(first);
        mem_free(second);
        mem_free(same);
        memory_space_free(space);
    }
}

/* Expired before the watch: nothing. Expired since: a change, swept or not. */
Test(memory_space, tells_watchers_of_expiry)
{
    struct memory_space *space = memory_testing_new(0, false);
    const struct space_kind *kind = space->space.kind;
    memory_space_begin(space, 1000, false);
    cr_assert(kind->put(&space->space, bytes_of("a"), bytes_of("1"), 2000) == SPACE_OK);
    cr_assert(kind->put(&space->space, bytes_of("b"), bytes_of("1"), 3000) == SPACE_OK);
    memory_space_begin(space, 2000, false);
    struct key_watch *gone = watch(space, "a");
    struct key_watch *lives = watch(space, "b");
    cr_expect(!memory_space_is_touched(space, gone) && !memory_space_is_touched(space, lives));
    memory_space_begin(space, 3000, false);
    cr_expect(!memory_space_is_touched(space, gone) && memory_space_is_touched(space, lives));
    memory_space_unwatch(gone);
    memory_space_unwatch(lives);
    mem_free(gone);
    mem_free(lives);
    memory_space_free(space);
}

#ifdef PANDO_FAULTS
/* ---- no memory ---- */

/* Does one of several changes; SPACE_FULL where the nth allocation fails. */
static enum space_result try_change(struct memory_space *space, unsigned how)
{
    const struct space_kind *kind = space->space.kind;
    struct space_value value = find(space, how == 5 ? "h" : how == 1 ? "fresh" : "a");
    uint8_t *at;
    bool is_new;
    switch (how) {
    case 0: return put(space, "fresh", "some string that is not short");
    case 1: return kind->edit(&space->space, bytes_of("fresh"), &value, 100, &at);
    case 2:
        return put(space, "a", "a string that does not fit into the block of the old one, at all");
    case 3: return kind->edit(&space->space, bytes_of("a"), &value, 1000, &at);
    case 4: return kind->create(&space->space, bytes_of("fresh"), KEY_ZSET, &value);
    case 5: return kind->tree_put(&value, 0, bytes_of("new member"), bytes_of("x"), &is_new);
    case 6: return kind->rename(&space->space, bytes_of("h"), &space->space, bytes_of("fresh"));
    case 7: return kind->rename(&space->space, bytes_of("h"), &space->space, bytes_of("a"));
    default: return kind->expire(&space->space, bytes_of("a"), &value, 5000);
    }
}

Test(memory_space, changes_nothing_when_memory_fails)
{
    for (unsigned how = 0; how <= 8; how++)
        for (uint64_t nth = 1;; nth++) {
            struct memory_space *space = memory_testing_new(0, true);
            cr_assert(put(space, "a", "123456789012345678901234") == SPACE_OK);
            cr_assert(fill(space, "h", 64) == SPACE_OK);
            for (unsigned i = 0; i < 318; i++) { /* with two more the table is about to grow */
                char key[16];
                snprintf(key, sizeof key, "key%u", i);
                cr_assert(put(space, key, "v") == SPACE_OK);
            }
            fault_fail_nth(FAULT_ALLOCATION, nth);
            const enum space_result result = try_change(space, how);
            const bool has_failed = fault_seen(FAULT_ALLOCATION) >= nth;
            fault_fail_nth(FAULT_ALLOCATION, 0);
            cr_assert(result == SPACE_OK || has_failed);
            if (result != SPACE_OK) {
                cr_assert(result == SPACE_FULL);
                expect_string(space, "a", "123456789012345678901234");
                cr_assert(find(space, "fresh").type == KEY_NONE && find(space, "h").count == 64);
                cr_assert(find(space, "a").expires_ms == 0);
                cr_assert(space->space.kind->count(&space->space) == 320);
            }
            memory_testing_expect_counted(space);
            memory_space_free(space);
            if (!has_failed)
                break;
            cr_assert(nth < 20);
        }
}
#endif
