/* Text and files as MIME parts. Must never put the name of a file's directory into a message, and
 * never leave out a file it could not read. */
#include "message/compose_body.h"

#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "base/file.h"
#include "base/text.h"
#include "message/compose_field.h"
#include "message/compose_type.h"
#include "message/field_syntax.h"
#include "message/field_text.h"

#define BOUNDARY_RANDOM 24
#define BOUNDARY_MARK "=_"                 /* neither base64 nor quoted-printable holds it */
#define OWN_LOOK_BYTES ((size_t)64 * 1024) /* of a text that is said to be encoded */
#define TEXT "the text"
#define HTML "the HTML text"
#define ATTACHMENT "the attachment"

typedef struct Boundary {
    char text[sizeof(BOUNDARY_MARK) + BOUNDARY_RANDOM];
} Boundary;

/* The body that is being made. */
typedef struct BodyWriter {
    const Compose *compose;
    Composed *composed;
    FieldOutput fields; /* its buffer: where the fields of the next part go */
    TypesFile types;
    Failure *failure;
} BodyWriter;

static int end_fields(BodyWriter *w, const char *encoding)
{
    return buffer_appendf(w->fields.buffer, "Content-Transfer-Encoding: %s\n\n", encoding);
}

/* From now on fields go into the body. */
static int begin_part(BodyWriter *w, const Boundary *boundary, bool first)
{
    w->fields.buffer = composed_text(w->composed);
    return w->fields.buffer
               ? buffer_appendf(w->fields.buffer, "%s--%s\n", first ? "" : "\n", boundary->text)
               : -ENOMEM;
}

static int end_parts(BodyWriter *w, const Boundary *boundary)
{
    w->fields.buffer = composed_text(w->composed);
    return w->fields.buffer ? buffer_appendf(w->fields.buffer, "\n--%s--\n", boundary->text)
                            : -ENOMEM;
}

static int begin_multipart(BodyWriter *w, const char *kind, const char *root, Boundary *ret)
{
    strcpy(ret->text, BOUNDARY_MARK);
    file_random_name(ret->text + strlen(BOUNDARY_MARK), BOUNDARY_RANDOM);
    return buffer_appendf(w->fields.buffer, "Content-Type: multipart/%s;%s%s%s boundary=\"%s\"\n\n",
        kind, root ? " type=\"" : "", root ?: "", root ? "\";\n" : "", ret->text);
}

/* ---- text ---- */

/* Quoted-printable while it is the shorter one: it can be read without a program. */
static bool wants_base64(const TextShape *shape)
{
    return shape->others > shape->n / 6;
}

static bool is_7bit(const TextShape *shape)
{
    return shape->others == 0 && !shape->has_long_lines && !shape->has_cr && !shape->has_nul;
}

static const char *encoding_name(PieceEncoding encoding)
{
    switch (encoding) {
    case PIECE_LINES: return "7bit";
    case PIECE_QUOTED: return "quoted-printable";
    default: return "base64";
    }
}

static PieceEncoding choose_encoding(const TextShape *shape, bool whole, bool is_text)
{
    if (whole && is_7bit(shape))
        return PIECE_LINES;
    if (wants_base64(shape))
        return is_text ? PIECE_BASE64_CRLF : PIECE_BASE64_LF;
    return PIECE_QUOTED;
}

static int put_text(BodyWriter *w, const ComposeSource *source, const char *subtype)
{
    SourceReader reader;
    TextShape shape;
    PieceEncoding encoding;
    bool whole;
    int r = source_open(&reader, source, strcmp(subtype, "html") == 0 ? HTML : TEXT, 0, w->failure);

    if (r < 0)
        return r;
    r = source_look(&reader, &shape, &whole, w->failure);
    if (r >= 0)
        r = source_check_text(&reader, &shape, whole, w->failure);
    encoding = choose_encoding(&shape, whole, true);
    if (r >= 0)
        r = buffer_appendf(w->fields.buffer, "Content-Type: text/%s; charset=%s\n", subtype,
            whole && shape.others == 0 ? "us-ascii" : "utf-8");
    if (r >= 0)
        r = end_fields(w, encoding_name(encoding));
    if (r < 0) {
        source_close(&reader, false);
        return r;
    }
    return composed_add_source(w->composed, &reader, encoding, true);
}

