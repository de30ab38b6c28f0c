/* SPDX-License-Identifier: Apache-2.0 */
/* main/keys_faults_test.c - a session of all groups of commands on each embedded engine while the
 * n-th allocation fails, for every n until the session is left untouched.
 *
 * At most one command is answered with an error that says so, or not at all; nothing crashes; and
 * after it, with the keys flushed, the same session is answered as ever. What is leaked the
 * sanitized build says. */
#include "core/mem.h"
#include "core/units.h"
#include "engine/lmdb/lmdb_stage.h"
#include "engine/lmdb/lmdb_testing.h"
#include "engine/memory/memory_engine.h"

#include <criterion/criterion.h>

enum { ARGS = 24, N_MOST = 5000, ANSWER_BYTES = 512 };

static char long_text[100001];

/* Words at spaces; LONG is a text of 100,000 bytes, which LMDB keeps in chunks. */
static const char *const session[] = {
    "SET a 1 EX 100",
    "INCRBY a 5",
    "APPEND a xyz",
    "SETRANGE a 70000 end",
    "SETBIT bits 9 1",
    "BITFIELD bits SET u8 8 255 INCRBY u8 8 1",
    "BITOP NOT other bits",
    "MSET b 1 c 2 d 3",
    "MGET a b c d none",
    "GETRANGE a 0 10",
    "SET long LONG",
    "STRLEN long",
    "LCS b c",
    "HSET h f 1 g 2 i LONG",
    "HINCRBYFLOAT h f 1.5",
    "HDEL h g",
    "HGETALL h",
    "HSCAN h 0 COUNT 100",
    "RPUSH l a b c d e f",
    "LINSERT l BEFORE c x",
    "LPOP l 2",
    "LRANGE l 0 -1",
    "LMOVE l m LEFT RIGHT",
    "LPOS l f",
    "SADD s 1 2 3 4",
    "SADD t 3 4 5",
    "SINTERSTORE u s t",
    "SMOVE s t 1",
    "SUNION s t",
    "SMISMEMBER t 1 9",
    "ZADD z 1 a 2 b 3 c",
    "ZINCRBY z 5 a",
    "ZUNIONSTORE y 2 z s WEIGHTS 2 1",
    "ZRANGE y 0 -1 WITHSCORES",
    "ZRANGESTORE x z 0 1",
    "ZPOPMIN z",
    "SORT l ALPHA STORE sorted",
    "COPY h k",
    "RENAME k k2",
    "EXPIRE k2 1000",
    "PERSIST k2",
    "TYPE k2",
    "OBJECT ENCODING h",
    "KEYS *",
    "DBSIZE",
    "DEL a b h",
    "UNLINK long none",
};

enum { COMMANDS = sizeof session / sizeof session[0] };

struct world {
    struct key_door      *door;
    struct memory_engine *engine;
    struct memory_stage   memory;
    struct random         random;
    struct lmdb_testing   lmdb;
    struct lmdb_writer    writer;
    struct lmdb_stage     stage;
    struct loop           loop;
    bool                  is_done, is_lmdb;
    char                  answers[COMMANDS][ANSWER_BYTES];
};

static struct world w;

static void note_done(struct key_op *op)
{
    (void)op;
    w.is_done = true;
}

static bool set_apart(struct key_op *op)
{
    op->is_apart = true; /* what it names stays until it is done */
    return true;
}

static uint32_t shard_of(const void *layout, struct bytes key)
{
    (void)layout, (void)key;
    return 0;
}

static void begin_memory(void)
{
    w.engine = memory_engine_new(&(struct memory_engine_options){
        .shards_count = 1, .stripes_count = 4, .bytes_max = 64 << 20, .hash_key = {{5, 6}}});
    cr_assert(w.engine != NULL);
    random_init(&w.random, 1);
    cr_assert(
        memory_stage_init(&w.memory, &(struct memory_stage_options){.engine = w.engine,
                                                                    .random = &w.random,
                                                                    .value_bytes_max = 1 << 20,
                                                                    .shard_of = shard_of}));
    w.door = &w.memory.door;
}

static void end_memory(void)
{
    memory_stage_fini(&w.memory);
    memory_engine_unref(w.engine);
}

static void begin_lmdb(void)
{
    struct err e;
    w.is_lmdb = true;
    lmdb_testing_begin(&w.lmdb);
    w.lmdb.settings.sync = LMDB_SYNC_NEVER;
    lmdb_testing_open(&w.lmdb);
    cr_assert(loop_open(&w.loop, "epoll", &e) == ERR_NONE);
    lmdb_writer_init(&w.writer, &w.lmdb.shard, 1 << 20, 1);
    lmdb_stage_init(&w.stage, &(struct lmdb_stage_options){.shard = &w.lmdb.shard,
                                                           .writer = &w.writer,
                                                           .loop = &w.loop,
                                                           .waiting_max = 1000,
                                                           .value_bytes_max = 1 << 20,
                                                           .seed = 2});
    w.door = &w.stage.door;
}

