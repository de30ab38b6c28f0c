/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/generic/range_test.c - PANDO.RANGE: in order, within limits, over several stripes. */
#include "engine/keys/run_testing.h"

#include <criterion/criterion.h>
#include <stdio.h>

/* The keys of an answer, a space behind each. */
static const char *range(struct bench *bench, const char *line)
{
    static char text[4096];
    size_t used = 0;
    text[0] = '\0';
    const char *answer = bench_say(bench, line);
    if (answer[0] != '*')
        return answer;
    for (const char *at = strchr(answer, '$'); at != NULL; at = strchr(at + 1, '$')) {
        const char *key = strchr(at, '\n') + 1;
        used += (size_t)snprintf(text + used, sizeof text - used, "%.*s ", atoi(at + 1), key);
    }
    return text;
}

static void expect_range(struct bench *bench, const char *line, const char *keys)
{
    const char *found = range(bench, line);
    cr_expect(strcmp(found, keys) == 0, "%s: '%s' is not '%s'", line, found, keys);
}

static void fill(struct bench *bench, unsigned stripes)
{
    bench_init(bench, stripes, true);
    bench_say(bench, "mset d 1 a 1 c 1 b 1 ab 1 e 1");
}

Test(pando_range, is_in_the_order_of_keys)
{
    for (unsigned stripes = 1; stripes <= 4; stripes *= 2) {
        struct bench bench;
        fill(&bench, stripes);
        expect_range(&bench, "pando.range - +", "a ab b c d e ");
        expect_range(&bench, "pando.range - + reverse", "e d c b ab a ");
        bench_fini(&bench);
    }
}

Test(pando_range, includes_its_limits)
{
    for (unsigned stripes = 1; stripes <= 4; stripes *= 2) {
        struct bench bench;
        fill(&bench, stripes);
        expect_range(&bench, "pando.range ab c", "ab b c ");
        expect_range(&bench, "pando.range ab c REVERSE", "c b ab ");
        expect_range(&bench, "pando.range aa bb", "ab b ");
        expect_range(&bench, "pando.range aa bb reverse", "b ab ");
        expect_range(&bench, "pando.range c +", "c d e ");
        expect_range(&bench, "pando.range - b", "a ab b ");
        expect_range(&bench, "pando.range c c", "c ");
        bench_fini(&bench);
    }
}

Test(pando_range, may_be_empty)
{
    struct bench bench;
    fill(&bench, 4);
    expect_range(&bench, "pando.range c b", "");
    expect_range(&bench, "pando.range c b reverse", "");
    expect_range(&bench, "pando.range + -", "");
    expect_range(&bench, "pando.range f +", "");
    expect_range(&bench, "pando.range - A", "");
    bench_expect(&bench, "pando.range f +", "*0\r\n");
    bench_fini(&bench);
}

Test(pando_range, stops_at_its_count)
{
    struct bench bench;
    fill(&bench, 4);
    expect_range(&bench, "pando.range - + count 2", "a ab ");
    expect_range(&bench, "pando.range - + count 2 reverse", "e d ");
    expect_range(&bench, "pando.range b + reverse COUNT 10", "e d c b ");
    expect_range(&bench, "pando.range - + count 0", "");
    expect_range(&bench, "pando.range - + count -1",
                 "-ERR value is out of range, must be positive\r\n");
    expect_range(&bench, "pando.range - + count x", "-" RUN_NO_INTEGER "\r\n");
    expect_range(&bench, "pando.range - + count", "-" RUN_SYNTAX "\r\n");
    expect_range(&bench, "pando.range - + backwards", "-" RUN_SYNTAX "\r\n");
    bench_fini(&bench);
}

Test(pando_range, passes_over_what_has_expired)
{
    struct bench bench;
    fill(&bench, 4);
    bench_say(&bench, "expire b 1");
    bench_say(&bench, "expire e 1");
    bench.now_ms += 2000;
    expect_range(&bench, "pando.range - +", "a ab c d ");
    expect_range(&bench, "pando.range - + reverse count 2", "d c ");
    bench_fini(&bench);
}

Test(pando_range, needs_keys_that_are_ordered)
{
    struct bench bench;
    bench_init(&bench, 1, false);
    cr_expect(strncmp(bench_say(&bench, "pando.range - +"), "-ERR PANDO.RANGE needs ", 23) == 0);
    bench_fini(&bench);
}

/* 500 keys in 16 stripes come as one row. */
Test(pando_range, joins_many_stripes)
{
    struct bench bench;
    char line[64], expected[64];
    bench_init(&bench, 16, true);
    for (unsigned i = 0; i < 500; i++) {
        snprintf(line, sizeof line, "set key%03u x", i * 7 % 500);
        bench_say(&bench, line);
    }
    for (unsigned i = 0; i < 497; i++) {
        snprintf(line, sizeof line, "pando.range key%03u + count 3", i);
        snprintf(expected, sizeof expected, "key%03u key%03u key%03u ", i, i + 1, i + 2);
        expect_range(&bench, line, expected);
    }
    bench_fini(&bench);
}
