/* Output that is fit for a terminal. Must never let a byte through that one obeys. */
#include "tool/terminal.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

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

/* ---- widths ---- */

size_t terminal_width(int fd)
{
    const char *columns = getenv("COLUMNS"), *asked = getenv("OUTBOX_COLUMNS");
    unsigned long n = columns ? strtoul(columns, NULL, 10) : 0;
    struct winsize size = {0};

    if (asked) /* of who is at the other end of the submission socket */
        return MIN(strtoul(asked, NULL, 10), 10000UL);
    if (!isatty(fd))
        return 0;
    if (n == 0 && ioctl(fd, TIOCGWINSZ, &size) == 0)
        n = size.ws_col;
    return n == 0 ? 80 : MIN(n, (unsigned long)10000);
}

size_t terminal_height(void)
{
    struct winsize size = {0};

    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : 24;
}

size_t terminal_measure(const char *text, size_t n, size_t *ret_columns)
{
    size_t bytes = text_character(text, n);
    unsigned char c = (unsigned char)*text;
    wchar_t wide = bytes <= 1 ? c : c & (0xff >> (bytes + 1));
    int columns;

    for (size_t i = 1; i < bytes; i++)
        wide = (wchar_t)(wide << 6 | (text[i] & 0x3f));
    columns = bytes > 0 ? wcwidth(wide) : 1;
    *ret_columns = columns < 0 ? 1 : (size_t)columns;
    return MAX(bytes, (size_t)1);
}

size_t terminal_columns(const char *text, size_t n)
{
    size_t columns = 0;

    for (size_t i = 0, width; i < n;) {
        if (text[i] == '\x1b' && i + 1 < n && text[i + 1] == '[') {
            for (i += 2; i < n && (text[i] < '@' || text[i] > '~'); i++)
                ;
            i += i < n;
            continue;
        }
        i += terminal_measure(text + i, n - i, &width);
        columns += width;
    }
    return columns;
}
