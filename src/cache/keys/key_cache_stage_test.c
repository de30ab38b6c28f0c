/* SPDX-License-Identifier: Apache-2.0 */
/* cache/keys/key_cache_stage_test.c - what is answered from the store and what is not, in every
 * order of a read's and a write's beginning and end; who waits for whom. */
#include "cache/keys/key_cache_testing.h"

static struct fakes f;

/* ---- what is kept ---- */

Test(key_cache, asks_the_engine_once)
{
    fakes_begin(&f);
    fake_expect_now(&f, "set a 5", "+OK ");
    for (int i = 0; i < 3; i++)
        fake_expect_now(&f, "get a", "$1 5 ");
    cr_expect(f.engine.asked_count == 2);
    fake_expect(fake_ask(&f, 1, "get a"), "$1 5 "); /* for another worker, too */
    cr_expect(f.engine.asked_count == 2);
    const struct key_cache_counts counts = fakes_count(&f);
    cr_expect(counts.hits == 3 && counts.misses == 1 && counts.joined == 0);
    fakes_end(&f);
}

Test(key_cache, keeps_that_nothing_is_there)
{
    fakes_begin(&f);
    fake_expect_now(&f, "get a", "$-1 ");
    fake_expect_now(&f, "get a", "$-1 ");
    cr_expect(f.engine.asked_count == 1);
    fake_expect_now(&f, "set a 1", "+OK ");
    fake_expect_now(&f, "get a", "$1 1 ");
    fakes_end(&f);
}

/* The same key, asked otherwise, is another answer; so is the other version of the protocol. */
Test(key_cache, knows_a_question_by_all_its_words)
{
    fakes_begin(&f);
    fake_expect_now(&f, "set a 5", "+OK ");
    fake_expect_now(&f, "getrange a 0 1", "$1 5 ");
    fake_expect_now(&f, "getrange a 0 1", "$1 5 ");
    fake_expect_now(&f, "getrange a 0 2", "$1 5 ");
    fake_expect_now(&f, "getrange a 01 ", "$1 5 ");
    fake_expect_now(&f, "strlen a", "$1 5 ");
    cr_expect(f.engine.asked_count == 5);
    struct fake_asked *asked = fake_prepare(&f, "strlen a");
    asked->out.version = 3;
    key_door_submit(&f.stages[0].door, &asked->op);
    fake_expect(asked, "$1 5 ");
    cr_expect(f.engine.asked_count == 6);
    fakes_end(&f);
}

Test(key_cache, keeps_no_errors_and_no_refusals)
{
    fakes_begin(&f);
    f.engine.error = "ERR not now";
    fake_expect_now(&f, "get a", "-ERR not now ");
    f.engine.error = NULL;
    fake_expect_now(&f, "get a", "$-1 ");
    cr_expect(f.engine.asked_count == 2);
    fakes_end(&f);
}

/* One row each of what must not be kept: chance, time, use, walks, several keys, other keys. */
Test(key_cache, leaves_alone_what_depends_on_more_than_one_key)
{
    static const char *const words[] = {
        "srandmember a", "hrandfield a",  "zrandmember a", "ttl a",           "pttl a",
        "touch a",       "object freq a", "sscan a 0",     "hscan a 0",       "zscan a 0",
        "mget a b",      "sinter a b",    "lcs a b",       "sort_ro a by b*", "exists a a",
    };
    fakes_begin(&f);
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
        f.engine.asked_count = 0;
        struct fake_asked *once = fake_ask(&f, 0, words[i]), *twice = fake_ask(&f, 0, words[i]);
        cr_expect(f.engine.asked_count == 2, "%s", words[i]);
        fake_expect(once, "$-1 ");
        fake_expect(twice, "$-1 ");
    }
    fakes_end(&f);
}

Test(key_cache, keeps_commands_that_may_name_more_keys_but_name_one)
{
    static const char *const words[] = {"mget a",         "exists a", "sinter a",
                                        "sintercard 1 a", "hget a b", "expiretime a",
                                        "zrange a 0 -1"};
    fakes_begin(&f);
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
        f.engine.asked_count = 0;
        fake_expect_now(&f, words[i], "$-1 ");
        fake_expect_now(&f, words[i], "$-1 ");
        cr_expect(f.engine.asked_count == 1, "%s", words[i]);
    }
    fakes_end(&f);
}

