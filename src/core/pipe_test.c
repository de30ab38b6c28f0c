/* SPDX-License-Identifier: Apache-2.0 */
/* core/pipe_test.c - order, bounds, callbacks, and either side leaving first. */
#include "core/pipe.h"

#include "core/random.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

/* Counts what a side is told; may act on it. */
struct side {
    int calls;
    void (*act)(struct pipe *pipe);
};

static int live_count; /* buffers that are not released */

static void note_release(struct buf *buf)
{
    (void)buf;
    live_count--;
}

static void on_call(void *self, struct pipe *pipe)
{
    struct side *side = self;
    side->calls++;
    if (side->act != NULL)
        side->act(pipe);
}

static struct pipe open_pipe(uint32_t bytes_max, struct side *reader, struct side *writer)
{
    return (struct pipe){
        .bytes_max = bytes_max,
        .readable = {.call = on_call, .self = reader},
        .writable = {.call = on_call, .self = writer},
    };
}

/* A slice of @buf, which is made to be counted. */
static struct slice slice_of(struct buf *buf, uint32_t bytes)
{
    static const uint8_t payload[100000];
    *buf = (struct buf){.refs_count = 1, .released = note_release};
    live_count++;
    return (struct slice){.buf = buf, .at = payload, .bytes = bytes};
}

static bool put(struct pipe *pipe, struct buf *buf, uint32_t bytes)
{
    return pipe_put(pipe, slice_of(buf, bytes));
}

static void take(struct pipe *pipe)
{
    buf_unref(pipe_take(pipe).buf);
}

Test(pipe, gives_slices_in_order_and_then_is_drained)
{
    struct side reader = {0}, writer = {0};
    struct pipe pipe = open_pipe(1000, &reader, &writer);
    struct buf bufs[3];
    for (uint32_t i = 0; i < 3; i++)
        cr_assert(put(&pipe, &bufs[i], i + 1));
    pipe_end(&pipe, ERR_NONE);
    cr_expect(reader.calls == 4);
    cr_expect(!pipe_is_drained(&pipe));
    for (uint32_t i = 0; i < 3; i++) {
        cr_expect(pipe_peek(&pipe)->buf == &bufs[i]);
        const struct slice slice = pipe_take(&pipe);
        cr_expect(slice.buf == &bufs[i] && slice.bytes == i + 1);
        buf_unref(slice.buf);
    }
    cr_expect(pipe_peek(&pipe) == NULL);
    cr_expect(pipe_is_drained(&pipe) && pipe.error == ERR_NONE);
    cr_expect(pipe.bytes_total == 6 && pipe.bytes == 0 && live_count == 0);
}

Test(pipe, has_no_room_when_full_of_bytes)
{
    struct side reader = {0}, writer = {0};
    struct pipe pipe = open_pipe(100, &reader, &writer);
    struct buf bufs[2];
    cr_assert(put(&pipe, &bufs[0], 60));
    cr_expect(pipe_room(&pipe) == 40);
    cr_expect(put(&pipe, &bufs[1], 60), "a received buffer is not split by the limit");
    cr_expect(pipe_room(&pipe) == 0);
    pipe_fini(&pipe);
    cr_expect(live_count == 0);
}

Test(pipe, has_no_room_when_full_of_slices)
{
    struct side reader = {0}, writer = {0};
    struct pipe pipe = open_pipe(100000, &reader, &writer);
    struct buf bufs[PIPE_SLICES_MAX + 1];
    for (int i = 0; i < PIPE_SLICES_MAX; i++)
        cr_assert(put(&pipe, &bufs[i], 1));
    cr_expect(pipe_room(&pipe) == 0);
    cr_expect(!put(&pipe, &bufs[PIPE_SLICES_MAX], 1));
    buf_unref(&bufs[PIPE_SLICES_MAX]); /* a refused slice stays with the caller */
    pipe_fini(&pipe);
    cr_expect(live_count == 0);
}

Test(pipe, the_writer_is_called_once_when_half_is_free)
{
    struct side reader = {0}, writer = {0};
    struct pipe pipe = open_pipe(100, &reader, &writer);
    struct buf bufs[4];
    for (int i = 0; i < 4; i++)
        cr_assert(put(&pipe, &bufs[i], 25));
    pipe_wait_for_room(&pipe);
    take(&pipe);
    cr_expect(writer.calls == 0);
    take(&pipe);
    cr_expect(writer.calls == 1 && pipe_room(&pipe) == 50);
    take(&pipe);
    take(&pipe);
    cr_expect(writer.calls == 1);
}

