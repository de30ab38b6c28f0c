/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/lists/lists_test.c - places: gaps that are used up, ends of the numbers, and no room
 * in the middle of it all. */
#include "engine/keys/lists/lists.h"

#include "engine/keys/members_testing.h"

TestSuite(lists, .init = members_testing_begin, .fini = members_testing_end);

enum { ELEMENTS_MAX = 8192 };

/* What the list should be. */
static unsigned model[ELEMENTS_MAX];
static unsigned model_count;

static void insert_into_model(unsigned rank, unsigned element)
{
    memmove(model + rank + 1, model + rank, (model_count - rank) * sizeof model[0]);
    model[rank] = element;
    model_count++;
}

/* The list is the model, and its places ascend. */
static void expect_model(const char *key)
{
    struct members_testing *t = members_testing();
    struct space_value value;
    cr_assert(t->below->find(t->space, bytes_of(key), &value) == SPACE_OK);
    cr_assert(value.type == KEY_LIST && value.count == model_count, "%u elements, not %u",
              (unsigned)value.count, model_count);
    struct space_cursor at = space_cursor_of(t->space, &value, 0);
    uint64_t before = 0;
    t->below->seek_rank(&at, 0);
    for (unsigned i = 0; i < model_count; i++, t->below->next(&at)) {
        cr_assert(at.is_there && at.key.count == SPACE_PLACE_BYTES);
        const uint64_t place = lists__number(at.key);
        cr_assert(i == 0 || place > before);
        before = place;
        char text[16];
        (void)snprintf(text, sizeof text, "%u", model[i]);
        cr_assert(bytes_equal(at.member_value, bytes_of(text)), "%u: %.*s, not %s", i,
                  (int)at.member_value.count, (const char *)at.member_value.at, text);
    }
    cr_expect(!at.is_there);
}

static void push_model(const char *key, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        say("RPUSH %s %u", key, i);
        insert_into_model(model_count, i);
    }
}

/* ---- gaps ---- */

/* Always before the same element: each number between halves what is left, so every twenty the
 * neighbours must move; how many do is the logarithm of how many there are. */
Test(lists, inserting_at_one_spot_moves_few)
{
    struct members_testing *t = members_testing();
    push_model("l", 2);
    for (unsigned i = 2; i < 6000; i++) {
        say("LINSERT l BEFORE 1 %u", i);
        insert_into_model(model_count - 1, i);
    }
    expect_model("l");
    cr_expect(t->puts_count < 6000 * 2, "%u puts for 6000 elements", t->puts_count);
}

/* Between many on either side, where a window has no end of the list to grow into. */
Test(lists, inserting_in_the_middle_moves_few)
{
    struct members_testing *t = members_testing();
    push_model("l", 2000);
    t->puts_count = 0;
    for (unsigned i = 2000; i < 8000; i++) {
        say("LINSERT l AFTER 1000 %u", i);
        insert_into_model(1001, i);
    }
    expect_model("l");
    cr_expect(t->puts_count < 6000 * 4, "%u puts for 6000 elements", t->puts_count);
}

Test(lists, inserting_anywhere_keeps_the_order)
{
    push_model("l", 10);
    for (unsigned i = 10; i < 3000; i++) {
        const uint64_t draw = random_next(&members_testing()->chance);
        const unsigned near = i % 3 == 0 ? model_count : model_count < 40 ? model_count : 40;
        const unsigned rank = random_below(draw, near);
        const bool is_behind = draw % 2;
        say("LINSERT l %s %u %u", is_behind ? "AFTER" : "BEFORE", model[rank], i);
        insert_into_model(rank + is_behind, i);
    }
    expect_model("l");
}

/* ---- ends of the numbers ---- */

/* A list of @count elements, the model's, at places from @first on, @apart from one another. */
static void lay(const char *key, uint64_t first, uint64_t apart, unsigned count)
{
    struct members_testing *t = members_testing();
    struct space_value value;
    bool is_new;
    memory_space_begin(t->memory, 1000, false);
    cr_assert(t->below->find(t->space, bytes_of(key), &value) == SPACE_OK);
    cr_assert(t->below->create(t->space, bytes_of(key), KEY_LIST, &value) == SPACE_OK);
    for (unsigned i = 0; i < count; i++) {
        const struct lists_place place = lists__place(first + i * apart);
        char text[16];
        (void)snprintf(text, sizeof text, "%u", i);
        cr_assert(t->below->tree_put(&value, 0, lists__place_key(&place), bytes_of(text),
                                     &is_new) == SPACE_OK);
        insert_into_model(i, i);
    }
    cr_assert(t->below->settle(t->space, bytes_of(key), &value) == SPACE_OK);
}

Test(lists, a_push_beyond_the_last_number_spreads_the_list)
{
    lay("l", UINT64_MAX - 99, 1, 100);
    expect_answer(say("RPUSH l 100"), ":101_");
    insert_into_model(100, 100);
    expect_model("l");
}