static int put_alternative(BodyWriter *w)
{
    const Compose *c = w->compose;
    Boundary boundary;
    int r;

    if (c->html.origin == COMPOSE_NOTHING)
        return put_text(w, &c->body, "plain");
    if (c->body.origin == COMPOSE_NOTHING)
        return put_text(w, &c->html, "html");
    r = begin_multipart(w, "alternative", NULL, &boundary);
    if (r >= 0)
        r = begin_part(w, &boundary, true);
    if (r >= 0)
        r = put_text(w, &c->body, "plain");
    if (r >= 0) /* the last is the one that is liked best (RFC 2046, 5.1.4) */
        r = begin_part(w, &boundary, false);
    if (r >= 0)
        r = put_text(w, &c->html, "html");
    return r < 0 ? r : end_parts(w, &boundary);
}

/* ---- files ---- */

static const char *base_name(const ComposePart *part)
{
    const char *path = part->name ?: part->source.path ?: "", *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* The name without its directory, in UTF-8; empty: there is none. 0, -EBADMSG with a Failure, or
 * -ENOMEM. */
static int name_of(const ComposePart *part, char **ret, Failure *f)
{
    const char *path = part->name ?: part->source.path ?: "", *name = base_name(part);
    _cleanup_buffer_ Buffer shown = {0};
    int r = 0;

    for (const char *c = name; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return failure_set(f, -EBADMSG, ERROR_ATTACHMENT,
                "the name of the attachment %s holds a line break or another control character; "
                "give the file another name, or attach a link to it",
                path);
    for (const char *end = name + strlen(name); name < end && r >= 0;) {
        size_t n = text_character(name, (size_t)(end - name));

        r = n > 0 ? buffer_append(&shown, name, n) : buffer_append_string(&shown, "\uFFFD");
        name += MAX(n, (size_t)1);
    }
    if (r >= 0)
        r = buffer_append(&shown, "", 1);
    if (r >= 0)
        *ret = strdup(buffer_data(&shown));
    return r < 0 || !*ret ? -ENOMEM : 0;
}

/* Whether another inline part before it has its id: which of them is shown nobody knows. */
static bool is_repeated_id(const BodyWriter *w, const ComposePart *part, const char *id)
{
    for (const ComposePart *other = w->compose->parts; other < part; other++)
        if (other->is_inline && strcmp(other->content_id ?: base_name(other), id) == 0)
            return true;
    return false;
}

/* What a part is known by in the HTML; many readers do not mind that it has no "@". */
static int put_content_id(BodyWriter *w, const ComposePart *part, const char *name)
{
    const char *id = part->content_id ?: name;
    _cleanup_buffer_ Buffer text = {0};
    FieldWriter field;
    int r;

    if (!field_is_content_id(id))
        return failure_set(w->failure, -EBADMSG, ERROR_MESSAGE,
            "content id: \"%s\" cannot stand in cid:...; give an inline part one of letters, "
            "digits and ._-+@ (the name of its file is it, where there is no other)",
            id);
    if (is_repeated_id(w, part, id))
        return failure_set(w->failure, -EBADMSG, ERROR_MESSAGE,
            "content id: two inline parts have the id \"%s\"; give one of them another", id);
    r = buffer_appendf(&text, "<%s>", id);
    if (r < 0)
        return r;
    field_begin(&field, &w->fields, "Content-ID", strlen("Content-ID"));
    field_put(&field, " ", 1, buffer_data(&text), buffer_size(&text));
    return field_end(&field, "content id", w->failure);
}

static int put_disposition(BodyWriter *w, const ComposePart *part, const char *name)
{
    FieldWriter field;

    field_begin(&field, &w->fields, "Content-Disposition", strlen("Content-Disposition"));
    field_put_word(&field, part->is_inline ? "inline" : "attachment");
    if (*name)
        field_put_parameter(&field, "filename", name);
    return field_end(&field, "attachment", w->failure);
}

static bool is_type(const char *type, const char *start)
{
    return text_starts_nocase(type, start);
}

/* How the file goes in. A message may not be encoded (RFC 2046, 5.2.1). 0, or -EBADMSG. */
static int encoding_of(const SourceReader *reader, const char *type, const TextShape *shape,
    bool whole, PieceEncoding *ret, Failure *f)
{
    *ret = PIECE_BASE64;
    if (is_type(type, "multipart/"))
        return source_fail(reader, ERROR_ATTACHMENT,
            " cannot be of a type multipart: a file is one part; give it the type of what it is",
            f);
    if (!is_type(type, "message/"))
        return 0;
    *ret = PIECE_LINES;
    return whole && is_7bit(shape)
               ? 0
               : source_fail(reader, ERROR_ATTACHMENT,
                     " is no message that can go as it is, of 7-bit lines of at most 998 "
                     "characters; attach it as application/octet-stream",
                     f);
}

/* What a file is taken to be, and what of it is known. */
typedef struct FileType {
    const char *type;
    TextShape shape; /* of a text or a message */
    bool whole;      /* all of that was looked at */
} FileType;

/* By its name, else by its content: a text is what is UTF-8 to its end. 0, -EBADMSG with a Failure,
 * or -ENOMEM. */
static int guess_type(BodyWriter *w, const char *name, SourceReader *reader, FileType *ret)
{
    _cleanup_buffer_ Buffer start = {0};
    int r = 0;

    ret->type = content_type_of_name(name, &w->types);
    if (ret->type)
        return 0;
    ret->type = "application/octet-stream";
    r = source_peek(reader, CONTENT_SAMPLE, &start, w->failure);
    if (r < 0 || buffer_size(&start) == 0)
        return r;
    ret->type = content_type_of_start(buffer_data(&start), buffer_size(&start))
                    ?: "application/octet-stream";
    if (!content_may_be_text(buffer_data(&start), buffer_size(&start)) ||
        !is_type(ret->type, "application/octet-stream"))
        return 0;
    r = source_look(reader, &ret->shape, &ret->whole, w->failure);
    if (ret->whole && !ret->shape.is_broken && !ret->shape.has_nul)
        ret->type = "text/plain";
    return r;
}

static int find_type(
    BodyWriter *w, const ComposePart *part, const char *name, SourceReader *reader, FileType *ret)
{
    int r = 0;

    *ret = (FileType){.type = part->type};
    if (!part->type)
        r = guess_type(w, name, reader, ret);
    if (r >= 0 && !ret->whole && (is_type(ret->type, "text/") || is_type(ret->type, "message/")))
        r = source_look(reader, &ret->shape, &ret->whole, w->failure);
    if (!part->type && is_type(ret->type, "message/") && !(ret->whole && is_7bit(&ret->shape)))
        ret->type = "application/octet-stream";
    return r;
}

/* `reader` is taken over where all goes well. */
static int put_open_file(
    BodyWriter *w, const ComposePart *part, const char *name, SourceReader *reader)
{
    PieceEncoding encoding = PIECE_BASE64;
    FileType t;
    int r = find_type(w, part, name, reader, &t);

    if (r >= 0)
        r = encoding_of(reader, t.type, &t.shape, t.whole, &encoding, w->failure);
    if (r >= 0)
        r = compose_put_type("content type", "Content-Type", t.type,
            &(TypeParameters){
                .charset = t.whole && !t.shape.is_broken ? "utf-8" : NULL, .name = name},
            &w->fields, w->failure);
    if (r >= 0)
        r = put_disposition(w, part, name);
    if (r >= 0 && part->is_inline)
        r = put_content_id(w, part, name);
    if (r >= 0)
        r = end_fields(w, encoding_name(encoding));
    return r < 0 ? r : composed_add_source(w->composed, reader, encoding, false);
}

static int put_file(BodyWriter *w, const ComposePart *part)
{
    _cleanup_free_
    char *name = NULL;
    SourceReader reader;
    int r = name_of(part, &name, w->failure);

    if (r >= 0)
        r = source_open(&reader, &part->source, ATTACHMENT, ERROR_ATTACHMENT, w->failure);
    if (r < 0)
        return r;
    r = put_open_file(w, part, name, &reader);
    if (r < 0)
        source_close(&reader, false);
    return r;
}

static int put_files(BodyWriter *w, bool is_inline, const Boundary *boundary)
{
    const Compose *c = w->compose;
    int r = 0;

    for (size_t i = 0; i < c->n_parts && r >= 0; i++) {
        if (c->parts[i].is_inline != is_inline)
            continue;
        r = begin_part(w, boundary, false);
        if (r >= 0)
            r = put_file(w, &c->parts[i]);
    }
    return r < 0 ? r : end_parts(w, boundary);
}

/* ---- all of it ---- */

static size_t count(const Compose *c, bool is_inline)
{
    size_t n = 0;

    for (size_t i = 0; i < c->n_parts; i++)
        n += c->parts[i].is_inline == is_inline;
    return n;
}

static int put_related(BodyWriter *w)
{
    bool both = w->compose->body.origin != COMPOSE_NOTHING;
    Boundary boundary;
    int r;

    if (count(w->compose, true) == 0)
        return put_alternative(w);
    if (w->compose->html.origin == COMPOSE_NOTHING)
        return failure_set(w->failure, -EBADMSG, ERROR_MESSAGE,
            "an inline part is shown by an HTML text, in which cid:... names it, and there is "
            "none; "
            "give one, or attach the file");
    r = begin_multipart(
        w, "related", both ? "multipart/alternative" : "text/html", &boundary); /* RFC 2387, 3.1 */
    if (r >= 0)
        r = begin_part(w, &boundary, true);
    if (r >= 0)
        r = put_alternative(w);
    return r < 0 ? r : put_files(w, true, &boundary);
}

static int put_mixed(BodyWriter *w)
{
    Boundary boundary;
    int r;

    if (count(w->compose, false) == 0)
        return put_related(w);
    r = begin_multipart(w, "mixed", NULL, &boundary);
    if (r >= 0)
        r = begin_part(w, &boundary, true);
    if (r >= 0)
        r = put_related(w);
    return r < 0 ? r : put_files(w, false, &boundary);
}

int compose_body_put(const Compose *c, const FieldOutput *style, Composed *composed, Failure *f)
{
    BodyWriter w = {.compose = c,
        .composed = composed,
        .fields = *style,
        .types.path = c->style.types_file,
        .failure = f};
    int r;

    w.fields.buffer = &composed->header;
    r = put_mixed(&w);
    types_file_done(&w.types);
    return r;
}

/* ---- of which the user says what it is ---- */

int own_body_open(OwnBody *body, const Compose *c, Failure *f)
{
    int r = source_open(&body->reader, &c->body, TEXT, 0, f);

    if (r >= 0)
        r = source_look(&body->reader, &body->shape, &body->whole, f);
    if (r >= 0 && body->shape.has_nul)
        r = source_check_text(&body->reader, &body->shape, body->whole, f);
    return r;
}

int own_body_check(OwnBody *body, const ComposeOwn *own, Failure *f)
{
    _cleanup_buffer_ Buffer start = {0};
    int r = own->encoding ? source_peek(&body->reader, OWN_LOOK_BYTES, &start, f) : 0;

    if (r < 0 || !own->encoding)
        return r;
    r = buffer_append(&start, "", 1);
    return r < 0 ? r
                 : compose_own_check_body(own, buffer_data(&start), buffer_size(&start) - 1,
                       buffer_size(&start) <= OWN_LOOK_BYTES, f);
}

void own_body_done(OwnBody *body)
{
    source_close(&body->reader, false);
}

const char *own_body_charset(const OwnBody *body)
{
    return !body->shape.is_broken && (body->shape.others > 0 || !body->whole) ? "utf-8" : NULL;
}

int own_body_put_raw(OwnBody *body, Composed *composed)
{
    int r = buffer_append(&composed->header, "\n", 1);

    return r < 0 ? r : composed_add_source(composed, &body->reader, PIECE_LINES, false);
}

int own_body_put(OwnBody *body, bool is_text, bool is_utf8, Composed *composed)
{
    PieceEncoding encoding = choose_encoding(&body->shape, body->whole, is_text);
    int r = buffer_appendf(
        &composed->header, "Content-Transfer-Encoding: %s\n\n", encoding_name(encoding));

    return r < 0 ? r : composed_add_source(composed, &body->reader, encoding, is_utf8);
}
