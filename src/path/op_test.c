/* SPDX-License-Identifier: Apache-2.0 */
/* path/op_test.c - what travels up an op's frames, and what an op holds. */
#include "path/op.h"

#include "core/mem.h"
#include "path/path_testing.h"

#include <criterion/criterion.h>
#include <signal.h>

static struct bench bench;
static char heard[64]; /* letters, in order: a answered, f finished, i interim */

/* A stage's frame that notes what it sees. */
struct listening {
    struct frame frame; /* first */
    char         name;
    bool         swallows;
};

static void note(char name, char what)
{
    const size_t length = strlen(heard);
    heard[length] = name;
    heard[length + 1] = what;
}

static void interim(struct frame *self, struct op *op)
{
    note(((struct listening *)(void *)self)->name, 'i');
    op_interim_above(self, op);
}

static void answered(struct frame *self, struct op *op)
{
    const struct listening *listening = (struct listening *)(void *)self;
    note(listening->name, 'a');
    if (!listening->swallows)
        op_answer_above(self, op);
}

static void finished(struct frame *self, struct op *op, enum outcome outcome)
{
    cr_assert(op->top != self, "it is off the op already");
    note(((struct listening *)(void *)self)->name, 'f');
    op_finish(op, outcome);
}

static struct listening listening_of(char name)
{
    return (struct listening){
        .frame = {.interim = interim, .answered = answered, .finished = finished}, .name = name};
}

static struct op *open_op(void)
{
    bench_init(&bench, 1);
    memset(heard, 0, sizeof heard);
    return bench_op(&bench, HTTP_METHOD_GET);
}

Test(op, everything_comes_up_from_the_lowest)
{
    struct op *op = open_op();
    struct listening high = listening_of('H'), low = listening_of('L');
    op_push(op, &high.frame);
    op_push(op, &low.frame);
    op_interim(op);
    op_interim(op);
    op_answer(op);
    op_finish(op, OUTCOME_DONE);
    cr_expect_str_eq(heard, "LiHiLiHiLaHaLfHf");
    cr_expect(bench.seen.interims_count == 2 && bench.seen.answers_count == 1);
    cr_expect(bench.seen.finished_count == 1 && bench.seen.outcome == OUTCOME_DONE);
    bench_fini(&bench);
}

Test(op, a_frame_without_callbacks_is_passed_over)
{
    struct op *op = open_op();
    struct frame deaf = {0};
    op_push(op, &deaf);
    op_interim(op);
    op_answer(op);
    op_finish(op, OUTCOME_FAILED);
    cr_expect(bench.seen.interims_count == 1 && bench.seen.answers_count == 1);
    cr_expect(bench.seen.outcome == OUTCOME_FAILED);
    bench_fini(&bench);
}

/* As guard does: the first answer goes no further, the second does. */
Test(op, a_swallowed_answer_may_be_followed_by_another)
{
    struct op *op = open_op();
    struct listening guard = listening_of('G');
    guard.swallows = true;
    op_push(op, &guard.frame);
    op->answer = (struct answer){.error = ERR_CONNECT_REFUSED, .detail = "why", .status = 599};
    op_answer(op);
    cr_expect(bench.seen.answers_count == 0 && op->answered && op->answered_ns == bench.now_ns);
    op_reset_for_retry(op);
    cr_expect(!op->answered && op->answered_ns == 0 && op->retries_count == 1);
    cr_expect(op->answer.error == ERR_NONE && op->answer.detail == NULL && op->answer.status == 0);
    guard.swallows = false;
    op_answer(op);
    op_finish(op, OUTCOME_DONE);
    cr_expect(bench.seen.answers_count == 1);
    bench_fini(&bench);
}

Test(op, a_refusal_is_answer_and_end)
{
    struct op *op = open_op();
    op_refuse(op, ERR_NO_ROUTE, "static text");
    cr_expect(bench.seen.error == ERR_NO_ROUTE && bench.seen.outcome == OUTCOME_FAILED);
    cr_expect_str_eq(bench.seen.detail, "static text");
    bench_fini(&bench);
}

/* Once the head is gone, an error can only be told by the body's end. */
Test(op, a_refusal_after_the_answer_breaks_the_body_off)
{
    struct op *op = open_op();
    bench.keep_ops = true;
    op_answer(op);
    op_refuse(op, ERR_TARGET_INCOMPLETE, NULL);
    cr_expect(bench.seen.answers_count == 1 && bench.seen.finished_count == 1);
    cr_expect(op->answer_body.ended && op->answer_body.error == ERR_TARGET_INCOMPLETE);
    op_free(op);
    bench_fini(&bench);
}

Test(op, a_refusal_after_the_whole_body_leaves_it_whole)
{
    struct op *op = open_op();
    bench.keep_ops = true;
    op_answer(op);
    pipe_end(&op->answer_body, ERR_NONE);
    op_refuse(op, ERR_TARGET_CLOSED, NULL);
    cr_expect(op->answer_body.error == ERR_NONE && bench.seen.finished_count == 1);
    op_free(op);
    bench_fini(&bench);
}

Test(op, a_second_answer_is_a_bug, .signal = SIGABRT)
{
    struct op *op = open_op();
    op_answer(op);
    op_answer(op);
}

Test(op, an_interim_after_the_answer_is_a_bug, .signal = SIGABRT)
{
    struct op *op = open_op();
    op_answer(op);
    op_interim(op);
}

