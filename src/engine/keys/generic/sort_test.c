/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/generic/sort_test.c - no room for what SORT stores, and damage in what it reads. */
#include "engine/keys/members_testing.h"

TestSuite(sort, .init = members_testing_begin, .fini = members_testing_end);

static void begin(void)
{
    say("RPUSH l 3 1 2");
    say("MSET w1 c w2 b w3 a");
    say("HSET h1 f 30");
    say("HSET h2 f 20");
}

Test(sort, a_store_that_finds_no_room_changes_nothing)
{
    struct members_testing *t = members_testing();
    begin();
    for (unsigned nth = 1; nth <= 3; nth++) {
        t->put = (struct members_testing_fault){nth, SPACE_FULL};
        expect_answer(say("SORT l STORE w1"), MEMBERS_TESTING_FULL);
        expect_answer(say("GET w1"), "$1_c_");
        t->put = (struct members_testing_fault){nth, SPACE_FULL};
        expect_answer(say("SORT l STORE l"), MEMBERS_TESTING_FULL);
        expect_answer(say("LRANGE l 0 -1"), "*3_$1_3_$1_1_$1_2_");
        expect_answer(say("DBSIZE"), ":6_");
    }
    t->rename = (struct members_testing_fault){1, SPACE_FULL};
    expect_answer(say("SORT l STORE w1"), MEMBERS_TESTING_FULL);
    expect_answer(say("DBSIZE"), ":6_");
    expect_answer(say("SORT l GET w* STORE l"), ":3_");
    expect_answer(say("LRANGE l 0 -1"), "*3_$1_c_$1_b_$1_a_");
}

/* What SORT stored is a list like others: its places leave room. */
Test(sort, what_is_stored_takes_inserts)
{
    begin();
    say("SORT l STORE sorted");
    expect_answer(say("LINSERT sorted AFTER 1 x"), ":4_");
    expect_answer(say("LPUSH sorted 0"), ":5_");
    expect_answer(say("LRANGE sorted 0 -1"), "*5_$1_0_$1_1_$1_x_$1_2_$1_3_");
}

Test(sort, a_damaged_field_is_all_that_is_answered)
{
    struct members_testing *t = members_testing();
    begin();
    for (unsigned nth = 1; nth <= 2; nth++) {
        t->get = (struct members_testing_fault){nth, SPACE_DAMAGED};
        expect_answer(say("SORT l GET # GET h*->f"), MEMBERS_TESTING_DAMAGED);
        t->get = (struct members_testing_fault){nth, SPACE_DAMAGED};
        expect_answer(say("SORT l BY h*->f"), MEMBERS_TESTING_DAMAGED);
    }
    t->cursor_steps = 2;
    expect_answer(say("SORT l"), MEMBERS_TESTING_DAMAGED);
    expect_answer(say("SORT l BY h*->f"), "*3_$1_3_$1_2_$1_1_");
}

Test(sort, an_answer_that_does_not_fit_ends)
{
    for (unsigned i = 0; i < 500; i++)
        say("RPUSH many %u", i);
    members_testing()->answer_bytes_max = 200;
    expect_answer(say("SORT many GET # GET w* GET #"), "!");
}
