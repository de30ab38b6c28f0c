/* SPDX-License-Identifier: Apache-2.0 */
/* engine/lmdb/lmdb_shard_test.c - what a shard is opened on, and what it refuses. */
#include "engine/lmdb/lmdb_shard.h"

#include "engine/lmdb/lmdb_testing.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct lmdb_testing t;

static void expect_refused(const char *part)
{
    struct err e = {0};
    cr_expect(lmdb_shard_open(&t.shard, &t.settings, &e) == ERR_INPUT);
    cr_expect(strstr(e.story, part) != NULL, "%s", e.story);
    cr_expect(t.shard.env == NULL);
}

Test(lmdb_shard, is_a_folder_of_its_own_and_opens_again)
{
    char path[128];
    struct stat file;
    lmdb_testing_begin(&t);
    t.settings.number = 42;
    lmdb_testing_open(&t);
    const uint64_t secret = t.shard.secret;
    cr_expect(stat(lmdb_testing_path(&t, "data.mdb", path), &file) == 0);
    cr_expect((file.st_mode & 0777) == 0600);
    cr_expect(strstr(t.shard.path, "/0042") != NULL);
    cr_expect(t.shard.map != NULL);
    lmdb_shard_close(&t.shard);
    lmdb_testing_open(&t);
    cr_expect(t.shard.secret == secret && secret != 0);
    lmdb_testing_end(&t);
}

Test(lmdb_shard, another_layout_is_refused_with_what_to_do)
{
    lmdb_testing_begin(&t);
    lmdb_testing_open(&t);
    lmdb_shard_close(&t.shard);
    t.settings.layout = "hash, shard 0 of 3";
    expect_refused("its keys were laid by 'hash, shard 0 of 1' and the configuration says 'hash, "
                   "shard 0 of 3': put that back, or use another");
    t.settings.layout = "hash, shard 0 of 1";
    t.settings.is_ordered = true;
    expect_refused("its keys were laid by");
    t.settings.is_ordered = false;
    lmdb_testing_open(&t);
    lmdb_testing_end(&t);
}

Test(lmdb_shard, what_is_no_lmdb_file_is_refused)
{
    char path[128];
    lmdb_testing_begin(&t);
    cr_assert(mkdir(lmdb_testing_path(&t, "", path), 0700) == 0);
    FILE *file = fopen(lmdb_testing_path(&t, "data.mdb", path), "w");
    for (unsigned i = 0; i < 3000; i++)
        fputs("not a database", file);
    fclose(file);
    expect_refused("it is damaged or no LMDB file");
    lmdb_testing_end(&t);
}

Test(lmdb_shard, a_head_with_a_wrong_number_is_refused_since_it_could_be_old)
{
    char path[128];
    lmdb_testing_begin(&t);
    lmdb_testing_open(&t);
    lmdb_shard_close(&t.shard);
    const int fd = open(lmdb_testing_path(&t, "data.mdb", path), O_RDWR);
    const uint64_t number = 1000;
    cr_assert(pwrite(fd, &number, sizeof number, 144) == sizeof number);
    close(fd);
    expect_refused("it is damaged or no LMDB file");
    lmdb_testing_end(&t);
}

/* Reading behind the end of a mapped file would be a SIGBUS. */
Test(lmdb_shard, a_file_that_was_cut_short_is_damaged_and_no_end_of_the_process)
{
    char path[128];
    struct stat file;
    MDB_txn *txn;
    MDB_val value;
    lmdb_testing_begin(&t);
    lmdb_testing_open(&t);
    cr_assert(mdb_txn_begin(t.shard.env, NULL, 0, &txn) == 0);
    for (uint32_t i = 0; i < 1000; i++) {
        MDB_val key = {sizeof i, &i};
        value = (MDB_val){100, t.shard.path};
        cr_assert(mdb_put(txn, t.shard.databases[LMDB_KEYS], &key, &value, 0) == 0);
    }
    cr_assert(mdb_txn_commit(txn) == 0);
    lmdb_shard_close(&t.shard);
    cr_assert(stat(lmdb_testing_path(&t, "data.mdb", path), &file) == 0);
    cr_assert(truncate(path, 3 * 4096) == 0);
    struct err e = {0};
    if (lmdb_shard_open(&t.shard, &t.settings, &e) == ERR_NONE) {
        uint32_t first = 0;
        MDB_val key = {sizeof first, &first};
        cr_assert(mdb_txn_begin(t.shard.env, NULL, MDB_RDONLY, &txn) == 0);
        cr_expect(mdb_get(txn, t.shard.databases[LMDB_KEYS], &key, &value) != 0);
        mdb_txn_abort(txn);
    } else {
        cr_expect(e.story[0] != 0);
    }
    lmdb_testing_end(&t);
}