Test(pipe, many_small_slices_wait_for_half_of_the_places)
{
    struct side reader = {0}, writer = {0};
    struct pipe pipe = open_pipe(100000, &reader, &writer);
    struct buf bufs[PIPE_SLICES_MAX];
    for (int i = 0; i < PIPE_SLICES_MAX; i++)
        cr_assert(put(&pipe, &bufs[i], 1));
    pipe_wait_for_room(&pipe);
    for (int i = 0; i < PIPE_SLICES_MAX / 2 - 1; i++)
        take(&pipe);
    cr_expect(writer.calls == 0);
    take(&pipe);
    cr_expect(writer.calls == 1);
    pipe_fini(&pipe);
}

Test(pipe, a_writer_that_does_not_wait_is_not_called)
{
    struct side reader = {0}, writer = {0};
    struct pipe pipe = open_pipe(10, &reader, &writer);
    struct buf buf;
    cr_assert(put(&pipe, &buf, 10));
    take(&pipe);
    cr_expect(writer.calls == 0);
}

/* As a relay does with what it is given. */
static void pass_on(struct pipe *from, struct pipe *to, struct buf *buf, uint32_t bytes)
{
    cr_assert(put(from, buf, bytes));
    pipe_move(from, to);
    pipe_follow(from, to);
}

Test(pipe, two_in_a_row_hold_what_one_may)
{
    struct side mover = {0}, reader = {0}, writer = {0}, between = {0};
    struct pipe from = open_pipe(100, &mover, &writer), to = open_pipe(100, &reader, &between);
    struct buf bufs[5];
    for (int i = 0; i < 3; i++)
        pass_on(&from, &to, &bufs[i], 25);
    cr_expect(to.bytes == 75 && from.bytes == 0 && pipe_room(&from) == 25);
    pass_on(&from, &to, &bufs[3], 30);
    cr_expect(pipe_room(&from) == 0 && pipe_room(&to) == 0);
    pipe_wait_for_room(&from);
    take(&to);
    take(&to);
    pipe_follow(&from, &to);
    cr_expect(between.calls == 0 && writer.calls == 0); /* 55 bytes of 100 are there */
    take(&to);
    cr_expect(between.calls == 1);
    pipe_follow(&from, &to);
    cr_expect(writer.calls == 1 && pipe_room(&from) == 70);
    pipe_follow(&from, &to);
    cr_expect(writer.calls == 1);
    pipe_break(&to);
    cr_assert(put(&from, &bufs[4], 10));
    pipe_move(&from, &to);
    cr_expect(from.count == 0 && live_count == 0);
}

/* A larger pipe ahead: its writer is called while it holds more than half of what the first may. */
Test(pipe, a_small_one_before_a_large_one_goes_on)
{
    struct side mover = {0}, reader = {0}, writer = {0}, between = {0};
    struct pipe from = open_pipe(40, &mover, &writer), to = open_pipe(100, &reader, &between);
    struct buf bufs[2];
    for (int i = 0; i < 2; i++)
        pass_on(&from, &to, &bufs[i], 30);
    pipe_wait_for_room(&from);
    for (int calls = 0; to.count > 0;) {
        take(&to);
        if (between.calls > calls) {
            calls = between.calls;
            pipe_follow(&from, &to);
        }
    }
    cr_expect(writer.calls == 1 && pipe_room(&from) == 40 && live_count == 0);
}

Test(pipe, breaking_drops_everything_and_tells_the_writer_once)
{
    struct side reader = {0}, writer = {0};
    struct pipe pipe = open_pipe(1000, &reader, &writer);
    struct buf bufs[3];
    cr_assert(put(&pipe, &bufs[0], 1) && put(&pipe, &bufs[1], 1));
    pipe_break(&pipe);
    pipe_break(&pipe);
    cr_expect(live_count == 0 && pipe.bytes == 0);
    cr_expect(writer.calls == 1 && pipe_room(&pipe) == 0);
    cr_expect(!put(&pipe, &bufs[2], 1));
    const int calls = reader.calls;
    pipe_end(&pipe, ERR_NONE);
    cr_expect(reader.calls == calls, "nobody reads any more");
}

