/* The user's own header fields. Must never let two fields pass as one, nor a field that the queue
 * would take for the envelope or leave out. */
#include "message/compose_own.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"
#include "message/compose_field.h"
#include "message/field_syntax.h"
#include "message/header.h"

#define SHOWN_MAX 40

static int fail(const char *header, const char *why, Failure *f)
{
    _cleanup_free_
    char *shown = text_printable(header, strlen(header), SHOWN_MAX);

    return failure_set(f, -EBADMSG, ERROR_MESSAGE, "header \"%s\": %s", shown ?: "...", why);
}

/* ---- examining ---- */

static int fail_form(const char *header, Failure *f)
{
    const char *colon = strchr(header, ':');

    if (colon && !text_is_ascii(header, (size_t)(colon - header)))
        return fail(header,
            "the name of a field is of ASCII letters, digits and \"-\" alone; its value may be of "
            "any",
            f);
    if (colon && strcspn(header, " \t") < (size_t)(colon - header) && colon > header)
        return fail(header, "the name of a field, in front of the colon, has no blanks in it", f);
    return fail(header, "this is not a header field, which is written \"Name: value\"", f);
}

static int parse(const char *header, HeaderField *ret, Failure *f)
{
    HeaderCursor cursor = {.at = header, .end = header + strlen(header), .line = 1};

    if (header_next(&cursor, ret, NULL) <= 0)
        return fail_form(header, f);
    if (cursor.at != cursor.end)
        return fail(header,
            "a line break is only allowed with a blank behind it; give each field by itself", f);
    return 0;
}

static bool has_name(const char *header, const char *name, size_t n)
{
    return strncasecmp(header, name, n) == 0 && header[n + strspn(header + n, " \t")] == ':';
}

static bool is_named(const HeaderField *field, const char *name)
{
    return field->n_name == strlen(name) && strncasecmp(field->name, name, field->n_name) == 0;
}

static bool has_word(const HeaderField *field, const char *word)
{
    for (const char *at = field->value; at < field->value + field->n_value; at++)
        if (text_starts_nocase(at, word))
            return true;
    return false;
}

/* What the field says of the body. */
static void note_content(ComposeOwn *own, const HeaderField *field)
{
    const char *value = field->value + strspn(field->value, " \t\r\n");

    if (is_named(field, "Content-Transfer-Encoding"))
        own->is_raw = true;
    if (!is_named(field, "Content-Type"))
        return;
    own->has_type = true;
    own->is_text = text_starts_nocase(value, "text/");
    own->has_charset = has_word(field, "charset");
    own->is_raw = own->is_raw || text_starts_nocase(value, "multipart/") ||
                  text_starts_nocase(value, "message/");
}

static bool is_value(const HeaderField *field, const char *word)
{
    const char *value = field->value + strspn(field->value, " \t\r\n");
    size_t n = strlen(word);

    return text_starts_nocase(value, word) && value + n <= field->value + field->n_value &&
           strspn(value + n, " \t\r\n") == (size_t)(field->value + field->n_value - value - n);
}

/* What composing writes itself has one right value, or none that could be given. */
static int examine_content(const char *header, const HeaderField *field, Failure *f)
{
    if (is_named(field, "MIME-Version") && !has_word(field, "1.0"))
        return fail(header, "there is no version but 1.0; leave the field out, it is written", f);
    if (is_named(field, "Content-Type") && has_word(field, "multipart/") &&
        !has_word(field, "boundary"))
        return fail(header,
            "its parts cannot be told without a boundary; attach files, or give an HTML text, and "
            "the field is written",
            f);
    return 0;
}

static int examine(const char *header, bool replaces, HeaderField *field, Failure *f)
{
    int r = parse(header, field, f);

    if (r < 0)
        return r;
    if (field->kind == FIELD_BCC || field->kind == FIELD_RESENT_BCC)
        return fail(header, "no recipient may see this field; give the address as bcc", f);
    /* Exchange's fields mean the envelope only where they lead the header. */
    if (field->kind >= FIELD_X_SENDER && field->kind <= (replaces ? FIELD_X_END : FIELD_X_OUTBOX))
        return fail(header, "the queue keeps the envelope in this field", f);
    if (field_rule(field->name, field->n_name)->syntax == SYNTAX_REFUSED)
        return fail(
            header, "this field is not the author's: who delivers the message writes it", f);
    if (is_named(field, "From") && field->n_value == strspn(field->value, " \t\r\n"))
        return fail(header, "a message has an author; give the address", f);
    return 0;
}

/* Whether one of the headers before it has the same name. */
static bool is_repeated(const ComposeOwn *own, size_t i, const HeaderField *field)
{
    for (size_t j = 0; j < i; j++)
        if (has_name(own->headers[j], field->name, field->n_name))
            return true;
    return false;
}

