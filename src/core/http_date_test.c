/* SPDX-License-Identifier: Apache-2.0 */
/* core/http_date_test.c - dates of HTTP are read in three forms, and in no other. */
#include "core/http.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOW_S = 784111777 }; /* Sun, 06 Nov 1994 08:49:37 GMT */

/* Reads a copy at the end of a heap block, so that a sanitizer sees any read beyond it. */
static bool read_copy(const char *text, int64_t now_s, int64_t *unix_s)
{
    const size_t bytes = strlen(text);
    uint8_t *copy = malloc(bytes > 0 ? bytes : 1);
    memcpy(copy, text, bytes);
    const bool is_date = http_date_read(unix_s, copy, bytes, now_s);
    free(copy);
    return is_date;
}

Test(http_date, is_read_in_three_forms)
{
    static const struct {
        const char *text;
        int64_t unix_s;
    } rows[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", NOW_S},
        {"Sunday, 06-Nov-94 08:49:37 GMT", NOW_S},
        {"Sun Nov  6 08:49:37 1994", NOW_S},
        {"Wed Nov 16 08:49:37 1994", NOW_S + 864000},
        {"sUN, 06 nOV 1994 08:49:37 gmt", NOW_S},
        {"Mon, 06 Nov 1994 08:49:37 GMT", NOW_S}, /* the weekday is not looked at */
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Wed, 31 Dec 1969 23:59:59 GMT", -1},
        {"Tue, 29 Feb 2000 12:00:00 GMT", 951825600},
        {"Tue, 19 Jan 2038 03:14:08 GMT", INT64_C(2147483648)},
        {"Fri, 31 Dec 9999 23:59:59 GMT", INT64_C(253402300799)},
        {"Sat, 01 Jan 0000 00:00:00 GMT", INT64_C(-62167219200)},
        {"Sat, 31 Dec 2016 23:59:60 GMT", 1483228799}, /* not later than it is */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t unix_s = 7;
        cr_expect(read_copy(rows[i].text, NOW_S, &unix_s), "%s", rows[i].text);
        cr_expect_eq(unix_s, rows[i].unix_s, "%s: %ld", rows[i].text, unix_s);
    }
}

Test(http_date, is_read_in_no_other_form)
{
    static const char *const rows[] = {
        "",
        "0",
        "-1",
        "Sun",
        "Sun,",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 ",
        "Sun, 06 Nov 1994 08:49:37 GM",
        "Sun, 06 Nov 1994 08:49:37 GMTX",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun,06 Nov 1994 08:49:37 GMT",
        "Sun  06 Nov 1994 08:49:37 GMT",
        "Sun 06 Nov 1994 08:49:37 GMT",
        "Sun, 06  Nov 1994 08:49:37 GMT",
        "Sun, 06-Nov-1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, 06 Nov 1994 08.49.37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Nov 1994 08:49:60 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 29 Feb 1994 08:49:37 GMT",
        "Sun, 29 Feb 1900 08:49:37 GMT",
        "Sun, 06 Foo 1994 08:49:37 GMT",
        "Foo, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov 06 08:49:37 94",
        "Sun Nov  6 08:49:37 1994 GMT",
        "Sunday Nov  6 08:49:37 1994",
        "Sun, 06 Nov -994 08:49:37 GMT",
        "1994-11-06T08:49:37Z",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t unix_s = 7;
        cr_expect(!read_copy(rows[i], NOW_S, &unix_s), "%s", rows[i]);
        cr_expect_eq(unix_s, 7, "%s", rows[i]);
    }
}

/* RFC 9110 5.6.7: a year of two digits is not more than 50 years ahead. */
Test(http_date, a_year_of_two_digits_is_near)
{
    static const struct {
        const char *now, *text, *same_as;
    } rows[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", "94", "1994"},
        {"Sun, 06 Nov 1994 08:49:37 GMT", "44", "2044"},
        {"Sun, 06 Nov 1994 08:49:37 GMT", "45", "1945"},
        {"Sat, 01 Jan 1994 08:49:37 GMT", "44", "1944"}, /* in February: 50 years and a month */
        {"Sun, 06 Nov 1994 08:49:37 GMT", "00", "2000"},
        {"Wed, 01 Jul 2026 00:00:00 GMT", "50", "2050"},
        {"Wed, 01 Jul 2026 00:00:00 GMT", "76", "2076"},
        {"Wed, 01 Jul 2026 00:00:00 GMT", "77", "1977"},
        {"Wed, 01 Jul 2026 00:00:00 GMT", "26", "2026"},
        {"Thu, 01 Jul 2060 00:00:00 GMT", "09", "2109"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char short_form[64], long_form[64];
        int64_t now_s, seen_s, wanted_s;
        snprintf(short_form, sizeof short_form, "Monday, 01-Feb-%s 00:00:00 GMT", rows[i].text);
        snprintf(long_form, sizeof long_form, "Mon, 01 Feb %s 00:00:00 GMT", rows[i].same_as);
        cr_assert(read_copy(rows[i].now, 0, &now_s) && read_copy(long_form, 0, &wanted_s));
        cr_expect(read_copy(short_form, now_s, &seen_s));
        cr_expect_eq(seen_s, wanted_s, "%s in %s", short_form, rows[i].now);
    }
}

Test(http_date, what_is_written_is_read)
{
    for (int64_t unix_s = 0; unix_s <= INT64_C(253402300799);
         unix_s += INT64_C(86400) * 11 + 3607) {
        char text[HTTP_DATE_BYTES + 1] = {0};
        int64_t seen_s;
        http_date_write(text, unix_s);
        cr_assert(read_copy(text, NOW_S, &seen_s) && seen_s == unix_s, "%s", text);
    }
}
