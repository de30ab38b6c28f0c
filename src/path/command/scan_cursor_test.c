/* SPDX-License-Identifier: Apache-2.0 */
/* path/command/scan_cursor_test.c - cursors come back as they went, and others are refused. */
#include "path/command/scan_cursor.h"

#include "core/random.h"
#include "path/command/key_op.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>

static bool read_number(uint64_t cursor, uint64_t layout, struct scan_place *place)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, cursor);
    return scan_cursor_read(bytes_of(text), layout, place);
}

static struct scan_place any_place(struct random *random)
{
    return (struct scan_place){
        .keyspace = random_below(random_next(random), SCAN_KEYSPACES_MAX),
        .shard = random_below(random_next(random), SCAN_SHARDS_MAX),
        .position = (random_next(random) >> 32) / KEY_SCAN_GRAIN * KEY_SCAN_GRAIN,
    };
}

Test(scan_cursor, zero_is_the_beginning_in_every_layout)
{
    struct scan_place place = {7, 7, 7};
    cr_assert(scan_cursor_read(bytes_of("0"), 12345, &place));
    cr_expect(place.keyspace == 0 && place.shard == 0 && place.position == 0);
}

Test(scan_cursor, comes_back_as_it_went)
{
    struct random random;
    random_init(&random, 1);
    for (int i = 0; i < 10000; i++) {
        const struct scan_place went = any_place(&random);
        const uint64_t layout = random_next(&random), cursor = scan_cursor_of(&went, layout);
        struct scan_place came;
        cr_assert(cursor != 0 && read_number(cursor, layout, &came));
        cr_expect(came.keyspace == went.keyspace && came.shard == went.shard &&
                  came.position == went.position);
    }
}

Test(scan_cursor, the_last_of_everything_fits)
{
    const struct scan_place went = {255, 1023, KEY_SCAN_END - KEY_SCAN_GRAIN};
    struct scan_place came;
    cr_assert(read_number(scan_cursor_of(&went, 0), 0, &came));
    cr_expect(came.keyspace == 255 && came.shard == 1023 &&
              came.position == KEY_SCAN_END - KEY_SCAN_GRAIN);
}

Test(scan_cursor, a_double_holds_every_cursor)
{
    const struct scan_place went = {255, 1023, KEY_SCAN_END - KEY_SCAN_GRAIN};
    for (uint64_t layout = 0; layout < 1000; layout++)
        cr_assert(scan_cursor_of(&went, layout) < 1ull << 53);
}

Test(scan_cursor, the_beginning_of_a_shard_is_not_the_end_of_all)
{
    for (uint64_t layout = 0; layout < 10000; layout++)
        cr_assert(scan_cursor_of(&(struct scan_place){0}, layout) != 0);
}

/* One in 4095 passes: of 20,000, 5 are expected; 40 would be a bad hash. */
Test(scan_cursor, another_layouts_is_refused)
{
    struct random random;
    unsigned passed = 0;
    random_init(&random, 2);
    for (int i = 0; i < 20000; i++) {
        const struct scan_place went = any_place(&random);
        struct scan_place came;
        passed += read_number(scan_cursor_of(&went, 1), 2, &came);
    }
    cr_expect(passed < 40, "%u", passed);
}

Test(scan_cursor, a_damaged_one_is_refused)
{
    struct random random;
    unsigned passed = 0;
    random_init(&random, 3);
    for (int i = 0; i < 20000; i++) {
        const struct scan_place went = any_place(&random);
        struct scan_place came;
        passed += read_number(scan_cursor_of(&went, 9) ^ (1ull << (i % 64)), 9, &came);
    }
    cr_expect(passed < 40, "%u", passed);
}

Test(scan_cursor, what_is_not_a_number_is_refused)
{
    const char *const wrong[] = {
        "", "x", "-1", "+1", " 0", "0 ", "00", "1.0", "18446744073709551616"};
    struct scan_place place;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        cr_expect(!scan_cursor_read(bytes_of(wrong[i]), 0, &place), "'%s'", wrong[i]);
}
