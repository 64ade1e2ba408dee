/* Reading a composed message. Must never hold more of a file than a piece. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/errors.h"
#include "message/composed_making.h"
#include "message/header.h"

/* ---- its pieces ---- */

static Piece *add_piece(Composed *c)
{
    Piece **pieces = reallocarray(c->pieces, c->n_pieces + 1, sizeof(Piece *));
    Piece *piece;

    if (!pieces)
        return NULL;
    c->pieces = pieces;
    piece = calloc(1, sizeof(Piece));
    if (!piece)
        return NULL;
    piece->base64.line_end = piece->quoted.line_end = "\n";
    pieces[c->n_pieces++] = piece;
    return piece;
}

Buffer *composed_text(Composed *c)
{
    Piece *last = c->n_pieces > 0 ? c->pieces[c->n_pieces - 1] : NULL;

    if (!last || last->has_source)
        last = add_piece(c);
    return last ? &last->text : NULL;
}

int composed_add_source(Composed *c, SourceReader *source, PieceEncoding encoding, bool is_text)
{
    Piece *piece = composed_text(c) ? c->pieces[c->n_pieces - 1] : NULL;

    if (!piece) {
        source_close(source, false);
        return -ENOMEM;
    }
    piece->has_source = true;
    piece->source = *source;
    piece->encoding = encoding;
    piece->is_text = is_text;
    *source = (SourceReader){.fd = -1};
    return 0;
}

static void fields_done(Composed *c)
{
    for (size_t i = 0; i < c->n_fields; i++) {
        free(c->fields[i].name);
        free(c->fields[i].value);
    }
    free(c->fields);
    c->fields = NULL;
    c->n_fields = 0;
}

void composed_free(Composed *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n_pieces; i++) {
        if (c->pieces[i]->has_source)
            source_close(&c->pieces[i]->source, c->closes);
        buffer_done(&c->pieces[i]->text);
        free(c->pieces[i]);
    }
    fields_done(c);
    free(c->pieces);
    envelope_done(&c->envelope);
    buffer_done(&c->block);
    buffer_done(&c->header);
    buffer_done(&c->body);
    free(c);
}

/* ---- what is known of it ---- */

const Envelope *composed_envelope(const Composed *c)
{
    return &c->envelope;
}

size_t composed_envelope_size(const Composed *c)
{
    return buffer_size(&c->block);
}

const Buffer *composed_header(const Composed *c)
{
    return &c->header;
}

void composed_keep_body(Composed *c)
{
    c->keeps_body = true;
}

const Buffer *composed_body(const Composed *c)
{
    return &c->body;
}

/* The value without its folds and the blanks at its ends. NULL when memory is short. */
static char *unfold(const char *value, size_t n)
{
    char *copy = malloc(n + 1), *to = copy;

    if (!copy)
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (value[i] != '\n' && (to > copy || (value[i] != ' ' && value[i] != '\t')))
            *to++ = value[i];
    *to = '\0';
    return copy;
}

static int add_field(Composed *c, const HeaderField *field)
{
    ComposeField *fields = reallocarray(c->fields, c->n_fields + 1, sizeof(ComposeField));
    ComposeField *to;

    if (!fields)
        return -ENOMEM;
    c->fields = fields;
    to = &fields[c->n_fields++];
    to->name = strndup(field->name, field->n_name);
    to->value = unfold(field->value, field->n_value);
    return to->name && to->value ? 0 : -ENOMEM;
}

int composed_fields(Composed *c, const ComposeField **ret, size_t *ret_n)
{
    HeaderCursor cursor = {.at = buffer_data(&c->header), .line = 1};
    HeaderField field;
    int r = 0;

    cursor.end = cursor.at;
    if (buffer_size(&c->header) > 0 && c->n_fields == 0)
        cursor.end = cursor.at + buffer_size(&c->header) - 1;
    while (r >= 0 && header_next(&cursor, &field, NULL) > 0)
        r = add_field(c, &field);
    if (r < 0)
        fields_done(c);
    *ret = c->fields;
    *ret_n = c->n_fields;
    return r;
}

/* ---- encoding ---- */

/* A part of a line, or the rest of it with its end. */
static int put_line(Piece *p, const char *text, size_t n, bool ends, Buffer *out)
{
    int r;

    p->line_open = !ends && (p->line_open || n > 0);
    if (p->encoding == PIECE_QUOTED)
        return quoted_lines_add(&p->quoted, text, n, ends, out);
    if (p->encoding == PIECE_LINES) {
        r = buffer_append(out, text, n);
        return r < 0 || !ends ? r : buffer_append(out, "\n", 1);
    }
    r = base64_lines_add(&p->base64, text, n, out);
    if (r < 0 || !ends)
        return r;
    return p->encoding == PIECE_BASE64_CRLF ? base64_lines_add(&p->base64, "\r\n", 2, out)
                                            : base64_lines_add(&p->base64, "\n", 1, out);
}