Test(key_cache, keeps_no_answer_over_its_bound_and_no_command_over_its)
{
    static uint8_t long_argument[KEY_CACHE_COMMAND_BYTES];
    fakes_begin_with(&f, &(struct key_cache_options){
                             .for_ns = NS_PER_S, .answer_bytes_max = 7, .waiters_max = 1});
    fake_expect_now(&f, "set a 1", "+OK ");
    fake_expect_now(&f, "set b 12", "+OK ");
    fake_expect_now(&f, "get a", "$1 1 ");
    fake_expect_now(&f, "get a", "$1 1 ");
    cr_expect(f.engine.asked_count == 3);
    fake_expect_now(&f, "get b", "$2 12 ");
    fake_expect_now(&f, "get b", "$2 12 ");
    cr_expect(f.engine.asked_count == 5);
    for (int i = 0; i < 2; i++) {
        struct fake_asked *asked = fake_prepare(&f, "hget a x");
        asked->args[2] = (struct bytes){long_argument, sizeof long_argument};
        key_door_submit(&f.stages[0].door, &asked->op);
        fake_expect(asked, "$1 1 ");
    }
    cr_expect(f.engine.asked_count == 7);
    fakes_end(&f);
}

Test(key_cache, goes_on_without_a_store_that_takes_anything)
{
    fakes_begin(&f);
    f.store.is_full = true;
    fake_expect_now(&f, "get a", "$-1 ");
    fake_expect_now(&f, "set a 3", "+OK ");
    fake_expect_now(&f, "get a", "$1 3 ");
    fakes_end(&f);
}

/* ---- for how long ---- */

/* What others change behind its back is seen at last when `for` is over since the read began. */
Test(key_cache, uses_an_answer_for_no_longer_than_said)
{
    fakes_begin(&f);
    fake_expect_now(&f, "set a 1", "+OK ");
    fake_expect_now(&f, "get a", "$1 1 ");
    f.engine.values[0].number = 2;
    fakes_pass(&f, 999);
    fake_expect_now(&f, "get a", "$1 1 ");
    fakes_pass(&f, 1);
    fake_expect_now(&f, "get a", "$1 2 ");
    fakes_end(&f);
}

Test(key_cache, counts_from_the_moment_the_read_began)
{
    fakes_begin(&f);
    f.engine.is_late = true;
    struct fake_asked *slow = fake_ask(&f, 0, "get a");
    fakes_pass(&f, 600);
    fake_carry_out_and_answer(&f.engine);
    fake_expect(slow, "$-1 ");
    f.engine.is_late = false;
    fakes_pass(&f, 399);
    fake_expect_now(&f, "get a", "$-1 ");
    cr_expect(f.engine.asked_count == 1);
    fakes_pass(&f, 1);
    fake_expect_now(&f, "get a", "$-1 ");
    cr_expect(f.engine.asked_count == 2);
    fakes_end(&f);
}

/* Unix time may be set back; the loop's clock is not. */
Test(key_cache, is_not_older_because_a_clock_was_set_back)
{
    fakes_begin(&f);
    fake_expect_now(&f, "get a", "$-1 ");
    fakes_pass(&f, 1000);
    f.now_ms -= 500 * 1000;
    fake_expect_now(&f, "get a", "$-1 ");
    cr_expect(f.engine.asked_count == 2);
    fakes_end(&f);
}

Test(key_cache, lets_no_answer_outlive_its_key)
{
    fakes_begin(&f);
    fake_expect_now(&f, "set a 1 pxat 1000300", "+OK ");
    fake_expect_now(&f, "get a", "$1 1 ");
    fakes_pass(&f, 299);
    struct fake_asked *asked = fake_ask(&f, 0, "get a");
    cr_expect(asked->op.fresh_until_ms == 1000300, "whoever asks is told, too");
    fake_expect(asked, "$1 1 ");
    cr_expect(f.engine.asked_count == 2);
    fakes_pass(&f, 1);
    fake_expect_now(&f, "get a", "$-1 ");
    fakes_end(&f);
}

/* ---- writes ---- */

Test(key_cache, takes_out_every_key_that_a_command_writes)
{
    static const struct {
        const char *words, *wanted;
    } rows[] = {
        {"set b 9", "$1 9 "},  {"mset d 8 b 9", "$1 9 "}, {"rename a b", "$1 5 "},
        {"copy a b", "$1 5 "}, {"del d b", "$-1 "},       {"sort a store b", "$1 5 "},
        {"flushall", "$-1 "},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        fakes_begin(&f);
        fake_expect_now(&f, "mset a 5 b 6", "+OK ");
        fake_expect_now(&f, "get b", "$1 6 ");
        struct fake_asked *asked = fake_ask(&f, 1, rows[i].words);
        cr_expect(asked->is_done);
        resp_out_fini(&asked->out);
        free(asked);
        fake_expect_now(&f, "get b", rows[i].wanted);
        fakes_end(&f);
    }
}

