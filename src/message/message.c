/* A queued message: loading its header, mending it, handing the content out. Must never hold more
 * of a large body than came with the first read, and never hand out a byte before the whole header
 * has been found good. */
#include "message/message.h"

#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"
#include "message/address.h"
#include "message/fold.h"
#include "message/form.h"
#include "message/header.h"
#include "message/origin.h"
#include "message/stamp.h"

#define FIRST_READ (64 * 1024) /* bytes: a usual message whole, in one call */

/* Of what is handed out: the header, fields added to it, and what was read behind the header. The
 * rest of the input comes after them. */
enum { PIECE_HEADER, PIECE_ADDED, PIECE_BODY, N_PIECES };

typedef struct Piece {
    const char *data;
    size_t n;
} Piece;

/* The content as a relay can take it that cannot take it as it is, once that was asked for. */
typedef struct Conversion {
    Convert *convert; /* NULL: not asked for, or it cannot be */
    Failure why;      /* it cannot be; number 0: it was not asked for */
} Conversion;

/* The content as an input. */
typedef struct ContentInput {
    Input base;
    Message *message;
} ContentInput;

struct Message {
    Input *input;
    ContentInput content;
    char *memory;
    size_t n_memory;   /* bytes of the input in `memory` */
    size_t block_end;  /* of the envelope block; 0: there is none */
    size_t header_end; /* the empty line, or the end of the input */
    Envelope envelope;
    Failure unfoldable; /* the first line of the header that is; number 0: none */
    Buffer added;
    Piece pieces[N_PIECES];
    ContentForm form;     /* of the pieces, or of all; not finished */
    bool body_is_8bit;    /* likewise */
    uint64_t form_at;     /* so much of the input has been looked at */
    size_t piece, offset; /* where message_read() goes on */
    uint64_t input_offset;
    Conversion conversions[2]; /* without 8-bit content, and with it */
};

void message_free(Message *m)
{
    if (!m)
        return;
    envelope_done(&m->envelope);
    failure_done(&m->unfoldable);
    for (size_t i = 0; i < ELEMENTSOF(m->conversions); i++) {
        convert_free(m->conversions[i].convert);
        failure_done(&m->conversions[i].why);
    }
    buffer_done(&m->added);
    free(m->memory);
    free(m);
}

static int bad_message(Failure *f, const char *why)
{
    return failure_set(f, -EBADMSG, ERROR_MESSAGE, "%s", why);
}

/* Reads on until `wanted` bytes of the input are in memory. */
static int load(Message *m, size_t wanted, Failure *f)
{
    char *memory = realloc(m->memory, wanted);

    if (!memory)
        return -ENOMEM;
    m->memory = memory;
    while (m->n_memory < wanted) {
        ssize_t n =
            input_read_at(m->input, memory + m->n_memory, wanted - m->n_memory, m->n_memory);

        if (n <
            0) /* -EBADMSG: some file systems say so of a block, which is not the message's fault */
            return failure_set_errno(f, n == -EBADMSG ? -EIO : (int)n, "cannot read the message");
        if (n == 0)
            return failure_set(f, -EIO, ERROR_FILE,
                "the message became shorter while it was read; write it under another name and "
                "rename it when it is complete");
        m->n_memory += (size_t)n;
    }
    return 0;
}

/* What the first bytes tell about the file. */
static int check_encoding(const Message *m, Failure *f)
{
    const unsigned char *data = (const unsigned char *)m->memory;
    bool is_utf16 = false;

    if (m->n_memory >= 2)
        is_utf16 = (data[0] == 0xff && data[1] == 0xfe) || (data[0] == 0xfe && data[1] == 0xff) ||
                   (!data[0] != !data[1]);
    return is_utf16 ? bad_message(f, "the file is UTF-16 text; save it as UTF-8") : 0;
}

