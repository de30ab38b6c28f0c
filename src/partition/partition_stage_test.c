/* SPDX-License-Identifier: Apache-2.0 */
/* partition/partition_stage_test.c - what is sent where, split, merged, walked and refused; the
 * shards below are fakes that answer at once or later. */
#include "partition/partition_stage.h"

#include "core/mem.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

enum { SHARDS = 3, WAITING_MAX = 16, WORDS_MAX = 16 };

/* What a fake shard was asked: "s1: mget a b". */
struct fake {
    struct key_door door; /* first */
    struct test    *test;
};

struct test {
    struct fake             fakes[2]; /* of keyspaces `one`, `two` */
    struct key_door        *doors[2][SHARDS];
    struct partition        layout, two_layout;
    struct keyspace         keyspaces[2];
    struct partition_stage  stage;
    struct random           random;
    char                    asked[512];
    bool                    waits; /* answers are given by answer_all() */
    struct key_op          *waiting[WAITING_MAX];
    unsigned                waiting_count, done_count;
    struct resp_out         out;
    struct key_op           op;
    struct bytes            args[WORDS_MAX];
    const struct key_grant *grant; /* of who asks */
    char                    words[256];
};

/* Each shard has the keys "k<shard>", and answers by the command. */
static void answer(struct key_op *op)
{
    char text[64];
    switch (op->command->number) {
    case COMMAND_IS_DEL:
    case COMMAND_IS_DBSIZE:
        resp_integer(op->out, op->command->number == COMMAND_IS_DEL ? op->args_count - 1 : 10);
        break;
    case COMMAND_IS_MGET:
        resp_array(op->out, op->args_count - 1);
        for (uint32_t i = 1; i < op->args_count; i++)
            resp_bulk(op->out, op->args[i]);
        break;
    case COMMAND_IS_MSET: resp_simple(op->out, "OK"); break;
    case COMMAND_IS_RANDOMKEY:
        if (op->shard == 1)
            resp_bulk_text(op->out, "k1");
        else
            resp_null(op->out);
        break;
    case COMMAND_IS_SCAN:
        op->scan_position = op->scan_position == 0 ? 7 * KEY_SCAN_GRAIN : KEY_SCAN_END;
        /* fall through */
    default:
        snprintf(text, sizeof text, "k%u", op->shard);
        resp_array(op->out, 1);
        resp_bulk_text(op->out, text);
    }
    op->done(op);
}

static void fake_submit(struct key_door *door, struct key_op *op)
{
    const struct fake *fake = (const struct fake *)(const void *)door;
    struct test *test = fake->test;
    const size_t used = strlen(test->asked);
    int bytes = snprintf(test->asked + used, sizeof test->asked - used, "%s%s%u:", used ? "; " : "",
                         op->keyspace->name, op->shard);
    for (uint32_t i = 0; i < op->args_count; i++)
        bytes += snprintf(test->asked + used + bytes, sizeof test->asked - used - (size_t)bytes,
                          " %.*s", (int)op->args[i].count, (const char *)op->args[i].at);
    if (test->waits)
        test->waiting[test->waiting_count++] = op;
    else
        answer(op);
}

/* "expects: a b". */
static void fake_expect(struct key_door *door, const struct bytes *keys, uint32_t keys_count)
{
    struct test *test = ((const struct fake *)(const void *)door)->test;
    size_t used = strlen(test->asked);
    used += (size_t)snprintf(test->asked + used, sizeof test->asked - used,
                             "%s%s expects:", used ? "; " : "",
                             door == &test->fakes[0].door ? "default" : "two");
    for (uint32_t i = 0; i < keys_count; i++)
        used += (size_t)snprintf(test->asked + used, sizeof test->asked - used, " %.*s",
                                 (int)keys[i].count, (const char *)keys[i].at);
}

static void answer_all(struct test *test)
{
    while (test->waiting_count > 0)
        answer(test->waiting[--test->waiting_count]);
}

static void op_done(struct key_op *op)
{
    list_item(op, struct test, op)->done_count++;
}

static bool set_apart(struct key_op *op)
{
    op->is_apart = true;
    return true;
}

static const struct bytes splits[] = {{(const uint8_t *)"h", 1}, {(const uint8_t *)"o", 1}};

