/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/session/resp_pubsub_test.c - what a client may say while it subscribes channels, and
 * what it is answered, in Redis' words. */
#include "front/resp/session/resp_session_testing.h"

#define NOT_HERE                                                                                   \
    "only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context\r\n"

static const struct hash_key key = {{3, 4}};
static struct pubsub_hub hub;
static struct pubsub_worker worker;

static void begin(void)
{
    pubsub_hub_init(&hub, &key, 1);
    pubsub_worker_open(&worker, &hub, 0, NULL); /* nobody posts: it reads its own messages */
    testing_path.pubsub = &worker;
    testing_settings.subscriptions = 4;
    testing_settings.channel_bytes = 8;
    begin_sessions();
}

static void end(void)
{
    end_sessions();
    pubsub_worker_close(&worker);
    pubsub_hub_fini(&hub);
}

TestSuite(resp_pubsub, .init = begin, .fini = end);

Test(resp_pubsub, answers_once_for_each_name)
{
    EXPECT_SAID("SUBSCRIBE a b a", "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"
                                   "*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"
                                   "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:2\r\n");
    EXPECT_SAID("PSUBSCRIBE a", "*3\r\n$10\r\npsubscribe\r\n$1\r\na\r\n:3\r\n");
    EXPECT_SAID("SSUBSCRIBE a", "*3\r\n$10\r\nssubscribe\r\n$1\r\na\r\n:1\r\n");
    EXPECT_SAID("UNSUBSCRIBE x", "*3\r\n$11\r\nunsubscribe\r\n$1\r\nx\r\n:3\r\n");
    EXPECT_SAID("UNSUBSCRIBE", "*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:2\r\n"
                               "*3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:1\r\n");
    session.version = 3;
    EXPECT_SAID("UNSUBSCRIBE", ">3\r\n$11\r\nunsubscribe\r\n_\r\n:1\r\n");
}

Test(resp_pubsub, answers_a_ping_of_version_2_as_a_message)
{
    EXPECT_SAID("PING", "+PONG\r\n");
    (void)say("SUBSCRIBE a");
    EXPECT_SAID("PING", "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    EXPECT_SAID("PING x", "*2\r\n$4\r\npong\r\n$1\r\nx\r\n");
    session.version = 3;
    EXPECT_SAID("PING", "+PONG\r\n");
}

Test(resp_pubsub, takes_nothing_else_from_version_2_meanwhile)
{
    cr_expect(!resp_session_is_in_pubsub(&session, command_find(bytes_of("get"))));
    (void)say("PSUBSCRIBE a");
    cr_expect(resp_session_is_in_pubsub(&session, command_find(bytes_of("get"))));
    cr_expect(!resp_session_is_in_pubsub(&session, command_find(bytes_of("ping"))));
    EXPECT_SAID("GET a", "-ERR Can't execute 'get': " NOT_HERE);
    EXPECT_SAID("CLIENT Id", "-ERR Can't execute 'client|id': " NOT_HERE);
    EXPECT_SAID("PUBSUB what", "-ERR unknown subcommand 'what'. Try PUBSUB HELP.\r\n");
    EXPECT_SAID("EXEC",
                "-EXECABORT Transaction discarded because of: Can't execute 'exec': " NOT_HERE);
    session.version = 3;
    cr_expect(!resp_session_is_in_pubsub(&session, command_find(bytes_of("get"))));
}

Test(resp_pubsub, subscribes_all_or_none)
{
    EXPECT_SAID("SUBSCRIBE a b c d e",
                "-ERR the connection would subscribe more than 'subscriptions' allows\r\n");
    EXPECT_SAID("SUBSCRIBE a ninebytes", "-ERR a name is longer than 'channel-bytes' allows\r\n");
    EXPECT_SAID("PUBLISH ninebytes x",
                "-ERR the channel's name is longer than 'channel-bytes' allows\r\n");
    cr_expect(!pubsub_subscribes(&session.subscriber));
}

Test(resp_pubsub, leaves_all_at_reset_and_quit)
{
    (void)say("SUBSCRIBE a");
    (void)say("SSUBSCRIBE b");
    EXPECT_SAID("RESET", "+RESET\r\n");
    cr_expect(!pubsub_subscribes(&session.subscriber) && session.subscriber.bytes == 0);
    (void)say("PSUBSCRIBE a");
    EXPECT_SAID("QUIT", "+OK\r\n");
    cr_expect(pubsub_hub_topics(&hub, PUBSUB_PATTERN) == 0);
}

Test(resp_pubsub, is_queued_unless_it_cannot_be_run)
{
    EXPECT_SAID("MULTI", "+OK\r\n");
    EXPECT_SAID("SUBSCRIBE a", "+QUEUED\r\n");
    EXPECT_SAID("PUBSUB NUMPAT", "+QUEUED\r\n");
    EXPECT_SAID("PUBSUB NUMPAT x",
                "-ERR wrong number of arguments for 'pubsub|numpat' command\r\n");
    cr_expect(session.queue.is_bad);
}

Test(resp_pubsub, is_told_to_whoever_lists_clients)
{
    (void)say("PSUBSCRIBE a b");
    session.version = 3;
    EXPECT_HOLDS("CLIENT INFO", " flags=P db=0 sub=0 psub=2 ssub=0 ");
    EXPECT_HOLDS("CLIENT LIST TYPE pubsub", "id=");
    EXPECT_SAID("CLIENT KILL TYPE pubsub SKIPME yes", ":0\r\n");
    cr_expect(closed_count == 0);
    EXPECT_SAID("CLIENT KILL TYPE normal", ":1\r\n");
    cr_expect(closed_count == 1, "the other one");
}
