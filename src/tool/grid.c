/* Columns and their widths. Must never print a byte that a terminal obeys. */
#include "tool/grid.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/text.h"
#include "tool/terminal.h"

#define GAP 2         /* between columns */
#define CELL_MAX 1020 /* bytes of a stranger's */
#define NOTE_MAX 500  /* likewise */
#define NOTE_INDENT 4
#define LEAST_LAST 20 /* the column at the end of the line */

typedef struct Row {
    char **cells;
    char *note;
    size_t colored; /* column */
    Color color;
} Row;

struct Grid {
    const GridColumn *columns;
    size_t n_columns, width;
    size_t *wanted, *widths; /* of each column */
    Row *rows;
    size_t n_rows, allocated;
    bool headed;
    locale_t utf8; /* of wcwidth(); 0: there is none, and each character takes one column */
};

/* ---- widths ---- */

/* As many bytes as fit into `columns`; those that they take in `ret_columns`. */
static size_t fit(const Grid *grid, const char *text, size_t columns, size_t *ret_columns)
{
    locale_t before = grid->utf8 ? uselocale(grid->utf8) : (locale_t)0;
    size_t n = 0, length = strlen(text);

    *ret_columns = 0;
    while (n < length) {
        size_t width, bytes = terminal_measure(text + n, length - n, &width);

        if (*ret_columns + width > columns)
            break;
        *ret_columns += width;
        n += bytes;
    }
    if (before)
        (void)uselocale(before);
    return n;
}

static size_t width_of(const Grid *grid, const char *text)
{
    size_t columns;

    (void)fit(grid, text, SIZE_MAX, &columns);
    return columns;
}

/* ---- gathering ---- */

Grid *grid_new(const GridColumn *columns, size_t n, size_t width)
{
    Grid *grid = calloc(1, sizeof(*grid));

    if (!grid)
        return NULL;
    *grid = (Grid){.columns = columns, .n_columns = n, .width = width};
    grid->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    grid->wanted = calloc(n, sizeof(size_t));
    grid->widths = calloc(n, sizeof(size_t));
    if (!grid->wanted || !grid->widths) {
        grid_free(grid);
        return NULL;
    }
    for (size_t i = 0; i < n; i++)
        grid->wanted[i] = columns[i].heading ? strlen(columns[i].heading) : 0;
    return grid;
}

static void row_done(const Grid *grid, Row *row)
{
    for (size_t i = 0; row->cells && i < grid->n_columns; i++)
        free(row->cells[i]);
    free(row->cells);
    free(row->note);
}

static void drop_rows(Grid *grid)
{
    for (size_t i = 0; i < grid->n_rows; i++)
        row_done(grid, &grid->rows[i]);
    grid->n_rows = 0;
}

void grid_free(Grid *grid)
{
    if (!grid)
        return;
    drop_rows(grid);
    free(grid->rows);
    free(grid->wanted);
    free(grid->widths);
    if (grid->utf8)
        freelocale(grid->utf8);
    free(grid);
}

static char *clean(const char *text, size_t max)
{
    return text_printable(text, strlen(text), max);
}

static int fill_row(const Grid *grid, const char *const *cells, const char *note, Row *row)
{
    row->cells = calloc(grid->n_columns, sizeof(char *));
    for (size_t i = 0; row->cells && i < grid->n_columns; i++) {
        row->cells[i] = clean(cells[i], CELL_MAX);
        if (!row->cells[i])
            return -ENOMEM;
    }
    row->note = note ? clean(note, NOTE_MAX) : NULL;
    return row->cells && (row->note || !note) ? 0 : -ENOMEM;
}

int grid_add(Grid *grid, const char *const *cells, const char *note)
{
    Row row = {0};

    if (grid->n_rows == grid->allocated) {
        size_t n = grid->allocated * 2 + 16;
        Row *rows = reallocarray(grid->rows, n, sizeof(Row));

        if (!rows)
            return -ENOMEM;
        grid->rows = rows;
        grid->allocated = n;
    }
    if (fill_row(grid, cells, note, &row) < 0) {
        row_done(grid, &row);
        return -ENOMEM;
    }
    for (size_t i = 0; i < grid->n_columns; i++)
        grid->wanted[i] = MAX(grid->wanted[i], width_of(grid, row.cells[i]));
    grid->rows[grid->n_rows++] = row;
    return 0;
}

