/* SPDX-License-Identifier: Apache-2.0 */
/* admin/log_test.c - the ring, and the log from a report to the bytes of a file. */
#include "admin/log.h"

#include "admin/log/ring.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool put(struct ring *ring, const char *text)
{
    const struct iovec part = {(void *)(uintptr_t)text, strlen(text)};
    return ring_put(ring, &part, 1);
}

Test(ring, gives_what_was_put_in_order_also_around_its_end)
{
    struct ring ring = {0};
    struct iovec parts[2];
    char text[8], out[8];
    cr_assert(ring_init(&ring, 4096));
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(text, sizeof text, "%07u", i);
        cr_assert(put(&ring, text));
        cr_assert_eq(ring_waiting(&ring), 7);
        ring_copy_out(&ring, out, 0, 7);
        cr_assert(memcmp(out, text, 7) == 0);
        const int count = ring_peek(&ring, parts);
        cr_assert(count == 1 || (count == 2 && parts[0].iov_len + parts[1].iov_len == 7));
        ring_drop(&ring, 7);
    }
    cr_expect_eq(ring_peek(&ring, parts), 0);
    ring_fini(&ring);
}

Test(ring, takes_all_or_nothing)
{
    struct ring ring = {0};
    char text[2001];
    memset(text, 'x', 2000);
    text[2000] = '\0';
    cr_assert(ring_init(&ring, 5000)); /* less than its memory, which is a power of two */
    cr_expect(put(&ring, text) && put(&ring, text));
    cr_expect_not(put(&ring, text));
    cr_expect_eq(ring_waiting(&ring), 4000);
    ring_drop(&ring, 2000);
    cr_expect(put(&ring, text));
    ring_fini(&ring);
}

/* --- the whole log -------------------------------------------------------------------------- */

static char path[] = "/tmp/pando-log-test-XXXXXX";
static struct worker_row row;

static struct log *open_log(const struct log_settings *settings)
{
    struct err e = {0};
    const int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
    struct log *log = log_new(settings, 1, NULL, &e);
    cr_assert(log != NULL, "%s", e.story);
    return log;
}

static size_t count_lines(void)
{
    FILE *file = fopen(path, "r");
    size_t lines = 0;
    cr_assert(file != NULL);
    for (int byte; (byte = fgetc(file)) != EOF;)
        lines += byte == '\n';
    fclose(file);
    unlink(path);
    return lines;
}

static void report(struct journal *journal, uint64_t took_ns, unsigned times)
{
    const struct exchange_report exchange = {.client = "10.0.0.9",
                                             .status = 200,
                                             .started_ns = 5000000000u,
                                             .ended_ns = 5000000000u + took_ns};
    for (unsigned i = 0; i < times; i++)
        journal->exchange(journal, &exchange);
}

Test(log, writes_every_line_before_it_ends)
{
    const struct log_settings settings = {.path = path, .access = true, .buffer_bytes = 65536};
    struct log *log = open_log(&settings);
    report(log_journal(log, 0, &row), 1, 300);
    report(log_journal(log, WORKER_CONTROL, &row), 1, 300);
    log_free(log);
    cr_expect_eq(count_lines(), 300);
    cr_expect_eq(row.log_lines, 300);
}

Test(log, counts_what_does_not_fit)
{
    const struct log_settings settings = {.path = path, .access = true, .buffer_bytes = 65536};
    struct log *log = open_log(&settings);
    report(log_journal(log, 0, &row), 1, 20000);
    log_free(log);
    cr_expect_eq(row.log_lines + row.log_lines_dropped, 20000);
    cr_expect_eq(count_lines(), row.log_lines);
}

Test(log, keeps_to_lines_per_second)
{
    const struct log_settings settings = {
        .path = path, .access = true, .lines_per_second = 10, .buffer_bytes = 65536};
    struct log *log = open_log(&settings);
    report(log_journal(log, 0, &row), 1, 100);
    log_free(log);
    cr_expect_eq(count_lines(), 10);
}

Test(log, without_access_only_slow_ones)
{
    const struct log_settings settings = {.path = path, .slow_ns = 1000, .buffer_bytes = 65536};
    struct log *log = open_log(&settings);
    report(log_journal(log, 0, &row), 999, 5);
    report(log_journal(log, 0, &row), 1000, 2);
    log_free(log);
    cr_expect_eq(count_lines(), 2);
}

Test(log, a_file_that_cannot_be_opened_is_said)
{
    struct err e = {0};
    const struct log_settings settings = {.path = "/nowhere/at/all", .buffer_bytes = 65536};
    cr_expect(log_new(&settings, 1, NULL, &e) == NULL);
    cr_expect(strstr(e.story, "/nowhere/at/all"));
}

static void note(void *self, const struct log_tapped *tapped)
{
    unsigned *count = self;
    cr_expect(tapped->status == 200 && tapped->service_bytes == 0 && tapped->path_bytes == 0);
    cr_expect(tapped->line[0] == '{' && tapped->line[tapped->line_bytes - 1] == '\n');
    ++*count;
}

Test(log, taps_get_json_while_they_listen)
{
    unsigned count = 0;
    const struct log_settings settings = {
        .path = path, .format = LOG_FORMAT_COMMON, .buffer_bytes = 65536};
    struct log *log = open_log(&settings);
    struct journal *journal = log_journal(log, 0, &row);
    report(journal, 1, 3);
    log_tap_listen(log, 1);
    report(journal, 1, 2);
    cr_expect_eq(log_tap_drain(log, note, &count), 0);
    cr_expect_eq(count, 2);
    report(journal, 1, 5000);
    const uint64_t dropped = log_tap_drain(log, note, &count);
    cr_expect(dropped > 0 && dropped + count == 5002);
    log_tap_listen(log, -1);
    report(journal, 1, 1);
    cr_expect_eq(log_tap_drain(log, note, &count), 0);
    cr_expect_eq(dropped + count, 5002);
    log_free(log);
    cr_expect_eq(count_lines(), 0);
}

Test(events, are_kept_newest_first_and_cannot_forge_lines)
{
    struct event kept[EVENTS_KEPT];
    struct events *events = events_new(-1, LOG_LEVEL_INFO);
    for (unsigned i = 0; i < 100; i++)
        events_tell(events, LOG_LEVEL_INFO, "number %u", i);
    events_tell(events, LOG_LEVEL_DEBUG, "not kept");
    events_tell(events, LOG_LEVEL_ERROR, "a\nb \"c\"");
    cr_assert_eq(events_copy(events, kept, EVENTS_KEPT), EVENTS_KEPT);
    cr_expect_str_eq(kept[0].text, "a\\x0ab \"c\"");
    cr_expect_str_eq(kept[1].text, "number 99");
    cr_expect_eq(events_copy(events, kept, 2), 2);
    events_free(events);
    events_tell(NULL, LOG_LEVEL_ERROR, "nobody listens");
}
