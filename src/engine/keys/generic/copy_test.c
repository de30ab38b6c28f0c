/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/generic/copy_test.c - COPY and RENAME of collections, also into other stripes. */
#include "engine/keys/run_testing.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { MEMBERS = 1000 }; /* many batches */

/* What is at @key, all of it. */
static char *content(struct bench *bench, const char *ask, const char *key)
{
    char line[64];
    snprintf(line, sizeof line, ask, key);
    return strdup(bench_say(bench, line));
}

static void fill(struct bench *bench, const char *add)
{
    for (unsigned i = 0; i < MEMBERS; i++) {
        char line[64];
        snprintf(line, sizeof line, add, i * 7919 % MEMBERS);
        cr_assert(bench_say(bench, line)[0] == ':', "%s", bench->answer);
    }
}

static const struct kind {
    const char *add, *all;
} kinds[] = {
    {"rpush from e%u", "lrange %s 0 -1"},
    {"sadd from m%u", "smembers %s"},
    {"hset from f%1$u value%1$u", "hgetall %s"},
    {"zadd from %1$u m%1$u", "zrange %s 0 -1 withscores"},
};

/* To many names, so that all pairs of stripes are met, and back over what is there. */
static void copy_around(struct bench *bench, const struct kind *kind)
{
    fill(bench, kind->add);
    char *all = content(bench, kind->all, "from");
    for (unsigned i = 0; i < 8; i++) {
        char line[64], key[16];
        snprintf(key, sizeof key, "to%u", i);
        snprintf(line, sizeof line, "copy from %s", key);
        bench_expect(bench, line, ":1\r\n");
        bench_expect(bench, line, ":0\r\n");
        snprintf(line, sizeof line, "copy %s from replace", key);
        bench_expect(bench, line, ":1\r\n");
        char *copied = content(bench, kind->all, key), *kept = content(bench, kind->all, "from");
        cr_expect(strcmp(all, copied) == 0 && strcmp(all, kept) == 0, "%s", key);
        free(copied);
        free(kept);
    }
    bench_expect(bench, "dbsize", ":9\r\n");
    free(all);
}

Test(copy, of_a_collection_is_the_same_in_every_stripe)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct bench bench;
        bench_init(&bench, 4, false);
        copy_around(&bench, &kinds[i]);
        bench_fini(&bench);
    }
}

/* Scores are found by member and by place. */
Test(copy, of_a_sorted_set_has_both_its_orders)
{
    struct bench bench;
    bench_init(&bench, 4, false);
    fill(&bench, "zadd from %1$u m%1$u");
    bench_say(&bench, "copy from to");
    bench_expect(&bench, "zscore to m517", "$3\r\n517\r\n");
    bench_expect(&bench, "zrank to m517", ":517\r\n");
    bench_expect(&bench, "zcard to", ":1000\r\n");
    bench_fini(&bench);
}

Test(copy, is_a_value_of_its_own)
{
    struct bench bench;
    bench_init(&bench, 4, false);
    bench_say(&bench, "hset from f 1");
    bench_say(&bench, "copy from to");
    bench_say(&bench, "hset to f 2");
    bench_expect(&bench, "hget from f", "$1\r\n1\r\n");
    bench_expect(&bench, "hget to f", "$1\r\n2\r\n");
    bench_fini(&bench);
}

Test(copy, takes_the_expiry_along_and_that_of_the_target_is_gone)
{
    struct bench bench;
    bench_init(&bench, 4, false);
    bench_say(&bench, "rpush l a");
    bench_say(&bench, "set s x ex 50");
    bench_say(&bench, "pexpireat l 2000000");
    bench_expect(&bench, "copy l s replace", ":1\r\n");
    bench_expect(&bench, "pexpiretime s", ":2000000\r\n");
    bench_say(&bench, "persist l");
    bench_expect(&bench, "copy l s replace", ":1\r\n");
    bench_expect(&bench, "pexpiretime s", ":-1\r\n");
    bench_fini(&bench);
}

Test(rename, moves_any_type_to_any_stripe)
{
    struct bench bench;
    bench_init(&bench, 4, false);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        fill(&bench, kinds[i].add);
        bench_say(&bench, "expire from 100");
        char *all = content(&bench, kinds[i].all, "from");
        for (unsigned to = 0; to < 8; to++) {
            char line[64];
            snprintf(line, sizeof line, to % 2 == 0 ? "rename from to%u" : "rename to%u from",
                     to / 2 * 2);
            bench_expect(&bench, line, "+OK\r\n");
        }
        char *moved = content(&bench, kinds[i].all, "from");
        cr_expect(strcmp(all, moved) == 0, "%s", kinds[i].add);
        bench_expect(&bench, "pttl from", ":100000\r\n");
        bench_expect(&bench, "del from", ":1\r\n");
        bench_expect(&bench, "dbsize", ":0\r\n");
        free(all);
        free(moved);
    }
    bench_fini(&bench);
}
