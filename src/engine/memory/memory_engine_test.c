/* SPDX-License-Identifier: Apache-2.0 */
/* engine/memory/memory_engine_test.c - commands through the door: stripes, shards, EXEC, watches,
 * one limit over all, and two workers at once. */
#include "engine/memory/memory_engine.h"

#include "codec/resp/resp_out.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>

enum { ARGS_MAX = 40, SHARDS = 3, NOW_MS = 1000 };

/* ---- a client ---- */

struct client {
    struct memory_stage stage;
    struct random       random;
    struct resp_out     out;
    struct key_op       op;
    struct bytes        args[ARGS_MAX];
    char                text[1024]; /* the command's */
    char                answer[4096];
    uint32_t            shard;
    unsigned            done_count;
    struct list         watches;
};

/* A key that begins with a digit is of that shard. */
static uint32_t shard_of(const void *layout, struct bytes key)
{
    cr_assert(layout == &shard_of);
    return key.count > 0 && key.at[0] >= '0' && key.at[0] < '0' + SHARDS ? key.at[0] - '0' : 0;
}

static struct memory_engine *new_engine(uint32_t shards_count, uint32_t stripes_count,
                                        uint64_t bytes_max, bool evicts)
{
    struct memory_engine *engine = memory_engine_new(&(struct memory_engine_options){
        .shards_count = shards_count,
        .stripes_count = stripes_count,
        .bytes_max = bytes_max,
        .evicts = evicts,
        .hash_key = {{5, 6}},
    });
    cr_assert(engine != NULL);
    return engine;
}

static void note_done(struct key_op *op)
{
    struct client *client = op->holder;
    client->done_count++;
}

static struct client *new_client(struct memory_engine *engine)
{
    struct client *client = mem_alloc(sizeof *client);
    cr_assert(client != NULL);
    random_init(&client->random, 1);
    list_init(&client->watches);
    client->shard = KEY_SHARD_SEVERAL;
    cr_assert(memory_stage_init(&client->stage, &(struct memory_stage_options){
                                                    .engine = engine,
                                                    .random = &client->random,
                                                    .value_bytes_max = 1 << 20,
                                                    .shard_of = shard_of,
                                                    .layout = &shard_of,
                                                }));
    return client;
}

static void free_client(struct client *client)
{
    memory_stage_fini(&client->stage);
    mem_free(client);
}

/* Splits @text, which is written to, at its spaces. */
static uint32_t split(char *text, struct bytes *args)
{
    uint32_t count = 0;
    char *rest = text;
    for (char *word; (word = strsep(&rest, " ")) != NULL;) {
        cr_assert(count < ARGS_MAX);
        args[count++] = bytes_of(word);
    }
    return count;
}

static void fill_op(struct client *client, struct key_op *op, char *text, struct bytes *args)
{
    const uint32_t count = split(text, args);
    *op = (struct key_op){
        .command = command_find(args[0]),
        .args = args,
        .args_count = count,
        .what = KEY_OP_COMMAND,
        .shard = client->shard,
        .now_ms = NOW_MS,
        .out = &client->out,
        .holder = client,
        .done = note_done,
    };
    cr_assert(op->command != NULL && command_takes(op->command, count));
}

static const char *take_answer(struct client *client)
{
    const struct slice slice = resp_out_take(&client->out);
    cr_assert(slice.bytes < sizeof client->answer);
    memcpy(client->answer, slice.at, slice.bytes);
    client->answer[slice.bytes] = 0;
    buf_unref(slice.buf);
    return client->answer;
}

static const char *submit(struct client *client, struct key_op *op)
{
    const unsigned before = client->done_count;
    resp_out_init(&client->out, 2, 0, NULL);
    key_door_submit(&client->stage.door, op);
    cr_assert(client->done_count == before + 1);
    return take_answer(client);
}

