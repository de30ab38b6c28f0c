/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/session/user/resp_user_test.c - who a client is, what he may say, and what becomes of
 * him when the users change. */
#include "front/resp/session/resp_session_testing.h"

#define NOAUTH "-NOAUTH Authentication required.\r\n"
#define WRONG  "-WRONGPASS invalid username-password pair or user is disabled.\r\n"

static const struct bytes carts[] = {{(const uint8_t *)"carts", 5},
                                     {(const uint8_t *)"default", 7}};
static struct secret_digest annas, bertas, defaults;
static struct users_row rows[3];
static struct users *users;

/* anna reads carts and what has no keyspace, berta may all, `default` has a password. */
static void begin(void)
{
    if (!secret_is_there())
        cr_skip("built without libsodium");
    secret_digest(bytes_of("a"), &annas);
    secret_digest(bytes_of("b"), &bertas);
    secret_digest(bytes_of("d"), &defaults);
    rows[0] = (struct users_row){.name = bytes_of("anna"),
                                 .grant = {false, true, carts, 2},
                                 .passwords = &annas,
                                 .passwords_count = 1};
    rows[1] = (struct users_row){.name = bytes_of("berta"),
                                 .grant = {.is_all = true},
                                 .passwords = &bertas,
                                 .passwords_count = 1};
    rows[2] = (struct users_row){.name = bytes_of("default"),
                                 .grant = {.keyspaces = carts, .keyspaces_count = 1},
                                 .passwords = &defaults,
                                 .passwords_count = 1};
    begin_sessions();
}

static void end(void)
{
    end_sessions();
    users_unref(users);
}

/* The rows are the users from now on. */
static void change(void)
{
    struct users *old = users;
    users = users_new(rows, 3);
    cr_assert_not_null(users);
    resp_users_change(&home, users);
    users_unref(old);
}

static void let_default_in(void)
{
    rows[2].is_nopass = true;
    rows[2].passwords_count = 0;
    change();
}

TestSuite(resp_user, .init = begin, .fini = end);

Test(resp_user, everybody_is_default_where_there_are_no_users)
{
    EXPECT_SAID("ACL WHOAMI", "$7\r\ndefault\r\n");
    EXPECT_SAID("ACL USERS", "*1\r\n$7\r\ndefault\r\n");
    EXPECT_SAID("ACL LIST", "*1\r\n$34\r\nuser default on nopass ~* &* +@all\r\n");
    EXPECT_HOLDS("CLIENT INFO", " user=default ");
    cr_expect(session.who.grant == NULL && session.who.standing == RESP_MAY_ALL);
}

