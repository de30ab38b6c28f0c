/* SPDX-License-Identifier: Apache-2.0 */
/* breaker/concurrency/room_test.c - turns, priorities, and who has to go. */
#include "breaker/concurrency/room.h"

#include "core/random.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { MOST = 4096 };

static struct room room;
static struct room_waiter waiters[MOST];
static unsigned used;

static void open_room(void)
{
    room_init(&room);
    used = 0;
}

static struct room_waiter *add(uint64_t client, enum priority priority)
{
    struct room_waiter *waiter = &waiters[used];
    *waiter = (struct room_waiter){.client = client, .priority = priority, .since_ns = used++};
    cr_assert(room_add(&room, waiter, false));
    return waiter;
}

/* The clients in the order in which they are served, as letters; empties the room. */
static const char *order(void)
{
    static char text[MOST + 1];
    unsigned bytes = 0;
    for (struct room_waiter *next; (next = room_take(&room)) != NULL;)
        text[bytes++] = (char)next->client;
    text[bytes] = '\0';
    room_fini(&room);
    return text;
}

static void add_each(const char *clients, enum priority priority)
{
    for (; *clients != '\0'; clients++)
        add((uint64_t)*clients, priority);
}

Test(room, one_client_waits_in_line)
{
    open_room();
    struct room_waiter *first = add('a', PRIORITY_NORMAL), *second = add('a', PRIORITY_NORMAL);
    cr_expect(room_next(&room) == first);
    cr_expect(room_take(&room) == first && room_take(&room) == second);
    cr_expect(room_take(&room) == NULL && room_next(&room) == NULL);
    room_fini(&room);
}

Test(room, clients_take_turns)
{
    open_room();
    add_each("aaaaaabbc", PRIORITY_NORMAL);
    cr_expect_str_eq(order(), "abcabaaaa");
}

/* One who was just served and asks again waits behind everybody else's next. */
Test(room, a_client_that_comes_back_does_not_jump_the_line)
{
    open_room();
    add_each("aab", PRIORITY_NORMAL);
    cr_expect(room_take(&room)->client == 'a');
    add('a', PRIORITY_NORMAL);
    add('c', PRIORITY_NORMAL);
    cr_expect_str_eq(order(), "baca");
}

Test(room, the_highest_priority_is_first)
{
    open_room();
    add_each("ll", PRIORITY_LOW);
    add_each("nn", PRIORITY_NORMAL);
    add_each("c", PRIORITY_CRITICAL);
    add_each("h", PRIORITY_HIGH);
    cr_expect(room_lowest(&room) == PRIORITY_LOW);
    cr_expect_str_eq(order(), "chnnll");
}

Test(room, one_that_is_put_back_is_next)
{
    open_room();
    add_each("abab", PRIORITY_NORMAL);
    struct room_waiter *taken = room_take(&room);
    cr_assert(room_add(&room, taken, true));
    cr_expect(room_next(&room) == taken);
    cr_expect_str_eq(order(), "abab");
}

Test(room, one_that_leaves_is_gone)
{
    open_room();
    struct room_waiter *a = add('a', PRIORITY_NORMAL), *b = add('b', PRIORITY_NORMAL);
    add('a', PRIORITY_NORMAL);
    room_remove(&room, a);
    room_remove(&room, b);
    room_remove(&room, b);
    cr_expect(room.count == 1 && room.clients_counts[PRIORITY_NORMAL] == 1);
    cr_expect_str_eq(order(), "a");
}

/* --- who has to go ---------------------------------------------------------------------------- */

Test(room, the_lowest_priority_is_shed_first_and_the_newest_of_it)
{
    open_room();
    add('a', PRIORITY_LOW);
    struct room_waiter *newest = add('a', PRIORITY_LOW);
    add('b', PRIORITY_NORMAL);
    cr_expect(room_worst(&room, 'x', PRIORITY_NORMAL) == newest);
    room_remove(&room, newest);
    cr_expect(room_worst(&room, 'x', PRIORITY_NORMAL) == &waiters[0]);
    room_remove(&room, &waiters[0]);
    cr_expect(room_worst(&room, 'x', PRIORITY_NORMAL) == NULL, "itself");
    cr_expect(room_worst(&room, 'x', PRIORITY_LOW) == NULL, "itself");
    cr_expect(room_worst(&room, 'x', PRIORITY_HIGH) == &waiters[2]);
    cr_expect_str_eq(order(), "b");
}

