/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/grid.c - collecting cells, measuring columns, writing them. */
#include "main/command/grid.h"

#include "config/value/words.h"
#include "core/mem.h"

#include <stdarg.h>
#include <string.h>

static bool make_room(struct grid *grid)
{
    if (grid->count < grid->room)
        return true;
    const size_t room = grid->room == 0 ? 64 : grid->room * 2;
    struct grid_cell *larger = mem_resize(grid->cells, room * sizeof *larger);
    if (larger == NULL)
        return false;
    grid->cells = larger;
    grid->room = room;
    return true;
}

void grid_add(struct grid *grid, enum grid_look look, const char *format, ...)
{
    if (!make_room(grid)) {
        grid->failed = true;
        return;
    }
    struct grid_cell *cell = &grid->cells[grid->count++];
    char text[GRID_CELL_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    *cell = (struct grid_cell){.look = look};
    (void)config_words_clean(cell->text, sizeof cell->text, text, strlen(text), sizeof text);
}

void grid_end_row(struct grid *grid)
{
    if (grid->count > 0)
        grid->cells[grid->count - 1].is_last = true;
}

/* In characters; all are taken to be one column wide. */
static int width_of(const char *text)
{
    int width = 0;
    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static void measure(const struct grid *grid, int widths[GRID_COLUMNS_MAX])
{
    size_t column = 0;
    for (size_t i = 0; i < grid->count; i++) {
        const int width = width_of(grid->cells[i].text);
        if (column < GRID_COLUMNS_MAX && width > widths[column])
            widths[column] = width;
        column = grid->cells[i].is_last ? 0 : column + 1;
    }
}

static const char *color_of(enum grid_look look)
{
    switch (look) {
    case GRID_GOOD: return "\x1b[32m";
    case GRID_BAD: return "\x1b[31m";
    case GRID_DOUBTFUL: return "\x1b[33m";
    case GRID_FAINT: return "\x1b[2m";
    case GRID_PLAIN:
    case GRID_NUMBER: break;
    }
    return "";
}

static void write_cell(const struct grid_cell *cell, int width, bool has_color, FILE *out)
{
    const char *color = has_color ? color_of(cell->look) : "";
    const int space = width - width_of(cell->text);
    if (cell->look == GRID_NUMBER)
        fprintf(out, "%*s", space, "");
    fprintf(out, "%s%s%s", color, cell->text, color[0] == '\0' ? "" : "\x1b[0m");
    if (cell->look != GRID_NUMBER && !cell->is_last)
        fprintf(out, "%*s", space, "");
    fputs(cell->is_last ? "\n" : "  ", out);
}

bool grid_write(const struct grid *grid, int indent, bool has_color, FILE *out)
{
    int widths[GRID_COLUMNS_MAX] = {0};
    size_t column = 0;
    measure(grid, widths);
    for (size_t i = 0; i < grid->count; i++) {
        const struct grid_cell *cell = &grid->cells[i];
        if (column == 0)
            fprintf(out, "%*s", indent, "");
        write_cell(cell, column < GRID_COLUMNS_MAX ? widths[column] : 0, has_color, out);
        column = cell->is_last ? 0 : column + 1;
    }
    return !grid->failed;
}

void grid_fini(struct grid *grid)
{
    mem_free(grid->cells);
    *grid = (struct grid){0};
}
