/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/space/lmdb_space_test.c - a space against a model, over commits, aborts and
 * reopening; expiry, limits, damage. */
#include "engine/lmdb/space/lmdb_space.h"

#include "core/mem.h"
#include "engine/lmdb/lmdb_testing.h"
#include "engine/lmdb/space/model_testing.h"
#include "engine/lmdb/space/record.h"

#include <criterion/criterion.h>

struct fixture {
    struct lmdb_testing t;
    struct lmdb_space   writer, reader;
};

static void open_again(struct fixture *f)
{
    lmdb_testing_open(&f->t);
    lmdb_space_init(&f->writer, &f->t.shard, true);
    lmdb_space_init(&f->reader, &f->t.shard, false);
}

static void close_for_now(struct fixture *f)
{
    lmdb_space_fini(&f->writer);
    lmdb_space_fini(&f->reader);
    lmdb_shard_close(&f->t.shard);
}

static void begin(struct fixture *f)
{
    lmdb_testing_begin(&f->t);
    open_again(f);
}

static void end(struct fixture *f)
{
    close_for_now(f);
    lmdb_testing_end(&f->t);
}

static void begin_write(struct fixture *f)
{
    cr_assert(lmdb_space_write(&f->writer) == SPACE_OK);
}

static void commit(struct fixture *f)
{
    lmdb_space_rest(&f->writer);
    cr_assert(lmdb_space_commit(&f->writer) == SPACE_OK);
}

static enum space_result put_text(struct fixture *f, const char *key, const char *text,
                                  uint64_t expires_ms)
{
    struct space *space = &f->writer.space;
    return space->kind->put(space, bytes_of(key), bytes_of(text), expires_ms);
}

/* What a new reading transaction finds. */
static enum space_result find(struct fixture *f, const char *key, struct space_value *value)
{
    struct space *space = &f->reader.space;
    lmdb_space_rest(&f->reader);
    lmdb_space_read_end(&f->reader);
    cr_assert(lmdb_space_read(&f->reader) == SPACE_OK);
    return space->kind->find(space, bytes_of(key), value);
}

static bool finds_text(struct fixture *f, const char *key, const char *text)
{
    struct space_value value;
    return find(f, key, &value) == SPACE_OK && value.type == KEY_STRING &&
           bytes_equal(value.string, bytes_of(text));
}

/* ---- the model ---- */

static void compare_reader(struct fixture *f, struct model *model)
{
    lmdb_space_rest(&f->reader);
    lmdb_space_read_end(&f->reader);
    cr_assert(lmdb_space_read(&f->reader) == SPACE_OK);
    model_compare(model, &f->reader.space);
}

/* Some steps in a transaction that is kept or called off. */
static void run_transaction(struct fixture *f, struct model *model, struct model *kept)
{
    begin_write(f);
    for (uint32_t steps = random_below(random_next(&model->random), 12); steps > 0; steps--) {
        model_step(model, &f->writer.space);
        lmdb_space_rest(&f->writer);
    }
    model_compare(model, &f->writer.space);
    if (random_below(random_next(&model->random), 4) == 0) {
        lmdb_space_rest(&f->writer);
        lmdb_space_abort(&f->writer);
        model_copy(model, kept);
    } else {
        commit(f);
        model_copy(kept, model);
    }
}

static void run_model(bool is_ordered, uint64_t seed)
{
    static struct model model, kept;
    struct fixture f = {0};
    lmdb_testing_begin(&f.t);
    f.t.settings.is_ordered = is_ordered;
    open_again(&f);
    model_init(&model, is_ordered, seed);
    model_init(&kept, is_ordered, seed);
    for (unsigned i = 0; i < 120; i++) {
        run_transaction(&f, &model, &kept);
        compare_reader(&f, &model);
        if (i % 25 == 24) {
            close_for_now(&f);
            open_again(&f);
            compare_reader(&f, &model);
        }
    }
    model_fini(&model);
    model_fini(&kept);
    end(&f);
}

Test(lmdb_space, does_what_a_model_does)
{
    for (uint64_t seed = 1; seed <= 4; seed++)
        run_model(false, seed);
}

