/* SPDX-License-Identifier: Apache-2.0 */
/* engine/keys/strings/lcs_test.c - LCS of long strings: what is given is common to both, and
 * as long as it can be. */
#include "engine/keys/run_testing.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { LONG = 300 };

static void draw_text(struct random *random, char *text, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++)
        text[i] = (char)('a' + random_below(random_next(random), 3));
    text[bytes] = '\0';
}

/* The whole table, as in the textbook. */
static uint32_t length_of(const char *a, const char *b)
{
    static uint32_t table[LONG + 1][LONG + 1];
    const size_t rows = strlen(a), columns = strlen(b);
    for (size_t i = 1; i <= rows; i++)
        for (size_t j = 1; j <= columns; j++) {
            const uint32_t more =
                table[i - 1][j] > table[i][j - 1] ? table[i - 1][j] : table[i][j - 1];
            table[i][j] = a[i - 1] == b[j - 1] ? table[i - 1][j - 1] + 1 : more;
        }
    return table[rows][columns];
}

static bool is_within(const char *part, size_t bytes, const char *text)
{
    size_t found = 0;
    for (; *text != '\0' && found < bytes; text++)
        found += *text == part[found];
    return found == bytes;
}

Test(lcs, is_common_to_both_and_the_longest)
{
    struct bench bench;
    struct random random;
    bench_init(&bench, 4, false);
    random_init(&random, 1);
    for (int round = 0; round < 50; round++) {
        char a[LONG + 1], b[LONG + 1], line[LONG + 16];
        draw_text(&random, a, 1 + random_below(random_next(&random), LONG));
        draw_text(&random, b, 1 + random_below(random_next(&random), LONG));
        snprintf(line, sizeof line, "set a %s", a);
        bench_say(&bench, line);
        snprintf(line, sizeof line, "set b %s", b);
        bench_say(&bench, line);
        const uint32_t length = length_of(a, b);
        snprintf(line, sizeof line, ":%u\r\n", length);
        bench_expect(&bench, "lcs a b len", line);
        snprintf(line, sizeof line, "$%u\r\n", length);
        const char *answer = bench_say(&bench, "lcs a b");
        cr_assert(strncmp(answer, line, strlen(line)) == 0, "%s", answer);
        cr_expect(is_within(answer + strlen(line), length, a));
        cr_expect(is_within(answer + strlen(line), length, b));
    }
    bench_fini(&bench);
}

/* Redis' own bound: its table would be over 512 MiB. */
Test(lcs, of_strings_that_are_too_long_is_refused)
{
    struct bench bench;
    bench_init(&bench, 1, false);
    bench_say(&bench, "setrange a 19999 x");
    bench_say(&bench, "setrange b 6710 x");
    bench_expect(&bench, "lcs a b len",
                 "-ERR Insufficient memory, transient memory for LCS exceeds "
                 "proto-max-bulk-len\r\n");
    bench_fini(&bench);
}
