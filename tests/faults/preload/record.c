/* SPDX-License-Identifier: Apache-2.0 */
/* faults/preload/record.c - preloaded: writes down, in order, what a process writes to its data.mdb
 * files, how it names them and what it syncs, so that a power cut at any moment can be replayed.
 *
 * PANDO_RECORD names the log. A record is a struct record and its bytes: of a WRITE and a
 * WRITE_THROUGH (on a descriptor opened with O_DSYNC: durable when it returns) what was written; of
 * OPEN, RENAME and FOLDER (a folder was synced) the path, of a RENAME the new one. Times are CLOCK_MONOTONIC, taken before the call and after it.
 *
 * Memory:  none beyond its tables.
 * Threads: any; records of calls that overlap stand in the order of their ends.
 * Errors:  what it cannot record ends the process, since a gap would be a wrong replay. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { FILES_MAX = 4096, PATH_BYTES = 4096 };

enum what { WRITE = 1, WRITE_THROUGH, SYNC, TRUNCATE, OPEN, FOLDER, RENAME };

struct record {
    uint64_t begun_ns, ended_ns;
    uint64_t offset; /* of TRUNCATE: the new length */
    uint32_t bytes;
    uint16_t what;
    uint16_t file; /* numbers the paths; of FOLDER and RENAME 0 */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;
static uint16_t file_of[FILES_MAX]; /* of a descriptor: 0: not ours */
static char is_through[FILES_MAX];
static char *paths[FILES_MAX];
static unsigned paths_count;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void give_up(const char *what)
{
    fprintf(stderr, "record: %s: %s\n", what, strerror(errno));
    abort();
}

static void append(const void *at, size_t bytes)
{
    while (bytes > 0) {
        const ssize_t written = syscall(SYS_write, log_fd, at, bytes);
        if (written <= 0)
            give_up("write the log");
        at = (const char *)at + written;
        bytes -= (size_t)written;
    }
}

static void note(struct record record, const void *at)
{
    const int saved = errno;
    record.ended_ns = now_ns();
    pthread_mutex_lock(&lock);
    if (log_fd < 0) {
        const char *path = getenv("PANDO_RECORD");
        if (path == NULL)
            give_up("PANDO_RECORD is not set");
        log_fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                              0600);
        if (log_fd < 0)
            give_up(path);
    }
    append(&record, sizeof record);
    append(at, record.bytes);
    pthread_mutex_unlock(&lock);
    errno = saved;
}

static int is_ours(int fd)
{
    return fd >= 0 && fd < FILES_MAX && file_of[fd] != 0;
}

/* ---- which descriptors are ours ---- */

static int ends_in(const char *path, const char *end)
{
    const size_t length = strlen(path), end_length = strlen(end);
    return length > end_length && strcmp(path + length - end_length, end) == 0;
}