Test(room, a_client_that_fills_the_room_makes_room)
{
    open_room();
    add_each("aaaaaaaabb", PRIORITY_NORMAL);
    cr_expect(room_worst(&room, 'x', PRIORITY_NORMAL) == &waiters[7], "the newest of a");
    cr_expect(room_worst(&room, 'b', PRIORITY_NORMAL) == &waiters[7]);
    cr_expect(room_worst(&room, 'a', PRIORITY_NORMAL) == NULL, "itself");
    cr_expect_str_eq(order(), "ababaaaaaa");
}

Test(room, among_equals_the_one_that_comes_goes)
{
    open_room();
    add_each("abcd", PRIORITY_NORMAL);
    cr_expect(room_worst(&room, 'x', PRIORITY_NORMAL) == NULL);
    cr_expect(room_worst(&room, 'a', PRIORITY_NORMAL) == NULL);
    cr_expect_str_eq(order(), "abcd");
    open_room();
    cr_expect(room_worst(&room, 'x', PRIORITY_NORMAL) == NULL && room_lowest(&room) == 4);
    room_fini(&room);
}

/* --- how long it would take ------------------------------------------------------------------- */

Test(room, knows_how_many_are_ahead)
{
    open_room();
    add_each("aaaaaaaaaa", PRIORITY_NORMAL);
    cr_expect(room_ahead(&room, 'a', PRIORITY_NORMAL) == 10);
    cr_expect(room_ahead(&room, 'b', PRIORITY_NORMAL) == 1, "its turn comes after one of a");
    cr_expect(room_ahead(&room, 'b', PRIORITY_LOW) == 10);
    cr_expect(room_ahead(&room, 'b', PRIORITY_HIGH) == 0);
    add_each("bb", PRIORITY_NORMAL);
    cr_expect(room_ahead(&room, 'b', PRIORITY_NORMAL) == 6);
    cr_expect(strlen(order()) == 12);
}

/* The estimate, when nobody comes any more, is what happens, or more. */
Test(room, what_is_ahead_is_never_told_too_small)
{
    struct random random;
    random_init(&random, 1);
    for (int run = 0; run < 200; run++) {
        open_room();
        for (int i = 0; i < 40; i++)
            add('a' + random_next(&random) % 6, (enum priority)(random_next(&random) % 4));
        const uint64_t client = 'a' + random_next(&random) % 7;
        const enum priority priority = (enum priority)(random_next(&random) % 4);
        const uint32_t told = room_ahead(&room, client, priority);
        struct room_waiter *one_more = add(client, priority);
        uint32_t ahead = 0;
        while (room_take(&room) != one_more)
            ahead++;
        cr_expect(ahead <= told, "%u, not %u", ahead, told);
        (void)order();
    }
}

/* --- a long random life beside a model that only counts --------------------------------------- */

static void check_counts(void)
{
    unsigned count = 0;
    for (int p = 0; p < PRIORITIES_COUNT; p++) {
        unsigned clients = 0;
        list_each(&room.turns[p], link, after) clients++;
        cr_assert(clients == room.clients_counts[p]);
        count += room.counts[p];
        for (int i = 0; i < ROOM_CROWD_LEVELS; i++)
            cr_assert(list_is_empty(&room.crowds[p][i]) == ((room.crowded[p] >> i & 1) == 0));
    }
    unsigned waiting = 0;
    for (unsigned i = 0; i < MOST; i++)
        waiting += waiters[i].in != NULL;
    cr_assert(count == room.count && waiting == count && room.clients.taken_count <= count);
}

Test(room, random_lives)
{
    struct random random;
    random_init(&random, 7);
    open_room();
    memset(waiters, 0, sizeof waiters);
    for (int step = 0; step < 20000; step++) {
        struct room_waiter *waiter = &waiters[random_next(&random) % MOST];
        const uint64_t client = 1 + random_next(&random) % 50;
        const enum priority priority = (enum priority)(random_next(&random) % 4);
        switch (random_next(&random) % 4) {
        case 0: (void)room_take(&room); break;
        case 1: room_remove(&room, waiter); break;
        case 2: {
            struct room_waiter *worst = room_worst(&room, client, priority);
            cr_assert(worst == NULL || worst->priority == room_lowest(&room));
            if (worst != NULL)
                room_remove(&room, worst);
            break;
        }
        default:
            if (waiter->in != NULL)
                break;
            *waiter = (struct room_waiter){.client = client, .priority = priority};
            cr_assert(room_add(&room, waiter, random_next(&random) % 8 == 0));
        }
        if (step % 97 == 0)
            check_counts();
    }
    while (room_take(&room) != NULL)
        ;
    check_counts();
    room_fini(&room);
}