static void init(struct test *test, const struct partition_strategy *strategy)
{
    memset(test, 0, sizeof *test);
    random_init(&test->random, 1);
    test->layout = (struct partition){.strategy = strategy,
                                      .shards_count = SHARDS,
                                      .splits = strategy == &partition_range ? splits : NULL};
    test->two_layout =
        (struct partition){.strategy = &partition_hash, .shards_count = 1, .name_bytes = 4};
    for (unsigned i = 0; i < 2; i++) {
        test->fakes[i] =
            (struct fake){.door = {.submit = fake_submit, .expect = fake_expect}, .test = test};
        for (unsigned j = 0; j < SHARDS; j++)
            test->doors[i][j] = &test->fakes[i].door;
    }
    test->keyspaces[0] =
        (struct keyspace){.name = "default", .partition = &test->layout, .doors = test->doors[0]};
    test->keyspaces[1] =
        (struct keyspace){.name = "two", .partition = &test->two_layout, .doors = test->doors[1]};
    struct keyspaces keyspaces;
    keyspaces_init(&keyspaces, test->keyspaces, 2);
    partition_stage_init(&test->stage, &keyspaces, &test->random);
}

static void submit(struct test *test, const char *words)
{
    snprintf(test->words, sizeof test->words, "%s", words);
    uint32_t count = 0;
    char *rest = NULL;
    for (char *word = strtok_r(test->words, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest))
        test->args[count++] = bytes_of(word);
    resp_out_fini(&test->out);
    resp_out_init(&test->out, 2, 0, NULL);
    test->asked[0] = '\0';
    test->done_count = 0;
    test->op = (struct key_op){.command = command_find(test->args[0]),
                               .args = test->args,
                               .args_count = count,
                               .out = &test->out,
                               .grant = test->grant,
                               .set_apart = set_apart,
                               .done = op_done};
    cr_assert(test->op.command != NULL, "%s", words);
    key_door_submit(&test->stage.door, &test->op);
}

static const char *answered(struct test *test)
{
    static char text[512];
    cr_expect(test->done_count == 1, "done %u times", test->done_count);
    snprintf(text, sizeof text, "%.*s", (int)test->out.used,
             test->out.buf == NULL ? "" : (const char *)test->out.buf->data);
    return text;
}

#define expect_asked(test, text)    cr_expect_str_eq((test)->asked, text)
#define expect_answered(test, text) cr_expect_str_eq(answered(test), text)

static void fini(struct test *test)
{
    resp_out_fini(&test->out);
}

Test(partition_stage, one_key_goes_to_its_shard_as_it_is)
{
    struct test test;
    init(&test, &partition_range);
    submit(&test, "type nora");
    expect_asked(&test, "default1: type nora");
    submit(&test, "mget anna bert");
    expect_asked(&test, "default0: mget anna bert");
    submit(&test, "type two:x");
    expect_asked(&test, "two0: type two:x");
    fini(&test);
}

Test(partition_stage, keys_of_several_shards_are_split_and_merged)
{
    struct test test;
    init(&test, &partition_range);
    submit(&test, "del zoe anna nora bert");
    expect_asked(&test, "default0: del anna bert; default1: del nora; default2: del zoe");
    expect_answered(&test, ":4\r\n");
    submit(&test, "mget zoe anna two:x anna");
    expect_answered(&test, "*4\r\n$3\r\nzoe\r\n$4\r\nanna\r\n$5\r\ntwo:x\r\n$4\r\nanna\r\n");
    submit(&test, "mset zoe 1 anna 2");
    expect_asked(&test, "default0: mset anna 2; default2: mset zoe 1");
    expect_answered(&test, "+OK\r\n");
    fini(&test);
}

Test(partition_stage, answers_that_come_later_and_in_another_order_are_merged_alike)
{
    struct test test;
    init(&test, &partition_range);
    test.waits = true;
    submit(&test, "mget zoe anna nora");
    cr_expect(test.done_count == 0 && test.waiting_count == 3 && test.op.is_apart);
    answer_all(&test);
    expect_answered(&test, "*3\r\n$3\r\nzoe\r\n$4\r\nanna\r\n$4\r\nnora\r\n");
    fini(&test);
}

Test(partition_stage, what_cannot_be_split_is_refused_unless_the_engine_holds_several)
{
    struct test test;
    init(&test, &partition_range);
    submit(&test, "rename anna zoe");
    expect_asked(&test, "");
    expect_answered(&test, "-" PARTITION_CROSSSLOT "\r\n");
    test.keyspaces[0].holds_several = true;
    submit(&test, "rename anna zoe");
    expect_asked(&test, "default4294967295: rename anna zoe");
    submit(&test, "rename anna two:x");
    expect_answered(&test, "-" PARTITION_CROSSSLOT "\r\n");
    fini(&test);
}

