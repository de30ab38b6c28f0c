/* SPDX-License-Identifier: Apache-2.0 */
/* path/command/command_test.c - lookup, keys, and what is absent. */
#include "path/command/command.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>

enum { WORDS_MAX = 16 };

/* Splits @line at its spaces; returns how many words. @copy is what they lie in. */
static uint32_t split(const char *line, char *copy, size_t copy_bytes, struct bytes *words)
{
    uint32_t count = 0;
    snprintf(copy, copy_bytes, "%s", line);
    for (char *rest = copy, *word; (word = strsep(&rest, " ")) != NULL; count++)
        words[count] = bytes_of(word);
    return count;
}

/* The keys of a command line, each with a space behind it; "?" if it has none because it is
 * wrong. */
static const char *keys_of(const char *line)
{
    static char text[256];
    char copy[256];
    struct bytes words[WORDS_MAX];
    const uint32_t count = split(line, copy, sizeof copy, words);
    const struct command *command = command_find(words[0]);
    struct command_keys keys;
    cr_assert(command != NULL && command_takes(command, count), "%s", line);
    if (!command_find_keys(command, words, count, &keys)) {
        cr_expect(command_keys_count(&keys) == 0);
        return "?";
    }
    size_t used = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < command_keys_count(&keys); i++) {
        const struct bytes key = words[command_key_place(&keys, i)];
        used += (size_t)snprintf(text + used, sizeof text - used, "%.*s ", (int)key.count, key.at);
    }
    return text;
}

static void expect_keys(const char *line, const char *keys)
{
    cr_expect(strcmp(keys_of(line), keys) == 0, "%s: '%s' is not '%s'", line, keys_of(line), keys);
}

Test(command, every_row_is_found_in_any_case)
{
    for (unsigned i = 0; i < COMMANDS_COUNT; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s", commands[i].name);
        cr_expect(command_find(bytes_of(name)) == &commands[i], "%s", name);
        for (size_t at = 0; name[at] != '\0'; at += 2)
            name[at] = (char)toupper((unsigned char)name[at]);
        cr_expect(command_find(bytes_of(name)) == &commands[i], "%s", name);
        cr_expect(commands[i].number == i && commands[i].arity != 0);
    }
}

