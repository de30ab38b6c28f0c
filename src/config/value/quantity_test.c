/* SPDX-License-Identifier: Apache-2.0 */
/* config/value/quantity_test.c - durations and sizes are read with units, and written back. */
#include "config/value/quantity.h"

#include <criterion/criterion.h>
#include <string.h>

static void expect_ns(const char *text, uint64_t ns)
{
    uint64_t got;
    cr_expect(config_duration_read(text, &got) == CONFIG_QUANTITY_GOOD, "%s", text);
    cr_expect(got == ns, "%s is %lu ns", text, (unsigned long)got);
}

Test(quantity, durations_are_nanoseconds)
{
    expect_ns("0s", 0);
    expect_ns("7ns", 7);
    expect_ns("250ms", 250000000);
    expect_ns("10s", 10000000000);
    expect_ns("1m30s", 90000000000);
    expect_ns("1d2h3m4s5ms6us7ns", 93784005006007);
    expect_ns("18446744073709551615ns", UINT64_MAX);
}

Test(quantity, a_bad_duration_says_why)
{
    static const struct {
        const char *text;
        enum config_quantity_verdict verdict;
    } rows[] = {
        {"", CONFIG_QUANTITY_BAD},
        {"s", CONFIG_QUANTITY_BAD},
        {"-1s", CONFIG_QUANTITY_BAD},
        {"1.5s", CONFIG_QUANTITY_BAD},
        {"60", CONFIG_QUANTITY_NO_UNIT},
        {"1m30", CONFIG_QUANTITY_NO_UNIT},
        {"10 s", CONFIG_QUANTITY_BAD_UNIT},
        {"10S", CONFIG_QUANTITY_BAD_UNIT},
        {"10sec", CONFIG_QUANTITY_BAD_UNIT},
        {"30s1m", CONFIG_QUANTITY_BAD_UNIT},
        {"1s1s", CONFIG_QUANTITY_BAD_UNIT},
        {"300000d", CONFIG_QUANTITY_HUGE},
        {"18446744073709551616ns", CONFIG_QUANTITY_HUGE},
        {"213503d86400s", CONFIG_QUANTITY_HUGE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t ns;
        cr_expect(config_duration_read(rows[i].text, &ns) == rows[i].verdict, "%s", rows[i].text);
    }
}

Test(quantity, sizes_are_bytes_in_powers_of_two)
{
    uint64_t bytes;
    cr_expect(config_size_read("64KiB", &bytes) == CONFIG_QUANTITY_GOOD && bytes == 65536);
    cr_expect(config_size_read("1TiB", &bytes) == CONFIG_QUANTITY_GOOD && bytes == 1ull << 40);
    cr_expect(config_size_read("64KB", &bytes) == CONFIG_QUANTITY_BAD_UNIT);
    cr_expect(config_size_read("64", &bytes) == CONFIG_QUANTITY_NO_UNIT);
    cr_expect(config_size_read("1MiB1KiB", &bytes) == CONFIG_QUANTITY_BAD);
    cr_expect(config_size_read("16777216TiB", &bytes) == CONFIG_QUANTITY_HUGE);
}

Test(quantity, what_is_written_is_exact_and_in_the_largest_unit)
{
    char text[CONFIG_QUANTITY_BYTES];
    cr_expect_str_eq(config_duration_write(0, text), "0s");
    cr_expect_str_eq(config_duration_write(90000000000, text), "90s");
    cr_expect_str_eq(config_duration_write(60000000000, text), "1m");
    cr_expect_str_eq(config_duration_write(1, text), "1ns");
    cr_expect_str_eq(config_duration_write(UINT64_MAX, text), "18446744073709551615ns");
    cr_expect_str_eq(config_size_write(0, text), "0B");
    cr_expect_str_eq(config_size_write(65536, text), "64KiB");
    cr_expect_str_eq(config_size_write(65537, text), "65537B");
}