Test(partition_stage, a_key_of_no_keyspace_is_refused)
{
    struct test test;
    init(&test, &partition_hash);
    test.stage.keyspaces.fallback = NULL;
    submit(&test, "type x");
    cr_expect(strncmp(answered(&test), "-ERR no keyspace", 16) == 0);
    submit(&test, "mget two:a x");
    cr_expect(strncmp(answered(&test), "-ERR no keyspace", 16) == 0);
    submit(&test, "type two:a");
    expect_asked(&test, "two0: type two:a");
    fini(&test);
}

Test(partition_stage, all_shards_answer_what_is_about_all_keys)
{
    struct test test;
    init(&test, &partition_hash);
    submit(&test, "dbsize");
    expect_answered(&test, ":40\r\n");
    submit(&test, "keys *");
    expect_answered(&test, "*4\r\n$2\r\nk0\r\n$2\r\nk1\r\n$2\r\nk2\r\n$2\r\nk0\r\n");
    fini(&test);
}

Test(partition_stage, a_random_key_is_found_where_there_is_one)
{
    struct test test;
    init(&test, &partition_hash);
    for (int i = 0; i < 20; i++) {
        submit(&test, "randomkey");
        expect_answered(&test, "$2\r\nk1\r\n");
    }
    fini(&test);
}

/* Follows the cursors; the fakes have two pages each. */
Test(partition_stage, a_scan_walks_all_shards_of_all_keyspaces)
{
    struct test test;
    init(&test, &partition_hash);
    char cursor[32] = "0", words[64];
    unsigned seen[4] = {0}, pages = 0;
    do {
        snprintf(words, sizeof words, "scan %s", cursor);
        submit(&test, words);
        const char *text = answered(&test);
        unsigned long long next;
        cr_assert(sscanf(text, "*2\r\n$%*u\r\n%llu", &next) == 1, "%s", text);
        snprintf(cursor, sizeof cursor, "%llu", next);
        seen[strncmp(test.asked, "two", 3) == 0 ? 3 : test.asked[7] - '0']++;
        cr_assert(++pages < 20);
    } while (strcmp(cursor, "0") != 0);
    for (int i = 0; i < 4; i++)
        cr_expect(seen[i] == 2, "%d: %u", i, seen[i]);
    fini(&test);
}

Test(partition_stage, a_cursor_from_elsewhere_is_refused)
{
    struct test test;
    init(&test, &partition_hash);
    const char *const words[] = {"scan 1", "scan x", "scan 123456789123456789"};
    for (int i = 0; i < 3; i++) {
        submit(&test, words[i]);
        expect_answered(&test, "-ERR invalid cursor\r\n");
    }
    fini(&test);
}

Test(partition_stage, a_range_is_read_shard_by_shard_until_there_is_enough)
{
    struct test test;
    init(&test, &partition_range);
    submit(&test, "pando.range b p");
    expect_answered(&test, "*3\r\n$2\r\nk0\r\n$2\r\nk1\r\n$2\r\nk2\r\n");
    submit(&test, "pando.range b p count 2 reverse");
    expect_asked(&test, "default2: pando.range b p reverse count 2; "
                        "default1: pando.range b p reverse count 1");
    expect_answered(&test, "*2\r\n$2\r\nk2\r\n$2\r\nk1\r\n");
    submit(&test, "pando.range i j");
    expect_asked(&test, "default1: pando.range i j");
    submit(&test, "pando.range z a");
    expect_answered(&test, "*1\r\n$2\r\nk2\r\n");
    submit(&test, "pando.range - + count 0");
    expect_answered(&test, "-ERR COUNT must be a positive number\r\n");
    submit(&test, "pando.range two:a two:b");
    cr_expect(strncmp(answered(&test), "-ERR the keys of this keyspace have no order", 44) == 0);
    fini(&test);
}