/* The answer to one command, written as on a line. */
static const char *say(struct client *client, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static const char *say(struct client *client, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vsnprintf(client->text, sizeof client->text, format, values);
    va_end(values);
    fill_op(client, &client->op, client->text, client->args);
    return submit(client, &client->op);
}

/* EXEC of the commands in @script, which are separated by ; */
static const char *exec(struct client *client, const char *script)
{
    struct key_op parts[16];
    struct key_op *pointers[16];
    struct bytes args[16][ARGS_MAX];
    char text[1024];
    snprintf(text, sizeof text, "%s", script);
    char *rest = text;
    uint32_t count = 0;
    for (char *command; (command = strsep(&rest, ";")) != NULL; count++) {
        fill_op(client, &parts[count], command, args[count]);
        pointers[count] = &parts[count];
    }
    struct key_op op = {
        .what = KEY_OP_EXEC,
        .shard = client->shard,
        .now_ms = NOW_MS,
        .out = &client->out,
        .parts = pointers,
        .parts_count = count,
        .watches = &client->watches,
        .holder = client,
        .done = note_done,
    };
    return submit(client, &op);
}

static struct key_watch *watch(struct client *client, const char *key)
{
    struct key_watch *made = mem_alloc(sizeof *made + strlen(key));
    cr_assert(made != NULL);
    made->key_bytes = (uint32_t)strlen(key);
    memcpy(made->key, key, strlen(key));
    link_init(&made->watched);
    list_add_last(&client->watches, &made->link);
    struct key_op op = {.what = KEY_OP_WATCH,
                        .shard = client->shard,
                        .now_ms = NOW_MS,
                        .watch = made,
                        .holder = client,
                        .done = note_done};
    key_door_submit(&client->stage.door, &op);
    cr_assert(made->place != NULL);
    return made;
}

/* Twice does no harm. */
static void unwatch(struct client *client, struct key_watch *watched)
{
    struct key_op op = {
        .what = KEY_OP_UNWATCH, .watch = watched, .holder = client, .done = note_done};
    key_door_submit(&client->stage.door, &op);
    key_door_submit(&client->stage.door, &op);
    cr_assert(watched->place == NULL && !link_is_in_list(&watched->watched));
    list_remove(&watched->link);
    mem_free(watched);
}

static struct memory_counts count(struct memory_engine *engine)
{
    struct memory_counts counts;
    memory_engine_count(engine, &counts);
    return counts;
}

/* ---- commands ---- */

Test(memory_engine, runs_commands_on_one_key_and_on_several)
{
    static const uint32_t stripes[] = {1, 64};
    for (unsigned i = 0; i < 2; i++) {
        struct memory_engine *engine = new_engine(SHARDS, stripes[i], 0, false);
        struct client *client = new_client(engine);
        cr_expect_str_eq(say(client, "SET 0a 1"), "+OK\r\n");
        cr_expect_str_eq(say(client, "INCR 0a"), ":2\r\n");
        cr_expect_str_eq(say(client, "MSET 0b x 1b y 2b z"), "+OK\r\n");
        cr_expect_str_eq(say(client, "MGET 2b 1b 0b 0a 1a 2b"),
                         "*6\r\n$1\r\nz\r\n$1\r\ny\r\n$1\r\nx\r\n$1\r\n2\r\n$-1\r\n$1\r\nz\r\n");
        cr_expect_str_eq(say(client, "RENAME 2b 1c"), "+OK\r\n");
        cr_expect_str_eq(say(client, "GET 1c"), "$1\r\nz\r\n");
        cr_expect_str_eq(say(client, "SADD 0s a b"), ":2\r\n");
        cr_expect_str_eq(say(client, "SADD 2s b c"), ":2\r\n");
        cr_expect_str_eq(say(client, "SINTERSTORE 1s 0s 2s"), ":1\r\n");
        cr_expect_str_eq(say(client, "SMEMBERS 1s"), "*1\r\n$1\r\nb\r\n");
        cr_expect_str_eq(say(client, "SINTERCARD 2 0s 2s"), ":1\r\n");
        cr_expect_str_eq(say(client, "DEL 0a 1b 2x"), ":2\r\n");
        cr_expect_str_eq(say(client, "DBSIZE"), ":5\r\n");
        client->shard = 1;
        cr_expect_str_eq(say(client, "DBSIZE"), ":2\r\n");
        cr_expect_str_eq(say(client, "FLUSHALL"), "+OK\r\n");
        client->shard = 0;
        cr_expect_str_eq(say(client, "DBSIZE"), ":2\r\n");
        cr_expect_str_eq(say(client, "GET 0b"), "$1\r\nx\r\n");
        cr_expect(count(engine).keys == 3 && count(engine).commands == 17);
        free_client(client);
        memory_engine_unref(engine);
    }
}

/* More keys than hashes are kept for, and one of them twice. */
Test(memory_engine, finds_all_keys_of_a_long_command)
{
    struct memory_engine *engine = new_engine(SHARDS, 16, 0, false);
    struct client *client = new_client(engine);
    char text[400] = "MSET";
    for (unsigned i = 0; i < ARGS_MAX - 3; i += 2)
        snprintf(text + strlen(text), sizeof text - strlen(text), " %uk%u v%u", i % 3, i, i);
    cr_expect_str_eq(say(client, "%s", text), "+OK\r\n");
    strcpy(text, "EXISTS 0k0 0k0");
    for (unsigned i = 0; i < 37; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), " %uk%u", i % 3, i);
    cr_expect_str_eq(say(client, "%s", text), ":21\r\n");
    free_client(client);
    memory_engine_unref(engine);
}

