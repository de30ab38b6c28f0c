/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/members_test.c - scans while members come and go, and choices that are fair. */
#include "engine/keys/members_testing.h"

TestSuite(members, .init = members_testing_begin, .fini = members_testing_end);

/* One step of SSCAN or such: the cursor that comes next; adds 1 to @seen of each number among its
 * bulk strings but the first. */
static uint64_t step(const char *answer, unsigned *seen, unsigned count)
{
    const char *at = answer;
    const struct bytes next = members_testing_bulk(&at);
    uint64_t cursor = 0;
    cr_assert(next.at != NULL, "%.100s", answer);
    for (size_t i = 0; i < next.count; i++)
        cursor = cursor * 10 + (unsigned)(next.at[i] - '0');
    for (;;) {
        const struct bytes member = members_testing_bulk(&at);
        if (member.at == NULL)
            return cursor;
        const unsigned long number = strtoul((const char *)member.at, NULL, 10);
        cr_assert(number < count);
        seen[number]++;
    }
}

enum { MANY = 3000 };

static void add_many(unsigned from, unsigned behind)
{
    for (unsigned i = from; i < behind; i++)
        say("SADD s %u", i);
}

Test(members, a_scan_of_what_does_not_change_gives_each_once)
{
    static unsigned seen[MANY];
    unsigned steps = 0;
    uint64_t cursor = 0;
    add_many(0, MANY);
    do {
        cursor = step(say("SSCAN s %llu COUNT 7", (unsigned long long)cursor), seen, MANY);
        steps++;
    } while (cursor != 0);
    for (unsigned i = 0; i < MANY; i++)
        cr_expect(seen[i] == 1, "%u %u times", i, seen[i]);
    cr_expect(steps > MANY / 8 && steps <= MANY / 7 + 1);
}

/* The even ones are there throughout; the odd ones come and go, so many that the trees split and
 * join. */
Test(members, a_scan_gives_all_that_stay_while_others_come_and_go)
{
    static unsigned seen[MANY];
    unsigned came = 1;
    uint64_t cursor = 0;
    for (unsigned i = 0; i < MANY; i += 2)
        say("SADD s %u", i);
    do {
        cursor = step(say("SSCAN s %llu COUNT 5", (unsigned long long)cursor), seen, MANY);
        for (unsigned i = 0; i < 40; i++, came += 2)
            say("%s s %u", came / MANY % 2 == 0 ? "SADD" : "SREM", came % MANY | 1);
    } while (cursor != 0);
    for (unsigned i = 0; i < MANY; i += 2)
        cr_expect(seen[i] == 1, "%u %u times", i, seen[i]);
}

/* Shrinks to what is given at once while it is scanned, and grows again. */
Test(members, a_scan_survives_a_set_that_becomes_small_and_large_again)
{
    static unsigned seen[MANY];
    uint64_t cursor = 0;
    add_many(0, MANY);
    for (unsigned i = 0; i < 20; i++)
        cursor = step(say("SSCAN s %llu", (unsigned long long)cursor), seen, MANY);
    for (unsigned i = 50; i < MANY; i++)
        say("SREM s %u", i);
    cursor = step(say("SSCAN s %llu COUNT 1", (unsigned long long)cursor), seen, MANY);
    cr_expect(cursor == 0);
    for (unsigned i = 0; i < 50; i++)
        cr_expect(seen[i] >= 1, "%u was not given", i);
}

/* ---- members of one hash ---- */

struct hashed {
    uint32_t hash, number;
};

static int by_hash(const void *left, const void *right)
{
    const struct hashed *a = left, *b = right;
    return (a->hash > b->hash) - (a->hash < b->hash);
}

enum { HASHED = 400000 };

/* A cursor is a hash, so a step that ended between two of one hash would lose the second. */
Test(members, those_of_one_hash_are_given_together)
{
    static struct hashed hashed[HASHED];
    static unsigned seen[HASHED];
    unsigned twins = 0;
    uint64_t cursor = 0;
    for (uint32_t i = 0; i < HASHED; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "%u", i);
        hashed[i] = (struct hashed){members_hash(bytes_of(text)), i};
    }
    qsort(hashed, HASHED, sizeof hashed[0], by_hash);
    for (unsigned i = 0; i + 1 < HASHED; i++)
        if (hashed[i].hash == hashed[i + 1].hash) {
            say("SADD s %u %u", hashed[i].number, hashed[i + 1].number);
            twins++;
        }
    cr_assert(twins > 4, "%u pairs of one hash", twins);
    for (unsigned i = 0; i < 500; i++)
        say("SADD s %u", i);
    do
        cursor = step(say("SSCAN s %llu COUNT 1", (unsigned long long)cursor), seen, HASHED);
    while (cursor != 0);
    unsigned given = 0;
    for (unsigned i = 0; i < HASHED; i++) {
        cr_expect(seen[i] <= 1);
        given += seen[i];
    }
    cr_expect(given == members_testing_number(say("SCARD s")));
}

