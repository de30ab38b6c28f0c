/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/grid_test.c - columns stand below each other, whatever is in them. */
#include "main/command/grid.h"

#include <criterion/criterion.h>
#include <stdlib.h>

/* The caller frees it. */
static char *written(const struct grid *grid, bool has_color)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    cr_assert(out != NULL);
    cr_expect(grid_write(grid, 2, has_color, out));
    (void)fclose(out);
    return text;
}

static void expect(const struct grid *grid, bool has_color, const char *expected)
{
    char *text = written(grid, has_color);
    cr_expect_str_eq(text, expected);
    free(text);
}

/* Words begin below each other, numbers end below each other, the last cell has no tail. */
Test(grid, aligns)
{
    struct grid grid = {0};
    grid_add(&grid, GRID_PLAIN, "target");
    grid_add(&grid, GRID_NUMBER, "requests");
    grid_add(&grid, GRID_PLAIN, "why");
    grid_end_row(&grid);
    grid_add(&grid, GRID_PLAIN, "caf\u00e9:1");
    grid_add(&grid, GRID_NUMBER, "%d", 7);
    grid_add(&grid, GRID_PLAIN, "refused");
    grid_end_row(&grid);
    expect(&grid, false,
           "  target  requests  why\n"
           "  caf\u00e9:1         7  refused\n");
    grid_fini(&grid);
}

Test(grid, colours_only_where_asked)
{
    struct grid grid = {0};
    grid_add(&grid, GRID_BAD, "down");
    grid_add(&grid, GRID_PLAIN, "a");
    grid_end_row(&grid);
    expect(&grid, false, "  down  a\n");
    expect(&grid, true, "  \x1b[31mdown\x1b[0m  a\n");
    grid_fini(&grid);
}

/* A name that comes from a server cannot bring colours of its own. */
Test(grid, cleans_what_comes_from_elsewhere)
{
    struct grid grid = {0};
    grid_add(&grid, GRID_PLAIN, "a%sb", "\x1b[31m\n");
    grid_end_row(&grid);
    expect(&grid, false, "  a?[31m?b\n");
    grid_fini(&grid);
}

Test(grid, an_empty_one_is_nothing)
{
    struct grid grid = {0};
    grid_end_row(&grid);
    expect(&grid, true, "");
    grid_fini(&grid);
}

/* More columns than can be measured are still written. */
Test(grid, many_columns)
{
    struct grid grid = {0};
    for (int i = 0; i < GRID_COLUMNS_MAX + 1; i++)
        grid_add(&grid, GRID_PLAIN, "x");
    grid_end_row(&grid);
    expect(&grid, false, "  x  x  x  x  x  x  x  x  x  x  x  x  x\n");
    grid_fini(&grid);
}
