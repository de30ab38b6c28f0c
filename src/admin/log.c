/* SPDX-License-Identifier: Apache-2.0 */
/* admin/log.c - rings on the workers' side, one writing thread on the other.
 *
 * Happy path: exchange() formats a line on the worker's thread and copies it to the worker's
 * ring; every 100 ms, or when a ring is half full, the thread hands what waits to the kernel
 * straight from the rings. A file that cannot be written keeps its lines in the rings until they
 * are full; then lines are dropped. */
#include "admin/log.h"

#include "admin/log/line.h"
#include "admin/log/ring.h"
#include "core/units.h"
#include "path/target.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum {
    FLUSH_MS = 100,
    TELL_DROPS_S = 10,           /* how often dropped lines are spoken of, at most */
    JOIN_S = 5,                  /* how long the end waits for a reader that takes nothing */
    SERVICE_BYTES_MAX = 64,      /* as struct service has it */
    TAP_RING_BYTES = 256 * 1024, /* some hundred lines: taps are for people, who read slowly */
};

/* How a tapped line lies in its ring: this, the service, the path, the line. */
struct tapped_head {
    uint32_t line_bytes;
    uint32_t path_bytes;
    uint16_t status;
    uint16_t service_bytes;
};

struct log_worker {
    struct journal     journal; /* first */
    struct log        *log;
    struct worker_row *row;
    struct ring        lines;
    struct ring        taps;
    struct line_clock  clock;
    uint64_t           wall_offset_ns; /* wall clock minus monotonic; looked up once a second */
    uint64_t           offset_at_ns;
    uint64_t           second;        /* of the limit */
    uint32_t           lines_count;   /* in that second */
    _Atomic uint64_t   limited_count; /* left out because of lines_per_second, ever */
    _Atomic uint64_t   dropped_count; /* because the ring was full, ever */
    _Atomic uint64_t   taps_dropped_count;
    char               line[LINE_BYTES_MAX];
} __attribute__((aligned(64)));

struct log {
    _Atomic uint32_t   format; /* enum log_format */
    _Atomic bool       access;
    _Atomic uint64_t   slow_ns;
    _Atomic uint32_t   lines_per_second;
    _Atomic uint32_t   taps_count;
    _Atomic bool       woken; /* the thread is on its way */
    _Atomic bool       stopping;
    _Atomic int        next_fd; /* to go over to; -1: none */
    int                fd;      /* the thread's */
    int                wake_fd;
    int                write_error; /* errno of the last write; 0: it went well */
    pthread_t          thread;
    bool               has_thread;
    struct events     *events;
    struct journal     deaf;       /* for those that are not logged */
    uint64_t           told_at_ns; /* when dropped lines were spoken of */
    uint64_t           limited_told_count, dropped_told_count;
    uint64_t           taps_told_count;
    unsigned           workers_count;
    void              *memory;
    struct log_worker *workers;
};

/* --- on a worker's thread ------------------------------------------------------------------- */

static uint64_t wall_of(struct log_worker *w, uint64_t monotonic_ns)
{
    if (w->offset_at_ns == 0 || monotonic_ns - w->offset_at_ns >= NS_PER_S) {
        w->wall_offset_ns = clock_wall_ns() - clock_monotonic_ns();
        w->offset_at_ns = monotonic_ns;
    }
    return w->wall_offset_ns + monotonic_ns;
}

static bool is_within_limit(struct log_worker *w, uint64_t now_ns)
{
    const uint32_t most = atomic_load_explicit(&w->log->lines_per_second, memory_order_relaxed);
    if (w->second != now_ns / NS_PER_S) {
        w->second = now_ns / NS_PER_S;
        w->lines_count = 0;
    }
    if (most == 0 || w->lines_count < most) {
        w->lines_count++;
        return true;
    }
    row_add(&w->limited_count, 1);
    return false;
}

static void wake(struct log *log)
{
    const uint64_t one = 1;
    if (!atomic_exchange_explicit(&log->woken, true, memory_order_acq_rel))
        (void)!write(log->wake_fd, &one, sizeof one);
}

