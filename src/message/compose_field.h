/* Single fields of a header that is being written. Inside the layer only.
 *
 * `what` names the part for a person ("subject"). Results are 0, -EBADMSG with a Failure that
 * names the part, or -ENOMEM. */
#pragma once

#include "base/buffer.h"
#include "base/failure.h"
#include "message/envelope.h"

/* Text of one line: UTF-8 without control characters. */
int compose_check_text(const char *what, const char *text, Failure *f);

/* Appends "Name: value" folded at blanks (RFC 5322, 2.2.3), where lines would be too long. */
int compose_put(const char *name, const char *value, Buffer *out);

/* The same for unstructured text, encoded where it is not ASCII (RFC 2047); nothing for NULL. */
int compose_put_text(const char *what, const char *name, const char *text, Buffer *out, Failure *f);

/* A field of address lists, display names encoded where they are not ASCII; nothing for NULL or
 * when all are empty. Each address becomes a recipient of `e` (where not NULL); `name` may be NULL
 * when no field is to be written. */
int compose_put_addresses(const char *what, const char *name, const char *const *lists, Envelope *e,
    Buffer *out, Failure *f);

/* A field that has one of the given words, in any case; nothing for NULL. */
int compose_put_word(const char *what, const char *name, const char *word,
    const char *const *allowed, Buffer *out, Failure *f);
