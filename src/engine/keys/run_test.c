/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/run_test.c - every command has a handler, and what a space refuses leaves all as it
 * was. */
#include "engine/keys/run_testing.h"

#include <criterion/criterion.h>
#include <stdio.h>

Test(run, every_command_of_the_engine_has_a_handler)
{
    for (unsigned i = 0; i < COMMANDS_COUNT; i++)
        cr_expect((run_handlers[i] != NULL) == (commands[i].route != COMMAND_ROUTE_FRONT), "%s",
                  commands[i].name);
}

Test(run, scratch_beyond_its_limit_is_an_answer)
{
    struct resp_out out;
    struct run run = {.out = &out};
    resp_out_init(&out, 2, 0, NULL);
    arena_init(&run.arena, NULL, 0, 1u << 20);
    cr_expect(run_scratch(&run, SIZE_MAX - 3) == NULL && run_scratch(&run, 1u << 21) == NULL);
    cr_expect(memcmp(out.buf->data, "-OOM", 4) == 0);
    cr_expect(run_scratch(&run, 100) != NULL);
    arena_fini(&run.arena);
    resp_out_fini(&out);
}

Test(run, names_and_texts_are_of_their_rows)
{
    cr_expect(strcmp(key_type_name(KEY_ZSET), "zset") == 0);
    cr_expect(strcmp(key_type_name(KEY_NONE), "none") == 0);
    cr_expect(strncmp(space_result_text(SPACE_FULL), "OOM ", 4) == 0);
    cr_expect(strncmp(space_result_text(SPACE_DISK_FULL), "MISCONF ", 8) == 0);
}

/* ---- refusals ---- */

/* A key of each type, with and without an expiry, in four stripes. */
static const char *const before[] = {
    "set s value",         "set n 10 pxat 2000000", "set e expiring ex 1000", "rpush l a b c",
    "sadd t x y z",        "hset h f 1 g 2",        "zadd z 1 m 2 o",         "pexpireat h 3000000",
    "set long 0123456789", "pexpireat z 4000000",
};

/* What each answers can be refused at some change. */
static const char *const lines[] = {
    "set s other",
    "set s other ex 100",
    "set s other get keepttl",
    "set s other ifeq value get",
    "set new other nx",
    "setnx new other",
    "setex h 10 other",
    "psetex e 10 other",
    "getset s other",
    "getex s ex 100",
    "getex e persist",
    "mset s 1 new 2 n 3 other 4 s 5 e 6",
    "mset new 1 h 2",
    "mset h 1 new 2 e 3",
    "msetnx new 1 other 2 third 3 new 4",
    "append s more",
    "append new more",
    "setrange s 100 more",
    "setrange new 3 more",
    "incr n",
    "incr new",
    "decrby n 100",
    "incrbyfloat n 0.5",
    "setbit s 1000 1",
    "setbit new 3 1",
    "bitop or new s long",
    "bitop not s long",
    "bitop xor h long s",
    "bitfield s set u8 #100 7 incrby i5 3 1 get u8 0",
    "bitfield new set u8 0 7",
    "expire s 100",
    "persist h",
    "pexpireat l 5000000",
    "rename s new",
    "rename h l",
    "renamenx z new",
    "copy s new",
    "copy s h replace",
    "copy h new",
    "copy h t replace",
    "copy z s replace",
    "copy z new",
    "copy l z replace",
    "copy t new",
};

static const char *const keys[] = {"s", "n",    "e",   "l",     "t",    "h",
                                   "z", "long", "new", "other", "third"};

static size_t note(struct bench *bench, char *text, size_t used, const char *ask, const char *key)
{
    char line[64];
    snprintf(line, sizeof line, ask, key);
    const char *answer = bench_say(bench, line);
    const size_t bytes = strlen(answer);
    memcpy(text + used, answer, bytes + 1);
    return used + bytes;
}

/* All there is, as text. */
static void describe(struct bench *bench, char *text)
{
    static const char *const asks[] = {
        "type %s",    "pexpiretime %s",           "get %s", "lrange %s 0 -1", "smembers %s",
        "hgetall %s", "zrange %s 0 -1 withscores"};
    size_t used = note(bench, text, 0, "dbsize%s", "");
    for (size_t key = 0; key < sizeof keys / sizeof keys[0]; key++)
        for (size_t ask = 0; ask < sizeof asks / sizeof asks[0]; ask++)
            used = note(bench, text, used, asks[ask], keys[key]);
}

static enum space_result put_as(struct space *space, struct bytes key, struct bytes string,
                                uint64_t expires_ms, uint8_t media)
{
    return bench_strikes() ? SPACE_FULL
                           : bench_behind->put_as(space, key, string, expires_ms, media);
}

static void begin(struct bench *bench)
{
    bench_init(bench, 4, false);
    bench->kind.put_as = put_as;
    for (size_t i = 0; i < sizeof before / sizeof before[0]; i++)
        cr_assert(bench_say(bench, before[i])[0] != '-', "%s", bench->answer);
}

/* Refuses the @nth change of @line. False: it made fewer than that, and succeeded. */
static bool is_refused(const char *line, unsigned nth)
{
    static char was[16384], is[16384];
    struct bench bench;
    begin(&bench);
    describe(&bench, was);
    bench_fails_in = nth;
    const char *answer = bench_say(&bench, line);
    const bool struck = bench_fails_in == 0;
    bench_fails_in = 0;
    cr_expect((answer[0] == '-') == struck, "%s, change %u: %s", line, nth, answer);
    cr_expect(!struck || strncmp(answer, "-OOM ", 5) == 0, "%s: %s", line, answer);
    cr_expect(strstr(answer, "\r\n") == answer + strlen(answer) - 2 || !struck, "%s", answer);
    describe(&bench, is);
    cr_expect(!struck || strcmp(was, is) == 0, "%s, change %u:\n%s\n%s", line, nth, was, is);
    cr_expect(struck || strcmp(was, is) != 0, "%s changes nothing", line);
    bench_fini(&bench);
    return struck;
}

Test(refusals, leave_all_as_it_was)
{
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        unsigned nth = 1;
        while (is_refused(lines[i], nth))
            nth++;
        cr_expect(nth > 1, "%s cannot be refused", lines[i]);
    }
}

/* What is too large is refused before anything is changed, in a sentence of its own. */
Test(refusals, of_values_over_the_limit_leave_all_as_it_was)
{
    static const char *const large[] = {
        "set s 01234567890123456789x",
        "setnx new 01234567890123456789x",
        "append long 01234567890",
        "setrange long 15 abcdef",
        "setbit s 168 1",
        "mset new 1 s 01234567890123456789x",
        "bitfield s set u8 160 1",
        "getset s 01234567890123456789x",
        "set s 01234567890123456789x get",
    };
    static char was[16384], is[16384];
    for (size_t i = 0; i < sizeof large / sizeof large[0]; i++) {
        struct bench bench;
        begin(&bench);
        bench.value_bytes_max = 20;
        describe(&bench, was);
        const char *answer = bench_say(&bench, large[i]);
        cr_expect(strncmp(answer, "-ERR the value would be larger", 30) == 0, "%s: %s", large[i],
                  answer);
        describe(&bench, is);
        cr_expect(strcmp(was, is) == 0, "%s", large[i]);
        bench_fini(&bench);
    }
}
