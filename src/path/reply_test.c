/* SPDX-License-Identifier: Apache-2.0 */
/* path/reply_test.c - answers that a stage makes by itself. */
#include "path/reply.h"

#include "core/mem.h"
#include "path/path_testing.h"

#include <criterion/criterion.h>

static struct bench bench;

static void set_up(void)
{
    bench_init(&bench, 0);
    bench.keep_ops = true;
}

static void tear_down(void)
{
    bench_fini(&bench);
}

TestSuite(reply, .init = set_up, .fini = tear_down);

Test(reply, sends_head_body_and_end)
{
    struct op *op = bench_op(&bench, HTTP_METHOD_GET);
    struct reply reply;
    reply_start(&reply, op, 200);
    reply_add(&reply, HTTP_FIELD_CONTENT_TYPE, "text/plain");
    reply_add_name(&reply, "X-Thing", "one");
    reply_send_copy(&reply, "hello", 5);
    const struct http_head *head = &op->answer.head;
    cr_expect(bench.seen.answers_count == 1 && bench.seen.finished_count == 1);
    cr_expect(bench.seen.status == 200 && bench.seen.outcome == OUTCOME_DONE);
    cr_expect(head->framing == HTTP_FRAMING_LENGTH && head->content_length == 5);
    cr_assert_eq(head->fields_count, 2);
    static const char lines[] = "Content-Type: text/plain\r\nX-Thing: one\r\n";
    cr_expect_eq(head->head_bytes, sizeof lines - 1);
    cr_expect(memcmp(head->base, lines, sizeof lines - 1) == 0);
    const struct http_field *type = http_head_find(head, HTTP_FIELD_CONTENT_TYPE);
    cr_expect(memcmp(http_field_value(head, type), "text/plain", type->value_bytes) == 0);
    const struct slice body = pipe_take(&op->answer_body);
    cr_expect(body.bytes == 5 && memcmp(body.at, "hello", 5) == 0);
    cr_expect(pipe_is_drained(&op->answer_body));
    buf_unref(body.buf);
    op_free(op);
}

Test(reply, head_has_the_length_but_no_body)
{
    struct op *op = bench_op(&bench, HTTP_METHOD_HEAD);
    struct reply reply;
    reply_start(&reply, op, 200);
    reply_send_copy(&reply, "hello", 5);
    cr_expect(op->answer.head.framing == HTTP_FRAMING_NONE);
    cr_expect(op->answer.head.has_content_length && op->answer.head.content_length == 5);
    cr_expect(pipe_is_drained(&op->answer_body));
    op_free(op);
}

Test(reply, nothing_is_a_length_of_zero_but_for_204)
{
    struct op *op = bench_op(&bench, HTTP_METHOD_GET);
    struct reply reply;
    reply_start(&reply, op, 404);
    reply_send(&reply, NULL);
    cr_expect(op->answer.head.has_content_length && op->answer.head.content_length == 0);
    op_free(op);
    op = bench_op(&bench, HTTP_METHOD_GET);
    reply_start(&reply, op, 204);
    reply_send(&reply, NULL);
    cr_expect_not(op->answer.head.has_content_length);
    op_free(op);
}

Test(reply, too_much_head_is_503)
{
    struct op *op = bench_op(&bench, HTTP_METHOD_GET);
    struct reply reply;
    reply_start(&reply, op, 200);
    for (int i = 0; i <= REPLY_FIELDS_MAX; i++)
        reply_add_name(&reply, "X-Thing", "one");
    reply_send_copy(&reply, "hello", 5);
    cr_expect(bench.seen.error == ERR_MEMORY && bench.seen.finished_count == 1);
    op_free(op);
}

Test(reply, a_client_that_left_is_said)
{
    struct op *op = bench_op(&bench, HTTP_METHOD_GET);
    struct reply reply;
    op_cancel(op);
    pipe_break(&op->answer_body);
    reply_start(&reply, op, 200);
    reply_send_copy(&reply, "hello", 5);
    cr_expect(bench.seen.outcome == OUTCOME_CANCELLED);
    op_free(op);
}

Test(reply, an_open_one_goes_on)
{
    struct op *op = bench_op(&bench, HTTP_METHOD_GET);
    struct reply reply;
    reply_start(&reply, op, 200);
    cr_assert(reply_open(&reply));
    cr_expect(op->answer.head.framing == HTTP_FRAMING_CHUNKED);
    cr_expect(bench.seen.answers_count == 1 && bench.seen.finished_count == 0);
    pipe_end(&op->answer_body, ERR_NONE);
    op_finish(op, OUTCOME_DONE);
    op_free(op);
    op = bench_op(&bench, HTTP_METHOD_HEAD);
    reply_start(&reply, op, 200);
    cr_expect_not(reply_open(&reply), "to HEAD there is no more to say");
    cr_expect_eq(bench.seen.finished_count, 2);
    op_free(op);
}
