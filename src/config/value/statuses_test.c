/* SPDX-License-Identifier: Apache-2.0 */
/* config/value/statuses_test.c - lists of statuses. */
#include "config/value/statuses.h"

#include <criterion/criterion.h>

static bool fits(const char *text, unsigned status)
{
    struct config_statuses statuses;
    cr_assert(config_statuses_read(&statuses, text), "%s", text);
    return config_statuses_fit(&statuses, status);
}

Test(statuses, numbers_and_ranges_include_their_ends)
{
    cr_expect(fits("200", 200) && !fits("200", 201) && !fits("200", 199));
    cr_expect(fits("200-299", 200) && fits("200-299", 299) && !fits("200-299", 300));
    cr_expect(fits("200, 204 ,300 - 399", 204) && fits("200, 204 ,300 - 399", 350));
    cr_expect(!fits("200, 204 ,300 - 399", 201));
}

Test(statuses, what_is_no_list_is_refused)
{
    static const char *const wrong[] = {"",    "2",       "20x",    "2000", "099",
                                        "600", "299-200", "200-",   "200,", ",200",
                                        "2xx", "200 204", "200--1", "ok",   "200-299-"};
    struct config_statuses statuses;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        cr_expect(!config_statuses_read(&statuses, wrong[i]), "%s", wrong[i]);
}

Test(statuses, a_list_is_bounded)
{
    struct config_statuses statuses;
    char text[256] = "200";
    for (int i = 1; i < CONFIG_STATUSES_RANGES_MAX; i++)
        strcat(text, ",200");
    cr_expect(config_statuses_read(&statuses, text));
    strcat(text, ",200");
    cr_expect(!config_statuses_read(&statuses, text));
}
