/* SPDX-License-Identifier: Apache-2.0 */
/* admin/log/line_test.c - lines of the access log, byte by byte, also of clients that mean harm. */
#include "admin/log/line.h"

#include "codec/http1.h"
#include "core/units.h"
#include "path/op.h"
#include "path/target.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static char line[LINE_BYTES_MAX + 1];
static struct op op;
static struct request request;
static struct http_field fields[20];
static struct target target = {.name = "10.0.0.2:3000"};
static struct line_clock line_clock;
static const uint64_t wall_ns = 1795526276123456789u; /* 2026-11-24T13:17:56.123Z */

/* A request as the codec reads it, that was answered with 200 by the target. */
static struct exchange_report report_of(const char *text)
{
    static const struct http1_limits limits = HTTP1_LIMITS_PRESET;
    struct http1_reader reader;
    request = (struct request){.trace = {0x4bf92f3577b34da6u, 0xa3ce929d0e0e4736u}};
    request.head.fields = fields;
    request.head.fields_max = 20;
    http1_reader_init(&reader, &limits);
    cr_assert(http1_request_read(&reader, (const uint8_t *)text, strlen(text), &request.head) ==
                  HTTP1_DONE,
              "%s", text);
    op = (struct op){
        .request = &request,
        .service = "shop",
        .target = &target,
        .started_ns = 1000000000,
        .sent_ns = 1000200000,
        .kept_connection = true,
    };
    atomic_store(&target.state, TARGET_UP);
    return (struct exchange_report){
        .op = &op,
        .client = "10.0.0.9",
        .status = 200,
        .bytes_in = 412,
        .bytes_out = 2048,
        .started_ns = 1000000000,
        .ended_ns = 1003127999,
    };
}

static const char *write(enum log_format format, const struct exchange_report *report, bool is_slow)
{
    const struct line_form form = {format, wall_ns, is_slow};
    const size_t bytes = line_write(line, report, &form, &line_clock);
    line[bytes] = '\0';
    cr_expect_eq(strchr(line, '\n'), line + bytes - 1, "one line, whatever was sent");
    return line;
}

Test(log_line, json)
{
    const struct exchange_report report =
        report_of("GET /u/7?x=1 HTTP/1.1\r\nHost: shop.example:8080\r\n\r\n");
    cr_expect_str_eq(
        write(LOG_FORMAT_JSON, &report, false),
        "{\"ts\":\"2026-11-24T13:17:56.123Z\",\"m\":\"GET\",\"host\":\"shop.example\","
        "\"path\":\"/u/7?x=1\",\"route\":\"shop\",\"st\":200,\"dur\":0.003127,\"wait\":0.000200,"
        "\"up\":\"10.0.0.2:3000\",\"conn\":\"kept\",\"retry\":0,\"in\":412,\"out\":2048,"
        "\"client\":\"10.0.0.9\",\"trace\":\"4bf92f3577b34da6a3ce929d0e0e4736\"}\n");
}

Test(log_line, json_of_what_went_wrong)
{
    struct exchange_report report = report_of("POST / HTTP/1.1\r\nHost: a\r\n\r\n");
    report.status = 502;
    report.error = ERR_TARGET_CLOSED;
    op.retries_count = 1;
    op.kept_connection = false;
    atomic_store(&target.state, TARGET_TRIAL);
    cr_expect_str_eq(
        write(LOG_FORMAT_JSON, &report, true),
        "{\"ts\":\"2026-11-24T13:17:56.123Z\",\"m\":\"POST\",\"host\":\"a\",\"path\":\"/\","
        "\"route\":\"shop\",\"st\":502,\"dur\":0.003127,\"wait\":0.000200,\"up\":\"10.0.0.2:3000\","
        "\"conn\":\"new\",\"brk\":\"trial\",\"retry\":1,\"in\":412,\"out\":2048,"
        "\"client\":\"10.0.0.9\",\"trace\":\"4bf92f3577b34da6a3ce929d0e0e4736\","
        "\"err\":\"TARGET_CLOSED\","
        "\"why\":\"the target closed the connection before answering\",\"slow\":true}\n");
}

/* Refused before there was a request: only what is known is said. */
Test(log_line, json_without_a_request)
{
    const struct exchange_report report = {
        .client = "::1", .status = 400, .error = ERR_INPUT, .detail = "a bare CR", .bytes_out = 5};
    cr_expect_str_eq(write(LOG_FORMAT_JSON, &report, false),
                     "{\"ts\":\"2026-11-24T13:17:56.123Z\",\"st\":400,\"dur\":0.000000,\"in\":0,"
                     "\"out\":5,\"client\":\"::1\",\"err\":\"INPUT\",\"why\":\"a bare CR\"}\n");
}