void grid_color(Grid *grid, size_t column, Color color)
{
    grid->rows[grid->n_rows - 1].colored = column;
    grid->rows[grid->n_rows - 1].color = color;
}

/* ---- printing ---- */

static bool is_last(const Grid *grid, size_t i)
{
    return i + 1 == grid->n_columns;
}

/* What all columns take now, the last one as little as it can do with. */
static size_t total(const Grid *grid)
{
    size_t n = 0;

    for (size_t i = 0; i < grid->n_columns; i++)
        n += is_last(grid, i) ? MIN(grid->wanted[i], (size_t)LEAST_LAST) : grid->widths[i] + GAP;
    return n;
}

/* The widest that can give something gives one column, until all fit or none can. */
static void choose_widths(Grid *grid)
{
    memcpy(grid->widths, grid->wanted, grid->n_columns * sizeof(size_t));
    while (grid->width > 0 && total(grid) > grid->width) {
        size_t widest = SIZE_MAX;

        for (size_t i = 0; i + 1 < grid->n_columns; i++)
            if (grid->columns[i].least > 0 && grid->widths[i] > grid->columns[i].least &&
                (widest == SIZE_MAX || grid->widths[i] > grid->widths[widest]))
                widest = i;
        if (widest == SIZE_MAX)
            return;
        grid->widths[widest]--;
    }
}

/* In as many columns; where it is cut, that shows. Returns those it took. */
static size_t print_cut(const Grid *grid, const char *text, size_t columns)
{
    size_t taken, n = fit(grid, text, columns, &taken);

    if (text[n] && columns > 0) {
        n = fit(grid, text, columns - 1, &taken);
        printf("%.*s…", (int)n, text);
        return taken + 1;
    }
    fwrite(text, 1, n, stdout);
    return taken;
}

static size_t print_colored(const Grid *grid, const char *text, size_t columns, Color color)
{
    size_t taken;

    color_begin(stdout, color);
    taken = print_cut(grid, text, columns);
    color_end(stdout, color);
    return taken;
}

/* `left` of the line. */
static void print_cell(const Grid *grid, size_t i, const char *text, size_t left, Color color)
{
    size_t width = grid->widths[i], wanted = width_of(grid, text);

    if (is_last(grid, i)) {
        (void)print_colored(grid, text, grid->width > 0 ? left : SIZE_MAX, color);
        return;
    }
    if (grid->columns[i].right && wanted < width)
        printf("%*s", (int)(width - wanted), "");
    wanted = print_colored(grid, text, width, color);
    if (!grid->columns[i].right && wanted < width)
        printf("%*s", (int)(width - wanted), "");
    printf("%*s", GAP, "");
}

/* `row` NULL: the headings. */
static void print_row(const Grid *grid, const char *const *cells, const Row *row)
{
    size_t left = grid->width;

    for (size_t i = 0; i < grid->n_columns; i++) {
        print_cell(grid, i, cells[i], left, row && row->colored == i ? row->color : COLOR_NONE);
        left -= MIN(left, grid->widths[i] + GAP);
    }
    putchar('\n');
}

static void print_headings(const Grid *grid)
{
    const char *headings[GRID_COLUMNS_MAX];

    for (size_t i = 0; i < grid->n_columns; i++)
        headings[i] = grid->columns[i].heading ?: "";
    print_row(grid, headings, NULL);
}

static void print_note(const Grid *grid, const char *note)
{
    printf("%*s", NOTE_INDENT, "");
    (void)print_cut(grid, note, grid->width > NOTE_INDENT ? grid->width - NOTE_INDENT : SIZE_MAX);
    putchar('\n');
}

void grid_print(Grid *grid)
{
    choose_widths(grid);
    if (grid->n_rows > 0 && !grid->headed)
        print_headings(grid);
    grid->headed = grid->headed || grid->n_rows > 0;
    for (size_t i = 0; i < grid->n_rows; i++) {
        print_row(grid, (const char *const *)grid->rows[i].cells, &grid->rows[i]);
        if (grid->rows[i].note)
            print_note(grid, grid->rows[i].note);
    }
    drop_rows(grid);
}
