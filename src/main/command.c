/* SPDX-License-Identifier: Apache-2.0 */
/* main/command.c - reading a command line, and helping with it. */
#include "main/command.h"

#include "config/value/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct command_row {
    const char *name, *words, *gist;
};

static const struct command_row commands[] = {
#define X(name, words, gist) {#name, words, gist},
    COMMANDS(X)
#undef X
};

struct flag_row {
    const char *name, *argument, *commands, *help;
    size_t      offset;
};

static const struct flag_row flags[] = {
#define X(field, name, argument, commands, help)                                                   \
    {name, argument, commands, help, offsetof(struct command_line, field)},
    COMMAND_FLAGS(X)
#undef X
};

enum {
    COMMANDS_COUNT = sizeof commands / sizeof commands[0],
    FLAGS_COUNT = sizeof flags / sizeof flags[0],
};

static const struct command_row *find_command(const char *name)
{
    for (size_t i = 0; i < COMMANDS_COUNT; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static bool takes(const struct flag_row *flag, const char *command)
{
    if (flag->commands[0] == '\0')
        return true;
    const size_t length = strlen(command);
    for (const char *at = flag->commands; (at = strstr(at, command)) != NULL; at += length)
        if ((at == flag->commands || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

/* --- help ------------------------------------------------------------------------------------------------------- */

static void help_all(void)
{
    puts("pando - take a service from one machine to many\n\n"
         "  pando run --to localhost:3000,localhost:3001   serve on 127.0.0.1:8080, no file needed\n"
         "  pando init --to localhost:3000 > pando.yaml    the same as a commented file\n"
         "  pando check pando.yaml                         what is wrong with it\n"
         "  pando run pando.yaml                           serve\n"
         "  pando status                                   services, targets, health\n\n"
         "commands:");
    for (size_t i = 0; i < COMMANDS_COUNT; i++)
        printf("  %-8s %s\n", commands[i].name, commands[i].gist);
    puts("\n`pando help COMMAND` says more; `pando config docs` is the manual of all settings.");
}

static void help_one(const struct command_row *command)
{
    printf("pando %s%s%s [flags]\n  %s\n\nflags:\n", command->name, command->words[0] == '\0' ? "" : " ",
           command->words, command->gist);
    for (size_t i = 0; i < FLAGS_COUNT; i++) {
        if (!takes(&flags[i], command->name))
            continue;
        char name[64];
        (void)snprintf(name, sizeof name, "--%s%s%s", flags[i].name, flags[i].argument[0] == '\0' ? "" : " ",
                       flags[i].argument);
        printf("  %-22s %s\n", name, flags[i].help);
    }
}

bool command_write_help(const char *name)
{
    if (name == NULL) {
        help_all();
        return true;
    }
    const struct command_row *command = find_command(name);
    if (command != NULL)
        help_one(command);
    return command != NULL;
}

/* --- reading ---------------------------------------------------------------------------------------------------- */

static void suggest(const char *what, const char *wrong, const char *const names[], size_t count, const char *dashes)
{
    const char *near = NULL;
    size_t      nearest = SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        const size_t distance = config_words_near(wrong, names[i]);
        if (distance < nearest) {
            nearest = distance;
            near = names[i];
        }
    }
    fprintf(stderr, "error: unknown %s `%s%s`", what, dashes, wrong);
    if (near != NULL)
        fprintf(stderr, "; did you mean `%s%s`?", dashes, near);
    fputs("\n       `pando help` lists what there is\n", stderr);
}

static const struct flag_row *find_flag(const char *name, size_t length, const char *command)
{
    const char *names[FLAGS_COUNT];
    size_t      count = 0;
    for (size_t i = 0; i < FLAGS_COUNT; i++) {
        if (!takes(&flags[i], command))
            continue;
        if (strlen(flags[i].name) == length && strncmp(flags[i].name, name, length) == 0)
            return &flags[i];
        names[count++] = flags[i].name;
    }
    char wrong[64];
    (void)snprintf(wrong, sizeof wrong, "%.*s", (int)length, name);
    suggest("flag", wrong, names, count, "--");
    return NULL;
}

static bool set_flag(struct command_line *line, const struct flag_row *flag, const char *value)
{
    if (strcmp(flag->name, "set") == 0) {
        if (line->set_count == COMMAND_SETS_MAX) {
            fprintf(stderr, "error: more than %d times --set; put them into a file\n", COMMAND_SETS_MAX);
            return false;
        }
        line->set_at[line->set_count++] = value;
        return true;
    }
    const char **field = (const char **)(void *)((char *)line + flag->offset);
    *field = value;
    return true;
}

/* Reads the flag at arguments[*at]; moves *at over its value. */
static bool read_flag(struct command_line *line, int count, char *const arguments[], int *at)
{
    const char *text = arguments[*at] + 2;
    const size_t length = strcspn(text, "=");
    const struct flag_row *flag = find_flag(text, length, line->command == NULL ? "" : line->command);
    if (flag == NULL)
        return false;
    if (flag->argument[0] == '\0') {
        if (text[length] == '=') {
            fprintf(stderr, "error: --%s takes no value\n", flag->name);
            return false;
        }
        return set_flag(line, flag, "");
    }
    if (text[length] == '=')
        return set_flag(line, flag, text + length + 1);
    if (*at + 1 >= count) {
        fprintf(stderr, "error: --%s wants %s\n", flag->name, flag->argument);
        return false;
    }
    return set_flag(line, flag, arguments[++*at]);
}

static bool read_word(struct command_line *line, const char *word)
{
    if (line->command == NULL) {
        if (find_command(word) == NULL) {
            const char *names[COMMANDS_COUNT];
            for (size_t i = 0; i < COMMANDS_COUNT; i++)
                names[i] = commands[i].name;
            suggest("command", word, names, COMMANDS_COUNT, "");
            return false;
        }
        line->command = word;
        return true;
    }
    if (line->words_count == COMMAND_WORDS_MAX) {
        fprintf(stderr, "error: `%s` is one word too many\n", word);
        return false;
    }
    line->words[line->words_count++] = word;
    return true;
}

bool command_read(struct command_line *line, int count, char *const arguments[])
{
    *line = (struct command_line){.arguments = arguments};
    for (int i = 1; i < count; i++) {
        const char *text = arguments[i];
        bool        ok;
        if (strcmp(text, "-h") == 0)
            ok = set_flag(line, &flags[FLAGS_COUNT - 2], "");
        else if (strncmp(text, "--", 2) == 0 && text[2] != '\0')
            ok = read_flag(line, count, arguments, &i);
        else if (text[0] == '-' && text[1] != '\0') {
            fprintf(stderr, "error: unknown flag `%s`; flags have two dashes and whole names\n", text);
            ok = false;
        } else {
            ok = read_word(line, text);
        }
        if (!ok)
            return false;
    }
    return true;
}

bool command_has_color(const struct command_line *line, int fd)
{
    const char *none = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    return line->no_color == NULL && (none == NULL || none[0] == '\0') &&
           (terminal == NULL || strcmp(terminal, "dumb") != 0) && isatty(fd);
}

int command_help(const struct command_line *line)
{
    return command_write_help(line->words_count > 0 ? line->words[0] : NULL) ? EXIT_SUCCESS : EXIT_USAGE;
}