Test(partition_stage, a_transaction_goes_to_the_one_shard_of_all_its_keys)
{
    struct test test;
    init(&test, &partition_range);
    const struct bytes first[] = {bytes_of("del"), bytes_of("anna")};
    const struct bytes second[] = {bytes_of("del"), bytes_of("bert")};
    const struct bytes far[] = {bytes_of("del"), bytes_of("zoe")};
    struct key_op parts[] = {
        {.command = &commands[COMMAND_IS_DEL], .args = first, .args_count = 2},
        {.command = &commands[COMMAND_IS_DEL], .args = second, .args_count = 2},
        {.command = &commands[COMMAND_IS_DEL], .args = far, .args_count = 2},
    };
    struct key_op *order[] = {&parts[0], &parts[1], &parts[2]};
    struct key_op op = {.command = &commands[COMMAND_IS_EXEC],
                        .what = KEY_OP_EXEC,
                        .parts = order,
                        .parts_count = 2,
                        .out = &test.out,
                        .done = op_done};
    test.waits = true;
    test.op = op;
    key_door_submit(&test.stage.door, &test.op);
    cr_expect(test.waiting_count == 1 && test.op.shard == 0 && parts[1].shard == 0);
    test.op.parts_count = 3;
    key_door_submit(&test.stage.door, &test.op);
    expect_answered(&test, "-CROSSSLOT the keys of a transaction must be of one shard\r\n");
    test.keyspaces[0].holds_several = true;
    key_door_submit(&test.stage.door, &test.op);
    cr_expect(test.waiting_count == 2 && test.op.shard == KEY_SHARD_SEVERAL);
    for (int i = 0; i < 3; i++)
        cr_expect(parts[i].shard == KEY_SHARD_SEVERAL && parts[i].keyspace == test.keyspaces);
    fini(&test);
}

Test(partition_stage, tells_engines_that_hold_several_what_comes_next)
{
    struct test test;
    init(&test, &partition_hash);
    test.keyspaces[0].holds_several = test.keyspaces[1].holds_several = true;
    const struct bytes keys[] = {bytes_of("a"), bytes_of("b"), bytes_of("two:c"), bytes_of("d")};
    key_door_expect(&test.stage.door, keys, 4);
    cr_expect_str_eq(test.asked, "default expects: a b; two expects: two:c; default expects: d");
    test.asked[0] = 0;
    test.keyspaces[0].holds_several = false;
    key_door_expect(&test.stage.door, keys, 4);
    cr_expect_str_eq(test.asked, "two expects: two:c");
}

/* Submits the transaction of one DEL of @key, or of none. */
static void submit_transaction(struct test *test, const char *key)
{
    const struct bytes args[] = {bytes_of("del"), bytes_of(key == NULL ? "" : key)};
    struct key_op part = {
        .command = &commands[key == NULL ? COMMAND_IS_DBSIZE : COMMAND_IS_DEL],
        .args = args,
        .args_count = key == NULL ? 1 : 2,
    };
    struct key_op *parts[] = {&part};
    resp_out_fini(&test->out);
    resp_out_init(&test->out, 2, 0, NULL);
    test->asked[0] = '\0';
    test->done_count = 0;
    test->op = (struct key_op){.command = &commands[COMMAND_IS_EXEC],
                               .what = KEY_OP_EXEC,
                               .parts = parts,
                               .parts_count = 1,
                               .out = &test->out,
                               .grant = test->grant,
                               .done = op_done};
    key_door_submit(&test->stage.door, &test->op);
}

Test(partition_stage, a_transaction_over_a_key_of_no_keyspace_is_refused)
{
    struct test test;
    init(&test, &partition_hash);
    test.stage.keyspaces.fallback = NULL;
    submit_transaction(&test, "x");
    expect_asked(&test, "");
    cr_expect(strncmp(answered(&test), "-ERR no keyspace", 16) == 0);
    fini(&test);
}

/* ---- grants ---- */

static const struct bytes two_alone[] = {{(const uint8_t *)"two", 3}};
static const struct key_grant of_two = {.keyspaces = two_alone, .keyspaces_count = 1};
static const struct key_grant of_none = {.keyspaces = NULL};
static const struct key_grant of_all = {.is_all = true};

#define DENIED "-" PARTITION_NOT_GRANTED "\r\n"

Test(partition_stage, a_key_that_is_not_granted_is_refused_and_nothing_is_asked)
{
    struct test test;
    init(&test, &partition_range);
    test.grant = &of_two;
    const char *const words[] = {"type nora",      "mget two:a nora",   "mset two:a 1 nora 2",
                                 "del nora two:a", "rename two:a nora", "pando.range b p",
                                 "pando.range - +"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        submit(&test, words[i]);
        expect_asked(&test, "");
        expect_answered(&test, DENIED);
    }
    submit(&test, "type two:a");
    expect_asked(&test, "two0: type two:a");
    test.grant = &of_all;
    submit(&test, "mget two:a nora");
    expect_asked(&test, "default1: mget nora; two0: mget two:a");
    fini(&test);
}