/* A process was killed, or the power failed, while it made the file. */
Test(lmdb_shard, what_was_left_half_made_is_made_anew)
{
    char path[128];
    struct stat file;
    lmdb_testing_begin(&t);
    lmdb_testing_open(&t);
    lmdb_shard_close(&t.shard);
    cr_assert(unlink(lmdb_testing_path(&t, "data.mdb", path)) == 0);
    cr_assert(symlink("/nowhere", lmdb_testing_path(&t, "data.new-lock", path)) == 0);
    const int fd = open(lmdb_testing_path(&t, "data.new", path), O_WRONLY | O_CREAT, 0600);
    cr_assert(fd >= 0 && write(fd, path, sizeof path) == sizeof path && close(fd) == 0);
    lmdb_testing_open(&t);
    cr_expect(lmdb_shard_count(&t.shard) == 0);
    cr_expect(stat(lmdb_testing_path(&t, "data.mdb", path), &file) == 0 && file.st_size > 4096);
    cr_expect(stat(lmdb_testing_path(&t, "data.new", path), &file) != 0);
    cr_expect(lstat(lmdb_testing_path(&t, "data.new-lock", path), &file) != 0);
    lmdb_testing_end(&t);
}

/* LMDB takes one for new, and so it is. */
Test(lmdb_shard, an_empty_file_is_made_too)
{
    char path[128];
    lmdb_testing_begin(&t);
    lmdb_testing_open(&t);
    lmdb_shard_close(&t.shard);
    cr_assert(truncate(lmdb_testing_path(&t, "data.mdb", path), 0) == 0);
    lmdb_testing_open(&t);
    cr_expect(lmdb_shard_count(&t.shard) == 0);
    lmdb_testing_end(&t);
}

Test(lmdb_shard, a_folder_that_cannot_be_made_is_told)
{
    struct err e = {0};
    lmdb_testing_begin(&t);
    t.settings.folder = "/proc/no such folder";
    cr_expect(lmdb_shard_open(&t.shard, &t.settings, &e) == ERR_SYSTEM);
    cr_expect(strstr(e.story, "make the folder /proc/no such folder") != NULL, "%s", e.story);
    rmdir(t.folder);
}

Test(lmdb_shard, readers_of_dead_processes_are_cleared)
{
    lmdb_testing_begin(&t);
    const pid_t child = fork();
    if (child == 0) {
        MDB_txn *txn;
        lmdb_testing_open(&t);
        _exit(mdb_txn_begin(t.shard.env, NULL, MDB_RDONLY, &txn));
    }
    int status;
    lmdb_testing_open(&t); /* while it lives or not: its slot is not ours */
    cr_assert(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    lmdb_shard_check_readers(&t.shard);
    cr_expect(atomic_load(&t.shard.figures.readers_cleared) <= 1);
    int dead = -1;
    cr_expect(mdb_reader_check(t.shard.env, &dead) == 0 && dead == 0);
    lmdb_testing_end(&t);
}

Test(lmdb_shard, errors_are_what_they_mean_for_a_command)
{
    cr_expect(lmdb_result(0) == SPACE_OK);
    cr_expect(lmdb_result(MDB_MAP_FULL) == SPACE_DISK_FULL);
    cr_expect(lmdb_result(ENOSPC) == SPACE_DISK_FULL);
    cr_expect(lmdb_result(ENOMEM) == SPACE_FULL);
    cr_expect(lmdb_result(MDB_CORRUPTED) == SPACE_DAMAGED);
    cr_expect(lmdb_result(EIO) == SPACE_FAILED);
    cr_expect(lmdb_result(MDB_PANIC) == SPACE_FAILED);
}
