/* SPDX-License-Identifier: Apache-2.0 */
/* core/buf_test.c - the last reference, and only the last, gives a buffer back. */
#include "core/buf.h"

#include "core/mem.h"

#include <criterion/criterion.h>
#include <string.h>

static int released_count;

static void note(struct buf *buf)
{
    (void)buf;
    released_count++;
}

Test(buf, the_last_reference_releases_it)
{
    struct buf buf = {.refs_count = 1, .released = note};
    cr_expect(buf_ref(&buf) == &buf);
    buf_unref(&buf);
    cr_expect(released_count == 0);
    buf_unref(&buf);
    cr_expect(released_count == 1);
    buf_unref(NULL);
}

Test(buf, a_copy_holds_the_bytes)
{
    char text[] = "bytes";
    struct buf *buf = buf_new_copy(text, sizeof text);
    cr_assert(buf != NULL);
    text[0] = 'x';
    cr_expect_str_eq((const char *)buf->data, "bytes");
    cr_expect(buf->used_bytes == sizeof text && buf->capacity == sizeof text);
    buf_unref(buf);
}

Test(buf, a_new_one_may_be_filled_to_its_capacity)
{
    struct buf *buf = buf_new(1000);
    cr_assert(buf != NULL);
    cr_expect(buf->capacity == 1000 && buf->used_bytes == 0 && buf->refs_count == 1);
    memset(buf->data, 0xff, buf->capacity);
    buf_unref(buf);
}

#ifdef PANDO_FAULTS
Test(buf, without_memory_there_is_none)
{
    fault_fail_nth(FAULT_ALLOCATION, 1);
    cr_expect(buf_new(10) == NULL);
    fault_fail_nth(FAULT_ALLOCATION, 1);
    cr_expect(buf_new_copy("x", 1) == NULL);
}
#endif
