/* SPDX-License-Identifier: Apache-2.0 */
/* cache/disk/disk_test.c - what is written comes back whole or not at all: after a restart, at the
 * limit, when it is torn, forgotten meanwhile, or when the disk is full. */
#include "cache/disk/disk.h"

#include "cache/disk/format.h"
#include "core/mem.h"
#include "core/units.h"
#include "loop/loop.h"
#include "store/store_testing.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>

static char folder[64], path[96];
static struct loop loop;
static struct store *store;
static struct disk *disk;
static struct disk_options options;

static void open_disk(void)
{
    struct err e = {0};
    disk = disk_open(&options, &e);
    cr_assert(disk != NULL, "%s", e.story);
}

static void start(uint64_t limit_bytes)
{
    strcpy(folder, "/tmp/pando-disk-XXXXXX");
    cr_assert(mkdtemp(folder) != NULL);
    (void)snprintf(path, sizeof path, "%s/cache/shop.disk", folder);
    options = (struct disk_options){.path = path,
                                    .limit_bytes = limit_bytes,
                                    .queue_bytes = 16 * MIB,
                                    .format = 1,
                                    .key = {{1, 2}}};
    store = testing_store(32 * TESTING_MIB, STORE_S3_FIFO);
    struct err e = {0};
    cr_assert(loop_open(&loop, "epoll", &e) == ERR_NONE, "%s", e.story);
    open_disk();
}

static void reopen(void)
{
    disk_unref(disk);
    open_disk();
}

static void end(void)
{
    char command[128];
    disk_unref(disk);
    store_free(store);
    loop_close(&loop);
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_expect(system(command) == 0);
}

static struct disk_figures figures(void)
{
    struct disk_figures read;
    disk_read_figures(disk, &read);
    return read;
}

/* Puts a new entry to the store and to the disk, and takes it out of the store. */
static void put_late(uint64_t number, uint32_t front_bytes, size_t body_bytes, uint64_t born_ms)
{
    struct store_entry *entry = testing_put(store, number, front_bytes, body_bytes);
    cr_assert(entry != NULL);
    (void)store_settle(store, entry);
    disk_put(disk, entry, born_ms, front_bytes);
    (void)store_remove(store, entry);
    store_entry_unref(entry);
}

static void put(uint64_t number, uint32_t front_bytes, size_t body_bytes)
{
    put_late(number, front_bytes, body_bytes, 1);
    disk_drain(disk);
}

static int done_count;
static struct store_entry *done_entry;

static void done(struct disk_read *read, struct store_entry *entry)
{
    (void)read;
    done_entry = entry;
    done_count++;
}

static bool takes_none;

static bool accepts(struct disk_read *read, struct store_entry *entry)
{
    (void)read, (void)entry;
    return !takes_none;
}

static struct store_entry *get(uint64_t number)
{
    struct testing_key key;
    struct disk_read read = {.key = *testing_key(&key, number),
                             .store = store,
                             .loop = &loop,
                             .accepts = accepts,
                             .done = done};
    done_count = 0;
    if (!disk_get(disk, &read))
        return NULL;
    while (done_count == 0)
        loop_turn(&loop, clock_monotonic_ns() + 20 * NS_PER_MS);
    return done_entry;
}

/* It comes back, whole, and can be found in the store; then it is taken out there. */
static bool comes_back(uint64_t number, uint32_t front_bytes, size_t body_bytes)
{
    struct store_entry *entry = get(number);
    if (entry == NULL)
        return false;
    cr_expect(testing_is_of(store_entry_front(entry), number, 0, front_bytes));
    cr_expect((entry->body != NULL) == (body_bytes > 0));
    if (entry->body != NULL) {
        cr_expect(entry->body->ready_bytes == body_bytes);
        cr_expect(testing_body_is_of(entry->body, number, 0));
    }
    cr_expect(store_remove(store, entry), "it was put");
    store_entry_unref(entry);
    return true;
}

