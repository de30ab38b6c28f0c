/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/pubsub/pubsub_worker_test.c - who gets which message, in which order: two workers with
 * one loop, and subscribers that write down what they hear. */
#include "front/resp/pubsub/pubsub_worker.h"

#include "core/mem.h"
#include "loop/loop_testing.h"

#include <stdio.h>

enum { HEARD_BYTES = 512 };

struct listener_of_words {
    struct pubsub_subscriber subscriber; /* first */
    struct pubsub_worker    *worker;
    char                     heard[HEARD_BYTES]; /* "channel:text " or "pattern/channel:text " */
    unsigned                 refuses_from;       /* so many are taken */
    unsigned                 taken_count, dropped_count, went_on_count;
    bool                     shares;
};

static const struct hash_key key = {{1, 2}};
static struct pubsub_hub hub;
static struct pubsub_worker workers[2];
static struct listener_of_words anna, bert, carl;

static struct listener_of_words *of(struct pubsub_subscriber *self)
{
    return (struct listener_of_words *)self;
}

/* The text of the second bulk string. */
static struct bytes text_of(const struct pubsub_message *message)
{
    const uint8_t *at = message->channel.at + message->channel.count + 2;
    const uint8_t *end = message->tail.at + message->tail.count - 2;
    while (*at++ != '\n')
        ;
    return (struct bytes){at, (size_t)(end - at)};
}

static bool push(struct pubsub_subscriber *self, struct pubsub_parcel *parcel)
{
    struct listener_of_words *who = of(self);
    const struct bytes channel = parcel->message->channel, text = text_of(parcel->message);
    const struct bytes none = {NULL, 0},
                       pattern = parcel->pattern == NULL ? none : *parcel->pattern;
    const size_t used = strlen(who->heard);
    if (who->taken_count >= who->refuses_from)
        return false;
    if (who->shares)
        cr_assert(pubsub_parcel_share(parcel)->data == parcel->message->tail.at);
    who->taken_count++;
    (void)snprintf(who->heard + used, HEARD_BYTES - used, "%.*s%s%.*s:%.*s ", (int)pattern.count,
                   (const char *)pattern.at, pattern.count > 0 ? "/" : "", (int)channel.count,
                   (const char *)channel.at, (int)text.count, (const char *)text.at);
    return true;
}

static void drop(struct pubsub_subscriber *self)
{
    struct listener_of_words *who = of(self);
    who->dropped_count++;
    pubsub_leave(who->worker, self);
}

static void go_on(struct pubsub_subscriber *self)
{
    of(self)->went_on_count++;
}

static const struct pubsub_reader reader = {push, drop, go_on};

static void sit_down(struct listener_of_words *who, unsigned worker)
{
    *who = (struct listener_of_words){.worker = &workers[worker], .refuses_from = UINT32_MAX};
    pubsub_subscriber_init(&who->subscriber, &reader);
}

/* Anna and Bert are on the first worker, Carl is on the other. */
static void begin(void)
{
    pubsub_hub_init(&hub, &key, 2);
    for (unsigned i = 0; i < 2; i++)
        pubsub_worker_open(&workers[i], &hub, i, &loop);
    sit_down(&anna, 0);
    sit_down(&bert, 0);
    sit_down(&carl, 1);
}

static void end(void)
{
    struct listener_of_words *const all[] = {&anna, &bert, &carl};
    struct pubsub_figures figures;
    for (unsigned i = 0; i < 3; i++) {
        pubsub_leave(all[i]->worker, &all[i]->subscriber);
        cr_expect(all[i]->subscriber.bytes == 0 && !pubsub_subscribes(&all[i]->subscriber));
    }
    pubsub_hub_count(&hub, &figures);
    cr_expect(figures.channels + figures.patterns + figures.subscriptions == 0);
    for (unsigned i = 0; i < 2; i++)
        pubsub_worker_close(&workers[i]);
    pubsub_hub_fini(&hub);
}

static void subscribe(struct listener_of_words *who, enum pubsub_kind kind, const char *name)
{
    cr_assert(pubsub_subscribe(who->worker, &who->subscriber, kind, bytes_of(name)));
}

/* How many get it. */
static uint64_t publish(struct listener_of_words *who, const char *channel, const char *words)
{
    const struct pubsub_text text = {PUBSUB_CHANNEL, bytes_of(channel), bytes_of(words), false};
    uint64_t count = 99;
    cr_assert(pubsub_publish(who->worker, &who->subscriber, &text, &count));
    return count;
}

