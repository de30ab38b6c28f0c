/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/sync/lmdb_sync_test.c - whatever of the writes since the last sync has reached the
 * disk when the power goes, the state of that sync is whole.
 *
 * The file is kept as it was after every commit; of each page any version since the last sync may
 * be the one that the disk has. */
#include "engine/lmdb/sync/lmdb_sync.h"

#include "core/random.h"
#include "engine/lmdb/check/lmdb_check.h"
#include "engine/lmdb/lmdb_testing.h"
#include "engine/lmdb/space/lmdb_space.h"

#include <fcntl.h>
#include <lmdb.h>
#include <sys/stat.h>

enum { PAGE = 4096, FILE_PAGES_MAX = 600, VERSIONS_MAX = 12, KEYS = 60, CUTS = 60 };

static struct lmdb_testing t;
static struct lmdb_space writer;
static struct random draws;
static uint8_t versions[VERSIONS_MAX][FILE_PAGES_MAX * PAGE];
static size_t version_bytes[VERSIONS_MAX];
static size_t versions_count;

static void open_it(void)
{
    t.settings.sync = LMDB_SYNC_INTERVAL;
    lmdb_testing_open(&t);
    lmdb_space_init(&writer, &t.shard, true);
}

static void close_it(void)
{
    lmdb_space_fini(&writer);
    lmdb_shard_close(&t.shard);
}

static void end_it(void)
{
    char path[128];
    lmdb_space_fini(&writer);
    lmdb_shard_close(&t.shard);
    unlink(lmdb_testing_path(&t, "sync.state", path));
    lmdb_testing_end(&t);
}

/* One transaction: every key that is touched says the round. */
static void write_round(unsigned round)
{
    char key[16], value[900];
    cr_assert(lmdb_space_write(&writer) == SPACE_OK);
    for (unsigned i = 0; i < KEYS; i += 1 + (unsigned)random_below(random_next(&draws), 3)) {
        snprintf(key, sizeof key, "key%u", i);
        snprintf(value, sizeof value, "%u %0*u", round, 40 + (int)(i * 10), i);
        if (random_below(random_next(&draws), 5) == 0)
            (void)writer.space.kind->remove(&writer.space, bytes_of(key));
        else
            cr_assert(writer.space.kind->put(&writer.space, bytes_of(key), bytes_of(value), 0) ==
                      SPACE_OK);
    }
    snprintf(value, sizeof value, "%u", round);
    cr_assert(writer.space.kind->put(&writer.space, bytes_of("round"), bytes_of(value), 0) ==
              SPACE_OK);
    cr_assert(lmdb_space_commit(&writer) == SPACE_OK);
}

static unsigned round_of(void)
{
    struct space_value value;
    struct lmdb_space reader;
    char text[32] = "";
    lmdb_space_init(&reader, &t.shard, false);
    cr_assert(lmdb_space_read(&reader) == SPACE_OK);
    cr_assert(reader.space.kind->find(&reader.space, bytes_of("round"), &value) == SPACE_OK);
    memcpy(text, value.string.at, value.string.count < 31 ? value.string.count : 31);
    lmdb_space_fini(&reader);
    return (unsigned)strtoul(text, NULL, 10);
}

static void keep_version(void)
{
    char path[128];
    const int fd = open(lmdb_testing_path(&t, "data.mdb", path), O_RDONLY);
    const ssize_t got = read(fd, versions[versions_count], sizeof versions[0]);
    cr_assert(fd >= 0 && got > 0 && (size_t)got < sizeof versions[0]);
    version_bytes[versions_count++] = (size_t)got;
    close(fd);
}

/* The disk as the power left it. */
static void cut_power(void)
{
    static uint8_t file[FILE_PAGES_MAX * PAGE];
    char path[128];
    size_t bytes = version_bytes[0];
    memcpy(file, versions[0], bytes);
    for (size_t at = 0; at < FILE_PAGES_MAX * (size_t)PAGE; at += PAGE) {
        const size_t version = random_below(random_next(&draws), (uint32_t)versions_count);
        if (at >= version_bytes[version])
            continue;
        memset(file + bytes, 0, at > bytes ? at - bytes : 0);
        memcpy(file + at, versions[version] + at, PAGE);
        bytes = at + PAGE > bytes ? at + PAGE : bytes;
    }
    const int fd = open(lmdb_testing_path(&t, "data.mdb", path), O_WRONLY | O_TRUNC);
    cr_assert(fd >= 0 && write(fd, file, bytes) == (ssize_t)bytes);
    close(fd);
    unlink(lmdb_testing_path(&t, "lock.mdb", path));
}

static void copy_file(const char *from, const char *to)
{
    static uint8_t bytes[16384];
    const int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    const ssize_t got = read(in, bytes, sizeof bytes);
    cr_assert(got > 0 && write(out, bytes, (size_t)got) == got);
    close(in);
    close(out);
}

/* A run that ends at once, as a power cut does: a clean end would remove the file. */
static void end_at_once(void)
{
    char state[128], kept[128];
    lmdb_testing_path(&t, "sync.state", state);
    lmdb_testing_path(&t, "kept", kept);
    copy_file(state, kept);
    close_it();
    cr_assert(access(state, F_OK) != 0);
    copy_file(kept, state);
    unlink(kept);
}

