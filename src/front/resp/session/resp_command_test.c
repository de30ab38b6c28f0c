/* SPDX-License-Identifier: Apache-2.0 */
/* front/resp/session/resp_command_test.c - every row of the table can be asked for, whole. */
#include "codec/resp/resp_value.h"
#include "front/resp/session/resp_session_testing.h"

TestSuite(resp_command, .init = begin_sessions, .fini = end_sessions);

/* One whole value is what was answered. */
static void expect_whole(const char *words)
{
    (void)say(words);
    const struct bytes answer = {said.buf->data, said.used - 1};
    cr_expect(resp_value_bytes(answer) == answer.count, "%s", words);
    cr_expect(answer.at[0] != '-', "%s", words);
}

Test(resp_command, answers_whole_values_in_both_versions)
{
    for (unsigned version = 2; version <= 3; version++) {
        session.version = (uint8_t)version;
        expect_whole("COMMAND");
        expect_whole("COMMAND INFO");
        expect_whole("COMMAND DOCS");
        expect_whole("COMMAND LIST");
        expect_whole("COMMAND HELP");
        for (unsigned i = 0; i < COMMANDS_COUNT; i++) {
            char words[64];
            (void)snprintf(words, sizeof words, "COMMAND INFO %s nosuch", commands[i].name);
            expect_whole(words);
            (void)snprintf(words, sizeof words, "COMMAND DOCS %s nosuch", commands[i].name);
            expect_whole(words);
        }
    }
}

Test(resp_command, tells_a_row_as_redis_does)
{
    EXPECT_HOLDS("COMMAND INFO get",
                 "*1\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n"
                 "*3\r\n+@read\r\n+@string\r\n+@fast\r\n*0\r\n*1\r\n*6\r\n$5\r\nflags\r\n*2\r\n"
                 "+RO\r\n+access\r\n");
    EXPECT_SAID("COMMAND INFO nosuch", "*1\r\n$-1\r\n");
}

Test(resp_command, counts_the_rows)
{
    char wanted[16];
    (void)snprintf(wanted, sizeof wanted, ":%d\r\n", COMMANDS_COUNT);
    EXPECT_SAID("COMMAND COUNT", wanted);
}

Test(resp_command, finds_the_keys_of_a_command)
{
    EXPECT_SAID("COMMAND GETKEYS MSET a b c d", "*2\r\n$1\r\na\r\n$1\r\nc\r\n");
    EXPECT_SAID("COMMAND GETKEYS ZUNIONSTORE t 2 a b", "*3\r\n$1\r\nt\r\n$1\r\na\r\n$1\r\nb\r\n");
    EXPECT_SAID("COMMAND GETKEYS PING a", "-ERR The command has no key arguments\r\n");
    EXPECT_SAID("COMMAND GETKEYS NOSUCH a", "-ERR Invalid command specified\r\n");
    EXPECT_SAID("COMMAND GETKEYS GET a b",
                "-ERR Invalid number of arguments specified for command\r\n");
    EXPECT_SAID("COMMAND GETKEYS SINTERCARD 9 a",
                "-ERR Invalid arguments specified for command\r\n");
    EXPECT_SAID("COMMAND GETKEYSANDFLAGS GET a", "*1\r\n*2\r\n$1\r\na\r\n*2\r\n+RO\r\n+access\r\n");
}

Test(resp_command, lists_names_by_pattern_and_category)
{
    EXPECT_SAID("COMMAND LIST FILTERBY PATTERN ge?", "*1\r\n$3\r\nget\r\n");
    EXPECT_HOLDS("COMMAND LIST FILTERBY ACLCAT transaction", "$5\r\nwatch\r\n");
    EXPECT_SAID("COMMAND LIST FILTERBY MODULE x", "*0\r\n");
    EXPECT_SAID("COMMAND LIST FILTERBY x y", "-ERR syntax error\r\n");
}
