/* Converts a message part by part. Must never change what is signed, nor lose a byte of content. */
#include "message/convert.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/errors.h"
#include "base/text.h"
#include "message/convert_encode.h"
#include "message/fold.h"
#include "message/form.h"

#define DEPTH_MAX 32
#define HEADER_MAX ((size_t)1024 * 1024)

/* A body or header that took longer to look at than this is known from then on: where a piece is
 * handed out nothing waits for all of it to be read. */
#define NOTED_BYTES ((size_t)64 * 1024)

typedef enum ConvertState { STATE_HEADER, STATE_BODY, STATE_END } ConvertState;

/* What a body has in it. */
typedef struct Needs {
    bool is_8bit, has_long_lines, is_utf8;
    unsigned pending; /* bytes of a UTF-8 character to come */
} Needs;

/* What was found out about the one that begins there. */
typedef struct Noted {
    uint64_t at;
    bool only_header;
    Needs needs;
} Noted;

struct Convert {
    Input base;
    Input *source;
    bool keep_8bit;
    LineReader reader, scanner;
    ConvertState state;
    bool is_message; /* the header is a message's, not a part's */
    Buffer header, out;
    uint64_t out_at; /* of the result, where `out` begins */
    Encoder encoder;
    char boundaries[DEPTH_MAX][CONVERT_BOUNDARY_MAX + 1];
    bool digests[DEPTH_MAX]; /* of the same */
    bool in_digest;          /* the header is of a part of one */
    size_t depth;
    uint64_t wire_size;
    Failure why;  /* it cannot be converted */
    Noted *noted; /* in the order they come in */
    size_t n_noted, next_noted;
};

static void rewind_source(Convert *c)
{
    c->next_noted = 0;
    line_seek(&c->reader, c->source, 0);
    buffer_clear(&c->out);
    c->out_at = 0;
    c->state = STATE_HEADER;
    c->is_message = true;
    c->in_digest = false;
    c->depth = 0;
    encoder_start(&c->encoder, ENCODE_COPY);
}

/* ---- boundaries ---- */

/* Which boundary the line is, from 1 on, the innermost first; 0: none. */
static size_t find_boundary(const Convert *c, const Line *line, bool *ret_closes)
{
    if (!line->begins || line->n < 3 || memcmp(line->data, "--", 2) != 0)
        return 0;
    for (size_t level = c->depth; level > 0; level--) {
        const char *boundary = c->boundaries[level - 1];
        size_t n = strlen(boundary), rest = 2 + n;

        if (line->n < rest || memcmp(line->data + 2, boundary, n) != 0)
            continue;
        *ret_closes = line->n >= rest + 2 && memcmp(line->data + rest, "--", 2) == 0;
        rest += *ret_closes ? 2 : 0;
        while (rest < line->n && (line->data[rest] == ' ' || line->data[rest] == '\t'))
            rest++;
        if (rest == line->n)
            return level;
    }
    return 0;
}

/* A part ends: another begins, or what is behind the last one. */
static int pass_boundary(Convert *c, const Line *line, size_t level, bool closes)
{
    int r = encoder_finish(&c->encoder, &c->out);

    r = r < 0 ? r : buffer_append(&c->out, line->data, line->n);
    r = r < 0 ? r : buffer_append(&c->out, line->data + line->n, line->end);
    c->depth = closes ? level - 1 : level;
    c->in_digest = !closes && c->digests[level - 1];
    c->state = closes ? STATE_BODY : STATE_HEADER;
    encoder_start(&c->encoder, ENCODE_DROP_ODD);
    return r;
}

/* ---- what a body needs ---- */

static void note_utf8(Needs *needs, unsigned char c)
{
    if (needs->pending > 0) {
        needs->is_utf8 = needs->is_utf8 && (c & 0xc0) == 0x80;
        needs->pending--;
    } else if (c >= 0x80) {
        needs->is_utf8 = needs->is_utf8 && c >= 0xc2 && c <= 0xf4;
        needs->pending = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
    }
}

/* Reads ahead to the end of the body that begins where the reader is; of a message that is the
 * body, to the end of its header. */
