/* The fields of a header, one after the other, in the memory they were read into. Pure.
 *
 * Inside the layer only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/failure.h"

typedef enum FieldKind {
    FIELD_OTHER,
    FIELD_USUAL, /* Subject and others that say no more than that this is a header */
    FIELD_X_SENDER,
    FIELD_X_RECEIVER,
    FIELD_X_OUTBOX,   /* any name that begins so */
    FIELD_X_EXCHANGE, /* what Exchange writes between the envelope and the header */
    FIELD_X_END,      /* X-EndOfInjectedXHeaders: the last of them */
    FIELD_RETURN_PATH,
    FIELD_CONTENT_LENGTH,
    FIELD_REPLY_TO,
    FIELD_DATE,
    FIELD_MESSAGE_ID,
    FIELD_SENDER, /* this and the next four in the order of their Resent- forms below */
    FIELD_FROM,
    FIELD_TO,
    FIELD_CC,
    FIELD_BCC,
    FIELD_RESENT_OTHER, /* any other name that begins so */
    FIELD_RESENT_DATE,
    FIELD_RESENT_MESSAGE_ID,
    FIELD_RESENT_SENDER,
    FIELD_RESENT_FROM,
    FIELD_RESENT_TO,
    FIELD_RESENT_CC,
    FIELD_RESENT_BCC,
} FieldKind;

/* Of a field of this name. */
FieldKind header_name_kind(const char *name, size_t n);

/* Sets of kinds. */
#define FIELD_BIT(kind) (1u << (kind))

/* A field; everything points into the header. */
typedef struct HeaderField {
    FieldKind kind;
    const char *name;
    size_t n_name;
    const char *value; /* with its folds */
    size_t n_value;
    const char *end; /* behind its last line end; `name` is where it starts */
    size_t line;     /* of the file, from 1 */
} HeaderField;

typedef struct HeaderCursor {
    const char *at, *end; /* the rest of the header, without the empty line that ends it */
    size_t line;          /* that stands at `at` */
} HeaderCursor;

/* The next field. 1, 0 at the end, or -EBADMSG with a Failure that names the line. */
int header_next(HeaderCursor *cursor, HeaderField *ret, Failure *f);

/* The parts of a file up to the empty line that ends the header; that begins in `header.end`. */
typedef struct HeaderParts {
    HeaderCursor block;  /* the envelope block; empty where there is none */
    HeaderCursor header; /* behind it */
} HeaderParts;

/* Finds them in the first `n` bytes of a file. What programs put in front of a header belongs to
 * neither: a byte order mark, the "From " lines of mbox files, also with ">" before them, and empty
 * lines where a header follows. Fields are not judged. `is_all`: there are no more bytes. True;
 * false when the header does not end with an empty line within these bytes. */
bool header_locate(const char *data, size_t n, bool is_all, HeaderParts *ret);

/* The beginning of the next line, or `end`. */
const char *header_next_line(const char *at, const char *end);

/* How the first line of these ends: "\n" or "\r\n". */
const char *header_line_end(const char *data, size_t n);

/* Whether it is called so, in any case. */
bool header_field_is(const HeaderField *field, const char *name);

/* Whether blanks stand between the field's name and its colon: legal once (RFC 5322, 4.5), and for
 * many who read mail the end of the header. */
bool header_field_has_gap(const HeaderField *field);

/* Kinds that never go out: Bcc and Resent-Bcc, which no recipient may see, Return-Path, which is
 * for the last server to add (RFC 5321, 4.4), and Content-Length, which is a mailbox file's. */
#define FIELDS_DROPPED                                                                   \
    (FIELD_BIT(FIELD_BCC) | FIELD_BIT(FIELD_RESENT_BCC) | FIELD_BIT(FIELD_RETURN_PATH) | \
        FIELD_BIT(FIELD_CONTENT_LENGTH))

/* Drops these, and the blanks before colons, moving what follows towards the front. `n` bytes of
 * well-formed header; returns how many are left. */
size_t header_mend(char *header, size_t n);