Test(key_cache, takes_out_what_the_parts_of_a_transaction_write)
{
    fakes_begin(&f);
    fake_expect_now(&f, "get a", "$-1 ");
    fake_expect_now(&f, "get b", "$-1 ");
    struct fake_asked *part = fake_prepare(&f, "set a 7");
    fake_expect(fake_exec(&f, 1, part), "*1 +OK ");
    free(part);
    fake_expect_now(&f, "get a", "$1 7 ");
    cr_expect(f.engine.asked_count == 4);
    fake_expect_now(&f, "get b", "$-1 ");
    cr_expect(f.engine.asked_count == 4, "b was not written");
    part = fake_prepare(&f, "get b");
    fake_expect(fake_exec(&f, 1, part), "*1 $-1 "); /* what it reads is read behind */
    free(part);
    cr_expect(f.engine.asked_count == 5);
    fakes_end(&f);
}

/* UNCERTAIN, or refused: nobody knows what is there. */
Test(key_cache, takes_out_what_a_failed_write_may_have_written)
{
    fakes_begin(&f);
    fake_expect_now(&f, "get a", "$-1 ");
    f.engine.error = "UNCERTAIN it may or may not be there";
    f.engine.is_refused = true;
    f.engine.values[0] = (struct fake_value){.is_there = true, .number = 4};
    struct fake_asked *asked = fake_ask(&f, 0, "set a 4");
    cr_expect(asked->op.is_refused);
    fake_expect(asked, "-UNCERTAIN it may or may not be there ");
    f.engine.error = NULL;
    fake_expect_now(&f, "get a", "$1 4 ");
    cr_expect(fakes_count(&f).invalidated == 1);
    fakes_end(&f);
}

/* read begins, write begins and ends, read ends with what was before: not kept. */
Test(key_cache, keeps_nothing_that_was_read_before_a_write)
{
    fakes_begin(&f);
    f.engine.is_late = true;
    struct fake_asked *get = fake_ask(&f, 0, "get a");
    fake_carry_out(&f.engine);
    struct fake_asked *set = fake_ask(&f, 1, "set a 2");
    fake_carry_out(&f.engine);
    struct list_link *read = list_first(&f.engine.over);
    list_remove(read);
    fake_answer(&f.engine); /* the write */
    fake_expect(set, "+OK ");
    list_add_last(&f.engine.over, read);
    fake_answer(&f.engine);
    fake_expect(get, "$-1 ");
    f.engine.is_late = false;
    fake_expect_now(&f, "get a", "$1 2 ");
    fakes_end(&f);
}

/* While a write is under way others read behind, and what they read is not kept. */
Test(key_cache, keeps_nothing_that_was_read_during_a_write)
{
    fakes_begin(&f);
    f.engine.is_late = true;
    struct fake_asked *set = fake_ask(&f, 1, "set a 2");
    f.engine.is_late = false;
    fake_expect_now(&f, "get a", "$-1 ");
    fake_expect_now(&f, "get a", "$-1 ");
    cr_expect(f.engine.asked_count == 3);
    fake_carry_out(&f.engine);
    fake_expect_now(&f, "get a", "$1 2 ");
    fake_answer(&f.engine);
    fake_expect(set, "+OK ");
    fake_expect_now(&f, "get a", "$1 2 ");
    cr_expect(f.engine.asked_count == 5);
    fake_expect_now(&f, "get a", "$1 2 ");
    cr_expect(f.engine.asked_count == 5);
    fakes_end(&f);
}

Test(key_cache, keeps_nothing_that_was_read_before_or_during_a_flush)
{
    fakes_begin(&f);
    fake_expect_now(&f, "set a 1", "+OK ");
    f.engine.is_late = true;
    struct fake_asked *before = fake_ask(&f, 0, "get a");
    fake_carry_out(&f.engine);
    struct fake_asked *flush = fake_ask(&f, 1, "flushall");
    struct fake_asked *during = fake_ask(&f, 0, "get a");
    fake_answer(&f.engine);
    fake_expect(before, "$1 1 ");
    struct list_link *flushing = list_first(&f.engine.ops);
    list_remove(flushing);
    fake_carry_out_and_answer(&f.engine); /* the read during it */
    fake_expect(during, "$1 1 ");
    list_add_last(&f.engine.ops, flushing);
    fake_carry_out_and_answer(&f.engine);
    fake_expect(flush, "+OK ");
    f.engine.is_late = false;
    fake_expect_now(&f, "get a", "$-1 ");
    fakes_end(&f);
}

