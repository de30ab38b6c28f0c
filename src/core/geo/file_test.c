/* SPDX-License-Identifier: Apache-2.0 */
/* core/geo/file_test.c - databases of each layout; damaged ones, and others than we look for. The
 * files are those of tests/integration/mmdb.py. */
#include "core/geo/file.h"
#include "core/mem.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER PANDO_SOURCE_ROOT "/tests/unit/geo/"

enum { FILE_BYTES_MAX = 8192 };

static char folder[] = "/tmp/pando-geo-XXXXXX";
static char path[64];

static void open_folder(void)
{
    if (!geo_file_is_there())
        cr_skip("built without libmaxminddb");
    cr_assert(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/a.mmdb", folder);
}

static void remove_folder(void)
{
    unlink(path);
    rmdir(folder);
}

TestSuite(geo_file, .init = open_folder, .fini = remove_folder);

static struct geo_file *open_named(const char *name)
{
    struct geo_file *file;
    struct err e = {0};
    char at[512];
    snprintf(at, sizeof at, FOLDER "%s", name);
    cr_assert(geo_file_open(&file, at, NULL, &e) == ERR_NONE, "%s: %s", name, e.story);
    return file;
}

static bool find(const struct geo_file *file, const char *text, struct geo_place *place)
{
    struct in6_addr address;
    char mapped[64];
    snprintf(mapped, sizeof mapped, "%s%s", strchr(text, ':') == NULL ? "::ffff:" : "", text);
    cr_assert(inet_pton(AF_INET6, mapped, &address) == 1);
    return geo_file_find(file, &address, place);
}

static void expect_at(const struct geo_file *file, const char *address, const char *wanted)
{
    struct geo_place place, other = {0};
    const bool found = find(file, address, &place);
    if (wanted == NULL) {
        cr_expect(!found && !geo_is_known(&place), "%s", address);
        return;
    }
    cr_assert(geo_place_read(wanted, &other));
    cr_expect(found && geo_distance_km(&place, &other) < 0.01, "%s is not at %s", address, wanted);
}

Test(geo_file, a_city_database)
{
    struct geo_file *file = open_named("city.mmdb");
    const struct geo_file_facts facts = geo_file_facts(file);
    cr_expect_str_eq(facts.type, "Test-City");
    cr_expect(facts.built_s == 1700000000 && facts.bytes > 100);
    expect_at(file, "192.0.2.1", "52.52,13.4");
    expect_at(file, "192.0.2.200", "-33.87,151.2");
    expect_at(file, "198.51.100.7", "JP"); /* of some only the country is known */
    expect_at(file, "203.0.113.1", NULL);  /* and of some nothing */
    expect_at(file, "10.0.0.1", NULL);
    expect_at(file, "2001:db8::1", "40.71,-74.01");
    expect_at(file, "2001:db9::1", NULL);
    geo_file_unref(file);
}

Test(geo_file, a_country_database)
{
    struct geo_file *file = open_named("country.mmdb");
    expect_at(file, "192.0.2.1", "DE");
    expect_at(file, "2001:db8:1::1", "US");
    expect_at(file, "203.0.113.1", NULL); /* a country that nobody knows */
    geo_file_unref(file);
}

Test(geo_file, a_flat_database_for_ipv4_alone)
{
    struct geo_file *file = open_named("flat.mmdb");
    expect_at(file, "192.0.2.1", "DE");
    expect_at(file, "198.51.100.1", "35.5,139.5");
    expect_at(file, "2001:db8::1", NULL);
    geo_file_unref(file);
}

static size_t read_whole(const char *name, uint8_t bytes[FILE_BYTES_MAX])
{
    char at[512];
    snprintf(at, sizeof at, FOLDER "%s", name);
    FILE *file = fopen(at, "re");
    cr_assert(file != NULL);
    const size_t count = fread(bytes, 1, FILE_BYTES_MAX, file);
    fclose(file);
    cr_assert(count > 0 && count < FILE_BYTES_MAX);
    return count;
}

static void write_whole(const uint8_t *bytes, size_t count)
{
    FILE *file = fopen(path, "we");
    cr_assert(file != NULL && fwrite(bytes, 1, count, file) == count && fclose(file) == 0);
}

static void expect_refused(const char *at, const char *words)
{
    struct geo_file *file = (void *)folder;
    struct err e = {0};
    cr_expect(geo_file_open(&file, at, NULL, &e) != ERR_NONE && file == NULL);
    cr_expect(strstr(e.story, words) != NULL, "%s: %s", at, e.story);
}

Test(geo_file, what_is_no_such_file_is_refused_with_the_reason)
{
    expect_refused(path, "No such file");
    expect_refused(folder, "not a file");
    write_whole((const uint8_t *)"", 0);
    expect_refused(path, "empty");
    write_whole((const uint8_t *)"not a database\n", 15);
    expect_refused(path, "no database of MaxMind's format");
    expect_refused(FOLDER "other.mmdb", "its records (Test-ASN) say neither");
    unlink(path);
    cr_assert(mkfifo(path, 0600) == 0);
    expect_refused(path, "not a file"); /* and is not waited for */
}

/* libmaxminddb before 1.12 leaks what it had read of damaged metadata (maxmind/libmaxminddb#356),
 * and LeakSanitizer, where there is one, need not say so. */
void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));