/* 0, or -EBADMSG with a Failure. */
static int check_size(const HeaderParts *parts, Failure *f)
{
    if (parts->block.end - parts->block.at > MESSAGE_BLOCK_MAX)
        return bad_message(f, "the envelope in front of the header is larger than 16 MiB; queue "
                              "the message several times, each for some of the recipients");
    if (parts->header.end - parts->header.at >= MESSAGE_HEADER_MAX)
        return bad_message(f, "the header is larger than 1 MiB; is there an empty line between "
                              "header and text?");
    return 0;
}

/* How much to read where `n` bytes do not hold the whole header: so much of a message that goes on
 * is there for whoever reads it again. */
static size_t read_after(size_t n)
{
    return MIN(n * 4, (size_t)MESSAGE_START_MAX);
}

int message_read_start(
    int (*read)(void *source, Buffer *out, Failure *f), void *source, Buffer *out, Failure *f)
{
    HeaderParts parts;
    int r = 1;

    for (size_t wanted = MESSAGE_HEADER_MAX;; wanted = read_after(wanted)) {
        while (r > 0 && buffer_size(out) < wanted)
            r = read(source, out, f);
        if (r <= 0 || wanted == MESSAGE_START_MAX ||
            header_locate(buffer_data(out), wanted, false, &parts) || check_size(&parts, NULL) < 0)
            return r;
    }
}

/* Reads the header part, and as much of the body as comes with it. */
static int load_header(Message *m, HeaderParts *parts, Failure *f)
{
    size_t wanted = (size_t)MIN(m->input->size, (uint64_t)FIRST_READ);
    int r;

    if (m->input->size == 0)
        return bad_message(f, "the file is empty");
    r = load(m, wanted, f);
    if (r == 0)
        r = check_encoding(m, f);
    if (r < 0)
        return r;
    while (!header_locate(m->memory, m->n_memory, m->n_memory == m->input->size, parts)) {
        if (m->n_memory == m->input->size)
            break;
        wanted = (size_t)MIN(m->input->size, (uint64_t)read_after(m->n_memory));
        r = check_size(parts, f);
        if (r == 0)
            r = load(m, wanted, f);
        if (r < 0)
            return r;
    }
    return check_size(parts, f);
}

/* What there is in a header. */
typedef struct Contents {
    unsigned kinds; /* of fields */
    bool has_gaps;  /* between names and colons */
} Contents;

/* Remembers the first line that no relay need take, and that cannot be folded on its way. 0 or
 * -ENOMEM. */
static int note_length(const HeaderField *field, Failure *f)
{
    _cleanup_buffer_ Buffer folded = {0};
    size_t n = (size_t)(field->end - field->name);
    int r;

    if (n <= FORM_LINE_MAX || f->number != 0 || FIELDS_DROPPED & FIELD_BIT(field->kind))
        return 0;
    r = fold_field(field->name, n, &folded, f);
    if (r == -EBADMSG)
        failure_set(f, r, f->number, "line %zu: %s", field->line, failure_text(f));
    return r == -EBADMSG ? 0 : r;
}

/* Walks the header once: no line of it is malformed, and what there is. */
static int walk_header(Message *m, HeaderCursor cursor, Contents *ret, Failure *f)
{
    HeaderField field;
    int r;

    *ret = (Contents){0};
    while ((r = header_next(&cursor, &field, f)) > 0) {
        ret->kinds |= FIELD_BIT(field.kind);
        ret->has_gaps = ret->has_gaps || header_field_has_gap(&field);
        r = note_length(&field, &m->unfoldable);
        if (r < 0)
            return r;
    }
    return r;
}

/* Copies what is asked for into the envelope. */
static int take_asked(const Envelope *asked, Envelope *e, Failure *f)
{
    int r = asked && asked->sender
                ? envelope_set_sender(e, asked->sender, asked->sender_parameters, f)
                : 0;

    if (r == 0 && asked && asked->lane)
        r = envelope_set_lane(e, asked->lane, strlen(asked->lane), f);
    for (size_t i = 0; r == 0 && asked && i < asked->n_recipients; i++)
        r = envelope_add_recipient(
            e, asked->recipients[i].address, asked->recipients[i].parameters, f);
    return r == -EINVAL ? -EBADMSG : r;
}

