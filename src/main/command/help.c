/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/help.c - help for all, for one command, and the manual page, from the tables. */
#include "main/command/command.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What one types first: the command, and what it does. */
#define EXAMPLES(X)                                                                                \
    X("pando run --to localhost:3000,localhost:3001", "serve on 127.0.0.1:8080")   \
    X("pando init --to localhost:3000 > pando.yaml", "the same as a commented file")               \
    X("pando check pando.yaml", "what is wrong with it?")                                          \
    X("pando check --live pando.yaml", "and do its targets answer?")                               \
    X("pando check --deep pando.yaml", "are all keys on the disk sound?")                          \
    X("pando run pando.yaml", "serve")                                                             \
    X("pando run --http :80 --set limits.connections=20000", "flags win over the file")            \
    X("pando reload", "take the changed file")                                                     \
    X("pando drain shop/10.0.0.1:3000", "let it finish, before it is stopped")                     \
    X("pando status --watch", "services, targets, health")                                         \
    X("pando tap --status 5xx", "what fails, as it happens")                                       \
    X("pando backup /backups", "all keys, while it serves")                                        \
    X("pando restore keys.backup new.yaml --data new", "also into another layout")                 \
    X("pando agent --cgroup 4711 --port 3000", "beside an application: how busy is it?")           \
    X("pando password anna >> users.yaml", "a row for a users-file; the password is shown")        \
    X("pando config diff pando.yaml new.yaml", "what a reload would change")                       \
    X("pando config schema > pando.schema.json", "for editors that complete YAML")                 \
    X("pando completion bash > /etc/bash_completion.d/pando", "for the shell")

/* What --help and the manual page say beyond the tables. */
#define TOPICS(X)                                                                                  \
    X("files", "Without FILE and without --to the first of these is read that is there: "          \
               "./pando.yaml, $XDG_CONFIG_HOME/pando/pando.yaml (~/.config/pando/pando.yaml), "    \
               "/etc/pando/pando.yaml. With --to alone no file is read.")                          \
    X("what wins", "--set, then the other flags, then the file and what it includes, then the "    \
                   "presets.")                                                                     \
    X("control socket", "reload, drain, weight, status, tap and backup talk to the server over a " \
                        "socket that only its user and root may open: --control, else what the "   \
                        "file says under `control`, else /run/pando/control.sock for root and "    \
                        "$XDG_RUNTIME_DIR/pando/control.sock for others.")                         \
    X("signals", "SIGHUP: reload. SIGTERM, SIGINT: drain, then end; a second one ends at once. "   \
                 "SIGUSR2: start the new program on the same sockets, then drain the old one. "    \
                 "To `pando agent` SIGUSR1 says drain and SIGUSR2 ready.")                         \
    X("exit status", "0: done. 1: it failed. 2: the command line or the configuration has "        \
                     "mistakes.")                                                                  \
    X("colour", "On terminals only; never with --no-color, NO_COLOR or TERM=dumb.")

struct pair {
    const char *term;
    const char *text;
};

static const struct pair examples[] = {
#define X(term, text) {term, text},
    EXAMPLES(X)
#undef X
    {0},
};

static const struct pair topics[] = {
#define X(term, text) {term, text},
    TOPICS(X)
#undef X
    {0},
};

enum { COLUMNS = 80, INDENT = 2 };

