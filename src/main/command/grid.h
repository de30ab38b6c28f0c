/* SPDX-License-Identifier: Apache-2.0 */
/* main/command/grid.h - a table for the terminal: cells as wide as the widest of their column.
 *
 * Memory:  starts zeroed; grid_fini() gives back all. Threads: belongs to its caller.
 * Errors:  a cell for which there is no memory is left out, and grid_write() says false. */
#ifndef PANDO_MAIN_COMMAND_GRID_H
#define PANDO_MAIN_COMMAND_GRID_H

#include "core/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum {
    GRID_COLUMNS_MAX = 12,
    GRID_CELL_BYTES = 256, /* longer texts are cut */
};

/* How a cell looks: to which side it leans, and its colour where there is colour. */
enum grid_look { GRID_PLAIN, GRID_NUMBER, GRID_GOOD, GRID_BAD, GRID_DOUBTFUL, GRID_FAINT };

struct grid_cell {
    char           text[GRID_CELL_BYTES];
    enum grid_look look;
    bool           is_last; /* of its row */
};

struct grid {
    struct grid_cell *cells;
    size_t            count, room;
    bool              failed;
};

/* The next cell. Controls in the text become question marks: it may come from elsewhere. */
void grid_add(struct grid *grid, enum grid_look look, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The next cell begins a new row. */
void grid_end_row(struct grid *grid);

/* Writes it, each line after @indent spaces. False: cells are missing. */
bool grid_write(const struct grid *grid, int indent, bool has_color, FILE *out);

/* Gives back all; @grid is then empty and ready again. */
void grid_fini(struct grid *grid);

#endif
