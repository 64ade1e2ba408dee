/* Header fields that the user gives as they are to be. Inside the layer only. */
#pragma once

#include "base/buffer.h"
#include "base/failure.h"

typedef struct ComposeOwn {
    bool replaces; /* they are the whole header */
    bool is_raw;   /* they say what the body is, or there is no other that could */
} ComposeOwn;

/* Whether each but an empty first one is a well-formed field that may stand in a header. 0 or
 * -EBADMSG with a Failure that shows the field. */
int compose_own_examine(const char *const *headers, ComposeOwn *ret, Failure *f);

/* Appends them, LF line ends; values that are not ASCII are encoded (RFC 2047). 0, -EBADMSG with a
 * Failure, or -ENOMEM. */
int compose_own_put(const char *const *headers, Buffer *out, Failure *f);
