/* SPDX-License-Identifier: Apache-2.0 */
/* loop/post_test.c - nothing posted is lost, and each writer's messages keep their order. */
#include "loop/post.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>

enum { WRITERS = 4, MESSAGES = 20000 };

struct message {
    struct post post; /* first */
    int         writer;
    int         number;
};

static struct post_queue queue;
static struct message messages[WRITERS][MESSAGES];

static void put(struct message *message, int writer, int number)
{
    message->writer = writer;
    message->number = number;
    post_queue_put(&queue, &message->post);
}

static int take_number(void)
{
    struct post *post = post_queue_take(&queue);
    return post == NULL ? -1 : ((struct message *)(void *)post)->number;
}

Test(post, an_empty_queue_gives_null)
{
    post_queue_init(&queue);
    cr_expect(post_queue_take(&queue) == NULL);
    cr_expect(post_queue_take(&queue) == NULL);
}

Test(post, is_a_queue_that_may_run_empty_in_between)
{
    post_queue_init(&queue);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < round; i++)
            put(&messages[0][i], 0, i);
        for (int i = 0; i < round; i++)
            cr_expect(take_number() == i);
        cr_expect(take_number() == -1);
    }
}

/* The memory of a message is the taker's, so it may be posted again at once. */
Test(post, what_was_taken_may_be_posted_again)
{
    post_queue_init(&queue);
    put(&messages[0][0], 0, 7);
    put(&messages[0][1], 0, 8);
    cr_expect(take_number() == 7);
    put(&messages[0][0], 0, 9);
    cr_expect(take_number() == 8);
    cr_expect(take_number() == 9);
    put(&messages[0][1], 0, 10);
    cr_expect(take_number() == 10);
    cr_expect(take_number() == -1);
}

static void *write_all(void *argument)
{
    const int writer = (int)(intptr_t)argument;
    for (int i = 0; i < MESSAGES; i++)
        put(&messages[writer][i], writer, i);
    return NULL;
}

Test(post, many_writers_lose_nothing)
{
    pthread_t threads[WRITERS];
    int next[WRITERS] = {0};
    post_queue_init(&queue);
    for (int i = 0; i < WRITERS; i++)
        cr_assert(pthread_create(&threads[i], NULL, write_all, (void *)(intptr_t)i) == 0);
    for (int left = WRITERS * MESSAGES; left > 0;) {
        struct post *post = post_queue_take(&queue);
        if (post == NULL) {
            sched_yield();
            continue;
        }
        const struct message *message = (struct message *)(void *)post;
        cr_assert(message->number == next[message->writer]);
        next[message->writer]++;
        left--;
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    cr_expect(post_queue_take(&queue) == NULL);
}