static enum err_kind open_damaged(struct geo_file **file)
{
    if (__lsan_disable != NULL)
        __lsan_disable();
    const enum err_kind failed = geo_file_open(file, path, NULL, NULL);
    if (__lsan_enable != NULL)
        __lsan_enable();
    return failed;
}

/* Cut at every byte, and with every byte changed: refused, or whatever is found is a place. */
Test(geo_file, a_damaged_file_does_no_harm)
{
    static uint8_t bytes[FILE_BYTES_MAX];
    static const char *const addresses[] = {
        "192.0.2.1", "192.0.2.200", "198.51.100.1", "203.0.113.1", "2001:db8::1", "::1", "ffff::"};
    const size_t count = read_whole("city.mmdb", bytes);
    unsigned opened = 0, refused = 0;
    for (size_t i = 0; i < 2 * count; i++) {
        struct geo_file *file;
        struct geo_place place;
        uint8_t *changed = &bytes[i / 2];
        const uint8_t mask = i % 2 == 0 ? 0xff : 0x10;
        *changed ^= mask;
        write_whole(bytes, count);
        if (open_damaged(&file) == ERR_NONE) {
            opened++;
            for (size_t k = 0; k < sizeof addresses / sizeof addresses[0]; k++)
                if (find(file, addresses[k], &place))
                    cr_expect(geo_nearness(&place, &place) > 0.999);
            geo_file_unref(file);
        } else {
            refused++;
        }
        *changed ^= mask;
    }
    cr_expect(opened > 0 && refused > 0);
    for (size_t cut = 0; cut < count; cut++) {
        struct geo_file *file;
        write_whole(bytes, cut);
        cr_expect(open_damaged(&file) != ERR_NONE, "cut at %zu", cut);
    }
}

/* Overwritten in place, or cut short: those who look up in it see nothing of that. */
Test(geo_file, an_open_one_is_its_own)
{
    static uint8_t bytes[FILE_BYTES_MAX];
    const size_t count = read_whole("city.mmdb", bytes);
    struct geo_file *file, *again;
    write_whole(bytes, count);
    cr_assert(geo_file_open(&file, path, NULL, NULL) == ERR_NONE);
    cr_assert(truncate(path, 0) == 0);
    expect_at(file, "192.0.2.1", "52.52,13.4");
    cr_expect(geo_file_open(&again, path, file, NULL) != ERR_NONE);
    geo_file_unref(file);
}

Test(geo_file, an_unchanged_one_is_not_read_again)
{
    static uint8_t bytes[FILE_BYTES_MAX];
    size_t count = read_whole("city.mmdb", bytes);
    struct geo_file *file, *same, *newer;
    write_whole(bytes, count);
    cr_assert(geo_file_open(&file, path, NULL, NULL) == ERR_NONE);
    cr_assert(geo_file_open(&same, path, file, NULL) == ERR_NONE);
    cr_expect(same == file);
    geo_file_unref(same);
    unlink(path); /* a new one is laid in its place, as it ought to be */
    count = read_whole("country.mmdb", bytes);
    write_whole(bytes, count);
    cr_assert(geo_file_open(&newer, path, file, NULL) == ERR_NONE);
    cr_expect(newer != file);
    expect_at(file, "192.0.2.1", "52.52,13.4");
    geo_file_unref(file);
    expect_at(newer, "192.0.2.1", "DE");
    geo_file_unref(newer);
}

#ifdef PANDO_FAULTS
Test(geo_file, without_memory_it_is_refused)
{
    for (uint64_t nth = 1;; nth++) {
        struct geo_file *file;
        struct err e = {0};
        fault_fail_nth(FAULT_ALLOCATION, nth);
        const enum err_kind failed = geo_file_open(&file, FOLDER "city.mmdb", NULL, &e);
        fault_fail_nth(FAULT_ALLOCATION, 0);
        if (failed == ERR_NONE) {
            cr_expect(nth == 3, "all were tried");
            geo_file_unref(file);
            break;
        }
        cr_expect(failed == ERR_MEMORY);
    }
}
#endif
