/* Measures content. Must never look at a byte twice. */
#include "message/form.h"

#include <string.h>

#include "base/macros.h"
#include "base/text.h"

static const char *find(const char *at, char c, const char *end)
{
    return memchr(at, c, (size_t)(end - at)) ?: end;
}

static void end_line(ContentForm *form)
{
    form->size += form->line + 2;
    form->has_long_lines |= form->line > FORM_LINE_MAX;
    form->line = 0;
}

/* The places of the next CR and LF are looked up only once passed. */
void form_add(ContentForm *form, const char *data, size_t n)
{
    const char *at = data, *end, *cr, *lf;

    if (n == 0)
        return;
    end = data + n;
    form->is_8bit = form->is_8bit || !text_is_ascii(data, n);
    if (form->last_was_cr && *at == '\n')
        at++;
    form->last_was_cr = false;
    cr = find(at, '\r', end);
    lf = find(at, '\n', end);
    while (at < end) {
        const char *line_end = MIN(cr, lf);

        form->line += (uint64_t)(line_end - at);
        if (line_end == end)
            return;
        end_line(form);
        at = line_end + 1;
        if (line_end == cr) {
            form->last_was_cr = at == end;
            at += at < end && *at == '\n';
            cr = find(at, '\r', end);
        }
        if (lf < at)
            lf = find(at, '\n', end);
    }
}

void form_finish(ContentForm *form)
{
    if (form->line > 0)
        end_line(form);
}

bool form_fits(const char *data, size_t n)
{
    ContentForm form = {0};

    form_add(&form, data, n);
    form_finish(&form);
    return !form.is_8bit && !form.has_long_lines;
}
