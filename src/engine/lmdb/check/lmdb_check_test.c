/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/check/lmdb_check_test.c - what the check finds, and that nothing else is found. */
#include "engine/lmdb/check/lmdb_check.h"

#include "core/random.h"
#include "engine/lmdb/lmdb_testing.h"
#include "engine/lmdb/space/lmdb_space.h"
#include "engine/lmdb/space/record.h"

#include <fcntl.h>
#include <lmdb.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct lmdb_testing t;
static char last_finding[512];
static struct lmdb_checked checked;

static void note(void *self, const char *sentence)
{
    (void)self;
    snprintf(last_finding, sizeof last_finding, "%s", sentence);
}

static void check(void)
{
    struct err e = {0};
    last_finding[0] = 0;
    cr_assert(lmdb_check(&t.shard, note, NULL, &checked, &e) == ERR_NONE, "%s", e.story);
}

static void expect_finding(const char *sentence)
{
    check();
    cr_expect(checked.findings > 0 && strcmp(last_finding, sentence) == 0, "%lu: %s",
              checked.findings, last_finding);
}

static void put_collection(struct space *space, const char *key, unsigned count)
{
    struct space_value value;
    bool is_new;
    cr_assert(space->kind->create(space, bytes_of(key), KEY_SET, &value) == SPACE_OK);
    for (unsigned i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "m%u", i);
        cr_assert(space->kind->tree_put(&value, 0, bytes_of(name), bytes_of("value"), &is_new) ==
                  SPACE_OK);
    }
    cr_assert(space->kind->settle(space, bytes_of(key), &value) == SPACE_OK);
}

static char long_text[200001];

static void begin(bool is_ordered)
{
    lmdb_testing_begin(&t);
    t.settings.is_ordered = is_ordered;
    lmdb_testing_open(&t);
    memset(long_text, 'y', sizeof long_text - 1);
    struct lmdb_space writer;
    lmdb_space_init(&writer, &t.shard, true);
    cr_assert(lmdb_space_write(&writer) == SPACE_OK);
    struct space *space = &writer.space;
    for (unsigned i = 0; i < 300; i++) {
        char key[16];
        snprintf(key, sizeof key, "key%u", i);
        const struct bytes text = {(const uint8_t *)long_text, i * 10};
        cr_assert(space->kind->put(space, bytes_of(key), text, i % 3 == 0 ? 5000 + i : 0) ==
                  SPACE_OK);
    }
    cr_assert(space->kind->put(space, bytes_of("long"), bytes_of(long_text), 0) == SPACE_OK);
    put_collection(space, "set", 300);
    put_collection(space, "gone", LMDB_REMOVED_AT_ONCE + 100);
    cr_assert(lmdb_space_commit(&writer) == SPACE_OK);
    cr_assert(lmdb_space_write(&writer) == SPACE_OK);
    cr_assert(space->kind->remove(space, bytes_of("gone")));
    cr_assert(space->kind->remove(space, bytes_of("key77")));
    cr_assert(lmdb_space_commit(&writer) == SPACE_OK);
    lmdb_space_fini(&writer);
}

/* Changes a database behind everybody's back: @value NULL deletes. */
static void meddle(enum lmdb_database database, struct bytes key, const char *value)
{
    MDB_txn *txn;
    MDB_val lmdb_key = {key.count, (void *)(uintptr_t)key.at};
    MDB_val lmdb_value = {value == NULL ? 0 : strlen(value), (void *)(uintptr_t)value};
    cr_assert(mdb_txn_begin(t.shard.env, NULL, 0, &txn) == 0);
    cr_assert((value == NULL
                   ? mdb_del(txn, t.shard.databases[database], &lmdb_key, NULL)
                   : mdb_put(txn, t.shard.databases[database], &lmdb_key, &lmdb_value, 0)) == 0);
    cr_assert(mdb_txn_commit(txn) == 0);
}

/* The first key of a database. */
static struct bytes first_key(enum lmdb_database database, uint8_t room[RECORD_KEY_MAX])
{
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val key;
    cr_assert(mdb_txn_begin(t.shard.env, NULL, MDB_RDONLY, &txn) == 0);
    cr_assert(mdb_cursor_open(txn, t.shard.databases[database], &cursor) == 0);
    cr_assert(mdb_cursor_get(cursor, &key, NULL, MDB_FIRST) == 0);
    memcpy(room, key.mv_data, key.mv_size);
    const struct bytes found = {room, key.mv_size};
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    return found;
}

Test(lmdb_check, a_sound_shard_has_no_findings)
{
    for (unsigned is_ordered = 0; is_ordered < 2; is_ordered++) {
        begin(is_ordered);
        check();
        cr_expect(checked.findings == 0, "%s", last_finding);
        cr_expect(checked.keys == 301 && checked.chunks == 7);
        cr_expect(checked.members == 300 + LMDB_REMOVED_AT_ONCE + 100);
        cr_expect(checked.pages > 100);
        lmdb_testing_end(&t);
    }
}