static int scan(Convert *c, bool only_header, Needs *ret, size_t *ret_n)
{
    size_t length = 0;
    bool closes;
    Line line;
    int r;

    *ret = (Needs){.is_utf8 = true};
    *ret_n = 0;
    line_seek(&c->scanner, c->source, c->reader.at);
    while ((r = line_next(&c->scanner, &line)) > 0 && find_boundary(c, &line, &closes) == 0) {
        if (only_header && line.begins && line.n == 0)
            break;
        *ret_n += line.n;
        length = line.begins ? line.n : length + line.n;
        ret->has_long_lines |= length > FORM_LINE_MAX;
        if (!ret->is_8bit && text_is_ascii(line.data, line.n))
            continue;
        ret->is_8bit = true;
        for (size_t i = 0; i < line.n; i++)
            note_utf8(ret, (unsigned char)line.data[i]);
    }
    ret->is_utf8 = ret->is_utf8 && ret->pending == 0;
    return r;
}

static int note(Convert *c, const Noted *noted)
{
    Noted *more = c->noted;

    /* Room is doubled whenever the number reaches a power of two. */
    if ((c->n_noted & (c->n_noted - 1)) == 0)
        more = reallocarray(c->noted, c->n_noted > 0 ? c->n_noted * 2 : 1, sizeof(*more));
    if (!more)
        return -ENOMEM;
    c->noted = more;
    c->noted[c->n_noted++] = *noted;
    c->next_noted = c->n_noted;
    return 0;
}

/* As scan(), which is done once for what is long. */
static int find_needs(Convert *c, bool only_header, Needs *ret)
{
    const Noted *next = c->next_noted < c->n_noted ? &c->noted[c->next_noted] : NULL;
    uint64_t at = c->reader.at;
    size_t n;
    int r;

    if (next && next->at == at && next->only_header == only_header) {
        *ret = next->needs;
        c->next_noted++;
        return 0;
    }
    r = scan(c, only_header, ret, &n);
    return r < 0 || n <= NOTED_BYTES ? r : note(c, &(Noted){at, only_header, *ret});
}

/* ---- headers ---- */

#define ENCLOSED_TYPE "message/rfc822"

/* What a header says anew; NULL: what it said. */
typedef struct HeaderChange {
    const char *encoding;
    const char *type; /* instead of ENCLOSED_TYPE */
} HeaderChange;

/* Appends a header behind which there is no body. */
static int append_lone_header(Convert *c)
{
    const char *at = buffer_data(&c->header), *end = at + buffer_size(&c->header);
    int r = 0;

    for (size_t n; at < end && r >= 0; at += n) {
        n = part_field_length(at, end);
        r = fold_field(at, n, &c->out, &c->why);
    }
    buffer_clear(&c->header);
    return r;
}

/* Whether the field at `at` says that the body is a message. */
static bool is_enclosed_type(const char *at, const char *end)
{
    const char *value = part_field_is(at, end, "Content-Type") ? part_field_value(at, end) : end;
    size_t n = strlen(ENCLOSED_TYPE);

    return (size_t)(end - value) > n && strncasecmp(value, ENCLOSED_TYPE, n) == 0;
}

/* Such a field, its type replaced, its parameters kept. */
static int append_type(Convert *c, const char *at, const char *end, const char *type)
{
    const char *rest = part_field_value(at, end) + strlen(ENCLOSED_TYPE);
    _cleanup_buffer_ Buffer field = {0};
    int r = buffer_appendf(&field, "Content-Type: %s", type);

    if (r >= 0)
        r = buffer_append(&field, rest, (size_t)(end - rest));
    return r < 0 ? r : fold_field(buffer_data(&field), buffer_size(&field), &c->out, &c->why);
}

