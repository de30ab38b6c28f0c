/* SPDX-License-Identifier: Apache-2.0 */
/* admin/tap.c - from the taps' rings to those who listen. */
#include "admin/tap.h"

#include "core/mem.h"
#include "core/units.h"
#include "path/reply.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct tap {
    struct list_link  link;
    struct taps      *taps;
    struct op        *op;
    struct tap_filter filter;
    struct buf       *gathered; /* NULL: nothing since the last look */
    uint64_t          dropped_count;
};

/* --- filters -------------------------------------------------------------------------------- */

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    digit = (char)(digit | 0x20);
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

bool tap_unescape(char *out, size_t room, const char *text, size_t bytes)
{
    size_t used = 0;
    for (size_t i = 0; i < bytes; i++) {
        char byte = text[i];
        if (byte == '%') {
            if (bytes - i < 3 || hex_digit(text[i + 1]) < 0 || hex_digit(text[i + 2]) < 0)
                return false;
            byte = (char)(hex_digit(text[i + 1]) << 4 | hex_digit(text[i + 2]));
            i += 2;
        }
        if (used + 1 >= room || byte == '\0')
            return false;
        out[used++] = byte;
    }
    out[used] = '\0';
    return true;
}

/* "503", or "5xx" for all of them. */
static bool read_status(struct tap_filter *filter, const char *text)
{
    if (strlen(text) != 3 || text[0] < '1' || text[0] > '5')
        return false;
    const unsigned class = (unsigned)(text[0] - '0') * 100;
    if ((text[1] | 0x20) == 'x' && (text[2] | 0x20) == 'x') {
        filter->status_first = class;
        filter->status_last = class + 99;
        return true;
    }
    if (text[1] < '0' || text[1] > '9' || text[2] < '0' || text[2] > '9')
        return false;
    filter->status_first = filter->status_last =
        class + (unsigned)(text[1] - '0') * 10 + (unsigned)(text[2] - '0');
    return true;
}

static const char *read_member(struct tap_filter *filter, const char *member, size_t bytes)
{
    char status[8];
    const char *equals = memchr(member, '=', bytes);
    const size_t name_bytes = equals == NULL ? bytes : (size_t)(equals - member);
    const char *value = equals == NULL ? "" : equals + 1;
    const size_t value_bytes = equals == NULL ? 0 : bytes - name_bytes - 1;
    if (name_bytes == 7 && memcmp(member, "service", 7) == 0)
        return tap_unescape(filter->service, sizeof filter->service, value, value_bytes)
                   ? NULL
                   : "service is the name of a service";
    if (name_bytes == 4 && memcmp(member, "path", 4) == 0)
        return tap_unescape(filter->path, sizeof filter->path, value, value_bytes)
                   ? NULL
                   : "path is the beginning of a path, at most 255 bytes";
    if (name_bytes == 6 && memcmp(member, "status", 6) == 0)
        return value_bytes == 0 || (tap_unescape(status, sizeof status, value, value_bytes) &&
                                    read_status(filter, status))
                   ? NULL
                   : "status is a number such as 503, or 5xx";
    return "the filters are service, status and path";
}

const char *tap_filter_read(struct tap_filter *filter, const char *query, size_t bytes)
{
    *filter = (struct tap_filter){0};
    while (bytes > 0) {
        const char *end = memchr(query, '&', bytes);
        const size_t member_bytes = end == NULL ? bytes : (size_t)(end - query);
        const char *wrong = member_bytes == 0 ? NULL : read_member(filter, query, member_bytes);
        if (wrong != NULL)
            return wrong;
        const size_t used = end == NULL ? bytes : member_bytes + 1;
        query += used;
        bytes -= used;
    }
    return NULL;
}

bool tap_filter_fits(const struct tap_filter *filter, const struct log_tapped *tapped)
{
    const size_t service_bytes = strlen(filter->service);
    const size_t path_bytes = strlen(filter->path);
    if (service_bytes > 0 && (service_bytes != tapped->service_bytes ||
                              memcmp(filter->service, tapped->service, service_bytes) != 0))
        return false;
    if (path_bytes > tapped->path_bytes ||
        (path_bytes > 0 && memcmp(filter->path, tapped->path, path_bytes) != 0))
        return false;
    return filter->status_first == 0 ||
           (tapped->status >= filter->status_first && tapped->status <= filter->status_last);
}

/* --- the stream ----------------------------------------------------------------------------- */

/* Off the list and freed; the op is the caller's again. */
static struct op *close_tap(struct tap *tap)
{
    struct op *op = tap->op;
    list_remove(&tap->link);
    tap->taps->count--;
    log_tap_listen(tap->taps->log, -1);
    if (tap->taps->count == 0)
        timer_clear(&tap->taps->look);
    buf_unref(tap->gathered);
    mem_free(tap);
    return op;
}

