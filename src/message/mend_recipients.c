/* Making lists of recipients that can be read. Must never change an element that can be read, nor
 * leave one out or find one more than Postfix does. */
#include "message/mend_recipients.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "message/address.h"
#include "message/mend.h"
#include "message/words.h"

/* ---- one element that cannot be read ---- */

typedef enum PieceKind { PIECE_WORD, PIECE_QUOTED, PIECE_ANGLE, PIECE_BROKEN } PieceKind;

typedef struct Piece {
    PieceKind kind;
    const char *text; /* within what encloses it */
    size_t n;
} Piece;

static Piece enclosed(const char **at, const char *end, PieceKind kind, char close)
{
    const char *start = *at + 1, *to = memchr(start, close, (size_t)(end - start));
    size_t n = to ? (size_t)(to - start) : 0;

    if (!to || memchr(start, '\\', n) || memchr(start, '<', n))
        return (Piece){.kind = PIECE_BROKEN};
    *at = to + 1;
    return (Piece){kind, start, n};
}

/* The next one of the element; false at its end. Comments are left to those who can read them. */
static bool next_piece(const char **at, const char *end, Piece *ret)
{
    const char *start;

    while (*at < end && text_is_space(**at))
        ++*at;
    start = *at;
    if (start == end)
        return false;
    if (*start == '"')
        *ret = enclosed(at, end, PIECE_QUOTED, '"');
    else if (*start == '<')
        *ret = enclosed(at, end, PIECE_ANGLE, '>');
    else {
        while (*at < end && !text_is_space(**at) && !strchr("\"<>()", **at))
            ++*at;
        *ret = (Piece){*at > start ? PIECE_WORD : PIECE_BROKEN, start, (size_t)(*at - start)};
    }
    return true;
}

static bool is_address(const Piece *piece)
{
    return address_check(piece->text, piece->n, false, NULL) >= 0;
}

typedef struct Element {
    Buffer *out;
    Buffer name;    /* what stands in front of the next <...> */
    bool has_angle; /* then all words are names */
} Element;

static int put_address(Element *e, const Piece *piece, bool first)
{
    const char *name = buffer_data(&e->name);
    bool named = buffer_size(&e->name) > 0;
    int r = buffer_appendf(e->out, "%s%s%.*s%s%s%.*s%s", first ? "" : ", ", named ? "\"" : "",
        (int)buffer_size(&e->name), name ?: "", named ? "\" " : "", named ? "<" : "", (int)piece->n,
        piece->text, named ? ">" : "");

    buffer_clear(&e->name);
    return r;
}

static int add_to_name(Element *e, const Piece *piece)
{
    return buffer_appendf(
        &e->name, "%s%.*s", buffer_size(&e->name) > 0 ? " " : "", (int)piece->n, piece->text);
}

/* 1 when all of it is addresses, or names of <...>; 0; or -ENOMEM. */
static int write_element(Element *e, const char *at, const char *end)
{
    size_t n = 0;
    Piece piece;

    while (next_piece(&at, end, &piece)) {
        bool is_name = e->has_angle && piece.kind != PIECE_ANGLE;
        int r;

        if (piece.kind == PIECE_BROKEN || memchr(piece.text, '\\', piece.n) ||
            (!is_name && !is_address(&piece)))
            return 0;
        r = is_name ? add_to_name(e, &piece) : put_address(e, &piece, n++ == 0);
        if (r < 0)
            return r;
    }
    return buffer_size(&e->name) == 0 && n > 0;
}

/* ---- a field ---- */

typedef struct List {
    const char *copied; /* up to here it is in `out` */
    const char *end;    /* of the element before */
    Buffer *out;
    bool any, has_group;
} List;

static int ignore(_unused_ void *user, _unused_ const AddressItem *item)
{
    return 0;
}

static int copy_to(List *list, const char *to)
{
    int r = buffer_append(list->out, list->copied, (size_t)(to - list->copied));

    list->copied = to;
    list->any = true;
    return r;
}

static int put_commas(List *list, const char *from, const char *to)
{
    int r = 0;

    for (const char *at = from; r >= 0 && (at = memchr(at, ';', (size_t)(to - at)));) {
        r = copy_to(list, at) ?: buffer_append(list->out, ",", 1);
        list->copied = ++at;
    }
    return r;
}

/* Such an element is a local part without a domain to who reads it by the letter. */
static bool is_quoted(const char *text, size_t n)
{
    return n > 2 && text[0] == '"' && text[n - 1] == '"';
}

static int put_element(void *user, const char *text, size_t n)
{
    List *list = user;
    _cleanup_buffer_ Buffer written = {0};
    Element element = {.out = &written, .has_angle = memchr(text, '<', n)};
    int r = put_commas(list, list->end ?: text, text);

    list->end = text + n;
    if (r >= 0)
        r = address_list_parse(text, n, ADDRESS_RECIPIENTS, ignore, NULL, NULL);
    if (r != -EINVAL && (r < 0 || !is_quoted(text, n)))
        return r;
    r = write_element(&element, text, text + n);
    if (r > 0) {
        r = copy_to(list, text)
                ?: buffer_append(list->out, buffer_data(&written), buffer_size(&written));
        list->copied = text + n;
    }
    buffer_done(&element.name);
    return r;
}

static int note_group(void *user, const AddressItem *item)
{
    *(bool *)user = *(bool *)user || item->kind == ADDRESS_GROUP;
    return 0;
}

int mend_recipients(const HeaderField *field, Buffer *out)
{
    List list = {.copied = field->name, .out = out};
    size_t before = buffer_size(out);
    int r = address_list_parse(
        field->value, field->n_value, ADDRESS_RECIPIENTS, note_group, &list.has_group, NULL);

    if (r == -ENOMEM || list.has_group ||
        (r >= 0 && !memchr(field->value, ';', field->n_value) &&
            !memchr(field->value, '"', field->n_value)))
        return r == -ENOMEM ? r : 0;
    r = address_list_split(field->value, field->n_value, put_element, &list);
    if (r >= 0 && list.any)
        r = copy_to(&list, field->end);
    if (r < 0 || !list.any)
        buffer_truncate(out, before);
    return r < 0 ? r : list.any;
}