/* Reads envelope and header, and sets the piece of the header: without envelope and the fields that
 * do not go out. */
static int read_header(
    Message *m, const HeaderParts *parts, const Envelope *asked, Contents *ret, Failure *f)
{
    HeaderCursor cursor = parts->header;
    bool has_block = parts->block.at < parts->block.end, has_header = cursor.at < cursor.end;
    size_t n_header = (size_t)(cursor.end - cursor.at);
    char *header = m->memory + (cursor.at - m->memory);
    int r;

    m->header_end = (size_t)(cursor.end - m->memory);
    m->block_end = has_block ? (size_t)(parts->block.end - m->memory) : 0;
    if (!has_block && !has_header && !asked)
        return bad_message(f, "the file begins with an empty line, so that it has no header; a "
                              "message is a header, an empty line, and the text");
    r = take_asked(asked, &m->envelope, f);
    if (r == 0)
        r = origin_read_block(parts->block, &m->envelope, f);
    if (r < 0)
        return r;
    if (!has_header && m->header_end == m->input->size)
        return bad_message(f, "there is no message behind the envelope fields");
    r = walk_header(m, cursor, ret, f);
    if (r == 0)
        r = origin_complete(&cursor, ret->kinds, &m->envelope, f);
    if (r < 0)
        return r;
    if (ret->kinds & FIELDS_DROPPED || ret->has_gaps)
        n_header = header_mend(header, n_header);
    m->pieces[PIECE_HEADER] = (Piece){header, n_header};
    return 0;
}

void message_fields(const Message *m, MessageField handler, void *user)
{
    const Piece *header = &m->pieces[PIECE_HEADER];
    HeaderCursor cursor = {.at = header->data, .end = header->data + header->n};
    HeaderField field;

    while (header_next(&cursor, &field, NULL) > 0)
        handler(user, field.name, field.n_name, field.value, field.n_value);
}

int message_addressees(const Message *m, AddresseeKind *ret_kinds)
{
    const Piece *header = &m->pieces[PIECE_HEADER];
    const HeaderCursor cursor = {.at = header->data, .end = header->data + header->n};
    _cleanup_envelope_ Envelope listed = {0};
    size_t n_to;
    int r = origin_list(&cursor, &listed, &n_to);

    for (size_t i = 0; r == 0 && i < m->envelope.n_recipients; i++) {
        size_t place = envelope_find(&listed, envelope_mailbox(&m->envelope.recipients[i]));

        ret_kinds[i] = place == SIZE_MAX ? ADDRESSEE_BCC
                       : place < n_to    ? ADDRESSEE_TO
                                         : ADDRESSEE_CC;
    }
    return r;
}

/* The line end that the file uses. */
static const char *line_end(const Message *m)
{
    const char *newline = memchr(m->memory, '\n', m->n_memory);

    return newline && newline > m->memory && newline[-1] == '\r' ? "\r\n" : "\n";
}

/* Where a Message-ID can have its domain from beside this host: from the sender or, of a notice,
 * which has none, from who wrote it or whom it is for. */
static int add_message_id(Message *m, usec_t now, const char *id)
{
    const Piece *header = &m->pieces[PIECE_HEADER];
    const Envelope *e = &m->envelope;
    const char *domain = address_domain(e->sender);
    char author[ADDRESS_MAX + 1];

    if (!stamp_takes_domain(domain))
        domain = origin_author_domain(
            (HeaderCursor){.at = header->data, .end = header->data + header->n}, author);
    if (!stamp_takes_domain(domain))
        domain = address_domain(e->recipients[0].address);
    return stamp_message_id(&m->added, id, now, domain);
}

