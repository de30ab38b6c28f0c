/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/config.c - `pando init` and `pando config`: settings, written in some form. */
#include "main/command/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int command_init(const struct command_line *line)
{
    struct command_line with = *line;
    struct settings_request request;
    if (with.to == NULL)
        with.to = "localhost:3000";
    struct settings *settings = command_load(&with, NULL, &request);
    if (settings == NULL)
        return EXIT_USAGE;
    settings_write_init(settings, stdout);
    settings_free(settings);
    return EXIT_SUCCESS;
}

static int schema(const struct command_line *line)
{
    (void)line;
    settings_write_schema(stdout);
    return EXIT_SUCCESS;
}

static int docs(const struct command_line *line)
{
    (void)line;
    settings_write_docs(stdout);
    return EXIT_SUCCESS;
}

static int show(const struct command_line *line)
{
    struct settings_request request;
    struct settings *settings = command_load(line, line->words[1], &request);
    if (settings == NULL)
        return EXIT_USAGE;
    settings_write_yaml(settings, stdout);
    settings_free(settings);
    return EXIT_SUCCESS;
}

static int diff(const struct command_line *line)
{
    struct settings_request request;
    struct settings *old = command_load(line, line->words[1], &request);
    struct settings *new = command_load(line, line->words[2], &request);
    int status = EXIT_USAGE; /* both were loaded, so that all mistakes are told */
    if (old != NULL && new != NULL) {
        if (settings_write_changes(old, new, stdout) == 0)
            puts("nothing would change");
        status = EXIT_SUCCESS;
    }
    settings_free(old);
    settings_free(new);
    return status;
}

/* What can stand after `pando config`; how many words with it. */
#define VERBS(X)                                                                                   \
    X(schema, 1, 1)                                                                                \
    X(docs, 1, 1)                                                                                  \
    X(show, 1, 2)                                                                                  \
    X(diff, 3, 3)

int command_config(const struct command_line *line)
{
    static const struct {
        const char *name;
        size_t words_min, words_max;
        int (*run)(const struct command_line *line);
    } verbs[] = {
#define X(name, words_min, words_max) {#name, words_min, words_max, name},
        VERBS(X)
#undef X
    };
    for (size_t i = 0; line->words_count > 0 && i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(verbs[i].name, line->words[0]) == 0 && line->words_count >= verbs[i].words_min &&
            line->words_count <= verbs[i].words_max)
            return verbs[i].run(line);
    fprintf(stderr, "error: what of the settings?\n  pando config %s\n", line->command->words);
    return EXIT_USAGE;
}
