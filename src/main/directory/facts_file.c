/* SPDX-License-Identifier: Apache-2.0 */
/* main/directory/facts_file.c - reading and writing DATA/facts. */
#include "main/directory/facts_file.h"

#include "core/mem.h"
#include "main/directory/facts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum {
    SUM_LINE_BYTES = 21, /* "sum 0123456789abcdef\n" */
    FILE_BYTES_MAX = FACTS_MAX * (4 * FACTS_PREFIX_BYTES_MAX + 100),
};

static bool write_path(char path[FACTS_PATH_MAX], const char *data, const char *name)
{
    const int bytes = snprintf(path, FACTS_PATH_MAX, "%s/%s", data, name);
    return bytes > 0 && bytes < FACTS_PATH_MAX;
}

static void write_sum(char line[SUM_LINE_BYTES + 1], const char *text, size_t bytes)
{
    (void)snprintf(line, SUM_LINE_BYTES + 1, "sum %016llx\n",
                   (unsigned long long)XXH3_64bits(text, bytes));
}

/* ---- reading ---- */

static enum err_kind read_whole(FILE *in, char **text, size_t *bytes, struct err *e)
{
    struct stat file;
    if (fstat(fileno(in), &file) != 0)
        return err_set_errno(e, "read it");
    if (file.st_size > FILE_BYTES_MAX)
        return err_set(e, ERR_INPUT, "it is too large");
    *text = mem_alloc((size_t)file.st_size + 1);
    if (*text == NULL)
        return err_set(e, ERR_MEMORY, "no memory");
    *bytes = fread(*text, 1, (size_t)file.st_size, in);
    (*text)[*bytes] = '\0';
    return ferror(in) == 0 ? ERR_NONE : err_set_errno(e, "read it");
}

/* Cuts the sum off, if it is right. A text has no NUL but at its end. */
static bool check_sum(char *text, size_t bytes)
{
    char line[SUM_LINE_BYTES + 1];
    if (bytes < SUM_LINE_BYTES || strlen(text) != bytes)
        return false;
    char *sum = text + bytes - SUM_LINE_BYTES;
    write_sum(line, text, bytes - SUM_LINE_BYTES);
    if (strcmp(sum, line) != 0)
        return false;
    *sum = '\0';
    return true;
}

enum err_kind facts_file_read(const char *data, char **text, struct err *e)
{
    char path[FACTS_PATH_MAX];
    size_t bytes = 0;
    *text = NULL;
    if (!write_path(path, data, "facts"))
        return err_set(e, ERR_INPUT, "the data folder's name is too long");
    FILE *in = fopen(path, "re");
    if (in == NULL)
        return errno == ENOENT ? ERR_NONE : err_set_errno(e, "read %.150s", path);
    enum err_kind failed = read_whole(in, text, &bytes, e);
    if (failed == ERR_NONE && !check_sum(*text, bytes))
        failed = err_set(e, ERR_INPUT, "it is damaged: put a copy in its place");
    (void)fclose(in);
    if (failed == ERR_NONE)
        return ERR_NONE;
    mem_free(*text);
    *text = NULL;
    return err_wrap(e, "%.120s", path);
}

/* ---- writing ---- */

static bool write_all(int fd, const char *at, size_t bytes)
{
    while (bytes > 0) {
        const ssize_t written = write(fd, at, bytes);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        at += written;
        bytes -= (size_t)written;
    }
    return true;
}

static bool write_beside(const char *path, const char *text, size_t bytes)
{
    char line[SUM_LINE_BYTES + 1];
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    write_sum(line, text, bytes);
    const bool ok =
        write_all(fd, text, bytes) && write_all(fd, line, SUM_LINE_BYTES) && fsync(fd) == 0;
    const int error = errno;
    const bool is_closed = close(fd) == 0;
    if (!ok)
        errno = error;
    return ok && is_closed;
}

static bool sync_folder(const char *data)
{
    const int fd = open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    const bool ok = fsync(fd) == 0;
    close(fd);
    return ok;
}

enum err_kind facts_file_write(const char *data, const char *text, size_t bytes, bool *is_unsure,
                               struct err *e)
{
    char path[FACTS_PATH_MAX], beside[FACTS_PATH_MAX];
    *is_unsure = false;
    if (!write_path(path, data, "facts") || !write_path(beside, data, "facts.new"))
        return err_set(e, ERR_INPUT, "the data folder's name is too long");
    (void)mkdir(data, 0700); /* of a keyspace in memory it may not be there yet */
    if (!write_beside(beside, text, bytes) || rename(beside, path) != 0)
        return err_set_errno(e, "write %.150s", path);
    *is_unsure = !sync_folder(data);
    return *is_unsure ? err_set_errno(e, "sync the folder %.150s", data) : ERR_NONE;
}
