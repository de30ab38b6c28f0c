/* SPDX-License-Identifier: Apache-2.0 */
/* sim/main.c - pando-sim: the simulator as a program; README.md says what it is. */
#include "sim/scenes/print.h"

#include <stdlib.h>
#include <string.h>

/* name, function, what it prints */
#define COMMANDS(X)                                                                                \
    X("proof", sim_print_proofs, "the simulator against theory")                                   \
    X("storm", sim_print_storm, "a burst, and what keeps it alive")                                \
    X("overload", sim_print_overload, "more than the servers can do, with and without a limit")    \
    X("ill", sim_print_ill, "one server falls ill: every strategy, and what protects")             \
    X("table", sim_print_table, "every strategy in every world at every load")

static const struct command {
    const char *name;
    bool (*print)(const struct sim_wish *wish);
    const char *gist;
} commands[] = {
#define X(name, print, gist) {name, print, gist},
    COMMANDS(X)
#undef X
};

enum { COMMANDS_COUNT = sizeof commands / sizeof commands[0], LINE_BYTES = 4096 };

static int help(FILE *out)
{
    fprintf(out, "Usage: pando-sim COMMAND [OPTION VALUE]...\n\n");
    for (size_t i = 0; i < COMMANDS_COUNT; i++)
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].gist);
    fprintf(out, "  %-10s %s\n", "page",
            "standard input, with the output of COMMAND for each line `@COMMAND`");
    fprintf(out, "\nOptions: --seed N (1)   --requests N, of a proof (5000000)\n"
                 "Of the table: --world NAME  --servers N  --strategy NAME  --load X; else all\n"
                 "Ends with 1 if a proof fails. The same arguments print the same bytes.\n");
    return out == stderr ? 2 : 0;
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < COMMANDS_COUNT; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

/* False: there is no such option. */
static bool read_option(struct sim_wish *wish, const char *name, const char *value)
{
    if (strcmp(name, "--seed") == 0)
        wish->seed = strtoull(value, NULL, 10);
    else if (strcmp(name, "--requests") == 0)
        wish->requests = strtod(value, NULL);
    else if (strcmp(name, "--world") == 0)
        wish->world = value;
    else if (strcmp(name, "--strategy") == 0)
        wish->strategy = value;
    else if (strcmp(name, "--servers") == 0)
        wish->servers = (uint32_t)strtoul(value, NULL, 10);
    else if (strcmp(name, "--load") == 0)
        wish->load = strtod(value, NULL);
    else
        return false;
    return true;
}

static bool page(const struct sim_wish *wish)
{
    char line[LINE_BYTES];
    bool good = true;
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        const struct command *command = line[0] == '@' ? find(line + 1) : NULL;
        if (command != NULL)
            good = command->print(wish) && good;
        else
            fprintf(wish->out, "%s\n", line);
    }
    return good;
}

int main(int count, char **arguments)
{
    struct sim_wish wish = {.out = stdout, .seed = 1, .requests = 5e6};
    if (count < 2)
        return help(stderr);
    for (int i = 2; i < count; i += 2)
        if (i + 1 == count || !read_option(&wish, arguments[i], arguments[i + 1]))
            return help(stderr);
    if (strcmp(arguments[1], "help") == 0)
        return help(stdout);
    if (strcmp(arguments[1], "page") == 0)
        return page(&wish) ? 0 : 1;
    const struct command *command = find(arguments[1]);
    if (command == NULL)
        return help(stderr);
    return command->print(&wish) ? 0 : 1;
}