/* ---- a client's own order ---- */

Test(key_cache, goes_behind_with_what_is_behind)
{
    fakes_begin(&f);
    fake_expect_now(&f, "get a", "$-1 ");
    f.engine.is_late = true;
    struct fake_asked *set = fake_ask(&f, 0, "set b 1");
    struct fake_asked *get = fake_ask_behind(&f, 0, "get a");
    cr_expect(!get->is_done);
    fake_carry_out_and_answer(&f.engine);
    fake_carry_out_and_answer(&f.engine);
    fake_expect(set, "+OK ");
    fake_expect(get, "$-1 ");
    fakes_end(&f);
}

/* ---- one read for many ---- */

Test(key_cache, lets_others_wait_for_a_read_under_way)
{
    fakes_begin(&f);
    f.engine.is_late = true;
    f.engine.values[0] = (struct fake_value){.is_there = true, .number = 3};
    struct fake_asked *asked[6];
    for (unsigned i = 0; i < 6; i++)
        asked[i] = fake_ask(&f, i % 2, "get a");
    struct fake_asked *other = fake_ask(&f, 0, "strlen a");
    cr_expect(f.engine.asked_count == 2);
    fake_carry_out_and_answer(&f.engine);
    cr_expect(asked[0]->is_done && !asked[1]->is_done, "waiters come back on their own loop");
    fakes_turn(&f);
    for (unsigned i = 0; i < 6; i++)
        fake_expect(asked[i], "$1 3 ");
    fake_carry_out_and_answer(&f.engine);
    fake_expect(other, "$1 3 ");
    const struct key_cache_counts counts = fakes_count(&f);
    cr_expect(counts.misses == 2 && counts.joined == 5 && counts.hits == 0);
    fakes_end(&f);
}

/* Who asks after a write began is not given what was asked for before it. */
Test(key_cache, lets_nobody_wait_for_a_read_from_before_a_write)
{
    fakes_begin(&f);
    f.engine.is_late = true;
    struct fake_asked *early = fake_ask(&f, 0, "get a");
    fake_carry_out(&f.engine);
    struct fake_asked *set = fake_ask(&f, 0, "set a 2");
    fake_carry_out(&f.engine);
    struct list_link *read = list_first(&f.engine.over);
    list_remove(read);
    fake_answer(&f.engine);
    fake_expect(set, "+OK ");
    struct fake_asked *late = fake_ask(&f, 1, "get a"), *later = fake_ask(&f, 1, "get a");
    cr_expect(f.engine.asked_count == 3, "the two late ones share a read of their own");
    list_add_last(&f.engine.over, read);
    fake_answer(&f.engine);
    fake_expect(early, "$-1 ");
    fakes_turn(&f);
    cr_expect(!late->is_done);
    fake_carry_out_and_answer(&f.engine);
    fakes_turn(&f);
    fake_expect(late, "$1 2 ");
    fake_expect(later, "$1 2 ");
    fakes_end(&f);
}

Test(key_cache, lets_waiters_read_themselves_when_the_read_fails)
{
    fakes_begin(&f);
    f.engine.is_late = true;
    struct fake_asked *first = fake_ask(&f, 0, "get a"), *second = fake_ask(&f, 1, "get a");
    f.engine.error = "BUSY not now";
    f.engine.is_refused = true;
    fake_carry_out_and_answer(&f.engine);
    f.engine.error = NULL;
    fake_expect(first, "-BUSY not now ");
    cr_expect(f.engine.asked_count == 1);
    fakes_turn(&f);
    cr_expect(f.engine.asked_count == 2);
    fake_carry_out_and_answer(&f.engine);
    fake_expect(second, "$-1 ");
    fakes_end(&f);
}

/* The key expired while the waiter waited for what was read before. */
Test(key_cache, gives_no_waiter_an_answer_that_was_over_when_it_asked)
{
    fakes_begin(&f);
    fake_expect_now(&f, "set a 1 pxat 1000100", "+OK ");
    f.engine.is_late = true;
    struct fake_asked *first = fake_ask(&f, 0, "get a");
    fake_carry_out(&f.engine);
    fakes_pass(&f, 200);
    struct fake_asked *second = fake_ask(&f, 0, "get a");
    fake_answer(&f.engine);
    fake_expect(first, "$1 1 ");
    fakes_turn(&f);
    fake_carry_out_and_answer(&f.engine);
    fake_expect(second, "$-1 ");
    fakes_end(&f);
}