/* What the header says becomes what `change` says. Fields that are missing come behind. */
static int append_header(
    Convert *c, const Part *part, const HeaderChange *change, const Needs *needs, bool is_message)
{
    const char *at = buffer_data(&c->header) ?: "", *end = at + buffer_size(&c->header);
    const char *encoding = change->encoding;
    int r = 0;

    for (size_t n; at < end && r >= 0; at += n) {
        n = part_field_length(at, end);
        if (change->type && is_enclosed_type(at, at + n))
            r = append_type(c, at, at + n, change->type);
        else if (!encoding || !part_field_is(at, end, "Content-Transfer-Encoding"))
            r = fold_field(at, n, &c->out, &c->why);
    }
    if (!encoding)
        return r;
    if (r >= 0 && is_message && !part->has_version)
        r = buffer_append_string(&c->out, "MIME-Version: 1.0\r\n");
    if (r >= 0 && !part->has_type && change->type)
        r = buffer_appendf(&c->out, "Content-Type: %s\r\n", change->type);
    else if (r >= 0 && !part->has_type && needs->is_8bit)
        r = buffer_appendf(&c->out, "Content-Type: text/plain; charset=%s\r\n",
            needs->is_utf8 ? "utf-8" : "unknown-8bit");
    return r < 0 ? r : buffer_appendf(&c->out, "Content-Transfer-Encoding: %s\r\n", encoding);
}

static int refuse(Convert *c, const char *why)
{
    return failure_set(&c->why, -EBADMSG, ERROR_MESSAGE, "%s", why);
}

/* How a body with these needs is encoded; -EBADMSG where it may not be. */
static int choose_mode(Convert *c, const Part *part, const Needs *needs, EncodeMode *ret)
{
    if (part->kind == PART_FIXED)
        return refuse(c, "a part of it is signed, or of a kind that may not be encoded");
    switch (part->encoding) {
    case ENCODING_PLAIN: *ret = part->kind == PART_TEXT ? ENCODE_QUOTED : ENCODE_BASE64; return 0;
    case ENCODING_QUOTED: *ret = ENCODE_REQUOTED; return 0;
    case ENCODING_BASE64:
        *ret = ENCODE_REWRAPPED;
        return needs->is_8bit ? refuse(c, "a part that says it is base64 holds something else") : 0;
    case ENCODING_UNKNOWN: break;
    }
    return refuse(c, "a part of it has an encoding that is not known here");
}

static int begin_leaf(Convert *c, const Part *part, const char *type, bool is_message)
{
    EncodeMode mode = ENCODE_COPY;
    HeaderChange change = {.type = type};
    Needs needs;
    int r = find_needs(c, false, &needs);

    if (r >= 0 && (needs.has_long_lines || (needs.is_8bit && !c->keep_8bit))) {
        r = choose_mode(c, part, &needs, &mode);
        change.encoding =
            mode == ENCODE_BASE64 || mode == ENCODE_REWRAPPED ? "base64" : "quoted-printable";
    }
    if (r >= 0)
        r = append_header(c, part, &change, &needs, is_message);
    encoder_start(&c->encoder, mode);
    return r;
}

/* The parts within it are looked at one by one. */
static int begin_composite(Convert *c, const Part *part, bool is_message)
{
    const HeaderChange change = {.encoding = c->keep_8bit ? NULL : "7bit"};
    int r = append_header(c, part, &change, &(Needs){0}, is_message);

    if (part->kind == PART_MULTIPART) {
        strcpy(c->boundaries[c->depth], part->boundary);
        c->digests[c->depth++] = part->is_digest;
    } else {
        c->state = STATE_HEADER;
        c->is_message = true;
    }
    encoder_start(&c->encoder, ENCODE_DROP_ODD);
    return r;
}

/* A message within. Where its own header is more than ASCII, message/rfc822, which can only be
 * 7bit here, would be untrue: it is encoded as a whole, under a type that may be (RFC 6532, 3.7),
 * or where it is not UTF-8 either, as a file. */
static int begin_message(Convert *c, Part *part, bool is_message)
{
    Needs header;
    int r = find_needs(c, true, &header);

    if (r < 0)
        return r;
    if (c->keep_8bit || !header.is_8bit)
        return begin_composite(c, part, is_message);
    part->kind = PART_OTHER;
    return begin_leaf(
        c, part, header.is_utf8 ? "message/global" : "application/octet-stream", is_message);
}

static int begin_body(Convert *c, Part *part, bool is_message)
{
    if (part->kind == PART_MULTIPART && c->depth == DEPTH_MAX)
        part->kind = PART_FIXED;
    switch (part->kind) {
    case PART_MULTIPART: return begin_composite(c, part, is_message);
    case PART_MESSAGE: return begin_message(c, part, is_message);
    default: return begin_leaf(c, part, NULL, is_message);
    }
}

