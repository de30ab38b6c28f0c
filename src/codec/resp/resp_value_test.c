/* SPDX-License-Identifier: Apache-2.0 */
/* codec/resp/resp_value_test.c - where values end. */
#include "codec/resp/resp_value.h"

#include <criterion/criterion.h>
#include <stdio.h>

static const char *const whole[] = {
    "+OK\r\n",
    "-ERR no\r\n",
    ":-12\r\n",
    "$0\r\n\r\n",
    "$5\r\na\r\nbc\r\n",
    "$-1\r\n",
    "_\r\n",
    "#t\r\n",
    ",1.5\r\n",
    "(12345678901234567890\r\n",
    "=5\r\ntxt:a\r\n",
    "*0\r\n",
    "*-1\r\n",
    "*2\r\n:1\r\n*1\r\n$1\r\nx\r\n",
    "%1\r\n+a\r\n~2\r\n:1\r\n:2\r\n",
    ">2\r\n+message\r\n_\r\n",
    "*3\r\n*0\r\n*0\r\n*0\r\n",
};

Test(resp_value, ends_where_the_value_ends)
{
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++) {
        char text[80];
        const size_t bytes = strlen(whole[i]);
        snprintf(text, sizeof text, "%s+more\r\n", whole[i]);
        cr_expect(resp_value_bytes(bytes_of(text)) == bytes, "%zu", i);
    }
}

Test(resp_value, a_value_that_is_cut_is_none)
{
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++)
        for (size_t cut = 0; cut < strlen(whole[i]); cut++)
            cr_expect(resp_value_bytes((struct bytes){(const uint8_t *)whole[i], cut}) == 0,
                      "%zu cut at %zu", i, cut);
}

Test(resp_value, nonsense_is_none)
{
    const char *const bad[] = {"hello\r\n", "$x\r\n", "*+1\r\n+a\r\n", "+OK\n",
                               "$9999999999\r\na\r\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_expect(resp_value_bytes(bytes_of(bad[i])) == 0, "%s", bad[i]);
}

Test(resp_value, nesting_is_bounded)
{
    char text[256] = "";
    for (int i = 0; i < RESP_DEPTH_MAX; i++)
        strcat(text, "*1\r\n");
    char deeper[256] = "*1\r\n";
    strcat(text, ":1\r\n");
    strcat(deeper, text);
    cr_expect(resp_value_bytes(bytes_of(text)) == strlen(text));
    cr_expect(resp_value_bytes(bytes_of(deeper)) == 0);
}

Test(resp_value, a_head_says_its_number)
{
    char kind;
    int64_t number;
    cr_expect(resp_value_head(bytes_of("*12\r\n"), &kind, &number) == 5);
    cr_expect(kind == '*' && number == 12);
    cr_expect(resp_value_head(bytes_of("_\r\n"), &kind, &number) == 3);
    cr_expect(kind == '_' && number == -1);
    cr_expect(resp_value_head(bytes_of("+OK\r\n"), &kind, &number) == 0);
}