Test(key_cache, bounds_how_many_wait)
{
    fakes_begin_with(&f, &(struct key_cache_options){
                             .for_ns = NS_PER_S, .answer_bytes_max = 100, .waiters_max = 2});
    f.engine.is_late = true;
    struct fake_asked *asked[5];
    for (unsigned i = 0; i < 4; i++)
        asked[i] = fake_ask(&f, 0, "get a");
    cr_expect(f.engine.asked_count == 2, "the fourth reads by itself");
    asked[4] = fake_prepare(&f, "get a");
    asked[4]->has_no_memory = true; /* to be kept: the engine may still answer it at once */
    f.engine.is_late = false;
    key_door_submit(&f.stages[0].door, &asked[4]->op);
    cr_expect(asked[4]->is_done);
    fake_carry_out_and_answer(&f.engine);
    fake_carry_out_and_answer(&f.engine);
    fakes_turn(&f);
    for (unsigned i = 0; i < 5; i++)
        fake_expect(asked[i], "$-1 ");
    cr_expect(atomic_load(&f.cache->waiters_count) == 0);
    fakes_end(&f);
}

/* GET a waits for another's read; SET a of the same client must not be what that finds. */
Test(key_cache, holds_what_is_behind_an_op_that_waits)
{
    fakes_begin(&f);
    f.engine.is_late = true;
    struct fake_asked *other = fake_ask(&f, 0, "get a"), *get = fake_ask(&f, 1, "get a");
    struct fake_asked *set = fake_ask_behind(&f, 1, "set a 2");
    struct fake_asked *again = fake_ask_behind(&f, 1, "get a");
    struct fake_asked *free_one = fake_ask(&f, 1, "set b 1"); /* of a client that waits not */
    cr_expect(f.engine.asked_count == 2);
    fake_carry_out_and_answer(&f.engine); /* the read */
    fake_expect(other, "$-1 ");
    fakes_turn(&f);
    fake_expect(get, "$-1 ");
    cr_expect(f.engine.asked_count == 4);
    for (int i = 0; i < 3; i++)
        fake_carry_out_and_answer(&f.engine);
    fake_expect(free_one, "+OK ");
    fake_expect(set, "+OK ");
    fake_expect(again, "$1 2 ");
    fakes_end(&f);
}

/* Nothing more waits while something is held, or it would be held forever. */
Test(key_cache, holds_no_longer_than_the_reads_that_are_under_way)
{
    fakes_begin(&f);
    f.engine.is_late = true;
    struct fake_asked *one = fake_ask(&f, 0, "get a"), *two = fake_ask(&f, 1, "get a");
    struct fake_asked *held = fake_ask_behind(&f, 1, "incr c");
    struct fake_asked *three = fake_ask(&f, 0, "get b"), *four = fake_ask(&f, 1, "get b");
    cr_expect(f.engine.asked_count == 3, "the fourth reads by itself");
    fake_carry_out_and_answer(&f.engine);
    fakes_turn(&f);
    cr_expect(f.engine.asked_count == 4, "it is not held by reads of b");
    for (int i = 0; i < 3; i++)
        fake_carry_out_and_answer(&f.engine);
    fake_expect(one, "$-1 ");
    fake_expect(two, "$-1 ");
    fake_expect(three, "$-1 ");
    fake_expect(four, "$-1 ");
    fake_expect(held, "$-1 ");
    fakes_end(&f);
}

Test(key_cache, refuses_what_it_must_hold_and_cannot_keep)
{
    fakes_begin(&f);
    f.engine.is_late = true;
    struct fake_asked *one = fake_ask(&f, 0, "get a"), *two = fake_ask(&f, 1, "get a");
    struct fake_asked *held = fake_prepare(&f, "set c 1");
    held->op.is_behind = held->has_no_memory = true;
    key_door_submit(&f.stages[1].door, &held->op);
    cr_expect(held->op.is_refused);
    fake_expect(held, "-OOM out of memory ");
    fake_carry_out_and_answer(&f.engine);
    fakes_turn(&f);
    fake_expect(one, "$-1 ");
    fake_expect(two, "$-1 ");
    fakes_end(&f);
}