Test(partition_stage, what_is_about_all_keys_leaves_out_what_is_not_granted)
{
    struct test test;
    init(&test, &partition_hash);
    test.grant = &of_two;
    submit(&test, "dbsize");
    expect_answered(&test, ":10\r\n");
    submit(&test, "keys *");
    expect_asked(&test, "two0: keys *");
    submit(&test, "flushall");
    expect_asked(&test, "two0: flushall");
    for (int i = 0; i < 10; i++) {
        submit(&test, "randomkey");
        expect_asked(&test, "two0: randomkey");
    }
    fini(&test);
}

Test(partition_stage, a_scan_begins_and_ends_in_what_is_granted)
{
    struct test test;
    init(&test, &partition_hash);
    test.grant = &of_two;
    submit(&test, "scan 0");
    expect_asked(&test, "two0: scan 0");
    char words[64];
    unsigned long long next;
    cr_assert(sscanf(answered(&test), "*2\r\n$%*u\r\n%llu", &next) == 1 && next != 0);
    snprintf(words, sizeof words, "scan %llu", next);
    submit(&test, words);
    expect_answered(&test, "*2\r\n$1\r\n0\r\n*1\r\n$2\r\nk0\r\n");
    fini(&test);
}

/* The grant was taken away between two pages. */
Test(partition_stage, a_scan_in_what_is_granted_no_more_is_over)
{
    struct test test;
    init(&test, &partition_hash);
    char words[64];
    unsigned long long next;
    test.grant = &of_two;
    submit(&test, "scan 0");
    cr_assert(sscanf(answered(&test), "*2\r\n$%*u\r\n%llu", &next) == 1 && next != 0);
    snprintf(words, sizeof words, "scan %llu", next);
    test.grant = &of_none;
    submit(&test, words);
    expect_asked(&test, "");
    expect_answered(&test, "*2\r\n$1\r\n0\r\n*0\r\n");
    fini(&test);
}

Test(partition_stage, nothing_is_asked_for_whom_nothing_is_granted)
{
    struct test test;
    init(&test, &partition_hash);
    test.grant = &of_none;
    const char *const words[] = {"dbsize", "flushall", "randomkey", "zunion 0 x", "type x"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        submit(&test, words[i]);
        expect_asked(&test, "");
        expect_answered(&test, DENIED);
    }
    fini(&test);
}

Test(partition_stage, a_transaction_is_whole_within_what_is_granted)
{
    struct test test;
    init(&test, &partition_hash);
    test.grant = &of_two;
    submit_transaction(&test, "x");
    expect_asked(&test, "");
    expect_answered(&test, DENIED);
    submit_transaction(&test, "two:x");
    cr_expect_str_eq(test.op.keyspace->name, "two");
    submit_transaction(&test, NULL);
    cr_expect_str_eq(test.op.keyspace->name, "two");
    test.grant = &of_none;
    submit_transaction(&test, NULL);
    expect_answered(&test, DENIED);
    fini(&test);
}

/* Whoever watched a key may always stop doing so. */
Test(partition_stage, a_key_is_watched_only_if_it_is_granted)
{
    struct test test;
    struct key_watch *watch = calloc(1, sizeof *watch + 1);
    cr_assert_not_null(watch);
    watch->key[0] = 'x';
    watch->key_bytes = 1;
    init(&test, &partition_hash);
    test.op = (struct key_op){.command = &commands[COMMAND_IS_WATCH],
                              .what = KEY_OP_WATCH,
                              .watch = watch,
                              .out = &test.out,
                              .grant = &of_two,
                              .done = op_done};
    key_door_submit(&test.stage.door, &test.op);
    expect_asked(&test, "");
    expect_answered(&test, DENIED);
    test.op.what = KEY_OP_UNWATCH;
    test.op.grant = NULL;
    key_door_submit(&test.stage.door, &test.op);
    cr_expect_str_eq(test.op.keyspace->name, "default");
    free(watch);
    fini(&test);
}

/* --- the place of a prefix is being changed --- */

static struct partition_table *table_of(const struct test *test, const char *prefix, uint32_t shard,
                                        bool is_fenced)
{
    const struct partition_change change = {bytes_of(prefix), shard};
    const struct bytes fence = bytes_of(prefix);
    struct partition_table *table =
        partition_table_new(&test->layout, &change, 1, is_fenced ? &fence : NULL);
    cr_assert(table != NULL);
    return table;
}

