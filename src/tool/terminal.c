/* Output that is fit for a terminal. Must never let a byte through that one obeys. */
#include "tool/terminal.h"

#include <stdint.h>
#include <string.h>

#include "base/macros.h"
#include "base/text.h"

#define ESCAPE_BYTES 4 /* \xNN */

size_t terminal_print_bytes(FILE *out, const char *data, size_t n, size_t max)
{
    size_t used = 0, characters = 0;

    for (size_t i = 0, step; i < n; i += step) {
        size_t plain = text_plain(data + i, n - i), bytes = plain > 0 ? plain : ESCAPE_BYTES;

        step = MAX(plain, (size_t)1);
        if (used + bytes > max) {
            fputs("...", out);
            return characters + 3;
        }
        if (plain > 0)
            fwrite(data + i, 1, plain, out);
        else
            fprintf(out, "\\x%02x", (unsigned char)data[i]);
        used += bytes;
        characters += plain > 0 ? 1 : ESCAPE_BYTES;
    }
    return characters;
}

size_t terminal_print(FILE *out, const char *text, size_t max)
{
    return terminal_print_bytes(out, text, strlen(text), max);
}

void terminal_print_padded(FILE *out, const char *text, size_t max, size_t width)
{
    size_t characters = terminal_print(out, text, max);

    if (characters < width)
        fprintf(out, "%*s", (int)(width - characters), "");
}

void terminal_print_lines(FILE *out, const char *data, size_t n)
{
    for (const char *end = data + n, *p = data; p < end;) {
        size_t length = 0;

        while (p + length < end && p[length] != '\n' && p[length] != '\t')
            length++;
        (void)terminal_print_bytes(out, p, length, SIZE_MAX);
        p += length;
        if (p < end)
            fputc(*p++, out);
    }
}
