/* SPDX-License-Identifier: Apache-2.0 */
/* core/bytes_test.c - what is a number and what is not, and that what is written is read again. */
#include "core/bytes.h"

#include "core/random.h"

#include <criterion/criterion.h>
#include <math.h>

static bool reads_int64(const char *text, int64_t wanted)
{
    int64_t number = 0;
    return bytes_read_int64(bytes_of(text), &number) && number == wanted;
}

static bool refuses_int64(const char *text)
{
    int64_t number;
    return !bytes_read_int64(bytes_of(text), &number);
}

static bool reads_double(const char *text, double wanted)
{
    double number = 0;
    return bytes_read_double(bytes_of(text), &number) && number == wanted;
}

static bool refuses_double(const char *text)
{
    double number;
    return !bytes_read_double(bytes_of(text), &number);
}

static bool writes_double(double number, const char *wanted)
{
    uint8_t out[BYTES_DOUBLE_MAX];
    const struct bytes written = {out, bytes_write_double(out, number)};
    return bytes_equal(written, bytes_of(wanted));
}

Test(bytes, compares_as_unsigned_and_a_prefix_comes_first)
{
    cr_expect(bytes_compare(bytes_of("a"), bytes_of("\xff")) < 0);
    cr_expect(bytes_compare(bytes_of("ab"), bytes_of("a")) > 0);
    cr_expect(bytes_compare((struct bytes){NULL, 0}, bytes_of("")) == 0);
    cr_expect(bytes_equal((struct bytes){NULL, 0}, bytes_of("")));
}

Test(bytes, knows_a_word_in_any_case_and_whole)
{
    cr_expect(bytes_is_word(bytes_of("WithScores"), "withscores"));
    cr_expect(!bytes_is_word(bytes_of("with"), "withscores"));
    cr_expect(!bytes_is_word(bytes_of("withscores2"), "withscores"));
    cr_expect(!bytes_is_word((struct bytes){(const uint8_t *)"nx\0", 3}, "nx"));
    cr_expect(bytes_is_word((struct bytes){NULL, 0}, ""));
}

Test(bytes, reads_whole_numbers_up_to_both_ends)
{
    cr_expect(reads_int64("0", 0));
    cr_expect(reads_int64("-1", -1));
    cr_expect(reads_int64("9223372036854775807", INT64_MAX));
    cr_expect(reads_int64("-9223372036854775808", INT64_MIN));
    uint64_t number = 0;
    cr_expect(bytes_read_uint64(bytes_of("18446744073709551615"), &number));
    cr_expect(number == UINT64_MAX);
    cr_expect(!bytes_read_uint64(bytes_of("18446744073709551616"), &number));
    cr_expect(!bytes_read_uint64(bytes_of("-1"), &number));
}

Test(bytes, refuses_what_we_would_not_write)
{
    const char *const rows[] = {"",
                                "-",
                                "+1",
                                " 1",
                                "1 ",
                                "01",
                                "-0",
                                "-01",
                                "1.0",
                                "0x1",
                                "1e3",
                                "--1",
                                "a",
                                "9223372036854775808",
                                "-9223372036854775809",
                                "99999999999999999999999"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_expect(refuses_int64(rows[i]), "\"%s\"", rows[i]);
    int64_t number;
    cr_expect(!bytes_read_int64((struct bytes){(const uint8_t *)"1\0", 2}, &number));
}

Test(bytes, reads_doubles_as_redis_does)
{
    cr_expect(reads_double("3", 3));
    cr_expect(reads_double("-3.5e2", -350));
    cr_expect(reads_double("+1.5", 1.5));
    cr_expect(reads_double("0x10", 16));
    cr_expect(reads_double("inf", (double)INFINITY));
    cr_expect(reads_double("-Infinity", -(double)INFINITY));
    cr_expect(reads_double("0.1", 0.1));
    cr_expect(reads_double("-0", 0) && reads_double("007", 7));
    const char *const rows[] = {"",    " 1",    "1 ",     "nan",    "-nan", "1.2.3",
                                "abc", "1e999", "-1e999", "1e-999", "1e",   "."};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_expect(refuses_double(rows[i]), "\"%s\"", rows[i]);
}

Test(bytes, refuses_a_double_that_is_longer_than_400)
{
    uint8_t zeros[401];
    double number;
    memset(zeros, '0', sizeof zeros);
    cr_expect(bytes_read_double((struct bytes){zeros, 400}, &number));
    cr_expect(!bytes_read_double((struct bytes){zeros, 401}, &number));
}

Test(bytes, writes_doubles_as_redis_does)
{
    cr_expect(writes_double(3, "3"));
    cr_expect(writes_double(-17, "-17"));
    cr_expect(writes_double(0.1, "0.10000000000000001"));
    cr_expect(writes_double(3.5, "3.5"));
    cr_expect(writes_double(99999999999999984.0, "99999999999999984"));
    cr_expect(writes_double(1e17, "1e+17"));
    cr_expect(writes_double(-0.0, "-0"));
    cr_expect(writes_double((double)INFINITY, "inf"));
    cr_expect(writes_double(-(double)INFINITY, "-inf"));
    cr_expect(writes_double(-1.2345678901234567e-308, "-1.2345678901234567e-308"));
}

Test(bytes, reads_again_what_it_wrote)
{
    struct random random;
    random_init(&random, 5);
    for (int i = 0; i < 10000; i++) {
        uint8_t out[BYTES_DOUBLE_MAX];
        const int64_t whole = (int64_t)(random_next(&random) >> (i % 64));
        int64_t read_whole = 0;
        struct bytes text = {out, bytes_write_int64(out, whole)};
        cr_assert(text.count <= BYTES_INT64_MAX);
        cr_assert(bytes_read_int64(text, &read_whole) && read_whole == whole);
        const double broken = (double)whole / 1024.5;
        double read_broken = 0;
        text = (struct bytes){out, bytes_write_double(out, broken)};
        cr_assert(bytes_read_double(text, &read_broken) && read_broken == broken);
    }
}