Test(partition_stage, what_is_fenced_is_to_be_tried_again)
{
    struct test test;
    init(&test, &partition_directory);
    struct partition_table *fenced = table_of(&test, "p:", 1, true);
    atomic_store(&test.layout.table, fenced);
    const char *const words[] = {"type p:1", "mget x p:1 two:x", "mset p:1 1 x 2", "del x p:"};
    for (size_t i = 0; i < 4; i++) {
        submit(&test, words[i]);
        expect_asked(&test, "");
        cr_expect(strncmp(answered(&test), "-TRYAGAIN ", 10) == 0, "%s", words[i]);
        cr_expect(test.op.is_refused);
    }
    submit(&test, "type q:1");
    expect_asked(&test, "default1: type q:1");
    struct partition_table *after = table_of(&test, "p:", 1, false);
    atomic_store(&test.layout.table, after);
    submit(&test, "type p:1");
    expect_asked(&test, "default1: type p:1");
    fini(&test);
    mem_free(fenced);
    mem_free(after);
}

/* A watch or its end; "" answered. */
static void watch(struct test *test, enum key_op_what what, struct key_watch *watch)
{
    submit(test, "type p:1");
    test->asked[0] = '\0';
    test->done_count = 0;
    resp_out_rewind(&test->out, 0);
    test->op.what = (uint8_t)what;
    test->op.watch = watch;
    key_door_submit(&test->stage.door, &test->op);
}

static void exec_on(struct test *test, const char *key, struct list *watches)
{
    struct bytes args[] = {bytes_of("type"), bytes_of(key)};
    struct key_op part = {.command = &commands[COMMAND_IS_TYPE], .args = args, .args_count = 2};
    struct key_op *parts[] = {&part};
    test->asked[0] = '\0';
    test->done_count = 0;
    resp_out_rewind(&test->out, 0);
    test->op.what = KEY_OP_EXEC;
    test->op.parts = parts;
    test->op.parts_count = 1;
    test->op.watches = watches;
    key_door_submit(&test->stage.door, &test->op);
}

static void exec(struct test *test, struct list *watches)
{
    exec_on(test, "x", watches);
}

Test(partition_stage, a_transaction_whose_first_key_has_no_place_is_sent_nowhere)
{
    struct test test;
    init(&test, &partition_directory);
    struct partition_table *fenced = table_of(&test, "p:", 1, true);
    atomic_store(&test.layout.table, fenced);
    submit(&test, "type x");
    exec_on(&test, "p:1", NULL);
    expect_asked(&test, "");
    cr_expect(strncmp(answered(&test), "-TRYAGAIN ", 10) == 0);
    test.stage.keyspaces.fallback = NULL;
    exec_on(&test, "p:1", NULL);
    expect_asked(&test, "");
    cr_expect(strncmp(answered(&test), "-ERR no keyspace has this key", 29) == 0);
    fini(&test);
    mem_free(fenced);
}

Test(partition_stage, a_watch_ends_where_it_began_and_its_transaction_is_called_off)
{
    struct test test;
    init(&test, &partition_directory);
    struct key_watch *watched = mem_alloc(sizeof *watched + 3);
    struct list watches;
    list_init(&watches);
    memcpy(watched->key, "p:1", 3);
    watched->key_bytes = 3;
    link_init(&watched->link);
    list_add_last(&watches, &watched->link);
    struct partition_table *before = table_of(&test, "p:", 1, false);
    atomic_store(&test.layout.table, before);
    watch(&test, KEY_OP_WATCH, watched);
    expect_asked(&test, "default1: type p:1");
    struct partition_table *fenced = table_of(&test, "p:", 1, true);
    atomic_store(&test.layout.table, fenced);
    exec(&test, &watches);
    cr_expect(strncmp(answered(&test), "-TRYAGAIN ", 10) == 0);
    struct partition_table *after = table_of(&test, "p:", 0, false);
    after->number = 1;
    atomic_store(&test.layout.table, after);
    exec(&test, &watches);
    expect_answered(&test, "*-1\r\n");
    expect_asked(&test, "");
    atomic_store(&test.layout.table, fenced);
    watch(&test, KEY_OP_UNWATCH, watched);
    expect_asked(&test, "default1: type p:1");
    fini(&test);
    mem_free(watched);
    mem_free(before);
    mem_free(fenced);
    mem_free(after);
}
