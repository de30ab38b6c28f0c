/* SPDX-License-Identifier: Apache-2.0 */
/* main/supervisor/program.c - finding and becoming the program. */
#include "main/supervisor/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SELF "/proc/self/exe"

static bool is_same(const struct stat *one, const struct stat *other)
{
    return one->st_dev == other->st_dev && one->st_ino == other->st_ino;
}

/* Is the file at @folder/@name this program? Then @path is its absolute path. */
static bool is_here(char path[PATH_MAX], const char *folder, size_t folder_bytes, const char *name)
{
    struct stat self, found;
    const int bytes = snprintf(path, PATH_MAX, "%.*s/%s", (int)folder_bytes, folder, name);
    return bytes > 0 && bytes < PATH_MAX && path[0] == '/' && stat(SELF, &self) == 0 &&
           stat(path, &found) == 0 && is_same(&self, &found);
}

static bool find_in_path(char path[PATH_MAX], const char *called)
{
    const char *folder = getenv("PATH");
    while (folder != NULL) {
        const size_t bytes = strcspn(folder, ":");
        if (is_here(path, folder, bytes, called))
            return true;
        folder = folder[bytes] == ':' ? folder + bytes + 1 : NULL;
    }
    return false;
}

static bool find_as_called(char path[PATH_MAX], const char *called)
{
    char folder[PATH_MAX];
    if (called == NULL || called[0] == '\0')
        return false;
    if (called[0] == '/')
        return is_here(path, "", 0, called + 1);
    if (strchr(called, '/') == NULL)
        return find_in_path(path, called);
    return getcwd(folder, sizeof folder) != NULL && is_here(path, folder, strlen(folder), called);
}

enum err_kind program_find(char path[PATH_MAX], const char *called, struct err *e)
{
    if (find_as_called(path, called))
        return ERR_NONE;
    const ssize_t bytes = readlink(SELF, path, PATH_MAX - 1);
    if (bytes < 0)
        return err_set_errno(e, "where this program lies is not known: %s", SELF);
    path[bytes] = '\0';
    return ERR_NONE;
}

enum err_kind program_open(const char *path, int *fd, struct err *e)
{
    *fd = open(path, O_PATH | O_CLOEXEC);
    if (*fd < 0) /* it was taken away: go on as what we are */
        *fd = open(SELF, O_PATH | O_CLOEXEC);
    return *fd < 0 ? err_set_errno(e, "open %s", path) : ERR_NONE;
}

void program_become(const char *path, int fd, char *const arguments[])
{
    struct stat kept, there;
    if (fstat(fd, &kept) == 0 && stat(path, &there) == 0 && is_same(&kept, &there))
        execv(path, arguments); /* by name if possible: then ps and gdb know it by its name */
    execveat(fd, "", arguments, environ, AT_EMPTY_PATH);
}
