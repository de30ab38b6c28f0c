/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/generic/object_test.c - OBJECT ENCODING at the limits that Redis 7.0 has, and MEMORY
 * USAGE. */
#include "engine/keys/run_testing.h"

#include <criterion/criterion.h>
#include <stdio.h>

static void expect_encoding(struct bench *bench, const char *encoding)
{
    char expected[32];
    snprintf(expected, sizeof expected, "$%zu\r\n%s\r\n", strlen(encoding), encoding);
    bench_expect(bench, "object encoding k", expected);
}

/* Says @line with each number below @count, and then one more changes the encoding. */
static void expect_limit(const char *line, unsigned count, const char *below, const char *above)
{
    struct bench bench;
    char said[128];
    bench_init(&bench, 1, false);
    for (unsigned i = 0; i <= count; i++) {
        if (i == count)
            expect_encoding(&bench, below);
        snprintf(said, sizeof said, line, i);
        bench_say(&bench, said);
    }
    expect_encoding(&bench, above);
    bench_fini(&bench);
}

Test(object, tells_large_collections_from_small_ones)
{
    expect_limit("hset k f%u v", 512, "listpack", "hashtable");
    expect_limit("sadd k %u", 512, "intset", "hashtable");
    expect_limit("zadd k 1 m%u", 128, "listpack", "skiplist");
    expect_limit("rpush k e%u", 2000, "quicklist", "quicklist");
}

/* @line with a word of @bytes letters. */
static void expect_of_length(const char *line, int bytes, const char *encoding)
{
    struct bench bench;
    char word[128], said[256];
    bench_init(&bench, 1, false);
    memset(word, 'x', sizeof word);
    snprintf(said, sizeof said, line, bytes, word);
    bench_say(&bench, said);
    expect_encoding(&bench, encoding);
    bench_fini(&bench);
}

Test(object, tells_long_members_from_short_ones)
{
    expect_of_length("hset k f %.*s", 64, "listpack");
    expect_of_length("hset k f %.*s", 65, "hashtable");
    expect_of_length("hset k %.*s v", 64, "listpack");
    expect_of_length("hset k %.*s v", 65, "hashtable");
    expect_of_length("zadd k 1 %.*s", 64, "listpack");
    expect_of_length("zadd k 1 %.*s", 65, "skiplist");
    expect_of_length("sadd k %.*s", 1, "hashtable");
}

Test(object, tells_strings_by_what_they_are)
{
    expect_of_length("set k %.*s", 44, "embstr");
    expect_of_length("set k %.*s", 45, "raw");
    struct bench bench;
    bench_init(&bench, 1, false);
    bench_say(&bench, "set k -12");
    expect_encoding(&bench, "int");
    bench_say(&bench, "set k 012");
    expect_encoding(&bench, "embstr");
    bench_fini(&bench);
}

Test(memory_usage, is_refused_as_in_redis_where_it_is_asked_wrongly)
{
    struct bench bench;
    bench_init(&bench, 1, false);
    bench_say(&bench, "set k v");
    bench_expect(&bench, "memory usage none", "$-1\r\n");
    bench_expect(&bench, "memory usage k samples", "-ERR syntax error\r\n");
    bench_expect(&bench, "memory usage k more 5", "-ERR syntax error\r\n");
    bench_expect(&bench, "memory usage k samples -1", "-ERR syntax error\r\n");
    bench_expect(&bench, "memory usage k samples x",
                 "-ERR value is not an integer or out of range\r\n");
    bench_fini(&bench);
}
