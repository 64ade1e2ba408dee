/* Header fields that the user gives as they are to be. Inside the layer only. */
#pragma once

#include "base/failure.h"
#include "message/field.h"

typedef struct ComposeOwn {
    const char *const *headers; /* but an empty first one; NULL or NULL-terminated */
    bool replaces;              /* they are the whole header */
    bool is_raw;                /* the body goes in as it is: they say how it is encoded, or that it
                                 * has parts or is a message */
    bool has_type;              /* they say what it is; it is encoded as it needs */
    bool is_text, has_charset;  /* that it is text; the character set as well */
    const char *encoding;       /* the header that says how it is encoded; NULL: none does */
} ComposeOwn;

/* Whether each but an empty first one is a well-formed field that may stand in a header, and none
 * twice that may stand once. 0 or -EBADMSG with a Failure that shows the field. */
int compose_own_examine(const char *const *headers, ComposeOwn *ret, Failure *f);

/* Whether a body that begins so (`whole`: and is all of it) can be what they say it is encoded as:
 * else a reader would see what nobody wrote. 0 or -EBADMSG with a Failure. */
int compose_own_check_body(
    const ComposeOwn *own, const char *data, size_t n, bool whole, Failure *f);

/* Whether they have the field, so that no other is written. */
bool compose_own_has(const ComposeOwn *own, const char *name);

/* Appends them, each in the syntax of its field; a Content-Type that names no character set gets
 * `charset` (NULL: none). 0, -EBADMSG with a Failure, or -ENOMEM. */
int compose_own_put(const ComposeOwn *own, const char *charset, const FieldOutput *out, Failure *f);