static bool is_there(uint64_t number)
{
    struct testing_key key;
    return disk_find(disk, testing_key(&key, number)->hash);
}

static bool forget(uint64_t number, uint64_t now_ms)
{
    struct testing_key key;
    return disk_forget(disk, testing_key(&key, number)->hash, now_ms);
}

static uint64_t file_bytes(void)
{
    struct stat s;
    cr_assert(stat(path, &s) == 0);
    return (uint64_t)s.st_size;
}

/* --- there and back --------------------------------------------------------------------------- */

Test(disk, what_is_written_comes_back)
{
    static const size_t bodies[] = {0, 1, 63, 64, 4096, 65536, 300000, 1500000};
    start(64 * MIB);
    for (uint64_t i = 0; i < 8; i++)
        put(i + 1, 100 + (uint32_t)i, bodies[i]);
    cr_expect(figures().writes == 8 && figures().objects == 8);
    for (uint64_t i = 0; i < 8; i++)
        cr_expect(comes_back(i + 1, 100 + (uint32_t)i, bodies[i]), "%zu", bodies[i]);
    cr_expect_not(is_there(9));
    cr_expect(get(9) == NULL);
    cr_expect(figures().hits == 8 && figures().reads_failed == 0 && figures().queued_bytes == 0);
    end();
}

Test(disk, fronts_may_be_large)
{
    start(16 * MIB);
    put(1, STORE_FRONT_BYTES_MAX, 10);
    cr_expect(comes_back(1, STORE_FRONT_BYTES_MAX, 10));
    end();
}

Test(disk, what_is_there_already_is_not_written_again)
{
    start(16 * MIB);
    put(1, 100, 1000);
    put(1, 100, 1000);
    cr_expect(figures().writes == 1 && figures().unchanged == 1);
    put(1, 101, 2000); /* another front is another version */
    cr_expect(figures().writes == 2 && figures().objects == 1);
    cr_expect(comes_back(1, 101, 2000));
    end();
}

Test(disk, its_owner_may_refuse_what_was_read)
{
    start(16 * MIB);
    put(1, 100, 1000);
    takes_none = true;
    cr_expect(is_there(1));
    cr_expect(get(1) == NULL);
    cr_expect_not(is_there(1), "it is of no use");
    end();
}

/* --- restarts --------------------------------------------------------------------------------- */

Test(disk, after_a_restart_all_is_there)
{
    struct hash_key key;
    start(16 * MIB); /* segments of 2 MiB: some with a table, one without */
    for (uint64_t i = 1; i <= 100; i++)
        put(i, 200, 80000);
    reopen();
    cr_expect(figures().objects == 100);
    for (uint64_t i = 1; i <= 100; i++)
        cr_expect(comes_back(i, 200, 80000));
    put(101, 200, 80000);
    reopen();
    cr_expect(comes_back(101, 200, 80000) && comes_back(1, 200, 80000));
    cr_expect(disk_read_key(path, 1, &key) && key.k[0] == 1 && key.k[1] == 2);
    end();
}

Test(disk, another_format_or_key_begins_empty)
{
    struct hash_key key;
    start(16 * MIB);
    put(1, 100, 1000);
    cr_expect_not(disk_read_key(path, 2, &key));
    options.format = 2;
    reopen();
    cr_expect_not(is_there(1));
    put(1, 100, 1000);
    options.key.k[0]++;
    reopen();
    cr_expect_not(is_there(1));
    put(1, 100, 1000);
    options.limit_bytes = 64 * MIB; /* segments of another size */
    reopen();
    cr_expect_not(is_there(1));
    end();
}

Test(disk, who_comes_second_waits_and_begins_empty)
{
    start(16 * MIB);
    put(1, 100, 1000);
    struct disk *first = disk;
    open_disk();
    cr_expect_not(is_there(1));
    put(2, 100, 1000);
    cr_expect(figures().writes == 0);
    disk_unref(first);
    for (int i = 0; i < 200 && !is_there(2); i++) {
        put(2, 100, 1000);
        usleep(20000);
    }
    cr_expect(comes_back(2, 100, 1000));
    cr_expect_not(is_there(1));
    end();
}

