/* A table that is printed to whoever reads it: on a terminal it fits in, elsewhere it is as wide as
 * it gets. Nothing in it is obeyed by a terminal, and characters take the columns they take there.
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
} GridColumn;

typedef struct Grid Grid;

#define GRID_COLUMNS_MAX 16

/* The columns are borrowed. `width` of the terminal; 0: there is none. NULL when memory is short.
 */
Grid *grid_new(const GridColumn *columns, size_t n_columns, size_t width);
void grid_free(Grid *grid); /* accepts NULL */

/* A row, with text for each column, and a line of its own below it (or NULL). 0 or -ENOMEM. */
int grid_add(Grid *grid, const char *const *cells, const char *note);

/* Colours the cell in that column of the row that was added last. */
void grid_color(Grid *grid, size_t column, Color color);

/* Prints what was added since, with the headings above the first row of all. Columns never get
 * narrower than they were. */
void grid_print(Grid *grid);
