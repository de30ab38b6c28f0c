/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/command_test.c - command lines as people type them. */
#include "main/command/command.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>
#include <string.h>

enum { ARGUMENTS_MAX = 16 };

/* Reads "pando run --to x", split at spaces. The strings last as long as the test's process. */
static bool read_line(struct command_line *line, const char *text)
{
    static char copy[512];
    static char *arguments[ARGUMENTS_MAX + 1];
    int count = 0;
    (void)snprintf(copy, sizeof copy, "%s", text);
    for (char *rest = NULL, *word = strtok_r(copy, " ", &rest);
         word != NULL && count < ARGUMENTS_MAX; word = strtok_r(NULL, " ", &rest))
        arguments[count++] = word;
    arguments[count] = NULL;
    return command_read(line, count, arguments);
}

/* @text is refused, and standard error says @expected. */
static void expect_refusal(const char *text, const char *expected)
{
    struct command_line line;
    char said[1024] = "";
    cr_redirect_stderr();
    cr_expect(!read_line(&line, text), "%s", text);
    (void)fflush(stderr);
    FILE *errors = cr_get_redirected_stderr();
    said[fread(said, 1, sizeof said - 1, errors)] = '\0';
    cr_expect(strstr(said, expected) != NULL, "%s: %s", text, said);
}

Test(command, words_and_flags_in_any_order)
{
    struct command_line line;
    cr_assert(read_line(&line, "pando run --to a:1,b:2 pando.yaml --workers=4"));
    cr_expect_str_eq(line.command->name, "run");
    cr_expect_str_eq(line.to, "a:1,b:2");
    cr_expect_str_eq(line.workers, "4");
    cr_expect(line.words_count == 1);
    cr_expect_str_eq(line.words[0], "pando.yaml");
    cr_expect(line.http == NULL);
}

Test(command, every_set_is_kept_in_its_order)
{
    struct command_line line;
    cr_assert(read_line(&line, "pando run --set a=1 --set=a=2"));
    cr_expect(line.sets_count == 2);
    cr_expect_str_eq(line.set_at[0], "a=1");
    cr_expect_str_eq(line.set_at[1], "a=2");
}

/* A value may look like a flag; a file may too, after --. */
Test(command, dashes)
{
    struct command_line line;
    cr_assert(read_line(&line, "pando tap --path --x"));
    cr_expect_str_eq(line.path, "--x");
    cr_assert(read_line(&line, "pando check -- --file.yaml"));
    cr_expect_str_eq(line.words[0], "--file.yaml");
    cr_assert(read_line(&line, "pando check -"));
    cr_expect_str_eq(line.words[0], "-");
}

Test(command, nothing_is_no_mistake)
{
    struct command_line line;
    cr_assert(read_line(&line, "pando"));
    cr_expect(line.command == NULL);
}

Test(command, help_and_version_stand_anywhere)
{
    struct command_line line;
    cr_assert(read_line(&line, "pando --help"));
    cr_expect(line.help != NULL && !line.is_short_help);
    cr_assert(read_line(&line, "pando -h"));
    cr_expect(line.help != NULL && line.is_short_help);
    cr_assert(read_line(&line, "pando run --to x -h"));
    cr_expect(line.is_short_help);
    cr_assert(read_line(&line, "pando --version"));
    cr_expect(line.version != NULL);
}

Test(command, suggests_a_command)
{
    expect_refusal("pando stauts", "did you mean `status`?");
}

Test(command, suggests_to_run_a_file)
{
    expect_refusal("pando shop.yaml", "did you mean `pando run shop.yaml`?");
}

Test(command, guesses_nothing_far_away)
{
    expect_refusal("pando frobnicate", "unknown command `frobnicate`\n");
}

Test(command, suggests_a_flag)
{
    expect_refusal("pando status --josn", "did you mean `--json`?");
}

/* Only flags that this command takes are known to it. */
Test(command, a_flag_of_another_command)
{
    expect_refusal("pando run --live", "`pando run` has no flag `--live`");
}

Test(command, a_flag_before_the_command)
{
    expect_refusal("pando --to x run", "flags come after it");
}

Test(command, a_missing_value)
{
    expect_refusal("pando run --to", "`--to` wants a value");
}

Test(command, a_value_for_a_switch)
{
    expect_refusal("pando status --json=yes", "`--json` takes no value");
}

Test(command, a_word_too_many)
{
    expect_refusal("pando check a.yaml b.yaml", "`b.yaml` is one word too many");
}

Test(command, a_short_flag)
{
    expect_refusal("pando run -t x", "unknown flag `-t`");
}

/* A name that ends where another goes on is another name. */
Test(command, whole_names_only)
{
    expect_refusal("pando run --work 2", "has no flag `--work`");
}

/* Every name in a flag's list of commands is a command, and every row's words fit. */
Test(command, the_tables_agree)
{
    for (const struct command_flag *flag = command_flags; flag->name != NULL; flag++) {
        char copy[256];
        char *rest = NULL;
        (void)snprintf(copy, sizeof copy, "%s", flag->commands);
        for (char *name = strtok_r(copy, " ", &rest); name != NULL;
             name = strtok_r(NULL, " ", &rest))
            cr_expect(command_row_find(name) != NULL, "--%s: %s", flag->name, name);
    }
    for (const struct command_row *row = command_rows; row->name != NULL; row++)
        cr_expect(row->words_max <= COMMAND_WORDS_MAX, "%s", row->name);
}

/* "config" takes what lists it whole; "con" would not be found in it. */
Test(command, takes_by_whole_words)
{
    const struct command_flag one = {.name = "x", .commands = "run config reload"};
    const struct command_row config = {.name = "config"}, prefix = {.name = "con"},
                             last = {.name = "reload"}, none = {.name = ""};
    cr_expect(command_row_takes(&config, &one));
    cr_expect(command_row_takes(&last, &one));
    cr_expect(!command_row_takes(&prefix, &one));
    cr_expect(!command_row_takes(&none, &one));
}
