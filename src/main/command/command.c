/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/command.c - the tables, and reading a command line by them. */
#include "main/command/command.h"

#include "config/value/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct command_row command_rows[] = {
#define X(name, words, words_max, gist) {#name, words, words_max, gist, command_##name},
    COMMANDS(X)
#undef X
    {0},
};

const struct command_flag command_flags[] = {
#define X(field, name, argument, commands, help)                                                   \
    {name, argument, commands, help, offsetof(struct command_line, field)},
    COMMAND_FLAGS(X)
#undef X
    {0},
};

const struct command_row *command_row_find(const char *name)
{
    for (const struct command_row *row = command_rows; row->name != NULL; row++)
        if (strcmp(row->name, name) == 0)
            return row;
    return NULL;
}

bool command_row_takes(const struct command_row *command, const struct command_flag *flag)
{
    if (flag->commands[0] == '\0')
        return true;
    const size_t bytes = strlen(command->name);
    for (const char *at = flag->commands; *at != '\0'; at += strspn(at, " ")) {
        const size_t word_bytes = strcspn(at, " ");
        if (word_bytes == bytes && memcmp(at, command->name, bytes) == 0)
            return true;
        at += word_bytes;
    }
    return false;
}

/* ---- what was typed wrongly ---- */

/* The nearer one of @best and @name to what was typed. */
static const char *nearer(const char *typed, const char *best, const char *name)
{
    const size_t distance = config_words_near(typed, name);
    if (distance == SIZE_MAX)
        return best;
    return best == NULL || distance < config_words_near(typed, best) ? name : best;
}

void command_refuse_word(const char *word)
{
    const char *near = NULL;
    for (const struct command_row *row = command_rows; row->name != NULL; row++)
        near = nearer(word, near, row->name);
    fprintf(stderr, "error: unknown command `%s`", word);
    if (near != NULL)
        fprintf(stderr, "; did you mean `%s`?", near);
    else if (strstr(word, ".yaml") != NULL || strstr(word, ".yml") != NULL)
        fprintf(stderr, "; did you mean `pando run %s`?", word);
    fputs("\n  `pando help` lists the commands\n", stderr);
}

static void refuse_flag(const struct command_row *command, const char *name)
{
    const char *near = NULL;
    for (const struct command_flag *flag = command_flags; flag->name != NULL; flag++)
        if (command_row_takes(command, flag))
            near = nearer(name, near, flag->name);
    fprintf(stderr, "error: `pando %s` has no flag `--%s`", command->name, name);
    if (near != NULL)
        fprintf(stderr, "; did you mean `--%s`?", near);
    fprintf(stderr, "\n  `pando help %s` lists its flags\n", command->name);
}

/* ---- reading ---- */

static bool set(struct command_line *line, const struct command_flag *flag, const char *value)
{
    if (flag->offset == offsetof(struct command_line, sets)) {
        if (line->sets_count == COMMAND_SETS_MAX) {
            fprintf(stderr, "error: --set more than %d times; write them into a file\n",
                    COMMAND_SETS_MAX);
            return false;
        }
        line->set_at[line->sets_count++] = value;
    } else if (flag->argument[0] != '\0') {
        if (line->values_count == COMMAND_VALUES_MAX) {
            fprintf(stderr, "error: more than %d flags with values\n", COMMAND_VALUES_MAX);
            return false;
        }
        line->values[line->values_count++] = (struct command_value){flag->offset, value};
    }
    const char **field = (const char **)(void *)((char *)line + flag->offset);
    *field = value;
    return true;
}

/* The flag called @name with @bytes, if the command takes it; before the command only those that
 * all take. */
static const struct command_flag *find_flag(const struct command_row *command, const char *name,
                                            size_t bytes)
{
    for (const struct command_flag *flag = command_flags; flag->name != NULL; flag++) {
        if (strlen(flag->name) != bytes || memcmp(flag->name, name, bytes) != 0)
            continue;
        if (command == NULL ? flag->commands[0] == '\0' : command_row_takes(command, flag))
            return flag;
    }
    return NULL;
}

static bool refuse_unknown(const struct command_line *line, const char *text, size_t bytes)
{
    char name[CONFIG_WORD_BYTES_MAX + 1];
    (void)snprintf(name, sizeof name, "%.*s", (int)bytes, text);
    if (line->command != NULL)
        refuse_flag(line->command, name);
    else
        fprintf(stderr,
                "error: `--%s` before the command; flags come after it, as in\n"
                "  pando run --to localhost:3000\n",
                name);
    return false;
}

/* Reads the flag at arguments[*at], without its dashes @text; moves *at over its value. */
static bool read_flag(struct command_line *line, int count, const char *text, int *at)
{
    const size_t bytes = strcspn(text, "=");
    const struct command_flag *flag = find_flag(line->command, text, bytes);
    if (flag == NULL)
        return refuse_unknown(line, text, bytes);
    const bool has_value = text[bytes] == '=';
    if (flag->argument[0] == '\0') {
        if (!has_value)
            return set(line, flag, "");
        fprintf(stderr, "error: `--%s` takes no value\n", flag->name);
        return false;
    }
    if (has_value)
        return set(line, flag, text + bytes + 1);
    if (*at + 1 < count)
        return set(line, flag, line->arguments[++*at]);
    fprintf(stderr, "error: `--%s` wants a value: --%s %s\n", flag->name, flag->name,
            flag->argument);
    return false;
}

static bool read_word(struct command_line *line, const char *word)
{
    if (line->command == NULL) {
        line->command = command_row_find(word);
        if (line->command == NULL)
            command_refuse_word(word);
        return line->command != NULL;
    }
    if (line->words_count == line->command->words_max) {
        fprintf(stderr, "error: `%s` is one word too many\n  pando %s %s\n", word,
                line->command->name, line->command->words);
        return false;
    }
    line->words[line->words_count++] = word;
    return true;
}

static bool read_one(struct command_line *line, int count, int *at, bool *only_words)
{
    const char *text = line->arguments[*at];
    if (*only_words || text[0] != '-' || text[1] == '\0')
        return read_word(line, text);
    if (strcmp(text, "--") == 0) {
        *only_words = true;
        return true;
    }
    if (strcmp(text, "-h") == 0) {
        line->help = "";
        line->is_short_help = true;
        return true;
    }
    if (strcmp(text, "-H") == 0) /* as everybody's fingers know it from curl */
        return read_flag(line, count, "header", at);
    if (text[1] == '-')
        return read_flag(line, count, text + 2, at);
    fprintf(stderr, "error: unknown flag `%s`; flags are whole words, such as `--to`\n", text);
    return false;
}

bool command_read(struct command_line *line, int count, char *const arguments[])
{
    bool only_words = false;
    *line = (struct command_line){.arguments = arguments};
    for (int i = 1; i < count; i++)
        if (!read_one(line, count, &i, &only_words))
            return false;
    return true;
}

const char *command_next_value(const struct command_line *line, size_t offset, size_t *at)
{
    while (*at < line->values_count) {
        const struct command_value *value = &line->values[(*at)++];
        if (value->offset == offset)
            return value->value;
    }
    return NULL;
}

bool command_has_color(const struct command_line *line, int fd)
{
    const char *none = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    return line->no_color == NULL && (none == NULL || none[0] == '\0') && terminal != NULL &&
           strcmp(terminal, "dumb") != 0 && isatty(fd);
}
