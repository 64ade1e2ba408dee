/* Printing what strangers wrote, names of files, headers, records and replies, so that a terminal
 * shows all of it and obeys nothing. Nothing is allocated. Errors stay with the stream.
 * And how wide a terminal is, and what is printed on it. */
#pragma once

#include <stddef.h>
#include <stdio.h>

/* The text with \xNN for what is not plain (base/text.h), cut to `max` bytes with "..." behind.
 * Returns the characters printed. */
size_t terminal_print_bytes(FILE *out, const char *data, size_t n, size_t max);
size_t terminal_print(FILE *out, const char *text, size_t max);

/* With blanks behind, up to `width` characters. */
void terminal_print_padded(FILE *out, const char *text, size_t max, size_t width);

/* The same of a text of several lines, which stay lines; tabs stay, too. */
void terminal_print_lines(FILE *out, const char *data, size_t n);

/* Of the terminal at a descriptor, or $COLUMNS; 0 when it is none. */
size_t terminal_width(int fd);

/* The lines of the terminal that standard output is; 24 where they cannot be known. */
size_t terminal_height(void);

/* The bytes of the first character of `n` > 0, and the columns that it takes: it is UTF-8, and the
 * locale has to be such (uselocale(3)), else each takes one. */
size_t terminal_measure(const char *text, size_t n, size_t *ret_columns);

/* The columns of all of it, in which what sets colours (ECMA-48, 8.3.117) takes none. */
size_t terminal_columns(const char *text, size_t n);
