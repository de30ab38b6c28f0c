/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/session/resp_session_test.c - what a client is told about itself, in Redis' words. */
#include "front/resp/session/resp_session_testing.h"

TestSuite(resp_session, .init = begin_sessions, .fini = end_sessions);

Test(resp_session, says_hello_in_the_version_that_is_asked_for)
{
    EXPECT_HOLDS("HELLO",
                 "*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n");
    cr_expect(session.version == 2);
    EXPECT_HOLDS("hello 3 setname me", "%7\r\n$6\r\nserver");
    cr_expect(session.version == 3);
    EXPECT_SAID("CLIENT GETNAME", "$2\r\nme\r\n");
    EXPECT_HOLDS("HELLO 2", "$5\r\nproto\r\n:2\r\n");
}

Test(resp_session, refuses_a_hello_that_changes_nothing_then)
{
    EXPECT_SAID("HELLO 4", "-NOPROTO unsupported protocol version\r\n");
    EXPECT_SAID("HELLO x", "-ERR Protocol version is not an integer or out of range\r\n");
    EXPECT_SAID("HELLO 3 AUTH a", "-ERR Syntax error in HELLO option 'AUTH'\r\n");
    EXPECT_SAID("HELLO 3 SETNAME a AUTH nobody x",
                "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    cr_expect(session.version == 2 && session.name == NULL);
}

Test(resp_session, knows_no_password)
{
    EXPECT_HOLDS("AUTH secret", "-ERR AUTH <password> called without any password configured");
    EXPECT_SAID("AUTH default secret", "+OK\r\n");
    EXPECT_HOLDS("AUTH nobody secret", "-WRONGPASS");
    EXPECT_SAID("AUTH a b c", "-ERR syntax error\r\n");
}

Test(resp_session, has_one_database)
{
    EXPECT_SAID("SELECT 0", "+OK\r\n");
    EXPECT_SAID("SELECT 1", "-ERR DB index is out of range\r\n");
    EXPECT_SAID("SELECT a", "-ERR value is not an integer or out of range\r\n");
}

Test(resp_session, answers_pings_and_echoes)
{
    EXPECT_SAID("PING", "+PONG\r\n");
    EXPECT_SAID("ping a", "$1\r\na\r\n");
    EXPECT_SAID("PING a b", "-ERR wrong number of arguments for 'ping' command\r\n");
    EXPECT_SAID("ECHO a", "$1\r\na\r\n");
}

Test(resp_session, shows_what_it_does_not_know)
{
    EXPECT_SAID("FOO", "-ERR unknown command 'FOO', with args beginning with: \r\n");
    EXPECT_SAID("FOO a b", "-ERR unknown command 'FOO', with args beginning with: 'a' 'b' \r\n");
    EXPECT_HOLDS("XADD a",
                 "-ERR 'XADD' is a command of streams, which the engines memory and lmdb");
    EXPECT_SAID("GET", "-ERR wrong number of arguments for 'get' command\r\n");
}

Test(resp_session, shows_no_more_than_128_bytes_of_each)
{
    char long_word[1000];
    memset(long_word, 'x', sizeof long_word);
    const struct bytes word = {(const uint8_t *)long_word, sizeof long_word};
    const struct bytes args[] = {word, word, word};
    say_args(args, 3);
    cr_expect(said.used < 400 && said.buf->data[said.used - 1] == '\n');
}

Test(resp_session, queues_after_multi)
{
    EXPECT_SAID("MULTI", "+OK\r\n");
    EXPECT_SAID("MULTI", "-ERR MULTI calls can not be nested\r\n");
    EXPECT_SAID("GET a", "+QUEUED\r\n");
    EXPECT_SAID("PING", "+QUEUED\r\n");
    cr_expect(session.queue.count == 2 && !session.queue.is_bad);
    const struct resp_queued *first =
        list_item(list_first(&session.queue.commands), struct resp_queued, link);
    cr_expect(first->command->number == COMMAND_IS_GET && first->args_count == 2);
    cr_expect(bytes_equal(first->args[1], bytes_of("a")));
    EXPECT_SAID("DISCARD", "+OK\r\n");
    EXPECT_SAID("DISCARD", "-ERR DISCARD without MULTI\r\n");
    EXPECT_SAID("PING", "+PONG\r\n");
}

Test(resp_session, spoils_a_transaction_by_what_it_refuses)
{
    say("MULTI");
    say("NOSUCH");
    cr_expect(session.queue.is_bad);
    say("DISCARD");
    say("MULTI");
    cr_expect(!session.queue.is_bad);
    EXPECT_SAID("HELLO 3", "-ERR Command not allowed inside a transaction\r\n");
    cr_expect(session.queue.is_bad && session.version == 2);
}

Test(resp_session, discards_a_transaction_at_an_exec_with_arguments)
{
    say("MULTI");
    EXPECT_HOLDS("EXEC now", "-EXECABORT Transaction discarded because of: wrong number");
    cr_expect(!session.queue.is_open);
}

Test(resp_session, bounds_a_transaction)
{
    say("MULTI");
    for (int i = 0; i < 3; i++)
        EXPECT_SAID("PING", "+QUEUED\r\n");
    EXPECT_HOLDS("PING", "-ERR the transaction has more commands than 'multi-commands'");
    cr_expect(session.queue.is_bad && session.queue.count == 3);
    say("DISCARD");
    uint8_t large[5000] = {0};
    const struct bytes args[] = {bytes_of("ECHO"), {large, sizeof large}};
    say("MULTI");
    say_args(args, 2);
    cr_expect(session.queue.is_bad && session.queue.count == 0);
}

Test(resp_session, forgets_all_at_reset)
{
    say("HELLO 3 SETNAME me");
    say("MULTI");
    say("CLIENT REPLY OFF");
    EXPECT_SAID("RESET", "+RESET\r\n");
    cr_expect(session.version == 2 && session.name == NULL && !session.queue.is_open);
}

Test(resp_session, is_over_after_quit)
{
    EXPECT_SAID("QUIT", "+OK\r\n");
    cr_expect(session.is_over);
}

/* ---- CLIENT ---- */

Test(resp_session, numbers_clients)
{
    cr_expect(other.id == session.id + 1);
    EXPECT_SAID("CLIENT ID x", "-ERR wrong number of arguments for 'client|id' command\r\n");
    EXPECT_SAID("CLIENT FOO", "-ERR unknown subcommand 'FOO'. Try CLIENT HELP.\r\n");
}

Test(resp_session, takes_names_without_special_characters)
{
    const struct bytes bad[] = {bytes_of("CLIENT"), bytes_of("SETNAME"), bytes_of("a b")};
    EXPECT_SAID("CLIENT GETNAME", "$-1\r\n");
    EXPECT_SAID("CLIENT SETNAME me", "+OK\r\n");
    EXPECT_SAID("CLIENT GETNAME", "$2\r\nme\r\n");
    say_args(bad, 3);
    cr_expect(said.buf->data[0] == '-' && strcmp(session.name, "me") == 0);
    EXPECT_SAID("CLIENT SETINFO lib-name redis-py", "+OK\r\n");
    EXPECT_SAID("CLIENT SETINFO foo 1", "-ERR Unrecognized option 'foo'\r\n");
    EXPECT_HOLDS("CLIENT INFO", " lib-name=redis-py lib-ver=\n");
}

Test(resp_session, lists_the_clients_of_its_front)
{
    EXPECT_HOLDS("CLIENT LIST", "addr=10.0.0.1:77 laddr=10.0.0.9:6380 fd=5 name= ");
    EXPECT_HOLDS("CLIENT LIST", "\nid=2 ");
    EXPECT_HOLDS("CLIENT LIST ID 2", "\r\nid=2 ");
    EXPECT_SAID("CLIENT LIST ID 77", "$0\r\n\r\n");
    EXPECT_SAID("CLIENT LIST TYPE pubsub", "$0\r\n\r\n");
    EXPECT_SAID("CLIENT LIST TYPE x", "-ERR Unknown client type 'x'\r\n");
    EXPECT_SAID("CLIENT LIST ID x", "-ERR Invalid client ID\r\n");
    EXPECT_SAID("CLIENT LIST x", "-ERR syntax error\r\n");
}

Test(resp_session, kills_others)
{
    EXPECT_SAID("CLIENT KILL ID 77", ":0\r\n");
    EXPECT_SAID("CLIENT KILL ADDR 10.0.0.2:77 ID 1", ":0\r\n");
    cr_expect(closed_count == 0);
    EXPECT_SAID("CLIENT KILL ADDR 10.0.0.2:77", ":1\r\n");
    cr_expect(closed_count == 1 && !session.is_over);
    EXPECT_SAID("CLIENT KILL 10.0.0.2:77", "-ERR No such client\r\n");
}

Test(resp_session, kills_itself_after_the_answer)
{
    EXPECT_SAID("CLIENT KILL ID 1", ":0\r\n");
    cr_expect(!session.is_over, "it spares itself unless it is told not to");
    EXPECT_SAID("CLIENT KILL ID 1 SKIPME no", ":1\r\n");
    cr_expect(session.is_over && closed_count == 0);
}

Test(resp_session, is_silent_when_it_is_told_to_be)
{
    EXPECT_SAID("CLIENT REPLY SKIP", "");
    EXPECT_SAID("PING", "");
    EXPECT_SAID("PING", "+PONG\r\n");
    EXPECT_SAID("CLIENT REPLY OFF", "");
    EXPECT_SAID("PING", "");
    EXPECT_SAID("CLIENT REPLY ON", "+OK\r\n");
    EXPECT_SAID("PING", "+PONG\r\n");
}

Test(resp_session, refuses_what_it_could_not_keep)
{
    EXPECT_HOLDS("CLIENT TRACKING ON", "-ERR client side caching is not offered");
    EXPECT_HOLDS("CLIENT PAUSE 100", "-ERR pausing all clients is not offered");
    EXPECT_SAID("CLIENT NO-EVICT ON", "+OK\r\n");
}

/* ---- INFO and CONFIG ---- */

Test(resp_session, tells_the_sections_that_are_asked_for)
{
    EXPECT_HOLDS("INFO", "redis_version:7.0.15\r\n");
    EXPECT_HOLDS("INFO keyspace", "# Keyspace\r\ndb0:keys=7,expires=0,avg_ttl=0\r\n");
    EXPECT_HOLDS("INFO CLIENTS memory", "# Memory\r\n");
    cr_expect(strstr(say("INFO clients"), "Memory") == NULL);
    EXPECT_SAID("INFO foo", "$0\r\n\r\n");
}

Test(resp_session, tells_the_settings_that_are_asked_for)
{
    EXPECT_SAID("CONFIG GET maxmemory", "*2\r\n$9\r\nmaxmemory\r\n$4\r\n1000\r\n");
    EXPECT_SAID("CONFIG GET save appendonly",
                "*4\r\n$10\r\nappendonly\r\n$2\r\nno\r\n$4\r\nsave\r\n$0\r\n\r\n");
    EXPECT_SAID("CONFIG GET nosuch", "*0\r\n");
    EXPECT_HOLDS("CONFIG SET maxmemory 1", "-ERR settings are changed in Pando's file");
    EXPECT_SAID("CONFIG GET", "-ERR wrong number of arguments for 'config|get' command\r\n");
}
