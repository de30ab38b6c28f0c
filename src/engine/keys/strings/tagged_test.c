/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/strings/tagged_test.c - PANDO.GET, PANDO.PUT, PANDO.DEL: types, tags, conditions. */
#include "engine/keys/run_testing.h"

#include <criterion/criterion.h>
#include <stdio.h>

/* A change as any other: it may be refused. */
static enum space_result put_as(struct space *space, struct bytes key, struct bytes string,
                                uint64_t expires_ms, uint8_t media)
{
    return bench_strikes() ? SPACE_FULL
                           : bench_behind->put_as(space, key, string, expires_ms, media);
}

/* The tag of what is at @key. */
static const char *tag_at(struct bench *bench, const char *key)
{
    static char tag[33];
    char line[64];
    snprintf(line, sizeof line, "pando.get %s meta", key);
    const char *answer = bench_say(bench, line);
    const char *at = strstr(answer, "$32\r\n");
    cr_assert(at != NULL, "%s", answer);
    snprintf(tag, sizeof tag, "%s", at + 5);
    return tag;
}

/* Says @format with @tag in it. */
static const char *say(struct bench *bench, const char *format, const char *tag)
{
    char line[256];
    snprintf(line, sizeof line, format, tag);
    return bench_say(bench, line);
}

static bool begins(const char *answer, const char *with)
{
    return strncmp(answer, with, strlen(with)) == 0;
}

Test(pando_get, gives_the_string_its_type_tag_length_and_end)
{
    struct bench bench;
    bench_init(&bench, 1, false);
    cr_expect(begins(bench_say(&bench, "pando.put a hello text/html;charset=UTF-8 px 5000"),
                     "*3\r\n:1\r\n$32\r\n"));
    const char *answer = bench_say(&bench, "pando.get a");
    cr_expect(begins(answer, "*5\r\n$5\r\nhello\r\n$24\r\ntext/html; charset=utf-8\r\n$32\r\n"),
              "%s", answer);
    cr_expect(strstr(answer, "\r\n:5\r\n:1005000\r\n") != NULL, "%s", answer);
    bench_expect(&bench, "pando.get b", "*-1\r\n");
    bench_fini(&bench);
}

Test(pando_get, leaves_out_what_is_known)
{
    struct bench bench;
    bench_init(&bench, 1, false);
    bench_say(&bench, "set a hello");
    const char *tag = tag_at(&bench, "a");
    cr_expect(begins(say(&bench, "pando.get a unless %s", tag), "*5\r\n$-1\r\n"));
    cr_expect(begins(say(&bench, "pando.get a unless x unless %s", tag), "*5\r\n$-1\r\n"));
    cr_expect(begins(bench_say(&bench, "pando.get a unless *"), "*5\r\n$-1\r\n"));
    cr_expect(begins(bench_say(&bench, "pando.get a meta"), "*5\r\n$-1\r\n"));
    cr_expect(begins(bench_say(&bench, "pando.get a unless x"), "*5\r\n$5\r\n"));
    bench_expect(&bench, "pando.get a unless", "-" RUN_SYNTAX "\r\n");
    bench_expect(&bench, "pando.get a more", "-" RUN_SYNTAX "\r\n");
    bench_fini(&bench);
}

Test(tags, tell_bytes_and_types_apart_and_are_the_same_for_the_same)
{
    struct bench bench;
    char first[33];
    bench_init(&bench, 1, false);
    bench_say(&bench, "pando.put a one text/plain");
    snprintf(first, sizeof first, "%s", tag_at(&bench, "a"));
    bench_say(&bench, "pando.put b one text/plain px 100");
    cr_expect(strcmp(first, tag_at(&bench, "b")) == 0);
    bench_say(&bench, "pando.put b one text/html");
    cr_expect(strcmp(first, tag_at(&bench, "b")) != 0);
    bench_say(&bench, "pando.put b two text/plain");
    cr_expect(strcmp(first, tag_at(&bench, "b")) != 0);
    bench_say(&bench, "set a one");
    cr_expect(strcmp(first, tag_at(&bench, "a")) != 0, "SET says no type");
    bench_fini(&bench);
}

Test(pando_put, only_over_what_has_the_tag)
{
    struct bench bench;
    bench_init(&bench, 1, false);
    bench_expect(&bench, "pando.put a one text/plain ifmatch *", "*-1\r\n");
    bench_say(&bench, "pando.put a one text/plain");
    const char *tag = tag_at(&bench, "a");
    bench_expect(&bench, "pando.put a two text/plain ifmatch x", "*-1\r\n");
    bench_expect(&bench, "get a", "$3\r\none\r\n");
    cr_expect(begins(say(&bench, "pando.put a two text/plain ifmatch x ifmatch %s", tag),
                     "*3\r\n:0\r\n"));
    bench_expect(&bench, "get a", "$3\r\ntwo\r\n");
    cr_expect(begins(say(&bench, "pando.put a x text/plain ifmatch %s", tag), "*-1\r\n"));
    cr_expect(begins(bench_say(&bench, "pando.put a x text/plain ifmatch *"), "*3\r\n:0\r\n"));
    bench_fini(&bench);
}