int compose_own_examine(const char *const *headers, ComposeOwn *ret, Failure *f)
{
    bool replaces = headers && headers[0] && headers[0][0] == '\0';

    *ret = (ComposeOwn){
        .headers = headers ? headers + replaces : NULL, .replaces = replaces, .is_raw = replaces};
    if (replaces && !ret->headers[0])
        return failure_set(f, -EBADMSG, ERROR_MESSAGE,
            "the header is to be replaced, and there is no field in its place: the text would be "
            "taken "
            "for it");
    for (size_t i = 0; ret->headers && ret->headers[i]; i++) {
        HeaderField field;
        int r = examine(ret->headers[i], replaces, &field, f);

        if (r < 0)
            return r;
        r = replaces ? 0 : examine_content(ret->headers[i], &field, f);
        if (r < 0)
            return r;
        if (field_rule(field.name, field.n_name)->once && is_repeated(ret, i, &field))
            return fail(ret->headers[i], "this field may stand in a header only once", f);
        note_content(ret, &field);
        if (!replaces && is_named(&field, "Content-Transfer-Encoding"))
            ret->encoding = ret->headers[i];
    }
    if (ret->encoding && !ret->has_type)
        return fail(ret->encoding,
            "the text is encoded as it needs; leave the field out, or say with a Content-Type what "
            "a body is that is encoded already",
            f);
    return 0;
}

/* ---- the body beside them ---- */

static bool is_base64(const char *data, size_t n, bool whole)
{
    size_t digits = 0, pads = 0;

    for (size_t i = 0; i < n; i++) {
        if (strchr(" \t\r\n", data[i]) && data[i])
            continue;
        if (data[i] == '=')
            pads++;
        else if (pads > 0 || !(text_is_alphanumeric(data[i]) || data[i] == '+' || data[i] == '/'))
            return false;
        digits++;
    }
    return pads <= 2 && (!whole || digits % 4 == 0);
}

/* Each "=" is followed by two digits or the end of the line (RFC 2045, 6.7). */
static bool is_quoted_printable(const char *data, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t left = n - i - 1;

        if (data[i] != '=' || left < 2 || data[i + 1] == '\n' || data[i + 1] == '\r')
            continue;
        if (!isxdigit((unsigned char)data[i + 1]) || !isxdigit((unsigned char)data[i + 2]))
            return false;
    }
    return text_is_ascii(data, n);
}

int compose_own_check_body(
    const ComposeOwn *own, const char *data, size_t n, bool whole, Failure *f)
{
    HeaderField field;
    bool fits = true;

    if (!own->encoding || parse(own->encoding, &field, f) < 0)
        return 0;
    if (is_value(&field, "base64"))
        fits = is_base64(data, n, whole);
    else if (is_value(&field, "quoted-printable"))
        fits = is_quoted_printable(data, n);
    else if (is_value(&field, "7bit"))
        fits = text_is_ascii(data, n);
    else if (!is_value(&field, "8bit") && !is_value(&field, "binary"))
        return fail(own->encoding,
            "it is 7bit, 8bit, binary, base64 or quoted-printable; leave the field out, and the "
            "text is encoded as it needs",
            f);
    return fits ? 0
                : fail(own->encoding,
                      "the text is not encoded so; leave the field out, and it is encoded as it "
                      "needs",
                      f);
}

bool compose_own_has(const ComposeOwn *own, const char *name)
{
    for (size_t i = 0; own->headers && own->headers[i]; i++)
        if (has_name(own->headers[i], name, strlen(name)))
            return true;
    return false;
}

/* ---- writing ---- */

/* The value on one line, without blanks at its ends: the folds are made anew. */
static char *unfold(const HeaderField *field)
{
    char *value = malloc(field->n_value + 1);
    size_t n = 0;

    for (size_t i = 0; value && i < field->n_value; i++)
        if (field->value[i] != '\r' && field->value[i] != '\n')
            value[n++] = field->value[i];
    while (value && n > 0 && (value[n - 1] == ' ' || value[n - 1] == '\t'))
        n--;
    if (value) {
        value[n] = '\0';
        memmove(value, value + strspn(value, " \t"), n + 1 - strspn(value, " \t"));
    }
    return value;
}

static int put_value(
    const char *name, const char *value, const char *charset, const FieldOutput *out, Failure *f)
{
    const char *const list[] = {value, NULL};

    switch (field_rule(name, strlen(name))->syntax) {
    case SYNTAX_ADDRESSES: return compose_put_addresses(name, name, list, NULL, NULL, out, f);
    case SYNTAX_DATE: return compose_put_date(name, name, value, out, f);
    case SYNTAX_ID: return compose_put_id(name, name, value, out, f);
    case SYNTAX_IDS: return compose_put_ids(name, name, value, out, f);
    case SYNTAX_PHRASES: return compose_put_phrases(name, name, value, out, f);
    case SYNTAX_LIST_ID: return compose_put_list_id(name, name, value, out, f);
    case SYNTAX_PARAMETERS: return compose_put_parameters(name, name, value, out, f);
    case SYNTAX_TYPE:
        return compose_put_type(name, name, value, &(TypeParameters){.charset = charset}, out, f);
    case SYNTAX_TEXT: return compose_put_text(name, name, value, out, f);
    default: return compose_put_ascii(name, name, value, out, f);
    }
}

static int put(const char *header, const char *charset, const FieldOutput *out, Failure *f)
{
    _cleanup_free_
    char *name = NULL, *value = NULL;
    HeaderField field;
    int r = parse(header, &field, f);

    if (r < 0)
        return r;
    name = strndup(field.name, field.n_name);
    value = unfold(&field);
    return name && value ? put_value(name, value, charset, out, f) : -ENOMEM;
}

int compose_own_put(const ComposeOwn *own, const char *charset, const FieldOutput *out, Failure *f)
{
    int r = 0;

    for (size_t i = 0; own->headers && own->headers[i] && r == 0; i++)
        r = put(own->headers[i], charset, out, f);
    return r;
}
