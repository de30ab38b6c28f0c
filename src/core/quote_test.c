/* SPDX-License-Identifier: Apache-2.0 */
/* core/quote_test.c - what is quoted is read again; what is not quoted rightly is refused. */
#include "core/quote.h"

#include <criterion/criterion.h>

static const char *quoted(struct bytes bytes)
{
    static char text[2048];
    FILE *out = fmemopen(text, sizeof text, "w");
    quote_write(out, bytes);
    fputc('\0', out);
    fclose(out);
    return text;
}

Test(quote, plain_bytes_stay_as_they_are)
{
    cr_expect_str_eq(quoted(bytes_of("carts:42")), "carts:42");
    cr_expect_str_eq(quoted(bytes_of("a b")), "\"a b\"");
    cr_expect_str_eq(quoted(bytes_of("")), "\"\"");
    cr_expect_str_eq(quoted(bytes_of("it's")), "\"it's\"");
    cr_expect_str_eq(quoted((struct bytes){(const uint8_t *)"\0\n\"\\\xff", 5}),
                     "\"\\x00\\n\\\"\\\\\\xff\"");
}

Test(quote, all_bytes_are_read_as_they_were_written)
{
    uint8_t all[256], back[2048];
    size_t count;
    for (unsigned i = 0; i < sizeof all; i++)
        all[i] = (uint8_t)i;
    cr_assert(quote_read(quoted((struct bytes){all, sizeof all}), back, &count));
    cr_expect(count == sizeof all && memcmp(all, back, count) == 0);
    for (unsigned i = 0; i < sizeof all; i++) {
        cr_assert(quote_read(quoted((struct bytes){&all[i], 1}), back, &count));
        cr_expect(count == 1 && back[0] == i, "%u", i);
    }
    cr_assert(quote_read("\"\\xAb\"", back, &count));
    cr_expect(count == 1 && back[0] == 0xab);
    cr_assert(quote_read("a\"b\\n", back, &count));
    cr_expect(count == 5, "what does not begin with a quote is as it is");
}

Test(quote, what_is_not_quoted_rightly_is_refused)
{
    static const char *const wrong[] = {"\"",        "\"a",     "\"a\"b", "\"\\\"", "\"\\x1\"",
                                        "\"\\xg0\"", "\"\\q\"", "\"\\x",  "\"\\"};
    uint8_t back[16];
    size_t count;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        cr_expect(!quote_read(wrong[i], back, &count), "%s", wrong[i]);
}
