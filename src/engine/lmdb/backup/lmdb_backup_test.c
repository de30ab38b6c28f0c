/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/backup/lmdb_backup_test.c - what is written can be laid, by another layout too; what
 * is damaged or not of its type is refused by name; writers pause for the moment. */
#include "engine/lmdb/backup/lmdb_backup.h"

#include "codec/backup/backup_read.h"
#include "core/units.h"
#include "engine/keys/members.h"
#include "engine/lmdb/backup/lmdb_lay.h"
#include "engine/lmdb/check/lmdb_check.h"
#include "engine/lmdb/lmdb_testing.h"

static struct lmdb_testing t, laid;
static struct lmdb_lay lay;
static uint8_t file[1 << 20];
static size_t file_bytes, file_at;
static char long_text[150001];

static bool put(void *self, const uint8_t *at, size_t bytes)
{
    (void)self;
    if (file_bytes + bytes > sizeof file)
        return false;
    memcpy(file + file_bytes, at, bytes);
    file_bytes += bytes;
    return true;
}

static ptrdiff_t get(void *self, uint8_t *at, size_t bytes)
{
    (void)self;
    const size_t left = file_bytes - file_at, part = bytes < left ? bytes : left;
    memcpy(at, file + file_at, part);
    file_at += part;
    return (ptrdiff_t)part;
}

static struct bytes hashed(const char *name, uint8_t room[64])
{
    const uint32_t hash = __builtin_bswap32(members_hash(bytes_of(name)));
    memcpy(room, &hash, sizeof hash);
    memcpy(room + sizeof hash, name, strlen(name));
    return (struct bytes){room, sizeof hash + strlen(name)};
}

static void fill(void)
{
    struct lmdb_space writer;
    struct space_value value;
    uint8_t room[64];
    char name[16];
    bool is_new;
    memset(long_text, 'z', sizeof long_text - 1);
    lmdb_space_init(&writer, &t.shard, true);
    cr_assert(lmdb_space_write(&writer) == SPACE_OK);
    struct space *space = &writer.space;
    cr_assert(space->kind->put_as(space, bytes_of("a"), bytes_of("1"), 77, 3) == SPACE_OK);
    cr_assert(space->kind->put_as(space, bytes_of("long"), bytes_of(long_text), 0, 7) == SPACE_OK);
    cr_assert(space->kind->create(space, bytes_of("set"), KEY_SET, &value) == SPACE_OK);
    for (unsigned i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "m%u", i);
        cr_assert(space->kind->tree_put(&value, 0, hashed(name, room), (struct bytes){0},
                                        &is_new) == SPACE_OK);
    }
    cr_assert(space->kind->settle(space, bytes_of("set"), &value) == SPACE_OK);
    cr_assert(lmdb_space_commit(&writer) == SPACE_OK);
    lmdb_space_fini(&writer);
}

static enum err_kind write_backup(struct err *e)
{
    struct lmdb_backup_part part = {.shard = &t.shard};
    struct backup_writer writer;
    file_bytes = file_at = 0;
    cr_assert(lmdb_backup_begin(&part, 1, e) == ERR_NONE);
    backup_write_begin(&writer, 3, put, NULL);
    backup_write_item(&writer, &(struct backup_item){.tag = BACKUP_HEAD});
    backup_write_item(&writer, &(struct backup_item){.tag = BACKUP_BEGIN});
    const enum err_kind kind = lmdb_backup_write(&part, &writer, e);
    cr_assert(kind != ERR_NONE || backup_write_end(&writer));
    lmdb_backup_end(&part, 1);
    backup_write_fini(&writer);
    return kind;
}

static void begin_lay(bool is_ordered)
{
    struct err e = {0};
    lmdb_testing_begin(&laid);
    laid.settings.is_ordered = is_ordered;
    cr_assert(lmdb_lay_open(&lay, &laid.settings, &e) == ERR_NONE, "%s", e.story);
}

static void lay_all(void)
{
    struct backup_reader reader;
    struct backup_item item;
    struct err e = {0};
    enum backup_verdict verdict;
    backup_read_begin(&reader, get, NULL);
    while ((verdict = backup_read_next(&reader, &item)) == BACKUP_READ_ITEM)
        if (item.tag != BACKUP_HEAD && item.tag != BACKUP_BEGIN)
            cr_assert(lmdb_lay_item(&lay, &item, &e) == ERR_NONE, "%s", e.story);
    cr_assert(verdict == BACKUP_READ_END);
    cr_assert(lmdb_lay_end(&lay, &e) == ERR_NONE, "%s", e.story);
    backup_read_fini(&reader);
    lmdb_lay_close(&lay);
}