Test(memory_engine, scans_a_shard_in_order_over_its_stripes)
{
    struct memory_engine *engine = new_engine(1, 8, 0, false);
    struct client *client = new_client(engine);
    client->shard = 0;
    static unsigned seen[1000];
    for (unsigned i = 0; i < 500; i++)
        cr_assert_str_eq(say(client, "SET k%u v", i), "+OK\r\n");
    uint64_t position = 0;
    for (unsigned round = 0; position != KEY_SCAN_END; round++) {
        cr_assert(round < 1000);
        snprintf(client->text, sizeof client->text, "SCAN 0 COUNT 10");
        fill_op(client, &client->op, client->text, client->args);
        client->op.scan_position = position;
        const char *answer = submit(client, &client->op);
        cr_assert(client->op.scan_position > position);
        position = client->op.scan_position;
        for (unsigned number; (answer = strchr(answer, 'k')) != NULL; answer++)
            if (sscanf(answer, "k%u", &number) == 1)
                seen[number]++;
        cr_assert_str_eq(say(client, "SET k%u v", 500 + round % 500), "+OK\r\n");
    }
    for (unsigned i = 0; i < 500; i++)
        cr_assert(seen[i] == 1, "k%u was seen %u times", i, seen[i]);
    free_client(client);
    memory_engine_unref(engine);
}

/* ---- transactions ---- */

Test(memory_engine, does_the_parts_of_exec_in_their_order)
{
    struct memory_engine *engine = new_engine(SHARDS, 4, 0, false);
    struct client *client = new_client(engine);
    cr_expect_str_eq(exec(client, "SET 0a 1;INCR 0a;MSET 1a x 2a y;LPUSH 0a z;GET 2a;DBSIZE"),
                     "*6\r\n+OK\r\n:2\r\n+OK\r\n-WRONGTYPE Operation against a key holding the "
                     "wrong kind of value\r\n$1\r\ny\r\n:3\r\n");
    free_client(client);
    memory_engine_unref(engine);
}

Test(memory_engine, does_nothing_when_a_watched_key_was_touched)
{
    struct memory_engine *engine = new_engine(SHARDS, 4, 0, false);
    struct client *client = new_client(engine);
    struct client *other = new_client(engine);
    say(client, "SET 1a 1");
    struct key_watch *first = watch(client, "1a");
    struct key_watch *second = watch(client, "2b");
    cr_expect_str_eq(exec(client, "INCR 1a"), "*1\r\n:2\r\n");
    cr_expect(first->place == NULL && second->place == NULL, "EXEC ends the watches");
    unwatch(client, first);
    unwatch(client, second);

    first = watch(client, "1a");
    second = watch(client, "2b");
    say(other, "GET 1a");
    say(other, "SET 2b x");
    cr_expect_str_eq(exec(client, "INCR 1a"), "*-1\r\n");
    cr_expect_str_eq(say(client, "GET 1a"), "$1\r\n2\r\n");
    cr_expect_str_eq(exec(client, "INCR 1a"), "*1\r\n:3\r\n", "they are over, touched or not");
    unwatch(client, first);
    unwatch(client, second);

    first = watch(client, "1a");
    say(other, "DEL 1a");
    unwatch(client, first);
    cr_expect_str_eq(exec(client, "EXISTS 1a"), "*1\r\n:0\r\n");
    free_client(client);
    free_client(other);
    memory_engine_unref(engine);
}

Test(memory_engine, finds_out_at_exec_that_a_watched_key_expired)
{
    struct memory_engine *engine = new_engine(1, 4, 0, false);
    struct client *client = new_client(engine);
    client->shard = 0;
    say(client, "SET a 1 PXAT %u", NOW_MS + 1);
    struct key_watch *watched = watch(client, "a");
    struct key_op op = {.what = KEY_OP_EXEC,
                        .shard = 0,
                        .now_ms = NOW_MS + 1,
                        .out = &client->out,
                        .watches = &client->watches,
                        .holder = client,
                        .done = note_done};
    cr_expect_str_eq(submit(client, &op), "*-1\r\n");
    unwatch(client, watched);
    free_client(client);
    memory_engine_unref(engine);
}