Test(lmdb_space, does_it_with_ordered_keys_too)
{
    for (uint64_t seed = 11; seed <= 14; seed++)
        run_model(true, seed);
}

/* ---- one thing each ---- */

Test(lmdb_space, a_reader_sees_what_was_committed_when_its_turn_began)
{
    struct fixture f;
    struct space_value value;
    begin(&f);
    begin_write(&f);
    cr_assert(put_text(&f, "a", "one", 0) == SPACE_OK);
    commit(&f);
    cr_expect(finds_text(&f, "a", "one"));
    begin_write(&f);
    cr_assert(put_text(&f, "a", "two", 0) == SPACE_OK);
    commit(&f);
    cr_assert(f.reader.space.kind->find(&f.reader.space, bytes_of("a"), &value) == SPACE_OK);
    cr_expect(bytes_equal(value.string, bytes_of("one")));
    cr_expect(finds_text(&f, "a", "two"));
    end(&f);
}

Test(lmdb_space, what_is_over_is_not_there_and_goes_in_slices)
{
    struct fixture f;
    struct space_value value;
    char key[16];
    begin(&f);
    begin_write(&f);
    for (unsigned i = 0; i < 10; i++) {
        snprintf(key, sizeof key, "k%u", i);
        cr_assert(put_text(&f, key, "x", i < 7 ? 100 + i : 0) == SPACE_OK);
    }
    commit(&f);
    f.reader.space.now_ms = 105;
    cr_expect(find(&f, "k5", &value) == SPACE_OK && value.type == KEY_NONE);
    cr_expect(find(&f, "k6", &value) == SPACE_OK && value.type == KEY_STRING);
    cr_expect(f.reader.space.kind->count(&f.reader.space) == 10);
    begin_write(&f);
    cr_expect(lmdb_space_remove_expired(&f.writer, 105, 4) == 4);
    cr_expect(lmdb_space_remove_expired(&f.writer, 105, 4) == 2);
    cr_expect(f.writer.space.kind->count(&f.writer.space) == 4);
    commit(&f);
    cr_expect(atomic_load(&f.t.shard.figures.expired) == 6);
    cr_expect(lmdb_shard_count(&f.t.shard) == 4);
    end(&f);
}

Test(lmdb_space, a_key_by_chance_is_none_whose_time_is_over)
{
    struct fixture f;
    struct space_value value;
    char key[16];
    struct bytes drawn;
    begin(&f);
    begin_write(&f);
    for (unsigned i = 0; i < 10; i++) {
        snprintf(key, sizeof key, "k%u", i);
        cr_assert(put_text(&f, key, "x", i < 7 ? 100 + i : 0) == SPACE_OK);
    }
    commit(&f);
    cr_assert(find(&f, "k9", &value) == SPACE_OK);
    f.reader.space.now_ms = 200;
    for (uint64_t i = 0; i < 500; i++) {
        const uint64_t draw = i * 0x9e3779b97f4a7c15u;
        cr_assert(f.reader.space.kind->random(&f.reader.space, draw, &drawn));
        cr_assert(drawn.count == 2 && drawn.at[1] >= '7', "%.2s", (const char *)drawn.at);
    }
    end(&f);
}

static void put_members(struct fixture *f, const char *key, unsigned count)
{
    struct space *space = &f->writer.space;
    struct space_value value;
    bool is_new;
    cr_assert(space->kind->create(space, bytes_of(key), KEY_SET, &value) == SPACE_OK);
    for (unsigned i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "%08u", i);
        cr_assert(space->kind->tree_put(&value, 0, bytes_of(name), (struct bytes){0}, &is_new) ==
                  SPACE_OK);
    }
    cr_assert(space->kind->settle(space, bytes_of(key), &value) == SPACE_OK);
}