static void put_line(struct log_worker *w, size_t bytes)
{
    const struct iovec part = {w->line, bytes};
    if (!ring_put(&w->lines, &part, 1)) {
        row_add(&w->dropped_count, 1);
        row_add(&w->row->log_lines_dropped, 1);
        wake(w->log);
        return;
    }
    row_add(&w->row->log_lines, 1);
    if (ring_used(&w->lines) > w->lines.bytes_max / 2) {
        w->lines.read_seen = atomic_load_explicit(&w->lines.read, memory_order_acquire);
        if (ring_used(&w->lines) > w->lines.bytes_max / 2)
            wake(w->log);
    }
}

static void put_tap(struct log_worker *w, const struct exchange_report *report, size_t bytes)
{
    const struct op *op = report->op;
    const struct http_head *head = op == NULL ? NULL : &op->request->head;
    const char *service = op == NULL || op->service == NULL ? "" : op->service;
    struct tapped_head tapped = {
        .line_bytes = (uint32_t)bytes,
        .status = (uint16_t)report->status,
        .service_bytes = (uint16_t)strlen(service),
        .path_bytes = head == NULL ? 0 : head->path.bytes,
    };
    if (tapped.path_bytes > LINE_PATH_BYTES_MAX)
        tapped.path_bytes = LINE_PATH_BYTES_MAX;
    const struct iovec parts[] = {
        {&tapped, sizeof tapped},
        {(void *)(uintptr_t)service, tapped.service_bytes},
        {head == NULL ? NULL : (void *)(uintptr_t)http_span_bytes(head, head->path),
         tapped.path_bytes},
        {w->line, bytes},
    };
    if (!ring_put(&w->taps, parts, sizeof parts / sizeof parts[0]))
        row_add(&w->taps_dropped_count, 1);
}

static void exchange(struct journal *self, const struct exchange_report *report)
{
    struct log_worker *w = (struct log_worker *)(void *)self;
    struct log *log = w->log;
    const uint64_t slow_ns = atomic_load_explicit(&log->slow_ns, memory_order_relaxed);
    const bool is_slow = slow_ns > 0 && report->ended_ns - report->started_ns >= slow_ns;
    const bool is_tapped = atomic_load_explicit(&log->taps_count, memory_order_relaxed) > 0;
    bool is_logged = is_slow || atomic_load_explicit(&log->access, memory_order_relaxed);
    if (is_logged)
        is_logged = is_within_limit(w, report->ended_ns);
    if (!is_logged && !is_tapped)
        return;
    struct line_form form = {
        .format = (enum log_format)atomic_load_explicit(&log->format, memory_order_relaxed),
        .wall_ns = wall_of(w, report->ended_ns),
        .is_slow = is_slow,
    };
    size_t bytes = 0;
    if (is_logged) {
        bytes = line_write(w->line, report, &form, &w->clock);
        put_line(w, bytes);
    }
    if (!is_tapped)
        return;
    if (!is_logged || form.format != LOG_FORMAT_JSON) {
        form.format = LOG_FORMAT_JSON;
        bytes = line_write(w->line, report, &form, &w->clock);
    }
    put_tap(w, report, bytes);
}

static void ignore(struct journal *self, const struct exchange_report *report)
{
    (void)self;
    (void)report;
}

struct journal *log_journal(struct log *log, unsigned index, struct worker_row *row)
{
    if (index >= log->workers_count)
        return &log->deaf;
    log->workers[index].row = row;
    return &log->workers[index].journal;
}

/* --- the thread ----------------------------------------------------------------------------- */

static void note_write(struct log *log, int error)
{
    if (error == log->write_error)
        return;
    log->write_error = error;
    if (error != 0)
        events_tell(log->events, LOG_LEVEL_ERROR,
                    "the access log cannot be written: %s; lines wait, then are dropped",
                    strerror(error));
    else
        events_tell(log->events, LOG_LEVEL_INFO, "the access log is written again");
}

/* True if all of the ring was written. */
static bool flush_ring(struct log *log, struct ring *ring)
{
    struct iovec parts[2];
    for (int count; (count = ring_peek(ring, parts)) > 0;) {
        const ssize_t written = writev(log->fd, parts, count);
        if (written > 0) {
            ring_drop(ring, (size_t)written);
            note_write(log, 0);
            continue;
        }
        if (errno == EINTR)
            continue;
        struct pollfd ready = {.fd = log->fd, .events = POLLOUT};
        if (errno == EAGAIN && poll(&ready, 1, FLUSH_MS) == 1)
            continue;
        note_write(log, errno);
        return false;
    }
    return true;
}