/* @text in lines of at most COLUMNS, each after @indent spaces but the first. */
static void write_wrapped(const char *text, int indent)
{
    int column = indent;
    while (*text != '\0') {
        const int bytes = (int)strcspn(text, " ");
        if (column > indent && column + 1 + bytes > COLUMNS) {
            printf("\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            putchar(' ');
            column++;
        }
        printf("%.*s", bytes, text);
        column += bytes;
        text += bytes;
        text += strspn(text, " ");
    }
    putchar('\n');
}

/* "  term       text"; a long term has a line of its own. */
static void write_pair(const char *term, const char *text, int width)
{
    const int bytes = (int)strlen(term);
    if (bytes > width)
        printf("%*s%s\n%*s", INDENT, "", term, INDENT + width + 2, "");
    else
        printf("%*s%-*s  ", INDENT, "", width, term);
    write_wrapped(text, INDENT + width + 2);
}

static void describe_flag(char *term, size_t bytes, const struct command_flag *flag)
{
    (void)snprintf(term, bytes, "--%s%s%s", flag->name, flag->argument[0] == '\0' ? "" : " ",
                   flag->argument);
}

static void write_flags(const struct command_row *command)
{
    char term[64];
    for (const struct command_flag *flag = command_flags; flag->name != NULL; flag++) {
        if (!command_row_takes(command, flag))
            continue;
        describe_flag(term, sizeof term, flag);
        write_pair(term, flag->help, 20);
    }
}

/* Is @example one of "pando NAME ..."? */
static bool is_of(const struct pair *example, const struct command_row *command)
{
    const char *after = example->term + strlen("pando ");
    const size_t bytes = strlen(command->name);
    return strncmp(after, command->name, bytes) == 0 &&
           (after[bytes] == ' ' || after[bytes] == '\0');
}

static void write_examples(const struct command_row *command)
{
    for (const struct pair *example = examples; example->term != NULL; example++)
        if (command == NULL || is_of(example, command))
            write_pair(example->term, example->text, 44);
}

static void help_all(bool is_short)
{
    puts("pando - runs an application on several machines as if it were one\n");
    write_examples(NULL);
    puts("\ncommands:");
    for (const struct command_row *row = command_rows; row->name != NULL; row++)
        write_pair(row->name, row->gist, 10);
    if (is_short) {
        puts("\n`pando --help` says more, `pando help COMMAND` all of one command.");
        return;
    }
    for (const struct pair *topic = topics; topic->term != NULL; topic++) {
        printf("\n%s:\n%*s", topic->term, INDENT, "");
        write_wrapped(topic->text, INDENT);
    }
    puts("\n`pando help COMMAND` lists a command's flags, `pando config docs` explains every\n"
         "setting of a file, `pando man` is all of it as a manual page.");
}

static void help_one(const struct command_row *command, bool is_short)
{
    printf("pando %s%s%s\n%*s", command->name, command->words[0] == '\0' ? "" : " ", command->words,
           INDENT, "");
    write_wrapped(command->gist, INDENT);
    putchar('\n');
    write_examples(command);
    puts("\nflags:");
    write_flags(command);
    if (!is_short && command_row_takes(command, &command_flags[0])) {
        printf("\n%s:\n%*s", topics[0].term, INDENT, "");
        write_wrapped(topics[0].text, INDENT);
    }
}

void command_write_help(const struct command_row *command, bool is_short)
{
    if (command == NULL)
        help_all(is_short);
    else
        help_one(command, is_short);
}

int command_help(const struct command_line *line)
{
    const struct command_row *command =
        line->words_count == 0 ? NULL : command_row_find(line->words[0]);
    if (line->words_count > 0 && command == NULL) {
        command_refuse_word(line->words[0]);
        return EXIT_USAGE;
    }
    command_write_help(command, false);
    return EXIT_SUCCESS;
}

/* ---- the manual page ---- */

/* @text as troff wants it: hyphens that can be searched for, no line that begins as a request. */
static void troff(const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", stdout);
    for (; *text != '\0'; text++) {
        if (*text == '-')
            fputs("\\-", stdout);
        else if (*text == '\\')
            fputs("\\e", stdout);
        else
            putchar(*text);
    }
}

static void troff_pair(const char *term, const char *text)
{
    fputs(".TP\n.B ", stdout);
    troff(term);
    putchar('\n');
    troff(text);
    putchar('\n');
}

static void troff_heading(const char *heading)
{
    fputs(".SH ", stdout);
    for (; *heading != '\0'; heading++)
        putchar(toupper((unsigned char)*heading));
    putchar('\n');
}

static void troff_command(const struct command_row *row)
{
    char term[64];
    printf(".SS %s %s\n", row->name, row->words);
    troff(row->gist);
    puts(".");
    for (const struct command_flag *flag = command_flags; flag->name != NULL; flag++) {
        if (flag->commands[0] == '\0' || !command_row_takes(row, flag))
            continue;
        describe_flag(term, sizeof term, flag);
        troff_pair(term, flag->help);
    }
}

int command_man(const struct command_line *line)
{
    (void)line;
    puts(".TH PANDO 1 \"\" \"pando " PANDO_VERSION "\"\n.SH NAME\n"
         "pando \\- runs an application on several machines as if it were one\n"
         ".SH SYNOPSIS\n.B pando\n.I COMMAND\n[words] [flags]\n.SH EXAMPLES");
    for (const struct pair *example = examples; example->term != NULL; example++)
        troff_pair(example->term, example->text);
    puts(".SH COMMANDS");
    for (const struct command_row *row = command_rows; row->name != NULL; row++)
        troff_command(row);
    for (const struct pair *topic = topics; topic->term != NULL; topic++) {
        troff_heading(topic->term);
        troff(topic->text);
        putchar('\n');
    }
    puts(".SH SETTINGS\nThe file is YAML; every duration and size carries its unit.");
    settings_write_manpage(stdout);
    return EXIT_SUCCESS;
}
