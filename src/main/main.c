/* SPDX-License-Identifier: Apache-2.0 */
/* main/main.c - runs the row of the table of commands that was named. */
#include "main/command/command.h"

#include <stdio.h>
#include <stdlib.h>

int main(int count, char *arguments[])
{
    struct command_line line;
    if (!command_read(&line, count, arguments))
        return EXIT_USAGE;
    if (line.version != NULL) {
        puts("pando " PANDO_VERSION);
        return EXIT_SUCCESS;
    }
    if (line.help != NULL || line.command == NULL) {
        command_write_help(line.command, line.is_short_help || line.help == NULL);
        return line.help != NULL ? EXIT_SUCCESS : EXIT_USAGE;
    }
    const int status = line.command->run(&line);
    if (fflush(stdout) != 0) {
        perror("pando: standard output");
        return EXIT_FAILURE;
    }
    return status;
}