Test(pipe, the_reader_learns_why_the_rest_never_comes)
{
    struct side reader = {0}, writer = {0};
    struct pipe pipe = open_pipe(1000, &reader, &writer);
    struct buf buf;
    cr_assert(put(&pipe, &buf, 1));
    pipe_end(&pipe, ERR_TARGET_INCOMPLETE);
    cr_expect(reader.calls == 2 && pipe.error == ERR_TARGET_INCOMPLETE);
    cr_expect(!pipe_is_drained(&pipe), "what came before may still be taken");
    take(&pipe);
    cr_expect(pipe_is_drained(&pipe));
}

Test(pipe, an_end_after_the_end_is_a_bug, .signal = SIGABRT)
{
    struct pipe pipe = {.bytes_max = 1};
    pipe_end(&pipe, ERR_NONE);
    pipe_end(&pipe, ERR_NONE);
}

static void take_all(struct pipe *pipe)
{
    while (pipe_peek(pipe) != NULL)
        take(pipe);
}

static struct buf refill[64];
static unsigned refilled;

static void put_more(struct pipe *pipe)
{
    while (pipe_room(pipe) > 0 && refilled < 64)
        cr_assert(put(pipe, &refill[refilled++], 30));
    pipe_wait_for_room(pipe);
}

/* The reader takes inside `readable`, the writer puts inside `writable`: neither loses a slice. */
Test(pipe, callbacks_may_call_back)
{
    struct side reader = {.act = take_all}, writer = {.act = put_more};
    struct pipe pipe = open_pipe(100, &reader, &writer);
    put_more(&pipe);
    cr_expect(pipe.count == 0 && refilled == 64 && live_count == 0);
    cr_expect(pipe.bytes_total == 64 * 30);
}

Test(pipe, fini_drops_slices_and_forgets_callbacks)
{
    struct side reader = {0}, writer = {0};
    struct pipe pipe = open_pipe(100, &reader, &writer);
    struct buf buf;
    cr_assert(put(&pipe, &buf, 1));
    pipe_fini(&pipe);
    cr_expect(live_count == 0 && writer.calls == 0);
    pipe_end(&pipe, ERR_NONE);
    cr_expect(reader.calls == 1);
    pipe_fini(&pipe);
}

/* Random puts and takes against a plain queue. */
Test(pipe, is_a_queue)
{
    enum { BUFS = 256 };
    static struct buf bufs[BUFS];
    struct side reader = {0}, writer = {0};
    struct pipe pipe = open_pipe(1000, &reader, &writer);
    struct random random;
    uint32_t put_count = 0, taken_count = 0;
    random_init(&random, 3);
    for (int step = 0; step < 20000; step++) {
        if (random_below(random_next(&random), 2) == 0 && pipe_room(&pipe) > 0) {
            cr_assert(put(&pipe, &bufs[put_count % BUFS], 1 + put_count % 200));
            put_count++;
        } else if (pipe_peek(&pipe) != NULL) {
            const struct slice slice = pipe_take(&pipe);
            cr_assert(slice.buf == &bufs[taken_count % BUFS]);
            cr_assert(slice.bytes == 1 + taken_count % 200);
            buf_unref(slice.buf);
            taken_count++;
        }
        cr_assert(pipe.count == put_count - taken_count && live_count == pipe.count);
    }
    pipe_fini(&pipe);
}

/* --- what was taken is taken again ------------------------------------------------------------ */

static struct pipe_log taken;

static struct pipe keeping(uint32_t bytes_max)
{
    struct pipe pipe = {.bytes_max = 1000};
    pipe_keep(&pipe, &taken, bytes_max);
    return pipe;
}

/* Puts each letter as a slice of its own. */
static void put_letters(struct pipe *pipe, const char *letters)
{
    for (; *letters != '\0'; letters++)
        cr_assert(pipe_put(pipe, (struct slice){buf_new_copy(letters, 1), NULL, 1}));
}

static void take_letters(struct pipe *pipe, const char *letters)
{
    for (; *letters != '\0'; letters++) {
        cr_assert(pipe->count > 0, "no '%c'", *letters);
        const struct slice slice = pipe_take(pipe);
        cr_expect(*(const char *)slice.buf->data == *letters, "'%c' instead of '%c'",
                  *(const char *)slice.buf->data, *letters);
        buf_unref(slice.buf);
    }
}