Test(pando_put, only_where_nothing_is)
{
    struct bench bench;
    bench_init(&bench, 1, false);
    cr_expect(begins(bench_say(&bench, "pando.put a one text/plain ifnonematch *"), "*3\r\n:1"));
    bench_expect(&bench, "pando.put a two text/plain ifnonematch *", "*-1\r\n");
    const char *tag = tag_at(&bench, "a");
    cr_expect(begins(say(&bench, "pando.put a two text/plain ifnonematch %s", tag), "*-1\r\n"));
    cr_expect(begins(bench_say(&bench, "pando.put a two text/plain ifnonematch x"), "*3\r\n:0"));
    bench.now_ms += 10;
    bench_say(&bench, "pexpire a 5");
    bench.now_ms += 10;
    cr_expect(begins(bench_say(&bench, "pando.put a six text/plain ifnonematch *"), "*3\r\n:1"));
    bench_fini(&bench);
}

Test(pando_put, keeps_or_drops_the_expiry)
{
    struct bench bench;
    bench_init(&bench, 1, false);
    bench_say(&bench, "pando.put a one text/plain px 5000");
    bench_say(&bench, "pando.put a two text/plain keepttl");
    bench_expect(&bench, "pttl a", ":5000\r\n");
    bench_say(&bench, "pando.put a two text/plain");
    bench_expect(&bench, "pttl a", ":-1\r\n");
    bench_expect(&bench, "pando.put a two text/plain px 1 keepttl", "-" RUN_SYNTAX "\r\n");
    bench_expect(&bench, "pando.put a two text/plain keepttl ex 1", "-" RUN_SYNTAX "\r\n");
    bench_expect(&bench, "pando.put a two text/plain px 1 ex 1", "-" RUN_SYNTAX "\r\n");
    bench_expect(&bench, "pando.put a two text/plain ifmatch", "-" RUN_SYNTAX "\r\n");
    bench_expect(&bench, "pando.put a two text/plain px 0",
                 "-ERR invalid expire time in 'pando.put' command\r\n");
    bench_expect(&bench, "pando.put a two text/none",
                 "-ERR this media type is not one of those that are kept\r\n");
    bench_expect(&bench, "get a", "$3\r\ntwo\r\n");
    bench_say(&bench, "pando.put a two text/plain pxat 5");
    bench_expect(&bench, "exists a", ":0\r\n");
    bench_fini(&bench);
}

Test(pando_del, only_what_has_the_tag)
{
    struct bench bench;
    bench_init(&bench, 1, false);
    bench_expect(&bench, "pando.del a", ":0\r\n");
    bench_expect(&bench, "pando.del a ifmatch *", "$-1\r\n");
    bench_say(&bench, "pando.put a one text/plain");
    bench_expect(&bench, "pando.del a ifmatch x", "$-1\r\n");
    bench_expect(&bench, "pando.del a ifnonematch *", "$-1\r\n");
    bench_expect(&bench, "pando.del a now", "-" RUN_SYNTAX "\r\n");
    const char *tag = tag_at(&bench, "a");
    cr_expect(begins(say(&bench, "pando.del a ifmatch %s", tag), ":1\r\n"));
    bench_expect(&bench, "exists a", ":0\r\n");
    bench_fini(&bench);
}

Test(tagged, commands_leave_other_types_alone_and_name_them)
{
    struct bench bench;
    bench_init(&bench, 1, false);
    bench_say(&bench, "rpush l x");
    bench_say(&bench, "zadd z 1 x");
    const char *list = "-WRONGTYPE the key holds a list, not a string\r\n";
    bench_expect(&bench, "pando.get l", list);
    bench_expect(&bench, "pando.put l x text/plain", list);
    bench_expect(&bench, "pando.put l x text/plain ifmatch *", list);
    bench_expect(&bench, "pando.del l", list);
    bench_expect(&bench, "pando.get z", "-WRONGTYPE the key holds a zset, not a string\r\n");
    bench_expect(&bench, "llen l", ":1\r\n");
    bench_fini(&bench);
}

Test(pando_put, that_finds_no_room_changes_nothing)
{
    struct bench bench;
    bench_init(&bench, 1, false);
    bench.kind.put_as = put_as;
    bench_say(&bench, "pando.put a one text/plain");
    bench_fails_in = 1;
    cr_expect(begins(bench_say(&bench, "pando.put a two text/html"), "-OOM "));
    bench_expect(&bench, "get a", "$3\r\none\r\n");
    cr_expect(strstr(bench_say(&bench, "pando.get a"), "text/plain\r\n") != NULL);
    bench.value_bytes_max = 2;
    cr_expect(begins(bench_say(&bench, "pando.put a two text/html"), "-ERR the value would be"));
    bench_fini(&bench);
}