Test(lmdb_space, members_of_a_large_collection_go_bit_by_bit)
{
    struct fixture f;
    begin(&f);
    begin_write(&f);
    put_members(&f, "large", 3 * LMDB_REMOVED_AT_ONCE);
    put_members(&f, "small", 5);
    commit(&f);
    const uint64_t before = atomic_load(&f.t.shard.figures.used_bytes);
    begin_write(&f);
    cr_expect(f.writer.space.kind->remove(&f.writer.space, bytes_of("large")));
    cr_expect(lmdb_space_empty_trash(&f.writer, 1000) == 1000);
    commit(&f);
    begin_write(&f);
    cr_expect(lmdb_space_empty_trash(&f.writer, 1000) == 3 * LMDB_REMOVED_AT_ONCE - 1000);
    cr_expect(lmdb_space_empty_trash(&f.writer, 1000) == 0);
    commit(&f);
    cr_expect(atomic_load(&f.t.shard.figures.used_bytes) < before);
    struct space_value value;
    cr_expect(find(&f, "small", &value) == SPACE_OK && value.count == 5);
    end(&f);
}

/* More cursors than slots, in turns, in a reading and in a writing transaction. */
static void walk_together(struct space *space)
{
    struct space_value value;
    struct space_cursor cursors[3 * LMDB_SLOTS];
    cr_assert(space->kind->find(space, bytes_of("set"), &value) == SPACE_OK);
    for (unsigned i = 0; i < 3 * LMDB_SLOTS; i++) {
        cursors[i] = (struct space_cursor){.value = &value};
        space->kind->seek_rank(&cursors[i], i);
    }
    for (unsigned step = 0; step < 20; step++) {
        for (unsigned i = 0; i < 3 * LMDB_SLOTS; i++) {
            char name[16];
            snprintf(name, sizeof name, "%08u", i + step);
            cr_assert(cursors[i].is_there && bytes_equal(cursors[i].key, bytes_of(name)));
            space->kind->next(&cursors[i]);
        }
    }
}

Test(lmdb_space, any_number_of_cursors_walk_at_once)
{
    struct fixture f;
    begin(&f);
    begin_write(&f);
    put_members(&f, "set", 200);
    walk_together(&f.writer.space);
    commit(&f);
    for (unsigned turn = 0; turn < 3; turn++) {
        cr_assert(lmdb_space_read(&f.reader) == SPACE_OK);
        walk_together(&f.reader.space);
        lmdb_space_read_end(&f.reader);
    }
    end(&f);
}

Test(lmdb_space, a_member_may_get_another_value_while_a_cursor_stands_at_it)
{
    struct fixture f;
    struct space_value value;
    struct space *space = &f.writer.space;
    struct space_cursor cursor = {.value = &value};
    unsigned count = 0;
    begin(&f);
    begin_write(&f);
    put_members(&f, "set", 300);
    cr_assert(space->kind->find(space, bytes_of("set"), &value) == SPACE_OK);
    for (space->kind->seek(&cursor, bytes_of("")); cursor.is_there; space->kind->next(&cursor)) {
        char name[16];
        bool is_new;
        snprintf(name, sizeof name, "%08u", count++);
        cr_assert(bytes_equal(cursor.key, bytes_of(name)));
        cr_assert(space->kind->tree_put(&value, 0, bytes_of(name), bytes_of("longer now"),
                                        &is_new) == SPACE_OK);
        cr_assert(!is_new);
    }
    cr_expect(count == 300);
    end(&f);
}

Test(lmdb_space, keys_that_are_cut_alike_are_not_the_same)
{
    struct fixture f;
    struct space_value value;
    char key[RECORD_KEY_MAX + 200];
    begin(&f);
    memset(key, 'k', sizeof key);
    key[sizeof key - 1] = 0;
    begin_write(&f);
    cr_assert(put_text(&f, key, "one", 500) == SPACE_OK);
    key[sizeof key - 2] = 'l';
    cr_assert(put_text(&f, key, "two", 500) == SPACE_OK);
    commit(&f);
    cr_expect(finds_text(&f, key, "two"));
    key[sizeof key - 2] = 'k';
    cr_expect(finds_text(&f, key, "one"));
    key[sizeof key - 2] = 'm';
    cr_expect(find(&f, key, &value) == SPACE_OK && value.type == KEY_NONE);
    begin_write(&f);
    cr_expect(lmdb_space_remove_expired(&f.writer, 500, 10) == 2);
    cr_expect(f.writer.space.kind->count(&f.writer.space) == 0);
    end(&f);
}