Test(lists, a_push_below_the_first_number_spreads_the_list)
{
    lay("l", 0, 1, 100);
    expect_answer(say("LPUSH l 100"), ":101_");
    insert_into_model(0, 100);
    expect_model("l");
}

/* Some go up and some go down. */
Test(lists, a_list_over_all_numbers_is_spread)
{
    lay("l", 0, UINT64_MAX / 100, 101);
    expect_answer(say("LPUSH l 101"), ":102_");
    insert_into_model(0, 101);
    expect_model("l");
}

Test(lists, an_insert_at_the_last_numbers_finds_a_place)
{
    lay("l", UINT64_MAX - 99, 1, 100);
    say("LINSERT l BEFORE 99 100");
    insert_into_model(99, 100);
    expect_model("l");
    say("LINSERT l AFTER 0 101");
    insert_into_model(1, 101);
    expect_model("l");
}

/* The element that is moved gets another place while the list is spread. */
Test(lists, a_list_turns_at_the_last_number)
{
    lay("l", UINT64_MAX - 9, 1, 10);
    expect_answer(say("LMOVE l l LEFT RIGHT"), "$1_0_");
    memmove(model, model + 1, 9 * sizeof model[0]);
    model[9] = 0;
    expect_model("l");
    expect_answer(say("LMOVE l l RIGHT RIGHT"), "$1_0_");
    expect_model("l");
}

/* ---- no room ---- */

static void fail_put(unsigned nth)
{
    members_testing()->put = (struct members_testing_fault){nth, SPACE_FULL};
}

/* Whichever put of the spread fails: the error is all that is seen. */
Test(lists, a_spread_that_finds_no_room_changes_nothing)
{
    unsigned failed = 0;
    lay("l", UINT64_MAX - 39, 1, 40);
    for (unsigned nth = 1;; nth++) {
        fail_put(nth);
        const char *answer = say("LINSERT l BEFORE 20 40");
        if (answer[0] == ':')
            break;
        expect_answer(answer, MEMBERS_TESTING_FULL);
        expect_model("l");
        failed++;
    }
    insert_into_model(20, 40);
    expect_model("l");
    cr_expect(failed >= 2, "%u times", failed);
}

Test(lists, a_push_that_finds_no_room_takes_back_what_it_pushed)
{
    push_model("l", 5);
    for (unsigned nth = 1; nth <= 3; nth++) {
        fail_put(nth);
        expect_answer(say("RPUSH l a b c"), MEMBERS_TESTING_FULL);
        expect_model("l");
        fail_put(nth);
        expect_answer(say("LPUSH l a b c"), MEMBERS_TESTING_FULL);
        expect_model("l");
        fail_put(nth);
        expect_answer(say("LPUSH new a b c"), MEMBERS_TESTING_FULL);
        expect_answer(say("EXISTS new"), ":0_");
    }
}

Test(lists, a_move_that_finds_no_room_leaves_both_as_they_were)
{
    push_model("l", 5);
    fail_put(1);
    expect_answer(say("LMOVE l new LEFT LEFT"), MEMBERS_TESTING_FULL);
    expect_answer(say("EXISTS new"), ":0_");
    fail_put(1);
    expect_answer(say("RPOPLPUSH l l"), MEMBERS_TESTING_FULL);
    fail_put(1);
    expect_answer(say("LSET l 2 other"), MEMBERS_TESTING_FULL);
    members_testing()->create = (struct members_testing_fault){1, SPACE_FULL};
    expect_answer(say("LMOVE l new LEFT LEFT"), MEMBERS_TESTING_FULL);
    expect_model("l");
}

/* ---- answers that do not fit, damage ---- */

Test(lists, a_pop_whose_answer_does_not_fit_removes_nothing)
{
    push_model("l", 500);
    members_testing()->answer_bytes_max = 200;
    expect_answer(say("LPOP l 400"), "!");
    expect_answer(say("LMPOP 1 l RIGHT COUNT 400"), "!");
    members_testing()->answer_bytes_max = 0;
    expect_model("l");
}

Test(lists, a_list_that_ends_early_is_damaged)
{
    push_model("l", 50);
    members_testing()->cursor_steps = 20;
    expect_answer(say("LRANGE l 0 -1"), MEMBERS_TESTING_DAMAGED);
    members_testing()->cursor_steps = 3;
    expect_answer(say("LPOP l 10"), MEMBERS_TESTING_DAMAGED);
    expect_model("l");
}

Test(lists, a_removal_that_fails_is_not_answered_with_elements)
{
    push_model("l", 5);
    members_testing()->take = (struct members_testing_fault){1, SPACE_FAILED};
    expect_answer(say("LPOP l 2"), "-ERR the disk of the keyspace does not take writes any more_");
    members_testing()->take = (struct members_testing_fault){1, SPACE_FAILED};
    expect_answer(say("LMPOP 1 l LEFT"),
                  "-ERR the disk of the keyspace does not take writes any more_");
    expect_model("l");
}