static void flush(struct log *log)
{
    for (unsigned i = 0; i < log->workers_count; i++) {
        if (!flush_ring(log, &log->workers[i].lines))
            return;
    }
}

static void tell_drops(struct log *log, uint64_t now_ns)
{
    uint64_t limited = 0, dropped = 0;
    for (unsigned i = 0; i < log->workers_count; i++) {
        limited += atomic_load_explicit(&log->workers[i].limited_count, memory_order_relaxed);
        dropped += atomic_load_explicit(&log->workers[i].dropped_count, memory_order_relaxed);
    }
    if (limited == log->limited_told_count && dropped == log->dropped_told_count)
        return;
    log->told_at_ns = now_ns;
    if (limited > log->limited_told_count)
        events_tell(log->events, LOG_LEVEL_WARNING,
                    "%llu lines of the access log were left out: log.lines-per-second",
                    (unsigned long long)(limited - log->limited_told_count));
    if (dropped > log->dropped_told_count)
        events_tell(log->events, LOG_LEVEL_WARNING,
                    "%llu lines of the access log were dropped: log.buffer-bytes is full",
                    (unsigned long long)(dropped - log->dropped_told_count));
    log->limited_told_count = limited;
    log->dropped_told_count = dropped;
}

static void change_file(struct log *log)
{
    const int fd = atomic_exchange(&log->next_fd, -1);
    if (fd < 0)
        return;
    close(log->fd);
    log->fd = fd;
}

static void *run(void *arg)
{
    struct log *log = arg;
    struct pollfd woken = {.fd = log->wake_fd, .events = POLLIN};
    for (bool last = false; !last;) {
        uint64_t wakes;
        if (poll(&woken, 1, FLUSH_MS) == 1)
            (void)!read(log->wake_fd, &wakes, sizeof wakes);
        last =
            atomic_load(&log->stopping); /* looked at first: what was put before is then flushed */
        atomic_store_explicit(&log->woken, false, memory_order_release);
        flush(log);
        change_file(log);
        const uint64_t now_ns = clock_monotonic_ns();
        if (last || now_ns - log->told_at_ns >= TELL_DROPS_S * NS_PER_S)
            tell_drops(log, now_ns);
    }
    return NULL;
}

/* --- life ----------------------------------------------------------------------------------- */

static int open_file(const char *path, struct err *e)
{
    if (strcmp(path, "-") == 0) {
        const int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
            err_set_errno(e, "open the access log: standard output");
        return fd;
    }
    /* Not blocking, so that a named pipe without a reader is an error and no standstill. */
    const int fd =
        open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
    if (fd < 0)
        err_set_errno(e, "open the access log %s", path);
    return fd;
}

static void take_settings(struct log *log, const struct log_settings *settings)
{
    atomic_store(&log->format, settings->format);
    atomic_store(&log->access, settings->access);
    atomic_store(&log->slow_ns, settings->slow_ns);
    atomic_store(&log->lines_per_second, settings->lines_per_second);
}

static bool make_workers(struct log *log, size_t buffer_bytes)
{
    const size_t align = _Alignof(struct log_worker);
    log->memory = mem_alloc(log->workers_count * sizeof(struct log_worker) + align);
    if (log->memory == NULL)
        return false;
    log->workers = (struct log_worker *)(((uintptr_t)log->memory + align - 1) & ~(align - 1));
    for (unsigned i = 0; i < log->workers_count; i++) {
        struct log_worker *w = &log->workers[i];
        w->journal.exchange = exchange;
        w->log = log;
        if (!ring_init(&w->lines, buffer_bytes) || !ring_init(&w->taps, TAP_RING_BYTES))
            return false;
    }
    return true;
}

/* Signals are the main thread's. */
static int start_thread(struct log *log)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&log->thread, NULL, run, log);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    log->has_thread = error == 0;
    return error;
}

