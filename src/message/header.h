/* The fields of a header, one after the other, in the memory they were read into. Pure.
 *
 * Inside the layer only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/failure.h"

typedef enum FieldKind {
    FIELD_OTHER,
    FIELD_X_SENDER,
    FIELD_X_RECEIVER,
    FIELD_X_OUTBOX,   /* any name that begins so */
    FIELD_X_EXCHANGE, /* what Exchange writes between the envelope and the header */
    FIELD_X_END,      /* X-EndOfInjectedXHeaders: the last of them */
    FIELD_RETURN_PATH,
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

/* Finds the empty line that ends the header, from `from` on, where a line begins. True with its
 * place in `*ret_end`; false when it is not in these `n` bytes, with the place to go on from when
 * more has been read. */
bool header_find_end(const char *data, size_t n, size_t from, size_t *ret_end);

/* Drops the fields that no recipient may see (Bcc, Resent-Bcc), moving what follows towards the
 * front. `n` bytes of well-formed header; returns how many are left. */
size_t header_drop_hidden(char *header, size_t n);

/* Passes over the line that separates messages in an mbox file; it is no header field. */
void header_skip_mbox_line(HeaderCursor *cursor);