Test(lmdb_space, ordered_keys_may_not_be_cut)
{
    struct fixture f;
    char key[RECORD_ORDERED_KEY_MAX + 2];
    memset(key, 'k', sizeof key);
    key[sizeof key - 1] = 0;
    lmdb_testing_begin(&f.t);
    f.t.settings.is_ordered = true;
    open_again(&f);
    begin_write(&f);
    cr_expect(put_text(&f, key, "x", 0) == SPACE_KEY_TOO_LONG);
    cr_expect(put_text(&f, key + 1, "x", 0) == SPACE_OK);
    commit(&f);
    end(&f);
}

/* ---- limits ---- */

static unsigned put_until_full(struct fixture *f)
{
    char key[16];
    char text[1001] = {0};
    unsigned count = 0;
    memset(text, 'x', 1000);
    for (enum space_result result = SPACE_OK; result == SPACE_OK; count++) {
        begin_write(f);
        snprintf(key, sizeof key, "k%u", count);
        result = put_text(f, key, text, 0);
        if (result == SPACE_OK)
            result = lmdb_space_commit(&f->writer);
        else
            lmdb_space_abort(&f->writer);
        cr_assert(result == SPACE_OK || result == SPACE_DISK_FULL);
    }
    return count - 1;
}

Test(lmdb_space, over_the_limit_writes_are_refused_until_there_is_room)
{
    struct fixture f;
    struct space_value value;
    begin(&f);
    atomic_store(&f.t.shard.disk_bytes_max, 1 << 20);
    const unsigned count = put_until_full(&f);
    cr_expect(count > 400 && count < 1048, "%u", count);
    cr_expect(atomic_load(&f.t.shard.figures.used_bytes) <= 1 << 20);
    cr_expect(find(&f, "k0", &value) == SPACE_OK && value.string.count == 1000);
    begin_write(&f);
    for (unsigned i = 0; i < count; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%u", i);
        cr_assert(f.writer.space.kind->remove(&f.writer.space, bytes_of(key)));
    }
    commit(&f);
    cr_expect(put_until_full(&f) > count * 9 / 10);
    end(&f);
}

Test(lmdb_space, a_full_map_is_a_full_disk_and_keeps_what_was_there)
{
    struct fixture f;
    struct space_value value;
    lmdb_testing_begin(&f.t);
    f.t.settings.map_bytes = 1 << 20;
    open_again(&f);
    const unsigned count = put_until_full(&f);
    cr_expect(count > 100);
    cr_expect(find(&f, "k0", &value) == SPACE_OK && value.string.count == 1000);
    end(&f);
}

/* ---- damage ---- */

static size_t find_in_file(FILE *file, const char *text)
{
    char window[64] = {0};
    size_t bytes = strlen(text), at = 0;
    int c;
    rewind(file);
    while ((c = fgetc(file)) != EOF) {
        memmove(window, window + 1, bytes - 1);
        window[bytes - 1] = (char)c;
        at++;
        if (memcmp(window, text, bytes) == 0)
            return at - bytes;
    }
    return SIZE_MAX;
}

/* Flips a bit of every place in the file where @text is. */
static void damage(struct fixture *f, const char *text)
{
    char path[128];
    FILE *file = fopen(lmdb_testing_path(&f->t, "data.mdb", path), "r+");
    size_t at;
    cr_assert(file != NULL);
    unsigned count = 0;
    while ((at = find_in_file(file, text)) != SIZE_MAX) {
        fseek(file, (long)at, SEEK_SET);
        fputc(text[0] ^ 1, file);
        count++;
    }
    fclose(file);
    cr_assert(count > 0);
}