static void end_lmdb(void)
{
    lmdb_stage_fini(&w.stage);
    lmdb_writer_stop(&w.writer);
    loop_close(&w.loop);
    lmdb_testing_end(&w.lmdb);
}

static uint32_t split(char *text, struct bytes *args)
{
    uint32_t count = 0;
    for (char *rest = text, *word; (word = strsep(&rest, " ")) != NULL; count++) {
        cr_assert(count < ARGS);
        args[count] = bytes_of(strcmp(word, "LONG") == 0 ? long_text : word);
    }
    return count;
}

/* What was answered, cut; "" where there was no memory for the answer. */
static void say(const char *line, char answer[ANSWER_BYTES])
{
    char text[256];
    struct bytes args[ARGS];
    struct resp_out out;
    snprintf(text, sizeof text, "%s", line);
    const uint32_t count = split(text, args);
    resp_out_init(&out, 2, 0, NULL);
    struct key_op op = {.command = command_find(args[0]),
                        .args = args,
                        .args_count = count,
                        .what = KEY_OP_COMMAND,
                        .now_ms = 1000,
                        .out = &out,
                        .set_apart = set_apart,
                        .done = note_done};
    cr_assert(op.command != NULL && command_takes(op.command, count), "%s", line);
    link_init(&op.link);
    w.is_done = false;
    key_door_submit(w.door, &op);
    for (unsigned turns = 0; w.is_lmdb && !w.is_done && turns < 10; turns++) {
        loop_turn(&w.loop, 0);
        while (lmdb_writer_step(&w.writer))
            ;
        loop_turn(&w.loop, 0);
    }
    cr_assert(w.is_done, "%s is not answered", line);
    answer[0] = '\0';
    if (!out.failed && out.buf != NULL)
        snprintf(answer, ANSWER_BYTES, "%.*s", (int)out.used, (const char *)out.buf->data);
    if (w.is_lmdb)
        lmdb_space_read_end(&w.stage.space);
    resp_out_fini(&out);
}

static bool is_refusal(const char *answer)
{
    return answer[0] == '\0' || strncmp(answer, "-OOM ", 5) == 0 ||
           strstr(answer, "no memory") != NULL;
}

static void flush(void)
{
    char answer[ANSWER_BYTES];
    say("FLUSHALL", answer);
    cr_assert(strcmp(answer, "+OK\r\n") == 0, "%s", answer);
}

static void run_session(void)
{
    for (unsigned i = 0; i < COMMANDS; i++)
        say(session[i], w.answers[i]);
}

/* The keys are where a hash put them: those answers are compared by their length. */
static void expect_as_ever(char (*ever)[ANSWER_BYTES], uint64_t nth)
{
    for (unsigned i = 0; i < COMMANDS; i++)
        cr_assert(strncmp(session[i], "KEYS", 4) == 0 || strcmp(w.answers[i], ever[i]) == 0,
                  "after allocation %lu: %s: %s not %s", nth, session[i], w.answers[i], ever[i]);
}

static unsigned count_refusals(void)
{
    unsigned refused = 0;
    for (unsigned i = 0; i < COMMANDS; i++)
        refused += is_refusal(w.answers[i]);
    return refused;
}

static void fail_each(void)
{
    static char ever[COMMANDS][ANSWER_BYTES];
    unsigned refusals = 0;
    uint64_t nth = 0, seen = 0;
    memset(long_text, 'v', sizeof long_text - 1);
    flush();
    run_session();
    memcpy(ever, w.answers, sizeof ever);
    cr_assert(count_refusals() == 0);
    do {
        flush();
        fault_fail_nth(FAULT_ALLOCATION, ++nth);
        run_session();
        seen = fault_seen(FAULT_ALLOCATION);
        fault_fail_nth(FAULT_ALLOCATION, 0);
        const unsigned refused = count_refusals();
        cr_assert(refused <= 1, "allocation %lu: %u commands were refused", nth, refused);
        refusals += refused;
        flush();
        run_session();
        expect_as_ever(ever, nth);
    } while (seen >= nth && nth < N_MOST);
    cr_expect(nth > COMMANDS && nth < N_MOST && refusals > COMMANDS / 2, "%lu, %u", nth, refusals);
}

#ifdef PANDO_FAULTS

Test(keys_faults, memory_refuses_one_command_and_goes_on, .timeout = 120)
{
    begin_memory();
    fail_each();
    end_memory();
}

Test(keys_faults, lmdb_refuses_one_command_and_goes_on, .timeout = 120)
{
    begin_lmdb();
    fail_each();
    end_lmdb();
}

#endif
