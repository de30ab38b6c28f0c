/* SPDX-License-Identifier: Apache-2.0 */
/* codec/http1_write_test.c - what is written is what was meant, never beyond the room, and
 * counted alike. */
#include "codec/http1_testing.h"

#include <criterion/criterion.h>

/* Runs @write over rooms of every size: it fits or says so, and wants the same. Then compares
 * the text. */
static void expect_written(void (*write)(struct http1_writer *, const void *), const void *arg,
                           const char *wanted)
{
    const size_t count = strlen(wanted);
    for (size_t room = 0; room <= count + 1; room++) {
        uint8_t *bytes = malloc(room + 1);
        bytes[room] = 0xa5;
        struct http1_writer w = {.at = bytes, .end = bytes + room};
        write(&w, arg);
        cr_expect_eq(w.wanted, count, "wanted %zu, not %zu", w.wanted, count);
        cr_expect_eq(w.full, room < count);
        cr_expect_eq(bytes[room], 0xa5);
        if (!w.full)
            cr_expect(w.at == bytes + count && memcmp(bytes, wanted, count) == 0,
                      "\"%.*s\" is not \"%s\"", (int)count, (const char *)bytes, wanted);
        free(bytes);
    }
}

static void write_numbers(struct http1_writer *w, const void *arg)
{
    (void)arg;
    http1_put_decimal(w, 0);
    http1_put_text(w, " ");
    http1_put_decimal(w, UINT64_MAX);
    http1_put_text(w, " ");
    http1_put_hex(w, 0);
    http1_put_text(w, " ");
    http1_put_hex(w, UINT64_C(0xfedcba9876543210));
}

Test(http1_writer, writes_numbers)
{
    expect_written(write_numbers, NULL, "0 18446744073709551615 0 fedcba9876543210");
}

static void write_answer(struct http1_writer *w, const void *arg)
{
    (void)arg;
    http1_put_status_line(w, 404);
    http1_put_status_line(w, 599);
    http1_put_field(w, HTTP_FIELD_SERVER, "pando", 5);
    http1_put_field(w, HTTP_FIELD_VIA, "", 0);
    http1_put_content_length(w, 12);
    http1_put_chunked(w);
}

Test(http1_writer, writes_status_lines_and_fields)
{
    expect_written(write_answer, NULL,
                   "HTTP/1.1 404 Not Found\r\nHTTP/1.1 599 \r\nServer: pando\r\nVia: \r\n"
                   "Content-Length: 12\r\nTransfer-Encoding: chunked\r\n");
}

static void write_chunks(struct http1_writer *w, const void *arg)
{
    http1_put_chunk_head(w, 0x1a0);
    http1_put_last_chunk(w, arg);
}

Test(http1_writer, writes_chunks_without_and_with_trailers)
{
    static const char text[] = "A: 1\r\nHost: x\r\nB:2\r\n\r\n";
    static struct http1_testing_result trailers;
    const struct http1_testing_how how = {.kind = HTTP1_TESTING_TRAILERS,
                                          .limits = &http1_testing_limits};
    expect_written(write_chunks, NULL, "1a0\r\n0\r\n\r\n");
    http1_testing_read(&how, (const uint8_t *)text, sizeof text - 1,
                       (struct http1_testing_pieces){sizeof text - 1, 1}, &trailers);
    cr_assert_eq(trailers.verdict, HTTP1_DONE);
    expect_written(write_chunks, &trailers.head, "1a0\r\n0\r\nA: 1\r\nB: 2\r\n\r\n");
    http1_testing_free(&trailers);
}

static void write_request(struct http1_writer *w, const void *arg)
{
    http1_put_request_line(w, arg);
    http1_put_host(w, arg);
    http1_put_fields(w, arg);
}

static void expect_request(const char *text, const char *wanted)
{
    static struct http1_testing_result request;
    const struct http1_testing_how how = {.kind = HTTP1_TESTING_REQUEST,
                                          .limits = &http1_testing_limits};
    http1_testing_read(&how, (const uint8_t *)text, strlen(text),
                       (struct http1_testing_pieces){strlen(text), 1}, &request);
    cr_assert_eq(request.verdict, HTTP1_DONE, "%s: %s", text,
                 http1_refusal_row(request.refusal)->name);
    expect_written(write_request, &request.head, wanted);
    http1_testing_free(&request);
}

Test(http1_writer, writes_requests_anew_and_leaves_out_what_is_for_one_hop)
{
    expect_request("GET /a?b HTTP/1.0\r\nB:  2 \r\nHost: h\r\nC: 3\r\nD: 4\r\nConnection: x\r\n"
                   "X: 5\r\nE:\t6\r\nF: 7\r\n\r\n",
                   "GET /a?b HTTP/1.1\r\nHost: h\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 6\r\nF: 7\r\n");
    expect_request("\r\nOPTIONS http://h:81 HTTP/1.1\r\nHost: H:81\r\n\r\n",
                   "OPTIONS * HTTP/1.1\r\nHost: h:81\r\n");
    expect_request("GET http://h/x HTTP/1.0\r\nA:\r\nB: \r\n\r\n",
                   "GET /x HTTP/1.1\r\nHost: h\r\nA: \r\nB: \r\n");
    expect_request("CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n",
                   "CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n");
    expect_request("PURGE / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nA: 1\r\n\r\n",
                   "PURGE / HTTP/1.1\r\nHost: h\r\nA: 1\r\n");
}

/* A head may be moved with its fields and is written the same. */
Test(http1_writer, writes_a_head_that_was_moved)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\n\r\n";
    static struct http1_testing_result request;
    const struct http1_testing_how how = {.kind = HTTP1_TESTING_REQUEST,
                                          .limits = &http1_testing_limits};
    http1_testing_read(&how, (const uint8_t *)text, sizeof text - 1,
                       (struct http1_testing_pieces){sizeof text - 1, 1}, &request);
    struct http_head head = request.head;
    struct http_field fields[2];
    char bytes[sizeof text];
    cr_assert_eq(head.fields_count, 2);
    memcpy(fields, request.fields, sizeof fields);
    memcpy(bytes, text, sizeof bytes);
    head.fields = fields;
    head.base = (const uint8_t *)bytes;
    http1_testing_free(&request);
    expect_written(write_request, &head, "GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\n");
}