/* ---- cursors that nobody gave out ---- */

Test(members, a_made_up_cursor_is_harmless)
{
    static unsigned seen[MANY];
    add_many(0, MANY);
    expect_answer(say("SSCAN s 4294967297"), "*2_$1_0_*0_");
    expect_answer(say("SSCAN s -1"), "*2_$1_0_*0_");
    expect_answer(say("SSCAN s 18446744073709551616"), "-ERR invalid cursor_");
    expect_answer(say("SSCAN s 1x"), "-ERR invalid cursor_");
    for (uint64_t cursor = 1; cursor < (uint64_t)1 << 33; cursor = cursor * 3 + 1)
        step(say("SSCAN s %llu COUNT 3", (unsigned long long)cursor), seen, MANY);
}

/* Small sets are given at once, but not a hundred of 4 KiB. */
Test(members, a_few_large_members_are_given_in_steps)
{
    char value[4096];
    static unsigned seen[100 * 2];
    uint64_t cursor = 0;
    unsigned steps = 0;
    memset(value, '1', sizeof value);
    value[sizeof value - 1] = '\0';
    memcpy(value, "100", 3);
    value[3] = ' '; /* strtoul stops here: all values are 100 */
    for (unsigned i = 0; i < 100; i++) {
        char name[8];
        (void)snprintf(name, sizeof name, "%u", i);
        const struct bytes args[] = {bytes_of("HSET"), bytes_of("h"), bytes_of(name),
                                     bytes_of(value)};
        members_testing_run_args(args, 4);
    }
    do {
        cursor = step(say("HSCAN h %llu", (unsigned long long)cursor), seen, 200);
        steps++;
    } while (cursor != 0);
    cr_expect(steps > 3, "%u steps", steps);
    for (unsigned i = 0; i < 100; i++)
        cr_expect(seen[i] == 1);
    cr_expect(seen[100] == 100);
}

/* ---- chance ---- */

enum { TOTAL = 9, ROUNDS = 60000 };

/* Every choice of @count out of TOTAL, told by its bits, comes as often; within five standard
 * deviations. */
static void expect_fair(uint64_t count, unsigned choices)
{
    static unsigned times[1 << TOTAL];
    struct resp_out out;
    memset(times, 0, sizeof times);
    resp_out_init(&out, 2, 0, NULL);
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t block[64];
        unsigned bits = 0;
        struct run run = members_testing_run(&out);
        arena_init(&run.arena, block, sizeof block, 4096);
        const uint64_t *ranks = members_choose(&run, TOTAL, count);
        for (unsigned i = 0; i < count; i++) {
            cr_assert(ranks[i] < TOTAL);
            bits |= 1u << ranks[i];
        }
        cr_assert((unsigned)__builtin_popcount(bits) == count);
        times[bits]++;
        arena_fini(&run.arena);
    }
    const double wanted = (double)ROUNDS / choices;
    unsigned seen = 0;
    for (unsigned i = 0; i < 1 << TOTAL; i++) {
        if (times[i] == 0)
            continue;
        const double off = times[i] - wanted;
        cr_expect(off * off < 25 * wanted, "%x came %u times of %g", i, times[i], wanted);
        seen++;
    }
    cr_expect(seen == choices, "%u of %u", seen, choices);
    resp_out_fini(&out);
}

Test(members, every_choice_of_few_is_as_likely)
{
    expect_fair(3, 84);
}

Test(members, every_choice_of_most_is_as_likely)
{
    expect_fair(6, 84);
}

/* 100 members in 20 bins of ranks by their hashes, drawn 20,000 times. */
Test(members, every_member_is_drawn_as_often)
{
    static unsigned times[100];
    add_many(0, 100);
    for (unsigned i = 0; i < 20000; i++) {
        const char *at = say("SRANDMEMBER s");
        times[strtoul((const char *)members_testing_bulk(&at).at, NULL, 10)]++;
    }
    for (unsigned i = 0; i < 100; i++)
        cr_expect(times[i] > 130 && times[i] < 270, "%u came %u times of 200", i, times[i]);
}