/* ---- the limit ---- */

static void expect_within(struct memory_engine *engine)
{
    uint64_t granted = 0;
    for (uint32_t i = 0; i < memory_engine__stripes(engine); i++) {
        const struct memory_space *space = &engine->stripes[i].space;
        cr_assert(memory_space_bytes(space) <= space->granted_bytes);
        granted += space->granted_bytes;
    }
    cr_assert(granted == engine->budget.granted_bytes);
    cr_assert(granted <= engine->budget.bytes_max && count(engine).bytes <= granted);
}

static bool is_integer(const char *answer)
{
    return answer[0] == ':';
}

Test(memory_engine, has_one_limit_over_all_stripes)
{
    enum { LIMIT = 512 * 1024 };
    struct memory_engine *engine = new_engine(SHARDS, 8, LIMIT, true);
    struct client *client = new_client(engine);
    for (unsigned i = 0; i < 6000; i++) {
        cr_assert(is_integer(say(client, "SETRANGE %uk%u %u x", i % 3, i, 50 + i % 400)));
        expect_within(engine);
    }
    const struct memory_counts counts = count(engine);
    cr_expect(counts.evicted > 3000 && counts.keys + counts.evicted == 6000);
    cr_expect(counts.bytes > LIMIT * 9 / 10, "%lu bytes are used", counts.bytes);
    free_client(client);
    memory_engine_unref(engine);
}

/* The key's own stripe has nothing, so all the room is made in others, also in those that the same
 * command holds. */
Test(memory_engine, evicts_in_other_stripes)
{
    enum { LIMIT = 512 * 1024 };
    struct memory_engine *engine = new_engine(SHARDS, 8, LIMIT, true);
    struct client *client = new_client(engine);
    for (unsigned i = 0; i < 3000; i++)
        cr_assert(is_integer(say(client, "SETRANGE 0k%u 200 x", i)));
    cr_expect(is_integer(say(client, "SETRANGE 2large 400000 x")));
    expect_within(engine);
    cr_expect_str_eq(say(client, "STRLEN 2large"), ":400001\r\n");
    for (unsigned i = 0; i < 1000; i++)
        cr_assert(is_integer(say(client, "SETRANGE 0k%u 200 x", i)));
    const char *answer = exec(client, "DBSIZE;SETRANGE 1large 450000 x");
    cr_expect(strstr(answer, ":450001") != NULL, "%s", answer);
    expect_within(engine);
    free_client(client);
    memory_engine_unref(engine);
}

/* A move takes what it moves along, so it needs no room for it, however full it is. */
Test(memory_engine, moves_large_values_between_shards_within_the_limit)
{
    enum { LIMIT = 256 * 1024 };
    struct memory_engine *engine = new_engine(SHARDS, 4, LIMIT, false);
    struct client *client = new_client(engine);
    unsigned members = 0;
    while (is_integer(say(client, "SADD 0set member%u", members)))
        members++;
    for (unsigned i = 0; i < 200; i++) /* room for the tables of two stripes, which are empty */
        cr_assert_str_eq(say(client, "SREM 0set member%u", i), ":1\r\n");
    for (unsigned i = 0; i < 30; i++) {
        cr_assert_str_eq(say(client, "RENAME %uset %uset", i % 3, (i + 1) % 3), "+OK\r\n");
        expect_within(engine);
    }
    cr_expect(atoi(say(client, "SCARD 0set") + 1) == (int)members - 200);
    free_client(client);
    memory_engine_unref(engine);
}

Test(memory_engine, refuses_what_does_not_fit_where_nothing_is_evicted)
{
    enum { LIMIT = 256 * 1024 };
    struct memory_engine *engine = new_engine(SHARDS, 8, LIMIT, false);
    struct client *client = new_client(engine);
    unsigned i = 0;
    while (is_integer(say(client, "SETRANGE %uk%u 300 x", i % 3, i))) {
        cr_assert(i++ < 2000);
        expect_within(engine);
    }
    cr_expect(strncmp(client->answer, "-OOM ", 5) == 0, "%s", client->answer);
    cr_expect(count(engine).bytes > LIMIT * 9 / 10, "%lu at the first refusal",
              count(engine).bytes);
    cr_expect_str_eq(say(client, "STRLEN 0k0"), ":301\r\n");
    cr_expect_str_eq(say(client, "DEL 0k0 1k1 2k2"), ":3\r\n");
    cr_expect(is_integer(say(client, "SETRANGE 0k0 300 x")), "there is room again");
    free_client(client);
    memory_engine_unref(engine);
}

