/* A table that is printed to whoever reads it: on a terminal it fits in, elsewhere it is as wide as
 * it gets. Where there is too little room columns are cut, then the first, then some are left out,
 * then the last one gives way, and at the very end the first. Nothing in it is obeyed by a
 * terminal, and characters take the columns they take there.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "tool/color.h"

typedef struct GridColumn {
    const char *heading; /* NULL: the column goes up to the end of the line */
    bool right;          /* figures */
    unsigned least;      /* columns of the terminal it keeps where there is too little room; 0: all
                            that it wants */
    unsigned order;      /* in which it is left out where that does not do, 1 the first; 0: never */
} GridColumn;

typedef struct Grid Grid;

#define GRID_COLUMNS_MAX 16

/* The columns are borrowed. `width` of the terminal; 0: there is none. NULL when memory is short.
 */
Grid *grid_new(const GridColumn *columns, size_t n_columns, size_t width);
void grid_free(Grid *grid); /* accepts NULL */

/* What is shown of a cell of the first column can be given to a command: it is cut before columns
 * are left out, and no shorter than `needed` says, the bytes of it that are wanted for that. */
void grid_keep_key(Grid *grid, size_t (*needed)(void *userdata, const char *cell), void *userdata);

/* A row, with text for each column, and a line of its own below it (or NULL). 0 or -ENOMEM. */
int grid_add(Grid *grid, const char *const *cells, const char *note);

/* Colours the cell in that column of the row that was added last. */
void grid_color(Grid *grid, size_t column, Color color);

/* Prints what was added since, with the headings above the first row of all, and again where other
 * columns are left out. */
void grid_print(Grid *grid);
