/* SPDX-License-Identifier: Apache-2.0 */
/* faults/preload/fail.c - preloaded: one write or sync of a data.mdb file fails with EIO.
 *
 * While the file that PANDO_FAIL names is there it says which, in two words: "sync 1" the next
 * fdatasync(), "write 3" the third write of pages from now, "head 1" the next write of a
 * head (on a descriptor opened with O_DSYNC). When it strikes, the file is removed: a second sync
 * would succeed, as it does on Linux, although data is gone.
 *
 * Threads: one thread writes to a file. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FILES_MAX = 4096, OTHER = 0, PAGES, HEADS };

static char kind_of[FILES_MAX];
static unsigned seen;

/* Counts; true: this one fails. */
static int strikes(const char *what)
{
    char word[16];
    unsigned nth = 0;
    const char *path = getenv("PANDO_FAIL");
    FILE *orders = path == NULL ? NULL : fopen(path, "r");
    if (orders == NULL)
        return 0;
    const int count = fscanf(orders, "%15s %u", word, &nth);
    fclose(orders);
    if (count != 2 || strcmp(word, what) != 0 || ++seen < nth)
        return 0;
    seen = 0;
    unlink(path);
    errno = EIO;
    return 1;
}

static int opened(int fd, const char *path, int flags)
{
    const char *name = strrchr(path, '/');
    if (fd >= 0 && fd < FILES_MAX)
        kind_of[fd] = name == NULL || strcmp(name, "/data.mdb") != 0 ? OTHER
                      : (flags & O_DSYNC) != 0                       ? HEADS
                                                                     : PAGES;
    return fd;
}

#define MODE_OF(flags)                                                                             \
    mode_t mode = 0;                                                                               \
    if (((flags) & (O_CREAT | O_TMPFILE)) != 0) {                                                  \
        va_list arguments;                                                                         \
        va_start(arguments, flags);                                                                \
        mode = va_arg(arguments, mode_t);                                                          \
        va_end(arguments);                                                                         \
    }

int open(const char *path, int flags, ...)
{
    MODE_OF(flags)
    return opened((int)syscall(SYS_openat, AT_FDCWD, path, flags, mode), path, flags);
}

int open64(const char *path, int flags, ...)
{
    MODE_OF(flags)
    return opened((int)syscall(SYS_openat, AT_FDCWD, path, flags | O_LARGEFILE, mode), path, flags);
}

static int write_strikes(int fd)
{
    if (fd < 0 || fd >= FILES_MAX || kind_of[fd] == OTHER)
        return 0;
    return strikes(kind_of[fd] == HEADS ? "head" : "write");
}

ssize_t pwrite(int fd, const void *at, size_t bytes, off_t offset)
{
    return write_strikes(fd) ? -1 : syscall(SYS_pwrite64, fd, at, bytes, offset);
}

ssize_t pwrite64(int fd, const void *at, size_t bytes, off_t offset)
{
    return pwrite(fd, at, bytes, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return write_strikes(fd) ? -1 : syscall(SYS_writev, fd, parts, count);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    return write_strikes(fd) ? -1 : syscall(SYS_pwritev, fd, parts, count, offset, 0);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t offset)
{
    return pwritev(fd, parts, count, offset);
}

int fdatasync(int fd)
{
    const int is_ours = fd >= 0 && fd < FILES_MAX && kind_of[fd] != OTHER;
    return is_ours && strikes("sync") ? -1 : (int)syscall(SYS_fdatasync, fd);
}