/* The header is whole, and `blank` the line that ends it; NULL: there is none, nor a body. */
static int end_header(Convert *c, const Line *blank)
{
    bool is_message = c->is_message;
    Part part;
    int r;

    c->is_message = false;
    c->state = STATE_BODY;
    if (!blank)
        return append_lone_header(c);
    part_read(buffer_data(&c->header) ?: "", buffer_size(&c->header), c->in_digest, &part);
    c->in_digest = false;
    r = begin_body(c, &part, is_message);
    buffer_clear(&c->header);
    return r < 0 ? r : buffer_append(&c->out, blank->data, blank->end);
}

static int step_header(Convert *c, const Line *line)
{
    size_t level;
    bool closes;
    int r;

    if (line->begins && line->n == 0 && line->end > 0)
        return end_header(c, line);
    level = find_boundary(c, line, &closes);
    if (level > 0) { /* a part without a body */
        r = append_lone_header(c);
        return r < 0 ? r : pass_boundary(c, line, level, closes);
    }
    if (buffer_size(&c->header) + line->n > HEADER_MAX)
        return refuse(c, "the header of a part is over 1 MiB");
    r = buffer_append(&c->header, line->data, line->n);
    if (r < 0 || line->end == 0)
        return r;
    return line->end == 2 ? buffer_append(&c->header, "\r\n", 2)
                          : buffer_append(&c->header, "\n", 1);
}

static int step_body(Convert *c, const Line *line)
{
    bool closes;
    size_t level = find_boundary(c, line, &closes);

    return level > 0 ? pass_boundary(c, line, level, closes)
                     : encoder_add(&c->encoder, line, &c->out);
}

static int end_source(Convert *c)
{
    int r = c->state == STATE_HEADER ? end_header(c, NULL) : 0;

    r = r < 0 ? r : encoder_finish(&c->encoder, &c->out);
    c->state = STATE_END;
    return r;
}

/* One line or fragment more. 0 or a negative errno. */
static int step(Convert *c)
{
    Line line;
    int r = line_next(&c->reader, &line);

    if (r <= 0)
        return r < 0 ? r : end_source(c);
    return c->state == STATE_HEADER ? step_header(c, &line) : step_body(c, &line);
}

static ssize_t read_at(Input *input, void *to, size_t n, uint64_t at)
{
    Convert *c = (Convert *)input;
    int r = 0;

    if (at == 0)
        rewind_source(c);
    if (at != c->out_at)
        return -ESPIPE;
    while (buffer_size(&c->out) < n && c->state != STATE_END && r >= 0)
        r = step(c);
    if (r < 0)
        return r;
    n = MIN(n, buffer_size(&c->out));
    if (n > 0)
        memcpy(to, buffer_data(&c->out), n);
    buffer_consume(&c->out, n);
    c->out_at += n;
    return (ssize_t)n;
}

/* Runs through it once. */
static int measure(Convert *c)
{
    ContentForm form = {0};
    char data[16 * 1024];
    uint64_t at = 0;
    ssize_t n;

    while ((n = read_at(&c->base, data, sizeof(data), at)) > 0) {
        form_add(&form, data, (size_t)n);
        at += (uint64_t)n;
    }
    form_finish(&form);
    c->base.size = at;
    c->wire_size = form.size;
    return (int)n;
}

int convert_new(Input *source, bool keep_8bit, Convert **ret, Failure *f)
{
    static const InputOps ops = {read_at};
    _cleanup_(convert_free_p) Convert *c = calloc(1, sizeof(*c));
    int r;

    if (!c)
        return -ENOMEM;
    c->base.ops = &ops;
    c->source = source;
    c->keep_8bit = keep_8bit;
    r = measure(c);
    if (r == -EBADMSG)
        return failure_set(f, r, ERROR_MESSAGE, "%s", failure_text(&c->why));
    if (r < 0)
        return r;
    *ret = TAKE_PTR(c);
    return 0;
}

void convert_free(Convert *c)
{
    if (!c)
        return;
    buffer_done(&c->header);
    buffer_done(&c->out);
    failure_done(&c->why);
    free(c->noted);
    free(c);
}

Input *convert_input(Convert *c)
{
    return &c->base;
}

uint64_t convert_wire_size(const Convert *c)
{
    return c->wire_size;
}
