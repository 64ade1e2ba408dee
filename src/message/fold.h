/* Lines of a header that are too long for a relay, folded where that changes nothing (RFC 5322,
 * 2.2.3). Inside the layer only. */
#pragma once

#include <stddef.h>

#include "base/buffer.h"
#include "base/failure.h"

/* Appends the field, whole lines with their ends, those over FORM_LINE_MAX folded: in front of
 * blanks; between encoded words; and, where the field has a syntax, behind commas and semicolons
 * and between <...>, where a blank says nothing. 0; -ENOMEM; or -EBADMSG with a Failure that names
 * the field where a line has no such place: then anything may have been appended. */
int fold_field(const char *field, size_t n, Buffer *out, Failure *f);