/* Makes the fields that the header lacks. */
static int add_fields(Message *m, unsigned kinds, usec_t now, const char *id)
{
    char date[RFC5322_DATE_MAX];
    const char *end = line_end(m);
    const Piece *header = &m->pieces[PIECE_HEADER];
    bool is_open = header->n > 0 && header->data[header->n - 1] != '\n';
    bool has_date = kinds & FIELD_BIT(FIELD_DATE);
    bool has_message_id = kinds & FIELD_BIT(FIELD_MESSAGE_ID);
    int r = 0;

    if (has_date && has_message_id)
        return 0;
    if (is_open)
        r = buffer_append_string(&m->added, end);
    if (r == 0 && !has_date)
        r = buffer_appendf(&m->added, "Date: %s%s", clock_format_rfc5322(now, date), end);
    if (r == 0 && !has_message_id) {
        r = buffer_append_string(&m->added, "Message-ID: ");
        if (r == 0)
            r = add_message_id(m, now, id);
        if (r == 0)
            r = buffer_append_string(&m->added, end);
    }
    return r;
}

/* Sets the other pieces, and looks at what characters there are. */
static void set_pieces(Message *m)
{
    if (buffer_size(&m->added) > 0)
        m->pieces[PIECE_ADDED] = (Piece){buffer_data(&m->added), buffer_size(&m->added)};
    m->pieces[PIECE_BODY] = (Piece){m->memory + m->header_end, m->n_memory - m->header_end};
    for (size_t i = 0; i < N_PIECES; i++)
        form_add(&m->form, m->pieces[i].data, m->pieces[i].n);
    m->body_is_8bit = !text_is_ascii(m->pieces[PIECE_BODY].data, m->pieces[PIECE_BODY].n);
    m->form_at = m->n_memory;
}

int message_open(Input *input, usec_t now, const char *id, Message **ret, Failure *f)
{
    return message_open_as(input, NULL, now, id, ret, f);
}

int message_open_as(
    Input *input, const Envelope *asked, usec_t now, const char *id, Message **ret, Failure *f)
{
    _cleanup_(message_free_p) Message *m = NULL;
    HeaderParts parts;
    Contents contents = {0};
    int r;

    m = calloc(1, sizeof(*m));
    if (!m)
        return -ENOMEM;
    m->input = input;
    r = load_header(m, &parts, f);
    if (r == 0)
        r = read_header(m, &parts, asked, &contents, f);
    if (r == 0)
        r = add_fields(m, contents.kinds, now, id);
    if (r < 0)
        return r;
    set_pieces(m);
    message_rewind(m);
    *ret = TAKE_PTR(m);
    return 0;
}

const Envelope *message_envelope(const Message *m)
{
    return &m->envelope;
}

int message_check_lines(const Message *m, Failure *f)
{
    return m->unfoldable.number == 0
               ? 0
               : failure_set(f, -EBADMSG, m->unfoldable.number, "%s", failure_text(&m->unfoldable));
}

size_t message_block_size(const Message *message)
{
    return message->block_end;
}

uint64_t message_size(const Message *m)
{
    uint64_t size = m->input->size - m->n_memory;

    for (size_t i = 0; i < N_PIECES; i++)
        size += m->pieces[i].n;
    return size;
}

/* What is left is taken to have lines as long as what was read. */
static uint64_t estimate(const ContentForm *form, uint64_t seen, uint64_t left)
{
    uint64_t added = form->size > seen ? form->size - seen : 0;

    return form->size + left +
           (seen > 0 ? (uint64_t)((double)left * (double)added / (double)seen) : 0);
}

void message_form(const Message *m, MessageForm *ret)
{
    ContentForm form = m->form;
    uint64_t left = m->input->size - m->form_at;

    form_finish(&form);
    *ret = (MessageForm){
        .size = estimate(&form, message_size(m) - left, left),
        .known = left == 0,
        .is_8bit = form.is_8bit,
        .body_is_8bit = m->body_is_8bit,
        .has_long_lines = form.has_long_lines,
    };
}