static enum err_kind open_log(struct log *log, const struct log_settings *settings, struct err *e)
{
    if (!make_workers(log, settings->buffer_bytes))
        return err_set(e, ERR_MEMORY, "open the access log: out of memory");
    log->fd = open_file(settings->path, e);
    if (log->fd < 0)
        return ERR_SYSTEM;
    log->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (log->wake_fd < 0)
        return err_set_errno(e, "open the access log: eventfd");
    errno = start_thread(log);
    return errno == 0 ? ERR_NONE : err_set_errno(e, "open the access log: thread");
}

static void release(struct log *log)
{
    for (unsigned i = 0; log->workers != NULL && i < log->workers_count; i++) {
        ring_fini(&log->workers[i].lines);
        ring_fini(&log->workers[i].taps);
    }
    if (log->fd >= 0)
        close(log->fd);
    if (log->wake_fd >= 0)
        close(log->wake_fd);
    const int next_fd = atomic_load(&log->next_fd);
    if (next_fd >= 0)
        close(next_fd);
    mem_free(log->memory);
    mem_free(log);
}

struct log *log_new(const struct log_settings *settings, unsigned workers_count,
                    struct events *events, struct err *e)
{
    struct log *log = mem_alloc(sizeof *log);
    if (log == NULL) {
        err_set(e, ERR_MEMORY, "open the access log: out of memory");
        return NULL;
    }
    log->events = events;
    log->workers_count = workers_count;
    log->deaf.exchange = ignore;
    log->fd = log->wake_fd = -1;
    atomic_init(&log->next_fd, -1);
    take_settings(log, settings);
    if (open_log(log, settings, e) == ERR_NONE)
        return log;
    release(log);
    return NULL;
}

enum err_kind log_change(struct log *log, const struct log_settings *settings, struct err *e)
{
    const int fd = open_file(settings->path, e);
    if (fd < 0)
        return ERR_SYSTEM;
    take_settings(log, settings);
    const int overtaken = atomic_exchange(&log->next_fd, fd);
    if (overtaken >= 0)
        close(overtaken);
    wake(log);
    return ERR_NONE;
}

void log_free(struct log *log)
{
    struct timespec until;
    if (log == NULL)
        return;
    if (log->has_thread) {
        atomic_store(&log->stopping, true);
        wake(log);
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += JOIN_S;
        if (pthread_timedjoin_np(log->thread, NULL, &until) != 0)
            return; /* it hangs in write(); the process ends, and the kernel gives all back */
    }
    release(log);
}

/* --- taps ----------------------------------------------------------------------------------- */

void log_tap_listen(struct log *log, int by)
{
    atomic_fetch_add(&log->taps_count, (uint32_t)by);
}

/* One line; false if none waits. */
static bool drain_one(struct ring *ring, void (*call)(void *self, const struct log_tapped *tapped),
                      void *self)
{
    struct tapped_head head;
    char text[SERVICE_BYTES_MAX + LINE_PATH_BYTES_MAX + LINE_BYTES_MAX];
    if (ring_waiting(ring) == 0)
        return false;
    ring_copy_out(ring, &head, 0, sizeof head);
    const size_t bytes = (size_t)head.service_bytes + head.path_bytes + head.line_bytes;
    assert(bytes <= sizeof text);
    ring_copy_out(ring, text, sizeof head, bytes);
    ring_drop(ring, sizeof head + bytes);
    const struct log_tapped tapped = {
        .status = head.status,
        .service = text,
        .service_bytes = head.service_bytes,
        .path = text + head.service_bytes,
        .path_bytes = head.path_bytes,
        .line = text + head.service_bytes + head.path_bytes,
        .line_bytes = head.line_bytes,
    };
    call(self, &tapped);
    return true;
}

uint64_t log_tap_drain(struct log *log, void (*call)(void *self, const struct log_tapped *tapped),
                       void *self)
{
    uint64_t dropped = 0;
    for (unsigned i = 0; i < log->workers_count; i++) {
        while (drain_one(&log->workers[i].taps, call, self))
            continue;
        dropped += atomic_load_explicit(&log->workers[i].taps_dropped_count, memory_order_relaxed);
    }
    const uint64_t fresh = dropped - log->taps_told_count;
    log->taps_told_count = dropped;
    return fresh;
}