/* --- torn ------------------------------------------------------------------------------------- */

static void overwrite(uint64_t at, size_t bytes)
{
    uint8_t noise[4096];
    memset(noise, 0xa5, sizeof noise);
    const int fd = open(path, O_WRONLY);
    cr_assert(fd >= 0 && bytes <= sizeof noise);
    cr_assert(pwrite(fd, noise, bytes, (off_t)at) == (ssize_t)bytes);
    close(fd);
}

/* Wherever a byte is wrong, what comes back is right or nothing. */
Test(disk, no_torn_object_is_given)
{
    start(16 * MIB);
    const uint64_t record_bytes = disk_units(64 + 100 + 8 + 5000) * 64;
    for (uint64_t at = 0; at < record_bytes; at += 331) {
        const uint64_t number = at + 1;
        const uint64_t begin = DISK_HEADER_BYTES + figures().live_bytes;
        put(number, 100, 5000);
        overwrite(begin + at, 1);
        const bool is_padding = at >= 64 + 100 + 8 + 5000;
        cr_expect(comes_back(number, 100, 5000) == is_padding, "%lu", (unsigned long)at);
        cr_expect(is_there(number) == is_padding);
        /* the place is not used again, so that the next one lies behind it */
        if (!is_padding) {
            put(number + 1000000, 100, 5000);
            disk_unref(disk);
            cr_assert(unlink(path) == 0);
            open_disk();
        }
    }
    end();
}

Test(disk, a_torn_end_is_not_looked_at)
{
    start(16 * MIB);
    for (uint64_t i = 1; i <= 10; i++)
        put(i, 100, 5000);
    const uint64_t record_bytes = disk_units(64 + 100 + 8 + 5000) * 64;
    disk_unref(disk);
    overwrite(DISK_HEADER_BYTES + 7 * record_bytes, 32); /* the eighth's head */
    open_disk();
    cr_expect(figures().objects == 7);
    for (uint64_t i = 1; i <= 10; i++)
        cr_expect(comes_back(i, 100, 5000) == (i <= 7));
    put(11, 100, 5000); /* goes on where the torn one lay */
    reopen();
    cr_expect(comes_back(11, 100, 5000) && comes_back(7, 100, 5000));
    end();
}

Test(disk, a_broken_table_is_replaced_by_reading_the_records)
{
    start(8 * MIB);
    for (uint64_t i = 1; i <= 20; i++)
        put(i, 100, 100000);
    disk_unref(disk);
    overwrite(DISK_HEADER_BYTES + MIB - 64, 64);
    open_disk();
    cr_expect(figures().objects == 20);
    cr_expect(comes_back(1, 100, 100000));
    end();
}

/* --- the limit -------------------------------------------------------------------------------- */

Test(disk, the_limit_is_never_passed_and_the_oldest_leave)
{
    start(8 * MIB);
    for (uint64_t i = 1; i <= 400; i++)
        put(i, 100, 100000);
    cr_expect(file_bytes() <= 8 * MIB);
    cr_expect(figures().used_bytes <= 8 * MIB && figures().evicted > 0);
    cr_expect(figures().live_bytes > 4 * MIB, "most of it is used");
    cr_expect(figures().unwanted > 0, "asked for once, when it was full");
    cr_expect_not(is_there(1));
    cr_expect(figures().reads_failed == 0);
    end();
}

/* What is put when it is full has to have been asked for before. */
static void put_twice(uint64_t number, size_t body_bytes)
{
    put(number, 100, body_bytes);
    if (!is_there(number))
        put(number, 100, body_bytes);
}

