/* A message that was composed: its envelope, its header, and the pieces in which it is read. */
#pragma once

#include "base/buffer.h"
#include "base/failure.h"
#include "message/envelope.h"

/* A message of which the header is made. Its file has LF line ends, and begins with its envelope
 * block (X-Sender, X-Receiver). */
typedef struct Composed Composed;

void composed_free(Composed *composed); /* accepts NULL */

DEFINE_CLEANUP(Composed, composed_free);

/* Who it is from and for. */
const Envelope *composed_envelope(const Composed *composed);

/* Bytes of the envelope block that the file begins with. */
size_t composed_envelope_size(const Composed *composed);

/* The header, with the empty line that ends it: the text that stands in the file behind the
 * envelope block. Of a raw message, nothing. */
const Buffer *composed_header(const Composed *composed);

typedef struct ComposeField {
    char *name;  /* in its case */
    char *value; /* on one line */
} ComposeField;

/* The header's fields in their order. The array is the Composed's. 0 or -ENOMEM. */
int composed_fields(Composed *composed, const ComposeField **ret, size_t *ret_n);

/* Appends some of the file, about `wanted` bytes. 1, 0 at its end; -EBADMSG with a Failure:
 * ERROR_ATTACHMENT or ERROR_FILE where a file cannot be read or has changed meanwhile,
 * ERROR_CHARSET or ERROR_MESSAGE where it turned out to be no text; -ENOMEM. After a failure the
 * message is lost. */
int composed_read(Composed *composed, size_t wanted, Buffer *out, Failure *f);

/* From now on what is read of the body, as it is transferred, is kept; and what there is of it. */
void composed_keep_body(Composed *composed);
const Buffer *composed_body(const Composed *composed);
