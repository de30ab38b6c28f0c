/* SPDX-License-Identifier: Apache-2.0 */
/* session/keys.c - reading a key file. */
#include "session/keys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { LINE_BYTES_MAX = 256 };

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool read_key(struct seal_key *key, const char *line)
{
    if (strlen(line) != sizeof key->bytes * 2)
        return false;
    for (size_t i = 0; i < sizeof key->bytes; i++) {
        const int high = digit_of(line[2 * i]), low = digit_of(line[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        key->bytes[i] = (uint8_t)(high * 16 + low);
    }
    return true;
}

static enum err_kind read_lines(struct session_keys *keys, FILE *file, struct err *e)
{
    char line[LINE_BYTES_MAX];
    for (unsigned number = 1; fgets(line, sizeof line, file) != NULL; number++) {
        line[strcspn(line, " \t\r\n")] = '\0';
        if (line[0] == '\0' || line[0] == '#')
            continue;
        if (keys->count == SESSION_KEYS_MAX)
            return err_set(e, ERR_LIMIT, "it holds more than %d keys", SESSION_KEYS_MAX);
        if (!read_key(&keys->at[keys->count], line))
            return err_set(e, ERR_INPUT, "line %u is not a key of 64 hexadecimal digits", number);
        keys->count++;
    }
    return keys->count > 0 ? ERR_NONE : err_set(e, ERR_INPUT, "it holds no key");
}

static enum err_kind read_file(struct session_keys *keys, FILE *file, struct err *e)
{
    struct stat about;
    if (fstat(fileno(file), &about) != 0)
        return err_set_errno(e, "it cannot be read");
    if (!S_ISREG(about.st_mode))
        return err_set(e, ERR_INPUT, "it is not a file");
    if ((about.st_mode & S_IRWXO) != 0)
        return err_set(e, ERR_INPUT, "everybody may read or change it");
    return read_lines(keys, file, e);
}

enum err_kind session_keys_read(struct session_keys *keys, const char *path, struct err *e)
{
    *keys = (struct session_keys){0};
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return err_set_errno(e, "it cannot be read");
    const enum err_kind failed = read_file(keys, file, e);
    (void)fclose(file);
    return failed;
}