/* The CR that was held ended no line. */
static int put_held(Piece *p, Buffer *out)
{
    bool held = p->held_cr;

    p->held_cr = false;
    return held ? put_line(p, "\r", 1, false, out) : 0;
}

/* Text, whose lines end with LF or CRLF. */
static int put_lines(Piece *p, const char *text, size_t n, Buffer *out)
{
    int r = n > 0 && *text != '\n' ? put_held(p, out) : 0;

    p->held_cr = false;
    while (r >= 0 && n > 0) {
        const char *end = memchr(text, '\n', n);
        size_t line = end ? (size_t)(end - text) : n;
        bool cr = line > 0 && text[line - 1] == '\r';

        p->held_cr = cr && !end;
        r = put_line(p, text, line - cr, end, out);
        text += line + (end != NULL);
        n -= line + (end != NULL);
    }
    return r;
}

static int finish_lines(Piece *p, Buffer *out)
{
    int r = put_held(p, out);

    return r < 0 || !p->line_open ? r : put_line(p, "", 0, true, out);
}

static int encode(Piece *p, const Buffer *from, Buffer *out)
{
    const char *data = buffer_data(from);
    size_t n = buffer_size(from);
    int r;

    if (p->encoding == PIECE_AS_IS)
        return buffer_append(out, data, n);
    if (n > 0)
        return p->encoding == PIECE_BASE64 ? base64_lines_add(&p->base64, data, n, out)
                                           : put_lines(p, data, n, out);
    r = p->encoding == PIECE_BASE64 ? 0 : finish_lines(p, out);
    if (r >= 0 && p->encoding == PIECE_QUOTED)
        r = quoted_lines_finish(&p->quoted, out);
    return r < 0 ? r : base64_lines_finish(&p->base64, out);
}

/* ---- reading ---- */

int source_check_text(const SourceReader *source, const TextShape *shape, bool whole, Failure *f)
{
    if (shape->has_nul)
        return source_fail(
            source, ERROR_MESSAGE, " is no text: it holds a NUL byte; attach it instead", f);
    if (shape->is_broken || (whole && shape->n_open > 0))
        return source_fail(source, ERROR_CHARSET,
            " is not UTF-8; convert it, for instance with iconv, or attach it", f);
    return 0;
}

/* The next of a piece. 1, or 0 at its end. */
static int read_piece(Piece *p, Buffer *out, Failure *f)
{
    _cleanup_buffer_ Buffer read = {0};
    size_t n;
    int r;

    if (buffer_size(&p->text) > 0) {
        r = buffer_append(out, buffer_data(&p->text), buffer_size(&p->text));
        buffer_done(&p->text);
        return r < 0 ? r : 1;
    }
    if (!p->has_source || p->source.finished)
        return 0;
    r = source_read(&p->source, &read, f);
    if (r < 0)
        return r;
    n = buffer_size(&read);
    p->source.finished = n == 0;
    if (p->is_text) {
        if (n > 0)
            text_shape_add(&p->shape, buffer_data(&read), n);
        r = source_check_text(&p->source, &p->shape, n == 0, f);
    }
    if (r >= 0)
        r = encode(p, &read, out);
    return r < 0 ? r : n > 0;
}

/* The next of the file. 1, or 0 at its end. */
static int read_next(Composed *c, Buffer *out, Failure *f)
{
    size_t before = buffer_size(out);
    int r;

    if (c->at >= c->n_pieces)
        return 0;
    r = read_piece(c->pieces[c->at], out, f);
    c->at += r == 0;
    if (r >= 0 && c->keeps_body && buffer_size(out) > before)
        r = buffer_append(&c->body, buffer_at(out, before), buffer_size(out) - before);
    return r < 0 ? r : 1;
}

/* The envelope block and the header, which are in one read. */
static int read_head(Composed *c, Buffer *out)
{
    int r = c->begun ? 0 : buffer_append(out, buffer_data(&c->block), buffer_size(&c->block));

    if (r >= 0 && !c->begun)
        r = buffer_append(out, buffer_data(&c->header), buffer_size(&c->header));
    c->begun = true;
    return r;
}

int composed_read(Composed *c, size_t wanted, Buffer *out, Failure *f)
{
    size_t before = buffer_size(out);
    int r = read_head(c, out) < 0 ? -ENOMEM : 1;

    while (r > 0 && buffer_size(out) - before < wanted)
        r = read_next(c, out, f);
    return r;
}