Test(lmdb_space, a_flipped_bit_is_damage_and_never_a_value)
{
    struct fixture f;
    struct space_value value;
    begin(&f);
    begin_write(&f);
    cr_assert(put_text(&f, "a", "a text that is kept", 0) == SPACE_OK);
    cr_assert(put_text(&f, "b", "another one", 0) == SPACE_OK);
    commit(&f);
    close_for_now(&f);
    damage(&f, "a text that is kept");
    open_again(&f);
    cr_expect(find(&f, "a", &value) == SPACE_DAMAGED && value.type == KEY_NONE);
    cr_expect(finds_text(&f, "b", "another one"));
    begin_write(&f); /* it can be written over, and removed */
    cr_expect(put_text(&f, "a", "new", 0) == SPACE_OK);
    commit(&f);
    cr_expect(finds_text(&f, "a", "new"));
    end(&f);
}

Test(lmdb_space, a_damaged_chunk_or_member_is_not_given_either)
{
    struct fixture f;
    struct space_value value;
    static char text[100001];
    bool is_there;
    struct bytes found;
    struct space *space = &f.reader.space;
    struct space_cursor cursor = {.value = &value};
    begin(&f);
    memset(text, 'x', 100000);
    memcpy(text + 50000, "in the middle", 13);
    begin_write(&f);
    cr_assert(put_text(&f, "long", text, 0) == SPACE_OK);
    put_members(&f, "set", 10);
    commit(&f);
    close_for_now(&f);
    damage(&f, "in the middle");
    damage(&f, "00000005");
    open_again(&f);
    cr_expect(find(&f, "long", &value) == SPACE_DAMAGED);
    cr_expect(find(&f, "set", &value) == SPACE_OK);
    cr_expect(space->kind->tree_get(&value, 0, bytes_of("00000004"), &found, &is_there) ==
                  SPACE_OK &&
              is_there);
    cr_expect(!f.reader.met_damage);
    unsigned count = 0;
    for (space->kind->seek(&cursor, bytes_of("")); cursor.is_there; space->kind->next(&cursor))
        count++;
    cr_expect(count < 10 && f.reader.met_damage);
    end(&f);
}

/* ---- memory ---- */

#ifdef PANDO_FAULTS

/* What takes memory: long strings, edits, long members, renames. */
static enum space_result change_much(struct space *space, const struct bytes text)
{
    struct space_value value;
    uint8_t *at;
    bool is_new;
    enum space_result result = space->kind->put(space, bytes_of("a"), text, 500);
    if (result == SPACE_OK)
        result = space->kind->find(space, bytes_of("a"), &value);
    if (result == SPACE_OK)
        result = space->kind->edit(space, bytes_of("a"), &value, text.count + 70000, &at);
    if (result == SPACE_OK)
        result = space->kind->edited(space, bytes_of("a"), &value);
    if (result == SPACE_OK)
        result = space->kind->rename(space, bytes_of("a"), space, bytes_of("b"));
    if (result == SPACE_OK)
        result = space->kind->create(space, bytes_of("set"), KEY_SET, &value);
    if (result == SPACE_OK)
        result = space->kind->tree_put(&value, 0, text, text, &is_new);
    return result == SPACE_OK ? space->kind->settle(space, bytes_of("set"), &value) : result;
}

Test(lmdb_space, without_memory_a_transaction_changes_nothing)
{
    static uint8_t text[100000];
    struct fixture f;
    struct space_value value;
    enum space_result result = SPACE_FULL;
    uint64_t nth = 0;
    begin(&f);
    while (result != SPACE_OK) {
        begin_write(&f);
        fault_fail_nth(FAULT_ALLOCATION, ++nth);
        result = change_much(&f.writer.space, (struct bytes){text, sizeof text});
        fault_fail_nth(FAULT_ALLOCATION, 0);
        if (result == SPACE_OK) {
            commit(&f);
            break;
        }
        cr_assert(result == SPACE_FULL, "%d", result);
        lmdb_space_rest(&f.writer);
        lmdb_space_abort(&f.writer);
        cr_assert(find(&f, "a", &value) == SPACE_OK && value.type == KEY_NONE);
        cr_assert(find(&f, "b", &value) == SPACE_OK && value.type == KEY_NONE);
    }
    cr_expect(nth > 5, "%lu", nth);
    cr_expect(find(&f, "b", &value) == SPACE_OK && value.string.count == 170000);
    end(&f);
}

#endif
