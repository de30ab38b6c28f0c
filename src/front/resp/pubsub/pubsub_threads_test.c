/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/pubsub/pubsub_threads_test.c - workers on threads of their own, who subscribe, leave
 * and publish side by side, and end one after the other; for ThreadSanitizer, and for the order. */
#include "front/resp/pubsub/pubsub_worker.h"

#include "core/mem.h"
#include "core/random.h"
#include "core/units.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { THREADS = 3, EARS = 4, CHURN_STEPS = 3000, MESSAGES = 700 };

struct ear {
    struct pubsub_subscriber subscriber;    /* first */
    int64_t                  last[THREADS]; /* number of the publisher's message */
    uint64_t                 count, order; /* of the messages to "all", and a hash of their order */
    uint64_t                 same_count, same_order; /* while nobody came or went */
    bool                     is_wrong;
};

struct side {
    pthread_t            thread;
    unsigned             index;
    struct loop          loop;
    struct pubsub_worker worker;
    struct ear           ears[EARS];
    struct ear           mouth; /* who publishes */
    int64_t              said;
    uint64_t             answered, same_answered;
    struct random        random;
};

static const struct hash_key key = {{7, 8}};
static struct pubsub_hub hub;
static struct side sides[THREADS];
static pthread_barrier_t all;

/* "thread:number", which grows for each publisher. */
static bool push(struct pubsub_subscriber *self, struct pubsub_parcel *parcel)
{
    struct ear *ear = (struct ear *)self;
    const uint8_t *at = parcel->message->channel.at + parcel->message->channel.count + 2;
    char text[32] = "";
    unsigned thread = THREADS;
    long number = -1;
    while (*at++ != '\n')
        ;
    memcpy(text, at, (size_t)(parcel->message->tail.at + parcel->message->tail.count - 2 - at));
    (void)sscanf(text, "%u:%ld", &thread, &number);
    /* A pattern and a channel may bring one twice. */
    ear->is_wrong |= thread >= THREADS || number < ear->last[thread];
    if (ear->is_wrong)
        return true;
    ear->last[thread] = number;
    if (bytes_equal(parcel->message->channel, bytes_of("all"))) {
        ear->count++;
        ear->order = ear->order * 31 + (uint64_t)number * THREADS + thread;
    }
    return number % 50 != 49 || pubsub_parcel_share(parcel) != NULL;
}

static void nothing(struct pubsub_subscriber *self)
{
    (void)self;
}

static const struct pubsub_reader reader = {push, nothing, nothing};

static void turn(struct side *side, uint64_t wait_ns)
{
    loop_turn(&side->loop, clock_monotonic_ns() + wait_ns);
}

static void publish(struct side *side, const char *channel)
{
    char words[32];
    const bool reads_own = side->said % 2 == 0;
    uint64_t count = 0;
    (void)snprintf(words, sizeof words, "%u:%ld", side->index, (long)side->said++);
    const struct pubsub_text text = {PUBSUB_CHANNEL, bytes_of(channel), bytes_of(words), reads_own};
    side->mouth.is_wrong |= !pubsub_publish(&side->worker, &side->mouth.subscriber, &text, &count);
    side->answered += count;
    if (reads_own)
        pubsub_hand_on(&side->worker);
    while (pubsub_is_held(&side->mouth.subscriber))
        turn(side, NS_PER_MS);
}

static void churn(struct side *side)
{
    static const char *const names[] = {"a", "b", "ab", "*", "a*", "?"};
    const uint64_t draw = random_next(&side->random);
    struct ear *ear = &side->ears[draw % EARS];
    const char *name = names[draw / EARS % 6];
    const enum pubsub_kind kind = draw / 32 % 2 == 0 ? PUBSUB_CHANNEL : PUBSUB_PATTERN;
    if (draw / 64 % 3 == 0)
        ear->is_wrong |= !pubsub_subscribe(&side->worker, &ear->subscriber, kind, bytes_of(name));
    else if (draw / 64 % 3 == 1)
        pubsub_unsubscribe(&side->worker, &ear->subscriber, kind, bytes_of(name));
    else
        publish(side, names[draw / EARS % 3]);
    if (draw / 1024 % 8 == 0)
        turn(side, 0);
}

static void leave(struct side *side)
{
    for (unsigned i = 0; i < EARS; i++)
        pubsub_leave(&side->worker, &side->ears[i].subscriber);
    pubsub_leave(&side->worker, &side->mouth.subscriber);
}

static void wait_for_all(struct side *side)
{
    (void)pthread_barrier_wait(&all);
    for (int i = 0; i < 3; i++)
        turn(side, 0);
    (void)pthread_barrier_wait(&all);
}

/* Nobody comes or goes: every message reaches every ear. */
static void speak(struct side *side)
{
    leave(side);
    wait_for_all(side);
    for (unsigned i = 0; i < EARS; i++)
        side->ears[i].is_wrong |= !pubsub_subscribe(&side->worker, &side->ears[i].subscriber,
                                                    PUBSUB_CHANNEL, bytes_of("all"));
    wait_for_all(side);
    side->answered = 0;
    for (unsigned i = 0; i < MESSAGES; i++)
        publish(side, "all");
    wait_for_all(side);
    side->same_answered = side->answered;
    for (unsigned i = 0; i < EARS; i++) {
        side->ears[i].same_count = side->ears[i].count;
        side->ears[i].same_order = side->ears[i].order;
    }
    (void)pthread_barrier_wait(&all);
}

static void *run(void *argument)
{
    struct side *side = argument;
    struct err e;
    if (loop_open(&side->loop, "epoll", &e) != ERR_NONE)
        abort();
    pubsub_worker_open(&side->worker, &hub, side->index, &side->loop);
    wait_for_all(side);
    for (unsigned i = 0; i < CHURN_STEPS; i++)
        churn(side);
    speak(side);
    /* Each ends when it likes, while those after it still publish. */
    for (unsigned i = 0; i < side->index * 200; i++)
        publish(side, "all");
    leave(side);
    pubsub_worker_close(&side->worker);
    loop_close(&side->loop);
    return NULL;
}

static void sit_down(struct ear *ear)
{
    *ear = (struct ear){.last = {-1, -1, -1}};
    pubsub_subscriber_init(&ear->subscriber, &reader);
}

Test(pubsub_threads, all_hear_all_in_one_order)
{
    pubsub_hub_init(&hub, &key, THREADS);
    cr_assert(pthread_barrier_init(&all, NULL, THREADS) == 0);
    for (unsigned i = 0; i < THREADS; i++) {
        sides[i].index = i;
        random_init(&sides[i].random, i + 1);
        sit_down(&sides[i].mouth);
        for (unsigned k = 0; k < EARS; k++)
            sit_down(&sides[i].ears[k]);
        cr_assert(pthread_create(&sides[i].thread, NULL, run, &sides[i]) == 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        cr_assert(pthread_join(sides[i].thread, NULL) == 0);
    for (unsigned i = 0; i < THREADS; i++) {
        cr_expect(!sides[i].mouth.is_wrong && sides[i].same_answered == MESSAGES * THREADS * EARS);
        for (unsigned k = 0; k < EARS; k++) {
            const struct ear *ear = &sides[i].ears[k];
            cr_expect(!ear->is_wrong && ear->same_count == MESSAGES * THREADS);
            cr_expect(ear->same_order == sides[0].ears[0].same_order);
        }
    }
    pthread_barrier_destroy(&all);
    pubsub_hub_fini(&hub);
}