Test(disk, what_is_read_stays)
{
    start(8 * MIB);
    for (uint64_t i = 1; i <= 400; i++) {
        put_twice(i, 100000);
        cr_expect(comes_back(1, 100, 100000), "%lu", (unsigned long)i);
    }
    cr_expect(figures().moved > 2 && figures().evicted > 200);
    reopen();
    cr_expect(comes_back(1, 100, 100000));
    cr_expect(comes_back(400, 100, 100000));
    end();
}

Test(disk, more_than_may_wait_is_dropped)
{
    start(64 * MIB);
    disk_unref(disk);
    options.queue_bytes = 100000;
    open_disk();
    for (uint64_t i = 1; i <= 200; i++)
        put_late(i, 100, 60000, 1);
    disk_drain(disk);
    const struct disk_figures f = figures();
    cr_expect(f.dropped_writes > 0 && f.dropped_writes + f.writes == 200);
    cr_expect(f.objects == f.writes);
    end();
}

/* --- forgetting ------------------------------------------------------------------------------- */

Test(disk, what_is_forgotten_is_gone_also_after_a_restart)
{
    start(16 * MIB);
    for (uint64_t i = 1; i <= 20; i++)
        put(i, 100, 100000); /* over two segments */
    cr_expect(forget(3, 5) && forget(15, 5));
    cr_expect_not(forget(99, 5));
    cr_expect_not(is_there(3));
    put(15, 100, 500); /* made before it was forgotten */
    cr_expect_not(is_there(15));
    put_late(3, 120, 700, 6); /* and after */
    disk_drain(disk);
    reopen();
    cr_expect_not(is_there(15));
    cr_expect(comes_back(3, 120, 700) && comes_back(4, 100, 100000));
    end();
}

Test(disk, what_is_being_written_is_forgotten_too)
{
    start(64 * MIB);
    for (uint64_t i = 1; i <= 300; i++) {
        put_late(i, 100, 20000, 1);
        (void)forget(i, 1);
    }
    disk_drain(disk);
    cr_expect(figures().objects == 0);
    reopen();
    cr_expect(figures().objects == 0);
    end();
}

Test(disk, forgetting_more_than_can_be_noted_forgets_all)
{
    start(64 * MIB);
    for (uint64_t i = 1; i <= DISK_FORGETS_MAX + 500; i++) {
        put_late(i, 16, 0, 1);
        if (i % 500 == 0)
            disk_drain(disk);
    }
    disk_drain(disk);
    put_late(1000000, 100, 2000000, 1); /* the writer is busy */
    for (uint64_t i = 1; i <= DISK_FORGETS_MAX + 500; i++)
        cr_expect(forget(i, 5));
    disk_drain(disk);
    reopen();
    for (uint64_t i = 1; i <= DISK_FORGETS_MAX + 500; i++)
        cr_expect_not(is_there(i));
    end();
}

static enum store_visit remove_even(struct disk_walk *walk, const struct disk_seen *seen)
{
    uint64_t number;
    (void)walk;
    memcpy(&number, seen->key.at, sizeof number);
    cr_expect(testing_is_of(seen->front, number, 0, seen->front_bytes));
    return number % 2 == 0 ? STORE_REMOVE : STORE_KEEP;
}

Test(disk, a_walk_sees_all_and_removes)
{
    start(64 * MIB);
    for (uint64_t i = 1; i <= 600; i++)
        put(i, 100, 500);
    struct disk_walk walk = {.visit = remove_even, .now_ms = 5};
    disk_walk(disk, &walk);
    cr_expect(figures().forgotten == 300 && figures().objects == 300);
    disk_drain(disk);
    reopen();
    for (uint64_t i = 1; i <= 600; i++)
        cr_expect(is_there(i) == (i % 2 == 1));
    end();
}

/* --- faults ----------------------------------------------------------------------------------- */

