/* The user's own header fields. Must never let two fields pass as one, nor a field that the queue
 * would take for the envelope or leave out. */
#include "message/compose_own.h"

#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "base/text.h"
#include "message/compose_field.h"
#include "message/header.h"

#define SHOWN_MAX 40

static int fail(const char *header, const char *why, Failure *f)
{
    _cleanup_free_
    char *shown = text_printable(header, strlen(header), SHOWN_MAX);

    return failure_set(f, -EBADMSG, ERROR_MESSAGE, "header \"%s\": %s", shown ?: "...", why);
}

static int parse(const char *header, HeaderField *ret, Failure *f)
{
    HeaderCursor cursor = {.at = header, .end = header + strlen(header), .line = 1};

    if (header_next(&cursor, ret, NULL) <= 0)
        return fail(header, "this is not a header field, which is written \"Name: value\"", f);
    if (cursor.at != cursor.end)
        return fail(header,
            "a line break is only allowed with a blank behind it; give each field by itself", f);
    return 0;
}

static bool is_mime(const HeaderField *field)
{
    return text_starts_nocase(field->name, "Content-") ||
           text_starts_nocase(field->name, "MIME-Version:");
}

int compose_own_examine(const char *const *headers, ComposeOwn *ret, Failure *f)
{
    bool replaces = headers && headers[0] && headers[0][0] == '\0';
    HeaderField field;

    *ret = (ComposeOwn){.replaces = replaces, .is_raw = replaces};
    for (size_t i = replaces; headers && headers[i]; i++) {
        int r = parse(headers[i], &field, f);

        if (r < 0)
            return r;
        if (field.kind == FIELD_BCC || field.kind == FIELD_RESENT_BCC)
            return fail(headers[i], "no recipient may see this field; give the address as bcc", f);
        /* Exchange's fields mean the envelope only where they lead the header. */
        if (field.kind >= FIELD_X_SENDER && field.kind <= (replaces ? FIELD_X_END : FIELD_X_OUTBOX))
            return fail(headers[i], "the queue keeps the envelope in this field", f);
        ret->is_raw = ret->is_raw || is_mime(&field);
    }
    return 0;
}

/* Appends a value that has to be encoded: unfolded first, for the encoding makes other lines. */
static int put_encoded(const HeaderField *field, Buffer *out, Failure *f)
{
    _cleanup_free_
    char *name = strndup(field->name, field->n_name);
    _cleanup_free_
    char *value = malloc(field->n_value + 1);
    size_t n = 0;

    if (!name || !value)
        return -ENOMEM;
    for (size_t i = 0; i < field->n_value; i++)
        if (field->value[i] != '\r' && field->value[i] != '\n')
            value[n++] = field->value[i];
    value[n] = '\0';
    return compose_put_text(name, name, value + strspn(value, " \t"), out, f);
}

static int put(const char *header, Buffer *out, Failure *f)
{
    HeaderField field;
    int r = parse(header, &field, f);

    if (r < 0)
        return r;
    if (!text_is_ascii(header, strlen(header)))
        return put_encoded(&field, out, f);
    for (const char *at = header; *at && r == 0; at++)
        if (*at != '\r')
            r = buffer_append(out, at, 1);
    if (r == 0 && field.end[-1] != '\n')
        r = buffer_append(out, "\n", 1);
    return r;
}

int compose_own_put(const char *const *headers, Buffer *out, Failure *f)
{
    int r = 0;

    for (size_t i = 0; headers && headers[i] && r == 0; i++)
        if (i > 0 || *headers[0])
            r = put(headers[i], out, f);
    return r;
}