static void expect_whole(unsigned round)
{
    struct lmdb_checked checked;
    struct err e = {0};
    open_it();
    cr_expect(round_of() == round, "%u instead of %u", round_of(), round);
    cr_assert(lmdb_check(&t.shard, NULL, NULL, &checked, &e) == ERR_NONE, "%s", e.story);
    cr_expect(checked.findings == 0 && checked.keys > 10);
}

Test(lmdb_sync, a_power_cut_leaves_the_state_of_the_last_sync_whole)
{
    char path[128];
    unsigned round = 1;
    random_init(&draws, 11);
    lmdb_testing_begin(&t);
    open_it();
    for (int cut = 0; cut < CUTS; cut++) {
        for (unsigned i = 0; i < 3; i++)
            write_round(round++);
        cr_assert(lmdb_sync_step(t.shard.syncing));
        versions_count = 0;
        keep_version();
        const unsigned synced = round - 1;
        const unsigned more = 1 + (unsigned)random_below(random_next(&draws), VERSIONS_MAX - 2);
        for (unsigned i = 0; i < more; i++) {
            write_round(round++);
            keep_version();
        }
        end_at_once();
        cut_power();
        cr_assert(lmdb__sync_age(lmdb_testing_path(&t, "sync.state", path), 0));
        expect_whole(synced);
    }
    end_it();
}

/* The kernel has it all. */
Test(lmdb_sync, a_kill_loses_nothing)
{
    random_init(&draws, 12);
    lmdb_testing_begin(&t);
    open_it();
    write_round(1);
    cr_assert(lmdb_sync_step(t.shard.syncing));
    write_round(2);
    end_at_once();
    expect_whole(2);
    end_it();
}

/* Of two that were there, the one that was being written when the power went is torn. */
Test(lmdb_sync, a_torn_slot_leaves_the_other)
{
    char path[128];
    random_init(&draws, 13);
    lmdb_testing_begin(&t);
    open_it();
    write_round(1);
    cr_assert(lmdb_sync_step(t.shard.syncing));
    versions_count = 0;
    keep_version();
    end_at_once();
    cr_assert(lmdb__sync_age(lmdb_testing_path(&t, "sync.state", path), 0));
    const int fd = open(path, O_RDWR);
    uint8_t first[8], second[8];
    cr_assert(pread(fd, first, 8, 16) == 8 && pread(fd, second, 8, 4096 + 16) == 8);
    const off_t newer = memcmp(first, second, 8) > 0 ? 0 : 4096;
    cr_assert(pwrite(fd, "torn", 4, newer + 100) == 4);
    close(fd);
    open_it();
    cr_expect(t.shard.env != NULL);
    end_it();
}

/* Heads of another file would destroy it. */
Test(lmdb_sync, a_file_that_was_replaced_is_refused)
{
    char path[128];
    struct err e = {0};
    random_init(&draws, 14);
    lmdb_testing_begin(&t);
    open_it();
    write_round(1);
    end_at_once();
    cr_assert(lmdb__sync_age(lmdb_testing_path(&t, "sync.state", path), 77));
    cr_expect(lmdb_shard_open(&t.shard, &t.settings, &e) == ERR_INPUT);
    cr_expect(strstr(e.story, "is of another data.mdb") != NULL, "%s", e.story);
    unlink(path);
    lmdb_testing_end(&t);
}

Test(lmdb_sync, who_only_looks_is_told_that_the_last_sync_is_to_be_put_back)
{
    char path[128];
    struct err e = {0};
    random_init(&draws, 15);
    lmdb_testing_begin(&t);
    open_it();
    write_round(1);
    end_at_once();
    cr_assert(lmdb__sync_age(lmdb_testing_path(&t, "sync.state", path), 0));
    cr_expect(lmdb_shard_look(&t.shard, &t.settings, &e) == ERR_LIMIT);
    unlink(path);
    lmdb_testing_end(&t);
}

/* A later run with `always` answers writes that no old head may undo. */
Test(lmdb_sync, another_sync_removes_the_file_before_it_writes)
{
    char path[128];
    random_init(&draws, 16);
    lmdb_testing_begin(&t);
    open_it();
    write_round(1);
    end_at_once();
    t.settings.sync = LMDB_SYNC_ALWAYS;
    lmdb_testing_open(&t);
    cr_expect(access(lmdb_testing_path(&t, "sync.state", path), F_OK) != 0);
    cr_expect(round_of() == 1);
    lmdb_testing_end(&t);
}

/* As with `always`: a second sync may succeed although data is gone. */
Test(lmdb_sync, a_sync_that_fails_ends_writing)
{
    random_init(&draws, 17);
    lmdb_testing_begin(&t);
    open_it();
    write_round(1);
    char path[128];
    const int fd = open(lmdb_testing_path(&t, "sync.state", path), O_RDONLY);
    struct stat here, there;
    cr_assert(fstat(fd, &here) == 0);
    for (int other = 3; other < 64; other++) /* the one that it writes to, read only from now on */
        if (other != fd && fstat(other, &there) == 0 && there.st_ino == here.st_ino)
            cr_assert(dup2(fd, other) == other);
    cr_expect(!lmdb_sync_step(t.shard.syncing));
    cr_expect(atomic_load(&t.shard.failed) && lmdb_space_write(&writer) == SPACE_FAILED);
    close(fd);
    end_it();
}