static int opened(int fd, const char *path, int flags)
{
    const size_t length = strlen(path);
    if (fd < 0 || fd >= FILES_MAX)
        return fd;
    file_of[fd] = 0;
    if (!ends_in(path, "/data.mdb") && !ends_in(path, "/data.new"))
        return fd;
    pthread_mutex_lock(&lock);
    unsigned number = 0;
    while (number < paths_count && strcmp(paths[number], path) != 0)
        number++;
    if (number == paths_count)
        paths[paths_count++] = strdup(path);
    file_of[fd] = (uint16_t)(number + 1);
    is_through[fd] = (flags & O_DSYNC) != 0;
    pthread_mutex_unlock(&lock);
    note(
        (struct record){
            .begun_ns = now_ns(), .what = OPEN, .bytes = (uint32_t)length, .file = file_of[fd]},
        path);
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

int close(int fd)
{
    if (is_ours(fd))
        file_of[fd] = 0;
    return (int)syscall(SYS_close, fd);
}

/* ---- writes ---- */

static ssize_t wrote(int fd, uint64_t begun_ns, off_t offset, const void *at, ssize_t bytes)
{
    if (bytes > 0)
        note((struct record){.begun_ns = begun_ns,
                             .what = is_through[fd] ? WRITE_THROUGH : WRITE,
                             .offset = (uint64_t)offset,
                             .bytes = (uint32_t)bytes,
                             .file = file_of[fd]},
             at);
    return bytes;
}

ssize_t pwrite(int fd, const void *at, size_t bytes, off_t offset)
{
    const uint64_t begun_ns = now_ns();
    const ssize_t done = syscall(SYS_pwrite64, fd, at, bytes, offset);
    return is_ours(fd) ? wrote(fd, begun_ns, offset, at, done) : done;
}

ssize_t pwrite64(int fd, const void *at, size_t bytes, off_t offset)
{
    return pwrite(fd, at, bytes, offset);
}

ssize_t write(int fd, const void *at, size_t bytes)
{
    if (!is_ours(fd))
        return syscall(SYS_write, fd, at, bytes);
    const uint64_t begun_ns = now_ns();
    const off_t offset = lseek(fd, 0, SEEK_CUR);
    return wrote(fd, begun_ns, offset, at, syscall(SYS_write, fd, at, bytes));
}

/* Each part is a record of its own; a power cut may part them as it may part sectors. */
static ssize_t wrote_parts(int fd, uint64_t begun_ns, off_t offset, const struct iovec *parts,
                           ssize_t done)
{
    ssize_t left = done;
    for (size_t i = 0; left > 0; i++) {
        const ssize_t bytes = (size_t)left < parts[i].iov_len ? left : (ssize_t)parts[i].iov_len;
        wrote(fd, begun_ns, offset, parts[i].iov_base, bytes);
        offset += bytes;
        left -= bytes;
    }
    return done;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    if (!is_ours(fd))
        return syscall(SYS_writev, fd, parts, count);
    const uint64_t begun_ns = now_ns();
    const off_t offset = lseek(fd, 0, SEEK_CUR);
    return wrote_parts(fd, begun_ns, offset, parts, syscall(SYS_writev, fd, parts, count));
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    const uint64_t begun_ns = now_ns();
    const ssize_t done = syscall(SYS_pwritev, fd, parts, count, offset, 0);
    return is_ours(fd) ? wrote_parts(fd, begun_ns, offset, parts, done) : done;
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t offset)
{
    return pwritev(fd, parts, count, offset);
}

static int cut(int fd, uint64_t begun_ns, off_t length, int result)
{
    if (result == 0 && is_ours(fd))
        note((struct record){.begun_ns = begun_ns,
                             .what = TRUNCATE,
                             .offset = (uint64_t)length,
                             .file = file_of[fd]},
             NULL);
    return result;
}

int ftruncate(int fd, off_t length)
{
    const uint64_t begun_ns = now_ns();
    return cut(fd, begun_ns, length, (int)syscall(SYS_ftruncate, fd, length));
}

int ftruncate64(int fd, off_t length)
{
    return ftruncate(fd, length);
}

/* Nobody maps its file for writing or cuts it by its name while it is recorded; if that changes,
 * this must learn it. */
int msync(void *at, size_t bytes, int flags)
{
    (void)at, (void)bytes, (void)flags;
    errno = ENOSYS;
    give_up("msync is not recorded");
    return -1;
}

int rename(const char *from, const char *to)
{
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
    const uint64_t begun_ns = now_ns();
    const int result = (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
    if (result == 0 && ends_in(to, "/data.mdb"))
        note((struct record){.begun_ns = begun_ns, .what = RENAME, .bytes = (uint32_t)strlen(to)},
             to);
    return result;
}

/* ---- syncs ---- */

static int synced(int fd, uint64_t begun_ns, int result)
{
    struct stat file;
    char link[64], path[PATH_BYTES];
    if (result != 0)
        return result;
    if (is_ours(fd)) {
        note((struct record){.begun_ns = begun_ns, .what = SYNC, .file = file_of[fd]}, NULL);
    } else if (fstat(fd, &file) == 0 && S_ISDIR(file.st_mode)) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        const ssize_t length = readlink(link, path, sizeof path);
        if (length > 0)
            note((struct record){.begun_ns = begun_ns, .what = FOLDER, .bytes = (uint32_t)length},
                 path);
    }
    return result;
}

int fdatasync(int fd)
{
    const uint64_t begun_ns = now_ns();
    return synced(fd, begun_ns, (int)syscall(SYS_fdatasync, fd));
}

int fsync(int fd)
{
    const uint64_t begun_ns = now_ns();
    return synced(fd, begun_ns, (int)syscall(SYS_fsync, fd));
}