/* A room that swallowed it may; what came of its body is gone. */
Test(op, a_good_answer_can_be_made_fresh_too)
{
    struct op *op = open_op();
    const uint32_t room = op->answer_body.bytes_max;
    op->answer.head.status = 500;
    op_answer(op);
    cr_assert(pipe_put(&op->answer_body, (struct slice){.at = (const uint8_t *)"x", .bytes = 1}));
    pipe_end(&op->answer_body, ERR_NONE);
    op_reset_for_retry(op);
    cr_expect(!op->answered && op->answer.head.status == 0 && op->retries_count == 1);
    cr_expect(op->answer_body.bytes == 0 && !op->answer_body.ended);
    cr_expect(op->answer_body.bytes_max == room);
    op_free(op);
}

static unsigned cancels_count;

static void count_cancel(struct op *op)
{
    (void)op;
    cancels_count++;
}

Test(op, a_cancel_is_heard_once)
{
    struct op *op = open_op();
    op->on_cancel = count_cancel;
    op_cancel(op);
    op_cancel(op);
    cr_expect(cancels_count == 1 && op->cancelled);
    op_refuse(op, ERR_CANCELLED, NULL);
    cr_expect(bench.seen.outcome == OUTCOME_CANCELLED);
    bench_fini(&bench);
}

Test(op, nobody_is_asked_to_hurry_what_has_finished)
{
    struct op *op = open_op();
    bench.keep_ops = true;
    op->on_cancel = count_cancel;
    op_refuse(op, ERR_LIMIT, NULL);
    op_cancel(op);
    cr_expect(cancels_count == 0);
    op_free(op);
    bench_fini(&bench);
}

Test(op, holds_the_target_that_was_picked_last)
{
    struct op *op = open_op();
    op_hold_target(op, &bench.targets[0]);
    op_hold_target(op, &bench.targets[0]);
    cr_expect(bench.targets[0].refs_count == 1);
    op_hold_target(op, &bench.targets[1]);
    cr_expect(bench.targets[0].refs_count == 0 && bench.targets[1].refs_count == 1);
    op->target = NULL; /* none was left; the reference stays until the end */
    op_free(op);
    bench_fini(&bench);
}

static unsigned released_count;

static void released(struct buf *buf)
{
    (void)buf;
    released_count++;
}

Test(op, gives_back_what_is_in_its_pipes)
{
    struct op *op = open_op();
    struct buf buf = {.refs_count = 2, .released = released};
    struct pipe *body = op_open_request_body(op, 100);
    cr_assert(body != NULL && op->request_body == body && pipe_room(body) == 50);
    const struct slice slice = {.buf = &buf, .at = (const uint8_t *)"x", .bytes = 1};
    cr_assert(pipe_put(body, slice) && pipe_put(&op->answer_body, slice));
    op_free(op);
    cr_expect(released_count == 1);
    bench_fini(&bench);
}

Test(op, a_child_shares_the_request_and_may_outlive_the_first)
{
    struct op *op = open_op();
    struct request *request = op->request;
    struct op *child = op_new_child(&bench.worker, request, 10);
    cr_assert(child != NULL && child->request == request && child->answer_body.bytes_max == 5);
    op_free(op);
    cr_expect(bench.worker.requests.taken_count == 1);
    cr_expect(child->request->head.method == HTTP_METHOD_GET);
    op_free(child);
    bench_fini(&bench);
}

Test(op, without_memory_there_is_none_and_nothing_leaks)
{
    struct op *op = open_op();
    bench.worker.ops.taken_max = 1;
    cr_expect(op_new(&bench.worker, 1) == NULL);
    cr_expect(op_new_child(&bench.worker, op->request, 1) == NULL);
    bench.worker.ops.taken_max = 2;
    bench.worker.requests.taken_max = 1;
    cr_expect(op_new(&bench.worker, 1) == NULL);
    op_free(op);
    bench_fini(&bench);
}

/* A head that was read lies in a buffer that will be used again. */
Test(op, copies_a_head_whole)
{
    struct op *op = open_op();
    char text[] = "GET / HTTP/1.1\r\nA: b\r\n\r\n";
    struct http_field field = {.name_at = 16, .name_bytes = 1, .value_at = 19, .value_bytes = 1};
    struct http_head head = {.base = (const uint8_t *)text,
                             .head_bytes = sizeof text - 1,
                             .fields = &field,
                             .fields_count = 1,
                             .fields_max = 50};
    struct http_head copy;
    cr_assert(op_copy_head(&op->arena, &copy, &head));
    memset(text, 'x', sizeof text);
    field.value_at = 0;
    cr_expect(copy.fields_count == 1 && copy.fields_max == 1 && copy.fields[0].value_at == 19);
    cr_expect(memcmp(copy.base, "GET / HTTP/1.1\r\nA: b\r\n\r\n", copy.head_bytes) == 0);

    head.head_bytes = OP_HEAP_BYTES_MAX + 1;
    cr_expect(!op_copy_head(&op->arena, &copy, &head), "the arena has a limit");
    op_free(op);
    bench_fini(&bench);
}

Test(op, a_head_beyond_the_arena_is_refused)
{
    struct op *op = open_op();
    static uint8_t bytes[OP_HEAP_BYTES_MAX + 1];
    const struct http_head from = {.base = bytes, .head_bytes = sizeof bytes};
    struct http_head copy;
    cr_expect(!op_copy_head(&op->arena, &copy, &from));
    op_refuse(op, ERR_MEMORY, NULL);
    bench_fini(&bench);
}

Test(target, states_have_words)
{
    cr_expect_str_eq(target_state_word(TARGET_UP), "up");
    cr_expect_str_eq(target_state_word(TARGET_GONE), "gone");
}

Test(target, a_row_counts)
{
    static _Atomic uint64_t counter;
    row_add(&counter, 2);
    row_add(&counter, 3);
    cr_expect(counter == 5);
}
