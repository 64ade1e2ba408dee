/* Breaking the lines of a terminal. Must never break a word, for it may be a URL, an address or a
 * path that somebody copies, nor lose or add any other byte. */
#include "tool/wrap.h"

#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/macros.h"
#include "tool/terminal.h"

#define HANG 4       /* of further lines, where there are no columns */
#define LABEL_MAX 24 /* columns of a label, behind which a text begins */

/* Alone in a write: strangers' controls are escaped, or within a text. */
#define AS_IS '\x0e'
#define ANSWERED '\x0f'

typedef struct Wrap {
    int fd;
    locale_t utf8;
    size_t width, column, blanks; /* blanks: that are kept back until a word comes */
    size_t indent, label;         /* of this line; label: the column of the text behind it, or 0 */
    bool has_word, is_broken, as_is;
    Buffer word, out;
} Wrap;

static void begin_line(Wrap *w)
{
    w->column = w->blanks = w->indent = w->label = 0;
    w->has_word = w->is_broken = false;
}

static size_t hang_of(const Wrap *w)
{
    size_t hang = w->label > 0 ? w->label : w->indent + HANG;

    return hang <= w->width / 2 ? hang : HANG;
}

/* Two blanks or more stand between a label and its text. */
static void learn(Wrap *w)
{
    if (!w->has_word)
        w->indent = w->blanks;
    else if (w->label == 0 && !w->is_broken && w->blanks > 1 && w->column + w->blanks <= LABEL_MAX)
        w->label = w->column + w->blanks;
    w->has_word = true;
}

static int put_blanks(Wrap *w)
{
    int r = w->blanks > 0 ? buffer_appendf(&w->out, "%*s", (int)w->blanks, "") : 0;

    w->column += w->blanks;
    w->blanks = 0;
    return r;
}

static int put_word(Wrap *w)
{
    size_t n = buffer_size(&w->word), columns;
    int r = 0;

    if (n == 0)
        return 0;
    columns = terminal_columns(buffer_data(&w->word), n);
    if (w->has_word && w->blanks > 0 && w->column + w->blanks + columns > w->width) {
        r = buffer_append(&w->out, "\n", 1);
        w->column = 0;
        w->is_broken = true;
        w->blanks = hang_of(w);
    } else if (columns > 0) {
        learn(w);
    }
    r = r ?: put_blanks(w) ?: buffer_append(&w->out, buffer_data(&w->word), n);
    w->column += columns;
    buffer_clear(&w->word);
    return r;
}

static int take(Wrap *w, char c)
{
    int r;

    if (w->as_is)
        return buffer_append(&w->out, &c, 1);
    if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
        return buffer_append(&w->word, &c, 1);
    r = put_word(w);
    if (r < 0 || c == ' ') {
        w->blanks++;
        return r;
    }
    r = put_blanks(w) ?: buffer_append(&w->out, &c, 1);
    if (c == '\t')
        w->column += 8 - w->column % 8;
    else
        begin_line(w);
    return r;
}

static bool write_out(Wrap *w)
{
    while (buffer_size(&w->out) > 0) {
        ssize_t n = write(w->fd, buffer_data(&w->out), buffer_size(&w->out));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        buffer_consume(&w->out, (size_t)n);
    }
    return true;
}

/* The streams are given whole lines, or what is to be seen before a line ends. 0 says that it could
 * not be written (fopencookie(3)). */
static ssize_t on_write(void *cookie, const char *data, size_t n)
{
    Wrap *w = cookie;
    locale_t before = w->utf8 ? uselocale(w->utf8) : (locale_t)0;
    bool good;
    int r = 0;

    if (n == 1 && *data == AS_IS) {
        w->as_is = true;
        return 1;
    }
    if (n == 1 && *data == ANSWERED) {
        begin_line(w);
        return 1;
    }
    w->width = terminal_width(w->fd);
    for (size_t i = 0; i < n && r >= 0; i++)
        r = take(w, data[i]);
    r = r ?: put_word(w) ?: put_blanks(w);
    if (before)
        (void)uselocale(before);
    good = write_out(w);
    if (good && r < 0)
        errno = ENOMEM;
    buffer_clear(&w->out);
    return good && r >= 0 ? (ssize_t)n : 0;
}

void wrap_terminal(FILE **stream, int fd)
{
    const cookie_io_functions_t functions = {.write = on_write};
    Wrap *w = isatty(fd) ? calloc(1, sizeof(*w)) : NULL;
    FILE *wrapped;

    if (!w)
        return;
    *w = (Wrap){.fd = fd, .utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0)};
    wrapped = fopencookie(w, "w", functions);
    if (!wrapped) {
        if (w->utf8)
            freelocale(w->utf8);
        free(w);
        return;
    }
    (void)setvbuf(wrapped, NULL, _IOLBF, 0);
    *stream = wrapped;
}

/* A stream that is no descriptor's is one of these. */
static void tell(FILE *stream, char what)
{
    if (fileno(stream) >= 0)
        return;
    (void)fflush(stream);
    (void)fputc(what, stream);
    (void)fflush(stream);
}

void wrap_as_is(FILE *stream)
{
    tell(stream, AS_IS);
}

void wrap_answered(FILE *stream)
{
    tell(stream, ANSWERED);
}
