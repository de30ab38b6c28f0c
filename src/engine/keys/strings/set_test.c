/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/strings/set_test.c - SET ... IFEQ, which Redis 7.0 has not; expiries in the past. */
#include "engine/keys/run_testing.h"

#include <criterion/criterion.h>

Test(set_ifeq, sets_only_what_is_equal)
{
    struct bench bench;
    bench_init(&bench, 1, false);
    bench_say(&bench, "set a one");
    bench_expect(&bench, "set a two ifeq other", "$-1\r\n");
    bench_expect(&bench, "get a", "$3\r\none\r\n");
    bench_expect(&bench, "set a two IfEq one", "+OK\r\n");
    bench_expect(&bench, "get a", "$3\r\ntwo\r\n");
    bench_fini(&bench);
}

Test(set_ifeq, answers_the_old_value_with_get)
{
    struct bench bench;
    bench_init(&bench, 1, false);
    bench_say(&bench, "set a one");
    bench_expect(&bench, "set a two ifeq other get", "$3\r\none\r\n");
    bench_expect(&bench, "set a two get ifeq one", "$3\r\none\r\n");
    bench_expect(&bench, "get a", "$3\r\ntwo\r\n");
    bench_fini(&bench);
}

Test(set_ifeq, a_key_that_is_not_there_is_not_set)
{
    struct bench bench;
    bench_init(&bench, 1, false);
    bench_expect(&bench, "set a two ifeq one", "$-1\r\n");
    bench_expect(&bench, "set a two ifeq \"\"", "$-1\r\n");
    bench_expect(&bench, "set a two ifeq one get", "$-1\r\n");
    bench_expect(&bench, "exists a", ":0\r\n");
    bench.version = 3;
    bench_expect(&bench, "set a two ifeq one", "_\r\n");
    bench_fini(&bench);
}

Test(set_ifeq, the_empty_string_is_a_value)
{
    struct bench bench;
    bench_init(&bench, 1, false);
    bench_say(&bench, "set a \"\"");
    bench_expect(&bench, "set a one ifeq x", "$-1\r\n");
    bench_expect(&bench, "set a one ifeq \"\"", "+OK\r\n");
    bench_fini(&bench);
}

Test(set_ifeq, another_type_is_an_error)
{
    struct bench bench;
    bench_init(&bench, 1, false);
    bench_say(&bench, "rpush l a");
    bench_expect(&bench, "set l two ifeq a", "-" RUN_WRONG_TYPE "\r\n");
    bench_expect(&bench, "type l", "+list\r\n");
    bench_fini(&bench);
}

Test(set_ifeq, goes_with_expiries_and_with_no_other_condition)
{
    struct bench bench;
    bench_init(&bench, 1, false);
    bench_say(&bench, "set a one ex 10");
    bench_expect(&bench, "set a two ifeq one keepttl", "+OK\r\n");
    bench_expect(&bench, "pttl a", ":10000\r\n");
    bench_expect(&bench, "set a one ifeq two px 5", "+OK\r\n");
    bench_expect(&bench, "pttl a", ":5\r\n");
    bench_expect(&bench, "set a two ifeq one nx", "-" RUN_SYNTAX "\r\n");
    bench_expect(&bench, "set a two nx ifeq one", "-" RUN_SYNTAX "\r\n");
    bench_expect(&bench, "set a two ifeq one xx", "-" RUN_SYNTAX "\r\n");
    bench_expect(&bench, "set a two xx ifeq one", "-" RUN_SYNTAX "\r\n");
    bench_expect(&bench, "set a two ifeq", "-" RUN_SYNTAX "\r\n");
    bench_expect(&bench, "get a", "$3\r\none\r\n");
    bench_fini(&bench);
}

Test(set, over_another_type_and_its_expiry)
{
    struct bench bench;
    bench_init(&bench, 1, false);
    bench_say(&bench, "rpush l a");
    bench_say(&bench, "expire l 10");
    bench_expect(&bench, "set l one", "+OK\r\n");
    bench_expect(&bench, "ttl l", ":-1\r\n");
    bench_fini(&bench);
}

/* Redis keeps it until it is looked at; nobody can tell but by DBSIZE. */
Test(set, with_a_time_that_is_over_leaves_nothing)
{
    struct bench bench;
    bench_init(&bench, 1, false);
    bench_say(&bench, "set a one");
    bench_expect(&bench, "set a two pxat 5", "+OK\r\n");
    bench_expect(&bench, "dbsize", ":0\r\n");
    bench_expect(&bench, "set a two exat 1000", "+OK\r\n");
    bench_expect(&bench, "exists a", ":0\r\n");
    bench_expect(&bench, "set a two pxat 1000001", "+OK\r\n");
    bench_expect(&bench, "exists a", ":1\r\n");
    bench.now_ms++;
    bench_expect(&bench, "exists a", ":0\r\n");
    bench_fini(&bench);
}

/* The old value lies where the new one goes. */
Test(set, answers_the_old_value_whole_when_it_is_written_over)
{
    struct bench bench;
    bench_init(&bench, 1, false);
    bench_say(&bench, "set a abcdefgh");
    bench_expect(&bench, "set a 12345678 get", "$8\r\nabcdefgh\r\n");
    bench_expect(&bench, "getset a x", "$8\r\n12345678\r\n");
    bench_expect(&bench, "getdel a", "$1\r\nx\r\n");
    bench_expect(&bench, "exists a", ":0\r\n");
    bench_fini(&bench);
}

/* Of a key that is named twice the last value is there, also where keys wait because they hold a
 * collection. */
Test(mset, a_key_may_be_named_twice)
{
    struct bench bench;
    bench_init(&bench, 4, false);
    bench_say(&bench, "rpush l a");
    bench_expect(&bench, "mset a 1 l 2 a 3 l 4", "+OK\r\n");
    bench_expect(&bench, "mget a l", "*2\r\n$1\r\n3\r\n$1\r\n4\r\n");
    bench_fini(&bench);
}
