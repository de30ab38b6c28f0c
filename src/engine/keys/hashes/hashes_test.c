/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/hashes/hashes_test.c - no room half-way, damage, and answers that do not fit. */
#include "engine/keys/members_testing.h"

TestSuite(hashes, .init = members_testing_begin, .fini = members_testing_end);

static void fail_put(unsigned nth)
{
    members_testing()->put = (struct members_testing_fault){nth, SPACE_FULL};
}

static void expect_old(void)
{
    expect_answer(say("HMGET h a b c d e"), "*5_$1_1_$1_2_$-1_$-1_$-1_");
    expect_answer(say("HLEN h"), ":2_");
}

/* Those that were there get back what they were, one that is set twice too. */
Test(hashes, a_set_that_finds_no_room_changes_nothing)
{
    say("HSET h a 1 b 2");
    for (unsigned nth = 1; nth <= 6; nth++) {
        fail_put(nth);
        expect_answer(say("HSET h c 3 a x d 4 a y b z e 5"), MEMBERS_TESTING_FULL);
        expect_old();
        fail_put(nth);
        expect_answer(say("HMSET new c 3 a x d 4 a y b z e 5"), MEMBERS_TESTING_FULL);
        expect_answer(say("EXISTS new"), ":0_");
    }
    expect_answer(say("HSET h c 3 a x d 4 a y b z e 5"), ":3_");
    expect_answer(say("HMGET h a b c d e"), "*5_$1_y_$1_z_$1_3_$1_4_$1_5_");
}

Test(hashes, one_field_that_finds_no_room_changes_nothing)
{
    say("HSET h a 1 b 2");
    fail_put(1);
    expect_answer(say("HINCRBY h a 5"), MEMBERS_TESTING_FULL);
    fail_put(1);
    expect_answer(say("HINCRBYFLOAT h a 0.5"), MEMBERS_TESTING_FULL);
    fail_put(1);
    expect_answer(say("HSETNX h c 5"), MEMBERS_TESTING_FULL);
    fail_put(1);
    expect_answer(say("HINCRBY new a 5"), MEMBERS_TESTING_FULL);
    members_testing()->create = (struct members_testing_fault){1, SPACE_FULL};
    expect_answer(say("HSET new a 5"), MEMBERS_TESTING_FULL);
    expect_answer(say("EXISTS new"), ":0_");
    expect_old();
}

Test(hashes, a_damaged_field_is_an_error_and_nothing_else)
{
    say("HSET h a 1 b 2");
    for (unsigned nth = 1; nth <= 3; nth++) {
        members_testing()->get = (struct members_testing_fault){nth, SPACE_DAMAGED};
        expect_answer(say("HMGET h a b c"), MEMBERS_TESTING_DAMAGED);
    }
    members_testing()->get = (struct members_testing_fault){1, SPACE_DAMAGED};
    expect_answer(say("HGET h a"), MEMBERS_TESTING_DAMAGED);
    members_testing()->get = (struct members_testing_fault){1, SPACE_DAMAGED};
    expect_answer(say("HINCRBY h a 1"), MEMBERS_TESTING_DAMAGED);
    members_testing()->get = (struct members_testing_fault){2, SPACE_DAMAGED};
    expect_answer(say("HSET h a x b y c z"), MEMBERS_TESTING_DAMAGED);
    expect_old();
}

Test(hashes, a_hash_that_ends_early_is_damaged)
{
    say("HSET h a 1 b 2 c 3 d 4 e 5");
    members_testing()->cursor_steps = 2;
    expect_answer(say("HGETALL h"), MEMBERS_TESTING_DAMAGED);
    members_testing()->cursor_steps = 2;
    expect_answer(say("HVALS h"), MEMBERS_TESTING_DAMAGED);
    members_testing()->cursor_steps = 2;
    expect_answer(say("HRANDFIELD h 9"), MEMBERS_TESTING_DAMAGED);
}

/* As often as is asked, but no longer than the answer may be. */
Test(hashes, repeated_draws_end_where_the_answer_must)
{
    say("HSET h a 1 b 2");
    members_testing()->answer_bytes_max = 100000;
    expect_answer(say("HRANDFIELD h -4611686018427387903 WITHVALUES"), "!");
}

Test(hashes, a_name_of_any_bytes_is_a_field)
{
    static char name[70000];
    memset(name, 'n', sizeof name - 1);
    const struct bytes set[] = {bytes_of("HSET"), bytes_of("h"), bytes_of(name),
                                bytes_of("v"),    {0},           bytes_of("w")};
    const struct bytes get[] = {bytes_of("HMGET"), bytes_of("h"), bytes_of(name), {0}};
    expect_answer(members_testing_run_args(set, 6), ":2_");
    expect_answer(members_testing_run_args(get, 4), "*2_$1_v_$1_w_");
}