/* A file that may not grow is as a full disk. */
Test(disk, a_full_disk_writes_over_what_it_has)
{
    struct rlimit before, small = {0};
    start(32 * MIB); /* segments of 4 MiB */
    cr_assert(getrlimit(RLIMIT_FSIZE, &before) == 0);
    small = (struct rlimit){14 * MIB, before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    cr_assert(setrlimit(RLIMIT_FSIZE, &small) == 0);
    for (uint64_t i = 1; i <= 400; i++) {
        put_twice(i, 100000);
        (void)comes_back(i, 100, 100000); /* so that it is moved, which may fail, too */
        if (figures().writes_failed > 0 && i % 20 == 0)
            usleep(250000);
    }
    cr_expect(file_bytes() <= 14 * MIB);
    cr_expect(figures().writes_failed > 0 && figures().evicted > 0);
    usleep(250000);
    put_twice(1000, 100000);
    put_twice(1001, 100000);
    cr_expect(comes_back(1001, 100, 100000), "it still takes what comes");
    cr_expect(figures().reads_failed == 0);
    cr_assert(setrlimit(RLIMIT_FSIZE, &before) == 0);
    reopen();
    cr_expect(comes_back(1001, 100, 100000));
    end();
}

Test(disk, without_memory_it_does_not_open)
{
    start(8 * MIB);
    disk_unref(disk);
    for (uint64_t nth = 1; nth <= 8; nth++) {
        struct err e = {0};
        fault_fail_nth(FAULT_ALLOCATION, nth);
        disk = disk_open(&options, &e);
        const bool has_failed = disk == NULL;
        fault_fail_nth(FAULT_ALLOCATION, 0);
        cr_expect(has_failed == (e.kind != ERR_NONE));
        disk_unref(disk);
    }
    open_disk();
    put(1, 100, 1000);
    cr_expect(comes_back(1, 100, 1000));
    end();
}

Test(disk, a_folder_that_cannot_be_made_is_a_story)
{
    struct err e = {0};
    start(8 * MIB);
    options.path = "/proc/no/where";
    cr_expect(disk_open(&options, &e) == NULL);
    cr_expect(strstr(e.story, "/proc/no") != NULL, "%s", e.story);
    options.path = path;
    end();
}

/* --- many threads ----------------------------------------------------------------------------- */

enum { MANY = 300, ROUNDS = 3000 };

static atomic_int writers_count;

static void *put_many(void *self)
{
    struct random random;
    random_init(&random, (uint64_t)(uintptr_t)self);
    for (int i = 0; i < ROUNDS; i++) {
        const uint64_t number = 1 + random_next(&random) % MANY;
        struct store_entry *entry = testing_put(store, number, 100, 20000);
        if (entry == NULL)
            continue;
        (void)store_settle(store, entry);
        disk_put(disk, entry, (uint64_t)i, (uint32_t)i);
        (void)store_remove(store, entry);
        store_entry_unref(entry);
        if (i % 50 == 0)
            (void)forget(number, (uint64_t)i);
    }
    (void)atomic_fetch_sub(&writers_count, 1);
    return NULL;
}

Test(disk, many_threads_write_read_and_forget)
{
    pthread_t threads[2];
    start(8 * MIB);
    atomic_store(&writers_count, 2);
    for (uintptr_t i = 0; i < 2; i++)
        cr_assert(pthread_create(&threads[i], NULL, put_many, (void *)(i + 1)) == 0);
    struct random random;
    random_init(&random, 9);
    while (atomic_load(&writers_count) > 0) {
        const uint64_t number = 1 + random_next(&random) % MANY;
        struct store_entry *entry = get(number);
        if (entry == NULL)
            continue;
        cr_assert(testing_is_of(store_entry_front(entry), number, 0, 100));
        cr_assert(testing_body_is_of(entry->body, number, 0));
        (void)store_remove(store, entry);
        store_entry_unref(entry);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    disk_drain(disk);
    cr_expect(figures().hits > 0 && figures().writes > 0);
    cr_expect(file_bytes() <= 8 * MIB);
    end();
}
