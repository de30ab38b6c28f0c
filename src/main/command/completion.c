/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/completion.c - `pando completion`: scripts for shells, from the tables. */
#include "main/command/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first words of "schema | docs | show [FILE]", or nothing if they are placeholders. */
static void write_verbs(const struct command_row *row)
{
    for (const char *at = row->words; *at >= 'a' && *at <= 'z';) {
        printf(" %.*s", (int)strcspn(at, " "), at);
        const char *bar = strstr(at, "| ");
        if (bar == NULL)
            return;
        at = bar + 2;
    }
}

static void write_flags(const struct command_row *row)
{
    for (const struct command_flag *flag = command_flags; flag->name != NULL; flag++)
        if (command_row_takes(row, flag))
            printf(" --%s", flag->name);
}

static void write_names(void)
{
    for (const struct command_row *row = command_rows; row->name != NULL; row++)
        printf(" %s", row->name);
}

/* ---- bash and zsh: one function, a case for each command ---- */

static void write_cases(void)
{
    for (const struct command_row *row = command_rows; row->name != NULL; row++) {
        printf("    %s) words=\"", row->name);
        if (strcmp(row->name, "help") == 0)
            write_names();
        write_verbs(row);
        write_flags(row);
        puts("\" ;;");
    }
}

static void bash(void)
{
    puts("# bash completion of pando; source it, or keep it as /etc/bash_completion.d/pando\n"
         "_pando()\n{\n"
         "    local words=\"\" here=\"${COMP_WORDS[COMP_CWORD]}\"\n"
         "    case \"$((COMP_CWORD > 1)) ${COMP_WORDS[1]}\" in\n"
         "    0*) words=\"$(_pando_words)\" ;;\n"
         "    *) words=\"$(_pando_words \"${COMP_WORDS[1]}\")\" ;;\n"
         "    esac\n"
         "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$here\")\n"
         "    [[ $here == -* ]] || mapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY < <(compgen -f -- "
         "\"$here\")\n}\n\n"
         "_pando_words()\n{\n    local words=\"\"\n    case \"${1-}\" in");
    printf("    \"\") words=\"");
    write_names();
    puts(" --help --version\" ;;");
    write_cases();
    puts("    esac\n    echo \"$words\"\n}\n\ncomplete -o filenames -F _pando pando");
}

static void zsh(void)
{
    puts("#compdef pando\n# zsh completion of pando; keep it as _pando in a folder of $fpath\n"
         "_pando()\n{\n    local words_here=\"\" command=\"${words[2]}\" words_of\n"
         "    if (( CURRENT == 2 )); then");
    printf("        compadd --");
    write_names();
    puts(
        " --help --version\n        return\n    fi\n    words_of=\"$(_pando_words \"$command\")\"\n"
        "    compadd -- ${(s: :)words_of}\n    _files\n}\n\n"
        "_pando_words()\n{\n    local words=\"\"\n    case \"$1\" in");
    write_cases();
    puts("    esac\n    echo \"$words\"\n}\n\ncompdef _pando pando");
}

/* ---- fish: one line for each word ---- */

/* @text between single quotes. */
static void write_quoted(const char *text)
{
    putchar('\'');
    for (; *text != '\0'; text++) {
        if (*text == '\'' || *text == '\\')
            putchar('\\');
        putchar(*text);
    }
    putchar('\'');
}

static void fish_command(const struct command_row *row)
{
    printf("complete -c pando -n __fish_use_subcommand -f -a %s -d ", row->name);
    write_quoted(row->gist);
    putchar('\n');
    if (row->words[0] >= 'a' && row->words[0] <= 'z') {
        printf("complete -c pando -n '__fish_seen_subcommand_from %s' -a '", row->name);
        write_verbs(row);
        puts("'");
    }
    for (const struct command_flag *flag = command_flags; flag->name != NULL; flag++) {
        if (!command_row_takes(row, flag))
            continue;
        printf("complete -c pando -n '__fish_seen_subcommand_from %s' -l %s %s-d ", row->name,
               flag->name, flag->argument[0] == '\0' ? "" : "-r ");
        write_quoted(flag->help);
        putchar('\n');
    }
}

static void fish(void)
{
    puts("# fish completion of pando; keep it as ~/.config/fish/completions/pando.fish");
    for (const struct command_row *row = command_rows; row->name != NULL; row++)
        fish_command(row);
}

#define SHELLS(X)                                                                                  \
    X(bash)                                                                                        \
    X(zsh)                                                                                         \
    X(fish)

int command_completion(const struct command_line *line)
{
    const char *shell = line->words_count == 0 ? "" : line->words[0];
#define X(name)                                                                                    \
    if (strcmp(shell, #name) == 0) {                                                               \
        name();                                                                                    \
        return EXIT_SUCCESS;                                                                       \
    }
    SHELLS(X)
#undef X
    fprintf(stderr, "error: for which shell?\n  pando completion %s\n", line->command->words);
    return EXIT_USAGE;
}