/* ---- what becomes of a type ---- */

static void expect_type(struct bench *bench, const char *key, const char *type)
{
    char line[64], wanted[64];
    snprintf(line, sizeof line, "pando.get %s", key);
    snprintf(wanted, sizeof wanted, "\r\n%s\r\n$32\r\n", type);
    const char *answer = bench_say(bench, line);
    cr_expect(strstr(answer, wanted) != NULL, "%s: %s", key, answer);
}

static const char *const keeping[] = {"append a xyz",    "setrange a 5 abcdefghij",
                                      "setrange a 0 y",  "setbit a 7 1",
                                      "pexpire a 9000",  "persist a",
                                      "expire a 50",     "append a z",
                                      "getex a persist", "setrange a 0 1"};

Test(type, stays_when_the_string_is_edited)
{
    struct bench bench;
    bench_init(&bench, 4, false);
    bench_say(&bench, "pando.put a 12 text/csv");
    for (size_t i = 0; i < sizeof keeping / sizeof keeping[0]; i++) {
        cr_expect(bench_say(&bench, keeping[i])[0] != '-', "%s", bench.answer);
        expect_type(&bench, "a", "text/csv");
    }
    bench_say(&bench, "pando.put n 12 application/json");
    bench_expect(&bench, "incrby n 100000000000", ":100000000012\r\n");
    bench_expect(&bench, "decrby n 100000000000", ":12\r\n");
    bench_expect(&bench, "incrbyfloat n 0.5", "$4\r\n12.5\r\n");
    expect_type(&bench, "n", "application/json");
    bench_expect(&bench, "get n", "$4\r\n12.5\r\n");
    bench_fini(&bench);
}

Test(type, goes_along_with_copies_and_new_names)
{
    struct bench bench;
    bench_init(&bench, 4, false);
    bench_say(&bench, "pando.put a x text/csv px 5000");
    for (char name = 'b'; name < 'j'; name++) {
        char line[32], key[2] = {name, '\0'};
        snprintf(line, sizeof line, "copy a %c", name);
        bench_expect(&bench, line, ":1\r\n");
        expect_type(&bench, key, "text/csv");
        snprintf(line, sizeof line, "rename %c z%c", name, name);
        bench_expect(&bench, line, "+OK\r\n");
        snprintf(line, sizeof line, "z%c", name);
        expect_type(&bench, line, "text/csv");
    }
    bench_fini(&bench);
}

Test(type, goes_when_the_string_is_set)
{
    const char *const sets[] = {"set a y",  "set a y keepttl", "getset a y",
                                "mset a y", "setex a 100 y",   "set a yy xx"};
    struct bench bench;
    bench_init(&bench, 1, false);
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        bench_say(&bench, "pando.put a x text/csv");
        bench_say(&bench, sets[i]);
        expect_type(&bench, "a", "application/octet-stream");
    }
    bench_fini(&bench);
}

/* MSET puts back what it wrote over. */
Test(type, comes_back_when_a_command_is_undone)
{
    struct bench bench;
    bench_init(&bench, 1, false);
    bench_say(&bench, "pando.put a x text/csv");
    bench_fails_in = 2;
    cr_expect(begins(bench_say(&bench, "mset a 1 b 2"), "-OOM "));
    expect_type(&bench, "a", "text/csv");
    bench_fini(&bench);
}

/* With and without type and expiry, in every order, at lengths around those of blocks. */
Test(type, and_expiry_and_length_change_in_place)
{
    struct bench bench;
    struct random random;
    bench_init(&bench, 1, false);
    random_init(&random, 7);
    char text[301];
    for (unsigned i = 0; i < 3000; i++) {
        char line[400];
        const unsigned length = random_below(random_next(&random), 300);
        const uint64_t draw = random_next(&random);
        memset(text, 'a' + (int)(i % 26), length);
        text[length] = '\0';
        const char *value = length == 0 ? "\"\"" : text;
        const char *expiry = draw & 1 ? " px 5000" : "";
        if (draw & 2)
            snprintf(line, sizeof line, "pando.put a %s text/csv%s", value, expiry);
        else
            snprintf(line, sizeof line, "set a %s%s", value, expiry);
        cr_assert(bench_say(&bench, line)[0] != '-', "%s", bench.answer);
        if (draw & 4)
            bench_say(&bench, draw & 8 ? "persist a" : "pexpire a 7000");
        snprintf(line, sizeof line, "*5\r\n$%u\r\n%s\r\n$%s\r\n$32", length, text,
                 draw & 2 ? "8\r\ntext/csv" : "24\r\napplication/octet-stream");
        cr_assert(begins(bench_say(&bench, "pando.get a"), line), "%u: %s", i, bench.answer);
        const bool expires = draw & 4 ? (draw & 8) == 0 : (draw & 1) != 0;
        cr_assert((strstr(bench.answer, "\r\n:-1\r\n") == NULL) == expires, "%s", bench.answer);
    }
    bench_fini(&bench);
}
