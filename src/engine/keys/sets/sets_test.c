/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/sets/sets_test.c - no room half-way, many sets at once, damage, and chance. */
#include "engine/keys/members_testing.h"

TestSuite(sets, .init = members_testing_begin, .fini = members_testing_end);

static void fail_put(unsigned nth)
{
    members_testing()->put = (struct members_testing_fault){nth, SPACE_FULL};
}

/* ---- no room ---- */

Test(sets, an_add_that_finds_no_room_changes_nothing)
{
    say("SADD s a b");
    for (unsigned nth = 1; nth <= 5; nth++) {
        fail_put(nth);
        expect_answer(say("SADD s c a d c e"), MEMBERS_TESTING_FULL);
        expect_answer(say("SMISMEMBER s a b c d e"), "*5_:1_:1_:0_:0_:0_");
        expect_answer(say("SCARD s"), ":2_");
        fail_put(nth);
        expect_answer(say("SADD new c a d c e"), MEMBERS_TESTING_FULL);
        expect_answer(say("EXISTS new"), ":0_");
    }
}

Test(sets, a_move_that_finds_no_room_changes_nothing)
{
    say("SADD s a b");
    fail_put(1);
    expect_answer(say("SMOVE s new a"), MEMBERS_TESTING_FULL);
    expect_answer(say("SCARD s"), ":2_");
    expect_answer(say("EXISTS new"), ":0_");
}

/* Whatever fails on the way, the target is what it was, and no key is left over. */
static void expect_untouched(void)
{
    expect_answer(say("DBSIZE"), ":3_");
    expect_answer(say("GET target"), "$4_text_");
    expect_answer(say("SCARD s"), ":2_");
}

Test(sets, a_store_that_finds_no_room_changes_nothing)
{
    struct members_testing *t = members_testing();
    say("SET target text");
    say("SADD s a b");
    say("SADD other b c");
    for (unsigned nth = 1; nth <= 3; nth++) {
        fail_put(nth);
        expect_answer(say("SUNIONSTORE target s other"), MEMBERS_TESTING_FULL);
        expect_untouched();
        fail_put(nth);
        expect_answer(say("SUNIONSTORE s s other"), MEMBERS_TESTING_FULL);
        expect_untouched();
    }
    t->create = (struct members_testing_fault){1, SPACE_FULL};
    expect_answer(say("SUNIONSTORE target s other"), MEMBERS_TESTING_FULL);
    expect_untouched();
    t->rename = (struct members_testing_fault){1, SPACE_FULL};
    expect_answer(say("SUNIONSTORE target s other"), MEMBERS_TESTING_FULL);
    expect_untouched();
    expect_answer(say("SUNIONSTORE target s other"), ":3_");
    expect_answer(say("SCARD target"), ":3_");
    expect_answer(say("DBSIZE"), ":3_");
}

/* The real limit: as much as fits, then an error, and all that was there is still there. */
Test(sets, a_full_memory_refuses_stores_and_keeps_what_it_has)
{
    struct members_testing *t = members_testing();
    for (unsigned i = 0; i < 2000; i++)
        say("SADD s %u", i);
    t->memory->budget->bytes_max = memory_space_bytes(t->memory) + 8192;
    expect_answer(say("SUNIONSTORE target s"), MEMBERS_TESTING_FULL);
    expect_answer(say("SUNIONSTORE s s"), MEMBERS_TESTING_FULL);
    expect_answer(say("SCARD s"), ":2000_");
    expect_answer(say("DBSIZE"), ":1_");
}

/* ---- many sets ---- */

enum { SETS = 120, NUMBERS = 400 };

static bool is_in[SETS][NUMBERS];

static void fill(void)
{
    struct random *chance = &members_testing()->chance;
    for (unsigned i = 0; i < SETS; i++)
        for (unsigned n = 0; n < NUMBERS; n++) {
            is_in[i][n] = random_below(random_next(chance), 60) < (i == 0 ? 40 : 1);
            if (is_in[i][n])
                say("SADD s%u %u", i, n);
        }
}

/* @command over s@from and all that follow. */
static const char *say_all(const char *command, unsigned from)
{
    static char line[SETS * 8];
    int length = snprintf(line, sizeof line, "%s", command);
    for (unsigned i = from; i < SETS; i++)
        length += snprintf(line + length, sizeof line - (size_t)length, " s%u", i);
    return say("%s", line);
}

static unsigned count_in_any(unsigned from, unsigned number)
{
    unsigned count = 0;
    for (unsigned i = from; i < SETS; i++)
        count += is_in[i][number];
    return count;
}

Test(sets, a_hundred_are_walked_at_once)
{
    unsigned united = 0, left = 0;
    fill();
    for (unsigned n = 0; n < NUMBERS; n++) {
        united += count_in_any(1, n) > 0;
        left += is_in[0][n] && count_in_any(1, n) == 0;
    }
    cr_assert(left > 10 && united > 300);
    cr_expect(members_testing_number(say_all("SUNIONSTORE union", 1)) == united);
    cr_expect(members_testing_number(say_all("SDIFFSTORE left", 0)) == left);
    for (unsigned n = 0; n < NUMBERS; n++) {
        cr_expect(members_testing_number(say("SISMEMBER union %u", n)) == (count_in_any(1, n) > 0));
        cr_expect(members_testing_number(say("SISMEMBER left %u", n)) ==
                  (is_in[0][n] && count_in_any(1, n) == 0));
    }
}

/* ---- damage, answers that do not fit ---- */

Test(sets, damage_in_one_of_several_is_all_that_is_answered)
{
    struct members_testing *t = members_testing();
    say("SADD s a b c d");
    say("SADD other a b c d e");
    for (unsigned nth = 1; nth <= 4; nth++) {
        t->get = (struct members_testing_fault){nth, SPACE_DAMAGED};
        expect_answer(say("SINTER s other"), MEMBERS_TESTING_DAMAGED);
        t->get = (struct members_testing_fault){nth, SPACE_DAMAGED};
        expect_answer(say("SMISMEMBER s a b c d"), MEMBERS_TESTING_DAMAGED);
    }
    t->cursor_steps = 2;
    expect_answer(say("SMEMBERS s"), MEMBERS_TESTING_DAMAGED);
    t->cursor_steps = 2;
    expect_answer(say("SPOP s 9"), MEMBERS_TESTING_DAMAGED);
    expect_answer(say("SCARD s"), ":4_");
}

Test(sets, a_pop_whose_answer_does_not_fit_removes_nothing)
{
    for (unsigned i = 0; i < 500; i++)
        say("SADD s %u", i);
    members_testing()->answer_bytes_max = 100;
    expect_answer(say("SPOP s 400"), "!");
    expect_answer(say("SPOP s 500"), "!");
    members_testing()->answer_bytes_max = 0;
    expect_answer(say("SCARD s"), ":500_");
}

/* ---- chance ---- */

Test(sets, every_member_is_popped_as_often)
{
    static unsigned times[20];
    for (unsigned round = 0; round < 4000; round++) {
        say("SADD s 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19");
        const char *at = say("SPOP s 5");
        for (struct bytes member; (member = members_testing_bulk(&at)).at != NULL;)
            times[strtoul((const char *)member.at, NULL, 10)]++;
    }
    for (unsigned i = 0; i < 20; i++)
        cr_expect(times[i] > 850 && times[i] < 1150, "%u came %u times of 1000", i, times[i]);
}