/* ---- the background ---- */

Test(memory_engine, sweeps_all_stripes_in_the_background)
{
    struct memory_engine *engine = new_engine(SHARDS, 4, 0, false);
    struct client *client = new_client(engine);
    for (unsigned i = 0; i < 3000; i++)
        cr_assert_str_eq(say(client, "SET %uk%u v PXAT %u", i % 3, i, NOW_MS + 1 + i % 2),
                         "+OK\r\n");
    while (memory_engine_tick(engine, NOW_MS))
        ;
    cr_expect(count(engine).keys == 3000);
    for (unsigned i = 0; i < 200; i++)
        memory_engine_tick(engine, NOW_MS + 1);
    cr_expect(count(engine).keys == 1500 && count(engine).expired == 1500);
    for (unsigned i = 0; i < 200; i++)
        memory_engine_tick(engine, NOW_MS + 2);
    cr_expect(count(engine).keys == 0);
    cr_expect(!memory_engine_tick(engine, NOW_MS + 2));
    free_client(client);
    memory_engine_unref(engine);
}

/* ---- two workers ---- */

enum { ROUNDS = 4000 };

/* Moves one from an account to another, both ways round, in other stripes and shards. */
static void *move_money(void *self)
{
    struct client *client = self;
    const bool is_second = client->random.state[0] % 2 == 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (i % 3 == 0)
            exec(client, is_second ? "DECR 0a;INCR 1b" : "DECR 1b;INCR 0a");
        else if (i % 3 == 1)
            exec(client, is_second ? "INCR 0a;DECR 2c" : "INCR 2c;DECR 0a");
        else
            say(client, "INCR 2d");
        if (i % 100 == 0)
            cr_assert_str_eq(exec(client, "SET 1e x;DBSIZE;DEL 1e"), "*3\r\n+OK\r\n:5\r\n:1\r\n");
        if (i % 64 == 0)
            memory_engine_tick(client->stage.options.engine, NOW_MS);
    }
    return NULL;
}

static int number_at(struct client *client, const char *key)
{
    int number = 0;
    cr_assert(sscanf(say(client, "GET %s", key), "$%*d\r\n%d", &number) == 1);
    return number;
}

Test(memory_engine, keeps_sums_when_two_workers_move_at_once)
{
    struct memory_engine *engine = new_engine(SHARDS, 4, 0, false);
    struct client *clients[2];
    for (unsigned i = 0; i < 2; i++) {
        clients[i] = new_client(engine);
        clients[i]->random.state[0] = i;
    }
    say(clients[0], "MSET 0a 0 1b 0 2c 0 2d 0");
    pthread_t threads[2];
    for (unsigned i = 0; i < 2; i++)
        cr_assert(pthread_create(&threads[i], NULL, move_money, clients[i]) == 0);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    struct client *client = clients[0];
    cr_expect(number_at(client, "0a") + number_at(client, "1b") + number_at(client, "2c") == 0);
    cr_expect(number_at(client, "2d") == 2 * (ROUNDS / 3));
    free_client(clients[0]);
    free_client(clients[1]);
    memory_engine_unref(engine);
}

/* Adds one under WATCH until it is done; each failure is somebody else's success. */
static void *count_watched(void *self)
{
    struct client *client = self;
    for (unsigned done = 0; done < ROUNDS / 4;) {
        struct key_watch *watched = watch(client, "1w");
        char command[40];
        snprintf(command, sizeof command, "SET 1w %d;DEL 2nothing", number_at(client, "1w") + 1);
        done += exec(client, command)[1] == '2';
        unwatch(client, watched);
    }
    return NULL;
}

Test(memory_engine, loses_no_update_that_was_watched)
{
    struct memory_engine *engine = new_engine(SHARDS, 4, 0, false);
    struct client *clients[2] = {new_client(engine), new_client(engine)};
    say(clients[0], "SET 1w 0");
    pthread_t threads[2];
    for (unsigned i = 0; i < 2; i++)
        cr_assert(pthread_create(&threads[i], NULL, count_watched, clients[i]) == 0);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    cr_expect(number_at(clients[0], "1w") == 2 * (ROUNDS / 4));
    free_client(clients[0]);
    free_client(clients[1]);
    memory_engine_unref(engine);
}

