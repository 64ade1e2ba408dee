/* Encoding bodies of parts. Must never let a byte above 127 or a line of more than 76 characters
 * out, but in what is copied. */
#include "message/convert_encode.h"

#include <string.h>

#include "base/text.h"
#include "message/form.h"

#define COLUMNS 76

void encoder_start(Encoder *encoder, EncodeMode mode)
{
    *encoder = (Encoder){
        .mode = mode,
        .quoted = {.line_end = "\r\n", .is_quoted = mode == ENCODE_REQUOTED},
        .base64 = {.line_end = "\r\n"},
    };
}

static int add_base64(Encoder *encoder, const Line *line, Buffer *out)
{
    int r = encoder->line_end_due ? base64_lines_add(&encoder->base64, "\r\n", 2, out) : 0;

    encoder->line_end_due = line->end > 0;
    return r < 0 ? r : base64_lines_add(&encoder->base64, line->data, line->n, out);
}

static int add_rewrapped(Encoder *encoder, const Line *line, Buffer *out)
{
    int r = 0;

    for (size_t i = 0; i < line->n && r >= 0; i++) {
        if (line->data[i] <= ' ' || line->data[i] >= 0x7f)
            continue;
        r = buffer_append(out, line->data + i, 1);
        if (r >= 0 && ++encoder->column == COLUMNS) {
            encoder->column = 0;
            r = buffer_append(out, "\r\n", 2);
        }
    }
    return r;
}

/* ---- as it is ---- */

static int copy(const Line *line, Buffer *out)
{
    return buffer_append(out, line->data, line->n)
               ?: buffer_append(out, line->data + line->n, line->end);
}

static int copy_usual(Encoder *encoder, const Line *line, Buffer *out)
{
    if (line->begins)
        encoder->odd = line->n > FORM_LINE_MAX || !text_is_ascii(line->data, line->n);
    return encoder->odd ? 0 : copy(line, out);
}

int encoder_add(Encoder *encoder, const Line *line, Buffer *out)
{
    switch (encoder->mode) {
    case ENCODE_COPY: return copy(line, out);
    case ENCODE_DROP_ODD: return copy_usual(encoder, line, out);
    case ENCODE_QUOTED:
    case ENCODE_REQUOTED:
        return quoted_lines_add(&encoder->quoted, line->data, line->n, line->end > 0, out);
    case ENCODE_BASE64: return add_base64(encoder, line, out);
    case ENCODE_REWRAPPED: return add_rewrapped(encoder, line, out);
    }
    return 0;
}

static int finish(Encoder *encoder, Buffer *out)
{
    switch (encoder->mode) {
    case ENCODE_QUOTED:
    case ENCODE_REQUOTED: return quoted_lines_finish(&encoder->quoted, out);
    case ENCODE_BASE64: return base64_lines_finish(&encoder->base64, out);
    case ENCODE_REWRAPPED: return encoder->column > 0 ? buffer_append(out, "\r\n", 2) : 0;
    default: return 0;
    }
}

int encoder_finish(Encoder *encoder, Buffer *out)
{
    int r = finish(encoder, out);

    encoder_start(encoder, ENCODE_COPY);
    return r;
}
