/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/generic/all_test.c - over all keys of a shard of several stripes: none that stays
 * is passed over. */
#include "engine/keys/run_testing.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { KEYS = 3000, STEPS_MAX = 20000 };

static const char *say(struct bench *bench, const char *format, unsigned number)
{
    char line[64];
    snprintf(line, sizeof line, format, number);
    return bench_say(bench, line);
}

/* Counts in @seen what an array of "stayN" keys, and perhaps others, holds; how many in all. */
static unsigned note(const char *answer, unsigned char *seen)
{
    unsigned count = 0;
    for (const char *at = strchr(answer, '$'); at != NULL; at = strchr(at + 1, '$')) {
        const char *key = strchr(at, '\n') + 1;
        unsigned number;
        if (sscanf(key, "stay%u", &number) == 1)
            seen[number] = 1;
        count++;
    }
    return count;
}

/* Walks with @line; says @meanwhile with a new number between the steps. Returns the steps. */
static unsigned walk(struct bench *bench, const char *line, const char *meanwhile,
                     unsigned char *seen)
{
    unsigned steps = 0;
    bench->scan_position = 0;
    while (bench->scan_position != SPACE_SCAN_END && steps < STEPS_MAX) {
        const uint64_t before = bench->scan_position;
        note(bench_say(bench, line), seen);
        cr_assert(bench->scan_position > before);
        const uint64_t position = bench->scan_position;
        say(bench, meanwhile, steps++);
        bench->scan_position = position;
    }
    return steps;
}

static void expect_all(const unsigned char *seen)
{
    for (unsigned i = 0; i < KEYS; i++)
        cr_expect(seen[i], "stay%u was passed over", i);
}

static void fill(struct bench *bench, unsigned stripes)
{
    bench_init(bench, stripes, false);
    for (unsigned i = 0; i < KEYS; i++)
        say(bench, "set stay%u x", i);
}

Test(scan, finds_every_key_that_stays_while_others_come)
{
    for (unsigned stripes = 1; stripes <= 16; stripes *= 4) {
        unsigned char seen[KEYS] = {0};
        struct bench bench;
        fill(&bench, stripes);
        const unsigned steps = walk(&bench, "scan 0 count 7", "mset new%1$u x newer%1$u x", seen);
        expect_all(seen);
        cr_expect(steps >= KEYS / 7 / 2 && steps < STEPS_MAX, "%u", steps);
        bench_fini(&bench);
    }
}

Test(scan, finds_every_key_that_stays_while_others_go)
{
    for (unsigned stripes = 1; stripes <= 16; stripes *= 4) {
        unsigned char seen[KEYS] = {0};
        struct bench bench;
        fill(&bench, stripes);
        for (unsigned i = 0; i < 2 * KEYS; i++)
            say(&bench, "set go%u x", i);
        walk(&bench, "scan 0 count 25", "del go%1$u1 go%1$u2 go%1$u3 go%1$u4 go%1$u5", seen);
        expect_all(seen);
        bench_fini(&bench);
    }
}

/* Many are looked at for one step. */
Test(scan, a_step_may_be_the_whole_shard)
{
    unsigned char seen[KEYS] = {0};
    struct bench bench;
    fill(&bench, 4);
    cr_expect(walk(&bench, "scan 0 count 1000000", "set x x", seen) == 1);
    expect_all(seen);
    bench_fini(&bench);
}

/* A stripe that was looked through does not count towards the next step. */
Test(scan, a_step_looks_at_about_as_many_as_asked)
{
    unsigned char seen[KEYS] = {0};
    struct bench bench;
    fill(&bench, 4);
    bench.scan_position = 0;
    while (bench.scan_position != SPACE_SCAN_END) {
        const unsigned count = note(bench_say(&bench, "scan 0 count 100"), seen);
        cr_expect(count <= 110, "%u", count);
    }
    bench_fini(&bench);
}

Test(scan, filters_by_pattern_and_type)
{
    struct bench bench;
    bench_init(&bench, 4, false);
    bench_say(&bench, "mset apple 1 pear 2");
    bench_say(&bench, "rpush plum a");
    bench_expect(&bench, "scan 0 type LIST count 100", "*1\r\n$4\r\nplum\r\n");
    bench.scan_position = 0;
    bench_expect(&bench, "scan 0 match p* type string count 100", "*1\r\n$4\r\npear\r\n");
    bench.scan_position = 0;
    bench_expect(&bench, "scan 0 type nosuch count 100", "*0\r\n");
    bench.scan_position = 0;
    bench_expect(&bench, "scan 0 count 0", "-" RUN_SYNTAX "\r\n");
    bench_expect(&bench, "scan 0 match", "-" RUN_SYNTAX "\r\n");
    bench_fini(&bench);
}

Test(scan, of_nothing_ends_at_once)
{
    struct bench bench;
    bench_init(&bench, 4, false);
    bench.scan_position = 0;
    bench_expect(&bench, "scan 0 count 1000000", "*0\r\n");
    cr_expect(bench.scan_position == SPACE_SCAN_END);
    bench_fini(&bench);
}

Test(keys, gives_those_that_match_from_all_stripes)
{
    unsigned char seen[KEYS] = {0};
    struct bench bench;
    fill(&bench, 4);
    bench_say(&bench, "set other x");
    cr_expect(note(bench_say(&bench, "keys stay*"), seen) == KEYS);
    expect_all(seen);
    bench_expect(&bench, "keys oth?r", "*1\r\n$5\r\nother\r\n");
    bench_expect(&bench, "keys nosuch", "*0\r\n");
    bench_fini(&bench);
}

/* 400 draws of 16 keys: one that is never drawn has a chance of one in 10^10. */
Test(randomkey, draws_from_all_stripes)
{
    unsigned char seen[KEYS] = {0};
    unsigned drawn = 0;
    struct bench bench;
    bench_init(&bench, 4, false);
    bench_expect(&bench, "randomkey", "$-1\r\n");
    for (unsigned i = 0; i < 16; i++)
        say(&bench, "set stay%u x", i);
    for (int i = 0; i < 400; i++)
        cr_assert(note(bench_say(&bench, "randomkey"), seen) == 1);
    for (unsigned i = 0; i < 16; i++)
        drawn += seen[i];
    cr_expect(drawn == 16, "%u", drawn);
    bench_fini(&bench);
}

/* What is expired may fill the stripe that was drawn. */
Test(randomkey, finds_the_only_key_that_is_left)
{
    struct bench bench;
    bench_init(&bench, 4, false);
    for (unsigned i = 0; i < 100; i++)
        say(&bench, "set gone%u x px 1", i);
    bench_say(&bench, "set left x");
    bench.now_ms += 10;
    for (int i = 0; i < 20; i++)
        bench_expect(&bench, "randomkey", "$4\r\nleft\r\n");
    bench_fini(&bench);
}

Test(flushall, empties_all_stripes)
{
    struct bench bench;
    fill(&bench, 4);
    bench_expect(&bench, "dbsize", ":3000\r\n");
    bench_expect(&bench, "flushall now", "-" RUN_SYNTAX "\r\n");
    bench_expect(&bench, "dbsize", ":3000\r\n");
    bench_expect(&bench, "flushdb ASYNC", "+OK\r\n");
    bench_expect(&bench, "dbsize", ":0\r\n");
    bench_fini(&bench);
}
