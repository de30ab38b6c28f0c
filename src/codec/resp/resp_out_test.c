/* SPDX-License-Identifier: Apache-2.0 */
/* codec/resp/resp_out_test.c - every kind of answer in both versions, growing, and the bound. */
#include "codec/resp/resp_out.h"

#include <criterion/criterion.h>
#include <math.h>

static struct resp_out outs[2]; /* versions 2 and 3 side by side */

static void begin(void)
{
    resp_out_init(&outs[0], 2, 0, NULL);
    resp_out_init(&outs[1], 3, 0, NULL);
}

static void end(void)
{
    resp_out_fini(&outs[0]);
    resp_out_fini(&outs[1]);
}

TestSuite(resp_out, .init = begin, .fini = end);

/* What was written since is @text; forgets it. */
static bool wrote(struct resp_out *out, const char *text)
{
    const struct bytes written = {out->buf == NULL ? NULL : out->buf->data, out->used};
    const bool is_it = !out->failed && bytes_equal(written, bytes_of(text));
    resp_out_rewind(out, 0);
    return is_it;
}

#define EXPECT_BOTH(call, of_2, of_3)                                                              \
    do {                                                                                           \
        for (int i = 0; i < 2; i++) {                                                              \
            struct resp_out *out = &outs[i];                                                       \
            call;                                                                                  \
            cr_expect(wrote(out, i == 0 ? (of_2) : (of_3)), #call " of version %d", i + 2);        \
        }                                                                                          \
    } while (0)

Test(resp_out, writes_what_is_the_same_in_both_versions)
{
    EXPECT_BOTH(resp_simple(out, "OK"), "+OK\r\n", "+OK\r\n");
    EXPECT_BOTH(resp_error(out, "ERR no"), "-ERR no\r\n", "-ERR no\r\n");
    EXPECT_BOTH(resp_integer(out, 7), ":7\r\n", ":7\r\n");
    EXPECT_BOTH(resp_integer(out, INT64_MIN), ":-9223372036854775808\r\n",
                ":-9223372036854775808\r\n");
    EXPECT_BOTH(resp_bulk_text(out, "hello"), "$5\r\nhello\r\n", "$5\r\nhello\r\n");
    EXPECT_BOTH(resp_bulk(out, (struct bytes){NULL, 0}), "$0\r\n\r\n", "$0\r\n\r\n");
    EXPECT_BOTH(resp_bulk_integer(out, -12), "$3\r\n-12\r\n", "$3\r\n-12\r\n");
    EXPECT_BOTH(resp_array(out, 12), "*12\r\n", "*12\r\n");
}

Test(resp_out, decides_what_differs)
{
    EXPECT_BOTH(resp_null(out), "$-1\r\n", "_\r\n");
    EXPECT_BOTH(resp_null_array(out), "*-1\r\n", "_\r\n");
    EXPECT_BOTH(resp_double(out, 1.5), "$3\r\n1.5\r\n", ",1.5\r\n");
    EXPECT_BOTH(resp_double(out, -(double)INFINITY), "$4\r\n-inf\r\n", ",-inf\r\n");
    EXPECT_BOTH(resp_boolean(out, true), ":1\r\n", "#t\r\n");
    EXPECT_BOTH(resp_boolean(out, false), ":0\r\n", "#f\r\n");
    EXPECT_BOTH(resp_verbatim(out, bytes_of("so\r\n")), "$4\r\nso\r\n\r\n", "=8\r\ntxt:so\r\n\r\n");
    EXPECT_BOTH(resp_map(out, 3), "*6\r\n", "%3\r\n");
    EXPECT_BOTH(resp_set(out, 3), "*3\r\n", "~3\r\n");
    EXPECT_BOTH(resp_push(out, 3), "*3\r\n", ">3\r\n");
}

Test(resp_out, lets_no_line_end_into_an_error)
{
    resp_errorf(&outs[0], "ERR unknown command '%s'", "a\r\n+OK\r\n");
    cr_expect(wrote(&outs[0], "-ERR unknown command 'a  +OK  '\r\n"));
}

Test(resp_out, cuts_an_error_off_at_512)
{
    char text[1000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = 0;
    resp_errorf(&outs[0], "%s", text);
    cr_expect(outs[0].used == 1 + 512 + 2 && !outs[0].failed);
}

Test(resp_out, puts_the_head_of_an_array_before_what_was_written)
{
    resp_integer(&outs[0], 1);
    const size_t outer = resp_begin_array(&outs[0]);
    const size_t inner = resp_begin_array(&outs[0]);
    for (int i = 0; i < 10; i++)
        resp_bulk_text(&outs[0], "x");
    resp_end_array(&outs[0], inner, 10);
    resp_end_array(&outs[0], outer, 1);
    resp_end_array(&outs[0], resp_begin_array(&outs[0]), 0);
    cr_expect(wrote(&outs[0],
                    ":1\r\n*1\r\n*10\r\n$1\r\nx\r\n$1\r\nx\r\n$1\r\nx\r\n$1\r\nx\r\n$1\r\n"
                    "x\r\n$1\r\nx\r\n$1\r\nx\r\n$1\r\nx\r\n$1\r\nx\r\n$1\r\nx\r\n*0\r\n"));
}

Test(resp_out, keeps_all_while_it_grows)
{
    for (int i = 0; i < 20000; i++)
        resp_integer(&outs[0], i % 10);
    cr_expect(outs[0].used == 80000 && !outs[0].failed);
    for (size_t i = 0; i < 20000; i++)
        cr_assert(outs[0].buf->data[i * 4 + 1] == '0' + i % 10);
}

Test(resp_out, hands_on_its_buffer_and_begins_anew)
{
    struct buf *buf = buf_new(64);
    resp_out_init(&outs[0], 2, 0, buf_ref(buf));
    resp_simple(&outs[0], "OK");
    const struct slice taken = resp_out_take(&outs[0]);
    cr_expect(taken.buf == buf && taken.at == buf->data && taken.bytes == 5);
    cr_expect(outs[0].buf == NULL && outs[0].used == 0);
    resp_simple(&outs[0], "QUEUED");
    cr_expect(wrote(&outs[0], "+QUEUED\r\n"));
    cr_expect(resp_out_take(&outs[0]).buf == NULL, "nothing was written");
    buf_unref(taken.buf);
    cr_expect(buf->refs_count == 1);
    buf_unref(buf);
}

Test(resp_out, fails_at_its_bound_and_stays_failed)
{
    uint8_t bytes[200] = {0};
    resp_out_init(&outs[0], 2, 100, buf_new(4096));
    resp_raw(&outs[0], (struct bytes){bytes, 60});
    resp_bulk(&outs[0], (struct bytes){bytes, 60});
    cr_expect(outs[0].failed && outs[0].used == 60);
    resp_integer(&outs[0], 1);
    cr_expect(outs[0].used == 60);
    cr_expect(resp_out_room(&outs[0], 1) == NULL);
}

Test(resp_out, may_be_filled_up_to_its_bound)
{
    uint8_t bytes[101] = {0};
    resp_out_init(&outs[0], 2, 100, NULL);
    resp_raw(&outs[0], (struct bytes){bytes, 100});
    cr_expect(!outs[0].failed && outs[0].used == 100);
    resp_out_init(&outs[1], 2, 100, NULL);
    resp_raw(&outs[1], (struct bytes){bytes, 101});
    cr_expect(outs[1].failed && outs[1].used == 0);
}

Test(resp_out, fails_at_a_size_that_no_buffer_has)
{
    cr_expect(resp_out_room(&outs[0], SIZE_MAX) == NULL);
    cr_expect(outs[0].failed);
}
