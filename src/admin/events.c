/* SPDX-License-Identifier: Apache-2.0 */
/* admin/events.c - Pando's own log, and the ring of what was told last. */
#include "admin/events.h"

#include "admin/log/line.h"
#include "core/mem.h"
#include "core/units.h"

#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct events {
    pthread_mutex_t   lock;
    int               fd;
    enum log_level    level;
    uint64_t          dropped_count; /* since the last line that could be written */
    struct line_clock clock;
    size_t            told_count; /* ever */
    struct event      ring[EVENTS_KEPT];
};

static const char *const level_words[] = {
#define X(enumerator, name, gist) [enumerator] = name,
    LOG_LEVELS(X)
#undef X
};

struct events *events_new(int fd, enum log_level level)
{
    struct events *events = mem_alloc(sizeof *events);
    if (events == NULL)
        return NULL;
    pthread_mutex_init(&events->lock, NULL);
    events->fd = fd;
    events->level = level;
    return events;
}

void events_free(struct events *events)
{
    if (events == NULL)
        return;
    pthread_mutex_destroy(&events->lock);
    mem_free(events);
}

static int put_head(struct events *events, char *out, size_t room, const struct event *event)
{
    line_clock_set(&events->clock, (int64_t)(event->wall_ns / NS_PER_S));
    return snprintf(out, room, "%s.%03uZ %-7s ", events->clock.iso,
                    (unsigned)(event->wall_ns % NS_PER_S / NS_PER_MS), level_words[event->level]);
}

/* A pipe that nobody reads must not stop Pando: a line that would have to wait is dropped. */
static void write_line(struct events *events, const struct event *event)
{
    char line[EVENT_TEXT_BYTES + 128];
    struct pollfd ready = {.fd = events->fd, .events = POLLOUT};
    int bytes = put_head(events, line, sizeof line, event);
    if (events->dropped_count > 0)
        bytes +=
            snprintf(line + bytes, sizeof line - (size_t)bytes, "(%llu lines before were lost) ",
                     (unsigned long long)events->dropped_count);
    bytes += snprintf(line + bytes, sizeof line - (size_t)bytes, "%s\n", event->text);
    if (poll(&ready, 1, 0) == 1 && write(events->fd, line, (size_t)bytes) == bytes)
        events->dropped_count = 0;
    else
        events->dropped_count++;
}

static void clean(char out[EVENT_TEXT_BYTES], const char *text)
{
    char escaped[EVENT_TEXT_BYTES * 6 + 4];
    size_t bytes = strlen(text);
    /* Quotes are harmless here, and JSON in a message would be hard to read with them escaped. */
    char *end = line_put_controls(escaped, text, bytes);
    bytes = (size_t)(end - escaped);
    if (bytes >= EVENT_TEXT_BYTES)
        bytes = EVENT_TEXT_BYTES - 1;
    memcpy(out, escaped, bytes);
    out[bytes] = '\0';
}

void events_tell(struct events *events, enum log_level level, const char *format, ...)
{
    char text[EVENT_TEXT_BYTES];
    struct event event = {.wall_ns = clock_wall_ns(), .level = level};
    va_list arguments;
    if (events == NULL)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    clean(event.text, text);
    pthread_mutex_lock(&events->lock);
    if (level <= LOG_LEVEL_INFO)
        events->ring[events->told_count++ % EVENTS_KEPT] = event;
    if (level <= events->level && events->fd >= 0)
        write_line(events, &event);
    pthread_mutex_unlock(&events->lock);
}

void events_change_level(struct events *events, enum log_level level)
{
    pthread_mutex_lock(&events->lock);
    events->level = level;
    pthread_mutex_unlock(&events->lock);
}

size_t events_copy(struct events *events, struct event out[], size_t most)
{
    size_t count = 0;
    if (events == NULL)
        return 0;
    pthread_mutex_lock(&events->lock);
    while (count < most && count < EVENTS_KEPT && count < events->told_count) {
        out[count] = events->ring[(events->told_count - 1 - count) % EVENTS_KEPT];
        count++;
    }
    pthread_mutex_unlock(&events->lock);
    return count;
}