#define EXPECT_HEARD(who, words)                                                                   \
    do {                                                                                           \
        cr_expect(strcmp((who).heard, words) == 0, "%s", (who).heard);                             \
        (who).heard[0] = 0;                                                                        \
    } while (0)

ON_BOTH(pubsub, brings_a_message_to_all_workers)
{
    begin();
    subscribe(&anna, PUBSUB_CHANNEL, "news");
    subscribe(&carl, PUBSUB_CHANNEL, "news");
    subscribe(&carl, PUBSUB_CHANNEL, "news"); /* once is enough */
    cr_expect(publish(&bert, "news", "hi") == 2 && publish(&bert, "olds", "hi") == 0);
    turn_idle();
    EXPECT_HEARD(anna, "news:hi ");
    EXPECT_HEARD(carl, "news:hi ");
    EXPECT_HEARD(bert, "");
    pubsub_unsubscribe(anna.worker, &anna.subscriber, PUBSUB_CHANNEL, bytes_of("news"));
    cr_expect(publish(&anna, "news", "ho") == 1);
    turn_idle();
    EXPECT_HEARD(anna, "");
    EXPECT_HEARD(carl, "news:ho ");
    end();
}

ON_BOTH(pubsub, counts_a_channel_and_each_pattern_that_matches)
{
    begin();
    subscribe(&anna, PUBSUB_PATTERN, "n*");
    subscribe(&anna, PUBSUB_PATTERN, "*s");
    subscribe(&anna, PUBSUB_CHANNEL, "news");
    subscribe(&carl, PUBSUB_PATTERN, "x*");
    subscribe(&bert, PUBSUB_SHARD, "news");
    cr_expect(publish(&carl, "news", "hi") == 3);
    cr_expect(publish(&carl, "nix", "hi") == 1);
    turn_idle();
    EXPECT_HEARD(anna, "news:hi n*/news:hi *s/news:hi n*/nix:hi ");
    EXPECT_HEARD(bert, "");
    EXPECT_HEARD(carl, "");
    end();
}

/* It would be one more than PUBLISH has answered. */
ON_BOTH(pubsub, brings_nothing_that_was_published_before)
{
    begin();
    subscribe(&carl, PUBSUB_CHANNEL, "news");
    cr_expect(publish(&carl, "news", "old") == 1);
    sit_down(&bert, 1);
    subscribe(&bert, PUBSUB_CHANNEL, "news");
    subscribe(&bert, PUBSUB_PATTERN, "*");
    cr_expect(publish(&carl, "news", "new") == 3);
    turn_idle();
    EXPECT_HEARD(carl, "news:old news:new ");
    EXPECT_HEARD(bert, "news:new */news:new ");
    end();
}

/* Who reads his own inbox at once has there what others have put before. */
ON_BOTH(pubsub, keeps_one_order_for_all)
{
    const struct pubsub_text text = {PUBSUB_CHANNEL, bytes_of("c"), bytes_of("2"), true};
    uint64_t count;
    begin();
    subscribe(&anna, PUBSUB_CHANNEL, "c");
    subscribe(&carl, PUBSUB_CHANNEL, "c");
    publish(&carl, "c", "1");
    cr_assert(pubsub_publish(anna.worker, &anna.subscriber, &text, &count) && count == 2);
    pubsub_hand_on(anna.worker);
    EXPECT_HEARD(anna, "c:1 c:2 ");
    turn_idle();
    EXPECT_HEARD(carl, "c:1 c:2 ");
    EXPECT_HEARD(anna, "");
    end();
}

ON_BOTH(pubsub, drops_who_does_not_take_a_message_and_nobody_else)
{
    struct pubsub_figures figures;
    begin();
    subscribe(&anna, PUBSUB_CHANNEL, "c");
    subscribe(&anna, PUBSUB_PATTERN, "*");
    subscribe(&bert, PUBSUB_CHANNEL, "c");
    anna.refuses_from = 1;
    cr_expect(publish(&carl, "c", "1") == 3 && publish(&carl, "c", "2") == 3);
    turn_idle();
    EXPECT_HEARD(anna, "c:1 ");
    EXPECT_HEARD(bert, "c:1 c:2 ");
    cr_expect(anna.dropped_count == 1 && publish(&carl, "c", "3") == 1);
    pubsub_hub_count(&hub, &figures);
    cr_expect(figures.closed == 1 && figures.deliveries == 3 && figures.messages == 3);
    turn_idle();
    end();
}