int message_form_whole(Message *m, MessageForm *ret)
{
    _cleanup_buffer_ Buffer chunk = {0};

    while (m->form_at < m->input->size) {
        size_t wanted = (size_t)MIN((uint64_t)FIRST_READ, m->input->size - m->form_at);
        char *room;
        ssize_t n;

        buffer_clear(&chunk);
        room = buffer_reserve(&chunk, wanted);
        n = room ? input_read_at(m->input, room, wanted, m->form_at) : -ENOMEM;
        if (n <= 0)
            return n < 0 ? (int)n : -EIO;
        form_add(&m->form, room, (size_t)n);
        m->body_is_8bit = m->body_is_8bit || !text_is_ascii(room, (size_t)n);
        m->form_at += (uint64_t)n;
    }
    message_form(m, ret);
    return 0;
}

/* Appends from the part of the input that is not in memory. */
static int64_t read_input(Message *m, size_t max, Buffer *out)
{
    size_t wanted = (size_t)MIN((uint64_t)max, m->input->size - m->input_offset);
    char *to;
    ssize_t n;

    if (wanted == 0)
        return 0;
    to = buffer_reserve(out, wanted);
    if (!to)
        return -ENOMEM;
    n = input_read_at(m->input, to, wanted, m->input_offset);
    if (n <= 0)
        return n < 0 ? n : -EIO;
    buffer_commit(out, (size_t)n);
    m->input_offset += (uint64_t)n;
    return n;
}

int64_t message_read(Message *m, size_t max, Buffer *out)
{
    size_t done = 0;

    while (m->piece < N_PIECES && done < max) {
        const Piece *piece = &m->pieces[m->piece];
        size_t n = MIN(piece->n - m->offset, max - done);
        int r = n > 0 ? buffer_append(out, piece->data + m->offset, n) : 0;

        if (r < 0)
            return r;
        done += n;
        m->offset += n;
        if (m->offset == piece->n)
            m->piece++, m->offset = 0;
    }
    return done > 0 ? (int64_t)done : read_input(m, max, out);
}

static ssize_t read_content_at(Input *input, void *to, size_t n, uint64_t at)
{
    Message *m = ((ContentInput *)input)->message;

    for (size_t i = 0; i < N_PIECES; i++) {
        const Piece *piece = &m->pieces[i];

        if (at < piece->n) {
            n = MIN(n, piece->n - (size_t)at);
            memcpy(to, piece->data + at, n);
            return (ssize_t)n;
        }
        at -= piece->n;
    }
    at += m->n_memory;
    return at < m->input->size ? input_read_at(m->input, to, n, at) : 0;
}

Input *message_input(Message *m)
{
    static const InputOps ops = {read_content_at};

    m->content = (ContentInput){.base = {.ops = &ops, .size = message_size(m)}, .message = m};
    return &m->content.base;
}

int message_convert(Message *m, bool keep_8bit, Convert **ret, Failure *f)
{
    Conversion *c = &m->conversions[keep_8bit];
    int r = 0;

    if (!c->convert && c->why.number == 0)
        r = convert_new(message_input(m), keep_8bit, &c->convert, &c->why);
    if (r < 0 && r != -EBADMSG)
        return r;
    if (!c->convert)
        return failure_set(f, -EBADMSG, c->why.number, "%s", failure_text(&c->why));
    *ret = c->convert;
    return 0;
}

int message_look(Message *m)
{
    MessageForm form;
    Convert *convert;
    int r = message_form_whole(m, &form);

    if (r >= 0 && form.has_long_lines)
        r = message_convert(m, true, &convert, NULL);
    if ((r >= 0 || r == -EBADMSG) && form.body_is_8bit)
        r = message_convert(m, false, &convert, NULL);
    return r == -EBADMSG ? 0 : r;
}

void message_rewind(Message *m)
{
    m->piece = 0;
    m->offset = 0;
    m->input_offset = m->n_memory;
}