static void on_cancel(struct op *op)
{
    (void)close_tap(op->holder);
    pipe_end(&op->answer_body, ERR_CANCELLED);
    op_finish(op, OUTCOME_CANCELLED);
}

static void end_tap(struct tap *tap)
{
    struct op *op = close_tap(tap);
    pipe_end(&op->answer_body, ERR_NONE);
    op_finish(op, OUTCOME_DONE);
}

static bool gather(struct tap *tap, const char *text, size_t bytes)
{
    if (tap->gathered == NULL)
        tap->gathered = buf_new(TAP_ROOM_BYTES);
    if (tap->gathered == NULL || tap->gathered->capacity - tap->gathered->used_bytes < bytes)
        return false;
    memcpy(tap->gathered->data + tap->gathered->used_bytes, text, bytes);
    tap->gathered->used_bytes += (uint32_t)bytes;
    return true;
}

/* The line about lines that are missing stands where they would have stood. */
static bool gather_dropped(struct tap *tap)
{
    char text[64];
    const int bytes =
        snprintf(text, sizeof text, "{\"dropped\":%llu}\n", (unsigned long long)tap->dropped_count);
    if (tap->dropped_count == 0)
        return true;
    if (!gather(tap, text, (size_t)bytes))
        return false;
    tap->dropped_count = 0;
    return true;
}

static void on_tapped(void *self, const struct log_tapped *tapped)
{
    struct taps *taps = self;
    list_each(&taps->open, link, after)
    {
        struct tap *tap = list_item(link, struct tap, link);
        if (!tap_filter_fits(&tap->filter, tapped))
            continue;
        if (!gather_dropped(tap) || !gather(tap, tapped->line, tapped->line_bytes))
            tap->dropped_count++;
    }
}

/* A client that is behind keeps what is gathered until it has room. */
static void pass_on(struct tap *tap)
{
    struct buf *buf = tap->gathered;
    if (buf == NULL || pipe_room(&tap->op->answer_body) == 0)
        return;
    const struct slice slice = {.buf = buf, .at = buf->data, .bytes = buf->used_bytes};
    if (pipe_put(&tap->op->answer_body, slice))
        tap->gathered = NULL;
}

static void set_look(struct taps *taps)
{
    timer_set(&taps->loop->timers, &taps->look, taps->loop->now_ns + TAP_LOOK_MS * NS_PER_MS);
}

static void on_look(struct timer *timer)
{
    struct taps *taps = list_item(timer, struct taps, look);
    const uint64_t dropped = log_tap_drain(taps->log, on_tapped, taps);
    list_each(&taps->open, link, after)
    {
        struct tap *tap = list_item(link, struct tap, link);
        tap->dropped_count += dropped;
        (void)gather_dropped(tap); /* if not now, at the next look */
        if (tap->op->answer_body.broken)
            end_tap(tap);
        else
            pass_on(tap);
    }
    if (taps->count > 0)
        set_look(taps);
}

void taps_open(struct taps *taps, struct op *op, const struct tap_filter *filter)
{
    struct reply reply;
    struct tap *tap;
    if (taps->log == NULL || taps->stopping || op->cancelled) {
        op_refuse(op, ERR_STOPPING, NULL);
        return;
    }
    if (taps->count == taps->most || (tap = mem_alloc(sizeof *tap)) == NULL) {
        op_refuse(op, ERR_LIMIT, "as many taps are open as this node allows");
        return;
    }
    *tap = (struct tap){.taps = taps, .op = op, .filter = *filter};
    reply_start(&reply, op, 200);
    reply_add(&reply, HTTP_FIELD_CONTENT_TYPE, "application/x-ndjson");
    reply_add(&reply, HTTP_FIELD_CACHE_CONTROL, "no-store");
    if (!reply_open(&reply)) {
        mem_free(tap);
        return;
    }
    op->on_cancel = on_cancel;
    op->holder = tap;
    if (taps->count++ == 0) {
        (void)log_tap_drain(taps->log, on_tapped,
                            taps); /* what was left by those before: nobody's */
        set_look(taps);
    }
    list_add_last(&taps->open, &tap->link);
    log_tap_listen(taps->log, 1);
    if (op->cancelled)
        on_cancel(op); /* the client left while the head was written */
}

void taps_init(struct taps *taps, struct loop *loop, struct log *log, unsigned most)
{
    *taps = (struct taps){.loop = loop, .log = log, .most = most};
    list_init(&taps->open);
    timer_init(&taps->look, on_look);
}

void taps_stop(struct taps *taps)
{
    taps->stopping = true;
    for (struct list_link *link; (link = list_first(&taps->open)) != NULL;)
        end_tap(list_item(link, struct tap, link));
}
