/* Single fields of a header that is being written, in the syntax of each. Inside the layer only.
 *
 * `what` names the part for a person ("subject"), `name` is the field's. Results are 0, -EBADMSG
 * with a Failure that names the part, or -ENOMEM. */
#pragma once

#include "base/buffer.h"
#include "base/failure.h"
#include "message/compose.h"
#include "message/envelope.h"
#include "message/field.h"

/* Text of one line: UTF-8 without control characters. */
int compose_check_text(const char *what, const char *text, Failure *f);

/* Unstructured text, encoded where it is not ASCII (RFC 2047); nothing for NULL. */
int compose_put_text(
    const char *what, const char *name, const char *text, const FieldOutput *out, Failure *f);

/* What has to be ASCII; folded at its blanks. */
int compose_put_ascii(
    const char *what, const char *name, const char *text, const FieldOutput *out, Failure *f);

/* A date of RFC 5322, 3.3; a msg-id, put into <> where it has none. */
int compose_put_date(
    const char *what, const char *name, const char *text, const FieldOutput *out, Failure *f);
int compose_put_id(
    const char *what, const char *name, const char *text, const FieldOutput *out, Failure *f);

/* A comma list of phrases (RFC 5322, 3.6.5), such as Keywords; a phrase and <...> (RFC 2919, 3);
 * msg-ids. None of them may be empty. */
int compose_put_phrases(
    const char *what, const char *name, const char *text, const FieldOutput *out, Failure *f);
int compose_put_list_id(
    const char *what, const char *name, const char *text, const FieldOutput *out, Failure *f);
int compose_put_ids(
    const char *what, const char *name, const char *text, const FieldOutput *out, Failure *f);

/* A phrase as it stands in a list (a display name), written anew. True; false: there is nothing in
 * it; or -ENOMEM. */
int compose_put_name(FieldWriter *w, const char *phrase, size_t n);

/* "value; name=value; ..." (RFC 2045, 5.1), whose values go as RFC 2231 has it where they are not
 * ASCII. */
int compose_put_parameters(
    const char *what, const char *name, const char *text, const FieldOutput *out, Failure *f);

/* What a Content-Type gets where its value has no parameter of that name; NULL or "": nothing. */
typedef struct TypeParameters {
    const char *charset; /* of text alone */
    const char *name;    /* of a file */
} TypeParameters;

/* The same of Content-Type, whose value is a type and a subtype. */
int compose_put_type(const char *what, const char *name, const char *text,
    const TypeParameters *more, const FieldOutput *out, Failure *f);

/* A field of address lists and, behind them, of those recipients that are of a kind (`people` NULL:
 * of none), display names encoded where they are not ASCII; nothing where all are empty. Each
 * address becomes a recipient of `e` (where not NULL); `name` may be NULL when no field is to be
 * written. */
typedef struct People {
    const ComposeRecipient *items;
    size_t n;
    ComposeKind kind;
} People;

int compose_put_addresses(const char *what, const char *name, const char *const *lists,
    const People *people, Envelope *e, const FieldOutput *out, Failure *f);

/* A field that has the word of that number; nothing for 0. */
int compose_put_word(const char *what, const char *name, ComposeWord which, unsigned number,
    const FieldOutput *out, Failure *f);