Test(pipe_log, all_is_taken_once_more_in_its_order)
{
    struct pipe pipe = keeping(100);
    put_letters(&pipe, "abcd");
    take_letters(&pipe, "ab");
    cr_assert(pipe_can_rewind(&pipe));
    pipe_rewind(&pipe);
    cr_expect(pipe.bytes == 4 && pipe.bytes_total == 4);
    take_letters(&pipe, "abc");
    put_letters(&pipe, "e");
    pipe_rewind(&pipe);
    take_letters(&pipe, "abcde");
    pipe_fini(&pipe);
}

/* More than the ring holds: the writer waits until the repetition has caught up. */
Test(pipe_log, a_long_repetition_keeps_the_writer_out)
{
    struct pipe pipe = keeping(100);
    for (int i = 0; i < 3; i++) {
        put_letters(&pipe, "abcdefghij");
        take_letters(&pipe, "abcdefghij");
    }
    put_letters(&pipe, "kl");
    pipe_rewind(&pipe);
    for (int i = 0; i < 16; i++) {
        cr_expect(pipe_room(&pipe) == 0 && !pipe_log_is_read(&taken));
        buf_unref(pipe_take(&pipe).buf);
    }
    cr_expect(pipe_log_is_read(&taken));
    take_letters(&pipe, "ghijabcdefghijkl");
    pipe_end(&pipe, ERR_NONE);
    cr_expect(pipe_is_drained(&pipe) && pipe_can_rewind(&pipe));
    pipe_rewind(&pipe);
    cr_expect(!pipe_is_drained(&pipe));
    pipe_fini(&pipe);
}

Test(pipe_log, more_than_the_limit_is_lost)
{
    struct pipe pipe = keeping(3);
    put_letters(&pipe, "abcd");
    take_letters(&pipe, "abc");
    cr_expect(pipe_can_rewind(&pipe));
    take_letters(&pipe, "d");
    cr_expect(!pipe_can_rewind(&pipe) && taken.count == 0);
    pipe_fini(&pipe);
}

Test(pipe_log, too_many_pieces_are_lost)
{
    struct pipe pipe = keeping(1000);
    for (int i = 0; i < PIPE_LOG_SLICES_MAX; i++) {
        put_letters(&pipe, "a");
        take_letters(&pipe, "a");
    }
    cr_expect(pipe_can_rewind(&pipe));
    put_letters(&pipe, "a");
    cr_expect(!pipe_can_rewind(&pipe));
    take_letters(&pipe, "a");
    cr_expect(!pipe_can_rewind(&pipe));
    pipe_fini(&pipe);
}

/* Pieces that follow one another in the same buffer are one. */
Test(pipe_log, neighbours_count_as_one)
{
    struct pipe pipe = keeping(1000);
    struct buf *buf = buf_new_copy("abcdef", 6);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert(pipe_put(&pipe, (struct slice){buf_ref(buf), buf->data + 2 * i, 2}));
        buf_unref(pipe_take(&pipe).buf);
    }
    cr_expect(taken.count == 1 && taken.at[0].bytes == 6);
    pipe_forget(&pipe);
    cr_expect(buf->refs_count == 1);
    buf_unref(buf);
    pipe_fini(&pipe);
}

/* The reader left before its time: a whole body is still all there, half a one is not. */
Test(pipe_log, a_broken_pipe_is_whole_if_its_body_was)
{
    struct pipe pipe = keeping(100);
    put_letters(&pipe, "abc");
    take_letters(&pipe, "a");
    pipe_end(&pipe, ERR_NONE);
    pipe_break(&pipe);
    cr_assert(pipe_can_rewind(&pipe));
    pipe_rewind(&pipe);
    take_letters(&pipe, "abc");
    cr_expect(pipe_is_drained(&pipe) && !pipe.broken);
    pipe_fini(&pipe);
    pipe = keeping(100);
    put_letters(&pipe, "abc");
    pipe_break(&pipe);
    cr_expect(!pipe_can_rewind(&pipe));
    pipe_fini(&pipe);
}

Test(pipe_log, half_a_body_is_not_repeated)
{
    struct pipe pipe = keeping(100);
    put_letters(&pipe, "abc");
    pipe_end(&pipe, ERR_CANCELLED);
    cr_expect(!pipe_can_rewind(&pipe));
    pipe_fini(&pipe);
}