/* Of another worker's inbox that is full. */
ON_BOTH(pubsub, holds_a_publisher_until_what_he_published_is_handed_on)
{
    static char large[1024 * 1024 + 1];
    begin();
    memset(large, 'x', sizeof large - 1);
    subscribe(&carl, PUBSUB_CHANNEL, "c");
    carl.shares = true;
    for (unsigned i = 0; i < PUBSUB_INBOX_BYTES / (sizeof large - 1) - 1; i++)
        publish(&anna, "c", large);
    cr_expect(!pubsub_is_held(&anna.subscriber));
    publish(&anna, "c", large);
    publish(&bert, "c", large);
    publish(&bert, "c", large);
    cr_expect(pubsub_is_held(&anna.subscriber) && pubsub_is_held(&bert.subscriber));
    pubsub_leave(bert.worker, &bert.subscriber); /* he goes meanwhile */
    TURN_UNTIL(anna.went_on_count == 1);
    cr_expect(!pubsub_is_held(&anna.subscriber) && bert.went_on_count == 0);
    cr_expect(carl.taken_count == PUBSUB_INBOX_BYTES / (sizeof large - 1) + 2);
    end();
}

ON_BOTH(pubsub, frees_letters_that_nobody_reads)
{
    begin();
    subscribe(&carl, PUBSUB_CHANNEL, "c");
    cr_expect(publish(&anna, "c", "late") == 1);
    end(); /* LeakSanitizer would say so */
}

ON_BOTH(pubsub, lists_what_is_subscribed)
{
    struct resp_out out;
    const struct bytes pattern = bytes_of("n*"), name = bytes_of("news");
    begin();
    resp_out_init(&out, 2, 0, NULL);
    subscribe(&anna, PUBSUB_CHANNEL, "a");
    subscribe(&carl, PUBSUB_CHANNEL, "news");
    subscribe(&bert, PUBSUB_CHANNEL, "news");
    pubsub_hub_list(&hub, PUBSUB_CHANNEL, &pattern, &out);
    pubsub_hub_list(&hub, PUBSUB_CHANNEL, NULL, &out);
    pubsub_hub_list(&hub, PUBSUB_SHARD, NULL, &out);
    const char wanted[] = "*1\r\n$4\r\nnews\r\n*2\r\n$1\r\na\r\n$4\r\nnews\r\n*0\r\n";
    cr_expect(bytes_equal((struct bytes){out.buf->data, out.used}, bytes_of(wanted)));
    cr_expect(pubsub_hub_subscribers(&hub, PUBSUB_CHANNEL, name) == 2);
    cr_expect(pubsub_hub_subscribers(&hub, PUBSUB_SHARD, name) == 0);
    resp_out_fini(&out);
    end();
}

#ifdef PANDO_FAULTS
ON_BOTH(pubsub, changes_nothing_when_memory_fails)
{
    const struct pubsub_text text = {PUBSUB_CHANNEL, bytes_of("c"), bytes_of("x"), false};
    uint64_t count, failed = 0;
    for (uint64_t nth = 1;; nth++) {
        begin();
        subscribe(&carl, PUBSUB_CHANNEL, "other");
        fault_fail_nth(FAULT_ALLOCATION, nth);
        const bool has =
            pubsub_subscribe(anna.worker, &anna.subscriber, PUBSUB_PATTERN, bytes_of("*"));
        fault_fail_nth(FAULT_ALLOCATION, 0);
        cr_expect(pubsub_subscribes(&anna.subscriber) == has);
        cr_expect(pubsub_hub_topics(&hub, PUBSUB_PATTERN) == has);
        fault_fail_nth(FAULT_ALLOCATION, 1);
        cr_expect(!pubsub_publish(anna.worker, &anna.subscriber, &text, &count));
        fault_fail_nth(FAULT_ALLOCATION, 0);
        turn_idle();
        EXPECT_HEARD(anna, "");
        end();
        if (has)
            break;
        failed++;
    }
    cr_expect(failed >= 5);
}
#endif