/* Both fill the same limit, and evict in one another's stripes. */
static void *fill(void *self)
{
    struct client *client = self;
    for (unsigned i = 0; i < ROUNDS; i++)
        cr_assert(
            is_integer(say(client, "SETRANGE %uk%lu %u x", i % 3,
                           random_next(&client->random) % 5000, i % 200 == 0 ? 100000 : i % 500)));
    return NULL;
}

Test(memory_engine, holds_the_limit_with_two_workers)
{
    struct memory_engine *engine = new_engine(SHARDS, 4, 512 * 1024, true);
    struct client *clients[2];
    pthread_t threads[2];
    for (unsigned i = 0; i < 2; i++) {
        clients[i] = new_client(engine);
        random_init(&clients[i]->random, i);
        cr_assert(pthread_create(&threads[i], NULL, fill, clients[i]) == 0);
    }
    for (unsigned i = 0; i < 100; i++)
        cr_assert(engine->budget.granted_bytes <= engine->budget.bytes_max);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    expect_within(engine);
    free_client(clients[0]);
    free_client(clients[1]);
    memory_engine_unref(engine);
}

#ifdef PANDO_FAULTS
Test(memory_engine, is_not_made_without_memory)
{
    for (uint64_t nth = 1; nth <= 3; nth++) {
        fault_fail_nth(FAULT_ALLOCATION, nth);
        cr_expect(memory_engine_new(&(struct memory_engine_options){.shards_count = 1,
                                                                    .stripes_count = 2}) == NULL);
        fault_fail_nth(FAULT_ALLOCATION, 0);
    }
    memory_engine_unref(NULL);
    struct memory_stage stage = {0};
    memory_stage_fini(&stage);
}
#endif

Test(memory_engine, a_look_ahead_changes_nothing)
{
    struct memory_engine *engine = new_engine(SHARDS, 4, 0, false);
    struct client *client = new_client(engine);
    struct bytes keys[KEY_EXPECTED_MAX];
    char texts[KEY_EXPECTED_MAX][8];
    for (uint32_t i = 0; i < KEY_EXPECTED_MAX; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "%uk%u", i % SHARDS, i);
        keys[i] = bytes_of(texts[i]);
    }
    key_door_expect(&client->stage.door, keys, KEY_EXPECTED_MAX);
    for (uint32_t i = 0; i < KEY_EXPECTED_MAX; i += 2)
        (void)say(client, "SET %s v%u", texts[i], i);
    const struct memory_counts before = count(engine);
    key_door_expect(&client->stage.door, keys, KEY_EXPECTED_MAX);
    const struct memory_counts after = count(engine);
    cr_expect_eq(memcmp(&before, &after, sizeof before), 0);
    cr_expect_str_eq(say(client, "GET 2k2"), "$2\r\nv2\r\n");
    free_client(client);
    memory_engine_unref(engine);
}

/* ---- what a thread beside the workers asks ---- */

struct visited {
    unsigned count, most;
    bool     is_wrong;
};

static bool visit(void *self, struct bytes key, const struct space_value *value)
{
    struct visited *visited = self;
    visited->is_wrong |= key.at[0] != '1' || value->type != KEY_STRING;
    return ++visited->count < visited->most;
}

Test(memory_engine, all_keys_of_a_shard_are_visited_but_those_whose_time_is_over)
{
    struct memory_engine *engine = new_engine(SHARDS, 8, 0, false);
    struct client *client = new_client(engine);
    struct visited all = {.most = UINT32_MAX}, some = {.most = 3};
    for (unsigned i = 0; i < 5000; i++) {
        (void)say(client, "set 1%u x", i);
        (void)say(client, "set 0%u x", i);
    }
    (void)say(client, "set 1gone x px 500");
    memory_engine_visit(engine, 1, NOW_MS + 1000, visit, &all);
    cr_expect(all.count == 5000 && !all.is_wrong, "%u", all.count);
    memory_engine_visit(engine, 1, NOW_MS, visit, &some);
    cr_expect(some.count == 3, "the walk ends when it is told to");
    free_client(client);
    memory_engine_unref(engine);
}