/* One byte changed, added or taken away; letters that bit 5 alone would make the same. */
Test(command, what_is_almost_a_name_is_not_found)
{
    const char *const others[] = {"",
                                  "g",
                                  "ge",
                                  "gett",
                                  "geu",
                                  "\x47\x45\x74x",
                                  "@et",
                                  "ge\x14",
                                  "[et",
                                  "sort\x7fro",
                                  "pando\x0erange",
                                  "zremrangebyscor",
                                  "zremrangebyscorf",
                                  "zremrangebyscores",
                                  "\xe7\x65t"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        cr_expect(command_find(bytes_of(others[i])) == NULL, "%s", others[i]);
    cr_expect(command_find((struct bytes){(const uint8_t *)"get\0", 4}) == NULL);
}

/* Every byte of every name counts. */
Test(command, a_name_with_another_letter_is_another_command_or_none)
{
    for (unsigned i = 0; i < COMMANDS_COUNT; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s", commands[i].name);
        for (size_t at = 0; name[at] != '\0'; at++) {
            const char was = name[at];
            name[at] = '#';
            cr_expect(command_find(bytes_of(name)) == NULL, "%s", name);
            name[at] = was;
        }
    }
}

Test(command, rows_say_what_they_are)
{
    const struct command *get = command_find(bytes_of("get"));
    cr_expect(get->arity == 2 && get->flags == (COMMAND_READ | COMMAND_FAST));
    cr_expect(get->route == COMMAND_ROUTE_KEYS && strcmp(get->group, "string") == 0);
    cr_expect(command_takes(get, 2) && !command_takes(get, 1) && !command_takes(get, 3));
    const struct command *del = command_find(bytes_of("DEL"));
    cr_expect(command_takes(del, 2) && command_takes(del, 100) && !command_takes(del, 1));
}

/* A route that gives each shard its keys needs keys; a row that counts its keys says so. */
Test(command, rows_are_consistent)
{
    for (unsigned i = 0; i < COMMANDS_COUNT; i++) {
        const struct command *command = &commands[i];
        const bool is_split = command->route == COMMAND_ROUTE_SUM ||
                              command->route == COMMAND_ROUTE_EACH ||
                              command->route == COMMAND_ROUTE_SET;
        const bool counts = (command->flags & COMMAND_COUNTED) != 0;
        cr_expect(!is_split || command->first_key == 1, "%s", command->name);
        cr_expect(command->first_key != 0 || counts || command->route != COMMAND_ROUTE_KEYS, "%s",
                  command->name);
        cr_expect((command->first_key == 0) == (command->key_step == 0), "%s", command->name);
    }
}

Test(command_keys, stand_where_the_row_says)
{
    expect_keys("get a", "a ");
    expect_keys("del a b c", "a b c ");
    expect_keys("mset a 1 b 2", "a b ");
    expect_keys("mset a 1 b", "a b ");
    expect_keys("lcs a b len", "a b ");
    expect_keys("bitop and to a b", "to a b ");
    expect_keys("object encoding a", "a ");
    expect_keys("object help", "");
    expect_keys("dbsize", "");
    expect_keys("ping", "");
    expect_keys("watch a b", "a b ");
}

Test(command_keys, are_counted_by_the_command)
{
    expect_keys("zunion 2 a b withscores", "a b ");
    expect_keys("zdiff 1 a", "a ");
    expect_keys("sintercard 2 a b limit 3", "a b ");
    expect_keys("lmpop 2 a b left", "a b ");
    expect_keys("zmpop 1 a min", "a ");
    expect_keys("zunionstore to 2 a b weights 1 2", "to a b ");
    expect_keys("zdiffstore to 1 a", "to a ");
}

Test(command_keys, are_none_if_they_are_counted_wrongly)
{
    const char *const lines[] = {
        "zunion 0 a",
        "zunion -1 a",
        "zunion x a",
        "zunion 2 a",
        "zunion 01 a",
        "lmpop 3 a left",
        "sintercard 2 a",
        "zinterstore to 0 a",
        "zinterstore a b c",
        "zinterstore to 2 a",
        "zunion 9223372036854775807 a",
        "zunion 4294967297 a",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        expect_keys(lines[i], "?");
}

Test(command_keys, of_sort_include_its_target)
{
    expect_keys("sort a", "a ");
    expect_keys("sort a by x get # limit 0 1 asc", "a ");
    expect_keys("sort a STORE b", "b a ");
    expect_keys("sort a by store get store limit store store desc store b", "b a ");
    expect_keys("sort a store b store c", "c a ");
    expect_keys("sort a store", "a ");
    expect_keys("sort_ro a store b", "a ");
}

Test(command, absent_ones_have_a_group)
{
    const char *const pairs[][2] = {
        {"XADD", "streams"},         {"xreadgroup", "streams"},    {"GeoAdd", "geo"},
        {"pfcount", "hyperloglog"},  {"evalsha", "scripts"},       {"fcall_ro", "scripts"},
        {"blpop", "blocking lists"}, {"bzmpop", "blocking lists"}, {"dump", "dump and restore"},
        {"module", "modules"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        const char *group = command_absent_group(bytes_of(pairs[i][0]));
        cr_expect(group != NULL && strcmp(group, pairs[i][1]) == 0, "%s", pairs[i][0]);
    }
    cr_expect(command_absent_group(bytes_of("nosuch")) == NULL);
    cr_expect(command_absent_group(bytes_of("")) == NULL);
}

/* A command that came to the rows must leave the list of what is absent. */
Test(command, absent_ones_have_no_row)
{
    for (unsigned i = 0; i < COMMANDS_COUNT; i++)
        cr_expect(command_absent_group(bytes_of(commands[i].name)) == NULL, "%s", commands[i].name);
}