Test(lmdb_backup, what_is_written_is_laid_in_either_order)
{
    struct err e = {0};
    lmdb_testing_begin(&t);
    lmdb_testing_open(&t);
    fill();
    for (int is_ordered = 0; is_ordered < 2; is_ordered++) {
        struct lmdb_checked checked;
        struct lmdb_space reader;
        struct space_value value;
        cr_assert(write_backup(&e) == ERR_NONE, "%s", e.story);
        begin_lay(is_ordered);
        lay_all();
        lmdb_testing_open(&laid);
        cr_assert(lmdb_check(&laid.shard, NULL, NULL, &checked, &e) == ERR_NONE);
        cr_expect(checked.findings == 0 && checked.keys == 3 && checked.members == 300);
        lmdb_space_init(&reader, &laid.shard, false);
        cr_assert(lmdb_space_read(&reader) == SPACE_OK);
        (void)reader.space.kind->find(&reader.space, bytes_of("a"), &value);
        cr_expect(value.expires_ms == 77 && bytes_equal(value.string, bytes_of("1")));
        cr_expect(value.media == 3);
        (void)reader.space.kind->find(&reader.space, bytes_of("long"), &value);
        cr_expect(bytes_equal(value.string, bytes_of(long_text)) && value.media == 7);
        (void)reader.space.kind->find(&reader.space, bytes_of("set"), &value);
        cr_expect(value.type == KEY_SET && value.count == 300);
        lmdb_space_fini(&reader);
        lmdb_testing_end(&laid);
    }
    lmdb_testing_end(&t);
}

/* Members out of their form would be believed by the commands later. */
Test(lmdb_backup, members_that_are_not_of_their_type_are_refused)
{
    static const uint64_t one = 1;
    uint8_t room[64];
    const struct bytes name = hashed("m", room), plain = bytes_of("member"),
                       count = {(const uint8_t *)&one, sizeof one};
    const struct {
        uint8_t type, tree;
        struct bytes name, value;
        bool is_good;
    } cases[] = {
        {KEY_SET, 0, name, {0}, true},          {KEY_SET, 0, plain, {0}, false},
        {KEY_SET, 0, name, plain, false},       {KEY_SET, 1, name, {0}, false},
        {KEY_HASH, 0, name, plain, true},       {KEY_ZSET, 0, name, plain, false},
        {KEY_ZSET, 0, name, count, true},       {KEY_ZSET, 1, plain, {0}, false},
        {KEY_LIST, 0, count, plain, true},      {KEY_LIST, 0, plain, plain, false},
        {KEY_TYPES_COUNT, 0, name, {0}, false},
    };
    begin_lay(false);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err e = {0};
        const struct backup_item key = {
            .tag = BACKUP_COLLECTION, .kind = cases[i].type, .name = bytes_of("k"), .value = count};
        const struct backup_item member = {.tag = BACKUP_MEMBER,
                                           .kind = cases[i].tree,
                                           .name = cases[i].name,
                                           .value = cases[i].value};
        enum err_kind kind = lmdb_lay_item(&lay, &key, &e);
        if (kind == ERR_NONE)
            kind = lmdb_lay_item(&lay, &member, &e);
        cr_expect((kind == ERR_NONE) == cases[i].is_good, "case %zu: %s", i, e.story);
    }
    lmdb_lay_close(&lay);
    lmdb_testing_end(&laid);
}

/* What does not fit into `disk` is said, and not that the disk failed. */
Test(lmdb_backup, a_limit_that_is_too_small_is_said)
{
    struct err e = {0};
    memset(long_text, 'z', sizeof long_text - 1);
    lmdb_testing_begin(&laid);
    laid.settings.disk_bytes_max = 100 * 1024;
    cr_assert(lmdb_lay_open(&lay, &laid.settings, &e) == ERR_NONE);
    const struct backup_item item = {
        .tag = BACKUP_STRING, .name = bytes_of("k"), .value = bytes_of(long_text)};
    cr_expect(lmdb_lay_item(&lay, &item, &e) == ERR_LIMIT);
    cr_expect(strstr(e.story, "`disk`") != NULL, "%s", e.story);
    lmdb_lay_close(&lay);
    lmdb_testing_end(&laid);
}

Test(lmdb_backup, a_writer_that_pauses_begins_nothing)
{
    static struct lmdb_writer writer;
    lmdb_testing_begin(&t);
    lmdb_testing_open(&t);
    lmdb_writer_init(&writer, &t.shard, 1 << 20, 1);
    lmdb_writer_tick(&writer, 1000);
    lmdb_writer_pause(&writer);
    cr_expect(lmdb_writer_rest(&writer, clock_monotonic_ns()));
    cr_expect(!lmdb_writer_step(&writer));
    lmdb_writer_go_on(&writer);
    cr_expect(lmdb_writer_step(&writer));
    /* One that is busy for too long is not waited for. */
    writer.is_busy = true;
    lmdb_writer_pause(&writer);
    cr_expect(!lmdb_writer_rest(&writer, clock_monotonic_ns() + 1000));
    lmdb_writer_go_on(&writer);
    writer.is_busy = false;
    lmdb_writer_stop(&writer);
    lmdb_testing_end(&t);
}