Test(log_line, a_client_that_left)
{
    struct exchange_report report = report_of("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    report.outcome = OUTCOME_CANCELLED;
    report.status = 0;
    cr_expect(strstr(write(LOG_FORMAT_JSON, &report, false),
                     "\"err\":\"CANCELLED\",\"why\":\"the client went away\"}"));
}

Test(log_line, common_and_combined)
{
    struct exchange_report report =
        report_of("GET /u/7 HTTP/1.1\r\nHost: a\r\nUser-Agent: curl \"8\"\r\n\r\n");
    cr_expect_str_eq(write(LOG_FORMAT_COMMON, &report, false),
                     "10.0.0.9 - - [24/Nov/2026:13:17:56 +0000] \"GET /u/7 HTTP/1.1\" 200 2048\n");
    report.bytes_out = 0;
    cr_expect_str_eq(write(LOG_FORMAT_COMBINED, &report, false),
                     "10.0.0.9 - - [24/Nov/2026:13:17:56 +0000] \"GET /u/7 HTTP/1.1\" 200 - "
                     "\"-\" \"curl \\\"8\\\"\"\n");
    report.op = NULL;
    report.status = 400;
    cr_expect_str_eq(write(LOG_FORMAT_COMBINED, &report, false),
                     "10.0.0.9 - - [24/Nov/2026:13:17:56 +0000] \"-\" 400 - \"-\" \"-\"\n");
}

/* Whatever bytes stand where: one line, JSON that can be read, nothing that a terminal obeys. */
Test(log_line, hostile_bytes)
{
    struct exchange_report report = report_of("GET /0123456789 HTTP/1.1\r\nHost: a\r\n\r\n");
    static char copy[256];
    memcpy(copy, request.head.base, request.head.head_bytes);
    request.head.base = (const uint8_t *)copy;
    for (unsigned first = 0; first < 256; first++) {
        for (unsigned second = 0; second < 256; second++) {
            copy[request.head.path.at + 1] = (char)first;
            copy[request.head.path.at + 2] = (char)second;
            const char *text = write(LOG_FORMAT_JSON, &report, false);
            json_t *json = json_loads(text, JSON_ALLOW_NUL, NULL);
            cr_assert(json != NULL, "%s", text);
            json_decref(json);
            for (const char *at = text; at[1] != '\0'; at++)
                cr_assert((unsigned char)*at >= 0x20 && *at != 0x7f);
            (void)write(LOG_FORMAT_COMMON, &report, false);
        }
    }
}

static const char *as_json(const char *text)
{
    *line_put_json(line, text, strlen(text), 1000) = '\0';
    return line;
}

Test(log_line, utf8_stays_if_it_is_whole_and_harmless)
{
    cr_expect_str_eq(as_json("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8c\xb3"),
                     "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8c\xb3");
    cr_expect_str_eq(as_json("\xc3"), "\\u00c3");
    cr_expect_str_eq(as_json("\xc0\xaf"), "\\u00c0\\u00af", "overlong");
    cr_expect_str_eq(as_json("\xed\xa0\x80"), "\\u00ed\\u00a0\\u0080", "a surrogate");
    cr_expect_str_eq(as_json("\xc2\x9b"), "\\u00c2\\u009b", "a C1 control");
    cr_expect_str_eq(as_json("\xe2\x80\xae"), "\\u00e2\\u0080\\u00ae", "turns the text around");
    cr_expect_str_eq(as_json("\xf4\x90\x80\x80"), "\\u00f4\\u0090\\u0080\\u0080", "beyond Unicode");
}

Test(log_line, long_texts_are_cut)
{
    static char text[100000];
    memset(text, 1, sizeof text);
    char *end = line_put_json(line, text, sizeof text, LINE_PATH_BYTES_MAX);
    cr_expect_eq((size_t)(end - line), LINE_PATH_BYTES_MAX * strlen("\\u0001") + strlen("..."));
    end = line_put_plain(line, "abcdef", 6, 4);
    cr_expect(end - line == 7 && memcmp(line, "abcd...", 7) == 0);
}

/* The worst that all fields together can be fits. */
Test(log_line, the_longest_line_fits)
{
    static uint8_t base[100000];
    struct exchange_report report = report_of("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    memset(base, 1, sizeof base);
    const struct http_span all = {0, sizeof base};
    request.head.base = base;
    request.head.method_text = request.head.host = request.head.path = request.head.target = all;
    report.error = ERR_LIMIT;
    (void)write(LOG_FORMAT_JSON, &report, true);
    (void)write(LOG_FORMAT_COMBINED, &report, true);
}
