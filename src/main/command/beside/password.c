/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/beside/password.c - `pando password`: a row for a users-file. */
#include "core/secret/secret.h"
#include "main/command/command.h"
#include "path/users/users.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { SHORT_CHARACTERS = 16 };

/* Letters, digits, - and _, as in the file. */
static bool is_name(const char *name)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    return name[0] != '\0' && name[strspn(name, allowed)] == '\0' && strlen(name) <= 64;
}

/* Sets whether a terminal shows what is typed; what is no terminal stays as it is. */
static void show_typed(bool shows)
{
    struct termios how;
    if (tcgetattr(STDIN_FILENO, &how) != 0)
        return;
    how.c_lflag = shows ? how.c_lflag | (tcflag_t)ECHO : how.c_lflag & ~(tcflag_t)ECHO;
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &how);
}

/* The first line of standard input into @text. NULL, or why it is no password. */
static const char *read_line(char text[USER_PASSWORD_BYTES_MAX + 2])
{
    const bool is_terminal = isatty(STDIN_FILENO) != 0;
    if (is_terminal) {
        fputs("password: ", stderr);
        show_typed(false);
    }
    const char *line = fgets(text, USER_PASSWORD_BYTES_MAX + 2, stdin);
    if (is_terminal) {
        show_typed(true);
        fputc('\n', stderr);
    }
    if (line == NULL)
        return "there is no line on standard input";
    const size_t bytes = strcspn(text, "\n");
    if (text[bytes] == '\0' && bytes > USER_PASSWORD_BYTES_MAX)
        return "a password has at most 4096 bytes";
    text[bytes] = '\0';
    return bytes == 0 ? "an empty password is none" : NULL;
}

static void write_row(const char *name, const char *password)
{
    struct secret_digest digest;
    char digits[SECRET_DIGEST_CHARACTERS + 1];
    secret_digest(bytes_of(password), &digest);
    secret_digest_write(&digest, digits);
    if (name == NULL)
        printf("password-sha256: \"%s\"\n", digits);
    else
        printf("  %s: {password-sha256: \"%s\"}\n", name, digits);
}

int command_password(const struct command_line *line)
{
    static char text[USER_PASSWORD_BYTES_MAX + 2];
    const char *name = line->words_count > 0 ? line->words[0] : NULL;
    if (!secret_is_there()) {
        fputs("error: this Pando was built without libsodium and makes no passwords\n", stderr);
        return EXIT_FAILURE;
    }
    if (name != NULL && !is_name(name)) {
        fputs("error: a user's name has 1 to 64 letters, digits, - and _\n", stderr);
        return EXIT_USAGE;
    }
    if (line->from_stdin == NULL) {
        secret_draw(text);
        fprintf(stderr, "the password, which is shown only now: %s\n", text);
    } else {
        const char *wrong = read_line(text);
        if (wrong != NULL) {
            fprintf(stderr, "error: %s\n", wrong);
            return EXIT_FAILURE;
        }
        if (strlen(text) < SHORT_CHARACTERS)
            fputs("warning: a short password is soon found by whoever gets to see the file; "
                  "without --stdin one is drawn\n",
                  stderr);
    }
    write_row(name, text);
    explicit_bzero(text, sizeof text);
    return EXIT_SUCCESS;
}
