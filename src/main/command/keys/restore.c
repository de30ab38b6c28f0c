/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/keys/restore.c - `pando restore`: its words and flags. */
#include "main/command/command.h"
#include "main/command/keys/lay.h"

#include <stdio.h>
#include <stdlib.h>

static int restore_into(const struct command_line *line, const struct settings *settings)
{
    const char *names[COMMAND_VALUES_MAX];
    struct keys_only only = {.names = names};
    size_t at = 0;
    struct err e = {0};
    const char *name;
    while ((name = command_next_value(line, offsetof(struct command_line, only), &at)) != NULL)
        names[only.count++] = name;
    if (keys_restore(settings, line->words[0], &only, &e) == ERR_NONE)
        return EXIT_SUCCESS;
    fprintf(stderr, "error: %s\nnothing was restored\n", e.story);
    return EXIT_FAILURE;
}

int command_restore(const struct command_line *line)
{
    struct settings_request request;
    if (line->words_count == 0) {
        fputs("error: which backup?\n  pando restore /backups/keys.backup pando.yaml --data "
              "/var/lib/pando-new\n",
              stderr);
        return EXIT_USAGE;
    }
    struct settings *settings = command_load(line, line->words[1], &request);
    if (settings == NULL)
        return EXIT_USAGE;
    const int status = restore_into(line, settings);
    settings_free(settings);
    return status;
}
