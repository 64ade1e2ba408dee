/* Quoted-printable and base64, in lines of 76 characters. Must never let a byte above 127 or a
 * longer line out, but in what is copied. */
#include "message/convert_encode.h"

#include <string.h>

#include "base/text.h"
#include "message/form.h"

#define COLUMNS 76

void encoder_start(Encoder *encoder, EncodeMode mode)
{
    *encoder = (Encoder){.mode = mode};
}

/* ---- quoted-printable ---- */

static bool is_plain(const Encoder *encoder, unsigned char c, bool last)
{
    if (c == ' ' || c == '\t')
        return !last;
    if (c == '=')
        return encoder->mode == ENCODE_REQUOTED;
    return c > ' ' && c < 0x7f;
}

/* Room for `n` more characters and the "=" of a soft line break. */
static int make_room(Encoder *encoder, size_t n, Buffer *out)
{
    if (encoder->column + n < COLUMNS)
        return 0;
    encoder->column = 0;
    return buffer_append(out, "=\r\n", 3);
}

static int add_quoted(Encoder *encoder, const Line *line, Buffer *out)
{
    static const char digits[] = "0123456789ABCDEF";
    int r = 0;

    for (size_t i = 0; i < line->n && r >= 0; i++) {
        unsigned char c = (unsigned char)line->data[i];
        bool last = i + 1 == line->n && line->end > 0;
        bool escape = encoder->mode == ENCODE_REQUOTED && c == '=';
        char text[3] = {'=', digits[c >> 4], digits[c & 15]};
        size_t n = is_plain(encoder, c, last) ? 1 : 3;

        if (escape && last) /* it is a soft line break already */
            return encoder->column = 0, buffer_append(out, "=\r\n", 3);
        r = make_room(encoder, escape ? 3 : n, out); /* "=XX" is not torn */
        r = r < 0 ? r : buffer_append(out, n == 1 ? (const char *)&c : text, n);
        encoder->column += n;
    }
    if (r < 0 || line->end == 0)
        return r;
    encoder->column = 0;
    return buffer_append(out, "\r\n", 2);
}

/* ---- base64 ---- */

static int put(Encoder *encoder, const char *text, size_t n, Buffer *out)
{
    int r = buffer_append(out, text, n);

    encoder->column += n;
    if (r < 0 || encoder->column < COLUMNS)
        return r;
    encoder->column = 0;
    return buffer_append(out, "\r\n", 2);
}

static int put_group(Encoder *encoder, Buffer *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *g = encoder->group;
    const char text[4] = {digits[g[0] >> 2], digits[(g[0] & 3) << 4 | g[1] >> 4],
        encoder->n_group > 1 ? digits[(g[1] & 15) << 2 | g[2] >> 6] : '=',
        encoder->n_group > 2 ? digits[g[2] & 63] : '='};

    encoder->n_group = 0;
    memset(encoder->group, 0, sizeof(encoder->group));
    return put(encoder, text, sizeof(text), out);
}

static int put_bytes(Encoder *encoder, const char *data, size_t n, Buffer *out)
{
    int r = 0;

    for (size_t i = 0; i < n && r >= 0; i++) {
        encoder->group[encoder->n_group++] = (unsigned char)data[i];
        if (encoder->n_group == sizeof(encoder->group))
            r = put_group(encoder, out);
    }
    return r;
}

static int add_base64(Encoder *encoder, const Line *line, Buffer *out)
{
    int r = encoder->line_end_due ? put_bytes(encoder, "\r\n", 2, out) : 0;

    encoder->line_end_due = line->end > 0;
    return r < 0 ? r : put_bytes(encoder, line->data, line->n, out);
}

static int add_rewrapped(Encoder *encoder, const Line *line, Buffer *out)
{
    int r = 0;

    for (size_t i = 0; i < line->n && r >= 0; i++)
        if (line->data[i] > ' ' && line->data[i] < 0x7f)
            r = put(encoder, line->data + i, 1, out);
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
    case ENCODE_REQUOTED: return add_quoted(encoder, line, out);
    case ENCODE_BASE64: return add_base64(encoder, line, out);
    case ENCODE_REWRAPPED: return add_rewrapped(encoder, line, out);
    }
    return 0;
}

int encoder_finish(Encoder *encoder, Buffer *out)
{
    int r = encoder->n_group > 0 ? put_group(encoder, out) : 0;

    if (r >= 0 && encoder->mode >= ENCODE_QUOTED && encoder->column > 0)
        r = buffer_append(out, "\r\n", 2);
    encoder_start(encoder, ENCODE_COPY);
    return r;
}
