/* SPDX-License-Identifier: Apache-2.0 */
/* main/main.c - one line of the table of commands is run. */
#include "main/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int count, char *arguments[])
{
    struct command_line line;
    if (!command_read(&line, count, arguments))
        return EXIT_USAGE;
    if (line.version != NULL)
        return command_version();
    if (line.command == NULL || line.help != NULL)
        return command_write_help(line.command) && (line.command != NULL || line.help != NULL || count == 1)
                   ? EXIT_SUCCESS
                   : EXIT_USAGE;
#define X(name, words, gist)                                                                       \
    if (strcmp(line.command, #name) == 0)                                                          \
        return command_##name(&line);
    COMMANDS(X)
#undef X
    return EXIT_USAGE;
}