Test(lmdb_check, what_does_not_agree_is_named)
{
    uint8_t room[RECORD_KEY_MAX];
    begin(false);
    meddle(LMDB_EXPIRY, first_key(LMDB_EXPIRY, room), NULL);
    expect_finding("keys: 'key0': it would not be removed when its time comes");
    lmdb_testing_end(&t);
    begin(false);
    meddle(LMDB_EXPIRY, bytes_of("12345678no such key"), "");
    expect_finding("expiry: an entry is of no key");
    lmdb_testing_end(&t);
    begin(false);
    meddle(LMDB_MEMBERS, bytes_of("\x01no such collection"), "a value without a sum");
    expect_finding("members: 'collection': its sum is wrong");
    lmdb_testing_end(&t);
    begin(false);
    meddle(LMDB_CHUNKS, first_key(LMDB_CHUNKS, room), NULL);
    expect_finding("keys: 'long': it is longer or shorter than its chunks");
    lmdb_testing_end(&t);
    begin(false);
    meddle(LMDB_MEMBERS, first_key(LMDB_MEMBERS, room), NULL);
    expect_finding("keys: 'set': it has more or fewer members than it says");
    lmdb_testing_end(&t);
    begin(true);
    meddle(LMDB_POSITIONS, first_key(LMDB_POSITIONS, room), NULL);
    check();
    cr_expect(strstr(last_finding, "it is not where SCAN would find it") != NULL);
    lmdb_testing_end(&t);
}

Test(lmdb_check, a_key_that_was_written_over_is_named)
{
    uint8_t room[RECORD_KEY_MAX];
    begin(true);
    meddle(LMDB_KEYS, first_key(LMDB_KEYS, room),
           "nonsense that is long enough for a head, as it were");
    expect_finding("keys: 'key0': its sum is wrong");
    lmdb_testing_end(&t);
}

/* ---- any bit ---- */

enum { EXIT_FOUND = 10, EXIT_REFUSED, EXIT_SAME, EXIT_DIFFERS };

static bool all_is_there(struct lmdb_space *reader)
{
    struct space *space = &reader->space;
    for (unsigned i = 0; i < 300; i++) {
        char key[16];
        struct space_value value;
        snprintf(key, sizeof key, "key%u", i);
        if (space->kind->find(space, bytes_of(key), &value) != SPACE_OK ||
            (value.type == KEY_STRING) != (i != 77) ||
            !bytes_equal(value.string,
                         (struct bytes){(const uint8_t *)long_text, i == 77 ? 0 : i * 10}))
            return false;
    }
    return true;
}

/* In a process of its own, since LMDB may end it. */
static void look_at_flipped(void)
{
    struct err e;
    struct lmdb_space reader;
    signal(SIGABRT, SIG_DFL);
    if (lmdb_shard_open(&t.shard, &t.settings, &e) != ERR_NONE)
        _exit(EXIT_REFUSED);
    if (lmdb_check(&t.shard, note, NULL, &checked, &e) != ERR_NONE || checked.findings > 0)
        _exit(EXIT_FOUND);
    lmdb_space_init(&reader, &t.shard, false);
    _exit(lmdb_space_read(&reader) == SPACE_OK && all_is_there(&reader) ? EXIT_SAME : EXIT_DIFFERS);
}

static void flip(int fd, off_t at, unsigned bit)
{
    uint8_t byte;
    cr_assert(pread(fd, &byte, 1, at) == 1);
    byte ^= (uint8_t)(1u << bit);
    cr_assert(pwrite(fd, &byte, 1, at) == 1);
}

Test(lmdb_check, whatever_bit_is_flipped_it_is_found_or_no_value_differs)
{
    struct random random;
    struct stat file;
    char path[128];
    unsigned counts[256] = {0}, ended = 0;
    random_init(&random, 7);
    begin(false);
    lmdb_shard_close(&t.shard);
    const int fd = open(lmdb_testing_path(&t, "data.mdb", path), O_RDWR);
    cr_assert(fd >= 0 && fstat(fd, &file) == 0);
    for (unsigned i = 0; i < 300; i++) {
        /* Half of them in the first pages, where heads and roots are. */
        const uint64_t below = i % 2 == 0 ? 6 * 4096 : (uint64_t)file.st_size;
        const off_t at = (off_t)(random_next(&random) % below);
        int status;
        flip(fd, at, i % 8);
        const pid_t child = fork();
        if (child == 0)
            look_at_flipped();
        cr_assert(waitpid(child, &status, 0) == child);
        if (WIFEXITED(status))
            counts[WEXITSTATUS(status)]++;
        else {
            ended++;
            cr_log_warn("DBG byte %ld bit %u sig %d", (long)at, i % 8, WTERMSIG(status));
        }
        cr_expect(!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_DIFFERS, "byte %ld bit %u",
                  (long)at, i % 8);
        flip(fd, at, i % 8);
    }
    close(fd);
    cr_expect(counts[EXIT_FOUND] > 50 && counts[EXIT_SAME] > 5, "%u %u", counts[EXIT_FOUND],
              counts[EXIT_SAME]);
    cr_expect(ended == 0, "LMDB ended the process %u times", ended);
    lmdb_testing_end(&t);
}
