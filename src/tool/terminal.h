/* Printing what strangers wrote, names of files, headers, records and replies, so that a terminal
 * shows all of it and obeys nothing. Nothing is allocated. Errors stay with the stream. */
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