Test(resp_user, nobody_may_say_nothing_but_who_it_is)
{
    change();
    const char *const words[] = {"PING",       "GET a",   "MULTI",   "EXEC",         "CLIENT LIST",
                                 "ACL WHOAMI", "COMMAND", "WATCH a", "CONFIG GET x", "INFO"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        EXPECT_SAID(words[i], NOAUTH);
    EXPECT_HOLDS("HELLO", "-NOAUTH HELLO must be called with the client already authenticated, ");
    EXPECT_SAID("RESET", "+RESET\r\n");
    EXPECT_SAID("QUIT", "+OK\r\n");
}

Test(resp_user, is_who_the_password_says)
{
    change();
    EXPECT_SAID("AUTH anna b", WRONG);
    EXPECT_SAID("AUTH zoe a", WRONG);
    EXPECT_SAID("AUTH a", WRONG);
    EXPECT_SAID("AUTH a b c", "-ERR syntax error\r\n");
    EXPECT_SAID("PING", NOAUTH);
    EXPECT_SAID("AUTH anna a", "+OK\r\n");
    EXPECT_SAID("ACL WHOAMI", "$4\r\nanna\r\n");
    EXPECT_HOLDS("CLIENT INFO", " user=anna ");
    EXPECT_SAID("AUTH d", "+OK\r\n");
    EXPECT_SAID("ACL WHOAMI", "$7\r\ndefault\r\n");
}

/* Whoever mistypes stays who he was. */
Test(resp_user, stays_who_he_was_after_a_wrong_password)
{
    change();
    EXPECT_SAID("AUTH anna a", "+OK\r\n");
    EXPECT_SAID("AUTH berta a", WRONG);
    EXPECT_SAID("ACL WHOAMI", "$4\r\nanna\r\n");
}

Test(resp_user, says_it_with_hello_too)
{
    change();
    EXPECT_SAID("HELLO 3 AUTH anna b SETNAME me", WRONG);
    cr_expect(session.version == 2 && session.name == NULL);
    EXPECT_HOLDS("HELLO 3 AUTH anna a SETNAME me", "%7\r\n$6\r\nserver");
    EXPECT_SAID("CLIENT GETNAME", "$2\r\nme\r\n");
    EXPECT_SAID("ACL WHOAMI", "$4\r\nanna\r\n");
}

Test(resp_user, is_default_at_once_if_that_needs_no_password)
{
    let_default_in();
    EXPECT_SAID("PING", "+PONG\r\n");
    cr_expect(session.who.grant == &users_nameless(users)->grant);
    EXPECT_HOLDS("AUTH d", "-ERR AUTH <password> called without any password configured");
    EXPECT_SAID("AUTH anna a", "+OK\r\n");
    EXPECT_SAID("RESET", "+RESET\r\n");
    EXPECT_SAID("ACL WHOAMI", "$7\r\ndefault\r\n");
}

Test(resp_user, is_nobody_again_after_a_reset)
{
    change();
    EXPECT_SAID("AUTH berta b", "+OK\r\n");
    EXPECT_SAID("PING", "+PONG\r\n");
    EXPECT_SAID("RESET", "+RESET\r\n");
    EXPECT_SAID("PING", NOAUTH);
}

Test(resp_user, a_reader_changes_nothing)
{
    change();
    EXPECT_SAID("AUTH anna a", "+OK\r\n");
    for (unsigned i = 0; i < COMMANDS_COUNT; i++)
        cr_expect(resp_session_may(&session, &commands[i]) !=
                      ((commands[i].flags & COMMAND_WRITE) != 0),
                  "%s", commands[i].name);
    EXPECT_SAID("SET carts:1 x",
                "-NOPERM this user has no permissions to run the 'set' command\r\n");
    EXPECT_SAID("MULTI", "+OK\r\n");
    EXPECT_SAID("GET carts:1", "+QUEUED\r\n");
    cr_expect_not(session.queue.is_bad);
    EXPECT_HOLDS("DEL carts:1", "-NOPERM");
    cr_expect(session.queue.is_bad);
}

Test(resp_user, tells_of_others_only_whom_may_do_everything)
{
    change();
    EXPECT_SAID("AUTH anna a", "+OK\r\n");
    EXPECT_SAID("ACL LIST",
                "-NOPERM this user has no permissions to run the 'acl|list' command\r\n");
    EXPECT_HOLDS("ACL USERS", "-NOPERM");
    EXPECT_HOLDS("ACL GETUSER anna", "-NOPERM");
    EXPECT_SAID("AUTH d", "+OK\r\n");
    EXPECT_HOLDS("ACL LIST", "-NOPERM");
    EXPECT_SAID("AUTH berta b", "+OK\r\n");
    EXPECT_SAID("ACL LIST",
                "*3\r\n$62\r\nuser anna on #(not shown) ~carts:* ~(default) &* +@all -@write\r\n"
                "$38\r\nuser berta on #(not shown) ~* &* +@all\r\n"
                "$46\r\nuser default on #(not shown) ~carts:* &* +@all\r\n");
    EXPECT_HOLDS("ACL GETUSER anna", "*12\r\n$5\r\nflags\r\n*1\r\n+on\r\n");
    EXPECT_SAID("ACL GETUSER zoe", "$-1\r\n");
}

/* Every category that is listed has commands. */
Test(resp_user, lists_commands_by_their_kind)
{
    EXPECT_HOLDS("ACL CAT", "\r\n+read\r\n+write\r\n");
    char names[512];
    (void)snprintf(names, sizeof names, "%s", (const char *)said.buf->data);
    for (char *at = strchr(names, '+'); at != NULL; at = strchr(at, '+')) {
        char words[64];
        at++;
        (void)snprintf(words, sizeof words, "ACL CAT %.*s", (int)strcspn(at, "\r"), at);
        EXPECT_HOLDS(words, "*");
    }
    EXPECT_HOLDS("ACL CAT write", "+set\r\n");
    cr_expect_null(strstr((const char *)said.buf->data, "+get\r\n"));
    EXPECT_SAID("ACL CAT nosuch", "-ERR Unknown category 'nosuch'\r\n");
}

Test(resp_user, changes_no_users_by_a_command)
{
    EXPECT_HOLDS("ACL SETUSER zoe on", "-ERR users are those of the listener's `users-file`");
    EXPECT_HOLDS("ACL LOAD", "-ERR users are those");
    EXPECT_SAID("ACL FOO", "-ERR unknown subcommand 'FOO'. Try ACL HELP.\r\n");
    EXPECT_SAID("ACL WHOAMI x", "-ERR wrong number of arguments for 'acl|whoami' command\r\n");
    EXPECT_HOLDS("ACL HELP", "+ACL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n");
}

/* `other` is berta's, this session anna's. */
Test(resp_user, ends_connections_of_others_only_if_he_may_do_everything)
{
    struct resp_out out = {.version = 2};
    change();
    cr_assert(resp_user_log_in(&other, bytes_of("berta"), bytes_of("b"), &out));
    EXPECT_SAID("AUTH anna a", "+OK\r\n");
    EXPECT_SAID("CLIENT KILL USER berta", ":0\r\n");
    EXPECT_SAID("CLIENT KILL SKIPME no USER anna", ":1\r\n");
    cr_expect(session.is_over && closed_count == 0);
    EXPECT_SAID("AUTH berta b", "+OK\r\n");
    EXPECT_SAID("CLIENT KILL USER zoe", "-ERR No such user 'zoe'\r\n");
    EXPECT_SAID("CLIENT KILL USER berta", ":1\r\n");
    cr_expect_eq(closed_count, 1);
}

Test(resp_user, stays_when_users_change_that_are_not_he)
{
    change();
    EXPECT_SAID("AUTH anna a", "+OK\r\n");
    EXPECT_SAID("MULTI", "+OK\r\n");
    EXPECT_SAID("GET a", "+QUEUED\r\n");
    rows[1].name = bytes_of("berthold");
    change();
    cr_expect(session.who.login.user->users == users &&
              session.who.grant == &session.who.login.user->grant);
    cr_expect(session.queue.count == 1 && !session.queue.is_bad);
    EXPECT_SAID("DISCARD", "+OK\r\n");
    EXPECT_SAID("ACL WHOAMI", "$4\r\nanna\r\n");
}

Test(resp_user, is_nobody_when_his_password_is_gone)
{
    change();
    EXPECT_SAID("AUTH anna a", "+OK\r\n");
    EXPECT_SAID("MULTI", "+OK\r\n");
    EXPECT_SAID("GET a", "+QUEUED\r\n");
    rows[0].passwords = &bertas;
    change();
    cr_expect(!session.queue.is_open && session.queue.count == 0 && session.who.grant == NULL);
    EXPECT_SAID("GET a", NOAUTH);
    EXPECT_SAID("AUTH anna b", "+OK\r\n");
}

/* Even if whoever says nothing is let in: he would not notice that he is another. */
Test(resp_user, is_nobody_and_not_default_when_his_name_is_gone)
{
    change();
    EXPECT_SAID("AUTH anna a", "+OK\r\n");
    rows[0].name = bytes_of("anne");
    let_default_in();
    EXPECT_SAID("PING", NOAUTH);
    EXPECT_SAID("RESET", "+RESET\r\n");
    EXPECT_SAID("PING", "+PONG\r\n");
}

Test(resp_user, what_he_queued_is_not_done_when_he_may_only_read)
{
    change();
    EXPECT_SAID("AUTH berta b", "+OK\r\n");
    EXPECT_SAID("MULTI", "+OK\r\n");
    EXPECT_SAID("SET a b", "+QUEUED\r\n");
    rows[1].grant.reads_only = true;
    change();
    cr_expect(session.queue.is_bad && session.who.standing == RESP_READER);
}

Test(resp_user, everybody_is_asked_when_a_listener_gets_users_and_nobody_when_it_loses_them)
{
    EXPECT_SAID("PING", "+PONG\r\n");
    change();
    EXPECT_SAID("PING", NOAUTH);
    EXPECT_SAID("AUTH anna a", "+OK\r\n");
    resp_users_change(&home, NULL);
    EXPECT_SAID("ACL WHOAMI", "$7\r\ndefault\r\n");
    cr_expect(session.who.grant == NULL && resp_session_may(&session, &commands[COMMAND_IS_SET]));
    let_default_in();
    EXPECT_SAID("ACL WHOAMI", "$7\r\ndefault\r\n");
    cr_expect_not_null(session.who.grant);
}
